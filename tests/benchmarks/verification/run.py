"""Verdicts on the five-input nets, with CPU seconds and boxes, and what each part of splitting is worth.

    python tests/benchmarks/verification/train.py FOLDER                 (with scikit-learn and onnx, once)
    python -m tests.benchmarks.verification.properties FOLDER            (once)
    export OPENBLAS_NUM_THREADS=1
    python -m tests.benchmarks.verification.run FOLDER [--nets 012] [--seconds 60]
    python -m tests.benchmarks.verification.run FOLDER --without gaps inherits cuts elites [--boxes 300 3000]

Every property goes through bounds, attack and splitting, without a MILP. The table has a line for each; below are the
share decided by neither attack nor bounds of the whole box, the median and the slowest, and how many of those that are
broken the attack found, alone or between boxes.

`--without` leaves out parts of splitting, one after the other: of the properties that take some number of boxes, which
is the same on every machine, each is decided again with ten times as many boxes at most; and those that are broken with
gradients that start anywhere, and not near the best points so far.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import nnmip
from nnmip.hir.core import Program
from nnmip.hir.goals import Property
from nnmip.records import dataclass
from nnmip.verification.run import Limits, verify
from nnmip.verification.splitting import USUAL, Recipe
from nnmip.verification.verdict import Answer, Verdict

PARTS = {"gaps": "counts_gaps", "inherits": "inherits", "cuts": "cuts", "elites": "has_elites"}
"""What can be left out, as parts of a `Recipe`."""
MORE = 10
"""How many times as many boxes a property may take without a part."""
STAGES = ("bounds", "attack", "splitting")
LIMITS = Limits(splitting=(1.0, 60.0), stages=STAGES)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A property of a net with its verdict and CPU seconds."""

    net: str
    program: Program
    property: Property
    verdict: Verdict
    seconds: float

    @property
    def boxes(self) -> int:
        return sum(step.boxes or 0 for step in self.verdict.steps)

    def again(self, limits: Limits) -> Row:
        return decided(self.net, self.program, self.property, limits)


def decided(net: str, program: Program, wanted: Property, limits: Limits) -> Row:
    begun = time.process_time()
    verdict = verify(program, wanted, _no_solver, limits)
    return Row(net, program, wanted, verdict, time.process_time() - begun)


def _no_solver(*_: object) -> NoReturn:
    raise AssertionError("no stage asks a solver")


def rows(folder: Path, nets: str, limits: Limits) -> Iterator[Row]:
    for number in nets:
        program = nnmip.load(folder / f"turn{number}.nnm").program
        for wanted in program.properties:
            yield decided(f"turn{number}", program, wanted, limits)


def summary(found: list[Row]) -> str:
    seconds = [row.seconds for row in found]
    by = {name: sum(row.verdict.by == name for row in found) for name in STAGES}
    broken = [row for row in found if row.verdict.answer is Answer.VIOLATED]
    open_ = sum(row.verdict.answer is Answer.UNKNOWN for row in found)
    certified = sum(row.verdict.proof in ("certified", "replayed") for row in found)
    attacked = sum(row.verdict.by == "attack" for row in broken)
    return "\n".join(
        [
            f"{len(found)} properties, {open_} open, {certified} certified or replayed; decided by {by}",
            f"CPU seconds: median {statistics.median(seconds):.3f}, slowest {max(seconds):.2f}, sum {sum(seconds):.1f}",
            f"broken: {len(broken)}, found by the attack: {attacked}",
        ]
    )


def without(found: list[Row], parts: list[str], boxes: tuple[int, int]) -> Iterator[str]:
    """Lines of a table: boxes and CPU seconds with one part left out."""
    least, most = boxes
    hard = [row for row in found if row.verdict.answer is Answer.VERIFIED and least <= row.boxes <= most]
    capped = replace(LIMITS, boxes=MORE * most, stages=("splitting",))
    for part in ("nothing", *(part for part in parts if part != "elites")):
        yield line(part, [row.again(replace(capped, recipe=recipe_without(part))) for row in hard])
    broken = [row for row in found if row.verdict.answer is Answer.VIOLATED]
    for part in ("nothing", "elites") if "elites" in parts else ():
        limits = replace(LIMITS, boxes=MORE * most, splitting=(1.0, 5.0), recipe=recipe_without(part))
        made = [row.again(limits) for row in broken]
        yield f"{line(part, made)}; {sum(row.verdict.by == 'attack' for row in made)} broken by the attack"


def recipe_without(part: str) -> Recipe:
    return replace(USUAL, **{PARTS[part]: False}) if part in PARTS else USUAL


def line(part: str, made: list[Row]) -> str:
    open_ = sum(row.verdict.answer is Answer.UNKNOWN for row in made)
    boxes, seconds = sum(row.boxes for row in made), sum(row.seconds for row in made)
    return f"without {part:<8} {len(made)} properties, {open_} open, {boxes} boxes, {seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", default="012")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--without", nargs="+", choices=list(PARTS), default=[])
    parser.add_argument("--boxes", nargs=2, type=int, default=(300, 3000), metavar=("LEAST", "MOST"))
    options = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("set OPENBLAS_NUM_THREADS=1, as `nnmip` does: threads that wait burn CPU seconds")
    limits = replace(LIMITS, splitting=(1.0, options.seconds))
    if options.without:
        limits = replace(limits, boxes=options.boxes[1])
    found = []
    for row in rows(options.folder, options.nets, limits):
        found.append(row)
        verdict = row.verdict
        what = f"{row.net} {row.property.name:<6} {verdict.answer:<9} {verdict.by:<9} {row.boxes:>7} boxes"
        print(f"{what} {row.seconds:8.3f} s {verdict.reason}", flush=True)
    print(summary(found))
    if options.without:
        for text in without(found, options.without, tuple(options.boxes)):
            print(text, flush=True)


if __name__ == "__main__":
    main()
