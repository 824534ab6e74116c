"""Chains of names each of which reads the one before twice: sixty of them have 2^60 ways down, and take no time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import evaluate
from nnmip.hir.rational import rational_evaluation
from tests.hostile.sandbox import Sandbox

LEVELS = 60
NETWORK = """nnm 0.1
network n(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 3, weights in {-1, 0, 1})
  layer r = relu(h)
  layer o = dense(r, units: 1, weights in {-1, 0, 1})
  return o[0]
}
"""

NUMBERS = {
    "sum": "a + a",
    "difference": "2 * a - a",
    "factors": "0.5 * a + 0.5 * a",
    "quantified sum": "sum(i in 0..1: 0.5 * a)",
    "norm": "norm_1(i in 0..1: a)",
    "count": "count(a >= 1, a >= 2)",
    "choice": "if n.o.weights[0, 0] >= 1 then a else a + 1",
    "condition": "if a >= 1 then a else 1 + a",
}
NUMBER_USES = {
    "goal": "minimize a",
    "maximum": "maximize 3 - a",
    "stages": "minimize a then l0(n.o.weights) then a",
    "refused": "satisfy\nconstraint c: not (a >= 1)",
    "equal": "satisfy\nconstraint c: n.o.weights[0, 0] >= 1 <-> a = 1",
    "quantified": "satisfy\nconstraint c: forall i in 0..3: a <= i or n.o.weights[0, 0] >= 1",
}
TRUTHS = {
    "xor": "a xor not a",
    "and": "a and a",
    "or": "a or not a",
    "implied": "a -> a",
    "equivalent": "a <-> a",
    "at most": "atmost(1, a, a)",
    "choice": "if a then a else not a",
    "all": "forall i in 0..1: a",
    "some": "exists i in 0..1: a xor n.h.weights[1, 0] >= i",
}
TRUTH_USES = {
    "rule": "satisfy\nconstraint c: a",
    "refused": "satisfy\nconstraint c: not a",
    "goal": "minimize count(a) then l0(n.o.weights)",
    "quantified": "satisfy\nconstraint c: forall i in 0..9: a or n.h.weights[1, 0] <= i",
}


def chain(first: str, step: str, use: str) -> str:
    """A model with a chain of names from `first` on, at whose end is what `use` calls `a`."""

    def at(text: str, level: int) -> str:
        return re.sub(r"\ba\b", f"a{level}", text)

    lets = "".join(f"let a{k + 1} = {at(step, k)}\n" for k in range(LEVELS))
    return f"{NETWORK}let a0 = {first}\n{lets}{at(use, LEVELS)}\n"


@pytest.mark.parametrize("use", NUMBER_USES)
@pytest.mark.parametrize("step", NUMBERS)
def test_numbers(step: str, use: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(chain("l0(n.o.weights)", NUMBERS[step], NUMBER_USES[use]))
    sandbox.run(tmp_path, "check", "m.nnm")


@pytest.mark.parametrize("use", TRUTH_USES)
@pytest.mark.parametrize("step", TRUTHS)
def test_truths(step: str, use: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(chain("n.h.weights[0, 0] >= 1", TRUTHS[step], TRUTH_USES[use]))
    sandbox.run(tmp_path, "check", "m.nnm")
    sandbox.run(tmp_path, "show", "--after", "check", "m.nnm")


@pytest.mark.parametrize(
    ("first", "step", "use", "expected"),
    [
        ("l0(n.o.weights)", "0.5 * a + 0.5 * a", "minimize a then a", 2.0),
        ("l0(n.o.weights)", "if n.o.weights[0, 0] >= 1 then a else a + 1", "minimize a then a", 2.0),
        ("l0(n.o.weights)", "sum(i in 0..1: 0.5 * a)", "minimize a then a", 2.0),
        ("n.o.weights[0, 0] >= 1", "a xor not a", "minimize count(a)", 1.0),
        ("n.o.weights[0, 0] >= 1", "a <-> a", "minimize count(a)", 1.0),
        ("n.o.weights[0, 0] >= 1", "a and a", "minimize count(a)", 1.0),
    ],
)
def test_meanings(first: str, step: str, use: str, expected: float) -> None:
    began = time.process_time()
    program = nnmip.loads(chain(first, step, use)).program
    known = Assignment({"n.h.weights": np.zeros((3, 2)), "n.o.weights": np.array([[1.0, 0.0, -1.0]])}, {})
    assert evaluate(program, known).objectives[0] == expected
    exact = rational_evaluation(program, known, 1e-9)
    assert exact is None or exact.objectives[0] == expected
    assert time.process_time() - began < 5
