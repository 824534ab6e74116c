"""Stable units of known networks that are passed on: the same optima and relaxation with fewer coefficients."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

import nnmip.lowering.composed as composed_module
from nnmip.backends.relaxation import Relaxation, Relaxed
from nnmip.bounds.interval import Interval
from nnmip.build import Draft, LayerRef, NetworkRef
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import result as network_result
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.composed import composed, without_dust
from nnmip.lowering.fixed import fixed_product
from nnmip.lowering.lower import Lowered, encoded, lower_program
from nnmip.milp.affine import Affine
from nnmip.ops.base import Connections
from nnmip.ops.registry import LAYERS
from nnmip.passes.registry import analyse
from tests.embedding.test_applied import Make, W, dense, known, residual
from tests.embedding.test_partition import VALUES, broken, problem

Best = Callable[[Program, str], float | None]
NEVER, ALWAYS = 10**9, -(10**9)


def deep(net: NetworkRef) -> LayerRef:
    last: LayerRef = net.input
    for k in range(3):
        last = net.relu(f"a{k}", net.dense(f"h{k}", last, units=6, weights=W, bias=(-1, 1)))
    return net.dense("o", last, units=2, weights=W, bias=(-1, 1))


def near(make: Make, seed: int, radius: float, points: int = 1) -> Draft:
    """The results over a narrow box, from both sides."""
    draft = Draft("near")
    f = draft.trained("f", known(make, seed))
    x = draft.variable("x", (points, 3), (0.2 - radius, 0.2 + radius))
    y = f(x)
    draft.constraint("enough", y[0, 1] >= -50.0)
    draft.maximize(y[:, 0].sum() - 0.3 * y[0, 1])
    return draft


def lowered(monkeypatch: pytest.MonkeyPatch, program: Program, least: int) -> Lowered:
    monkeypatch.setattr(composed_module, "LEAST_SAVED", least)
    return lower_program(program)


@pytest.mark.parametrize("make", [dense, deep, residual])
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_is_that_of_enumeration(make: Make, seed: int, best: Best, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed_module, "LEAST_SAVED", ALWAYS)
    cut = known(make, seed).compact()
    points = np.array(list(itertools.product(VALUES, repeat=3)))
    scores = network_result(cut.network, cut.assignment, points)
    allowed = (points.sum(axis=1) <= 0.5) & (scores[:, 1] >= -1.0)
    worth = (scores[:, 0] - 0.3 * scores[:, 1])[allowed]
    for sense, solver in itertools.product(("minimize", "maximize"), ("highs", "cbc")):
        wanted = worth.min() if sense == "minimize" else worth.max()
        assert best(problem(make, seed, sense, None).program(), solver) == pytest.approx(wanted, abs=2e-6)


@pytest.mark.parametrize("make", [dense, deep])
@pytest.mark.parametrize("points", [1, 2])
def test_no_point_is_cut_off(make: Make, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(4):
        assert (
            broken(lowered(monkeypatch, problem(make, seed, "maximize", None, points).program(), ALWAYS), points) < 1e-9
        )


@pytest.mark.parametrize("make", [dense, deep])
def test_the_relaxation_is_the_same(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And there are fewer columns where units of several terms are active."""
    fewer = 0
    for seed, radius, points in itertools.product(range(6), (0.05, 0.3), (1, 2)):
        program = near(make, seed, radius, points).program()
        long, short = (lowered(monkeypatch, program, least).milp for least in (NEVER, ALWAYS))
        values = [Relaxation(each).solve() for each in (long, short)]
        assert all(isinstance(each, Relaxed) for each in values)
        assert values[0].value == pytest.approx(values[1].value, abs=1e-7)
        assert long.integer.sum() == short.integer.sum()
        fewer += short.num_columns < long.num_columns
    assert fewer >= 4


def test_a_larger_network_gets_shorter_unasked() -> None:
    """12-30-30-1 in a narrow box: rows of the inputs in the place of thirty columns of thirty terms."""
    draft = Draft("net")
    net = draft.network("f", 12, (-2, 2))
    a = net.relu("a", net.dense("h", net.input, units=30, weights=W, bias=(-1, 1)))
    b = net.relu("b", net.dense("g", a, units=30, weights=W, bias=(-1, 1)))
    net.returns(net.dense("o", b, units=1, weights=W, bias=(-1, 1)))
    draft.satisfy()
    program, chance = draft.program(), np.random.default_rng(0)
    values = {d.path: chance.uniform(-1, 1, size=d.shape).round(2) for d in program.decisions}
    from nnmip.solution.network import trained_network

    outer = Draft("most")
    f = outer.trained("f", trained_network(program, program.networks[0], Assignment(values, {})))
    outer.maximize(f(outer.variable("x", 12, (0.49, 0.51)))[0])
    found = lower_program(outer.program()).milp
    assert found.num_columns < 12 + 2 * 30 and found.num_nonzeros < 400


# ---- products ------------------------------------------------------------------------------------------------------


def state() -> tuple[Lowering, Affine]:
    """A lowering with eight columns between -1 and 1."""
    draft = Draft("state")
    x = draft.variable("x", 8, (-1, 1))
    draft.minimize(x.sum())
    low = encoded(analyse(draft.program()), {})
    return low, low.encodings["x"].value


@pytest.mark.parametrize("groups", [1, 2])
def test_products_are_those_of_single_terms(groups: int) -> None:
    """Convolutions with padding, with and without groups, and two points with columns of their own."""
    chance, (low, columns) = np.random.default_rng(groups), state()
    dense_part = chance.normal(size=(2 * 2 * 3 * 3, 8)) * (chance.random((36, 8)) < 0.7)
    entry, column = np.nonzero(dense_part)
    value = Affine(chance.normal(size=(2, 2, 3, 3)), entry, columns.column[column], dense_part[entry, column])
    options = {"kernel": (2, 2), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": groups}
    connect = LAYERS["conv2d"].connect
    assert connect is not None
    connections: Connections = connect((2, 3, 3), {**options, "filters": 4, "units": 4})
    weights = chance.normal(size=(4, 2 // groups, 2, 2))
    found = composed(low, weights, value, connections)
    wanted = fixed_product(weights, Signal(value, Interval.point(value.const)), connections)
    for x in chance.uniform(-1, 1, size=(5, low.builder.num_columns)):
        np.testing.assert_allclose(found.value(x), wanted.value(x), atol=1e-13)
    assert len(found.merged().coef) == len(found.coef)


def test_terms_that_move_nothing_are_left_out_and_others_stay() -> None:
    values = np.array([[1.0, 1e-12, 3e-11, 5e-10], [1.0, 0.0, 5e-10, 2.0]])
    np.testing.assert_array_equal(without_dust(values, np.array([1.0, 1.0, 2.0, 1.0])), [[1.0, 0, 0, 5e-10], values[1]])
    np.testing.assert_array_equal(without_dust(values[:, :1], 1.0), values[:, :1])


def test_what_cancels_leaves_no_rounding() -> None:
    low, columns = state()
    value = Affine(np.zeros((1, 2)), np.repeat([0, 1], 8), np.tile(columns.column, 2), np.tile(np.full(8, 0.1), 2))
    connect = LAYERS["dense"].connect
    assert connect is not None
    found = composed(low, np.array([[0.3, -0.3], [1.0, 2.0]]), value, connect((2,), {"units": 2}))
    assert found.entry.tolist() == [1] * 8


def test_a_lost_term_is_noticed(monkeypatch: pytest.MonkeyPatch, best: Best) -> None:
    """The seeded fault: constants of units that are passed on are forgotten."""
    right = composed_module._product

    def without(weights: np.ndarray, matrix: np.ndarray, connections: Connections) -> np.ndarray:
        return right(weights, np.where(np.arange(matrix.shape[1]) < matrix.shape[1] - 1, matrix, 0.0), connections)

    monkeypatch.setattr(composed_module, "_product", without)
    program = near(deep, 0, 0.05).program()
    assert lowered(monkeypatch, program, NEVER).milp.num_rows
    wrong = lowered(monkeypatch, program, ALWAYS)
    point = Assignment({"x": np.full((1, 3), 0.2)}, {})
    assert wrong.milp.violation(wrong.complete(point)) > 1e-3 or _worth(wrong, point) > 1e-3


def _worth(lowered: Lowered, point: Assignment) -> float:
    """How far the goal of the MILP is from the meaning at a point."""
    from nnmip.hir.evaluate import evaluate

    mine = lowered.sign * lowered.milp.objective(lowered.complete(point))
    return abs(mine - evaluate(lowered.program, point, 1e-6).objectives[0])
