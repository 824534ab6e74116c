"""Proofs that a network with known weights is monotone in an entry of its input: bounds of slopes over boxes.

For x and x + t e in a box, e the axis of the entry, every tensor of the network changes by t times a number of an
interval. Forwards, affine layers map these intervals, an activation multiplies them by the slopes of the pieces that
what it reads can touch, and a largest entry has a slope of the entries that can be the largest (interval bounds of the
generalised gradient, as for Lipschitz constants in Zhang et al., "RecurJac", 2019). The arithmetic is rounded outward
and keeps signs, so that slopes of exactly 0 are no obstacle. The network does not fall on a box where no interval has a
negative end; other boxes are cut in halves. Along an axis, slopes that are not negative in every box add up, so that
what holds in all boxes holds in their union.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from nnmip.bounds.crown import Crown
from nnmip.bounds.interval import FloatArray, IntArray, Interval, product, summed, times
from nnmip.bounds.known import KnownWeights
from nnmip.hir.core import Layer
from nnmip.hir.evaluate import result
from nnmip.hir.goals import Slope
from nnmip.hir.known import KnownNetwork
from nnmip.ops.base import Blend
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass
from nnmip.verification.units import PIECES

BATCH, MOST_BOXES = 64, 200_000
LINE = 65
"""Points on a line along the axis at which a fall is looked for."""
ROUNDING = 1e-10
"""A fall by less than this, of values above 1 relative to them, may be rounding."""

_RESHAPING = frozenset({"flatten", "reshape"})

NEAR = 1e-12
"""Kinks that are quotients are known up to this, relative to numbers above 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Sloped:
    """What is known of a slope: proved, or the points (two rows) between which the network falls most; else neither,
    where the boxes or the time ran out. boxes: how many were bounded."""

    is_proved: bool
    pair: FloatArray | None
    boxes: int


def decide_slope(known: KnownNetwork, slope: Slope, seconds: float, is_stopped: Callable[[], bool]) -> Sloped:
    """Prove that no output falls along an axis over the whole input domain, or find where one does."""
    network, domain = known.network, known.network.input_domain
    size = int(np.prod(network.input_shape, dtype=np.int64))
    begun, count, fall, pair = time.process_time(), 0, 0.0, None
    lo, hi = np.full((1, size), domain.lo), np.full((1, size), domain.hi)
    while len(lo):
        if count >= MOST_BOXES or time.process_time() - begun > seconds or is_stopped():
            return Sloped(False, pair, count)
        part_lo, part_hi, lo, hi = lo[-BATCH:], hi[-BATCH:], lo[:-BATCH], hi[:-BATCH]
        count += len(part_lo)
        is_open, weight = _bounded(known, slope, Interval(part_lo, part_hi))
        part_lo, part_hi, weight = part_lo[is_open], part_hi[is_open], weight[is_open]
        if not len(part_lo):
            continue
        found, depth = _deepest(known, slope, 0.5 * (part_lo + part_hi))
        if depth > fall:
            fall, pair = depth, found
        elif pair is not None:
            return Sloped(False, pair, count)
        axis = (weight * (part_hi - part_lo)).argmax(axis=1)
        at, middle = np.arange(len(axis)), 0.5 * (part_lo + part_hi)
        if (part_hi[at, axis] - part_lo[at, axis] <= 1e-9 * max(1.0, domain.hi - domain.lo)).any():
            return Sloped(False, pair, count)
        left, right = part_hi.copy(), part_lo.copy()
        left[at, axis] = right[at, axis] = middle[at, axis]
        lo, hi = np.concatenate([lo, part_lo, right]), np.concatenate([hi, left, part_hi])
    return Sloped(pair is None, pair, count)


def _bounded(known: KnownNetwork, slope: Slope, box: Interval) -> tuple[np.ndarray, FloatArray]:
    """Which boxes [n, entries] are open, and how much each axis matters there."""
    network, n = known.network, len(box.lo)
    weights = KnownWeights(network, known.assignment)
    crown = Crown(weights, box.reshape((n, *network.input_shape)))
    crown.tighten()
    unit = np.zeros(box.lo.shape)
    unit[:, slope.feature] = 1.0
    slopes = {network.input_name: Interval.point(unit.reshape(n, *network.input_shape))}
    matters = np.ones(box.lo.shape)
    for layer in network.layers:
        slopes[layer.name] = _passed(weights, layer, slopes, crown.outputs)
        if layer.op in PIECES and (read := _first_weights(known, layer)) is not None:
            loose = (_touched(layer, crown.outputs[layer.inputs[0]]).sum(axis=0) > 1).reshape(n, -1)
            matters = np.where(loose.any(axis=1)[:, None], loose @ np.abs(read), matters)
    index = network.result_index.reshape(-1)
    last = slopes[network.result_layer].reshape((n, -1))
    ends = last.lo[:, index] if slope.sign > 0 else -last.hi[:, index]
    return np.asarray((ends < 0).any(axis=1)), matters


def _first_weights(known: KnownNetwork, layer: Layer) -> FloatArray | None:
    """What a layer with weights that reads the input, and that an activation reads, multiplies: [outputs, entries]."""
    network = known.network
    layers = {other.name: other for other in network.layers}
    source = layers.get(layer.inputs[0])
    if source is None or (connect := LAYERS[source.op].connect) is None:
        return None
    read = layers.get(source.inputs[0])
    while read is not None and read.op in _RESHAPING:
        read = layers.get(read.inputs[0])
    if read is not None:
        return None
    before = layers[source.inputs[0]].shape if source.inputs[0] in layers else network.input_shape
    connections = connect(before, dict(source.options))
    weights = known.assignment.values[f"{source.path}.weights"].reshape(connections.units, -1)
    output, place = np.nonzero(connections.source >= 0)
    found = np.zeros((len(connections.source), int(np.prod(before, dtype=np.int64))))
    np.add.at(found, (output, connections.source[output, place]), weights[connections.unit[output], place])
    return found


def _passed(
    weights: KnownWeights, layer: Layer, slopes: Mapping[str, Interval], outputs: Mapping[str, Interval]
) -> Interval:
    """The slopes behind a layer, of those before it."""
    op, given = LAYERS[layer.op], [slopes[name] for name in layer.inputs]
    if layer.op in PIECES:
        inside = _touched(layer, outputs[layer.inputs[0]])
        own = PIECES[layer.op](dict(layer.options)).slopes
        wide = np.array(own, dtype=np.float64).reshape(-1, *(1,) * (inside.ndim - 1))
        least, most = np.where(inside, wide, np.inf).min(axis=0), np.where(inside, wide, -np.inf).max(axis=0)
        return product(Interval(least, most), given[0])
    if op.connect is not None:
        numbers = {role: Interval.point(value) for role, value in weights.weights(layer).items() if role != "bias"}
        return op.interval(tuple(given), numbers, dict(layer.options))
    return _mixed(layer, slopes, outputs)


def _mixed(layer: Layer, slopes: Mapping[str, Interval], outputs: Mapping[str, Interval]) -> Interval:
    """The slopes behind a layer that has no weights and no kinks but those of a largest entry."""
    op = LAYERS[layer.op]
    shapes = tuple(slopes[name].shape[1:] for name in layer.inputs)
    entries = op.entries(shapes, dict(layer.options))
    own, there = _entries(slopes, layer, entries), entries >= 0
    if op.blend is Blend.LARGEST:
        read = _entries(outputs, layer, entries)
        least = np.where(there, read.lo, -np.inf).max(axis=-1, keepdims=True)
        is_open = there & (read.hi >= least)
        found = Interval(
            np.where(is_open, own.lo, np.inf).min(axis=-1), np.where(is_open, own.hi, -np.inf).max(axis=-1)
        )
    else:
        terms = Interval(np.where(there, own.lo, 0.0), np.where(there, own.hi, 0.0))
        is_one = entries.shape[-1] == 1
        found = Interval(terms.lo[..., 0], terms.hi[..., 0]) if is_one else summed(terms, entries.shape[-1])
        if op.blend is Blend.MEAN:
            found = times(found, 1.0 / there.sum(axis=-1))
    return found.reshape((len(own.lo), *layer.shape))


def _entries(tensors: Mapping[str, Interval], layer: Layer, index: IntArray) -> Interval:
    """Entries of what a layer reads, put one after another: [n, *index]."""
    read = [tensors[name] for name in layer.inputs]
    ends = ([getattr(tensor, end).reshape(len(tensor.lo), -1) for tensor in read] for end in ("lo", "hi"))
    lo, hi = (np.concatenate(side, axis=1) for side in ends)
    return Interval(lo[:, index], hi[:, index])


def _touched(layer: Layer, z: Interval) -> np.ndarray:
    """Which pieces of an activation what it reads can be in, shape [pieces, n, *shape]."""
    kinks = map(float, PIECES[layer.op](dict(layer.options)).kinks)
    room = 0.0 if layer.op != "hard_sigmoid" else NEAR
    ends = [-np.inf, *kinks, np.inf]
    found = []
    for low, high in pairwise(ends):
        wide = room * max(1.0, *(abs(end) for end in (low, high) if np.isfinite(end)), 1.0)
        is_point = z.lo == z.hi
        inside = (z.hi > low - wide) & (z.lo < high + wide)
        found.append(inside | (is_point & (z.hi >= low) & (z.lo <= high)))
    return np.stack(found)


def _deepest(known: KnownNetwork, slope: Slope, points: FloatArray) -> tuple[FloatArray | None, float]:
    """The pair on a line along the axis through some points between which an output falls most, and by how much."""
    network, domain = known.network, known.network.input_domain
    along = np.linspace(domain.lo, domain.hi, LINE)
    if not domain.is_interval:
        along = np.array(sorted(v for v in (*along, *domain.values) if not domain.distance(np.asarray(v)).any()))
    if len(along) < 2:
        return None, 0.0
    rows = np.repeat(points[:, None], len(along), axis=1)
    rows[:, :, slope.feature] = along
    flat = rows.reshape(-1, points.shape[1])
    scores = result(network, known.assignment, flat.reshape(-1, *network.input_shape))
    values = slope.sign * scores.reshape(len(points), len(along), -1)
    highest = np.maximum.accumulate(values, axis=1)
    falls = highest - values
    line, later, output = np.unravel_index(int(falls.argmax()), falls.shape)
    first, fall = int(values[line, : later + 1, output].argmax()), float(falls[line, later, output])
    is_real = fall > ROUNDING * max(1.0, float(np.abs(values).max()))
    return (rows[line, [first, int(later)]], fall) if is_real else (None, 0.0)
