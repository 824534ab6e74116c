"""Continuous weights: solvers against an LP for every activation pattern."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.backends.process import Session
from nnmip.lowering.lower import lower_program
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import difference, load, solve_backend, solve_highs
from tests.meaning.patterns import Network, Piece, optimum

ZERO: Piece = (0.0, 0.0)
BOX = ((-2.0, 2.0), ZERO)
LEAST = ((-2.0, -0.5), ZERO, (0.5, 2.0))

THREE = (np.array([[-1.0], [0.5], [1.0]]), np.array([1.0, -1.0, 1.0]))
TWO = (np.array([[1.0], [-0.5]]), np.array([-1.0, 1.0]))
PLANE = (np.array([[1.0, 0.0], [0.5, -1.0]]), np.array([1.0, -1.0]))

CASES: dict[str, Network] = {
    "one unit": Network(*THREE, 1, BOX, BOX[:1], (-1.0, 0.0, 1.0), (-1.0, 1.0)),
    "two units, no bias": Network(*THREE, 2, BOX[:1], None, (-1.0, 1.0), (-0.5, 0.5)),
    "sparse": Network(*TWO, 2, BOX, BOX[:1], (-1.0, 0.0, 1.0), (-0.5, 0.5), weight_l0=0.1),
    "compact": Network(*TWO, 2, BOX, BOX, (-1.0, 1.0), (-0.25, 0.25), weight_used=0.2),
    "pruned": Network(*TWO, 2, BOX, None, (1.0, 2.0), (-0.5, 0.5), prune=True, weight_l0=0.15),
    "pruned, weights that cannot be 0": Network(
        *TWO, 2, ((0.5, 2.0),), ((0.25, 1.0),), (-1.0, 1.0), (-0.5, 0.5), prune=True, weight_l0=0.1
    ),
    "least magnitude": Network(*TWO, 2, LEAST, None, (-1.0, 1.0), (-0.5, 0.5), weight_l0=0.1),
    "least magnitude, many nonzero": Network(*TWO, 2, LEAST, None, (-1.0, 0.0), (-0.5, 0.5), weight_l0=0.1, least_l0=4),
    "least magnitude, used": Network(
        *TWO, 2, LEAST, None, (-1.0, 0.0), (-0.5, 0.5), prune=True, weight_l0=0.4, least_used=2
    ),
    "two inputs": Network(*PLANE, 1, BOX, BOX[:1], (-2.0, 1.0), (-0.25, 0.25), weight_l0=0.05),
}


def domain(pieces: tuple[Piece, ...]) -> str:
    """The text of a domain; (0, 0) beside an interval that has 0 is only bookkeeping."""
    return " | ".join(
        "{0}" if lo == hi else f"[{lo:g}, {hi:g}]" for lo, hi in pieces if not (pieces == BOX and lo == hi)
    )


def text(network: Network) -> Model:
    """The model file of a case."""
    bias = f", bias in {domain(network.bias)}" if network.bias is not None else ""
    prune = ", prune: units" if network.prune else ""
    levels = ", ".join(f"{v:g}" for v in network.levels)
    low, high = network.result_bias
    layers = (
        f"layer h = dense(x, units: {network.units}, weights in {domain(network.weights)}{bias});"
        f"layer a = relu(h{prune});"
        f"layer o = dense(a, units: 1, weights in {{{levels}}}, bias in [{low:g}, {high:g}]); return o[0]"
    )
    goal = "minimize hinge(net, train)"
    goal += f" + {network.weight_l0} * l0(net.weights)" if network.weight_l0 else ""
    goal += f" + {network.weight_used} * count(used(net.a))" if network.weight_used else ""
    limits = [f"l0(net.weights) >= {network.least_l0}"] if network.least_l0 else []
    limits += [f"count(used(net.a)) >= {network.least_used}"] if network.least_used else []
    rows = "".join(
        ",".join([*(f"{v:g}" for v in row), "pos" if label > 0 else "neg"]) + "\n"
        for row, label in zip(network.rows, network.labels, strict=True)
    )
    return model(layers, goal, *limits, rows=rows)


@pytest.mark.parametrize("name", CASES)
def test_solvers_agree_with_activation_patterns(name: str, tmp_path: Path, session: Session) -> None:
    network = CASES[name]
    truth = optimum(network)
    assert truth is not None
    program = load(text(network), tmp_path)
    for symmetry in (True, False):
        low = lower_program(program, symmetry=symmetry)
        assert difference(low, solve_highs(low.milp), truth) == ""
        for solver in ("cbc", "gurobi"):
            assert difference(low, solve_backend(session, low.milp, solver), truth) == "", solver


def test_the_cases_tell_their_features_apart() -> None:
    """Limits and coefficients bind: without them the optimum is another."""
    without: tuple[tuple[str, dict[str, Any]], ...] = (
        ("sparse", {"weight_l0": 0.0}),
        ("compact", {"weight_used": 0.0}),
        ("least magnitude, many nonzero", {"least_l0": 0}),
        ("least magnitude, used", {"least_used": 0}),
    )
    for name, plain in without:
        network = CASES[name]
        assert optimum(network) != pytest.approx(optimum(replace(network, **plain)), abs=1e-6), name


UNIONS = {
    "an interval around 0 and a value": ("[-1, 1] | {3}", "minimize l0(net.weights) - 0.25 * net.o.bias[0]", 0.0),
    "an interval that ends at 0": ("[-1, 0] | {2}", "minimize l0(net.weights)", 0.0),
    "a positive interval": ("[1, 2] | {-3}", "minimize l0(net.weights) + norm_1(net.weights)", 2.0),
    "the farther piece": ("[-1, 1] | {3}", "maximize norm_1(net.weights)", 3.0),
    "the nearer piece": ("[1, 2] | [4, 5]", "minimize norm_1(net.weights)", 1.0),
    "the lower interval": ("[1, 2] | [4, 5]", "maximize -sum(net.weights)", -1.0),
}


@pytest.mark.parametrize("name", UNIONS)
def test_unions_of_intervals(name: str, tmp_path: Path) -> None:
    weights, goal, expected = UNIONS[name]
    layers = f"layer o = dense(x, units: 1, weights in {weights}, bias in {{0}}); return o[0]"
    low = lower_program(load(model(layers, goal), tmp_path))
    assert difference(low, solve_highs(low.milp), expected) == ""
