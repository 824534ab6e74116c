"""One solver process for all tests of a file, and what a solver finds by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nnmip.backends.process import Session
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.lower import lower_program
from tests.meaning.harness import solve_backend


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as shared:
        yield shared


@pytest.fixture
def best(session: Session) -> Callable[[Program, str], float | None]:
    """The optimum that a solver finds for a program, as its answer is worth by the meaning; None without an answer."""

    def solved(program: Program, solver: str) -> float | None:
        lowered = lower_program(program)
        answer = solve_backend(session, lowered.milp, solver)
        if answer.x is None:
            return None
        found = evaluate(program, lowered.lift(answer.x), 1e-6)
        assert found.max_violation <= 1e-6
        assert answer.objective is not None
        assert found.objectives[0] == pytest.approx(lowered.sign * answer.objective, abs=2e-6)
        return found.objectives[0]

    return solved
