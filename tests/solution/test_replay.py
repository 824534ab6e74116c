"""What may be called an answer: replay, tidying, mending, and how a result is put together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.hir.core import Assignment
from nnmip.lowering.lower import Lowered
from nnmip.milp.model import Milp
from nnmip.pipeline import Model, load
from nnmip.solution.answer import RunFacts, fixed_integers, make_result, replay_raw
from nnmip.solution.replay import Replay, ReplayStatus, replay
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.solution.stage import MENDED, replayed
from nnmip.solution.tidy import tidied
from tests.workbench import LINEAR, SATISFIED, XOR, XOR_MAXIMISED, write_model

SOLVED = Assignment(
    {
        "net.h.weights": np.array([[1.0, -1.0], [-1.0, 1.0]]),
        "net.h.bias": np.array([0.0, 0.0]),
        "net.o.weights": np.array([[1.0, 1.0]]),
        "net.o.bias": np.array([-1.0]),
    },
    {"net.a": np.array([True, True])},
)
"""Separates the four points with six weights of size 1."""

FACTS = RunFacts({"rows": 1}, {"solve": 0.5}, 7, {"nnmip": "0"})


def model(folder: Path, text: str) -> Model:
    return load(write_model(folder, text, "model.nnm"))


def with_values(**changes: object) -> Assignment:
    values = {**SOLVED.values, **{name.replace("__", "."): np.array(v, float) for name, v in changes.items()}}
    return Assignment(values, SOLVED.kept)


@pytest.mark.parametrize(("text", "goal", "worse"), [(XOR, 0.0066, 0.007), (XOR_MAXIMISED, 1.94, 1.93)])
def test_the_goal_is_recomputed(text: str, goal: float, worse: float, tmp_path: Path) -> None:
    program = model(tmp_path, text).program
    found = replay(program, SOLVED, goal, goal)
    assert (found.status, found.message, found.max_violation) == (ReplayStatus.PASSED, "", 0.0)
    assert found.objective == pytest.approx(goal, abs=1e-12)
    assert replay(program, SOLVED, worse, goal).status is ReplayStatus.PASSED, "better than claimed is welcome"
    assert replay(program, SOLVED, None, None).status is ReplayStatus.PASSED


@pytest.mark.parametrize(("text", "claimed"), [(XOR, 0.006), (XOR_MAXIMISED, 1.95)])
def test_a_goal_worse_than_claimed_fails(text: str, claimed: float, tmp_path: Path) -> None:
    found = replay(model(tmp_path, text).program, SOLVED, claimed, None)
    assert found.status is ReplayStatus.FAILED
    assert found.message == f"the goal is {found.objective:.9g}, and the solver claims {claimed}"


@pytest.mark.parametrize(("text", "goal", "bound"), [(XOR, 0.0066, 0.1), (XOR_MAXIMISED, 1.94, 1.5)])
def test_a_goal_better_than_the_bound_fails(text: str, goal: float, bound: float, tmp_path: Path) -> None:
    found = replay(model(tmp_path, text).program, SOLVED, goal, bound)
    assert found.status is ReplayStatus.FAILED
    assert found.message == f"the goal is {goal}, better than the solver's bound {bound}"


def test_a_violated_constraint_fails(tmp_path: Path) -> None:
    found = replay(load(write_model(tmp_path, XOR), {"most": 5}).program, SOLVED, None, None)
    assert (found.status, found.message) == (ReplayStatus.FAILED, "`few` is violated by 1")
    assert found.max_violation == 1.0


def test_a_weight_outside_its_domain_fails(tmp_path: Path) -> None:
    program = model(tmp_path, XOR).program
    found = replay(program, with_values(net__o__bias=[-2.5]), None, None)
    assert (found.status, found.message) == (ReplayStatus.FAILED, "a weight is 0.5 outside its domain")
    assert replay(program, with_values(net__h__bias=[0.5, 0]), None, None).status is ReplayStatus.FAILED


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_numbers_that_are_not_finite_fail(wrong: float, tmp_path: Path) -> None:
    found = replay(model(tmp_path, XOR).program, with_values(net__o__bias=[wrong]), None, None)
    assert found.status is ReplayStatus.FAILED
    assert "`net.o.bias` is not finite" in found.message


def lowered_and_answer(folder: Path, text: str = XOR) -> tuple[Lowered, RawResult]:
    lowered = model(folder, text).lowered
    x = lowered.complete(SOLVED)
    value = lowered.milp.objective(x)
    return lowered, RawResult(Termination.OPTIMAL, "highs", "9", x, value, dual_bound=value, log=("last words",))


def result_of(lowered: Lowered, raw: RawResult, proof: Proof = Proof.SOLVER) -> Result:
    return make_result(lowered, raw, replay_raw(lowered, raw), proof, FACTS)


def test_a_proved_optimum(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    found = result_of(lowered, raw)
    assert (found.termination, found.solution, found.proof) == (
        Termination.OPTIMAL,
        SolutionStatus.OPTIMAL,
        Proof.SOLVER,
    )
    assert found.objective == pytest.approx(0.0066)
    assert found.gap == pytest.approx(0.0, abs=1e-9)
    assert [(t.label, t.value) for t in found.terms] == [
        ("hinge(net, points)", 0.0),
        ("l0(net.weights)", 6.0),
        ("norm_1(net.weights)", 6.0),
    ]
    assert sum(t.contribution for t in found.terms) == pytest.approx(found.objective)
    assert [(m.network, m.data, m.right, m.rows, m.accuracy) for m in found.metrics] == [("net", "points", 4, 4, 1.0)]
    assert found.used_units == {"net": {"a": (0, 1)}}
    assert (found.seed, found.versions, found.log) == (7, {"nnmip": "0"}, ("last words",))
    assert result_of(lowered, raw, Proof.CONFIRMED).proof is Proof.CONFIRMED


STOPS = [
    *(Termination.TIME_LIMIT, Termination.NODE_LIMIT, Termination.GAP_LIMIT, Termination.MEMORY_LIMIT),
    *(Termination.INTERRUPTED, Termination.SOLVER_ERROR, Termination.BACKEND_MISSING, Termination.LICENCE_ERROR),
]


@pytest.mark.parametrize("termination", STOPS)
def test_any_other_end_proves_nothing(termination: Termination, tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    found = result_of(lowered, replace(raw, termination=termination), Proof.SOLVER)
    assert (found.termination, found.solution, found.proof) == (termination, SolutionStatus.FEASIBLE, Proof.NONE)
    assert list(found.networks) == ["net"]
    empty = replace(raw, termination=termination, x=None, objective=None, dual_bound=-np.inf, message="why")
    found = result_of(lowered, empty)
    assert (found.termination, found.solution, found.proof) == (termination, SolutionStatus.NONE, Proof.NONE)
    assert (found.replay, found.objective, found.dual_bound, found.gap) == (None, None, None, None)
    assert (found.networks, found.terms, found.metrics, found.used_units) == ({}, (), (), {})
    assert found.message == "why"


def test_an_open_gap_is_no_optimum(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    found = result_of(lowered, replace(raw, dual_bound=0.0066 - 3e-7))
    assert (found.termination, found.solution, found.proof) == (
        Termination.GAP_LIMIT,
        SolutionStatus.FEASIBLE,
        Proof.NONE,
    )
    found = result_of(lowered, replace(raw, dual_bound=-np.inf))
    assert (found.solution, found.dual_bound, found.gap) == (SolutionStatus.FEASIBLE, None, None)


def test_infeasible_is_a_proof(tmp_path: Path) -> None:
    lowered, _ = lowered_and_answer(tmp_path)
    nothing = RawResult(Termination.INFEASIBLE, "highs", "9", dual_bound=np.inf)
    for proof in (Proof.SOLVER, Proof.CONFIRMED):
        found = result_of(lowered, nothing, proof)
        assert (found.solution, found.proof, found.dual_bound) == (SolutionStatus.NONE, proof, None)


@pytest.mark.parametrize("termination", [Termination.OPTIMAL, *STOPS])
def test_an_answer_that_fails_the_replay_is_not_an_answer(termination: Termination, tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    found = result_of(lowered, replace(raw, termination=termination, objective=0.001))
    assert (found.solution, found.proof) == (SolutionStatus.NONE, Proof.NONE)
    assert (found.objective, found.dual_bound, found.gap) == (None, None, None)
    assert (found.networks, found.terms, found.metrics, found.used_units) == ({}, (), (), {})
    assert found.message == "the goal is 0.0066, and the solver claims 0.001"
    assert found.to_json()["replay"]["status"] == "failed"
    assert found.to_json()["networks"] == {}


def test_a_model_without_a_goal_is_its_own_proof(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path, SATISFIED)
    found = result_of(lowered, raw)
    assert (found.solution, found.proof, found.sense) == (SolutionStatus.FEASIBLE, Proof.CERTIFIED, None)
    assert (found.objective, found.dual_bound, found.terms) == (None, None, ())


@pytest.mark.parametrize(
    ("objective", "bound", "gap"),
    [
        (2.0, 1.5, 0.25),
        (-2.0, -2.5, 0.25),
        (1.94, 2.0, 0.06 / 1.94),
        (1e-7, -0.5, 0.5000001),
        (0.0, 0.0, 0.0),
        (None, 1.0, None),
        (1.0, None, None),
    ],
)
def test_gap(objective: float | None, bound: float | None, gap: float | None, tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    found = replace(result_of(lowered, raw), objective=objective, dual_bound=bound).gap
    assert found == (None if gap is None else pytest.approx(gap))


# ---- mending ---------------------------------------------------------------------------------------------------


class Polisher:
    """A session that records the LP it is given and answers with `x`."""

    def __init__(self, x: np.ndarray | None) -> None:
        self.x = x
        self.asked: list[tuple[Milp, str, SolveOptions]] = []

    def solve(self, milp: Milp, solver: str, options: SolveOptions, *_: object) -> RawResult:
        self.asked.append((milp, solver, options))
        if self.x is None:
            return RawResult(Termination.INFEASIBLE, solver, "9")
        return RawResult(Termination.OPTIMAL, solver, "9", self.x, milp.objective(self.x))


def test_an_answer_that_passes_is_left_alone(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    session = Polisher(None)
    same, checked = replayed(lowered, session, raw, SolveOptions())  # type: ignore[arg-type]
    assert same is raw
    assert checked is not None and checked.status is ReplayStatus.PASSED
    assert session.asked == []


def test_an_answer_that_fails_is_mended_with_its_integers(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    assert raw.x is not None
    session = Polisher(raw.x)
    broken = replace(raw, objective=0.001, dual_bound=0.0, seconds=50.0, message="odd")
    mended, checked = replayed(lowered, session, broken, SolveOptions(time_limit=40.0, gap=0.5))  # type: ignore[arg-type]
    assert checked is not None and checked.status is ReplayStatus.PASSED
    assert mended.objective == pytest.approx(0.0066)
    assert mended.message == f"odd; {MENDED}"
    ((milp, solver, options),) = session.asked
    assert (solver, options.gap, options.time_limit) == ("highs", 0.0, 5.0)
    assert not milp.integer.any()
    fixed = lowered.milp.integer
    assert np.array_equal(milp.col_lb[fixed], np.round(raw.x[fixed]))
    assert np.array_equal(milp.col_ub[fixed], milp.col_lb[fixed])
    assert np.array_equal(milp.col_lb[~fixed], lowered.milp.col_lb[~fixed])


@pytest.mark.parametrize("helpful", [False, True])
def test_an_answer_that_cannot_be_mended_stays_failed(helpful: bool, tmp_path: Path) -> None:
    """Either the LP has no solution, or its solution is better than the bound, so the bound is false."""
    lowered, raw = lowered_and_answer(tmp_path)
    broken = replace(raw, objective=0.5, dual_bound=0.5)
    session = Polisher(raw.x if helpful else None)
    same, checked = replayed(lowered, session, broken, SolveOptions())  # type: ignore[arg-type]
    assert same is broken
    assert checked is not None and checked.status is ReplayStatus.FAILED
    assert "better than the solver's bound 0.5" in checked.message


def test_fixed_integers_stay_in_their_bounds(tmp_path: Path) -> None:
    lowered, _ = lowered_and_answer(tmp_path)
    milp = fixed_integers(lowered.milp, np.full(lowered.milp.num_columns, 99.4))
    assert np.array_equal(milp.col_lb[lowered.milp.integer], lowered.milp.col_ub[lowered.milp.integer])


# ---- tidying ---------------------------------------------------------------------------------------------------


def cars(folder: Path, weights: list[float], bias: float) -> tuple[Model, Assignment]:
    opened = model(folder, LINEAR)
    values = {"clf.o.weights": np.array([weights]), "clf.o.bias": np.array([bias])}
    return opened, Assignment(values, {})


def test_noise_is_removed(tmp_path: Path) -> None:
    opened, noisy = cars(tmp_path, [-4.0, 1.2e-11], 2.0000000001)
    tidy = tidied(opened.program, noisy)
    assert tidy.values["clf.o.weights"].tolist() == [[-4.0, 0.0]]
    assert tidy.values["clf.o.bias"].tolist() == [2.0]


def test_a_clean_answer_keeps_its_exact_zeros(tmp_path: Path) -> None:
    opened, clean = cars(tmp_path, [-4.0, 0.0], 2.0)
    tidy = tidied(opened.program, clean)
    assert all(np.array_equal(tidy.values[path], array) for path, array in clean.values.items())


def test_digits_that_matter_stay(tmp_path: Path) -> None:
    """The constraint needs more digits than the first candidates have."""
    text = LINEAR + "\nconstraint exact: 3 * clf.o.weights[0, 0] = -10\n"
    opened = model(tmp_path, text)
    third = Assignment({"clf.o.weights": np.array([[-10 / 3, 0.0]]), "clf.o.bias": np.array([2.0])}, {})
    tidy = tidied(opened.program, third)
    assert replay(opened.program, tidy, None, None).max_violation <= 1e-9
    assert tidy.values["clf.o.weights"][0, 0] == pytest.approx(-10 / 3, abs=1e-9)


def test_tidying_never_makes_worse(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    opened, _ = cars(tmp_path, [0.0, 0.0], 0.0)
    for _ in range(50):
        weights = random.uniform(-4, 4, size=(1, 2)).round(int(random.integers(0, 12)))
        given = Assignment({"clf.o.weights": weights, "clf.o.bias": random.uniform(-4, 4, size=1)}, {})
        before = replay(opened.program, given, None, None)
        after = replay(opened.program, tidied(opened.program, given), None, None)
        assert after.status is before.status is ReplayStatus.PASSED
        assert before.objective is not None and after.objective is not None
        assert after.objective <= before.objective + 1e-9 * (1 + before.objective)


def test_replay_of_a_raw_result_without_a_solution(tmp_path: Path) -> None:
    lowered, raw = lowered_and_answer(tmp_path)
    nothing: Replay | None = replay_raw(lowered, replace(raw, x=None, objective=None))
    assert nothing is None
