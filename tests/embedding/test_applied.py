"""Networks with known weights at points that are decided, against dense sampling and enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.build import Draft, LayerRef, NetworkRef, grid
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import result as network_result
from nnmip.solution.network import TrainedNetwork, trained_network

Make = Callable[[NetworkRef], LayerRef]
Best = Callable[[Program, str], float | None]

W = grid(-2, 2, 0.01)
"""The weights of layers behind others come from a set."""


def dense(net: NetworkRef) -> LayerRef:
    a = net.relu("a", net.dense("h", net.input, units=5, weights=W, bias=(-1, 1)))
    b = net.relu("b", net.dense("g", a, units=4, weights=W, bias=(-1, 1)))
    return net.dense("o", b, units=2, weights=W, bias=(-1, 1))


def residual(net: NetworkRef) -> LayerRef:
    h = net.dense("h", net.input, units=4, weights=W, bias=(-1, 1))
    a = net.leaky_relu("a", h)
    g = net.dense("g", a, units=4, weights=W, bias=(-1, 1))
    return net.dense("o", net.add("s", h, net.hard_tanh("t", g)), units=2, weights=W, bias=(-1, 1))


def pruned(net: NetworkRef) -> LayerRef:
    h = net.dense("h", net.input, units=5, weights=W, bias=(-1, 1))
    a = net.hard_sigmoid("a", h, prune="units")
    return net.dense("o", a, units=2, weights=W, bias=(-1, 1))


def bent(net: NetworkRef) -> LayerRef:
    h = net.dense("h", net.input, units=4, weights=W, bias=(-1, 1))
    return net.dense("o", net.concat("c", net.abs("a", h), net.relu6("r", h)), units=2, weights=W, bias=(-1, 1))


def known(make: Make, seed: int) -> TrainedNetwork:
    """A network with random weights; of what can be removed, about a third is."""
    chance = np.random.default_rng(seed)
    draft = Draft("net")
    net = draft.network("f", 3, (-2, 2))
    net.returns(make(net))
    draft.satisfy()
    program = draft.program()
    (network,) = program.networks
    values = {d.path: chance.uniform(d.domain.lo, d.domain.hi, size=d.shape).round(2) for d in program.decisions}
    kept = {la.path: chance.random(la.units) > 0.35 for la in network.layers if la.kept_shape is not None}
    return trained_network(program, network, Assignment(values, kept))


KINDS: list[Make] = [dense, residual, pruned, bent]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_the_best_point_of_a_grid_is_found(make: Make, seed: int, best: Best) -> None:
    """Inputs on a grid: all of them are tried, and the optimum is the best of them, on both solvers."""
    trained = known(make, seed)
    cut = trained.compact()
    values = [-1.0, -0.5, 0.0, 0.5, 1.0]
    points = np.array(list(itertools.product(values, repeat=3)))
    scores = network_result(cut.network, cut.assignment, points)
    allowed = points.sum(axis=1) <= 0.5
    worth = (scores[:, 0] - 0.3 * scores[:, 1])[allowed]
    for solver, sense in itertools.product(("highs", "cbc"), ("minimize", "maximize")):
        draft = Draft("embed")
        f = draft.trained("f", trained)
        x = draft.variable("x", 3, set(values))
        draft.constraint("cap", x.sum() <= 0.5)
        y = f(x)
        getattr(draft, sense)(y[0] - 0.3 * y[1])
        wanted = worth.min() if sense == "minimize" else worth.max()
        assert best(draft.program(), solver) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_no_sampled_point_of_a_box_is_better(make: Make, seed: int, best: Best) -> None:
    trained = known(make, 10 + seed)
    cut = trained.compact()
    points = np.random.default_rng(seed).uniform(-1, 1, size=(20_000, 3))
    scores = network_result(cut.network, cut.assignment, points)[:, 0]
    draft = Draft("embed")
    f, x = draft.trained("f", trained), draft.variable("x", 3, (-1, 1))
    draft.maximize(f(x)[0])
    found = best(draft.program(), "highs")
    assert found is not None and found >= scores.max() - 1e-6


def test_one_network_at_several_points_and_the_output_of_one_into_another() -> None:
    trained = known(dense, 3)
    cut = trained.compact()
    draft = Draft("chain")
    f, x = draft.trained("f", trained), draft.variable("x", (2, 3), {-1.0, 0.0, 1.0})
    g = draft.trained("g", _reader())
    y = f(x)
    assert y.shape == (2, 2)
    draft.constraint("apart", x[0, 0] + 1.0 <= x[1, 0])
    draft.maximize(g(y[0])[0] + g(y[1])[0])
    points = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
    inner = network_result(cut.network, cut.assignment, points)
    other = _reader().compact()
    outer = network_result(other.network, other.assignment, inner)[:, 0]
    wanted = max(
        outer[i] + outer[j] for i, j in itertools.product(range(27), repeat=2) if points[i, 0] + 1 <= points[j, 0]
    )
    assert draft.model().solve().objective == pytest.approx(wanted, abs=1e-6)


def _reader() -> TrainedNetwork:
    draft = Draft("reader")
    net = draft.network("g", 2, (-50, 50))
    a = net.relu("a", net.dense("h", net.input, units=3, weights=W, bias=(-1, 1)))
    net.returns(net.dense("o", a, units=1, weights=W, bias=(-1, 1)))
    draft.satisfy()
    program = draft.program()
    chance = np.random.default_rng(9)
    values = {d.path: chance.uniform(-1, 1, size=d.shape).round(2) for d in program.decisions}
    return trained_network(program, program.networks[0], Assignment(values, {}))


@pytest.mark.parametrize("make", KINDS)
def test_a_box_without_width_is_an_ordinary_box(make: Make) -> None:
    """The network is a known number there."""
    trained = known(make, 5)
    cut = trained.compact()
    point = np.array([0.1, -0.7, 0.3])
    draft = Draft("point")
    f = draft.trained("f", trained)
    parts = [draft.variable(f"x{k}", (), (v, v)) for k, v in enumerate(point.tolist())]
    x = draft.variable("x", 3, (-1, 1))
    for k, part in enumerate(parts):
        draft.constraint(f"fixed{k}", x[k] == part)
    draft.maximize(f(x)[0])
    own = network_result(cut.network, cut.assignment, point[None])[0, 0]
    assert draft.model().solve().objective == pytest.approx(own, abs=1e-6)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("size", [9e-10, 1e-11, 1e-20, 1e-300])
def test_weights_that_decayed_to_nothing_do_not_stop_a_model(size: float, solver: str, tmp_path: Path) -> None:
    h, o = np.array([[1.0, -2.0], [0.5, size]]), np.array([[1.0, -3.0]])
    np.savez(tmp_path / "net.npz", **{"h.weights": h, "h.bias": [0.25, -0.125], "o.weights": o, "o.bias": [0.0]})
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nvar x : real[2] in [-1, 1]\nmaximize net(x)\n'
    result = nnmip.loads(text, directory=tmp_path).solve(solver=solver)
    assert result.is_proved
    assert result.objective == pytest.approx(2.5)  # at (0.25, -1)


def test_many_small_weights_are_kept_by_scaling_their_row(tmp_path: Path) -> None:
    layers = {"h.weights": np.full((1, 40), 9e-10), "h.bias": [0.0], "o.weights": [[1.0]], "o.bias": [0.0]}
    np.savez(tmp_path / "net.npz", **layers)
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nvar x : real[40] in [-1e3, 1e3]\nminimize net(x)\n'
    model = nnmip.loads(text + "constraint c: x[0] = 1000\n", directory=tmp_path)
    milp = model.lowered.milp
    assert np.count_nonzero(np.abs(milp.data) == 2.0**2 * 9e-10) >= 40
    assert model.solve().objective == pytest.approx(0.0, abs=1e-9)
