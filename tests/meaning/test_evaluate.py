"""The meaning of words and networks, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluator, evaluate, forward, removed, result, without_removed
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load

LINEAR = "layer o = dense(x, units: 1, weights in {-1, 0, 1}, bias in [-1, 1]); return o[0]"
HIDDEN = (
    "layer h = dense(x, units: 2, weights in {1, 2, -1, 0}, bias in {0, 1}); layer a = relu(h, prune: units);"
    "layer o = dense(a, units: 1, weights in {1, 0, -2}, bias in {0, 0.5}); return o[0]"
)
ROWS = "1,pos\n-1,neg\n0,neg\n2,pos\n"


def linear(folder: Path, goal: str, *constraints: str) -> Program:
    return load(model(LINEAR, goal, *constraints, rows=ROWS), folder)


def weights(w: float, b: float) -> Assignment:
    return Assignment({"net.o.weights": np.array([[w]]), "net.o.bias": np.array([b])}, {})


def hidden(
    h: list[list[float]], c: list[float], o: list[list[float]], b: list[float], kept: tuple[bool, bool] = (True, True)
) -> Assignment:
    values = {"net.h.weights": h, "net.h.bias": c, "net.o.weights": o, "net.o.bias": b}
    return Assignment({k: np.array(v, dtype=np.float64) for k, v in values.items()}, {"net.a": np.array(kept)})


# ---- losses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "shortfalls"),
    [("", (0, 0.5, 1.5, 0)), (", margin: 2", (0.5, 1.5, 2.5, 0)), (", margin: 0", (0, 0, 0.5, 0))],
)
def test_hinge_is_a_mean_of_shortfalls(margin: str, shortfalls: tuple[float, ...], tmp_path: Path) -> None:
    """Scores x + 1/2 of 1.5, -0.5, 0.5, 2.5 are signed 1.5, 0.5, -0.5, 2.5."""
    program = linear(tmp_path, f"minimize hinge(net, train{margin})")
    assert evaluate(program, weights(1, 0.5)).objectives == (sum(shortfalls) / 4,)


@pytest.mark.parametrize(
    ("bias", "share"),
    [(0.0, 0.25), (-0.5, 0.0), (0.5, 0.25), (-1.0, 0.0), (1.0, 0.5)],
)
def test_a_score_of_zero_predicts_the_positive_label(bias: float, share: float, tmp_path: Path) -> None:
    """Scores are x + bias for x = 1 (pos), -1 (neg), 0 (neg), 2 (pos): at bias 0 the third is wrong, at -1 the first
    is still right, at 1 the second is wrong."""
    program = linear(tmp_path, "minimize zero_one(net, train, strictness: 0.0001)")
    assert evaluate(program, weights(1, bias)).objectives == (share,)


def test_a_negative_score_counts_from_the_strictness_on(tmp_path: Path) -> None:
    program = linear(tmp_path, "minimize zero_one(net, train, strictness: 0.25)")
    assert evaluate(program, weights(0, -0.25)).objectives == (0.5,)
    assert evaluate(program, weights(0, -0.2)).objectives == (1.0,)
    assert evaluate(program, weights(0, -0.25 + 1e-7), 1e-6).objectives == (0.5,)
    assert evaluate(program, weights(0, -0.25 + 1e-7), 0.0).objectives == (1.0,)
    assert evaluate(program, weights(0, -1e-7), 1e-6).objectives == (0.5,)
    assert evaluate(program, weights(0, -1e-7), 0.0).objectives == (1.0,)


def test_a_margin_belongs_to_the_right_side(tmp_path: Path) -> None:
    program = linear(tmp_path, "minimize zero_one(net, train, margin: 0.5)")
    assert evaluate(program, weights(1, -0.5)).objectives == (0.0,)
    assert evaluate(program, weights(1, -0.75)).objectives == (0.25,)
    assert evaluate(program, weights(1, -0.25)).objectives == (0.25,)


# ---- units -------------------------------------------------------------------------------------------------------


def measured(folder: Path, assignment: Assignment) -> dict[str, float]:
    goal = "minimize l0(net.weights) + norm_1(net.weights) + count(used(net.a)) + l0(net.biases) + hinge(net, train)"
    program = load(model(HIDDEN, goal, rows="1,pos\n-1,neg\n"), folder)
    (terms,) = evaluate(program, assignment).terms
    return {label.split("(")[0] + label[-9:-1]: value for label, value in terms.items()}


def values_of(folder: Path, assignment: Assignment) -> list[float]:
    """l0 and norm_1 of the weights, used units, l0 of the biases, hinge."""
    return list(measured(folder, assignment).values())


def test_a_used_unit_has_something_in_and_something_out(tmp_path: Path) -> None:
    both = hidden([[1], [-1]], [0, 0], [[1, -2]], [0])
    # Scores 1 and -2: no shortfall.
    assert values_of(tmp_path, both) == [4, 5, 2, 0, 0]
    assert values_of(tmp_path, hidden([[1], [-1]], [0, 0], [[1, 0]], [0]))[2] == 1
    assert values_of(tmp_path, hidden([[1], [0]], [0, 0], [[1, -2]], [0]))[2] == 1


def test_a_unit_with_only_a_bias_is_used(tmp_path: Path) -> None:
    assert values_of(tmp_path, hidden([[0], [0]], [1, 0], [[1, 1]], [0])) == [2, 2, 1, 1, 1]


def test_a_removed_unit_counts_nothing_and_gives_zero(tmp_path: Path) -> None:
    """Whatever values its entries have in the assignment, and with its bias."""
    kept = hidden([[1], [2]], [0, 1], [[1, -2]], [0.5], (True, False))
    # Scores 1.5 and 0.5: the second row falls short by 1.5.
    assert values_of(tmp_path, kept) == [2, 2, 1, 1, 0.75]
    none = hidden([[1], [2]], [1, 1], [[1, -2]], [0.5], (False, False))
    # Score 0.5 everywhere: short by 0.5 and 1.5.
    assert values_of(tmp_path, none) == [0, 0, 0, 1, 1]


def test_removal_reaches_incoming_bias_and_outgoing_entries(tmp_path: Path) -> None:
    program = load(model(HIDDEN, "minimize hinge(net, train)"), tmp_path)
    assignment = hidden([[1], [2]], [1, 1], [[1, -2]], [0.5], (True, False))
    masks = {path: mask.tolist() for path, mask in removed(program.networks[0], assignment).items()}
    assert masks == {
        "net.h.weights": [[False], [True]],
        "net.h.bias": [False, True],
        "net.o.weights": [[False, True]],
        "net.o.bias": [False],
    }
    cleared = without_removed(program, assignment).values
    assert cleared["net.h.weights"].tolist() == [[1], [0]] and cleared["net.h.bias"].tolist() == [1, 0]
    assert cleared["net.o.weights"].tolist() == [[1, 0]] and cleared["net.o.bias"].tolist() == [0.5]


def test_every_layer_has_its_output(tmp_path: Path) -> None:
    program = load(model(HIDDEN, "minimize hinge(net, train)"), tmp_path)
    assignment = hidden([[1], [-1]], [0, 1], [[1, -2]], [0.5])
    outputs = forward(program.networks[0], assignment, np.array([[2.0], [-3.0]]))
    assert outputs["h"].tolist() == [[2, -1], [-3, 4]]
    assert outputs["a"].tolist() == [[2, 0], [0, 4]]
    assert outputs["o"].tolist() == [[2.5], [-7.5]]
    assert result(program.networks[0], assignment, np.array([[2.0]])).tolist() == [2.5]


def test_a_unit_of_the_result_needs_nothing_going_out(tmp_path: Path) -> None:
    layers = "layer o = dense(x, units: 2, weights in {-1, 0, 1}); return o[0]"
    program = load(model(layers, "minimize count(used(net.o)) + hinge(net, train)"), tmp_path)
    assignment = Assignment({"net.o.weights": np.array([[0.0], [1.0]])}, {})
    assert evaluate(program, assignment).terms[0]["count(used(net.o))"] == 1


# ---- constraints and domains ---------------------------------------------------------------------------------------


def test_violations_are_measured(tmp_path: Path) -> None:
    program = linear(
        tmp_path,
        "minimize hinge(net, train)",
        "net.o.weights[0, 0] + net.o.bias[0] <= 0.5",
        "l0(net.weights) >= 2",
        "norm_1(net.weights) = 1",
        "-0.5 <= net.o.bias <= 0",
        "used(net.o)",
    )
    found = evaluate(program, weights(1, 0.25))
    assert found.constraints == {"c0": 0.75, "c1": 1.0, "c2": 0.0, "c3": 0.25, "c4": 0.0}
    assert found.max_violation == 1.0
    assert evaluate(program, weights(0, 0)).constraints["c4"] == 1.0


def test_the_distance_from_the_domain_is_a_violation(tmp_path: Path) -> None:
    program = linear(tmp_path, "minimize hinge(net, train)")
    assert evaluate(program, weights(0.75, 0.0)).domain_violation == 0.25
    assert evaluate(program, weights(1.0, 1.5)).max_violation == 0.5
    assert evaluate(program, weights(-1.0, -1.0)).domain_violation == 0.0


def test_a_removed_entry_has_no_domain(tmp_path: Path) -> None:
    layers = (
        "layer h = dense(x, units: 2, weights in {1, 2}); layer a = relu(h, prune: units);"
        "layer o = dense(a, units: 1, weights in {1, 2}); return o[0]"
    )
    program = load(model(layers, "minimize hinge(net, train)"), tmp_path)
    values = {"net.h.weights": np.array([[1.0], [0.0]]), "net.o.weights": np.array([[2.0, 0.0]])}
    assert evaluate(program, Assignment(values, {"net.a": np.array([True, False])})).domain_violation == 0.0
    assert evaluate(program, Assignment(values, {"net.a": np.array([True, True])})).domain_violation == 1.0


def test_terms_are_unweighted_and_goals_in_the_users_sense(tmp_path: Path) -> None:
    program = linear(tmp_path, "maximize 2 * norm_1(net.weights) - 0.5 * net.o.bias[0] - hinge(net, train, margin: 0)")
    found = evaluate(program, weights(-1, 1))
    # Scores 0, 2, 1, -1 are signed 0, -2, -1, -1.
    assert found.terms[0]["norm_1(net.weights)"] == 1.0
    assert found.terms[0]["net.o.bias[0]"] == 1.0
    assert found.terms[0]["hinge(net, train, margin: 0)"] == 1.0
    assert found.objectives == (2.0 - 0.5 - 1.0,)


def test_expressions_are_tensors(tmp_path: Path) -> None:
    layers = "layer o = dense(x, units: 2, weights in -4..4, bias in {0, 3}); return o[0]"
    constraint = "2 * net.o.weights[:, 1] - net.o.bias + 1 <= [0, 5]"
    program = load(model(layers, "satisfy", constraint, rows="1,2,pos\n"), tmp_path)
    values = {"net.o.weights": np.array([[1.0, 2.0], [3.0, -4.0]]), "net.o.bias": np.array([3.0, 0.0])}
    evaluator = Evaluator(program, Assignment(values, {}))
    (part,) = program.constraints[0].parts
    assert evaluator.value(part.left).tolist() == [2.0, -7.0]
    assert evaluator.excess(part).tolist() == [2.0, -12.0]
    assert evaluate(program, Assignment(values, {})).objectives == ()
