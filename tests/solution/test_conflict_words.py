"""Infeasible models of every kind of constraint: the conflict names the needed ones with their sentences, no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnmip.ops.registry import WORDS
from nnmip.pipeline import load
from nnmip.report.text import render_result
from nnmip.sema.builtins import BUILTINS

IMAGES = """nnm 0.1
data train = csv("rows.csv") {
  features p0, p1, p2, p3
  label    y as {m: -1, p: +1}
}
network net(x: real[1, 2, 2] in [0, 1]) {
  layer c = relu(conv2d(x, filters: 2, kernel: [1, 2], weights in {-1, 0, 1}, bias in {-1, 0}), prune: filters)
  layer p = maxpool2d(c, kernel: [2, 1])
  layer f = flatten(p)
  layer h = relu(dense(f, units: 2, weights in {-1, 0, 1}, prune: weights), optional: true)
  layer o = dense(h, units: 1, weights in {-1, 0, 1}, bias in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
constraint idle "says nothing": l0(net.weights) >= 0
"""
NUMBERS = """nnm 0.1
data train = csv("rows.csv") {
  features p0, p1
  target   t
}
network net(x: real[2] in [0, 1]) {
  layer h = relu(dense(x, units: 2, weights in {-1, 0, 1}, bias in {-1, 0, 1}))
  layer o = dense(h, units: 1, weights in {-1, 0, 1}, bias in {0, 1})
  return o
}
minimize absolute(net, train)
constraint idle "says nothing": l0(net.weights) >= 0
"""
LINEAR = """nnm 0.1
data train = csv("rows.csv") {
  features p0, p1
  target   t
}
network net(x: real[2] in [0, 1]) {
  layer o = dense(x, units: 1, weights in {-1, 0, 1}, bias in {0, 1})
  return o[0]
}
minimize absolute(net, train)
constraint idle "says nothing": l0(net.weights) >= 0
"""
REAL = LINEAR.replace("weights in {-1, 0, 1}", "weights in [-1, 1]").replace(
    "l0(net.weights) >= 0", "net.o.bias[0] >= 0"
)
ROWS = "p0,p1,p2,p3,y,t\n1,0,1,0,p,1\n0,1,0,1,m,0\n1,0,0,0,p,1\n0,1,0,0,m,0\n"

PAIRS = [
    (IMAGES, "count(used(net.c)) >= 2", "count(used(net.c)) <= 1"),
    (IMAGES, "used(net.c[0]) and used(net.c[1])", "parameters(net.c.conv2d) <= 1"),
    (IMAGES, "operations(net) <= 1", "l0(net.o.weights) >= 2"),
    (IMAGES, "l0(net.h.dense.weights) <= 1", "forall j in units(net.h.dense): fan_in(net.h.dense[j]) >= 1"),
    (IMAGES, "not used(net.h)", "l0(net.h.dense.weights) >= 1"),
    (IMAGES, "zero_one(net, train) <= 0", "features(net) <= 0"),
    (IMAGES, "sat_margin(net, train, margin: 0.1) <= 0", "l0(net.o.weights) <= 0"),
    (IMAGES, "margin(net, train) >= 0.5", "l0(net.c.conv2d.weights) <= 0"),
    (
        IMAGES,
        "tied(net.c.conv2d.weights[0], net.c.conv2d.weights[1])",
        "net.c.conv2d.weights[0, 0, 0, 0] - net.c.conv2d.weights[1, 0, 0, 0] >= 1",
    ),
    (NUMBERS, "exclusive(net.x[p0], net.x[p1])", "forall j in units(net.h.dense): fan_in(net.h.dense[j]) >= 2"),
    (NUMBERS, "quantile(net, train, level: 0.5) <= 0.1", "l0(net.weights) <= 0"),
    (NUMBERS, "eps_insensitive(net, train, eps: 0.1) <= 0.1", "l0(net.weights) <= 0"),
    (NUMBERS, "max_error(net, train) <= 0.4", "norm_1(net.weights) <= 0"),
    (NUMBERS, "used(net.x[p0]) -> used(net.x[p1])", "used(net.x[p0]) and not used(net.x[p1])"),
    (IMAGES, "fair(net, train, group: p0, parity: 0.5)", "zero_one(net, train) <= 0"),
    (NUMBERS, "fair(net, train, group: p0, parity: 0.5)", "absolute(net, train) <= 0.1"),
    (LINEAR, "monotone(net, p0, increasing)", "net.o.weights[0, p0] + net.o.weights[0, p1] <= -2"),
    (LINEAR, "lipschitz(net, 1)", "l0(net.weights) >= 2"),
    (NUMBERS, "forall s in train where s.t >= 1: net(s)[0] >= 1.5", "norm_inf(net.o.weights) <= 0"),
    (IMAGES, "hinge(net, train) <= 0.1", "l0(net.o.weights) <= 0"),
    (IMAGES, "logistic(net, train) <= 0.4", "l0(net.o.weights) <= 0"),
    (IMAGES, "atmost(1, used(net.c))", "atleast(2, used(net.c))"),
    (IMAGES, "exactly(1, used(net.c))", "count(used(net.c)) = 0"),
    (IMAGES, "net.c.channels[0]", "l0(net.c.conv2d.weights) <= 0"),
    (IMAGES, "used(net.c[0]) xor used(net.c[1])", "used(net.c[0]) <-> used(net.c[1])"),
    (NUMBERS, "squared(net, train) <= 0.1", "l0(net.weights) <= 0"),
    (NUMBERS, "norm_2sq(net.weights) <= 1", "l0(net.weights) >= 2"),
    (NUMBERS, "sum(net.weights) >= 3", "l0(net.weights) <= 2"),
    (NUMBERS, "nonzero(net.o.weights[0, 0])", "l0(net.o.weights) <= 0"),
    (
        NUMBERS,
        "forall s in train: not active(net.h[0], s)",
        "net.h.dense.bias[0] >= 1 and net.h.dense.weights[0, 0] + net.h.dense.weights[0, 1] >= 0",
    ),
    (NUMBERS, "net.o.bias[0] in {1}", "net.o.bias[0] <= 0"),
    (NUMBERS, "net.o.bias[0] != 0", "net.o.bias[0] <= 0"),
    (NUMBERS, "l0(net.weights) >= (if used(net.x[p0]) then 2 else 3)", "l0(net.weights) <= 1"),
    (NUMBERS, "max(net.o.weights) >= 1", "norm_1(net.o.weights) <= 0"),
    (NUMBERS, "min(net.o.weights) >= 1", "l0(net.o.weights) <= 1"),
    (NUMBERS, "abs(net.o.weights[0, 0]) >= 1", "l0(net.o.weights) <= 0"),
    (NUMBERS, "clip(net.o.bias[0], low: 0, high: 0.5) >= 0.5", "net.o.bias[0] <= 0"),
    (NUMBERS, "argmax(net.o.weights[0]) = 1", "net.o.weights[0, 0] >= 1"),
    (NUMBERS, "argmin(net.o.weights[0]) = 1", "net.o.weights[0, 1] >= 1"),
    (NUMBERS, "dot([1, 2], net.o.weights[0]) >= 2", "l0(net.o.weights) <= 0"),
    (REAL, "norm_2sq(net.weights) <= 0.1", "net.o.weights[0, p0] >= 0.5"),
    (REAL, "squared(net, train) <= 0.01", "norm_1(net.weights) <= 0.1"),
]


def test_no_word_of_a_constraint_is_left_out() -> None:
    used = set(re.findall(r"\w+", " ".join(f"{one} {other}" for _, one, other in PAIRS)))
    assert {*WORDS, *BUILTINS, "channels", "forall", "xor", "not", "and", "in", "if"} - used == set()


@pytest.mark.parametrize(("text", "one", "other"), PAIRS, ids=lambda value: value if len(value) < 90 else "")
def test_the_conflict_of_two_constraints(text: str, one: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    path = tmp_path / "model.nnm"
    path.write_text(f'{text}constraint a "the first wish": {one}\nconstraint b "the second wish": {other}\n')
    result = load(path).solve()
    assert result.termination == "infeasible" and result.conflict is not None
    assert result.conflict.irreducible and [c.name for c in result.conflict.constraints] == ["a", "b"]
    report = render_result(result)
    for name, sentence, condition in (("a", "first", one), ("b", "second", other)):
        line = next(line for line in report.splitlines() if line.strip().startswith(f'{name} "the {sentence} wish"  ('))
        assert f"{line}\n              {condition}\n" in report
    assert "says nothing" not in report
