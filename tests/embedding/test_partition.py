"""ReLU units in parts: exact for every number of parts, and from big-M to the hull as it grows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.relaxation import Relaxation, Relaxed
from nnmip.bounds.interval import Interval
from nnmip.build import Draft
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import result as network_result
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.report.model import model_facts, render_model
from nnmip.solution.network import TrainedNetwork, trained_network
from tests.embedding.test_applied import Make, dense, known, residual
from tests.embedding.test_ideal import text
from tests.meaning.harness import solve_backend

Best = Callable[[Program, str], float | None]
VALUES = [-1.0, -0.5, 0.0, 0.5, 1.0]


def problem(make: Make, seed: int, sense: str, parts: int | None, points: int = 1) -> Draft:
    """Both results count, from one side each, and a rule reads one of them from both."""
    draft = Draft("parts")
    formulation = None if parts is None else "partition"
    f = draft.trained("f", known(make, seed), formulation=formulation, parts=parts or 1)
    x = draft.variable("x", (points, 3), set(VALUES))
    draft.constraint("cap", x.sum() <= 0.5)
    y = f(x)
    draft.constraint("enough", y[0, 1] >= -1.0)
    getattr(draft, sense)(y[:, 0].sum() - 0.3 * y[0, 1])
    return draft


@pytest.mark.parametrize("make", [dense, residual])
@pytest.mark.parametrize("seed", range(3))
def test_every_number_of_parts_has_the_optimum_of_enumeration(make: Make, seed: int, best: Best) -> None:
    cut = known(make, seed).compact()
    points = np.array(list(itertools.product(VALUES, repeat=3)))
    scores = network_result(cut.network, cut.assignment, points)
    allowed = (points.sum(axis=1) <= 0.5) & (scores[:, 1] >= -1.0)
    worth = (scores[:, 0] - 0.3 * scores[:, 1])[allowed]
    for parts, sense in itertools.product((1, 2, 3, 9), ("minimize", "maximize")):
        wanted = worth.min() if sense == "minimize" else worth.max()
        for solver in ("highs", "cbc"):
            assert best(problem(make, seed, sense, parts).program(), solver) == pytest.approx(wanted, abs=2e-6)


def broken(lowered: Lowered, points: int) -> float:
    """By how much sampled points, with the true value of every column, break a row of the network at most."""
    chance, milp, worst = np.random.default_rng(0), lowered.milp, 0.0
    rows = np.concatenate([np.arange(b.start, b.stop) for b in milp.rows if b.path.startswith("f.")])
    for _ in range(200):
        x = lowered.complete(Assignment({"x": chance.choice(VALUES, size=(points, 3))}, {}))
        value = milp.activity(x)[rows]
        worst = max(worst, (milp.row_lb[rows] - value).max(), (value - milp.row_ub[rows]).max())
        worst = max(worst, (milp.col_lb - x).max(), (x - milp.col_ub).max())
    return float(worst)


@pytest.mark.parametrize("points", [1, 2])
@pytest.mark.parametrize("parts", [2, 4])
def test_no_point_is_cut_off(points: int, parts: int) -> None:
    for seed in range(6):
        lowered = lower_program(problem(dense, seed, "maximize", parts, points).program())
        assert any(block.path == "f.b.whole" for block in lowered.milp.rows)
        assert broken(lowered, points) <= 1e-9


def test_parts_with_bounds_that_are_too_tight_are_noticed(monkeypatch: pytest.MonkeyPatch, best: Best) -> None:
    """The seeded fault: a part is bounded by the middle of its interval."""
    monkeypatch.setattr(Interval, "shortened", lambda own: Interval(0.5 * own.lo, 0.5 * own.hi))
    lowered = lower_program(problem(dense, 0, "maximize", 3).program())
    assert broken(lowered, 1) > 0.1
    right = best(problem(dense, 0, "maximize", None).program(), "highs")
    assert right is not None
    wrong = problem(dense, 0, "maximize", 3).program()
    with Session() as session:
        answer = solve_backend(session, lower_program(wrong).milp, "highs")
    assert answer.objective is None or -answer.objective < right - 1e-3


def one_unit(weights: list[float], bias: float) -> TrainedNetwork:
    draft = Draft("net")
    net = draft.network("f", len(weights), (-2, 2))
    net.returns(net.relu("a", net.dense("h", net.input, units=1, weights=(-3, 3), bias=(-3, 3))))
    draft.satisfy()
    program = draft.program()
    values = {"f.h.weights": np.array([weights]), "f.h.bias": np.array([bias])}
    return trained_network(program, program.networks[0], Assignment(values, {}))


def root(lowered: Lowered) -> float:
    found = Relaxation(lowered.milp).solve()
    assert isinstance(found, Relaxed)
    return lowered.sign * found.value


def test_the_relaxation_goes_from_big_m_to_the_hull(session: Session) -> None:
    """One unit of eight inputs: each division in halves makes it tighter, and single inputs leave nothing."""
    net = one_unit([1.0, -2.0, 0.5, 1.5, -0.75, 2.5, -1.25, 0.25], 0.25)
    chance, tighter = np.random.default_rng(3), np.zeros(4, dtype=np.int64)
    for _ in range(12):
        costs = chance.normal(size=8).round(2)
        bounds = []
        for parts in (None, 1, 2, 4, 8, 50):
            draft = Draft("hull")
            f = draft.trained("f", net, formulation=parts and "partition", parts=parts or 1)
            x = draft.variable("x", 8, (-1, 1))
            draft.maximize(f(x)[0] - sum(float(c) * x[k] for k, c in enumerate(costs)))
            lowered = lower_program(draft.program())
            bounds.append(root(lowered))
        optimum = solve_backend(session, lowered.milp, "highs").objective
        assert optimum is not None and lowered.sign * optimum == pytest.approx(bounds[4], abs=5e-5)
        assert bounds[0] == pytest.approx(bounds[1], abs=1e-9) and bounds[4] == pytest.approx(bounds[5], abs=1e-9)
        assert all(later <= before + 1e-7 for before, later in itertools.pairwise(bounds))
        tighter += np.diff(bounds[:5]) < -1e-3
    assert tighter.tolist()[0] == 0 and (tighter[1:] >= 4).all(), tighter


def test_text_files_and_show_have_the_parts() -> None:
    net = known(dense, 1)
    plain, three = (nnmip.loads(text(a)).bind(f=net) for a in ("", '@formulation("partition", parts: 3)'))
    usual = nnmip.loads(text('@formulation("partition")')).bind(f=net)
    assert "f.a.split" not in plain.compile("lp") and "f.a.whole.0.0:" in three.compile("lp").replace("_", ".")
    assert three.lowered.milp.num_columns < usual.lowered.milp.num_columns
    assert '\n  f: @formulation("partition", parts: 3)\n' in render_model(model_facts(three.lowered, three.fingerprint))
    assert '@formulation("partition", parts: 4)' in render_model(model_facts(usual.lowered, usual.fingerprint))
    results = [each.solve() for each in (plain, three, usual)]
    assert [r.objective for r in results] == [pytest.approx(results[0].objective, abs=1e-6)] * 3


def test_python_refuses_what_no_network_can_be_given() -> None:
    draft = Draft("wrong")
    with pytest.raises(ValueError, match="formulation is one of `big-m`, `ideal`, `partition`, not 'sos1'"):
        draft.trained("f", known(dense, 1), formulation="sos1")
    with pytest.raises(ValueError, match="parts is a whole number from 1 on, not 0"):
        draft.trained("f", known(dense, 1), formulation="partition", parts=0)
