"""Verdicts on the five-input nets, with CPU seconds and boxes, and what each part of splitting is worth.

    python tests/benchmarks/verification/train.py FOLDER                 (with scikit-learn and onnx, once)
    python -m tests.benchmarks.verification.properties FOLDER            (once)
    python -m tests.benchmarks.verification.run FOLDER [--nets 012] [--seconds 60] [--without]

Every property goes through bounds, attack and splitting, without a MILP. The table has a line for each; below are the
share decided by neither attack nor bounds of the whole box, the median and the slowest, and how many of those that are
broken the attack found, alone or between boxes. `--without` then decides those that took 300 to 3000 boxes again with
one part left out, at most 30 000 boxes and 20 seconds each, and those that were broken without elites.
"""

from __future__ import annotations

import argparse
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
from nnmip.verification.splitting import Recipe
from nnmip.verification.verdict import Answer, Verdict

PARTS = ("counts_gaps", "inherits", "cuts", "has_elites")
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


def without(found: list[Row]) -> Iterator[str]:
    """Lines of a table: boxes and CPU seconds with one part left out."""
    hard = [row for row in found if 300 <= row.boxes <= 3000 and row.verdict.answer is Answer.VERIFIED]
    capped = replace(LIMITS, boxes=30_000, splitting=(1.0, 20.0), stages=("splitting",))
    for part in ("", *PARTS[:3]):
        recipe = replace(Recipe(), **{part: False}) if part else Recipe()
        made = [row.again(replace(capped, recipe=recipe)) for row in hard]
        open_ = sum(row.verdict.answer is Answer.UNKNOWN for row in made)
        boxes, seconds = sum(row.boxes for row in made), sum(row.seconds for row in made)
        yield f"without {part or 'nothing':<12} {len(made)} properties, {open_} open, {boxes} boxes, {seconds:.1f} s"
    broken = [row for row in found if row.verdict.answer is Answer.VIOLATED]
    for has_elites in (True, False):
        limits = replace(LIMITS, splitting=(1.0, 5.0), recipe=Recipe(has_elites=has_elites))
        made = [row.again(limits) for row in broken]
        attacked = sum(row.verdict.by == "attack" for row in made)
        missed = sum(row.verdict.answer is Answer.UNKNOWN for row in made)
        name = "nothing" if has_elites else "elites"
        yield (
            f"broken, without {name:<8} {len(made)} properties, {attacked} by the attack, {missed} open, "
            f"{sum(row.seconds for row in made):.1f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", default="012")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--without", action="store_true")
    options = parser.parse_args()
    found = []
    for row in rows(options.folder, options.nets, replace(LIMITS, splitting=(1.0, options.seconds))):
        found.append(row)
        verdict = row.verdict
        line = f"{row.net} {row.property.name:<6} {verdict.answer:<9} {verdict.by:<9} {row.boxes:>7} boxes"
        print(f"{line} {row.seconds:8.3f} s {verdict.reason}", flush=True)
    print(summary(found))
    if options.without:
        for line in without(found):
            print(line, flush=True)


if __name__ == "__main__":
    main()
