"""What each step of bounds at points is worth: binaries, CPU seconds to build, and to maximise one output over a box.

Run `python tests/benchmarks/embedding/passes.py [--nets NAME ...] [--solvers highs cbc] [--seconds S]`. The ways are
bounds by intervals, lines and linear programs, and lines where both sides of every result are encoded (`both sides`).
A run that reaches the limit (of elapsed time) has `>` before its CPU seconds. The networks are those of `bounds.py`.
"""

from __future__ import annotations

import argparse
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.build import Draft
from nnmip.hir.core import Assignment, Network
from nnmip.lowering.lower import Lowered, lower_program
from tests.benchmarks.embedding.bounds import Case, cases

WAYS = {"intervals": "interval", "lines": "crown", "programs": "lp", "both sides": "crown"}


@dataclass(frozen=True)
class Given:
    """A network as `Draft.trained` takes it."""

    network: Network
    assignment: Assignment
    features: tuple[str, ...] = ()
    scaling: Any = None
    coding: tuple[tuple[str, float], ...] = ()

    def compact(self) -> Given:
        return self


def used() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def built(case: Case, way: str) -> Lowered:
    """The MILP of the largest first output over the first box."""
    network, assignment = case.sketch.network()
    box = case.box(1)
    draft = Draft("case")
    f = draft.trained("f", Given(network, assignment), bounds=WAYS[way])
    center, reach = (box.lo[0] + box.hi[0]) / 2, float((box.hi - box.lo).max()) / 2
    y = f(draft.variable("x", len(center), (-reach, reach)) + center)
    if way == "both sides":
        draft.constraint("idle", y[0] <= 1e4)
    draft.maximize(y[0])
    return lower_program(draft.program())


def solved(lowered: Lowered, solver: str, seconds: float) -> tuple[str, float | None]:
    """CPU seconds as a cell of the table, and the optimum."""
    start = used()
    with Session() as session:
        found = session.solve(lowered.milp, solver, SolveOptions(time_limit=seconds))
    mark = "" if found.termination is Termination.OPTIMAL else ">"
    return f"{mark}{used() - start:.2f}", None if found.objective is None else -found.objective


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nets", nargs="+", default=["100x3 random", "100x3 trained"])
    parser.add_argument("--solvers", nargs="*", default=["highs", "cbc"])
    parser.add_argument("--radius", type=float, help="that of the boxes, instead of their own")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one run")
    given = parser.parse_args()
    print(
        f"{'network':16} {'way':11} {'binaries':>8} {'build':>7}" + "".join(f" {s:>8} {'':>9}" for s in given.solvers)
    )
    for name, case in cases(given.nets).items():
        case = case if given.radius is None else replace(case, radius=given.radius)
        for way in WAYS:
            start = used()
            lowered = built(case, way)
            line = f"{name:16} {way:11} {int(lowered.milp.integer.sum()):8d} {used() - start:7.3f}"
            for solver in given.solvers:
                seconds, value = solved(lowered, solver, given.seconds)
                line += f" {seconds:>8} {'-' if value is None else f'{value:9.6f}'}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
