"""Logic: many expressions as one tensor, values by hand, what bounds decide, and the notes on strictness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Fold, Program
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.stack import stacked
from nnmip.lowering.lower import lower_program
from nnmip.pipeline import loads
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, random_assignment

HEAD = """nnm 0.1
data train = csv("rows.csv") {
  features f0, f1
  label label as {neg: -1, pos: +1}
}
network net(x: real[2] in [-4, 4]) {
  layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {-1, 0, 1})
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
"""
ROWS = "f0,f1,label\n0,1,neg\n1,0,pos\n2,-1,pos\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def program(folder: Path, *constraints: str) -> Program:
    lines = [f"constraint c{i}: {text}" for i, text in enumerate(constraints)]
    return loads(HEAD + "\n".join(lines), directory=folder).program


BODIES = [
    "net.h.weights[J, 0] <= 0.5",
    "2 * net.h.weights[J, 1] - net.h.bias[J] = J",
    "used(net.a[J]) -> nonzero(net.h.weights[J, 0])",
    "net.h.weights[J] >= 0",
    "l0(net.h.weights[J]) + J <= 1",
    "norm_inf(net.h.weights[:, J]) >= norm_1(net.h.weights[J])",
    "(if used(net.a[J]) then net.h.bias[J] else J) <= 0",
    "net.h.weights[J, 0] >= 0 xor not used(net.a)",
    "atmost(1, nonzero(net.h.weights[J]), used(net.a[J]))",
    "fan_in(net.a) <= J",
    "exists s in train: active(net.a[J], s) and net(s) <= J",
    "hinge(net, train) <= J",
    "net.h.weights[J, 0] in {0} | [0.5, J + 1]",
]


@pytest.mark.parametrize("body", BODIES)
def test_a_stack_has_the_values_of_its_parts(body: str, folder: Path) -> None:
    """Read for each unit alone, and for both by a quantifier."""
    parts = [f"({body.replace('J', str(j))})" for j in (0, 1)]
    apart = program(folder, *parts)
    together = program(
        folder, f"forall j in 0..1: {body.replace('J', 'j')}", f"exists j in 0..1: {body.replace('J', 'j')}"
    )
    rng = np.random.default_rng(0)
    for _ in range(40):
        assignment = random_assignment(apart, rng)
        alone, joint = Evaluator(apart, assignment), Evaluator(together, assignment)
        values = np.concatenate([alone.value(p).reshape(-1) for c in apart.constraints for p in c.parts])
        every, some = (np.concatenate([joint.value(p).reshape(-1) for p in c.parts]) for c in together.constraints)
        assert every.min() == values.min()
        assert some.max() == values.max()


def test_a_rule_over_rows_is_one_tensor(folder: Path) -> None:
    (constraint,) = program(folder, "forall s in train: atmost(1, active(net.a, s))").constraints
    (fold,) = constraint.parts
    assert isinstance(fold, Fold) and fold.op == "and"
    assert fold.operand.shape == (3,)


def test_expressions_of_two_forms_make_two_stacks(folder: Path) -> None:
    constraints = program(folder, "net.h.bias[0] <= 1", "net.o.bias[0] <= 1", "net.h.bias[1] <= 0").constraints
    stacks = stacked([c.parts[0] for c in constraints])
    assert [stack.shape for stack in stacks] == [(2,), (1,)]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("forall i in 0..<2 where i > 5: false", True),
        ("exists i in 0..<2 where i > 5: true", False),
        ("forall i in 0..3, j in 0..<4 where j = i: i = j", True),
        ("exists i in {1, 3}: i = 2", False),
        ("sum(i in 0..3 where i != 2: i) = 4", True),
        ("count(i in 0..3: i >= 2) = 2", True),
        ("atmost(1, i in 0..3: i >= 2)", False),
        ("exactly(2, i in 0..3: i >= 2)", True),
        ("forall f in features(train): f <= 1", True),
        ("exists k in classes(train): k = -1", True),
        ("sum(i in indices(net.h.weights): 1) = 2", True),
        ("forall s in train where s.f0 >= 1: s.label = 1", True),
        ('forall s in train: s.label = "pos" <-> s.f0 >= 1', True),
        ('exists s in train: s.label != "pos" and s.f1 = 1', True),
        ("true -> false -> false", True),
        ("false <-> (true xor true)", True),
        ("(if 1 <= 2 then 3 else 4) = 3", True),
        ("2 in {1, 2} and 2 not in [0, 1]", True),
        ("1 in 0..1", True),
    ],
)
def test_what_is_known_is_decided_at_once(rule: str, holds: bool, folder: Path) -> None:
    (constraint,) = program(folder, rule).constraints
    assert [float(p.value) for p in constraint.parts] == [float(holds)]  # type: ignore[union-attr]


def test_what_bounds_decide_needs_no_binary(tmp_path: Path) -> None:
    text = model(
        "layer o = dense(x, units: 1, weights in {-1, 0, 1}, bias in {0, 1}); return o[0]",
        "minimize hinge(net, train)",
        "net.o.weights[0, 0] <= 5 or net.o.bias[0] >= 2",
        "net.o.weights[0, 0] >= 1 xor net.o.bias[0] <= -1",
    )
    milp = lower_program(load(text, tmp_path)).milp
    assert sum(name.startswith("holds") for name in map(milp.column_name, range(milp.num_columns))) == 1


def test_a_stated_strictness_is_reported(folder: Path) -> None:
    free = HEAD.replace("weights in {-1, 0, 1}, bias in {-1, 0, 1})\n  layer a", "weights in [-1, 1])\n  layer a")
    inexact = loads(free + "constraint c: not (net.h.weights[0, 0] <= 0)", directory=folder)
    assert inexact.lowered.notes == ("net.h.weights[0, 0] <= 0: counts as false from a distance of 0.0001 on",)
    exact = loads(HEAD + "constraint c: not (net.h.weights[0, 0] <= 0)", directory=folder)
    assert exact.lowered.notes == ()
    row = next(i for i in range(exact.lowered.milp.num_rows) if exact.lowered.milp.row_name(i).startswith("c"))
    assert exact.lowered.milp.row_lb[row] == 1.0
