"""Bounds of networks with known weights: every kind of layer, sound on points of the box, rigorous in rationals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import nnmip.bounds.crown as crown_module
from nnmip.backends.linear import LinearProgram
from nnmip.bounds.crop import crops
from nnmip.bounds.crown import Crown, crown, undecided
from nnmip.bounds.interval import Interval
from nnmip.bounds.known import Contradiction, KnownWeights, Unbounded, propagate_known
from nnmip.bounds.obbt import obbt
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Network
from nnmip.hir.evaluate import forward, result
from nnmip.ops.registry import LAYERS
from tests.bounds.nets import Sketch, boxes, dense_net, points

Generator = np.random.Generator
ACTIVATIONS = ("relu", "leaky_relu", "clip", "relu6", "hard_tanh", "hard_sigmoid", "abs", "step", "sign")


def kernel(rng: Generator, *shape: int) -> dict[str, np.ndarray]:
    return {"weights": rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), "bias": 0.2 * rng.normal(size=shape[0])}


def image_net(rng: Generator) -> Sketch:
    """Convolutions with padding, stride, groups and dilation, both pools, a border."""
    net = Sketch(2, 7, 6)
    name = net.add("conv2d", "x", **kernel(rng, 4, 1, 3, 3), padding=(1, 1), groups=2)
    name = net.add("pad", net.add("relu", name), border=(1, 0, 0, 1), value=0.3)
    name = net.add("maxpool2d", name, kernel=(2, 2), stride=(2, 1), padding=(1, 0))
    name = net.add("conv2d", name, **kernel(rng, 3, 4, 2, 2), dilation=(2, 1))
    name = net.add("avgpool2d", net.add("leaky_relu", name), kernel=(2, 3), stride=(1, 2), padding=(0, 1))
    name = net.add("relu", net.add("dense", net.add("flatten", name), **kernel(rng, 7, 3 * 2 * 3)))
    net.add("dense", name, **kernel(rng, 3, 7))
    return net


def residual_net(rng: Generator) -> Sketch:
    """Two blocks with a skip connection, one tensor read three times, one added to itself."""
    net = Sketch(5)
    name = net.add("dense", "x", **kernel(rng, 8, 5))
    for _ in range(2):
        inner = net.add("dense", net.add("relu", name), **kernel(rng, 8, 8))
        name = net.add("add", name, net.add("relu", inner), name)
    net.add("dense", net.add("relu", name), **kernel(rng, 3, 8))
    return net


def joined_net(rng: Generator) -> Sketch:
    """Branches of an image that are joined along the channels, one of them reshaped."""
    net = Sketch(1, 4, 4)
    left = net.add("abs", net.add("conv2d", "x", **kernel(rng, 2, 1, 3, 3), padding=(1, 1)))
    right = net.add("reshape", net.add("dense", net.add("flatten", "x"), **kernel(rng, 32, 16)), shape=(2, 4, 4))
    both = net.add("concat", left, net.add("hard_tanh", right), axis=0)
    mean = net.add("globalavgpool", net.add("maxpool2d", both, kernel=(2, 2)))
    net.add("dense", net.add("relu", net.add("dense", mean, **kernel(rng, 6, 4))), **kernel(rng, 2, 6))
    return net


def moved_net(rng: Generator) -> Sketch:
    """Channels and entries with weights of their own, and entries picked in another order, some twice."""
    net = Sketch(2, 3, 2)
    name = net.add("rescale", "x", weights=rng.normal(size=2), bias=rng.normal(size=2))
    name = net.add("select", net.add("relu", name), entries=(3, 1, 3, 11, 0, 3), shape=(6,))
    name = net.add("rescale", net.add("dense", name, **kernel(rng, 5, 6)), weights=rng.normal(size=5))
    turned = net.add("select", net.add("relu", name), entries=(4, 2, 0, 1, 3), shape=None)
    net.add("dense", net.add("add", turned, name), **kernel(rng, 2, 5))
    return net


def gated_net(rng: Generator, gates: int = 6) -> Sketch:
    net = Sketch(4)
    by = net.add("step", net.add("dense", "x", **kernel(rng, gates, 4)))
    gated = net.add("gate", net.add("dense", "x", **kernel(rng, 6, 4)), by)
    net.add("dense", net.add("relu", net.add("dense", gated, **kernel(rng, 5, 6))), **kernel(rng, 2, 5))
    return net


def single_gate_net(rng: Generator) -> Sketch:
    return gated_net(rng, 1)


def pruned_net(rng: Generator) -> Sketch:
    """Removed units, and a block that is left out."""
    net = Sketch(4)
    kept = net.add("relu", net.add("dense", "x", **kernel(rng, 6, 4)), kept=rng.random(6) < 0.6)
    for there in (False, True):
        name = net.add("dense", kept, **kernel(rng, 6, 6))
        kept = net.add("leaky_relu", name, skip=kept, kept=there)
    net.add("dense", kept, **kernel(rng, 3, 6))
    return net


def activated(op: str) -> Callable[[Generator], Sketch]:
    return lambda rng: dense_net(rng, 5, 9, 8, 3, activation=op)


CURVES: dict[str, dict[str, tuple[float, ...]]] = {
    "rising": {"points": (-2.0, -1.0, 0.0, 0.5, 3.0), "values": (-1.0, -0.8, 0.1, 0.7, 1.0)},
    "waves": {
        "points": (-1.0, -0.6, -0.1, 0.3, 0.3333, 1.7),
        "values": (0.0, 1.0, -1.0, 0.1, 2.0, 2.0),
        "outside": (-0.5, 1.5),
    },
    "fine": {"points": tuple(np.linspace(-4, 4, 60)), "values": tuple(np.tanh(np.linspace(-4, 4, 60)))},
}


def curved(kind: str) -> Callable[[Generator], Sketch]:
    return lambda rng: dense_net(rng, 4, 8, 7, 3, activation="piecewise", **CURVES[kind])


_BUILT = (image_net, residual_net, joined_net, moved_net, gated_net, single_gate_net, pruned_net)

NETS: dict[str, Callable[[Generator], Sketch]] = {
    **{op: activated(op) for op in ACTIVATIONS},
    **{f"piecewise {kind}": curved(kind) for kind in CURVES},
    **{net.__name__: net for net in _BUILT},
}


def misses(network: Network, assignment: Assignment, box: Interval, bounds: Bounds, rng: Generator, count: int) -> int:
    """How many values of layers leave their bounds by more than the forward pass may err, at `count` points."""
    found = 0
    for _ in range(max(1, count // 5000)):
        inputs = points(rng, box, max(1, min(count, 5000) // len(box.lo)))
        values = forward(network, assignment, inputs.reshape(-1, *box.shape[1:]))
        for name, value in values.items():
            value = value.reshape(*inputs.shape[:2], *value.shape[1:])
            room = 1e-13 * (1.0 + bounds.outputs[name].magnitude.max())
            low, high = bounds.outputs[name].lo - value.min(axis=0), value.max(axis=0) - bounds.outputs[name].hi
            found += int((low > room).sum() + (high > room).sum())
    return found


# ---- soundness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_values_stay_inside(name: str, radius: float) -> None:
    rng = np.random.default_rng([len(name), int(10 * radius)])
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 5, sketch.shapes["x"], radius)
    intervals, lines = propagate_known(network, assignment, box), crown(network, assignment, box)
    assert misses(network, assignment, box, lines, rng, 50_000) == 0
    for layer in network.layers:
        assert (lines.outputs[layer.name].lo >= intervals.outputs[layer.name].lo).all()
        assert (lines.outputs[layer.name].hi <= intervals.outputs[layer.name].hi).all()


def test_every_layer_has_a_rule_and_a_network_here() -> None:
    rng = np.random.default_rng(0)
    assert [op.name for op in LAYERS.values() if op.relax is None] == []
    assert {layer.op for net in NETS.values() for layer in net(rng).layers} == set(LAYERS)


@pytest.mark.parametrize("name", NETS)
def test_a_box_without_width_is_a_point(name: str) -> None:
    """An ordinary box: where no jump is near, the bounds are the value up to rounding."""
    rng = np.random.default_rng(7)
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    inputs = rng.uniform(-1.0, 1.0, (3, *sketch.shapes["x"]))
    bounds, values = crown(network, assignment, Interval.point(inputs)), forward(network, assignment, inputs)
    for layer in network.layers:
        assert np.allclose(bounds.outputs[layer.name].lo, values[layer.name], atol=1e-12)
        assert np.allclose(bounds.outputs[layer.name].hi, values[layer.name], atol=1e-12)


def test_backward_bounds_are_tighter() -> None:
    """Widths of the results, against those of interval propagation."""
    rng = np.random.default_rng(3)
    for name, ratio in (("relu", 0.5), ("image_net", 0.6), ("residual_net", 0.6), ("hard_tanh", 0.7)):
        sketch = NETS[name](rng)
        network, assignment = sketch.network()
        box = boxes(rng, 8, sketch.shapes["x"], 0.2)
        wide, narrow = (
            bounds.outputs[network.result_layer].hi - bounds.outputs[network.result_layer].lo
            for bounds in (propagate_known(network, assignment, box), crown(network, assignment, box))
        )
        assert narrow.mean() < ratio * wide.mean(), name


def test_free_slopes_bring_most_of_what_programs_would() -> None:
    """Widths of the results of relu networks over their whole domain."""
    rng = np.random.default_rng(0)
    widths = []
    for sizes in ((4, 10, 10, 1), (6, 20, 20, 1), (6, 10, 10, 10, 10, 1)):
        network, assignment = dense_net(rng, *sizes).network()
        box = Interval.box((1, sizes[0]), -1.0, 1.0)
        last = [crown(network, assignment, box, steps).outputs[network.result_layer] for steps in (0, 3)]
        last.append(obbt(network, assignment, box, LinearProgram.of_many_goals).outputs[network.result_layer])
        widths.append([float((found.hi - found.lo).mean()) for found in last])
    single, turned, programs = np.array(widths).T
    assert (programs <= turned).all() and (turned <= single).all()
    assert (turned - programs < 0.5 * (single - programs)).all()


@pytest.mark.parametrize("steps", [0, 3])
def test_rows_over_the_result(steps: int) -> None:
    """Differences of outputs, picked in another order and one of them twice: below all samples, and on average above
    the difference of the outputs' own bounds."""
    rng = np.random.default_rng(2)
    network, assignment = image_net(rng).network()
    network = replace(network, result_index=np.array([2, 0, 2, 1]))
    box = boxes(rng, 3, network.input_shape, 0.3)
    matrix = np.array([[1.0, -1.0, 0.0, 0.0], [0.5, 0.0, 0.5, -1.0], [0.0, 1.0, 0.0, 0.0]])
    walk = Crown(KnownWeights(network, assignment), box, steps=steps)
    walk.tighten()
    least = walk.rows(matrix).least(box)
    inputs = points(rng, box, 1000)
    values = result(network, assignment, inputs.reshape(-1, *network.input_shape)).reshape(1000, 3, 4) @ matrix.T
    assert (least <= values.min(axis=0) + 1e-12).all()
    last = walk.outputs[network.result_layer]
    apart = np.stack([last.lo[:, 2] - last.hi[:, 0], last.lo[:, 2] - last.hi[:, 1]], axis=1)
    assert least[:, :2].mean() > apart.mean()


def test_what_is_given_is_used_and_may_contradict() -> None:
    """The result of |x| + |y| over [-1, 1]^2: what is said of a layer holds after it; a sum below -1 is impossible."""
    net = Sketch(2)
    net.add("dense", net.add("abs", net.add("dense", "x", weights=np.eye(2))), weights=np.ones((1, 2)))
    known = KnownWeights(*net.network())
    box = Interval.box((1, 2), -1.0, 1.0)
    walk = Crown(known, box, given={"l1": Interval.box((1, 2), 0.0, 0.5), "l2": Interval.box((1, 1), -9.0, 0.75)})
    walk.tighten()
    assert walk.outputs["l1"].hi.tolist() == [[0.5, 0.5]] and walk.outputs["l2"].hi.item() == 0.75
    with pytest.raises(Contradiction, match="no input of the box gives `l2` a value within all its bounds"):
        Crown(known, box, given={"l2": Interval.box((1, 1), -9.0, -1.0)}).tighten()


def test_what_is_left_for_binaries() -> None:
    net = Sketch(1)
    name = net.add("relu", net.add("dense", "x", weights=np.ones((4, 1)), bias=np.array([-2.0, -1.1, 0.5, 1.1])))
    net.add("hard_tanh", net.add("dense", name, weights=np.eye(4)))
    network, assignment = net.network()
    bounds = crown(network, assignment, Interval.box((1, 1), -1.0, 1.0))
    found = {name: mask[0].tolist() for name, mask in undecided(network, assignment, bounds).items()}
    assert found == {"l1": [False, False, True, False], "l3": [False, False, True, True]}


def deep_images(rng: Generator) -> Sketch:
    """Convolutions one after another, with activations that are not 0 at 0, removed filters, and a pool."""
    net = Sketch(2, 13, 12)
    name = net.add("conv2d", "x", **kernel(rng, 4, 2, 3, 3), padding=(1, 1))
    name = net.add("hard_sigmoid", name, kept=np.array([True, False, True, True]))
    name = net.add("conv2d", name, **kernel(rng, 6, 2, 3, 2), padding=(2, 1), stride=(2, 1), groups=2)
    name = net.add("conv2d", net.add("relu", name), **kernel(rng, 3, 6, 2, 3), padding=(1, 1), dilation=(2, 1))
    name = net.add("maxpool2d", net.add("leaky_relu", name), kernel=(2, 2))
    net.add("dense", net.add("flatten", name), **kernel(rng, 3, int(np.prod(net.shapes[name]))))
    return net


@pytest.mark.parametrize("steps", [0, 3])
def test_blocks_of_images_have_the_bounds_of_the_whole(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(steps)
    network, assignment = deep_images(rng).network()
    box = boxes(rng, 2, network.input_shape, 0.2)
    parts, seen = [], crops
    monkeypatch.setattr(crown_module, "crops", lambda *given: parts.append(seen(*given)) or parts[-1])
    found = crown(network, assignment, box, steps)
    assert max(map(len, parts)) > 10
    assert misses(network, assignment, box, found, rng, 1000) == 0
    monkeypatch.setattr(crown_module, "crops", lambda *given: [])
    whole = crown(network, assignment, box, steps)
    for layer in network.layers:
        a, b = found.outputs[layer.name], whole.outputs[layer.name]
        if not steps:  # where slopes stop turning depends on the rows that turn together
            assert np.allclose(a.lo, b.lo, atol=1e-10) and np.allclose(a.hi, b.hi, atol=1e-10)


# ---- what has no bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [propagate_known, crown])
@pytest.mark.parametrize(("side", "end"), [("lower", -np.inf), ("upper", np.inf), ("upper", np.nan)])
def test_an_input_without_a_bound_is_named(
    bound: Callable[[Network, Assignment, Interval], Bounds], side: str, end: float
) -> None:
    network, assignment = joined_net(np.random.default_rng(0)).network()
    lo, hi = np.zeros((2, 1, 4, 4)), np.ones((2, 1, 4, 4))
    (lo if side == "lower" else hi)[1, 0, 2, 3] = end
    with pytest.raises(Unbounded, match=rf"`x\[0, 2, 3\]` has no finite {side} bound") as caught:
        bound(network, assignment, Interval(lo, hi))
    assert (caught.value.name, caught.value.index, caught.value.side) == ("x", (0, 2, 3), side)


@pytest.mark.parametrize("bound", [propagate_known, crown])
def test_a_layer_that_overflows_is_named(bound: Callable[[Network, Assignment, Interval], Bounds]) -> None:
    net = Sketch(2)
    net.add("dense", net.add("relu", net.add("dense", "x", weights=1e200 * np.eye(2))), weights=1e200 * np.ones((1, 2)))
    network, assignment = net.network()
    with pytest.raises(Unbounded, match="`l2"):
        bound(network, assignment, Interval.box((1, 2), -1.0, 1.0))
