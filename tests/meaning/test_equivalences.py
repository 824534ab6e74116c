"""Models that say the same in different words have the same optimum (kernels and filters: `test_layers.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.lowering.lower import lower_program
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, solve_highs
from tests.meaning.test_layers import seeded_net

NET = (
    "layer a = relu(dense(x, units: 2, weights in {{-1, 0, 1}}, bias in {{-1, 0, 1}}), prune: units);"
    "layer b = dense(a, units: 2, weights in {{-1, 1}}{depth}); {more}"
    "layer o = dense({last}, units: 1, weights in {{-1, 0, 1}}, bias in {{0, 1}}); return o[0]"
)
GOAL = "minimize hinge(net, train) + 0.1 * l0(net.weights) + 0.05 * count(used(net.a))"
ROWS = "0,1,2,neg\n1,0,1,pos\n2,1,0,pos\n1,2,2,neg\n"
RULE = "net.a.dense.weights[{unit}, {feature}] >= 1"


def optimum(net: Model, folder: Path, *, symmetry: bool = True) -> float | None:
    return solve_highs(lower_program(load(net, folder), symmetry=symmetry).milp).objective


def same(first: float | None, second: float | None) -> bool:
    return first == second if first is None or second is None else first == pytest.approx(second, abs=1e-7)


def with_rows(net: Model, change: slice, times: int = 1) -> Model:
    """The model on some rows of its tables in another order, each several times."""
    tables = {}
    for name, text in net.tables.items():
        header, *rows = text.splitlines()
        tables[name] = "\n".join([header, *(row for row in rows[change] for _ in range(times))]) + "\n"
    return Model(net.text, tables)


@pytest.mark.parametrize("seed", range(8000, 8012))
def test_the_order_of_rows(seed: int, tmp_path: Path) -> None:
    net = seeded_net(seed)
    assert same(optimum(net, tmp_path), optimum(with_rows(net, slice(None, None, -1)), tmp_path))


@pytest.mark.parametrize("seed", range(8012, 8024))
def test_rows_that_stand_twice(seed: int, tmp_path: Path) -> None:
    """Losses are means, and rules hold for every row."""
    net = seeded_net(seed)
    assert same(optimum(net, tmp_path), optimum(with_rows(net, slice(None), times=2), tmp_path))


@pytest.mark.parametrize("seed", range(8024, 8036))
def test_the_order_of_units_that_is_imposed(seed: int, tmp_path: Path) -> None:
    net = seeded_net(seed)
    assert same(optimum(net, tmp_path), optimum(net, tmp_path, symmetry=False))


def network(depth: str = "", more: str = "", last: str = "b") -> str:
    return NET.format(depth=depth, more=more, last=last)


def test_the_order_of_features(tmp_path: Path) -> None:
    """The columns and the rule that names one of them change places together."""
    first = model(network(), GOAL, RULE.format(unit=0, feature=0), rows=ROWS)
    turned = "".join(f"{c},{b},{a},{y}\n" for a, b, c, y in (row.split(",") for row in ROWS.splitlines()))
    second = model(network(), GOAL, RULE.format(unit=0, feature=2), rows=turned)
    other = model(network(), GOAL, RULE.format(unit=0, feature=0), rows=turned)
    assert same(optimum(first, tmp_path), optimum(second, tmp_path))
    assert not same(optimum(first, tmp_path), optimum(other, tmp_path))


def test_the_order_of_units(tmp_path: Path) -> None:
    """It does not matter which of two units a rule names."""
    found = [model(network(), GOAL, RULE.format(unit=unit, feature=1), rows=ROWS) for unit in (0, 1)]
    assert same(optimum(found[0], tmp_path), optimum(found[1], tmp_path))


def test_an_optional_layer_that_is_out(tmp_path: Path) -> None:
    """Out, and it is the model without the layer; in, and it is the model where it cannot be left out."""
    optional = network(depth=", optional: true")
    without = NET.replace("layer b = dense(a, units: 2, weights in {{-1, 1}}{depth}); ", "")
    out = optimum(model(optional, GOAL, "not used(net.b)", rows=ROWS), tmp_path)
    assert same(out, optimum(model(without.format(more="", last="a"), GOAL, rows=ROWS), tmp_path))
    inside = optimum(model(optional, GOAL, "used(net.b)", rows=ROWS), tmp_path)
    assert same(inside, optimum(model(network(), GOAL, rows=ROWS), tmp_path))
    assert not same(out, inside)


def test_an_optional_activation_that_is_out(tmp_path: Path) -> None:
    """With its weights it is a block; what stands in for it is read instead."""
    block = network(more="layer k = relu(b, optional: true, skip: a); ", last="k")
    without = NET.replace("layer b = dense(a, units: 2, weights in {{-1, 1}}{depth}); ", "")
    out = optimum(model(block, GOAL, "not used(net.k)", rows=ROWS), tmp_path)
    assert same(out, optimum(model(without.format(more="", last="a"), GOAL, rows=ROWS), tmp_path))
