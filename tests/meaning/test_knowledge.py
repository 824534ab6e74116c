"""Words of domain knowledge, each against its meaning spelled out entry by entry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluator, without_removed
from tests.meaning.handwritten.model import model
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


# ---- exclusive and tied --------------------------------------------------------------------------------------------

HIDDEN = (
    "layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {0, 1}); layer a = relu(h, prune: units);"
    "layer o = dense(a, units: 1, weights in {-1, 0, 1}); return o[0]"
)
FOUR = "0,1,neg\n1,0,pos\n2,1,pos\n1,2,neg\n"


def holds(program: Program, assignment: Assignment) -> list[bool]:
    evaluator = Evaluator(program, without_removed(program, assignment))
    return [all(evaluator.value(part).all() for part in c.parts) for c in program.constraints]


def test_exclusive_and_tied_say_what_they_say(tmp_path: Path) -> None:
    rules = (
        "exclusive(net.x[f0], net.x[f1])",
        "exclusive(nonzero(net.h.weights[0, 0]), nonzero(net.o.weights[0]))",
        "exclusive(j in units(net.a): net.h.weights[j, 0] = 1)",
        "tied(net.h.weights[0], net.h.weights[1])",
        "tied(net.h.weights[0], net.h.weights[1], mirror: horizontal)",
        "tied(net.h.weights, mirror: transposed)",
        "tied(net.h.weights, mirror: both)",
        "tied(net.h.weights, mirror: vertical)",
    )
    program = load(model(HIDDEN, "minimize hinge(net, train)", *rules, rows=FOUR), tmp_path)
    rng = np.random.default_rng(1)
    seen = np.zeros((2, len(rules)), dtype=bool)
    for _ in range(400):
        assignment = random_assignment(program, rng)
        network = without_removed(program, assignment)
        h, (o,) = network.values["net.h.weights"], network.values["net.o.weights"]
        expected = [
            not any(row.all() for row in h),
            np.count_nonzero([h[0, 0], *o]) <= 1,
            not (h[0, 0] == 1 and h[1, 0] == 1),
            list(h[0]) == list(h[1]),
            h[0, 0] == h[1, 1] and h[0, 1] == h[1, 0],
            h[0, 1] == h[1, 0],
            h[0, 0] == h[1, 1] and h[0, 1] == h[1, 0],
            list(h[0]) == list(h[1]),
        ]
        assert holds(program, assignment) == expected
        seen[np.array(expected, dtype=int), np.arange(len(rules))] = True
    assert seen.all()


@pytest.mark.parametrize("no", ["", "not "])
@pytest.mark.parametrize(
    "rule",
    [
        "exclusive(net.x[f0], net.x[f1])",
        "exclusive(used(net.a), net.o.weights[0, 0] = 1)",
        "tied(net.h.weights[0], net.h.weights[1], mirror: horizontal)",
        "tied(net.h.weights, mirror: transposed)",
    ],
)
def test_rules_of_knowledge_and_their_negations_keep_the_best(no: str, rule: str, tmp_path: Path) -> None:
    goal = "minimize zero_one(net, train) + 0.01 * l0(net.weights)"
    assert disagreements(load(model(HIDDEN, goal, f"{no}{rule}", rows=FOUR), tmp_path)) == []


def test_exclusive_features_of_a_convolution_share_its_kernel(tmp_path: Path) -> None:
    """A filter of two weights reads the first pixel of each row with one, and the second with the other."""
    program = load(model(IMAGE, "minimize hinge(net, train)", "exclusive(net.x[0], net.x[1])", rows=PIXELS), tmp_path)
    rng = np.random.default_rng(2)
    for _ in range(60):
        assignment = random_assignment(program, rng)
        c = without_removed(program, assignment).values["net.c.weights"].reshape(2, 2)
        assert holds(program, assignment) == [not any(row.all() for row in c)]
