"""Words of domain knowledge, each against its meaning spelled out entry by entry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluator, without_removed
from tests.meaning.corners import model
from tests.meaning.harness import disagreements, load, random_assignment

IMAGE = (
    "layer i = reshape(x, shape: [1, 2, 2]);"
    "layer c = conv2d(i, filters: 2, kernel: [1, 2], weights in {-1, 0, 1}, bias in {0, 1});"
    "layer a = relu(c, prune: filters);"
    "layer o = dense(flatten(a), units: 1, weights in {0, 1}); return o[0]"
)
PIXELS = "0,1,2,-1,neg\n1,-1,0,1,pos\n"


def value(program: Program, assignment: Assignment, constraint: int = 0) -> float:
    """The left side of a comparison that is a whole constraint."""
    (part,) = program.constraints[constraint].parts
    return float(Evaluator(program, without_removed(program, assignment)).value(part.left))  # type: ignore[union-attr]


# ---- the size of a network -----------------------------------------------------------------------------------------


def test_parameters_and_operations_count_one_by_one(tmp_path: Path) -> None:
    """Two filters of two weights at two places each, and a dense layer that reads their four outputs."""
    rules = ("parameters(net) <= 9", "operations(net) <= 9", "operations(net.c) <= 9", "parameters(net.c) <= 9")
    program = load(model(IMAGE, "minimize hinge(net, train)", *rules, rows=PIXELS), tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(60):
        assignment = random_assignment(program, rng)
        kept = assignment.kept["net.a"]
        c, b = assignment.values["net.c.weights"], assignment.values["net.c.bias"]
        o = assignment.values["net.o.weights"].reshape(2, 2)
        stored = [w for f in (0, 1) if kept[f] for w in (*c[f].reshape(-1), b[f], *o[f]) if w != 0]
        of_filters = [w for f in (0, 1) if kept[f] for w in c[f].reshape(-1) if w != 0]
        biases = [b[f] for f in (0, 1) if kept[f] and b[f] != 0]
        read = [w for f in (0, 1) if kept[f] for w in o[f] if w != 0]
        expected = (len(stored), 2 * len(of_filters) + len(read), 2 * len(of_filters), len(of_filters) + len(biases))
        assert tuple(value(program, assignment, k) for k in range(4)) == expected


@pytest.mark.parametrize(
    "goal",
    [
        "minimize hinge(net, train) + 0.1 * operations(net)",
        "minimize hinge(net, train) + 0.1 * parameters(net)",
        "maximize operations(net) - 2 * parameters(net.c) - hinge(net, train)",
    ],
)
@pytest.mark.parametrize("rule", ["operations(net) >= 3", "not (parameters(net) >= 4)", "operations(net.c) = 2"])
def test_a_network_of_a_stated_size_is_the_best(goal: str, rule: str, tmp_path: Path) -> None:
    assert disagreements(load(model(IMAGE, goal, rule, rows=PIXELS), tmp_path)) == []
