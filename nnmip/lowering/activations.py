"""What the lowerings of activations share: gates, sums of bends, and the side of 0."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network, Shape
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.piecewise import defined, once, positive_part
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.ops.registry import LAYERS
from nnmip.source import Origin


def constant(layer: Layer, inputs: tuple[Signal, ...], bounds: Interval) -> Signal:
    """The output of a layer without weights that reads data: known numbers."""
    options = {**dict(layer.options), "tolerance": 1e-9}
    return Signal(Affine.constant(LAYERS[layer.op].forward(tuple(a.value.const for a in inputs), {}, options)), bounds)


def gate_of_entries(low: Lowering, layer: Layer) -> Affine | None:
    """The keep binary of the unit of every entry of a layer that prunes, [*shape]; None for one that does not."""
    if not layer.removes_units:
        return None
    kept = low.kept[layer.path]
    unit = np.arange(layer.units).reshape(-1, *(1,) * (len(layer.shape) - 1))
    return kept.gather(np.ascontiguousarray(np.broadcast_to(unit, layer.shape)))


def without_weights(network: Network, name: str) -> FloatArray:
    """What a layer gives where all units that it comes from are removed, [*shape]: layers with weights give 0, and what
    lies behind them is applied to that."""
    if name == network.input_name:
        return np.zeros(network.input_shape)
    layer = network.layer(name)
    if layer.decisions:
        return np.zeros(layer.shape)
    options = {**dict(layer.options), "tolerance": 1e-9}
    reads = tuple(without_weights(network, source)[None] for source in layer.inputs)
    return np.asarray(LAYERS[layer.op].forward(reads, {}, options)[0], dtype=np.float64)


def removable(low: Lowering, network: Network, layer: Layer, value: Affine) -> Affine:
    """The output of an activation f, and 0 where its unit is removed: f(z) - f(c) (1 - gate), because z is there what
    layers without weights make of 0, a known number c. Exact."""
    gate = gate_of_entries(low, layer)
    if gate is None:
        return value
    left = without_weights(network, layer.name)
    return value + (gate - np.ones(layer.shape)) * left if left.any() else value


def switched(low: Lowering, path: str, u: Affine, x: Signal, origin: Origin, shape: Shape, picked: IntArray) -> Affine:
    """y = u x for 0/1 entries u and x in [L, U], vectors of the entries `picked` of a tensor of `shape`:

        L u <= y <= U u        x - U (1 - u) <= y <= x - L (1 - u)

    No column where x is a known number. Exact (formulation: product of a binary and a bounded variable).
    """
    if x.is_data:
        return u * x.value.const
    L, U = x.bounds.lo, x.bounds.hi

    def fill(point: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(x.value.value(point) * u.value(point), dtype=np.float64)

    lo, hi = np.minimum(L, 0.0), np.maximum(U, 0.0)
    y = low.builder.columns(path, shape, lo, hi, origin, fill, picked=picked)
    for name, row, side, bound, M in (
        ("off_upper", y - u * U, "ub", 0.0, U),
        ("off_lower", y - u * L, "lb", 0.0, L),
        ("on_lower", y - x.value - u * U, "lb", -U, U),
        ("on_upper", y - x.value - u * L, "ub", -L, L),
    ):
        low.builder.rows(f"{path}.{name}", row, origin, shape=shape, picked=picked, big_m=M, **{side: bound})
    return y


def or_skipped(low: Lowering, network: Network, layer: Layer, made: Signal, skip: Signal, path: str) -> Signal:
    """The output of an optional layer, or what stands in for it: G h + (1 - G) x with the keep binary G.

    Left out, the weights of its block are 0, so that a layer with weights is 0 there and an activation f right behind
    them is f(0): then G h = h - f(0) (1 - G) needs no column. Elsewhere it is a product (`switched`). Exact.
    """
    shape = made.value.shape
    on = low.kept[layer.path] + np.zeros(shape)
    off = on * -1.0 + 1.0
    block = low.wiring(network.name).block(layer)
    is_zero = bool(layer.decisions) or (layer.inputs[0] in block and bool(network.layer(layer.inputs[0]).decisions))
    if is_zero:
        own = made.value - off * without_weights(network, layer.name)
    else:
        own = _switched_whole(low, f"{path}.on", on, made, layer.origin)
    other = _switched_whole(low, f"{path}.skipped", off, skip, layer.origin)
    return Signal(own + other, made.bounds)


def _switched_whole(low: Lowering, path: str, u: Affine, x: Signal, origin: Origin) -> Affine:
    shape = x.value.shape
    ends = Interval(x.bounds.lo.reshape(-1), x.bounds.hi.reshape(-1))
    every = np.arange(x.value.size)
    flat = Signal(x.value.reshape((-1,)), ends)
    return switched(low, path, u.reshape((-1,)), flat, origin, shape, every).reshape(shape)


def bent(
    low: Lowering,
    network: Network,
    layer: Layer,
    inputs: tuple[Signal, ...],
    bounds: Interval,
    path: str,
    *,
    line: float,
    at_zero: float,
    bends: tuple[tuple[float, float], ...],
) -> Signal:
    """at_zero + line z + sum over the bends (t, k) of k max(0, z - t). Exact: each positive part has its phase."""
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    z = defined(low, f"{path}.z", a.value, a.bounds, layer.origin)
    total = z * line + np.full(z.shape, at_zero)
    for number, (place, slope) in enumerate(bends):
        tag = f"{path}.part" if len(bends) == 1 else f"{path}.part{number}"
        beyond = a.bounds + Interval.box(a.bounds.shape, -place, -place) if place else a.bounds
        total = total + positive_part(low, tag, z - place, beyond, Polarity.EXACT, layer.origin).value * slope
    return Signal(removable(low, network, layer, total), bounds)


def between(
    low: Lowering,
    network: Network,
    layer: Layer,
    inputs: tuple[Signal, ...],
    bounds: Interval,
    path: str,
    least: float,
    most: float,
) -> Signal:
    """z cut at two ends: least + max(0, z - least) - max(0, z - most)."""
    bends = ((least, 1.0), (most, -1.0))
    return bent(low, network, layer, inputs, bounds, path, line=0.0, at_zero=least, bends=bends)


def side(
    low: Lowering,
    network: Network,
    layer: Layer,
    inputs: tuple[Signal, ...],
    bounds: Interval,
    path: str,
    *,
    below: float,
) -> Signal:
    """`below` where z < 0, else 1, from a binary u for z in [L, U]:

        z >= L (1 - u)        z <= -eps + (U + eps) u

    L >= 0: u = 1. U < 0 (by more than rounding): u = 0. eps is the exact step of z where it has one, and then nothing
    is lost; else no z between -eps and 0 is allowed. Exact (formulation: step activation with a strictness).
    """
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    eps = low.gap_below_zero(layer, a.step)
    z = defined(low, f"{path}.z", a.value, a.bounds, layer.origin)

    def encode(z: Affine, known: Interval, where: tuple[tuple[int, ...], np.ndarray]) -> Affine:
        shape, picked = where
        L, U = known.lo, known.hi

        def fill(x: FloatArray, choice: Choice) -> BoolArray:
            above: BoolArray = z.value(x) >= -1e-9
            return above

        u = low.builder.binaries(f"{path}.on", shape, layer.origin, fill, picked=picked)
        rows = low.builder.rows
        rows(f"{path}.at_least", z + u * L, layer.origin, lb=L, shape=shape, picked=picked, big_m=L)
        rows(f"{path}.at_most", z - u * (U + eps), layer.origin, ub=-eps, shape=shape, picked=picked, big_m=U + eps)
        return u

    sides = LAYERS["step"].interval((a.bounds,), {}, {})
    u = once(z, a.bounds, sides.lo < sides.hi, encode, sides.lo)
    value = u * (1.0 - below) + np.full(u.shape, below)
    return Signal(removable(low, network, layer, value), bounds)
