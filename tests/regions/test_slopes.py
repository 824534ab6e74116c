"""Bounds of slopes over boxes, against differences on dense grids."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Assignment, Network
from nnmip.hir.evaluate import result
from nnmip.hir.goals import Slope
from nnmip.hir.known import KnownNetwork
from nnmip.ops.registry import LAYERS
from nnmip.regions import slopes
from nnmip.verification.units import Pieces

ACTIVATIONS = ("relu(h)", "leaky_relu(h)", "clip(h, low: 0, high: 1)", "hard_sigmoid(h)", "abs(h)", "hard_tanh(h)")


def network(activation: str) -> Network:
    text = f"""nnm 0.1
network f(x: real[2] in [-1, 1]) {{
  layer h = dense(x, units: 3, weights in [-2, 2], bias in [-2, 2])
  layer a = {activation}
  layer g = dense(a, units: 2, weights in {{-1, 0, 1}}, bias in [-2, 2])
  layer b = relu(g)
  layer o = dense(b, units: 1, weights in {{-1, 0, 1}}, bias in [-2, 2])
  return o[0]
}}
satisfy
"""
    return nnmip.loads(text).program.networks[0]


def drawn(net: Network, seed: int) -> Assignment:
    """Weights of which about half make the network rise in its first entry."""
    random = np.random.default_rng(seed)
    values = {}
    for decision in net.decisions:
        array = random.uniform(-1.0, 1.0, decision.shape).round(2)
        is_weights = decision.role == "weights"
        shift = 2.0 * random.integers(-1, 2) if not is_weights else 0.0
        values[decision.path] = np.abs(array) if is_weights and random.random() < 0.7 else array + shift
    return Assignment(values, {})


def falls(net: Network, weights: Assignment, feature: int, sign: float) -> float:
    """The largest fall between neighbours on a grid along an axis."""
    line = np.linspace(-1.0, 1.0, 401)
    grid = np.stack(np.meshgrid(line, np.linspace(-1.0, 1.0, 81), indexing="ij"), axis=-1)
    points = grid if feature == 0 else grid[..., ::-1]
    scores = sign * result(net, weights, points.reshape(-1, 2)).reshape(401, 81)
    return float((np.maximum.accumulate(scores, axis=0) - scores).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_is_proved_holds_on_a_grid_and_what_falls_falls(activation: str) -> None:
    net, proved = network(activation), 0
    for seed in range(20):
        weights = drawn(net, seed)
        known = KnownNetwork(net, weights, (), None, ())
        for feature, sign in ((0, 1.0), (1, -1.0)):
            found = slopes.decide_slope(known, Slope("f", feature, sign), 5.0, lambda: False)
            fall = falls(net, weights, feature, sign)
            if found.is_proved:
                proved += 1
                assert fall <= 1e-9
            elif found.pair is not None:
                first, second = sign * result(net, weights, found.pair)
                assert second < first and (found.pair[0] <= found.pair[1]).all()
                assert (found.pair[0] != found.pair[1]).sum() == 1 and found.pair[0, feature] < found.pair[1, feature]
            else:
                assert fall <= 1e-3
    assert proved >= 3


IMAGES = (
    "relu(maxpool2d(conv2d(x, filters: 2, kernel: 1, weights in [-2, 2], bias in [-2, 2]), kernel: [1, 2]))",
    "maxpool2d(relu(conv2d(x, filters: 2, kernel: [1, 2], padding: [0, 1], weights in [-2, 2])), kernel: 2, stride: 1)",
    "avgpool2d(relu(conv2d(x, filters: 2, kernel: 1, weights in [-2, 2], bias in [-2, 2])), kernel: 2, padding: 1)",
    "maxpool2d(pad(x, border: [0, 0, 1, 1], value: 0.2), kernel: 2)",
    "relu(conv2d(pad(x, border: 1, value: 1), filters: 1, kernel: 2, weights in [-2, 2], bias in [-2, 2]))",
)


@pytest.mark.parametrize("layers", IMAGES)
def test_pools_against_lines_through_random_images(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of 2 x 2: what is proved falls on no line, and most of what falls on none is proved."""
    text = f"""nnm 0.1
network f(x: real[1, 2, 2] in [-1, 1]) {{
  layer a = flatten({layers})
  layer b = relu(dense(a, units: 2, weights in {{-1, 0, 1}}, bias in [-2, 2]))
  layer o = dense(b, units: 1, weights in {{-1, 0, 1}}, bias in [-2, 2])
  return o[0]
}}
satisfy
"""
    net, counts = nnmip.loads(text).program.networks[0], [0, 0]
    monkeypatch.setattr(slopes, "MOST_BOXES", 500)
    random = np.random.default_rng(3)
    lines = np.repeat(random.uniform(-1.0, 1.0, (300, 1, 4)), 81, axis=1)
    for seed in range(8):
        weights = drawn(net, seed)
        for feature, sign in ((0, 1.0), (3, -1.0)):
            points = lines.copy()
            points[..., feature] = np.linspace(-1.0, 1.0, 81)
            scores = sign * result(net, weights, points.reshape(-1, 1, 2, 2)).reshape(300, 81)
            fall = float((np.maximum.accumulate(scores, axis=1) - scores).max())
            known = KnownNetwork(net, weights, (), None, ())
            found = slopes.decide_slope(known, Slope("f", feature, sign), 60.0, lambda: False)
            counts[0] += found.is_proved
            counts[1] += fall <= 1e-9
            if found.is_proved:
                assert fall <= 1e-9
            elif found.pair is not None:
                first, second = sign * result(net, weights, found.pair.reshape(-1, 1, 2, 2))
                assert second < first
    assert 3 <= counts[0] >= 0.7 * counts[1]


def test_flat_parts_are_no_obstacle() -> None:
    """relu(x) - relu(x) + ... is 0 where x < 0, and slopes of exactly 0 cancel without rounding."""
    net = network("relu(h)")
    values = {decision.path: np.zeros(decision.shape) for decision in net.decisions}
    values["f.h.weights"] = np.array([[0.1, 0.3], [0.2, -0.7], [0.0, 1.0]])
    values["f.g.weights"] = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    values["f.o.weights"] = np.array([[1.0, -1.0]])
    known = KnownNetwork(net, Assignment(values, {}), (), None, ())
    assert slopes.decide_slope(known, Slope("f", 0, 1.0), 5.0, lambda: False).is_proved
    assert slopes.decide_slope(known, Slope("f", 1, 1.0), 5.0, lambda: False).pair is not None


def test_entries_that_are_left_out_of_a_pool_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that lose all but their first entry: lines show falls of what is then called monotone."""
    pool = LAYERS["maxpool2d"]
    blind = replace(pool, entries=lambda shapes, options: pool.entries(shapes, options)[:, :1])
    monkeypatch.setattr(slopes, "LAYERS", {**slopes.LAYERS, "maxpool2d": blind})
    with pytest.raises(AssertionError):
        test_pools_against_lines_through_random_images(IMAGES[1], monkeypatch)


def test_a_piece_that_is_forgotten_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relu taken for active everywhere: the grid shows falls of what is then called monotone."""
    rising = Pieces((Fraction(0),), Fraction(0), (Fraction(1), Fraction(1)))
    monkeypatch.setattr(slopes, "PIECES", {**slopes.PIECES, "abs": lambda options: rising})
    with pytest.raises(AssertionError):
        test_what_is_proved_holds_on_a_grid_and_what_falls_falls("abs(h)")
