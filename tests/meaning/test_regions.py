"""Properties over the whole input domain: against what networks do at its corners and inside, and by enumeration."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nnmip.backends.process import Session
from nnmip.hir.core import FloatArray, Program
from nnmip.hir.evaluate import evaluate, result
from tests.meaning.handwritten.model import model
from tests.meaning.harness import disagreements, load, random_assignment

FLAT = "layer o = dense(x, units: 1, weights in {-1, 0, 1, 2}, bias in {-1, 0, 1}); return o[0]"
SCORES = "layer o = dense(x, units: 2, weights in {-1, 0, 1}, bias in {0, 1}); return o"
FILTER = (
    "layer i = reshape(x, shape: [1, 1, 2]);"
    "layer c = conv2d(i, filters: 2, kernel: [1, 2], padding: [0, 1], weights in {-1, 0, 1}, bias in {0});"
    "layer f = flatten(c); return f"
)
TWO = "0,1,neg\n1,0,pos\n2,1,pos\n1,2,neg\n"
CLASSES = "0,1,a\n1,0,b\n2,1,b\n1,2,a\n"
GOAL = "minimize zero_one(net, train) + 0.01 * l0(net.weights)"
RULES = (
    "monotone(net, f0, increasing)",
    "monotone(net, 1, decreasing)",
    "monotone(net, net.x[0:2], increasing)",
    "lipschitz(net, 2)",
    "lipschitz(net, 1, norm: norm_1)",
    "lipschitz(net, 0)",
)


def values(program: Program, points: FloatArray, seed: int) -> tuple[FloatArray, list[bool]]:
    """Outputs of a random network at points [n, 2], shape [n, m], and which constraints it meets."""
    assignment = random_assignment(program, np.random.default_rng(seed))
    (network,) = program.networks
    outputs = result(network, assignment, points.reshape(-1, *network.input_shape)).reshape(len(points), -1)
    return outputs, [v <= 1e-9 for v in evaluate(program, assignment).constraints.values()]


@pytest.mark.parametrize("layers", [FLAT, SCORES, FILTER])
def test_properties_are_what_networks_do(layers: str, tmp_path: Path) -> None:
    """Between all pairs of points of a grid over the domain [-4, 4]^2."""
    rows, goal, truth = TWO, GOAL, "label label as {neg: -1, pos: +1}"
    if layers is SCORES:
        rows, truth = CLASSES, "label label as {a, b}"
    if layers is FILTER:
        rows, goal = "0,1,2,0,0,1,1,0\n1,0,1,0,0,0,0,1\n", "minimize absolute(net, train)"
        truth = "target a, b, c, d, e, g"
    program = load(model(layers, goal, *RULES, rows=rows, truth=truth), tmp_path)
    points = np.array(list(product((-4.0, -1.0, 0.5, 4.0), repeat=2)))
    apart = points[:, None] - points[None]
    seen = np.zeros((2, len(RULES)), dtype=bool)
    for seed in range(120):
        outputs, found = values(program, points, seed)
        change = outputs[:, None] - outputs[None]
        alone = [(apart[..., j] > 0) & (apart[..., 1 - j] == 0) for j in (0, 1)]
        widest, total = np.abs(apart).max(axis=2)[..., None], np.abs(apart).sum(axis=2)[..., None]
        expected = [
            (change[alone[0]] >= -1e-9).all(),
            (change[alone[1]] <= 1e-9).all(),
            (change[alone[0]] >= -1e-9).all() and (change[alone[1]] >= -1e-9).all(),
            (np.abs(change) <= 2 * widest + 1e-9).all(),
            (np.abs(change) <= total + 1e-9).all(),
            (np.abs(change) <= 1e-9).all(),
        ]
        assert found == expected
        seen[np.array(expected, dtype=int), np.arange(len(RULES))] = True
    assert seen[1].all() and seen[0].sum() >= 4


@pytest.mark.parametrize("no", ["", "not "])
@pytest.mark.parametrize("rule", RULES)
def test_the_best_network_with_a_property(rule: str, no: str, tmp_path: Path, session: Session) -> None:
    program = load(model(FLAT, GOAL, f"{no}{rule}", rows=TWO), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


def test_the_order_of_the_file_is_that_of_scaled_units(tmp_path: Path) -> None:
    """A rule about a column speaks of its rising in the units of the file, whatever the scaling."""
    text = model(FLAT, GOAL, "monotone(net, f1, increasing)", rows=TWO)
    scaled = type(text)(text.text.replace("features f0, f1", "features f0, f1 scale minmax [-2, 2]"), text.tables)
    assert disagreements(load(scaled, tmp_path)) == []
