"""Whether points of a box stay inside all the bounds that every pass proves of a network.

    python tests/benchmarks/embedding/soundness.py NETS [--points N] [--only NAME ...] [--passes NAME ...] [--faults]

NETS holds the files of `nets.py`. A third of the points are uniform, a third corners drawn at random, a third climbs
from corners: along the gradient of one unit, up or down, to the corner that it shows, and again from there. The bounds
are those of intervals, of lines (CROWN), of linear programs where these are few, and those that constraints cut: below
a sum of inputs and above a value of one output (FBBT), at points that meet both, many of them just so.

With `--faults` every pass is broken in turn, by bounds that are 1e-6 of their size too tight, by slopes that are wrong
by 1e-3, by programs whose certificates are too good. Points have to find each on one of the networks, in the box or in
a narrow one, where networks are nearly linear and bounds are attained. Ends with 1 where a value is outside of its
bounds by more than rounding, or a fault is not found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import nnmip
from nnmip.backends.linear import LinearProgram
from nnmip.bounds import crown as crown_module
from nnmip.bounds import known as known_module
from nnmip.bounds import obbt as obbt_module
from nnmip.bounds.crown import crown, undecided
from nnmip.bounds.fbbt import tightened
from nnmip.bounds.interval import FloatArray, Interval
from nnmip.bounds.known import Contradiction, propagate_known
from nnmip.bounds.obbt import obbt
from nnmip.bounds.relaxation import Lines
from nnmip.hir.core import Assignment, Network
from nnmip.hir.evaluate import forward
from nnmip.incumbents.backprop import Backprop
from nnmip.passes import tightening as tightening_module
from nnmip.passes.tightening import Tightening

CENTER, RADIUS, NARROW = 0.5, 0.02, 0.001
PART, ROUNDING = 1000, 1e-9
CLIMBS = 4
"""How often a point goes on to the corner that its gradient shows."""
MOST_PROGRAMS = 500
"""Up to how many unstable units linear programs are solved."""
SHRUNK, SLANTED = 1e-6, 1e-3

Known = Mapping[str, Interval]


@dataclass(frozen=True)
class Net:
    """A network with known weights, its file, and a box that is the same for every input."""

    path: Path
    network: Network
    assignment: Assignment
    low: float
    high: float

    @staticmethod
    def read(path: Path, radius: float) -> Net:
        found = nnmip.load_onnx(path)
        return Net(path, found.network, found.assignment, CENTER - radius, CENTER + radius)

    @property
    def box(self) -> Interval:
        shape = (1, *self.network.input_shape)
        return Interval(np.full(shape, self.low), np.full(shape, self.high))

    def values(self, x: FloatArray) -> Mapping[str, FloatArray]:
        return {self.network.input_name: x, **forward(self.network, self.assignment, x)}

    def up_to(self, name: str) -> Network:
        """The network that gives a layer's output."""
        names = [layer.name for layer in self.network.layers]
        layers = self.network.layers[: names.index(name) + 1]
        places = np.arange(int(np.prod(layers[-1].shape, dtype=np.int64)))
        return replace(self.network, layers=layers, result_layer=name, result_index=places)


# ---- points --------------------------------------------------------------------------------------------------------


def drawn(net: Net, rng: np.random.Generator, count: int) -> Iterator[FloatArray]:
    """Points of the box, in parts: uniform ones, corners, and climbs."""
    shape, layers = (PART, *net.network.input_shape), [layer.name for layer in net.network.layers]
    for part in range(0, count, 3 * PART):
        yield rng.uniform(net.low, net.high, shape)
        yield corners(net, rng, PART)
        yield climbed(net, rng, layers[(part // (3 * PART)) % len(layers)])


def corners(net: Net, rng: np.random.Generator, count: int) -> FloatArray:
    shape = (count, *net.network.input_shape)
    return np.where(rng.random(shape) < rng.random(), net.low, net.high)


def climbed(net: Net, rng: np.random.Generator, name: str) -> FloatArray:
    """Corners on the way up or down of single units of a layer."""
    starts = PART // CLIMBS
    x = corners(net, rng, starts)
    network = net.up_to(name)
    back = np.zeros((starts, network.result_index.size))
    back[np.arange(starts), rng.integers(0, back.shape[1], starts)] = rng.choice([-1.0, 1.0], starts)
    found = []
    for _ in range(CLIMBS):
        walk = Backprop(network, x)
        walk.result(net.assignment)
        slope = walk.of_inputs(net.assignment, back).reshape(x.shape)
        x = np.where(slope > 0, net.high, np.where(slope < 0, net.low, x))
        found.append(x)
    return np.concatenate(found)


@dataclass(frozen=True)
class Cut:
    """A part of the box: the sum of the inputs is at most `most`, and an output at least `least`."""

    net: Net
    most: float
    least: float

    @staticmethod
    def of(net: Net, rng: np.random.Generator) -> Cut:
        """The sum leaves every input half its width if the others are least; half of the points meet the output."""
        size = net.box.lo.size
        cut = Cut(net, size * net.low + (net.high - net.low) / 2, -np.inf)
        return replace(cut, least=float(np.median(cut.outputs(cut.below(rng)))))

    def below(self, rng: np.random.Generator) -> FloatArray:
        """Points under the sum: mixtures of its corners, where one input takes all that is left, and these."""
        shape = (PART, *self.net.network.input_shape)
        shares = rng.dirichlet(np.full(self.net.box.lo.size, 0.1), PART) * rng.random((PART, 1))
        shares[: PART // 2] = np.eye(shares.shape[1])[rng.integers(0, shares.shape[1], PART // 2)]
        return (self.net.low + (self.net.high - self.net.low) / 2 * shares).reshape(shape)

    def outputs(self, x: FloatArray) -> FloatArray:
        values = self.net.values(x)[self.net.network.result_layer].reshape(len(x), -1)
        return values[:, self.net.network.result_index.reshape(-1)[0]]

    def drawn(self, rng: np.random.Generator, count: int) -> Iterator[FloatArray]:
        """Points of the part: those that meet it as they are, and those where a line to one that does not leaves it."""
        for _ in range(0, count, PART):
            x = self.below(rng)
            value = self.outputs(x)
            inside, outside = x[value >= self.least], x[value < self.least]
            number = min(len(inside), len(outside))
            near, far = inside[:number], outside[:number]
            for _ in range(40):
                middle = (near + far) / 2
                fits = (self.outputs(middle) >= self.least).reshape(-1, *(1,) * (x.ndim - 1))
                near, far = np.where(fits, middle, near), np.where(fits, far, middle)
            yield np.concatenate([inside, near])

    def bounds(self) -> Known:
        """The bounds of everything where a model states both constraints."""
        shape = ", ".join(map(str, self.net.network.input_shape))
        output = "" if self.net.network.output_shape in ((), (1,)) else "[0]"
        lines = (
            "nnm 0.1",
            '@bounds("crown")',
            f'network f = onnx("{self.net.path.resolve()}")',
            f"var x : real[{shape}] in [{self.net.low}, {self.net.high}]",
            f"constraint sum: sum(x) <= {self.most!r}",
            f"constraint some: f(x){output} >= {self.least!r}",
            "maximize sum(x)",
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cut.nnm"
            path.write_text("\n".join((*lines, "")))
            work = Tightening(nnmip.load(path).program)
            work.run()
        (ledger,) = work.ledgers.values()
        return ledger.outputs


# ---- passes --------------------------------------------------------------------------------------------------------


def by_intervals(net: Net) -> Known:
    return propagate_known(net.network, net.assignment, net.box).outputs


def by_lines(net: Net) -> Known:
    return crown(net.network, net.assignment, net.box).outputs


def by_programs(net: Net) -> Known | None:
    """None where there would be too many."""
    first = crown(net.network, net.assignment, net.box)
    if sum(int(mask.sum()) for mask in undecided(net.network, net.assignment, first).values()) > MOST_PROGRAMS:
        return None
    return obbt(net.network, net.assignment, net.box, LinearProgram.of_many_goals, first.outputs).outputs


PASSES: dict[str, Callable[[Net], Known | None]] = {"interval": by_intervals, "crown": by_lines, "lp": by_programs}
CUTTING = "fbbt"


def outside(net: Net, step: str, count: int) -> float | None:
    """How far the worst value is outside of its bounds, relative to its layer's size; 0 or less where none is, infinite
    where bounds contradict each other, None where the pass is left out."""
    rng = np.random.default_rng(0)
    try:
        if step == CUTTING:
            cut = Cut.of(net, rng)
            bounds, points = cut.bounds(), cut.drawn(rng, count)
        else:
            found = PASSES[step](net)
            if found is None:
                return None
            bounds, points = found, drawn(net, rng, count)
    except Contradiction:
        return np.inf
    worst = -np.inf
    for x in points:
        for name, value in net.values(x).items():
            held = bounds[name]
            size = max(1.0, float(held.magnitude.max(initial=0.0)))
            worst = max(worst, float(np.maximum(value - held.hi, held.lo - value).max()) / size)
    return worst


# ---- faults --------------------------------------------------------------------------------------------------------


def shrunk(interval: Interval) -> Interval:
    """Bounds that are too tight by a part of their size, where they have room."""
    with np.errstate(invalid="ignore"):  # endless bounds have no middle
        middle = (interval.lo + interval.hi) / 2
        loss = SHRUNK * interval.magnitude
        found = Interval(np.minimum(interval.lo + loss, middle), np.maximum(interval.hi - loss, middle))
    finite = np.isfinite(middle)
    return Interval(np.where(finite, found.lo, interval.lo), np.where(finite, found.hi, interval.hi))


def with_layers(module: Any) -> AbstractContextManager[Any]:
    """Interval rules of dense and convolution layers that are too tight."""
    table = dict(module.LAYERS)
    for op in ("dense", "conv2d"):
        right = table[op].interval
        table[op] = replace(table[op], interval=lambda *given, right=right: shrunk(right(*given)))
    return mock.patch.object(module, "LAYERS", table)


def too_high() -> AbstractContextManager[Any]:
    """Planes that are worth more than they are."""
    right = crown_module.Planes.least

    def least(self: Any, box: Interval) -> FloatArray:
        found = right(self, box)
        return np.asarray(found + SHRUNK * np.maximum(1.0, np.abs(found)))

    return mock.patch.object(crown_module.Planes, "least", least)


def slanted() -> AbstractContextManager[Any]:
    """Lines above with too little slope."""
    back = Lines.back
    return mock.patch.object(
        Lines, "back", lambda self, *given: back(replace(self, high=(1.0 - SLANTED) * self.high), *given)
    )


def certified() -> AbstractContextManager[Any]:
    """Certificates of programs that claim more than they prove."""
    right = obbt_module.Program.certified

    def better(self: Any, *given: Any) -> float:
        value = right(self, *given)
        return value - SHRUNK * max(1.0, abs(value))

    return mock.patch.object(obbt_module.Program, "certified", better)


def cut_too_far() -> AbstractContextManager[Any]:
    """Bounds through affine rows that are too tight."""
    right = tightened
    return mock.patch.object(tightening_module, "tightened", lambda *given: shrunk(right(*given)))


FAULTS: dict[str, tuple[str, Callable[[], AbstractContextManager[Any]]]] = {
    "intervals that are too tight": ("interval", lambda: with_layers(known_module)),
    "planes that are too high": ("crown", too_high),
    "a slope that is wrong": ("crown", slanted),
    "certificates that are too good": ("lp", certified),
    "rows that cut too far": (CUTTING, cut_too_far),
}


def reported(net: Net, name: str, step: str, count: int) -> bool:
    """Whether points are outside of the bounds of a pass, by more than rounding."""
    worst = outside(net, step, count)
    if worst is None:
        text = f"left out: more than {MOST_PROGRAMS} unstable units"
    else:
        text = f"{count} points, outside by {max(worst, 0.0):.2g}"
    print(f"{net.path.stem:14} {(net.high - net.low) / 2:6g} {name:32} {text}", flush=True)
    return worst is not None and worst > ROUNDING


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--passes", nargs="+", choices=(*PASSES, CUTTING), default=[*PASSES, CUTTING])
    parser.add_argument("--faults", action="store_true", help="break the passes, and see that points show it")
    given = parser.parse_args()
    paths = [path for path in sorted(given.nets.glob("*.onnx")) if given.only is None or path.stem in given.only]
    if given.faults:
        found = {name: 0 for name, (step, _) in FAULTS.items() if step in given.passes}
        for path in paths:
            for radius in (RADIUS, NARROW):
                for name in found:
                    step, fault = FAULTS[name]
                    with fault():
                        found[name] += reported(Net.read(path, radius), name, step, given.points)
        return 0 if all(found.values()) else 1
    wrong = [reported(Net.read(path, RADIUS), step, step, given.points) for path in paths for step in given.passes]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
