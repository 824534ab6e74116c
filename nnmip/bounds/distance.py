"""How far the results of a network with curves are from those with the smooth functions, for inputs in a box.

An entry z' = z + d of the network of the file, with z that of the curves, is followed as an affine form

    d = centre + sum over k of terms[k] e[k] + r,   |e[k]| <= 1,  |r| <= slack

(affine arithmetic: Stolfi and de Figueiredo, "Self-validated numerical methods", 1997). Layers with weights map it
exactly, so that errors that cancel do so. For a function f in the place of a curve g,

    f(z') - g(z)  =  s d + (f(z) - g(z)),    s a slope of f between z and z',

where s and f - g are bounded over the interval of z (`ops.differences`): with s within `rough` of `middle`, s d is
middle d, and off by rough |d| at most. Every entry of a curve gets an e of its own. Beside that, a bound of |d| goes
from layer to layer as in `ops.drift`, which knows what several curves are made for; each of the two helps the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

import numpy as np

from nnmip.bounds.crown import crown
from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF, FloatArray, IntArray, Interval
from nnmip.bounds.known import Known
from nnmip.hir.core import Layer
from nnmip.hir.known import KnownNetwork, Smoothed
from nnmip.ops.base import Blend, Connections
from nnmip.ops.differences import difference
from nnmip.ops.drift import Drift
from nnmip.ops.registry import LAYERS
from nnmip.ops.slopes import Mixing, through
from nnmip.records import dataclass

MOST = 20_000_000
"""How many coefficients the forms of one layer may have in all."""


class TooLarge(Exception):
    """There are more coefficients than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Off:
    """How far the entries of a tensor are off, in n boxes: centre, slack, most [n, m], terms [n, k, m]; `most` at most,
    whatever the others say."""

    centre: FloatArray
    terms: FloatArray
    slack: FloatArray
    most: FloatArray

    @staticmethod
    def within(most: FloatArray) -> Off:
        return Off(np.zeros(most.shape), np.zeros((len(most), 0, most.shape[1])), most, most)

    @property
    def size(self) -> FloatArray:
        """At most how far from 0."""
        found = np.abs(self.terms).sum(axis=1) + self.slack + np.abs(self.centre)
        return np.minimum(_up(found, self.terms.shape[1] + 2), self.most)

    def map(self, change: Callable[[FloatArray], FloatArray]) -> Off:
        return Off(change(self.centre), change(self.terms), change(self.slack), change(self.most))

    def wide(self, count: int) -> Off:
        """With terms for `count` errors."""
        more = count - self.terms.shape[1]
        return replace(self, terms=np.pad(self.terms, ((0, 0), (0, more), (0, 0)))) if more else self


def _up(values: FloatArray, operations: int) -> FloatArray:
    """At least the exact value of what was computed in so many operations on numbers that are not negative."""
    return np.asarray(np.where(values > 0.0, values * (1.0 + 2 * (operations + 2) * UNIT_ROUNDOFF) + SMALLEST, 0.0))


def _taken(part: FloatArray, entries: IntArray) -> FloatArray:
    return np.concatenate([part, np.zeros((*part.shape[:-1], 1))], axis=-1)[..., entries]


def _joined(sources: tuple[Off, ...]) -> Off:
    count = max(source.terms.shape[1] for source in sources)
    parts = [source.wide(count) for source in sources]
    names = ("centre", "terms", "slack", "most")
    return Off(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names))


@dataclass(slots=True, eq=False)
class _Walk:
    """From layer to layer. count: how many errors there are so far; found: by tensor."""

    known: KnownNetwork
    smoothed: Smoothed
    bounds: Known
    count: int = 0
    found: dict[str, Off] = field(default_factory=dict)

    def _kept(self, layer: Layer, off: Off) -> Off:
        """With what is said of a function of several entries that the layer stands for."""
        group = self.smoothed.groups.get(layer.name)
        if group is not None:
            reads = self.found[group.reads].size[:, group.places].max(axis=2)
            off = replace(off, most=np.minimum(off.most, _up(group.steepest * reads + group.error, 2)))
        self.found[layer.name] = off
        return off

    def weighted(self, layer: Layer, source: Off, connections: Connections) -> Off:
        op, weights = LAYERS[layer.op], self.known.assignment.values[f"{layer.path}.weights"]
        shape, options = self.bounds[layer.inputs[0]].shape[1:], dict(layer.options)
        terms, heavy = connections.source.shape[1], np.abs(weights)

        def applied(part: FloatArray, weights: FloatArray) -> FloatArray:
            flat = op.forward((part.reshape(-1, *shape),), {"weights": weights}, options)
            return np.asarray(flat).reshape(*part.shape[:-1], len(connections.source))

        def linear(part: FloatArray, is_size: bool) -> FloatArray:
            return _up(applied(part, heavy), terms) if is_size else applied(part, weights)

        return self._kept(layer, self._linear(source, linear, terms, len(connections.source)))

    def mixed(self, mixing: Mixing, sources: tuple[Off, ...]) -> Off:
        return self._kept(mixing.layer, self._mixed(mixing, _joined(sources)))

    def _mixed(self, mixing: Mixing, every: Off) -> Off:
        curve = next((each for each in self.smoothed.curves if each.layer == mixing.layer.name), None)
        if curve is not None:
            return self._curved(curve.function, mixing.layer, every)
        width = mixing.entries.shape[1]
        is_sum, is_free = mixing.blend is not Blend.LARGEST or width == 1, not mixing.switches.any()
        if mixing.least == mixing.most and is_sum and is_free:
            return self._summed(mixing, every)
        if width == 1 and is_free and np.isfinite([mixing.least, mixing.most]).all():
            return self._bent(mixing, every)
        drift = Drift(self.known.assignment, {}, {}, {})
        return Off.within(np.stack([drift.mixed(mixing, (size,)) for size in every.size]))

    def _summed(self, mixing: Mixing, every: Off) -> Off:
        """Sums or means of entries, times a slope."""
        width, factor = mixing.entries.shape[1], np.full(len(mixing.entries), mixing.most)
        if mixing.blend is Blend.MEAN:
            factor = factor / np.maximum(1, (mixing.entries >= 0).sum(axis=1))

        def linear(part: FloatArray, is_size: bool) -> FloatArray:
            total = _taken(part, mixing.entries).sum(axis=-1)
            return _up(total * np.abs(factor), width + 2) if is_size else total * factor

        return self._linear(every, linear, width + 2, mixing.entries.size)

    def _bent(self, mixing: Mixing, every: Off) -> Off:
        """Functions of one entry, the same in both networks; those with a bend at 0 have one slope on each side."""
        off = every.map(lambda part: _taken(part, mixing.entries[:, 0]))
        layer, shape = mixing.layer, off.most.shape
        steep = Interval(np.full(shape, mixing.least), np.full(shape, mixing.most))
        z = self.bounds[layer.inputs[0]]
        relax = LAYERS[layer.op].relax
        swing = relax((z,), {}, dict(layer.options)).swing if relax is not None and len(layer.inputs) == 1 else None
        if swing is not None and z.lo.size == off.most.size:
            reach = z.reshape(shape).widened(off.size)
            side = np.where(reach.lo >= 0.0, swing[1], swing[0])
            is_one = (reach.lo >= 0.0) | (reach.hi <= 0.0)
            steep = Interval(np.where(is_one, side, steep.lo), np.where(is_one, side, steep.hi))
        return self._sloped(off, steep, Interval.point(np.zeros(shape)))

    def _linear(self, off: Off, linear: Callable[[FloatArray, bool], FloatArray], terms: int, work: int) -> Off:
        """What sums of so many terms make of the forms; of numbers that are sizes, at least the sums of their sizes."""
        self._check(len(off.most) * off.terms.shape[1] * work)
        form = _up(np.abs(off.terms).sum(axis=1) + off.slack + np.abs(off.centre), off.terms.shape[1] + 2)
        lost = _up(linear(form, True) * (2 * (terms + 2) * UNIT_ROUNDOFF) + SMALLEST, 2)
        slack = _up(linear(off.slack, True) + lost, 1)
        return Off(linear(off.centre, False), linear(off.terms, False), slack, linear(off.size, True))

    def _curved(self, function: str, layer: Layer, off: Off) -> Off:
        """The curve goes entry by entry."""
        options, z = dict(layer.options), self.bounds[layer.inputs[0]].reshape(off.most.shape)
        curve = difference(function, tuple(options["points"]), tuple(options["values"]))
        return self._sloped(off, curve.slopes(z.widened(off.size)), curve.over(z))

    def _sloped(self, off: Off, steep: Interval, away: Interval) -> Off:
        """Slopes times what is off, and something more: what is not linear of it gets errors of its own."""
        n, m = off.most.shape
        size, middle = off.size, 0.5 * (steep.lo + steep.hi)
        rough = np.nextafter(0.5 * (steep.hi - steep.lo), np.inf)
        own = _up(0.5 * (away.hi - away.lo) + rough * size, 4)
        first, self.count = self.count, self.count + m
        self._check(n * self.count * m)
        terms = off.wide(self.count).terms * middle[:, None]
        terms[:, first + np.arange(m), np.arange(m)] = own
        form = np.abs(off.terms).sum(axis=1) + np.abs(off.centre)
        lost = 8 * UNIT_ROUNDOFF * (steep.magnitude * (form + size) + away.magnitude)
        centre = middle * off.centre + 0.5 * (away.lo + away.hi)
        most = _up(steep.magnitude * size + away.magnitude, 2)
        return Off(centre, terms, _up(np.abs(middle) * off.slack + lost, 4), most)

    def chosen(self, layer: Layer, there: Off, instead: Off) -> Off:
        return self._kept(layer, Off.within(np.maximum(there.size, instead.size)))

    def _check(self, coefficients: int) -> None:
        if coefficients > MOST:
            raise TooLarge


def distances(known: KnownNetwork, inputs: Interval) -> FloatArray:
    """How far every result is off at most, for inputs in each of some boxes [n, *input]: [n, *output].

    Raises Unbounded where a box is, and TooLarge.
    """
    assert known.smoothed is not None
    bounds = crown(known.network, known.assignment, inputs).outputs
    n = len(bounds[known.network.input_name].lo)
    walk = _Walk(known, known.smoothed, bounds)
    start = Off.within(np.zeros((n, int(np.prod(known.network.input_shape, dtype=np.int64)))))
    walk.found[known.network.input_name] = start
    size = through(known.network, start, walk).size[:, known.network.result_index]
    return np.minimum(size, known.smoothed.error)
