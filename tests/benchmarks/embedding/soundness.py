"""Whether points of a box stay inside all the bounds that every pass proves of a network.

    python tests/benchmarks/embedding/soundness.py NETS [--points N] [--only NAME ...] [--passes NAME ...] [--faults]

NETS holds the files of `nets.py`. Every bound has points of its own: the corner where the plane of CROWN is least that
proves it, and from there the corner that the gradient shows, and again. The others are uniform, and corners drawn at
random. The bounds are those of intervals, of lines (CROWN), of linear programs where these are few, and those that
constraints cut: below a sum of inputs and above a value of one output (FBBT), at points that meet both, many of them
just so. All passes see the same points.

With `--faults` every pass is broken in turn, by bounds that are 1e-6 of their size too tight, by slopes that are wrong
by 1e-3, by programs whose certificates are too good. Points have to find each on every network, where its pass is not
left out, in one of three boxes: that of the bounds, a narrow one, where networks are nearly linear and bounds are
attained, and one where a single unit bends or a few do, so that programs are solved whose bounds are. Ends with 1 where
a value is outside of its bounds by more than rounding, or a fault is not found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
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
from nnmip.bounds.crown import crown, settled, undecided
from nnmip.bounds.fbbt import tightened
from nnmip.bounds.interval import BoolArray, FloatArray, Interval
from nnmip.bounds.known import Contradiction, propagate_known
from nnmip.bounds.obbt import obbt
from nnmip.bounds.relaxation import Lines
from nnmip.hir.core import Assignment, Layer, Network
from nnmip.hir.evaluate import forward
from nnmip.incumbents.backprop import Backprop
from nnmip.passes import tightening as tightening_module
from nnmip.passes.tightening import Tightening

CENTER, RADIUS, NARROW, LEAST = 0.5, 0.02, 0.001, 1e-6
PART, ROUNDING = 1000, 1e-9
CLIMBS = 3
"""How often a point goes on to the corner that its gradient shows."""
CLOSER = 12
"""How often a point goes nearer to the end of a part."""
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

Values = Mapping[str, FloatArray]


def drawn(net: Net, rng: np.random.Generator, count: int) -> Iterator[Values]:
    """The values of everything at points of the box, in parts: climbs to all bounds, then uniform points and corners up
    to a count."""
    for layer in net.network.layers:
        if layer.decisions or layer.name == net.network.result_layer:
            for x in climbs(net, layer):
                count -= len(x)
                yield net.values(x)
    shape = (PART, *net.network.input_shape)
    for part in range(0, count, PART):
        is_corner = part // PART % 2
        yield net.values(corners(net, rng, PART) if is_corner else rng.uniform(net.low, net.high, shape))


def corners(net: Net, rng: np.random.Generator, count: int) -> FloatArray:
    shape = (count, *net.network.input_shape)
    return np.where(rng.random(shape) < rng.random(), net.low, net.high)


def climbs(net: Net, layer: Layer) -> Iterator[FloatArray]:
    """Corners on the way to the least and to the largest value of every unit of a layer."""
    network, size = net.network, int(np.prod(layer.shape, dtype=np.int64))
    until = net.up_to(layer.name)
    walk = settled(network, net.assignment, propagate_known(network, net.assignment, net.box))
    for part in np.array_split(np.arange(2 * size), -(-2 * size // PART)):
        down = np.zeros((len(part), size))
        down[np.arange(len(part)), part // 2] = np.where(part % 2, -1.0, 1.0)
        slope = walk.planes(layer.name, down.reshape(1, len(part), *layer.shape)).slope[0]
        x = np.where(slope > 0, net.low, net.high)
        yield x
        for _ in range(CLIMBS):
            back = Backprop(until, x)
            back.result(net.assignment)
            slope = back.of_inputs(net.assignment, down).reshape(x.shape)
            x = np.where(slope > 0, net.low, np.where(slope < 0, net.high, x))
            yield x


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
        return replace(cut, least=float(np.median(cut.result(net.values(cut.below(rng))))))

    def below(self, rng: np.random.Generator) -> FloatArray:
        """Points under the sum: mixtures of its corners, where one input takes all that is left, and these."""
        shape = (PART, *self.net.network.input_shape)
        shares = rng.dirichlet(np.full(self.net.box.lo.size, 0.1), PART) * rng.random((PART, 1))
        shares[: PART // 2] = np.eye(shares.shape[1])[rng.integers(0, shares.shape[1], PART // 2)]
        return (self.net.low + (self.net.high - self.net.low) / 2 * shares).reshape(shape)

    def drawn(self, rng: np.random.Generator, count: int) -> Iterator[Values]:
        """The values of everything at points of the part: those that meet it as they are, and those on a line to one
        that does not, nearer and nearer to where it leaves the part."""
        while count > 0:
            x = self.below(rng)
            for values, is_inside in self._towards_the_end(x):
                count -= int(is_inside.sum())
                yield {name: value[is_inside] for name, value in values.items()}

    def _towards_the_end(self, x: FloatArray) -> Iterator[tuple[Values, BoolArray]]:
        values = self.net.values(x)
        above = self.result(values) - self.least
        yield values, above >= 0
        inside, outside = np.flatnonzero(above >= 0), np.flatnonzero(above < 0)
        number = min(len(inside), len(outside))
        ends, wide = [x[inside[:number]], x[outside[:number]]], (-1, *(1,) * (x.ndim - 1))
        over, under = above[inside[:number]], above[outside[:number]]
        for step in range(CLOSER):
            # Where a line says that the part ends, and every third time half way.
            share = np.full(number, 0.5) if step % 3 == 2 else over / (over - under)
            middle = ends[0] + share.reshape(wide) * (ends[1] - ends[0])
            values = self.net.values(middle)
            above = self.result(values) - self.least
            fits = above >= 0
            yield values, fits
            ends = [np.where(fits.reshape(wide), middle, ends[0]), np.where(fits.reshape(wide), ends[1], middle)]
            over, under = np.where(fits, above, over), np.where(fits, under, above)

    def result(self, values: Values) -> FloatArray:
        """The output that is cut."""
        flat = values[self.net.network.result_layer]
        return flat.reshape(len(flat), -1)[:, self.net.network.result_index.reshape(-1)[0]]

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
    make = LinearProgram.of_many_goals
    every = obbt_module.tightened(make, worth=None)  # also where lines are as good, so that bounds are attained
    return obbt(net.network, net.assignment, net.box, make, first.outputs, every).outputs


PASSES: dict[str, Callable[[Net], Known | None]] = {"interval": by_intervals, "crown": by_lines, "lp": by_programs}
CUTTING = "fbbt"


Broken = Callable[[], AbstractContextManager[Any]]
"""What stands around the finding of bounds."""


def outside(net: Net, wanted: Mapping[str, tuple[str, Broken]], count: int) -> dict[str, float | None]:
    """How far the worst value is outside of the bounds of some passes, relative to its layer's size; 0 or less where
    none is, infinite where bounds contradict each other, None where the pass is left out."""
    rng = np.random.default_rng(0)
    cut = Cut.of(net, rng)
    worst: dict[str, float | None] = {}
    known: dict[str, Known] = {}
    for name, (step, broken) in wanted.items():
        try:
            with broken():
                found = cut.bounds() if step == CUTTING else PASSES[step](net)
        except Contradiction:
            worst[name] = np.inf
        else:
            worst[name] = None if found is None else -np.inf
            known |= {} if found is None else {name: found}
    by_cutting = {name: bounds for name, bounds in known.items() if wanted[name][0] == CUTTING}
    others = {name: bounds for name, bounds in known.items() if name not in by_cutting}
    for draw, part in ((cut.drawn, by_cutting), (partial(drawn, net), others)):
        for values in draw(rng, count) if part else ():
            for name, bounds in part.items():
                worst[name] = max(worst[name] or 0.0, _furthest(values, bounds))
    return worst


def _furthest(values: Values, bounds: Known) -> float:
    found = 0.0
    for name, value in values.items():
        held = bounds[name]
        size = max(1.0, float(held.magnitude.max(initial=0.0)))
        found = max(found, float(np.maximum(value - held.hi, held.lo - value).max(initial=0.0)) / size)
    return found


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


FAULTS: dict[str, tuple[str, Broken]] = {
    "intervals that are too tight": ("interval", lambda: with_layers(known_module)),
    "planes that are too high": ("crown", too_high),
    "a slope that is wrong": ("crown", slanted),
    "certificates that are too good": ("lp", certified),
    "rows that cut too far": (CUTTING, cut_too_far),
}


def reported(net: Net, wanted: Mapping[str, tuple[str, Broken]], count: int) -> dict[str, bool | None]:
    """Whether points are outside of bounds by more than rounding; None where a pass is left out."""
    found: dict[str, bool | None] = {}
    for name, worst in outside(net, wanted, count).items():
        if worst is None:
            text = f"left out: more than {MOST_PROGRAMS} unstable units"
        else:
            text = f"{count} points, outside by {max(worst, 0.0):.2g}"
        print(f"{net.path.stem:14} {(net.high - net.low) / 2:8.3g} {name:32} {text}", flush=True)
        found[name] = None if worst is None else worst > ROUNDING
    return found


def bent(path: Path) -> float:
    """The radius, up to a fifth, of the least box in which a unit is unstable; at most that of the bounds."""
    radius = RADIUS
    while radius > LEAST and _unstable(Net.read(path, 0.8 * radius)):
        radius *= 0.8
    return radius


def _unstable(net: Net) -> int:
    bounds = crown(net.network, net.assignment, net.box)
    return sum(int(mask.sum()) for mask in undecided(net.network, net.assignment, bounds).values())


def not_found(path: Path, wanted: Mapping[str, tuple[str, Broken]], count: int) -> list[str]:
    """The faults that points do not show on a network."""
    found = [reported(Net.read(path, radius), wanted, count) for radius in (RADIUS, bent(path), NARROW)]
    seen = {name: [each[name] for each in found if each[name] is not None] for name in wanted}
    return [name for name, each in seen.items() if each and not any(each)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--passes", nargs="+", choices=(*PASSES, CUTTING), default=[*PASSES, CUTTING])
    parser.add_argument("--faults", action="store_true", help="break the passes, and see that points show it")
    given = parser.parse_args()
    paths = [path for path in sorted(given.nets.glob("*.onnx")) if given.only is None or path.stem in given.only]
    right: dict[str, tuple[str, Broken]] = {step: (step, nullcontext) for step in given.passes}
    faults = {name: each for name, each in FAULTS.items() if each[0] in given.passes}
    wrong = 0
    for path in paths:
        if given.faults:
            missed = not_found(path, faults, given.points)
            wrong += len(missed)
            for name in missed:
                print(f"{path.stem:14} not found: {name}", flush=True)
        else:
            wrong += sum(found is True for found in reported(Net.read(path, RADIUS), right, given.points).values())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
