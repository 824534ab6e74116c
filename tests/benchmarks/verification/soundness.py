"""Verdicts on properties that hold or fail by next to nothing, where rational arithmetic knows by how much.

    python -m tests.benchmarks.verification.soundness [--nets 42] [--every 7] [--faults]

Every net has two inputs, two outputs and one to three hidden layers, and a region of its own: a box, or what a line
leaves of one. Its property bounds an output, both, or their difference by the largest value there and 1e-3 to 1e-9
more, so that it holds, or less, so that it does not. That value is the largest over all phases of the `relu` units,
which are enumerated exactly; by how much a property holds follows from it and from the double in the model.

A verdict is wrong where it says the opposite, or where a counterexample does not break the property in rational
arithmetic. `unknown` is for margins within the one that its reason states, or that solvers need where it states none.
The table has a line for each margin; every seventh net is decided again by bounds, attack, linear programs and MILPs
alone. Ends with 1 where a verdict is wrong. With `--faults` bounds are spoilt, a little, in one place after the other,
and the end is 1 where all verdicts stay right.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import nnmip
from nnmip.verification import closing
from nnmip.verification import run as run_module
from nnmip.verification.chain import Chain, Stage
from nnmip.verification.composite import Walk
from nnmip.verification.milp import MARGIN, Solved
from nnmip.verification.replay import Replayed
from nnmip.verification.verdict import Answer, Verdict
from tests.verification.exact import Vector, clipped, dot, exact, largest, neurons, rectangle

Array = NDArray[np.float64]

SHAPES = ((6,), (6, 5), (5, 4, 4))
"""The hidden layers of the nets, in turn."""
GOALS = {
    "net(x)[0]": [[1.0, 0.0]],
    "max(net(x))": [[1.0, 0.0], [0.0, 1.0]],
    "net(x)[0] - net(x)[1]": [[1.0, -1.0]],
}
"""What is bounded, in turn: the largest of rows over the outputs."""
EXPONENTS, SIGNS = range(3, 10), {1: "more", -1: "less"}
LINE = [Fraction(1), Fraction(1)], Fraction(-3, 4)
"""What every other region is cut by: `x[0] + x[1] <= 0.75`."""
WAYS = {"all stages": None, "solvers": ("bounds", "attack", "programs", "milp")}
PRINTED = 1.06
"""Margins are printed with two digits."""
SPOILT = 1e-4


@dataclass(frozen=True, eq=False)
class Case:
    """A net, what its property bounds, the region, and the largest value there; chain: from the inputs to the goal."""

    arrays: dict[str, Array]
    chain: Chain
    goal: str
    lo: Vector
    hi: Vector
    is_cut: bool
    best: Fraction

    @staticmethod
    def of(number: int) -> Case:
        random = np.random.default_rng(number)
        sizes, goal = (2, *SHAPES[number % 3], 2), list(GOALS)[number // 3 % 3]
        arrays: dict[str, Array] = {}
        for k, (before, after) in enumerate(pairwise(sizes)):
            arrays[f"l{k}.weights"] = np.round(random.normal(size=(after, before)), 3)
            arrays[f"l{k}.bias"] = np.round(random.normal(size=after), 3)
        parts = list(arrays.values())
        *layers, (weights, bias) = zip(parts[::2], parts[1::2], strict=True)
        stages, rows = tuple(Stage.affine(*layer).with_relu() for layer in layers), np.array(GOALS[goal])
        chain = Chain(stages, rows @ weights, np.zeros((len(rows), 2)), rows @ bias, np.ones(len(rows)))
        # Sixteenths are doubles.
        lo = [Fraction(int(k), 16) for k in random.integers(-16, 4, 2)]
        hi = [a + Fraction(int(k), 16) for a, k in zip(lo, random.integers(4, 16, 2), strict=True)]
        region = rectangle(lo, hi)
        part = clipped(region, *LINE) if number % 2 else []
        best = max(largest(chain, row, part or region) for row in range(len(rows)))
        return Case(arrays, chain, goal, lo, hi, bool(part), best)

    def limits(self) -> dict[str, tuple[float, Fraction]]:
        """By the name of a property, the double in it, and by how much it holds."""
        found = {}
        for exponent in EXPONENTS:
            for sign, name in SIGNS.items():
                limit = float(self.best + Fraction(sign, 10**exponent))
                found[f"{name}{exponent}"] = limit, Fraction(limit) - self.best
        return found

    def model(self, folder: Path) -> nnmip.Model:
        np.savez(folder / "net.npz", **self.arrays)  # type: ignore[arg-type]
        sides = enumerate(zip(self.lo, self.hi, strict=True))
        ends = [f"x[{k}] >= {float(a)!r} and x[{k}] <= {float(b)!r}" for k, (a, b) in sides]
        assumed = "".join(f"  assume {text}\n" for text in [*ends, *["x[0] + x[1] <= 0.75"] * self.is_cut])
        texts = [
            f"verify {name}:\n  forall x : real[2] in [-2, 2]\n{assumed}  prove {self.goal} <= {limit!r}\n"
            for name, (limit, _) in self.limits().items()
        ]
        return nnmip.loads('nnm 0.1\nnetwork net = npz("net.npz")\n' + "".join(texts), directory=folder)

    def is_broken_by(self, x: Vector, limit: float) -> bool:
        is_inside = all(a <= v <= b for a, v, b in zip(self.lo, x, self.hi, strict=True))
        is_below = not self.is_cut or dot(LINE[0], x) + LINE[1] <= 0
        return is_inside and is_below and max(neurons(self.chain, x)[1]) > Fraction(limit)


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict on a property, and what is wrong with it, nothing where it is right."""

    way: str
    name: str
    verdict: Verdict
    wrong: str


def judged(case: Case, name: str, verdict: Verdict) -> str:
    """What is wrong with a verdict."""
    limit, margin = case.limits()[name]
    match verdict.answer:
        case Answer.VERIFIED:
            return "" if margin >= 0 else "it does not hold"
        case Answer.VIOLATED:
            x = exact(verdict.counterexample["x"])
            return "" if case.is_broken_by(x, limit) else "the counterexample does not break it"
        case Answer.UNKNOWN:
            stated = re.search(r"less than ([0-9.e+-]+)", verdict.reason)
            most = MARGIN if stated is None else PRINTED * float(stated.group(1))
            return "" if abs(margin) <= most else f"open: {verdict.reason}"


def decided(numbers: Iterable[int], every: int) -> Iterator[Judged]:
    """Verdicts on the properties of some nets, of every so many in all ways; HiGHS and CBC in turn."""
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            case = Case.of(number)
            model = case.model(Path(folder))
            solver = ("highs", "cbc")[number // every % 2]
            for way, stages in list(WAYS.items())[: 1 if number % every else 2]:
                for name in model.properties():
                    verdict = model.verify(name, solver=solver, stages=stages)
                    yield Judged(way, name, verdict, judged(case, name, verdict))


def table(found: list[Judged]) -> str:
    """Counts by margin."""
    lines = [f"{'':<14} {'margin':>7} {'verified':>9} {'violated':>9} {'unknown':>8} {'wrong':>6}"]
    for way in WAYS:
        for exponent in EXPONENTS:
            for sign, name in SIGNS.items():
                own = [each for each in found if (each.way, each.name) == (way, f"{name}{exponent}")]
                count = Counter(each.verdict.answer for each in own)
                numbers = f"{count[Answer.VERIFIED]:>9} {count[Answer.VIOLATED]:>9} {count[Answer.UNKNOWN]:>8}"
                if own:
                    margin = f"{'+' if sign > 0 else '-'}1e-{exponent}"
                    lines.append(f"{way:<14} {margin:>7} {numbers} {sum(bool(each.wrong) for each in own):>6}")
    return "\n".join(lines)


# ---- what the table has to notice ----------------------------------------------------------------------------------

Fault = AbstractContextManager[Any]


def _planes_too_high() -> Fault:
    true = closing.least
    return mock.patch.object(closing, "least", lambda *given: true(*given) + SPOILT)


def _rows_too_high() -> Fault:
    true = Walk.least
    return mock.patch.object(Walk, "least", lambda self, rows: true(self, rows) + SPOILT)


def _solvers_too_high() -> Fault:
    true = run_module.least_of

    def spoilt(*given: Any) -> Solved:
        made = true(*given)
        return replace(made, bound=made.bound + SPOILT)

    return mock.patch.object(run_module, "least_of", spoilt)


def _points_unseen() -> Fault:
    return mock.patch.object(Replayed, "_is_broken", lambda *given: True)


FAULTS: dict[str, Callable[[], Fault]] = {
    "planes over boxes too high": _planes_too_high,
    "rows over the region too high": _rows_too_high,
    "bounds of solvers too high": _solvers_too_high,
    "points that are not replayed": _points_unseen,
}


def missed() -> list[str]:
    """The faults with which all verdicts of some nets stay right."""
    found = []
    for name, fault in FAULTS.items():
        with fault():
            caught = next((each for each in decided(range(6), 1) if each.wrong), None)
        said = "not found" if caught is None else f"{caught.way}, {caught.name}: {caught.wrong}"
        print(f"{name}: {said}", flush=True)
        found += [name] * (caught is None)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=42)
    parser.add_argument("--every", type=int, default=7, help="every so many nets are decided by solvers, too")
    parser.add_argument("--faults", action="store_true")
    options = parser.parse_args()
    if options.faults:
        return int(bool(missed()))
    begun, found = time.process_time(), []
    for each in decided(range(options.nets), options.every):
        found.append(each)
        if each.wrong:
            print(f"{each.way}, {each.name}, {each.verdict.answer}: {each.wrong}", flush=True)
    print(table(found))
    wrong = sum(bool(each.wrong) for each in found)
    print(f"{len(found)} properties, {wrong} wrong, {time.process_time() - begun:.0f} CPU seconds without solvers")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
