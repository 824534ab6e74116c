"""Properties of the nets of `train.py`, written as models beside them.

    python -m tests.benchmarks.verification.properties FOLDER

Every property bounds an expression of the outputs over a box by what sampling finds to be its largest value there, and
a part of its spread: a positive part makes a property that seems to hold, the smaller the harder, a negative one a
property that is broken, in a small part of the box. Four kinds, in equal numbers: single rows, conjunctions (all of
some rows break it), disjunctions (any does), and boxes of two parts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.verification.train import INPUTS

FloatArray = NDArray[np.float64]
Values = Callable[[FloatArray], FloatArray]

SIZES = (0.3, 0.15, 0.1, 0.25)
PARTS = (0.5, -0.05, 0.2, 0.1, -0.01, 0.1)
PER_KIND = 6
ROUNDS, POINTS, ELITES = 12, 2000, 50
KINDS = ("row", "all", "any", "two")


def outputs(path: Path) -> Values:
    """The plain forward pass of a saved net."""
    import onnx
    from onnx import numpy_helper

    parts = {part.name: numpy_helper.to_array(part) for part in onnx.load(str(path)).graph.initializer}
    count = len(parts) // 2

    def values(x: FloatArray) -> FloatArray:
        for k in range(count):
            x = x @ parts[f"w{k}"] + parts[f"b{k}"]
            x = np.maximum(x, 0.0) if k < count - 1 else x
        return x

    return values


def largest(f: Values, lo: FloatArray, hi: FloatArray, random: np.random.Generator) -> tuple[float, float]:
    """The largest value that sampling finds in a box, from elites with noise, and the spread of the first points."""
    x = random.uniform(lo, hi, (10 * POINTS, len(lo)))
    values = f(x)
    spread = float(values.std())
    for _ in range(ROUNDS):
        best = values.argsort()[-ELITES:]
        x, values = x[best], values[best]
        noise = 10.0 ** random.uniform(-4, -0.5, (POINTS, 1)) * random.normal(size=(POINTS, len(lo)))
        tried = np.clip(x[np.arange(POINTS) % len(x)] + (hi - lo) * noise, lo, hi)
        x, values = np.concatenate([x, tried]), np.concatenate([values, f(tried)])
    return float(values.max()), spread


def middle_of(size: float, random: np.random.Generator) -> FloatArray:
    return np.round(random.uniform(-1 + size, 1 - size, 5), 3)


def claim(kind: str, net: Values, random: np.random.Generator) -> tuple[str, Values]:
    """A conclusion with `{t}` for its limit, and the expression that it bounds by it."""
    i, j, k = (int(each) for each in random.permutation(5)[:3])
    y = "net(x)"
    if kind == "all":
        texts = f"{y}[{i}] - {y}[{j}] <= {{t}} or {y}[{k}] - {y}[{j}] <= {{t}}"
        return texts, lambda x: np.minimum(net(x)[:, i] - net(x)[:, j], net(x)[:, k] - net(x)[:, j])
    if kind == "any":
        return f"max({y}) - {y}[{i}] <= {{t}}", lambda x: net(x).max(axis=1) - net(x)[:, i]
    sign = "-1 * " if random.random() < 0.5 else ""
    factor = -1.0 if sign else 1.0
    return f"{sign}{y}[{i}] <= {{t}}", lambda x: factor * net(x)[:, i]


def property_text(number: int, kind: str, net: Values, random: np.random.Generator) -> str:
    size, part = SIZES[number % len(SIZES)], PARTS[number % len(PARTS)]
    text, f = claim(kind, net, random)
    middles = [middle_of(size, random) for _ in range(2 if kind == "two" else 1)]
    found = [largest(f, middle - size, middle + size, random) for middle in middles]
    limit = max(best for best, _ in found) + part * max(spread for _, spread in found)
    assumed = " or ".join(f"norm_inf(x - {middle.tolist()}) <= {size}" for middle in middles)
    return f"""verify {kind}{number} "{part} of its spread from what sampling finds":
  forall x : real[{len(INPUTS)}] in [-1, 1]
  assume {assumed}
  prove {text.format(t=repr(round(limit, 5)))}
"""


def main(folder: Path) -> None:
    for number in range(3):
        random, net = np.random.default_rng(number), outputs(folder / f"turn{number}.onnx")
        texts = [property_text(k, kind, net, random) for kind in KINDS for k in range(PER_KIND)]
        start = f'nnm 0.1\nnetwork net = onnx("turn{number}.onnx")\n'
        (folder / f"turn{number}.nnm").write_text("\n".join([start, *texts]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
