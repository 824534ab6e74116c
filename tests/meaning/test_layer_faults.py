"""The safety net sees faults in the encodings of layers: one at a time is put in, and enumeration must notice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnmip.milp.builder import MilpBuilder
from nnmip.ops.base import Connections
from nnmip.ops.layers import conv2d
from nnmip.ops.registry import LAYERS
from tests.meaning.faults import Known, dropping, first_disagreement, problems, with_rows
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load
from tests.meaning.test_layers import seeded_net

CONNECT = conv2d.connect
NEGATIVE_POOL = model(
    "layer i = reshape(x, shape: [1, 1, 2]); layer c = abs(conv2d(i, filters: 1, kernel: 1, weights in {1, 2}));"
    " layer k = conv2d(c, filters: 1, kernel: 1, weights in {-1, -2}); layer p = maxpool2d(k, kernel: [1, 2]);"
    " layer o = dense(flatten(p), units: 1, weights in {1}); return o[0]",
    "minimize hinge(net, train)",
    rows="1,2,neg\n2,2,neg\n",
)
"""A pool of which every candidate is negative and none comes from a ReLU."""

REMOVED = model(
    "layer h = dense(x, units: 1, weights in {0, 1}); layer a = hard_sigmoid(h, prune: units); return a[0]",
    "minimize hinge(net, train)",
    rows="1,2,neg\n2,2,neg\n",
)
"""A unit that is best removed, and would be 0.5 with weights of 0; no weight behind it hides that."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    """Random networks, and two by hand."""
    nets = {seed: seeded_net(seed) for seed in range(4000, 4060)} | {0: NEGATIVE_POOL, 1: REMOVED}
    return [Known.of(str(seed), load(net, tmp_path_factory.mktemp("m"))) for seed, net in nets.items()]


def test_without_a_fault_all_agree(known: list[Known]) -> None:
    assert not problems(known)


@pytest.mark.parametrize(
    "end",
    [
        *(".at_least", ".at_most", ".off", ".on", ".is", ".one_pick"),
        *(".skipped.off_upper", ".skipped.on_lower", ".skipped.on_upper", ".rest_upper", ".rest_lower"),
        *(".both", ".some"),
    ],
)
def test_a_dropped_row_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(end))
    assert first_disagreement(with_rows(known, end)) is not None


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("nnmip.lowering.activations.without_weights", lambda network, name: np.zeros(network.layer(name).shape)),
        ("nnmip.lowering.activations.removable", lambda low, network, layer, value: value),
        ("nnmip.lowering.base.Lowering.is_fused", lambda self, network, layer: layer.op == "maxpool2d"),
        ("nnmip.lowering.base.Lowering.gap_below_zero", lambda self, layer, step: 3.0),
        ("nnmip.hir.wiring.Wiring.block_units", lambda self, layer: np.zeros(0, dtype=np.int64)),
        ("nnmip.lowering.decisions._source_gate", lambda gates, wiring, decision: None),
        ("nnmip.lowering.decisions._target_gate", lambda gates, wiring, decision: None),
    ],
)
def test_a_wrong_part_is_noticed(place: str, fault: Any, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, fault)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("fault", ["place", "padding"])
def test_wrong_connections_are_noticed(fault: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows one place too far, a padding that repeats the first pixel."""

    def faulty(shape: tuple[int, ...], options: Any) -> Connections:
        right = CONNECT(shape, options)
        if fault == "padding":
            return replace(right, source=np.maximum(right.source, 0))
        there = (right.source + 1) % int(np.prod(shape))
        return replace(right, source=np.where(right.source >= 0, there, -1))

    others = {**LAYERS, "conv2d": replace(conv2d.OP, connect=faulty)}
    monkeypatch.setattr("nnmip.lowering.linear.LAYERS", others)
    assert first_disagreement(known) is not None


def test_units_that_outlive_their_block_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pruned units inside a block that is left out go with it, whatever the goal gains by their weights."""
    text = (
        'nnm 0.1\ndata train = csv("rows.csv") { features a\n label y as {p: +1, m: -1} }\n'
        "network net(x: real[1] in [0, 1]) {\n"
        "  layer h = relu(dense(x, units: 1, weights in {-1, 1}), prune: units)\n"
        "  layer b = dense(h, units: 1, weights in {-1, 1}, optional: true, skip: x)\n"
        "  layer o = dense(b, units: 1, weights in {-1, 1})\n  return o[0]\n}\n"
        "maximize l0(net.weights)\nconstraint out: not used(net.b)\n"
    )
    program = load(Model(text, {"rows.csv": "a,y\n1,p\n0,m\n"}), tmp_path_factory.mktemp("block"))
    known = Known.of("block", program)
    assert (known.truth, known.problem) == (1.0, "")
    monkeypatch.setattr("nnmip.lowering.networks._keep_nothing_of_a_block", lambda low, wiring: None)
    assert first_disagreement([known]) is not None
