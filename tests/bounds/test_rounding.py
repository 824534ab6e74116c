"""Bounds in float64 against exact arithmetic: every plane below its row, every interval around its value."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import nnmip.bounds.crown as crown_module
from nnmip.bounds.crown import Crown
from nnmip.bounds.interval import FloatArray, Interval, matmul
from nnmip.bounds.known import KnownWeights, propagate_known
from nnmip.hir.core import Assignment, Network
from nnmip.ops.base import Blend
from nnmip.ops.layers.conv2d import correlate, placed, spread
from nnmip.ops.registry import LAYERS
from nnmip.ops.windows import windows_over
from tests.bounds.nets import Sketch, boxes, points
from tests.bounds.test_crown import NETS, kernel

exact: Callable[[Any], Any] = np.vectorize(Fraction, otypes=[object])
"""Arrays as rational numbers: every float64 is one."""


def exact_forward(network: Network, assignment: Assignment, inputs: FloatArray) -> dict[str, Any]:
    """The outputs of all layers as rational numbers, by the meaning of the layers."""
    outputs = {network.input_name: exact(inputs)}
    for layer in network.layers:
        kept = assignment.kept.get(layer.path)
        options = {key: Fraction(value) if isinstance(value, float) else value for key, value in layer.options}
        weights = {d.role: exact(assignment.values[d.path]) for d in layer.decisions}
        reads = tuple(outputs[name] for name in layer.inputs)
        value = LAYERS[layer.op].forward(reads, weights, {**options, "tolerance": Fraction(0)})
        if LAYERS[layer.op].blend is Blend.MEAN:  # the division by a count of NumPy is not exact
            entries = LAYERS[layer.op].entries(tuple(r.shape[1:] for r in reads), dict(layer.options))
            seen = [
                [reads[0].ravel()[k] for k in places if k >= 0] for places in entries.reshape(-1, entries.shape[-1])
            ]
            value = np.array([sum(s, Fraction(0)) / len(s) for s in seen], dtype=object).reshape(value.shape)
        if kept is not None:
            value = (value if kept else outputs[layer.skip]) if layer.skip is not None else value * kept
        outputs[layer.name] = exact(value)
    return outputs


def total(a: Any, b: Any) -> Fraction:
    return sum((x * y for x, y in zip(np.ravel(a), np.ravel(b), strict=True)), Fraction(0))


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("name", NETS)
def test_planes_and_bounds_hold_in_rational_arithmetic(name: str, steps: int) -> None:
    """At corners and at random points of small boxes, whose centers make the last bits matter."""
    rng = np.random.default_rng(11)
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 1e-3 if name != "sign" and not steps else 0.5)
    walk = Crown(KnownWeights(network, assignment), box, steps=steps)
    walk.tighten()
    shape = network.layer(network.result_layer).shape
    rows = rng.normal(size=(1, 3, *shape))
    planes = walk.planes(network.result_layer, rows)
    least = planes.least(box)
    for point in points(rng, box, 4)[:, 0]:
        values = exact_forward(network, assignment, point[None])
        for layer, bounds in walk.outputs.items():
            for value, lo, hi in zip(values[layer].ravel(), bounds.lo.ravel(), bounds.hi.ravel(), strict=True):
                assert Fraction(lo) <= value <= Fraction(hi), layer
        for k in range(3):
            truth = total(exact(rows[0, k]), values[network.result_layer])
            plane = total(exact(planes.slope[0, k]), exact(point)) + Fraction(planes.shift[0, k])
            assert plane <= truth
            assert Fraction(least[0, k]) <= plane


def cancelling(rng: np.random.Generator) -> Sketch:
    """Units of size 1e10 of which almost nothing is left."""
    net = Sketch(3)
    first = rng.normal(size=(6, 3))
    name = net.add("relu", net.add("dense", "x", weights=first, bias=10.0 + np.zeros(6)))
    second = 1e10 * rng.normal(size=(4, 6))
    name = net.add("dense", name, weights=np.concatenate([second, second]), bias=np.zeros(8))
    net.add("dense", name, weights=np.concatenate([np.ones((1, 4)), -np.ones((1, 4))], axis=1) / 3.0)
    return net


def excess(seed: int) -> Fraction:
    """By how much the largest plane at a point is above the exact value of a network that cancels."""
    rng = np.random.default_rng(seed)
    network, assignment = cancelling(rng).network()
    box = boxes(rng, 1, (3,), 1e-9)
    walk = Crown(KnownWeights(network, assignment), box)
    walk.tighten()
    rows = np.concatenate([np.ones((1, 1, 1)), -np.ones((1, 1, 1))], axis=1)
    planes = walk.planes(network.result_layer, rows)
    worst = Fraction(-1)
    for point in points(rng, box, 3)[:, 0]:
        value = exact_forward(network, assignment, point[None])[network.result_layer].item()
        for k, sign in enumerate((1, -1)):
            plane = total(exact(planes.slope[0, k]), exact(point)) + Fraction(planes.shift[0, k])
            worst = max(worst, plane - sign * value)
    return worst


def test_cancellation_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the charge for rounding, planes are above values that they should be below."""
    assert max(map(excess, range(20))) <= 0
    monkeypatch.setattr(crown_module, "_charge", lambda rows, scale, magnitude: np.zeros((1, rows.shape[1])))
    assert sum(excess(seed) > 0 for seed in range(20)) > 5


# ---- interval propagation ------------------------------------------------------------------------------------------


def test_known_weights_bound_exact_products() -> None:
    rng = np.random.default_rng(5)
    for scale in (1.0, 1e-160, 1e150):
        lo = rng.normal(size=(3, 7)) * scale
        box = Interval(lo, lo + rng.random((3, 7)) * scale * (rng.random((3, 7)) < 0.7))
        weights = rng.normal(size=(4, 7)) * scale * (rng.random((4, 7)) < 0.8)
        found, corners = matmul(box, Interval.point(weights)), matmul(box, Interval(weights, weights.copy()))
        for n, k in np.ndindex(3, 4):
            ends = [
                (Fraction(w) * Fraction(box.lo[n, i]), Fraction(w) * Fraction(box.hi[n, i]))
                for i, w in enumerate(weights[k])
            ]
            assert Fraction(found.lo[n, k]) <= sum(map(min, ends)) and Fraction(found.hi[n, k]) >= sum(map(max, ends))
        assert np.allclose(found.lo, corners.lo, rtol=1e-12) and np.allclose(found.hi, corners.hi, rtol=1e-12)


def test_known_weights_keep_known_signs() -> None:
    box = Interval(np.array([[0.0, -1.0, 0.0]]), np.array([[0.3, 0.0, 0.7]]))
    weights = np.array([[0.1, -3.0, 1.0], [-0.1, 3.0, -1.0], [0.1, 1.0, 1.0], [0.0, 0.0, 0.0]])
    found = matmul(box, Interval.point(weights))
    assert found.lo[0, 0] == 0.0 and found.hi[0, 0] > 3.73
    assert found.hi[0, 1] == 0.0 and found.lo[0, 1] < -3.73
    assert found.lo[0, 2] < -0.99 and found.hi[0, 2] > 0.72
    assert (found.lo[0, 3], found.hi[0, 3]) == (0.0, 0.0)


def test_known_inputs_and_weights_give_points_up_to_rounding() -> None:
    rng = np.random.default_rng(6)
    rows, weights = rng.normal(size=(5, 30)), rng.normal(size=(4, 30))
    found = matmul(Interval.point(rows), Interval.point(weights))
    assert (
        (found.lo < found.hi).all() and np.allclose(found.lo, rows @ weights.T) and (found.hi - found.lo).max() < 1e-12
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_and_its_transpose(groups: int) -> None:
    """<correlate(x), y> = <x, spread(y)>, and the sums are those of the meaning."""
    rng = np.random.default_rng(groups)
    for padding, stride, dilation in (((0, 0), (1, 1), (1, 1)), ((1, 2), (2, 3), (1, 2)), ((2, 0), (1, 2), (2, 1))):
        given = kernel(rng, 4, 4 // groups, 3, 3)
        net = Sketch(4, 8, 9)
        options = {"padding": padding, "stride": stride, "dilation": dilation, "groups": groups}
        net.add("conv2d", "x", **given, **options)
        windows = windows_over((4, 8, 9), dict(net.layers[0].options), "conv2d")
        x = rng.normal(size=(2, 4, 8, 9))
        sums = correlate(x, given["weights"], windows, groups)
        meant = LAYERS["conv2d"].forward((x,), {"weights": given["weights"]}, dict(net.layers[0].options))
        assert np.allclose(sums, meant)
        y = rng.normal(size=sums.shape)
        assert np.isclose((sums * y).sum(), (x * spread(y, given["weights"], windows, groups)).sum())
        single = placed(np.arange(sums[0].size), given["weights"], windows, groups)
        assert np.allclose(single.reshape(len(single), -1) @ x[0].ravel(), sums[0].ravel())


def test_intervals_of_convolutions_contain_corner_products() -> None:
    rng = np.random.default_rng(8)
    net = Sketch(2, 5, 5)
    net.add("conv2d", "x", **kernel(rng, 3, 2, 3, 3), padding=(1, 1), stride=(2, 2))
    network, assignment = net.network()
    box = boxes(rng, 3, (2, 5, 5))
    found = propagate_known(network, assignment, box).outputs["l0"]
    weights = {d.role: Interval(v := assignment.values[d.path], v.copy()) for d in network.layers[0].decisions}
    other = LAYERS["conv2d"].interval((box,), weights, dict(network.layers[0].options))
    assert np.allclose(found.lo, other.lo) and np.allclose(found.hi, other.hi)
