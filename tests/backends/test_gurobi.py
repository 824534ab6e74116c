"""Gurobi: licences, a missing package, and the route through python-mip with a stand-in."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnmip.backends import gurobi
from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.milp.model import Milp
from tests.backends.models import knapsack, milp, silent_channel, small_lp


def _wide(columns: int, rows: int) -> Milp:
    matrix = np.zeros((rows, columns))
    matrix[:, 0] = 1.0
    return milp(matrix, [0] * rows, [5] * rows, [0] * columns, [1] * columns, [True] * columns, [-1] * columns)


def test_a_model_at_the_limit_of_the_pip_licence_is_solved(session: Session) -> None:
    one_sided = milp(np.ones((1, 2000)), [-np.inf], [3], [0] * 2000, [1] * 2000, [True] * 2000, [-1] * 2000)
    answer = session.solve(one_sided, "gurobi")
    assert answer.termination is Termination.OPTIMAL and answer.objective == -3.0


@pytest.mark.parametrize(
    ("columns", "rows", "counts"), [(2001, 1, "2001 variables and 2 rows"), (3, 1001, "3 variables and 2002 rows")]
)
def test_a_model_beyond_the_pip_licence_says_what_to_do(session: Session, columns: int, rows: int, counts: str) -> None:
    answer = session.solve(_wide(columns, rows), "gurobi")
    assert answer.termination is Termination.LICENCE_ERROR
    assert answer.message == (
        f"the model has {counts}, but the licence that comes with pip allows 2000 of each; "
        "use solver highs or cbc, or install a full Gurobi licence"
    )
    assert answer.x is None and answer.dual_bound == -np.inf


def test_a_missing_licence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRB_LICENSE_FILE", "/nonexistent/gurobi.lic")
    with Session() as session:
        answer = session.solve(knapsack(), "gurobi")
    assert answer.termination is Termination.LICENCE_ERROR
    assert answer.message.startswith("Gurobi has no valid licence here (")
    assert answer.message.endswith("); set GRB_LICENSE_FILE, or use solver highs or cbc")
    assert "\n" not in answer.message


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    answer = gurobi.solve(knapsack(), SolveOptions(), silent_channel())
    assert answer.termination is Termination.BACKEND_MISSING
    assert answer.message == "Gurobi is not installed; install it with  pip install 'nnmip[gurobi]'"


@pytest.mark.parametrize(
    ("code", "termination", "message"),
    [
        (10001, Termination.MEMORY_LIMIT, "Gurobi ran out of memory"),
        (10003, Termination.SOLVER_ERROR, "Gurobi failed with error 10003: bad argument"),
    ],
)
def test_other_errors(code: int, termination: Termination, message: str) -> None:
    answer = gurobi.explain_error(code, "bad\nargument", knapsack(), "13")
    assert (answer.termination, answer.message) == (termination, message)


def test_only_a_licence_file_leads_to_python_mip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRB_LICENSE_FILE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert not gurobi.has_licence_file()
    (tmp_path / "gurobi.lic").write_text("licence")
    assert gurobi.has_licence_file()
    monkeypatch.setenv("GRB_LICENSE_FILE", str(tmp_path / "absent.lic"))
    assert not gurobi.has_licence_file()


def test_python_mip_without_a_full_licence_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert gurobi.open_through_mip() is None
    assert "so gurobipy is used" in capsys.readouterr().out


class _StandIn:
    """Records what is asked of a python-mip Gurobi model, and answers with what a test gives it."""

    def __init__(self, status: str, values: list[float], bound: float | None) -> None:
        self.status = status
        self.values = values
        self.objective_bound = bound
        self.columns: list[tuple[str, float, float, float, str]] = []
        self.rows: list[tuple[str, str, float, list[float]]] = []
        self.vars: list[Any] = []
        self.objective: Any = None
        self.limit: float | None = None

    def add_var(self, name: str, lb: float, ub: float, obj: float, var_type: str) -> Any:
        import mip

        self.columns.append((name, lb, ub, obj, var_type))
        index = len(self.vars)
        variable = mip.Var(self, index)
        self.vars.append(variable)
        return variable

    def add_constr(self, expression: Any, name: str) -> None:
        self.rows.append((name, expression.sense, -expression.const, list(expression.expr.values())))

    def optimize(self, max_seconds: float) -> Any:
        self.limit = max_seconds
        self.vars = [SimpleNamespace(x=value) for value in self.values]
        return SimpleNamespace(name=self.status)


def _solve_on(stand_in: _StandIn, model: Milp, options: SolveOptions) -> Any:
    opened = gurobi.open_through_mip(lambda solver_name: stand_in)
    assert opened is stand_in
    return gurobi.solve_through_mip(opened, model, options, silent_channel(), "13")


def test_the_route_through_python_mip_passes_the_whole_model() -> None:
    stand_in = _StandIn("OPTIMAL", [0.625, 0.375], None)
    answer = _solve_on(stand_in, small_lp(3.0), SolveOptions(gap=0.1, threads=4, seed=7, start=np.array([0.5, 0.25])))
    assert answer.termination is Termination.OPTIMAL
    assert answer.x.tolist() == [0.625, 0.375] and answer.dual_bound == 4.375
    assert stand_in.columns == [("x0", 0.0, 4.0, 1.0, "C"), ("x1", 0.0, 4.0, 2.0, "C")]
    assert stand_in.rows == [
        ("r0", "<", 3.0, [1.0, 1.0]),
        ("r1", ">", 1.0, [1.0, 1.0]),
        ("r2", "=", 0.25, [1.0, -1.0]),
    ]
    assert stand_in.objective.const == 3.0 and list(stand_in.objective.expr.values()) == [1.0, 2.0]
    settings = vars(stand_in)
    assert [settings[name] for name in ("infeas_tol", "integer_tol", "opt_tol", "max_mip_gap_abs")] == [1e-9] * 4
    assert [settings[name] for name in ("max_mip_gap", "threads", "seed", "verbose")] == [0.1, 4, 7, 0]
    assert [value for _, value in settings["start"]] == [0.5, 0.25]
    assert stand_in.limit is not None and stand_in.limit > 0


@pytest.mark.parametrize(
    ("status", "bound", "termination", "trusted", "has_point"),
    [
        ("FEASIBLE", -15.0, Termination.TIME_LIMIT, -15.0, True),
        ("NO_SOLUTION_FOUND", -16.0, Termination.TIME_LIMIT, -16.0, False),
        ("NO_SOLUTION_FOUND", -1e100, Termination.TIME_LIMIT, -np.inf, False),
        ("INFEASIBLE", -15.0, Termination.INFEASIBLE, -np.inf, False),
        ("UNBOUNDED", None, Termination.UNBOUNDED, -np.inf, False),
        ("ERROR", None, Termination.SOLVER_ERROR, -np.inf, False),
    ],
)
def test_statuses_of_the_route_through_python_mip(
    status: str, bound: float | None, termination: Termination, trusted: float, has_point: bool
) -> None:
    answer = _solve_on(_StandIn(status, [2.0, 0.0, 1.0], bound), knapsack(), SolveOptions())
    assert answer.termination is termination
    assert answer.dual_bound == trusted
    assert (answer.x is not None) == has_point


def test_tolerances_and_gaps_are_set() -> None:
    seen: dict[str, object] = {}
    gurobi.configure(SimpleNamespace(setParam=seen.__setitem__), SolveOptions(gap=0.5, threads=3, seed=9), 12.0)
    assert seen == {
        "FeasibilityTol": 1e-9,
        "IntFeasTol": 1e-9,
        "OptimalityTol": 1e-9,
        "MIPGap": 0.5,
        "MIPGapAbs": 1e-9,
        "Threads": 3,
        "Seed": 9,
        "TimeLimit": 12.0,
    }
