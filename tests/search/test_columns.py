"""The MILP of columns has the optimum that every other way to solve a model has, and its solutions are networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.columns import lower_columns
from nnmip.lowering.lower import Lowered
from nnmip.search.view import Refusal, view_of
from nnmip.sizes import UNASKED
from nnmip.solution.answer import replay_raw
from nnmip.solution.replay import ReplayStatus
from tests.meaning.generator import Model
from tests.meaning.harness import load
from tests.search.compare import searched
from tests.search.models import seeded_model
from tests.search.traps import TRAPS

CLOSE = 1e-6
MODELS, EACH = 200, 20


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def columns_of(program: Program) -> Lowered | None:
    """The MILP of columns, None where a model has none."""
    try:
        return lower_columns(view_of(program), UNASKED)
    except Refusal:
        return None


def optimum(lowered: Lowered, session: Session, solver: str) -> float | None:
    """The proved optimum of a MILP, in the user's sense and replayed; None where it is infeasible."""
    raw = session.solve(lowered.milp, solver, SolveOptions(time_limit=20))
    if raw.termination is Termination.INFEASIBLE:
        return None
    assert raw.termination is Termination.OPTIMAL, (raw.termination, raw.message)
    checked = replay_raw(lowered, raw)
    assert checked is not None and checked.status is ReplayStatus.PASSED, checked
    assert checked.objective is not None and raw.objective is not None
    assert checked.objective == pytest.approx(lowered.sign * raw.objective, abs=CLOSE, rel=CLOSE)
    return checked.objective


def assert_same(model: Model, folder: Path, session: Session, solvers: tuple[str, ...]) -> bool:
    """Whether the model has a MILP of columns; then its optimum is that of the search."""
    program = load(model, folder)
    lowered = columns_of(program)
    if lowered is None:
        return False
    found = searched(program).checked
    truth = found.objective if found is not None else None
    for solver in solvers:
        value = optimum(lowered, session, solver)
        assert (value is None) == (truth is None)
        assert truth is None or value == pytest.approx(truth, abs=CLOSE, rel=CLOSE)
    if found is not None and truth is not None:
        x = lowered.complete(found.assignment)
        assert lowered.milp.violation(x) <= CLOSE
        assert lowered.sign * lowered.milp.objective(x) == pytest.approx(truth, abs=CLOSE, rel=CLOSE)
        assert evaluate(program, lowered.lift(x)).objectives[0] == pytest.approx(truth, abs=CLOSE, rel=CLOSE)
    return True


@pytest.mark.parametrize("first", range(0, MODELS, EACH))
def test_random_models(first: int, tmp_path: Path, session: Session) -> None:
    found = 0
    for seed in range(first, first + EACH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found += assert_same(seeded_model(seed), folder, session, ("highs", "cbc") if seed % 4 == 0 else ("highs",))
    assert found >= EACH // 5


@pytest.mark.parametrize("name", TRAPS)
def test_traps(name: str, tmp_path: Path, session: Session) -> None:
    is_written = assert_same(TRAPS[name], tmp_path, session, ("highs", "cbc"))
    assert is_written or view_of(load(TRAPS[name], tmp_path)).coupling
