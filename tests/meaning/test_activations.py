"""Each activation alone: the optimum of random linear objectives over (z, f(z)) equals brute force over its pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.hir.domain import Domain
from nnmip.lowering.base import Signal
from nnmip.lowering.layers import LAYER_LOWERINGS
from nnmip.ops.registry import LAYERS
from tests.meaning.test_pieces import ORIGIN, best, free, lowering

BOXES = [(-2.0, 3.0), (-1.0, 0.0), (0.0, 2.0), (-3.0, -1.0), (1.0, 2.0), (-0.5, 8.0), (-9.0, 9.0), (0.25, 0.75)]
BENDS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "relu": ({}, (0.0,)),
    "leaky_relu": ({"slope": 0.1}, (0.0,)),
    "abs": ({}, (0.0,)),
    "clip": ({"low": -1.5, "high": 0.5}, (-1.5, 0.5)),
    "relu6": ({}, (0.0, 6.0)),
    "hard_tanh": ({}, (-1.0, 1.0)),
    "hard_sigmoid": ({"slope": 0.25, "shift": 0.5}, (-2.0, 2.0)),
    "piecewise": (
        {"points": (-2.0, -0.5, 0.5, 2.5), "values": (1.0, -1.0, 2.0, 1.5), "outside": (0.5, -1.0)},
        (-2.0, -0.5, 0.5, 2.5),
    ),
}
GAP = 0.125
SIDES = [(1.0, -9.0), (-1.0, 9.0), (1.0, 9.0), (-1.0, -9.0)]
OBJECTIVES = [*SIDES, *np.random.default_rng(0).normal(size=(4, 2)).tolist()]


def lowest(op: str, options: dict[str, Any], box: tuple[float, float], c: float, d: float) -> float:
    """The least c z + d f(z) that the encoding of f leaves for z in `box`."""
    low = lowering()
    z = free(low, "z", *box)
    layer = Layer("f", "net.f", op, ("x",), (), tuple(options.items()), (1,), None, ORIGIN)
    domain = Domain.of([box])
    network = Network("net", "x", (1,), domain, (layer,), "f", np.array(0), ORIGIN)
    before = Interval.box((1, 1), *box)
    after = LAYERS[op].interval((before,), {}, {**options, "tolerance": 1e-9})
    y = LAYER_LOWERINGS[op](low, network, layer, (Signal(z, before),), after, "net.f").value
    found = best(low, (z * c + y * d).sum())
    assert found is not None
    return found


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("op", BENDS)
def test_an_activation_with_bends_is_exact(op: str, box: tuple[float, float]) -> None:
    """Linear between its bends, so that the least value is at a bend or at an end."""
    options, bends = BENDS[op]
    points = np.array([*box, *(b for b in bends if box[0] < b < box[1])])
    values = LAYERS[op].forward((points[:, None],), {}, options)[:, 0]
    for c, d in OBJECTIVES:
        assert lowest(op, options, box, c, d) == pytest.approx((c * points + d * values).min(), abs=1e-7)


@pytest.mark.parametrize("box", [*BOXES, (-GAP, 1.0), (-1.0, -GAP)])
@pytest.mark.parametrize(("op", "below"), [("step", 0.0), ("sign", -1.0)])
def test_a_threshold_is_exact_up_to_its_gap(op: str, below: float, box: tuple[float, float]) -> None:
    """1 on [0, U] and `below` on [L, -gap]; no value in between."""
    ends = [(z, 1.0) for z in (max(box[0], 0.0), box[1]) if box[1] >= 0.0]
    ends += [(z, below) for z in (box[0], min(box[1], -GAP)) if box[0] <= -GAP]
    for c, d in OBJECTIVES:
        expected = min(c * z + d * y for z, y in ends)
        assert lowest(op, {"strictness": GAP}, box, c, d) == pytest.approx(expected, abs=1e-7)


def test_every_activation_stands_here() -> None:
    entrywise = {name for name, op in LAYERS.items() if op.prune and not op.domains}
    assert entrywise <= {*BENDS, "step", "sign", "gate"}
