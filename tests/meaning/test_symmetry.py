"""Which units a model names, and that the order of the others changes no optimum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Program
from nnmip.lowering.lower import lower_program
from nnmip.ops.registry import WORDS
from nnmip.passes.exchange import ENTRYWISE, ORDERED, REDUCING
from nnmip.passes.symmetry import interchangeable_units
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, solve_highs

LAYERS = (
    "layer h = dense(x, units: 3, weights in {-1, 0, 1}, bias in {-1, 0, 1}); layer a = relu(h, prune: units);"
    "layer k = dense(a, units: 2, weights in {-1, 1}, bias in {-1, 0}); layer b = relu(k);"
    "layer o = dense(b, units: 1, weights in {-1, 0, 1}, bias in {0, 1}); return o[0]"
)
Named = dict[str, list[int]]
ALL: Named = {"net.a": [0, 1, 2], "net.b": [0, 1]}
NAMED: dict[str, Named] = {
    "sum(net.h.weights[0]) <= 0": {"net.a": [1, 2], "net.b": [0, 1]},
    "net.h.weights[1, 0] <= 0": {"net.a": [0, 2], "net.b": [0, 1]},
    "net.h.bias[2] >= 0": {"net.a": [0, 1], "net.b": [0, 1]},
    "net.h.bias >= 0": ALL,
    "net.k.weights[0, 1] <= 0": {"net.a": [0, 2]},
    "sum(net.k.weights[:, 2]) <= 0": ALL | {"net.a": [0, 1]},
    "l0(net.k.weights[0]) <= 1": {"net.a": [0, 1, 2]},
    "net.k.bias[0] <= -1": ALL | {"net.b": []},
    "net.o.weights[0, 0] <= 0": ALL | {"net.b": []},
    "net.o.bias[0] <= 0": ALL,
    "l0(net.o.weights[0]) <= 1": ALL,
    "used(net.a[0])": {"net.a": [1, 2], "net.b": [0, 1]},
    "count(used(net.a[0])) <= 0": {"net.a": [1, 2], "net.b": [0, 1]},
    "count(used(net.a[0:1])) <= 0": {"net.a": [1, 2], "net.b": [0, 1]},
    "count(used(net.a[0:2])) <= 1": ALL | {"net.a": [0, 1]},
    "count(used(net.h[1:3])) <= 1": ALL | {"net.a": [1, 2]},
    "count(used(net.a)) <= 1": ALL,
    "count(used(net.a[0:3])) <= 1": ALL,
    "count(used(net.h)) <= 1": ALL,
    "used(net.b)": ALL,
    "l0(net.weights) <= 3": ALL,
    "norm_1(net.h.weights) >= 1": ALL,
    "sum(net.biases) = 0": ALL,
    "sum(2 * net.h.weights) <= 1": ALL,
    "sum([1, 2, 3] * net.h.bias) <= 1": {"net.b": [0, 1]},
    "l0(net.weights[0:2]) <= 1": ALL | {"net.a": [0, 1]},
    "forall j in units(net.a): used(net.a[j]) -> nonzero(net.h.weights[j, 0])": ALL,
    "forall s in train: atmost(1, active(net.a, s))": ALL,
    "forall s in train: active(net.a[0], s) -> net(s) <= 1": ALL | {"net.a": [1, 2]},
    "exists s in train: active(net.a[1], s) and active(net.a[2], s)": ALL | {"net.a": []},
    "fan_in(net.a) <= 1": ALL,
    "count(nonzero(net.h.weights)) <= 2": ALL,
    "count(j in units(net.a): net.h.bias[j] >= 0) <= 1": ALL,
    "exists j in units(net.a), k in units(net.b): net.k.weights[k, j] >= 1": ALL,
    "forall j in units(net.a), k in units(net.b): net.k.weights[k, j] >= 1 -> net.h.bias[j] >= net.k.bias[k]": ALL,
    "forall j in units(net.a): net.k.weights[0, j] <= net.k.weights[1, j]": {"net.a": [0, 1, 2]},
    "forall j in units(net.a): net.h.bias[j] <= j": {"net.b": [0, 1]},
    "forall j in 0..1: net.h.bias[j] >= net.h.bias[j + 1]": {"net.b": [0, 1]},
    "net.h.bias[0] >= 0 or net.h.bias[2] >= 0": {"net.b": [0, 1]},
    "net.k.weights[0, 0] >= 1 <-> used(net.b[1])": {"net.a": [1, 2]},
    "net.h.bias[0] = net.h.bias[1]": {"net.b": [0, 1]},
    "forall j in {0, 2}: net.h.bias[j] >= 0": ALL | {"net.a": [0, 2]},
    "features(net) <= 1 and used(net.x[0])": ALL,
}


def found_in(program: Program) -> Named:
    """The units that can be put in order, by the path of the layer that shows them."""
    return {alike.layer.path: alike.units.tolist() for alike in interchangeable_units(program)}


def named(constraint: str) -> Model:
    return model(LAYERS, "minimize hinge(net, train)", constraint, rows="-1,pos\n1,neg\n")


@pytest.mark.parametrize("constraint", NAMED)
def test_units_that_a_constraint_names_are_left_alone(constraint: str, tmp_path: Path) -> None:
    expected = {path: units for path, units in NAMED[constraint].items() if units}
    assert found_in(load(named(constraint), tmp_path)) == expected


def test_units_that_a_goal_names_are_left_alone(tmp_path: Path) -> None:
    goal = "minimize hinge(net, train) + norm_1(net.h.weights[0]) + net.o.weights[0, 1]"
    assert found_in(load(model(LAYERS, goal), tmp_path)).keys() == {"net.a"}
    goal = "minimize hinge(net, train) + 0.1 * l0(net.weights) + count(used(net.a))"
    assert found_in(load(model(LAYERS, goal), tmp_path)) == ALL


def test_a_question_that_is_too_large_is_answered_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = load(named("fan_in(net.a) <= 1"), tmp_path)
    monkeypatch.setattr("nnmip.passes.exchange.MOST_NUMBERS", 10)
    assert found_in(program) == {"net.b": [0, 1]}


def test_every_word_says_how_it_reads_its_entries() -> None:
    of_networks = {name for name, word in WORDS.items() if word.task is not None or word.is_sufficient}
    assert set(WORDS) - of_networks == REDUCING | ENTRYWISE | ORDERED


def test_the_result_cannot_be_permuted(tmp_path: Path) -> None:
    layers = "layer o = dense(x, units: 2, weights in {-1, 1}); return o[1]"
    assert found_in(load(model(layers, "minimize hinge(net, train)"), tmp_path)) == {}


def test_linear_hidden_units_can_be_permuted(tmp_path: Path) -> None:
    layers = (
        "layer h = dense(x, units: 2, weights in {-1, 1});layer o = dense(h, units: 1, weights in {-1, 1}); return o[0]"
    )
    assert found_in(load(model(layers, "minimize hinge(net, train)"), tmp_path)).keys() == {"net.h"}


@pytest.mark.parametrize("constraint", [c for c in NAMED if "[1, 2, 3]" not in c])
def test_order_changes_no_optimum(constraint: str, tmp_path: Path) -> None:
    program = load(named(constraint), tmp_path)
    found = [solve_highs(lower_program(program, symmetry=symmetry).milp).objective for symmetry in (True, False)]
    assert found[0] == pytest.approx(found[1], abs=1e-7)


def test_order_rows_are_made_for_every_class(tmp_path: Path) -> None:
    program = load(named("l0(net.weights) <= 3"), tmp_path)
    paths = {block.path: block.size for block in lower_program(program).milp.rows if ".order" in block.path}
    assert paths == {"net.a.order": 2, "net.a.order.kept": 2, "net.b.order": 1}
    assert not any(".order" in block.path for block in lower_program(program, symmetry=False).milp.rows)


def test_a_first_weight_orders_units_without_a_bias(tmp_path: Path) -> None:
    layers = (
        "layer h = dense(x, units: 2, weights in {-1, 1}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in {-1, 1}); return o[0]"
    )
    program = load(model(layers, "minimize hinge(net, train)"), tmp_path)
    low = lower_program(program)
    answer = solve_highs(low.milp)
    assert answer.x is not None
    weights = low.lift(answer.x).values["net.h.weights"]
    assert (np.diff(weights[:, 0]) <= 0).all()


@pytest.mark.parametrize("rule", ["argmax(net.a.bias) = 1", "argmin(net.a.bias) <= 0"])
def test_units_whose_order_is_named_are_not_exchanged(rule: str, tmp_path: Path) -> None:
    layers = (
        "layer a = relu(dense(x, units: 2, weights in {-1, 1}, bias in {0, 1}));"
        "layer o = dense(a, units: 1, weights in {-1, 1}); return o[0]"
    )
    free = load(model(layers, "minimize hinge(net, train)"), tmp_path)
    assert found_in(free)
    ruled = load(model(layers, f"constraint r: {rule}\nminimize hinge(net, train)"), tmp_path)
    assert found_in(ruled) == {}
