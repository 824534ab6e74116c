"""Answers to random queries, nested as they come, beside those of linear programs for all phases of a small network."""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path

import highspy
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from nnmip.vnnlib.decide import Found
from tests.networks.nets import Net
from tests.vnnlib.nets import save
from tests.vnnlib.test_decide import BOX, FLAT, ask

FloatArray = NDArray[np.float64]
Cases = list[list[FloatArray]]
"""Cases of rows that all hold: `row @ [1, x0, x1, y0, y1] <= 0`."""

NAMES = ("X_0", "X_1", "Y_0", "Y_1")
KINDS = ((0,), (1,), (0, 1), (2, 3), (2, 3), (0, 1, 2, 3))
"""What a comparison speaks of: inputs, outputs, or both."""

CLEAR = 1e-4
UNITS = 3


def comparison(chance: np.random.Generator) -> tuple[str, Cases]:
    """Both sides are expressions, with numbers in several notations."""
    row = np.zeros(5)
    entries = KINDS[int(chance.integers(len(KINDS)))]
    row[[1 + k for k in entries]] = chance.integers(-4, 5, len(entries)) / 4
    row[0] = chance.integers(-3, 4) / 4 if max(entries) < 2 else chance.integers(-12, 13) / 4
    terms = [f"(* {NAMES[k]} {row[1 + k] * 100:.0f}e-2)" for k in entries]
    kept = int(chance.integers(1, len(terms) + 1))
    moved = " ".join([f"{float(row[0])!r}", *terms[kept:]])
    text = f"(+ ; a comment (\n\t{' '.join(terms[:kept])}) (- 0 {moved})"
    equal = "" if chance.random() < 0.3 else "="
    return (f"(<{equal} {text})", [[row]]) if chance.random() < 0.5 else (f"(>{equal} {text})", [[-row]])


def claim(chance: np.random.Generator, depth: int) -> tuple[str, Cases]:
    if depth == 0 or chance.random() < 0.3:
        return comparison(chance)
    parts = [claim(chance, depth - 1) for _ in range(int(chance.integers(1, 4)))]
    texts = "  ".join(text for text, _ in parts)
    if chance.random() < 0.5:
        return f"(or {texts})", [case for _, cases in parts for case in cases]
    return f"(and\n{texts})", [list(chain.from_iterable(each)) for each in product(*(cases for _, cases in parts))]


def slack(rows: FloatArray) -> float:
    """The most by which all rows, each of size 1, hold at a point of the box."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    for end in (1.0, 1.0, 1e3):
        solver.addVar(-end, end)
    solver.changeColCost(2, -1.0)
    for constant, *factors in rows:
        size = max(1e-9, *np.abs(factors)) if any(factors) else 1.0
        solver.addRow(-np.inf, -constant / size, 3, np.arange(3), np.array([*np.array(factors) / size, 1.0]))
    solver.run()
    return -float(solver.getInfo().objective_function_value)


def most(net: dict[str, FloatArray], cases: Cases) -> float:
    """The most by which the rows of a case hold: above 0 where there is an answer."""
    found = []
    for phases in product((0.0, 1.0), repeat=UNITS):
        before = np.vstack([net["wb"], net["w"]])  # rows: 1, x0, x1; columns: units
        on = np.array(phases)
        y = (before * on) @ net["u"]
        y[0] += net["ub"]
        values = np.hstack([np.eye(3), y])  # 1, x0, x1, y0, y1 as sums of 1, x0, x1
        sides = (before * (1 - 2 * on)).T
        found += [slack(np.vstack([sides, *(values @ row for row in case)])) for case in cases]
    return max(found)


@pytest.mark.parametrize("seed", range(36))
def test_the_answer_is_that_of_all_phases(seed: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(seed)
    sizes = {"w": (2, UNITS), "wb": (UNITS,), "u": (UNITS, 2), "ub": (2,)}
    stored = {name: chance.integers(-6, 7, size) / 4 for name, size in sizes.items()}
    nodes = [("Gemm", "x w wb", "a"), ("Relu", "a", "h"), ("Gemm", "h u ub", "y")]
    net = Net(("N", 2), nodes, stored, type=[TensorProto.FLOAT, TensorProto.DOUBLE][seed % 2])
    text, cases = claim(chance, 3)
    best = most(stored, cases)
    outcome = ask(f"{FLAT}{BOX}(assert\n{text})", {"": save(net, tmp_path / "f.onnx")})
    if abs(best) > CLEAR:
        assert outcome.found is (Found.SAT if best > 0 else Found.UNSAT), text
    if outcome.found is Found.SAT:
        x, y = outcome.witness["X"], outcome.witness["Y"]
        np.testing.assert_allclose(
            np.maximum(x @ stored["w"] + stored["wb"], 0) @ stored["u"] + stored["ub"], y, atol=1e-5
        )
        assert (np.abs(x) <= 1).all()
        assert any(all(row @ [1.0, *x, *y] <= 0 for row in case) for case in cases), text
