"""How often the solvers disagree with enumeration on random models.

Run `python tests/benchmarks/agreement.py [--models N] [--seed S] [--solvers cbc,highs,gurobi]`. Every model is solved
by every solver with and without the order of interchangeable units; the optimum, or the lack of one, must be that of
the enumeration of all weights, and the returned network must have it; a model that is refused, or takes over a minute,
counts as a disagreement. Prints each disagreement with its seed, and their number. Target: 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nnmip.backends.process import Session
from nnmip.diagnostics import DiagnosticError
from nnmip.lowering.lower import lower_program
from tests.meaning.generator import seeded_model
from tests.meaning.harness import difference, load, solve_backend
from tests.meaning.oracle import enumerate_optimum

GUROBI_LIMIT = 2000
"""Rows and columns that Gurobi solves without a licence of one's own."""


def check(seed: int, folder: Path, session: Session, solvers: list[str], seen: Counter[str]) -> list[str]:
    """The disagreements on the model of one seed; `seen` counts what was done."""
    program = load(seeded_model(seed), folder)
    truth = enumerate_optimum(program)
    seen["infeasible"] += truth.objective is None
    seen["assignments"] += truth.count
    found = []
    for symmetry in (True, False):
        try:
            lowered = lower_program(program, symmetry=symmetry)
        except DiagnosticError as error:
            found.append(f"seed {seed}, symmetry={symmetry}: refused: {error}")
            continue
        if lowered.tangents:
            # One MILP of it is a relaxation; `tests/meaning/test_curves.py` compares what whole runs claim.
            seen["held by tangents"] += 1
            continue
        for solver in solvers:
            if solver == "gurobi" and max(lowered.milp.num_rows, lowered.milp.num_columns) > GUROBI_LIMIT:
                seen["too large for gurobi"] += 1
                continue
            seen[solver] += 1
            try:
                answer = solve_backend(session, lowered.milp, solver)
            except AssertionError as error:
                found.append(f"seed {seed}, symmetry={symmetry}: no answer: {error}")
                continue
            problem = difference(lowered, answer, truth.objective)
            if problem:
                found.append(f"seed {seed}, {solver}, symmetry={symmetry}: {problem}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Agreement of solvers with enumeration.")
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solvers", default="cbc,highs,gurobi")
    options = parser.parse_args()
    began = time.perf_counter()
    seen: Counter[str] = Counter()
    disagreements = 0
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        for seed in range(options.seed, options.seed + options.models):
            for line in check(seed, Path(folder), session, options.solvers.split(","), seen):
                print(line, flush=True)
                disagreements += 1
    print(f"models         {options.models} (seeds {options.seed} to {options.seed + options.models - 1})")
    for name, count in sorted(seen.items()):
        print(f"{name:<16} {count}")
    print(f"seconds        {time.perf_counter() - began:.0f}")
    print(f"disagreements  {disagreements}")
    sys.exit(1 if disagreements else 0)


if __name__ == "__main__":
    main()
