"""Solvers against each other: random models, second opinions, and what the registry says about them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nnmip.backends import registry
from nnmip.backends.confirm import Opinion, confirm
from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from tests.backends.models import knapsack, market_split, milp, random_milp, relu_net


def test_a_hundred_random_models_have_one_answer_each(session: Session) -> None:
    infeasible = 0
    for seed in range(100):
        model = random_milp(seed)
        answers = [session.solve(model, name) for name in ("highs", "cbc", "gurobi")]
        assert len({answer.termination for answer in answers}) == 1, f"seed {seed}"
        if answers[0].termination is Termination.INFEASIBLE:
            infeasible += 1
            continue
        assert answers[0].termination is Termination.OPTIMAL, f"seed {seed}"
        for answer in answers:
            assert answer.x is not None and model.violation(answer.x) < 1e-7, f"seed {seed}"
            assert answer.objective == pytest.approx(answers[0].objective, abs=1e-7), f"seed {seed} {answer.solver}"
            assert answer.dual_bound <= answer.objective, f"seed {seed} {answer.solver}"
    assert 10 <= infeasible <= 60, "the family has both kinds"


@pytest.mark.parametrize("seed", range(6))
def test_relu_nets_have_one_answer_each(session: Session, seed: int) -> None:
    model = relu_net(seed, (3, 6, 4), 0.6)
    values = [session.solve(model, name).objective for name in ("highs", "cbc", "gurobi")]
    assert values == pytest.approx([values[0]] * 3, abs=1e-8)


@pytest.mark.parametrize(("first", "second"), [("highs", "cbc"), ("cbc", "highs"), ("gurobi", "highs")])
def test_a_true_optimum_is_confirmed_by_another_solver(session: Session, first: str, second: str) -> None:
    model = relu_net(1, (3, 6, 4), 0.6)
    claim = session.solve(model, first)
    outcome = confirm(model, claim, session=session)
    assert outcome.status is Opinion.CONFIRMED
    assert outcome.solver == second and outcome.x is None
    assert claim.objective is not None and outcome.bound == pytest.approx(claim.objective - 1e-7, abs=1e-12)
    assert outcome.message == f"{second} confirms the optimum that {first} claims"


def test_a_false_optimum_is_refuted(session: Session) -> None:
    model = knapsack()
    x = np.array([1.0, 1.0, 1.0])
    outcome = confirm(model, RawResult(Termination.OPTIMAL, "cbc", "2", x=x, objective=-12.0, dual_bound=-12.0))
    assert outcome.status is Opinion.REFUTED and outcome.solver == "highs"
    assert outcome.x is not None and model.objective(outcome.x) == -13.0
    assert outcome.message == "highs refutes cbc: it found a solution of value -13"


def test_infeasibility_is_confirmed_or_refuted(session: Session) -> None:
    claim = RawResult(Termination.INFEASIBLE, "highs", "1", dual_bound=np.inf)
    odd = milp([[2, 2, 2]], [3], [3], [0] * 3, [1] * 3, [True] * 3, [1, 1, 1])
    confirmed = confirm(odd, claim, session=session)
    assert confirmed.status is Opinion.CONFIRMED
    assert confirmed.message == "cbc confirms the infeasibility that highs claims"
    refuted = confirm(knapsack(), claim, session=session)
    assert refuted.status is Opinion.REFUTED and refuted.x is not None


def test_a_limit_leaves_the_question_open(session: Session) -> None:
    model = market_split(0, 4, 40)
    x = session.solve(model, "cbc", SolveOptions(time_limit=0.5)).x
    assert x is not None
    claim = RawResult(Termination.OPTIMAL, "cbc", "2", x=x, objective=0.75, dual_bound=0.75)
    outcome = confirm(model, claim, options=SolveOptions(time_limit=0.5), session=session)
    assert outcome.status is Opinion.UNKNOWN and outcome.x is None
    assert outcome.message == "highs could not confirm the optimum that cbc claims: time limit"


def test_what_was_not_proved_is_not_confirmed() -> None:
    claim = RawResult(Termination.TIME_LIMIT, "highs", "1", x=np.zeros(3), objective=0.0)
    outcome = confirm(knapsack(), claim)
    assert outcome.status is Opinion.UNKNOWN and outcome.message == "highs proved nothing to confirm"


def test_a_named_solver_gives_the_second_opinion(session: Session) -> None:
    claim = session.solve(knapsack(), "highs")
    assert confirm(knapsack(), claim, solver="gurobi", session=session).solver == "gurobi"


def test_start_and_cutoff_of_the_first_solve_do_not_leak_into_the_second(session: Session) -> None:
    claim = session.solve(knapsack(), "highs")
    options = SolveOptions(start=np.array([2.0, 0.0, 1.0]), cutoff=-1000.0, gap=0.9)
    assert confirm(knapsack(), claim, options=options, session=session).status is Opinion.CONFIRMED
    worse = replace(claim, objective=-12.0)
    assert confirm(knapsack(), worse, options=options, session=session).status is Opinion.REFUTED


def test_auto_is_highs() -> None:
    assert registry.backend("auto").name == "highs"
    assert registry.names() == ("auto", "highs", "cbc", "gurobi")


def test_available_backends_are_tried_and_found() -> None:
    found = registry.available()
    assert [entry.name for entry in found] == ["highs", "cbc", "gurobi"]
    assert all(entry.usable and entry.reason == "" and entry.version[0].isdigit() for entry in found)
    assert found[2].licence in ("size-limited: 2000 variables, 2000 rows", "full licence")


def test_a_backend_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRB_LICENSE_FILE", "/nonexistent/gurobi.lic")
    entry = registry.available()[2]
    assert not entry.usable
    assert entry.reason.startswith("Gurobi has no valid licence here")


def test_asking_for_backends_imports_no_solver() -> None:
    code = (
        "import sys\nfrom nnmip.backends import process, registry, confirm\nregistry.installed_version('highs')\n"
        "print([name for name in ('mip', 'highspy', 'gurobipy', 'cffi') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
