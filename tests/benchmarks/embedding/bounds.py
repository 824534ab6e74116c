"""CPU seconds and tightness of bounds of networks with known weights: intervals, lines, linear programs.

Run `python tests/benchmarks/embedding/bounds.py [--nets NAME ...] [--programs] [--samples N] [--seconds S]`. For every
network and box prints the best CPU seconds of a call, unstable units (those whose kink is inside their bounds), the
mean width of the results, and these against interval propagation. `lines` are backward bounds by one walk, `turned`
those whose free slopes turn. `--programs` adds linear programs where the network
is small. Networks are random, or trained for a moment on random images, so that nothing has to be read.
Reference points: 1 ms for 64-100-100-100-10 and 31 ms for a small convolution network, backward, one sample.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from nnmip.backends.linear import LinearProgram
from nnmip.bounds.crown import crown, undecided
from nnmip.bounds.interval import FloatArray, Interval
from nnmip.bounds.known import propagate_known
from nnmip.bounds.obbt import obbt
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Network
from tests.bounds.nets import Sketch

Method = Callable[[Network, Assignment, Interval], Bounds]
METHODS: dict[str, Method] = {"intervals": propagate_known, "lines": lambda *given: crown(*given, 0), "turned": crown}
PROGRAMS: dict[str, Method] = {"programs": lambda *given: obbt(*given, LinearProgram.of_many_goals)}


@dataclass(frozen=True)
class Case:
    """A network with the centers and the radius of its boxes."""

    sketch: Sketch
    centers: FloatArray
    radius: float
    is_small: bool = False

    def box(self, samples: int) -> Interval:
        centers = self.centers[np.arange(samples) % len(self.centers)]
        return Interval(centers - self.radius, centers + self.radius)


def images(rng: np.random.Generator, count: int, *shape: int) -> tuple[FloatArray, np.ndarray]:
    """Noisy copies of ten smooth pictures, and which one each is."""
    fields = np.cumsum(np.cumsum(rng.normal(size=(10, *shape)), axis=-1), axis=-2)
    fields = (fields - fields.min(axis=(1, 2), keepdims=True)) / np.ptp(fields, axis=(1, 2), keepdims=True)
    labels = rng.integers(0, 10, count)
    return np.clip(fields[labels] + 0.2 * rng.normal(size=(count, *shape)), 0.0, 1.0), labels


def kernel(rng: np.random.Generator, *shape: int) -> dict[str, FloatArray]:
    return {
        "weights": rng.normal(size=shape) * np.sqrt(2.0 / np.prod(shape[1:])),
        "bias": 0.1 * rng.normal(size=shape[0]),
    }


def dense(layers: list[dict[str, FloatArray]]) -> Sketch:
    sketch = Sketch(layers[0]["weights"].shape[1])
    name = sketch.add("dense", "x", **layers[0])
    for layer in layers[1:]:
        name = sketch.add("dense", sketch.add("relu", name), **layer)
    return sketch


def trained(rng: np.random.Generator, side: int, *sizes: int, steps: int = 300) -> tuple[Sketch, FloatArray]:
    """A dense network after some steps of Adam on the logistic loss; and rows that it has not seen."""
    pictures, labels = images(rng, 2200, side, side)
    rows = pictures.reshape(len(pictures), -1)
    layers = [kernel(rng, after, before) for before, after in pairwise((side * side, *sizes))]
    moments = [{key: (np.zeros_like(v), np.zeros_like(v)) for key, v in layer.items()} for layer in layers]
    for step in range(1, steps + 1):
        batch = rng.integers(0, 2000, 64)
        values = [rows[batch]]
        for layer in layers:
            values.append(
                np.maximum(values[-1], 0.0 if len(values) > 1 else -np.inf) @ layer["weights"].T + layer["bias"]
            )
        slope = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        slope /= slope.sum(axis=1, keepdims=True)
        slope[np.arange(64), labels[batch]] -= 1.0
        for k in reversed(range(len(layers))):
            before = np.maximum(values[k], 0.0) if k else values[k]
            given = {"weights": slope.T @ before / 64 + 1e-3 * layers[k]["weights"], "bias": slope.mean(axis=0)}
            slope = (slope @ layers[k]["weights"]) * (values[k] > 0.0)
            for key, gradient in given.items():
                first, second = moments[k][key]
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient**2 - second)
                pace = 1e-3 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                layers[k][key] = layers[k][key] - pace * first / (np.sqrt(second) + 1e-8)
    return dense(layers), rows[2000:]


def convolutions(rng: np.random.Generator) -> Sketch:
    """Two convolutions and two dense layers over 28 x 28 pixels."""
    sketch = Sketch(1, 28, 28)
    name = sketch.add("relu", sketch.add("conv2d", "x", **kernel(rng, 16, 1, 4, 4), stride=(2, 2), padding=(1, 1)))
    name = sketch.add("relu", sketch.add("conv2d", name, **kernel(rng, 32, 16, 4, 4), stride=(2, 2), padding=(1, 1)))
    name = sketch.add("relu", sketch.add("dense", sketch.add("flatten", name), **kernel(rng, 100, 32 * 49)))
    sketch.add("dense", name, **kernel(rng, 10, 100))
    return sketch


def random_dense(rng: np.random.Generator, *sizes: int) -> Sketch:
    return dense([kernel(rng, after, before) for before, after in pairwise(sizes)])


def cases(names: list[str] | None) -> dict[str, Case]:
    rng = np.random.default_rng(0)
    makers: dict[str, Callable[[], Case]] = {
        "100x3 random": lambda: Case(
            random_dense(rng, 64, 100, 100, 100, 10), rng.random((50, 64)), 0.02, is_small=True
        ),
        "100x3 trained": lambda: Case(*trained(rng, 8, 100, 100, 100, 10), 0.03, is_small=True),
        "512x2 random": lambda: Case(random_dense(rng, 784, 512, 512, 10), rng.random((50, 784)), 0.005),
        "512x2 trained": lambda: Case(*trained(rng, 28, 512, 512, 10, steps=150), 0.01),
        "cnn random": lambda: Case(convolutions(rng), images(rng, 50, 28, 28)[0][:, None], 0.01),
    }
    return {name: make() for name, make in makers.items() if names is None or name in names}


def measured(
    method: Method, network: Network, assignment: Assignment, box: Interval, seconds: float
) -> tuple[Bounds, float]:
    """The bounds, and the least CPU seconds of the calls that fit into `seconds`."""
    best, began = np.inf, time.process_time()
    while True:
        start = time.process_time()
        bounds = method(network, assignment, box)
        best = min(best, time.process_time() - start)
        if time.process_time() - began + best > seconds:
            return bounds, best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nets", nargs="+", help="such as `100x3 random`; all without this")
    parser.add_argument("--programs", action="store_true", help="linear programs too, on small networks")
    parser.add_argument("--samples", type=int, default=1, help="boxes in one call")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds for repetitions of one method")
    given = parser.parse_args()
    print(f"{'network':16} {'method':10} {'ms':>9} {'unstable':>9} {'width':>9}   time, unstable, width over intervals")
    for name, case in cases(given.nets).items():
        network, assignment = case.sketch.network()
        box = case.box(given.samples)
        first: tuple[float, int, float] | None = None
        for label, method in {**METHODS, **(PROGRAMS if given.programs and case.is_small else {})}.items():
            bounds, seconds = measured(method, network, assignment, box, given.seconds)
            last = bounds.outputs[network.result_layer]
            found = (
                seconds,
                sum(int(mask.sum()) for mask in undecided(network, assignment, bounds).values()),
                float((last.hi - last.lo).mean()),
            )
            first = first or found
            ratios = " ".join(f"{value / max(base, 1e-12):9.3g}" for value, base in zip(found, first, strict=True))
            print(f"{name:16} {label:10} {1e3 * found[0]:9.2f} {found[1]:9d} {found[2]:9.4f}   {ratios}")


if __name__ == "__main__":
    main()
