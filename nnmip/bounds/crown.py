"""Backward linear bounds (CROWN) of networks with known weights over boxes of inputs, rigorous in float64.

Rows of coefficients on a tensor are taken back, layer by layer, to coefficients on the inputs; each nonlinear layer is
replaced by the line of its relaxation that a coefficient's sign asks for (Zhang et al., "Efficient neural network
robustness certification with general activation functions", 2018; Singh et al., "An abstract domain for certifying
neural networks", 2019). An upper bound of a row is minus the lower bound of minus the row: there is only one walk.

Rounding. Let v_t(x) be the exact tensors for an input x of the box. The walk keeps float64 arrays A_t and numbers c for
which, in exact arithmetic and for all x of the box,

    row(x)  >=  sum over t of A_t . v_t(x)  +  c.                                                                (1)

It starts with A = the rows on one tensor and c = 0. A step replaces A . v, where v is the output of a layer, by what
the relaxation of the layer gives back: B_s for each input s, and d. Without rounding, A . v >= sum B_s . v_s + d. Every
entry of B_s, and d, is a sum of at most N products, N the number of outputs of the layer, each of a coefficient and a
factor of the layer (a weight, a slope, or a rounded difference of slopes), in any order. Its error is at most gamma_m
times the sum of |products|, m = N + 4 and gamma_m = m u / (1 - m u) (Higham, "Accuracy and Stability of Numerical
Algorithms", 2002, section 3.1), plus 2^-1074 for each product that underflows. Multiplied with |v_s| <= p_s, the
largest absolute values that the proved bounds allow, and summed, the errors are at most

    gamma_m  sum over i of |A_i| e_i,      e_i >= sum of |factors of output i| p + |its constants|,              (2)

where e is the `scale` of the relaxation. The float64 value of (2) is itself a sum of nonnegative numbers, short of the
exact one by less than one part in 200 as long as layers have less than 10^12 entries; the factor 1.01 covers that and
the denominator of gamma_m. Where two layers read one tensor, their coefficients are added; the sum has a relative error
of u, and (2) is charged with e = p. c is lowered by (2), and every addition to it is rounded down, so that (1) holds
after the step. At the inputs A . x is bounded by its least corner, with (2) for e = |lo| + (hi - lo).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from functools import partial
from typing import Protocol

import numpy as np

from nnmip.arrays import distinct
from nnmip.bounds.crop import Crop, crops
from nnmip.bounds.interval import UNIT_ROUNDOFF, BoolArray, FloatArray, IntArray, Interval
from nnmip.bounds.known import Known, KnownWeights, bounded_box, in_parts, met
from nnmip.bounds.relaxation import Relaxation, by_interval, dot, down
from nnmip.bounds.slopes import Choice
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Layer, Network
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

WORK = 400_000
"""How many coefficients a walk holds for one tensor at a time."""
STEPS = 3
"""How often free slopes turn: most of what linear programs would give, for some walks more."""
UNDERFLOW = 2.0**-1000
"""More than all products of a step lose that underflow, for each unit of what they are multiplied with."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Affine functions of the input below some rows, for every sample: `row >= slope . x + shift` on the box.

    slope: [n or 1, rows, *input]; shift: [n or 1, rows], exact for the slopes as they are.
    """

    slope: FloatArray
    shift: FloatArray

    def or_else(self, other: Planes, is_better: BoolArray) -> Planes:
        """The planes of another walk for the rows [n, rows] where these are better."""
        wide = is_better.reshape(*is_better.shape, *(1,) * (self.slope.ndim - 2))
        return Planes(np.where(wide, other.slope, self.slope), np.where(is_better, other.shift, self.shift))

    def least(self, box: Interval) -> FloatArray:
        """Lower bounds of the rows over a box of inputs, shape [n, rows]; -inf where numbers overflow."""
        width = box.hi - box.lo
        with np.errstate(over="ignore", invalid="ignore"):
            corner = dot(self.slope, box.lo) + dot(np.minimum(self.slope, 0.0), width)
            error = _charge(self.slope, np.abs(box.lo) + width, box.magnitude)
            found = down(down(self.shift + corner) - error)
        return np.where(np.isnan(found), -np.inf, found)


def _charge(rows: FloatArray, scale: FloatArray, magnitude: FloatArray) -> FloatArray:
    """The bound (2) of what a step over an array of entries [n, *shape] loses by rounding, shape [n, rows]."""
    entries = rows[0, 0].size
    gamma = 1.01 * (entries + 8) * UNIT_ROUNDOFF
    dust = UNDERFLOW * (1.0 + magnitude.reshape(len(magnitude), -1).sum(axis=1))
    return np.asarray(gamma * dot(np.abs(rows), scale) + dust[:, None])


class Further(Protocol):
    """Tightens `walk.outputs[name]`, for the entries on which a relaxation now depends."""

    def __call__(self, walk: Crown, name: str, loose: Callable[[], BoolArray]) -> None: ...


@dataclass(slots=True)
class Crown:
    """A network with proved bounds of its tensors, and the relaxations that these bounds allow.

    `outputs` begins with those of the input; `tighten` adds the layers in their order, each met with what is `given`
    of it, such as bounds over a larger box, or what constraints say; Contradiction where that fits to no input.
    `further` may give tighter bounds of a tensor. steps: how often free slopes of lines turn (`bounds.slopes`).
    """

    known: KnownWeights
    inputs: Interval
    given: Known = field(default_factory=dict)
    further: Further | None = None
    steps: int = 0
    outputs: dict[str, Interval] = field(default_factory=dict)
    _relaxations: dict[str, Relaxation] = field(default_factory=dict)
    _boxes: set[str] = field(default_factory=set)
    _exact: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.outputs[self.known.network.input_name] = self.inputs
        self._boxes.add(self.known.network.input_name)
        self._exact.add(self.known.network.input_name)

    # ---- forwards: bounds of all layers ------------------------------------------------------------------------

    def tighten(self) -> None:
        """Bounds of every layer in turn: by intervals, and backwards where a later layer's relaxation depends on them;
        of the result in any case."""
        network = self.known.network
        for layer in network.layers:
            if self.known.stands_for(layer) is None:
                self._tighten_inputs(layer)
            found = self.known.interval(layer, self.outputs)
            given = self.given.get(layer.name)
            self.outputs[layer.name] = found if given is None else met(layer.name, found, given)
            self._mark(layer)
        last = network.result_layer
        everything = np.ones(self.outputs[last].shape, dtype=bool)
        self._tighten(last, everything, self.steps)
        if self.further is not None:
            self.further(self, last, lambda: everything)

    def _tighten_inputs(self, layer: Layer) -> None:
        """Bounds on which the relaxation of a layer depends, and the relaxation itself. Slopes turn only for entries on
        which it still depends after a single walk."""
        found = self._relaxation_of(layer)
        for steps in dict.fromkeys((0, self.steps)):
            changed = [self._tighten(name, mask, steps) for name, mask in zip(layer.inputs, found.loose, strict=False)]
            found = self._relaxation_of(layer) if any(changed) else found
        if self.further is not None and any(mask.any() for mask in found.loose):
            for place, name in enumerate(layer.inputs):
                self.further(self, name, partial(self._loose, layer, place))
            found = self._relaxation_of(layer)
        self._relaxations[layer.name] = found

    def _loose(self, layer: Layer, place: int) -> BoolArray:
        return self._relaxation_of(layer).loose[place]

    def is_exact(self, name: str) -> bool:
        """Whether no method can tighten the bounds of a tensor: they are attained, up to rounding."""
        return name in self._exact

    def relaxation(self, layer: Layer) -> Relaxation:
        """How a layer that was passed is relaxed."""
        return self._relaxations[layer.name]

    def rows(self, matrix: FloatArray) -> Planes:
        """Affine functions of the input below `matrix @ result`; matrix: [rows, *output], or [n, rows, *output] with
        rows for every sample."""
        network = self.known.network
        index = network.result_index.reshape(-1)
        axes = matrix.ndim - network.result_index.ndim
        flat = matrix.reshape(len(matrix) if axes == 2 else 1, -1, len(index))
        shape = network.layer(network.result_layer).shape
        rows = np.zeros((*flat.shape[:2], int(np.prod(shape, dtype=np.int64))))
        np.add.at(rows.T, index, flat.T)
        return self.planes(network.result_layer, rows.reshape(*flat.shape[:2], *shape))

    def _relaxation_of(self, layer: Layer) -> Relaxation:
        op, options = LAYERS[layer.op], dict(layer.options)
        rule = op.relax if op.relax is not None else by_interval(op.interval)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            return rule(tuple(self.outputs[name] for name in layer.inputs), self.known.weights(layer), options)

    def _mark(self, layer: Layer) -> None:
        """Note where interval bounds are exact: where what a layer reads varies independently, entry by entry."""
        reads = [self.known.stands_for(layer) or layer.inputs[0]] if len(layer.inputs) == 1 else []
        if reads and reads[0] in self._boxes:
            self._exact.add(layer.name)
            entries = LAYERS[layer.op].entries((self.outputs[reads[0]].shape[1:],), dict(layer.options))
            places = entries[entries >= 0]
            if not layer.decisions and entries.shape[-1] == 1 and len(distinct(places)) == len(places):
                self._boxes.add(layer.name)

    def _tighten(self, name: str, mask: BoolArray, steps: int) -> bool:
        """Backward bounds of the entries of a tensor that are in the mask of some sample, met with those it has.

        Whether there are any.
        """
        if name in self._exact or not mask.any():
            return False
        made = self._relaxations.get(name)
        if made is not None and made.lines is not None:
            return self._tighten_through(self.known.network.layer(name), mask, steps)
        old = self.outputs[name]
        index = np.flatnonzero(mask.any(axis=0))
        lo, hi = old.lo.reshape(len(old.lo), -1).copy(), old.hi.reshape(len(old.hi), -1).copy()
        for walk, whole, own in self._pieces(name, index):
            for at in walk._parts(np.arange(len(own))):
                least, part = walk._entries(name, own[at], steps).least(walk.inputs), whole[at]
                lo[:, part] = np.maximum(lo[:, part], least[:, : len(part)])
                hi[:, part] = np.minimum(hi[:, part], -least[:, len(part) :])
        self.outputs[name] = met(name, old, Interval(lo.reshape(old.shape), hi.reshape(old.shape)))
        return True

    def _tighten_through(self, layer: Layer, mask: BoolArray, steps: int) -> bool:
        """The bounds of what an entrywise layer gives follow from those of what it reads."""
        (source,) = layer.inputs
        mask = mask & ~self._relaxations[layer.name].loose[0]  # the others have been tightened
        if not self._tighten(source, mask, steps):
            return False
        self._relaxations[layer.name] = self._relaxation_of(layer)
        self.outputs[layer.name] = met(layer.name, self.known.interval(layer, self.outputs), self.outputs[layer.name])
        return True

    def _pieces(self, name: str, index: IntArray) -> list[tuple[Crown, IntArray, IntArray]]:
        """Walks with positions in the tensor and in their own: the whole network, or what blocks of an image see."""
        entrywise = frozenset(key for key, relaxation in self._relaxations.items() if relaxation.lines is not None)
        found = []
        for crop in crops(self.known, self.outputs, name, entrywise):
            own = np.flatnonzero(np.isin(crop.index, index))
            if len(own):
                found.append((self._cropped(crop), crop.index[own], own))
        return found or [(self, index, index)]

    def _cropped(self, crop: Crop) -> Crown:
        network = crop.known.network
        walk = Crown(crop.known, crop.outputs[network.input_name], outputs=dict(crop.outputs))
        for layer in network.layers:
            walk._relaxations[layer.name] = walk._relaxation_of(layer)
        return walk

    def _parts(self, index: IntArray) -> list[IntArray]:
        """Entries in groups whose rows fit into the memory that a walk may have."""
        widest = max(interval.lo.size for interval in self.outputs.values())
        return np.array_split(index, min(len(index), -(-2 * len(index) * widest // WORK)))

    # ---- backwards ---------------------------------------------------------------------------------------------

    def planes(self, name: str, rows: FloatArray) -> Planes:
        """Affine functions of the input below rows of coefficients on a tensor, [1 or n, rows, *shape]."""
        return self._best({name: rows}, np.zeros((1, rows.shape[1])), self.steps)

    def _entries(self, name: str, index: IntArray, steps: int) -> Planes:
        """Affine functions below single entries of a tensor, by flat position, and then below minus these entries."""
        return self._best(*self._start(name, index), steps)

    def gaps(self, name: str, index: IntArray) -> Interval:
        """How much better than those that are there the bounds of entries [k] of a tensor, for a single sample, can
        become by the best use of the relaxation: at most this, but for rounding. It is for who decides what to solve.

        A row is bounded by what it is on the lines of a walk, at one point of the box. It also has a value at a point
        of the relaxation above that; no bound over the relaxation can be better than such a value.
        """
        known, whole = self.outputs[name].reshape((1, -1)), []
        for part in self._parts(index):
            start, shift = self._start(name, part)
            walks = self._walks(start, shift, self.steps)
            attained = [choice.attained(self, planes.slope, start) for planes, choice in walks]
            whole.append((np.min(attained, axis=0) + shift).reshape(2, -1))
        least, most = np.concatenate(whole, axis=1)
        return Interval(least - known.lo[0, index], most + known.hi[0, index])

    def _start(self, name: str, index: IntArray) -> tuple[dict[str, FloatArray], FloatArray]:
        """Rows for single entries of a tensor, and for minus these: coefficients by tensor, and constants."""
        layer = self.known.network.layer(name)
        single = self._relaxations[name].single if name in self._relaxations else None
        if single is not None and self.known.mask(layer) is None:
            parts, constant = single(index)
            shift = np.zeros(len(index)) if constant is None else constant
            found = {n: np.concatenate([part, -part])[None] for n, part in zip(layer.inputs, parts, strict=True)}
            return found, np.concatenate([shift, -shift])[None]
        count, shape = len(index), self.outputs[name].shape[1:]
        rows = np.zeros((1, 2 * count, int(np.prod(shape, dtype=np.int64))))
        rows[0, np.arange(count), index], rows[0, count + np.arange(count), index] = 1.0, -1.0
        return {name: rows.reshape(1, 2 * count, *shape)}, np.zeros((1, 2 * count))

    def _best(self, start: dict[str, FloatArray], shift: FloatArray, steps: int) -> Planes:
        """The best planes of several walks, between which the free slopes turn as long as that brings something."""
        walks = self._walks(start, shift, steps)
        planes, _ = next(walks)
        least = planes.least(self.inputs)
        for last, _ in walks:
            value = np.maximum(last.least(self.inputs), least)
            gain = (value - least).mean()
            planes, least = planes.or_else(last, value > least), value
            if not gain > 0.01 * dot(np.abs(planes.slope), self.inputs.hi - self.inputs.lo).mean():
                break
        return planes

    def _walks(self, start: dict[str, FloatArray], shift: FloatArray, steps: int) -> Iterator[tuple[Planes, Choice]]:
        """Walks between which the free slopes turn, less every time, with the slopes that they took."""
        choice = Choice()
        for step in range(steps + 1):
            planes = self._walk(dict(start), shift, choice)
            yield planes, choice
            if step == steps or not choice.turn(self, planes.slope, 0.5 * 0.8**step):
                return

    def _walk(self, found: dict[str, FloatArray], shift: FloatArray, choice: Choice) -> Planes:
        """Affine functions of the input below those of several tensors: coefficients by name, [b, rows, *shape]."""
        network, count = self.known.network, shift.shape[1]
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for layer in reversed(network.layers):
                mine = found.pop(layer.name, None)
                if mine is None:
                    continue
                other = self.known.stands_for(layer)
                if other is not None:
                    shift = self._add(found, shift, other, mine)
                    continue
                mask = self.known.mask(layer)
                mine = mine if mask is None else mine * mask
                relaxation = self._relaxations[layer.name]
                parts, constant = choice.back(layer.name, relaxation, mine)
                if constant is not None:
                    shift = down(shift + constant)
                if relaxation.scale is not None:
                    magnitudes = [self.outputs[source].magnitude for source in layer.inputs]
                    total = np.concatenate([m.reshape(len(m), -1) for m in magnitudes], axis=1)
                    shift = down(shift - _charge(mine, relaxation.scale, total))
                for source, part in zip(layer.inputs, parts, strict=True):
                    shift = self._add(found, shift, source, part)
        slope = found.get(network.input_name)
        if slope is None:
            slope = np.zeros((1, count, *network.input_shape))
        return Planes(slope, shift)

    def _add(self, found: dict[str, FloatArray], shift: FloatArray, name: str, part: FloatArray) -> FloatArray:
        """Coefficients on a tensor that other layers read too are summed, at the cost of a rounding."""
        if name not in found:
            found[name] = part
            return shift
        found[name] = found[name] + part
        magnitude = self.outputs[name].magnitude
        return down(shift - _charge(found[name], magnitude, magnitude))


def undecided(network: Network, assignment: Assignment, bounds: Bounds) -> dict[str, BoolArray]:
    """For every layer that works entry by entry and has a kink or a jump, which entries [n, *shape] have it strictly
    inside their bounds: what is left for binaries."""
    walk = settled(network, assignment, bounds)
    found = {layer.name: walk.relaxation(layer) for layer in network.layers if walk.known.stands_for(layer) is None}
    return {name: made.loose[0] for name, made in found.items() if made.lines is not None}


def settled(network: Network, assignment: Assignment, bounds: Bounds, steps: int = 0) -> Crown:
    """A walk that has the bounds of all layers, ready for rows."""
    known, outputs = KnownWeights(network, assignment), dict(bounds.outputs)
    walk = Crown(known, outputs[network.input_name], outputs=outputs, steps=steps)
    for layer in network.layers:
        if known.stands_for(layer) is None:
            walk._relaxations[layer.name] = walk._relaxation_of(layer)
    return walk


def crown(network: Network, assignment: Assignment, inputs: Interval, steps: int = STEPS) -> Bounds:
    """Bounds of every layer of a network with known weights, for inputs [n, *input] in given intervals.

    Backward linear bounds of the result and of all entries on whose bounds a relaxation depends, met with those of
    interval propagation; free slopes turn `steps` times. Raises Unbounded where an input, or a layer whose values
    overflow, has no finite bounds.
    """
    inputs = bounded_box(network, inputs)
    known = KnownWeights(network, assignment)

    def bound(part: Interval) -> Bounds:
        walk = Crown(known, part, steps=steps)
        walk.tighten()
        return Bounds(walk.outputs, "backward linear bounds")

    widest = max(int(np.prod(layer.shape, dtype=np.int64)) for layer in network.layers)
    return in_parts(inputs, max(1, WORK // (2 * widest)), bound)
