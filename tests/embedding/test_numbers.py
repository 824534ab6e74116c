"""`abs`, `max`, `min`, `clip` and norms of expressions: every side of every word against enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate

Best = Callable[[Program, str], float | None]

VALUES = (-2.0, -0.5, 0.0, 1.5)
HEAD = "nnm 0.1\nvar x : real[3] in {-2, -0.5, 0, 1.5}\nvar y : real[2] in {-1, 0.25}\n"

WORDS = [
    "abs(x[0] - 2 * y[1])",
    "max(x)",
    "min(x[0] + y[0], x[1], 0.5)",
    "max(x[0], -x[1]) - min(y)",
    "clip(x[0] + x[1] - y[0], low: -1, high: 0.5)",
    "norm_1(x - 0.3)",
    "norm_inf(x[0:2] + y)",
    "sum(abs(x[0:2] - y))",
    "max(i in 0..2: abs(x[i] + 0.25)) + 0.5 * min(i in 0..1: y[i] - x[i])",
    "max(abs(x[0]), clip(x[1], low: 0, high: 1)) - 0.25 * norm_1(x)",
    "sum(max(x, 0.1))",
    "sum(min(x[1:], y, 0))",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_both_senses_and_both_sides_of_a_constraint(word: str, solver: str, best: Best) -> None:
    for sense in ("minimize", "maximize"):
        agree(f"{HEAD}{sense} {word} + 0.01 * x[2]\n", solver, best)
    for op in ("<=", ">=", "="):
        agree(f"{HEAD}constraint c: {word} {op} 0.5\nminimize x[0] - 0.7 * x[1] + 0.3 * y[0]\n", solver, best)
    agree(f"{HEAD}constraint c: {word} <= 0.6 -> x[0] >= 0\nmaximize 0.1 * x[1] - x[0] - y[1]\n", solver, best)


def agree(text: str, solver: str, best: Best) -> None:
    """The solver's optimum is the best of all assignments by the meaning."""
    program = nnmip.loads(text).program
    (stage,) = program.stages
    least = np.inf
    for x in itertools.product(VALUES, repeat=3):
        for y in itertools.product((-1.0, 0.25), repeat=2):
            found = evaluate(program, Assignment({"x": np.array(x), "y": np.array(y)}, {}))
            if found.max_violation <= 1e-9:
                least = min(least, stage.sign * found.objectives[0])
    wanted = None if np.isinf(least) else pytest.approx(stage.sign * least, abs=1e-6)
    assert best(program, solver) == wanted, text


def test_the_convex_side_needs_no_binary() -> None:
    """On intervals: what is minimised, or bounded above, has none; the other side has."""
    head = "nnm 0.1\nvar x : real[3] in [-2, 3]\n"
    for text, binaries in (
        ("minimize norm_1(x - 1) + max(x) + max(abs(x[0]), 0.5)\n", 0),
        ("maximize min(x) - abs(x[1])\n", 0),
        ("constraint c: norm_inf(x - 1) <= 1\nmaximize sum(x)\n", 0),
        ("maximize norm_1(x - 1)\n", 3),
        ("minimize min(x[0], x[1])\n", 1),
    ):
        assert nnmip.loads(head + text).lowered.milp.integer.sum() == binaries, text


def test_words_of_known_numbers_are_numbers() -> None:
    program = nnmip.loads(
        "nnm 0.1\nparam p : real = max(2, min(3, 5), abs(-4))\nvar x : real in [0, 1]\nminimize x\n"
    ).program
    assert dict(program.parameters)["p"] == 4


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("minimize max(x, y)\n", "NNM0301"),
        ("minimize clip(x[0], low: 0)\n", "NNM0204"),
        ("minimize abs(x > 0)\n", "NNM0205"),
        ("minimize norm_2sq(x - 1)\n", "NNM0313"),
    ],
)
def test_what_does_not_fit_is_explained(text: str, code: str) -> None:
    with pytest.raises(nnmip.DiagnosticError) as caught:
        _ = nnmip.loads(HEAD + text).lowered
    assert code in {diagnostic.code for diagnostic in caught.value.diagnostics}


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_lists_of_what_is_decided(solver: str, best: Best) -> None:
    text = """nnm 0.1
var a : real in [0, 3]
var n : int in 0..4
var b : bool
let v = [a, n, 2 * a - 1]
let w = [[a, 1], [n, a]]
constraint c: v <= [2.5, 3, 10]
constraint d: w[1] <= [3, 2]
constraint e: count([b, n >= 2]) = 2
maximize sum(v) + norm_1([a, 3]) + w[0, 1] + count(b)
"""
    assert best(nnmip.loads(text).program, solver) == pytest.approx(15.0)  # a = 2, n = 3


def test_a_network_reads_a_list_of_variables(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{"h.weights": [[2.0, -1.0, 0.5]], "h.bias": [0.25]})
    text = (
        'nnm 0.1\nnetwork net = npz("net.npz")\nvar t : real in [0, 1]\nvar k : int in 2..5\nmaximize net([t, k, 1])\n'
    )
    result = nnmip.loads(text, directory=tmp_path).solve()
    assert result.objective == pytest.approx(2 - 2 + 0.5 + 0.25)


def test_numbers_and_booleans_do_not_mix_in_a_list() -> None:
    model = nnmip.loads("nnm 0.1\nvar a : real in [0, 1]\nvar b : bool\nlet v = [a, b]\nmaximize sum(v)\n")
    assert [(d.code, d.help) for d in model.check()] == [
        ("NNM0205", "write `count(b)` for the number, 0 or 1, that a Boolean `b` is")
    ]


def test_a_list_of_another_length_is_told_what_the_network_reads(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{"h.weights": [[2.0, -1.0, 0.5]], "h.bias": [0.25]})
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nvar t : real in [0, 1]\nmaximize net([t, 1])\n'
    found = nnmip.loads(text, directory=tmp_path).check()
    assert [(d.code, d.help) for d in found] == [("NNM0301", "give it what the network reads: a tensor of shape [3]")]
