"""Units that a network treats alike, filters among them: what is found, and that they can change places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.alike import Alike, alike_units
from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import forward, returned, without_removed
from nnmip.lowering.symmetry import ordered
from nnmip.passes.symmetry import interchangeable_units
from tests.meaning.generator import Model
from tests.meaning.handwritten.filters import FILTERS
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, random_assignment
from tests.meaning.test_layers import seeded_net

PIXELS = "layer i = reshape(x, shape: [{}]);"
CONV = "conv2d({}, filters: {}, kernel: {}, weights in {{-1, 1}}{})"
HEAD = "layer o = dense({}, units: 1, weights in {{-1, 1}}); return o[0]"
POOLED = PIXELS.format("1, 2, 2") + f"layer r = relu({CONV.format('i', 3, 1, '')});"
TWO = PIXELS.format("2, 1, 2") + f"layer r = relu({CONV.format('i', 4, 1, ', groups: 2')});"
DENSE = "layer h = dense(x, units: 3, weights in {-1, 1}, bias in {0, 1}); layer a = relu(h);"
TAIL = f"layer k = {CONV.format('r', 2, 1, ', groups: 2')};"
FOUND = {
    POOLED + HEAD.format("flatten(maxpool2d(r, kernel: 2))"): [[0, 1, 2]],
    POOLED + HEAD.format("globalavgpool(r)"): [[0, 1, 2]],
    POOLED + HEAD.format("flatten(pad(r, border: 1, value: 2))"): [[0, 1, 2]],
    POOLED + HEAD.format("flatten(concat(r, abs(r), axis: 1))"): [[0, 1, 2]],
    POOLED + HEAD.format("reshape(r, shape: [12])"): [[0, 1, 2]],
    # Pixels of two filters share a channel.
    POOLED + HEAD.format("globalavgpool(reshape(r, shape: [2, 2, 3]))"): [],
    POOLED + HEAD.format(f"flatten({CONV.format('r', 2, 2, ', padding: 1')})"): [[0, 1, 2], [0, 1]],
    POOLED + f"layer k = relu({CONV.format('r', 3, 1, '')});" + HEAD.format("flatten(k)"): [[0, 1, 2], [0, 1, 2]],
    # Every filter has a reader of its own.
    POOLED + HEAD.format(f"flatten({CONV.format('r', 3, 1, ', groups: 3')})"): [],
    TWO + HEAD.format("flatten(r)"): [[0, 1], [2, 3]],
    TWO + TAIL + HEAD.format("flatten(k)"): [[0, 1], [2, 3]],
    DENSE + HEAD.format("concat(a, h, axis: 0)"): [[0, 1, 2]],
    DENSE + HEAD.format("gate(a, step(h))"): [[0, 1, 2]],
    DENSE + HEAD.format("add(a, abs(h))"): [[0, 1, 2]],
    DENSE + HEAD.format("concat(a, x, axis: 0)"): [[0, 1, 2]],
    # The unit at the border has two entries.
    DENSE + HEAD.format("pad(a, border: [1, 0], value: 1)"): [[1, 2]],
    DENSE + HEAD.format("add(a, dense(x, units: 3, weights in {-1, 1}))"): [],
    DENSE + "return a[0]": [],
}


@pytest.mark.parametrize("layers", FOUND)
def test_units_that_are_alike_are_found(layers: str, tmp_path: Path) -> None:
    (network,) = load(model(layers, "minimize hinge(net, train)", rows="1,0,1,0,pos\n0,1,0,1,neg\n"), tmp_path).networks
    assert [alike.units.tolist() for alike in alike_units(network)] == FOUND[layers]


def swapped(assignment: Assignment, alike: Alike, order: np.ndarray) -> Assignment:
    """The units of a set in another order, by its tables."""
    values = {path: array.copy() for path, array in assignment.values.items()}
    kept = {path: array.copy() for path, array in assignment.kept.items()}
    for arrays, tables in ((values, alike.decisions), (kept, alike.kept)):
        for path, at in tables.items():
            arrays[path].reshape(-1)[at] = arrays[path].reshape(-1)[at[order]]
    return Assignment(values, kept)


def nets() -> dict[str, Model]:
    return {**FILTERS, **{str(seed): seeded_net(seed) for seed in range(1125, 1165)}}


@pytest.mark.parametrize("name", nets())
def test_alike_units_can_change_places(name: str, tmp_path: Path) -> None:
    """The result stays, and every tensor has the same entries where the tables say."""
    program = load(nets()[name], tmp_path)
    rng = np.random.default_rng(0)
    for network in program.networks:
        rows = rng.uniform(-1, 1, (6, *network.input_shape))
        for alike in alike_units(network):
            assignment = without_removed(program, random_assignment(program, rng))
            order = rng.permutation(len(alike.units))
            before = forward(network, assignment, rows)
            after = forward(network, swapped(assignment, alike, order), rows)
            assert returned(network, after) == pytest.approx(returned(network, before), abs=1e-12)
            for layer in network.layers:
                moved = before[layer.name].reshape(len(rows), -1).copy()
                if layer.name in alike.tensors:
                    at = alike.tensors[layer.name]
                    moved[:, at] = moved[:, at[order]]
                assert after[layer.name].reshape(len(rows), -1) == pytest.approx(moved, abs=1e-12), layer.name


@pytest.mark.parametrize("name", nets())
def test_an_order_is_reached_from_any_other(name: str, tmp_path: Path) -> None:
    program = load(nets()[name], tmp_path)
    rng = np.random.default_rng(1)
    for alike in interchangeable_units(program):
        assignment = without_removed(program, random_assignment(program, rng))
        one = ordered(assignment, [alike])
        other = ordered(swapped(assignment, alike, rng.permutation(len(alike.units))), [alike])
        key, at = alike.key
        assert one.values[key.path].reshape(-1)[at].tolist() == other.values[key.path].reshape(-1)[at].tolist()


def test_some_of_the_units(tmp_path: Path) -> None:
    (network,) = load(
        model(TWO + HEAD.format("flatten(r)"), "minimize hinge(net, train)", rows="1,0,1,0,pos\n"), tmp_path
    ).networks
    (first, second) = alike_units(network)
    one = second.only(np.array([1]))
    assert one.units.tolist() == [3] and one.tensors["r"].tolist() == [[6, 7]]
    assert replace(one, units=first.units).key[1].tolist() == [3]
