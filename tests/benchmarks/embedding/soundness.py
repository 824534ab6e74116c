"""Whether points of a box stay inside all the bounds that are found for a network.

    python tests/benchmarks/embedding/soundness.py NETS [--points N] [--only NAME ...]

NETS holds the files of `nets.py`. Half of the points are uniform, half are corners drawn at random. Ends with 1 where
a value is outside of its bounds by more than rounding.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import nnmip
from nnmip.bounds.crown import crown
from nnmip.bounds.interval import Interval
from nnmip.hir.evaluate import forward

LOW, HIGH, PART, ROUNDING = 0.48, 0.52, 1000, 1e-9


def outside(path: Path, points: int) -> float:
    """How far the worst value is outside of its bounds, relative to its layer's size; 0 or less where none is."""
    found = nnmip.load_onnx(path)
    network, assignment = found.network, found.assignment
    shape = network.input_shape
    bounds = crown(network, assignment, Interval(np.full((1, *shape), LOW), np.full((1, *shape), HIGH)))
    rng, worst = np.random.default_rng(0), -np.inf
    for _ in range(0, points, PART):
        x = rng.uniform(LOW, HIGH, (PART, *shape))
        x[PART // 2 :] = np.where(rng.random(x[PART // 2 :].shape) < rng.random(), LOW, HIGH)
        values = forward(network, assignment, x)
        for layer in network.layers:
            held, value = bounds.outputs[layer.name], values[layer.name]
            size = max(1.0, float(held.magnitude.max(initial=0.0)))
            worst = max(worst, float(np.maximum(value - held.hi, held.lo - value).max()) / size)
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    given = parser.parse_args()
    is_sound = True
    for path in sorted(given.nets.glob("*.onnx")):
        if given.only is None or path.stem in given.only:
            worst = outside(path, given.points)
            is_sound &= worst <= ROUNDING
            print(f"{path.stem:14} {given.points} points, outside by {max(worst, 0.0):.2g}")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
