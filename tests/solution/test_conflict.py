"""Conflicts of infeasible models: how they read, where they come from, how the search ends, and that they are right."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.cli.main import run
from nnmip.hir.core import Program
from nnmip.hir.goals import Constraint
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.pipeline import load, loads
from nnmip.report.text import render_result
from nnmip.solution.conflict import find_conflict
from nnmip.solution.result import Result
from tests.meaning.harness import solve_highs
from tests.meaning.oracle import enumerate_optimum
from tests.workbench import INFEASIBLE, XOR, standard_json, write_model

MODEL = XOR.replace('constraint few "weight budget":\n  l0(net.weights) <= most\n', "")
HONEST = Session.solve


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solved(folder: Path, *constraints: str, text: str = MODEL, **options: Any) -> Result:
    lines = [f"constraint {c}" for c in constraints]
    return load(write_model(folder, "\n".join([text, *lines]) + "\n")).solve(**options)


def names(result: Result) -> list[str]:
    assert result.conflict is not None
    return [c.name for c in result.conflict.constraints]


def shown(result: Result) -> list[str]:
    """The lines of the report on the conflict, without the indentation of all of them."""
    lines = render_result(result).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  conflict  "))
    rest = [line for line in lines[start + 1 :] if line.startswith(" " * 12)]
    return [lines[start].strip(), *(line[12:] for line in rest)]


# ---- how it reads --------------------------------------------------------------------------------------------------


def test_a_conflict_in_every_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, INFEASIBLE)
    assert run(["solve", "xor.nnm", "--solver", "highs"]) == 1
    out = capsys.readouterr().out
    assert "  conflict  this constraint cannot hold; without it there is an answer\n            many  (xor.nnm:" in out
    assert run(["solve", "xor.nnm", "--solver", "highs", "--json"]) == 1
    found = standard_json(capsys.readouterr().out)
    line = INFEASIBLE.splitlines().index("constraint many: l0(net.weights) >= 7") + 1
    place = {"file": "xor.nnm", "line": line, "column": 1}
    many = {"name": "many", "sentence": None, "text": "l0(net.weights) >= 7", "sufficient": False, **place}
    assert found["conflict"] == {"irreducible": True, "goal": None, "constraints": [many]}
    assert (found["termination"], found["solution"], found["proof"]) == ("infeasible", "none", "solver")
    conflict = load("xor.nnm").solve().conflict
    assert conflict is not None and conflict.to_json() == found["conflict"]


@pytest.mark.parametrize(
    ("constraint", "head", "text"),
    [
        ('c "say: \\"no\\":": l0(net.weights) >= 7', 'c "say: "no":"', "l0(net.weights) >= 7"),
        ("c:\n  l0(net.weights)  # all\n    >= 7", "c", "l0(net.weights) >= 7"),
        ("c: 7 <= l0(net.weights) <= 9", "c", "7 <= l0(net.weights) <= 9"),
        ("c: (l0(net.weights) >= 7)", "c", "(l0(net.weights) >= 7)"),
        (
            'c: forall s in points where s.parity = "odd":\n  net(s) >= 99 and used(net.a[0])',
            "c",
            'forall s in points where s.parity = "odd": net(s) >= 99 and used(net.a[0])',
        ),
        (
            "c: forall j in units(net.a): exists i in 0..1: net.h.weights[j, i] >= 2",
            "c",
            "forall j in units(net.a): exists i in 0..1: net.h.weights[j, i] >= 2",
        ),
    ],
)
def test_a_constraint_is_shown_as_written(constraint: str, head: str, text: str, folder: Path) -> None:
    result = solved(folder, constraint)
    first, name, condition = shown(result)
    assert first == "conflict  this constraint cannot hold; without it there is an answer"
    assert name.startswith(f"{head}  (") and condition == f"  {text}"


def test_a_constraint_of_an_included_file_is_shown_with_its_file(folder: Path) -> None:
    (folder / "rules.nnm").write_text('nnm 0.1\n\nconstraint many "seven": l0(net.weights) >= 7\n')
    result = solved(folder, "few: l0(net.weights) <= 6", text=MODEL.replace("nnm 0.1", 'nnm 0.1\ninclude "rules.nnm"'))
    assert names(result) == ["many"]
    assert shown(result)[1] == f'many "seven"  ({folder / "rules.nnm"}:3:1)'
    assert result.conflict is not None
    assert result.conflict.to_json()["constraints"][0]["file"] == str(folder / "rules.nnm")


# ---- where it comes from -------------------------------------------------------------------------------------------


def test_one_of_two_conflicts_is_named(folder: Path) -> None:
    disjoint = ("a: net.h.bias[0] >= 1", "b: net.h.bias[0] <= 0", "c: net.o.bias[0] >= 1", "d: net.o.bias[0] <= 0")
    result = solved(folder, *disjoint)
    assert names(result) in (["a", "b"], ["c", "d"])
    assert shown(result)[0] == "conflict  these 2 constraints cannot hold together; any smaller set of them can"


def test_three_constraints_that_only_together_contradict_each_other(folder: Path) -> None:
    wishes = ("x: sum(net.h.bias) >= 1", "idle: l0(net.weights) <= 6", "y: net.h.bias[0] <= 0", "z: net.h.bias[1] <= 0")
    assert names(solved(folder, *wishes)) == ["x", "y", "z"]


def test_logic_and_several_entries_in_one_constraint(folder: Path) -> None:
    wishes = (
        "a: forall j in units(net.a): used(net.a[j]) -> net.h.bias[j] >= 1",
        "b: atleast(2, used(net.a))",
        "c: sum(net.h.bias) <= 1",
        "d: forall j in units(net.a): net.h.weights[j, x0] >= 0",
    )
    assert names(solved(folder, *wishes)) == ["a", "b", "c"]


CLOSE = MODEL.replace("bias in -2..2", "bias in [0.50001, 0.50002]")
CHOICE = "(if net.o.bias[0] <= 0.5 then net.o.weights[0, 0] else 2)"


def test_a_goal_that_leaves_out_all_networks(folder: Path) -> None:
    goal = MODEL[MODEL.index("minimize") :].strip()
    close = CLOSE.replace(goal, f"minimize {CHOICE}")
    result = solved(folder, text=close)
    assert names(result) == []
    assert shown(result) == [
        "conflict  the goal, which leaves out networks too near to its thresholds, leaves none at all",
        f"the goal  ({folder / 'xor.nnm'}:{result.conflict.goal.origin.span.line}:1)",  # type: ignore[union-attr]
        f"  minimize {CHOICE}",
    ]
    either = close.replace("[0.50001, 0.50002]", "{0, 0.50001}")
    result = solved(folder, "idle: l0(net.weights) <= 6", "high: net.o.bias[0] >= 0.1", text=either)
    assert names(result) == ["high"]
    assert result.conflict is not None and result.conflict.goal is not None and result.conflict.irreducible
    assert "and this constraint cannot hold together; any smaller set of them can" in shown(result)[0]
    later = CLOSE.replace(goal, f"minimize l0(net.weights) then {CHOICE}")
    result = solved(folder, text=later)
    assert (result.termination, result.solution) == ("infeasible", "feasible")
    assert result.message.startswith("stage 2: the goal leaves out networks too near to its thresholds")
    assert run(["solve", "xor.nnm"]) == 3


def test_a_constraint_that_leaves_out_all_networks(folder: Path) -> None:
    """By the meaning of the text the networks that are known satisfy it; by its encoding none does."""
    result = solved(folder, "no: not (net.o.bias[0] <= 0.5)", "idle: l0(net.weights) <= 6", text=CLOSE)
    assert names(result) == ["no"]
    assert "net.o.bias[0] <= 0.5: counts as false from a distance of 0.0001 on" in result.notes


# ---- how the search ends -------------------------------------------------------------------------------------------

WISHES = (
    "a: l0(net.weights) >= 5",
    "b: norm_1(net.h.weights) <= 2",
    "c: sum(net.o.bias) >= 1",
    "d: l0(net.o.weights) >= 2",
    "e: forall j in units(net.a): net.h.bias[j] = 1",
)


def later(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[float]:
    """Let `answer(solve)` answer from the second question to HiGHS on; the time limits of all, to be cleared."""
    limits: list[float] = []

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if solver == "cbc":
            return HONEST(session, milp, solver, options, *rest)
        limits.append(options.time_limit)

        def honest() -> RawResult:
            return HONEST(session, milp, solver, options, *rest)

        return honest() if len(limits) == 1 else answer(honest)

    monkeypatch.setattr(Session, "solve", solve)
    return limits


def test_the_whole_search(folder: Path) -> None:
    result = solved(folder, *WISHES)
    assert names(result) == ["a", "b"]
    phases: list[str] = []

    def progress(step: Progress) -> None:
        phases.append(step.phase)

    solved(folder, *WISHES, progress=progress)
    assert [phase for phase in phases if phase.startswith("conflict without `")]


def test_a_search_that_runs_out_of_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = later(monkeypatch, lambda solve: RawResult(Termination.TIME_LIMIT, "highs", "0"))
    result = solved(folder, *WISHES)
    assert result.termination == "infeasible" and result.proof == "solver"
    assert result.conflict is not None and not result.conflict.irreducible
    assert {"a", "b"} <= set(names(result))
    assert shown(result)[0].endswith("; not proved that all are needed")
    limits.clear()
    assert run(["solve", "xor.nnm"]) == 1


def test_the_search_is_within_the_time_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = later(monkeypatch, lambda solve: solve())
    result = solved(folder, *WISHES, time_limit=500.0)
    assert names(result) == ["a", "b"]
    assert all(500 > first > second > 0 for first, second in pairwise(limits))
    limits.clear()
    solved(folder, *WISHES)
    assert limits[0] is None and all(limit >= 30 for limit in limits[1:]) and len(limits) > 1


@pytest.mark.parametrize("how", ["between", "inside"])
def test_ctrl_c_during_the_search(
    how: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(solve: Any) -> RawResult:
        if how == "between":
            raise KeyboardInterrupt
        return RawResult(Termination.INTERRUPTED, "highs", "0")

    limits = later(monkeypatch, answer)
    result = solved(folder, *WISHES)
    assert result.termination == "infeasible" and len(limits) == 2, "nothing is asked after Ctrl-C"
    assert names(result) == ["a", "b", "c", "d", "e"]
    assert result.conflict is not None and not result.conflict.irreducible
    limits.clear()
    assert run(["solve", "xor.nnm", "--save", "run"]) == 1
    assert not standard_json(Path("run/result.json").read_text())["conflict"]["irreducible"]


def test_a_wrong_answer_of_a_test_names_no_needed_constraint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver error, or a network that fails the replay, says nothing of whether a constraint is needed."""
    for termination in (Termination.SOLVER_ERROR, Termination.OPTIMAL, Termination.MEMORY_LIMIT):
        later(monkeypatch, lambda solve, t=termination: RawResult(t, "highs", "0"))
        result = solved(folder, *WISHES)
        assert result.conflict is not None and not result.conflict.irreducible


# ---- that it is right ----------------------------------------------------------------------------------------------

SMALL = """nnm 0.1
param rows : real[3] = [0, 1, 2]
data train = csv("points.csv") {
  features x0
  label    parity as {even: -1, odd: +1}
}
network net(x: real[1] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {0, 1})
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {-1, 1}, bias in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
"""

CONDITIONS = (
    "l0(net.h.weights) >= 2",
    "l0(net.h.weights) <= 1",
    "l0(net.h.weights) = 0",
    "sum(net.h.weights) >= 1",
    "sum(net.h.weights) <= -1",
    "sum(net.h.bias) = 1",
    "sum(net.h.bias) >= 2",
    "net.h.bias[0] <= 0",
    "net.h.bias[1] <= 0",
    "sum(net.o.weights) <= 0",
    "sum(net.o.weights) >= 0",
    "net.o.bias[0] = 0",
    "forall s in train: net(s) >= 0",
    "forall s in train: net(s) <= -1",
    'forall s in train where s.parity = "odd": net(s) >= 1',
    "exists s in train: active(net.a[0], s)",
    "forall j in units(net.a): net.h.weights[j, x0] = 1 -> net.h.bias[j] = 0",
    "zero_one(net, train) <= 0.25",
    "count(used(net.a)) <= 0",
    "atleast(2, used(net.a))",
    "net.o.weights[0, 0] = 1 <-> net.o.weights[0, 1] = 1",
)


def _feasible(program: Program, constraints: tuple[Constraint, ...]) -> bool:
    return enumerate_optimum(replace(program, stages=(), constraints=constraints)).objective is not None


def _ask(lowered: Lowered, limit: float, what: str) -> RawResult:
    """The solver in this process."""
    answer = solve_highs(lowered.milp)
    if answer.x is None:
        return RawResult(Termination.INFEASIBLE, "highs", "0")
    return RawResult(Termination.OPTIMAL, "highs", "0", answer.x, answer.objective)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(CONDITIONS), min_size=4, max_size=7, unique=True))
def test_every_member_of_a_conflict_is_needed(folder: Path, conditions: list[str]) -> None:
    """Enumeration of all networks: the conflict cannot hold, and without any one member it can."""
    write_model(folder, "nnm 0.1\n")
    text = SMALL + "".join(f"constraint c{i}: {text}\n" for i, text in enumerate(conditions))
    program = loads(text, directory=folder).program
    is_infeasible = _ask(lower_program(program), 0.0, "").termination is Termination.INFEASIBLE
    assert is_infeasible is not _feasible(program, program.constraints)
    if not is_infeasible:
        return
    conflict = find_conflict(program, lower_program, _ask, 0.0, None)
    members = conflict.constraints
    assert members and conflict.irreducible and conflict.goal is None
    assert not _feasible(program, members)
    for others in combinations(members, len(members) - 1):
        assert _feasible(program, others), [c.name for c in members]
