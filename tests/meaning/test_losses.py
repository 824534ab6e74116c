"""The losses over classes and targets, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import evaluate
from tests.meaning.handwritten.model import model
from tests.meaning.harness import disagreements, load
from tests.meaning.oracle import enumerate_optimum

SCORES = "layer o = dense(x, units: 3, weights in [-4, 4], bias in [-4, 4]); return o"
TWO = "layer o = dense(x, units: 2, weights in [-4, 4], bias in [-4, 4]); return o"
ONE = "layer o = dense(x, units: 1, weights in [-4, 4], bias in [-4, 4]); return o[0]"

# Scores (x, 1, 2 - x) of classes a, b, c: (0, 1, 2), (1, 1, 1), (2, 1, 0), (3, 1, -1) at x = 0, 1, 2, 3.
CLASS_ROWS = "0,a,1\n1,b,2\n2,b,1\n3,a,4\n"
CLASSES = "label label as {a, b, c}; weight v"
OF_CLASSES = ([[1], [0], [-1]], [0, 1, 2])
# Leads over the other two classes: a at 0: -1, -2. b at 1: 0, 0. b at 2: -1, 1. a at 3: 2, 4.

# Outputs (2 x, 1 - x): (0, 1), (2, 0), (4, -1) at x = 0, 1, 2.
VALUE_ROWS = "0,1,1,1\n1,2,2,3\n2,4,1,0\n"
VALUES = "target t, u; weight v"
OF_VALUES = ([[2], [-1]], [0, 1])
# Errors: (1, 0), (0, 2), (0, 2) with weights 1, 3, 0.


def value(folder: Path, layers: str, loss: str, rows: str, truth: str, numbers: tuple[object, object]) -> float:
    program = load(model(layers, f"minimize {loss}", rows=rows, truth=truth), folder)
    weights, bias = (np.array(part, dtype=np.float64) for part in numbers)
    return evaluate(program, Assignment({"net.o.weights": weights, "net.o.bias": bias}, {})).objectives[0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # Shortfalls 3, 1, 2, 0.
        ("hinge(net, train)", (3 * 1 + 1 * 2 + 2 * 1 + 0 * 4) / 8),
        ("hinge(net, train, reduce: sum)", 7.0),
        ("hinge(net, train, margin: 3)", (5 * 1 + 3 * 2 + 4 * 1 + 1 * 4) / 8),
        ("hinge(net, train, margin: 0)", (2 * 1 + 0 * 2 + 1 * 1) / 8),
        # Predicted c, a (the first of three equal ones), a, a: only the last is right.
        ("zero_one(net, train)", 4 / 8),
        ("zero_one(net, train, reduce: sum)", 4.0),
        ("zero_one(net, train, margin: 2)", 4 / 8),
        ("zero_one(net, train, margin: 2.5)", 1.0),
        ("margin(net, train)", -2.0),
        # Each class behind has exp(-lead): e + e^2, 2, e + 1/e, e^-2 + e^-4.
        (
            "logistic(net, train)",
            (
                np.log(1 + np.e + np.e**2)
                + 2 * np.log(3)
                + np.log(1 + np.e + 1 / np.e)
                + 4 * np.log(1 + np.exp(-2) + np.exp(-4))
            )
            / 8,
        ),
        # Each output reaches 4 * 4 + 4 = 20 from 0, so that 0.05 of it is 1. a wants (+, -, -) of (0, 1, 2): 3 wrong;
        # b of (1, 1, 1): 2 wrong; b of (2, 1, 0): 2 wrong; a of (3, 1, -1): 1 wrong.
        ("sat_margin(net, train, margin: 0.05)", (3 * 1 + 2 * 2 + 2 * 1 + 1 * 4) / 8),
        ("sat_margin(net, train, margin: 0.05, reduce: sum)", 13.0),
        ("sat_margin(net, train)", 3.0),
    ],
)
def test_losses_of_three_classes(loss: str, expected: float, tmp_path: Path) -> None:
    assert value(tmp_path, SCORES, loss, CLASS_ROWS, CLASSES, OF_CLASSES) == pytest.approx(expected, abs=1e-12)


def test_a_tie_is_right_for_the_first_class_only(tmp_path: Path) -> None:
    flat = ([[0], [0], [0]], [1, 1, 1])
    rows = "0,a,1\n1,b,2\n2,c,4\n"
    assert value(tmp_path, SCORES, "zero_one(net, train, reduce: sum)", rows, CLASSES, flat) == 6


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("absolute(net, train)", (1 * 1 + 2 * 3 + 2 * 0) / 4),
        ("absolute(net, train, reduce: sum)", 7.0),
        ("squared(net, train)", (1 * 1 + 4 * 3 + 1 * 0) / 4),
        ("squared(net, train, reduce: sum)", 13.0),
        ("max_error(net, train)", 2.0),
        # Outputs minus targets: (-1, 0), (0, -2), (0, -1) with weights 1, 3, 0.
        ("quantile(net, train, level: 0.25)", 0.25 * (1 * 1 + 2 * 3) / 4),
        ("quantile(net, train, level: 0.25, reduce: sum)", 0.25 * 7),
        ("eps_insensitive(net, train, eps: 0.5)", (0.5 * 1 + 1.5 * 3) / 4),
        ("eps_insensitive(net, train, eps: 1, reduce: sum)", 3.0),
    ],
)
def test_losses_of_two_targets(loss: str, expected: float, tmp_path: Path) -> None:
    assert value(tmp_path, TWO, loss, VALUE_ROWS, VALUES, OF_VALUES) == pytest.approx(expected, abs=1e-12)


def test_a_row_of_weight_0_has_no_part_in_an_extreme(tmp_path: Path) -> None:
    rows = "0,1,1\n1,9,0\n2,4,2\n"
    assert value(tmp_path, ONE, "max_error(net, train)", rows, "target t; weight v", ([[2]], [0])) == 1
    signs = "label label as {neg: -1, pos: +1}; weight v"
    assert value(tmp_path, ONE, "margin(net, train)", "1,pos,1\n3,neg,0\n-2,neg,1\n", signs, ([[2]], [0])) == 2


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("logistic(net, train)", (np.log(1 + np.exp(-1.5)) + 3 * np.log(1 + np.exp(0.5))) / 4),
        ("hinge(net, train)", (0 * 1 + 1.5 * 3) / 4),
        ("zero_one(net, train)", 0.75),
        ("margin(net, train)", -0.5),
    ],
)
def test_weights_of_signed_rows(loss: str, expected: float, tmp_path: Path) -> None:
    """Scores 1.5 and -0.5 of two rows with label +1 and weights 1 and 3."""
    signs = "label label as {neg: -1, pos: +1}; weight v"
    assert value(tmp_path, ONE, loss, "1,pos,1\n0,pos,3\n", signs, ([[2]], [-0.5])) == pytest.approx(expected)


@pytest.mark.parametrize("weight", ["2/3", "1/3", "7/6", "0.7"])
def test_a_margin_of_1_is_reached_by_the_largest_score(weight: str, tmp_path: Path) -> None:
    """Also where the reach has no end in decimals: the threshold is not above it."""
    layers = f"layer o = dense(x, units: 1, weights in {{{weight}, -{weight}}}); return o[0]"
    program = load(model(layers, "minimize sat_margin(net, train, margin: 1)", rows="4,pos\n-4,neg\n"), tmp_path)
    assert enumerate_optimum(program).objective == 0.0
    assert disagreements(program) == []
