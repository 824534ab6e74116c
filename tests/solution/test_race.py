"""Several ways side by side: the first proof, the best of all without one, and no process that stays."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, Termination
from nnmip.cli.main import run
from nnmip.hir.core import Program
from nnmip.solution.combined import Finished, combined
from nnmip.solution.options import ways_of
from nnmip.solution.result import ASKED_FOR, Proof, Result, SolutionStatus
from nnmip.solution.way import Way
from tests.workbench import INFEASIBLE, SATISFIED, XOR, XOR_MAXIMISED, hard, standard_json, write_model

FREE = XOR.replace('constraint few "weight budget":\n  l0(net.weights) <= most\n', "")
STAGES = XOR.replace(
    "minimize hinge(net, points) + 0.001 * l0(net.weights) + 0.0001 * norm_1(net.weights)",
    "minimize hinge(net, points)\n  then l0(net.weights)\n  then norm_1(net.h.weights)",
)

PAIRS = (
    ("highs,cbc", "auto"),
    ("highs,cbc", "direct"),
    ("auto", "search,direct"),
    ("auto,cbc", "search,direct"),
    ("cbc", "search,direct,columns"),
)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of all solver processes that are started."""
    honest, found = Session._started, list[int]()

    def started(session: Session) -> Any:
        child = honest(session)
        found.append(child.process.pid)
        return child

    monkeypatch.setattr(Session, "_started", started)
    return found


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("solver", "formulation"), PAIRS)
@pytest.mark.parametrize(
    ("text", "value"), [(FREE, 0.0066), (XOR_MAXIMISED, 1.94), (STAGES, 0.0)], ids=["least", "most", "stages"]
)
def test_the_first_proof_is_the_answer(
    solver: str, formulation: str, text: str, value: float, tmp_path: Path, processes: list[int]
) -> None:
    if "columns" in formulation and text != FREE:
        pytest.skip("a rule ties the units, so that there is no MILP of columns")
    found = nnmip.load(write_model(tmp_path, text)).solve(solver=solver, formulation=formulation)
    assert (found.termination, found.solution) == ("optimal", "optimal")
    assert found.stages[0].objective == pytest.approx(value, abs=1e-9)
    if text == STAGES:
        assert [stage.objective for stage in found.stages] == pytest.approx([0.0, 6.0, 4.0], abs=1e-7)
    (winner,) = [way for way in found.portfolio if way.has_won]
    assert winner is found.portfolio[0] and not winner.is_cut
    assert all(way.is_cut or way.termination == "optimal" for way in found.portfolio[1:])
    assert (winner.solver or "search", winner.version) == (found.solver, found.solver_version)
    assert len(found.portfolio) == len(ways_of(solver, formulation))
    assert not any(map(is_running, processes))


def test_infeasible_models_and_those_without_a_goal(tmp_path: Path) -> None:
    none = nnmip.load(write_model(tmp_path, INFEASIBLE)).solve(solver="highs,cbc")
    assert (none.termination, none.solution, none.proof) == ("infeasible", "none", "solver")
    assert none.portfolio[0].has_won and none.conflict is not None
    some = nnmip.load(write_model(tmp_path, SATISFIED)).solve(solver="highs,cbc")
    assert (some.solution, some.proof) == ("feasible", "certified")
    assert some.portfolio[0].has_won


def test_ways_that_are_the_same_milp_are_one(tmp_path: Path) -> None:
    """The search of this model is not possible, so that `auto` is the direct MILP."""
    text = FREE.replace("weights in -1..1", "weights in [-1, 1] step 1 | [2, 3]", 1)
    found = nnmip.load(write_model(tmp_path, text)).solve(formulation="auto,direct")
    assert found.solution == "optimal" and found.portfolio == ()


@pytest.mark.parametrize(
    ("solver", "formulation", "message"),
    [
        ("highs,cpc", "auto", "solver must be one of auto, highs, cbc, gurobi, not 'cpc'"),
        ("highs", "direct,rows", f"formulation must be one of {', '.join(ASKED_FOR)}, not 'rows'"),
        ("highs,cbc", "direct,search,columns", "2 solvers and 3 formulations do not go together"),
        ("cbc,highs,cbc", "direct", "two ways are the same: cbc with direct"),
        ("", "direct", "solver must be one of auto, highs, cbc, gurobi, not ''"),
    ],
)
def test_names_that_do_not_go_together(
    solver: str, formulation: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, FREE)
    with pytest.raises(ValueError) as caught:
        nnmip.load(model).solve(solver=solver, formulation=formulation)
    assert str(caught.value) == message
    assert run(["solve", str(model), "--solver", solver, "--formulation", formulation]) == 2


def test_names_go_together_in_order() -> None:
    assert ways_of("highs, cbc", "direct,columns") == (("highs", "direct"), ("cbc", "columns"))
    assert ways_of("cbc", "direct,columns") == (("cbc", "direct"), ("cbc", "columns"))
    assert ways_of("auto", "auto") == (("auto", "auto"),)


# ---- limits, interrupts, errors ------------------------------------------------------------------------------------


@pytest.fixture
def endless(tmp_path: Path) -> nnmip.Model:
    return nnmip.load(hard(tmp_path))


def check_unproved(found: Result) -> None:
    assert found.solution == "feasible" and found.proof == "none"
    assert [way.has_won for way in found.portfolio] == [False, False]
    best = min(way.objective for way in found.portfolio if way.objective is not None)
    bounds = [way.dual_bound for way in found.portfolio if way.dual_bound is not None]
    assert found.objective == pytest.approx(best)
    assert found.dual_bound == (pytest.approx(max(bounds)) if bounds else None)
    assert found.replay is not None and found.replay.status == "passed"


def test_a_limit_keeps_the_best_of_both(endless: nnmip.Model, processes: list[int]) -> None:
    found = endless.solve(solver="highs,cbc", time_limit=4)
    assert found.termination == "time_limit"
    check_unproved(found)
    assert not any(map(is_running, processes))


def test_a_request_to_stop_ends_both(endless: nnmip.Model, processes: list[int], tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(3.0, stop.set).start()
    began = time.monotonic()
    found = endless.solve(solver="highs,cbc", stop=stop, save=tmp_path / "run")
    assert time.monotonic() - began < 30
    assert found.termination == "interrupted" and found.saved
    check_unproved(found)
    assert nnmip.load_network(tmp_path / "run").name == "net"
    assert not any(map(is_running, processes))


def test_what_progress_raises_ends_both(endless: nnmip.Model, processes: list[int]) -> None:
    seen: list[Progress] = []

    def show(event: Progress) -> None:
        seen.append(event)
        assert threading.current_thread() is threading.main_thread()
        if len(seen) == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        endless.solve(solver="highs,cbc", progress=show, time_limit=60)
    assert not any(map(is_running, processes))
    assert all(event.phase.split()[0] in ("highs", "cbc") for event in seen)


def test_what_one_way_raises_ends_both(
    endless: nnmip.Model, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Way.solve

    def solve(way: Way, *given: Any) -> Result:
        if way.work.options.solver == "cbc":
            raise ZeroDivisionError
        return honest(way, *given)

    monkeypatch.setattr(Way, "solve", solve)
    with pytest.raises(ZeroDivisionError):
        endless.solve(solver="highs,cbc", time_limit=60)
    assert not any(map(is_running, processes))


def test_json_says_who_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(write_model(tmp_path, FREE))
    assert run(["solve", model, "--formulation", "search,direct", "--json"]) == 0
    found = standard_json(capsys.readouterr().out)
    keys = ["solver", "version", "formulation", "termination", "objective", "dual_bound", "seconds", "won", "cut"]
    assert [list(way) for way in found["portfolio"]] == [keys] * 2
    first = found["portfolio"][0]
    assert first["won"] and first["formulation"] == found["formulation"]["name"]
    assert run(["solve", model, "--json"]) == 0
    assert standard_json(capsys.readouterr().out)["portfolio"] is None


# ---- what is put together ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Result]]:
    model = nnmip.load(write_model(tmp_path_factory.mktemp("solved"), FREE))
    yield model.program, model.solve()


def open_result(result: Result, value: float | None, bound: float | None) -> Result:
    """The same without a proof, with another value and another bound."""
    return replace(
        result,
        termination=Termination.TIME_LIMIT,
        solution=SolutionStatus.NONE if value is None else SolutionStatus.FEASIBLE,
        proof=Proof.NONE,
        objective=value,
        dual_bound=bound,
    )


def test_the_best_network_and_the_best_bound(solved: tuple[Program, Result]) -> None:
    program, result = solved
    ways = [
        Finished("highs", "direct", open_result(result, 0.3, 0.1), 1.0, False),
        Finished("cbc", "direct", open_result(result, 0.4, 0.2), 1.0, False),
    ]
    found = combined(program, ways)
    assert (found.objective, found.dual_bound, found.stages[0].dual_bound) == (0.3, 0.2, 0.2)
    assert (found.termination, found.solution, found.proof) == ("time_limit", "feasible", "none")
    none = combined(program, [replace_value(ways[0], None), replace_value(ways[1], None)])
    assert (none.solution, none.dual_bound) == ("none", 0.2)


def replace_value(way: Finished, value: float | None) -> Finished:
    return replace(way, result=open_result(way.result, value, way.result.dual_bound))


def test_a_network_that_refutes_a_proof(solved: tuple[Program, Result]) -> None:
    """A wrong proof of one solver must not win against a better network of another."""
    program, result = solved
    claim = Finished("highs", "direct", result, 1.0, False)
    other = Finished("cbc", "direct", open_result(result, 0.005, 0.0), 1.0, True)
    found = combined(program, [claim, other])
    assert (found.termination, found.solution, found.proof) == ("solver_error", "feasible", "none")
    assert found.objective == 0.005 and found.dual_bound is None
    assert found.message == "highs direct claimed 0.0066 as the best value, and cbc direct found a better network"
    none = replace(result, termination=Termination.INFEASIBLE, solution=SolutionStatus.NONE, objective=None)
    found = combined(program, [replace(claim, result=none), other])
    assert (found.termination, found.proof) == ("solver_error", "none")
    assert found.message.startswith("highs direct claimed that no network satisfies the model, and cbc direct found")


def test_a_network_that_refutes_a_bound(solved: tuple[Program, Result]) -> None:
    program, result = solved
    ways = [
        Finished("highs", "direct", open_result(result, 0.3, 0.1), 1.0, False),
        Finished("cbc", "direct", open_result(result, None, 0.4), 1.0, False),
    ]
    found = combined(program, ways)
    assert (found.termination, found.proof, found.dual_bound) == ("solver_error", "none", None)
    assert found.message == "cbc direct claims a bound of 0.4, and highs direct found a better network"


def test_a_solver_that_is_missing_leaves_the_other(solved: tuple[Program, Result]) -> None:
    program, result = solved
    missing = replace(open_result(result, None, None), termination=Termination.BACKEND_MISSING)
    ways = [
        Finished("gurobi", "direct", missing, 0.0, False),
        Finished("cbc", "direct", open_result(result, 0.4, 0.2), 1.0, False),
    ]
    found = combined(program, ways)
    assert (found.termination, found.objective, found.dual_bound) == ("time_limit", 0.4, 0.2)
    proved = combined(program, [ways[0], Finished("cbc", "direct", result, 1.0, False)])
    assert proved.solution == "optimal" and [way.has_won for way in proved.portfolio] == [False, True]
    alone = combined(program, [ways[0], ways[0]])
    assert alone.termination == "backend_missing"
