"""Rows over networks at points, as one function of the point: values, slopes, and rigorous planes below.

The *bases* are the point x of a property, all its entries in one vector, and what every network gives at a point. Each
row is affine in the bases, and so is what a network reads; planes below the rows come from taking coefficients back
through the networks in turn (`bounds.crown`). A row's coefficients on what a network reads are sums of N products, so
that their rounding costs at most gamma_{N+4} times the sum of |products|, which is charged as it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

import numpy as np

from nnmip.bounds.crown import UNDERFLOW, Crown, Further, Planes
from nnmip.bounds.interval import UNIT_ROUNDOFF, FloatArray, IntArray, Interval, image
from nnmip.bounds.known import Known, KnownWeights
from nnmip.bounds.relaxation import dot, down
from nnmip.hir.core import Applied, Constant, Gather, Node, Program, Reference
from nnmip.hir.evaluate import smooth_result
from nnmip.hir.known import KnownNetwork
from nnmip.hir.same import Same
from nnmip.incumbents.backprop import Backprop
from nnmip.records import dataclass
from nnmip.verification.claims import Opaque, Row, terms_of

ROUNDED = 64 * UNIT_ROUNDOFF
"""What coefficients and constants lose at most in the sums and products that made them, of their size."""

POINT = 0
"""The base that is the point itself."""


@dataclass(slots=True, eq=False)
class Map:
    """Affine functions of the bases: constants [rows], and coefficients [rows, entries] by base.

    Both are sums of products of what the source says; `sizes` [rows] has the sums of the absolute values of what went
    into the constants, of which their rounding is a small part.
    """

    constant: FloatArray
    parts: dict[int, FloatArray]
    sizes: FloatArray

    @property
    def bases(self) -> list[int]:
        return sorted(self.parts)

    def joined(self, other: Map) -> Map:
        """The rows of this map and those of another."""
        count = len(self.constant), len(other.constant)
        parts = {}
        for base in {*self.parts, *other.parts}:
            width = next(m.parts[base].shape[1] for m in (self, other) if base in m.parts)
            stacked = [m.parts.get(base, np.zeros((n, width))) for m, n in zip((self, other), count, strict=True)]
            parts[base] = np.concatenate(stacked)
        return Map(np.append(self.constant, other.constant), parts, np.append(self.sizes, other.sizes))

    def at(self, rows: IntArray) -> Map:
        """Some of the rows."""
        return Map(self.constant[rows], {base: part[rows] for base, part in self.parts.items()}, self.sizes[rows])

    @property
    def slack(self) -> FloatArray:
        """How far the constants are from their exact values at most."""
        return ROUNDED * self.sizes


@dataclass(frozen=True, slots=True, eq=False)
class Station:
    """A network at one point: what it reads, in its own scaling, as a map of earlier bases."""

    known: KnownNetwork
    reads: Map


@dataclass(slots=True, eq=False)
class Composite:
    """Rows as functions of the point of a property, a vector x [n, entries]; `places` has the entries of a decision by
    its path. Raises Opaque for what is not affine in networks and points."""

    program: Program
    points: tuple[Reference, ...]
    stations: list[Station] = field(default_factory=list)
    places: dict[str, slice] = field(default_factory=dict)
    size: int = 0
    _bases: dict[tuple[int, int], int] = field(default_factory=dict)
    _same: Same = field(default_factory=Same)
    _passes: dict[int, Backprop] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for point in self.points:
            self.places[point.decision.path] = slice(self.size, self.size + point.decision.size)
            self.size += point.decision.size

    # ---- rows as maps ------------------------------------------------------------------------------------------

    def map_of(self, rows: Sequence[Row]) -> Map:
        """What has to be at most 0: `sign * value[entry]` for every row."""
        return self._map([(row.value, row.entry, row.sign) for row in rows])

    def _map(self, entries: Sequence[tuple[Node, int, float]]) -> Map:
        found = Map(np.zeros(len(entries)), {}, np.zeros(len(entries)))
        for place, (value, entry, sign) in enumerate(entries):
            for term, factor in terms_of(value, entry):
                self._add(found, place, term, sign * factor)
        return found

    def _add(self, found: Map, place: int, term: Node, factor: float) -> None:
        base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
        match base:
            case Constant(value=value):
                added = factor * float(value.reshape(-1)[at])
                found.constant[place] += added
                found.sizes[place] += abs(added)
                return
            case Reference(decision=decision) if decision.path in self.places:
                key, width, at = POINT, self.size, self.places[decision.path].start + at
            case Applied():
                width = int(np.prod(self.program.known_network(base.network).network.output_shape, dtype=np.int64))
                key, at = self._station(base, at // width), at % width
            case _:
                raise Opaque(base)
        if key not in found.parts:
            found.parts[key] = np.zeros((len(found.constant), width))
        found.parts[key][place, at] += factor

    def _station(self, node: Applied, number: int) -> int:
        """The base that is what a network gives at one of the points that it is applied to."""
        key = (self._same.number(node), number)
        if key not in self._bases:
            known = self.program.known_network(node.network)
            width = int(np.prod(known.network.input_shape, dtype=np.int64))
            reads = self._map([(node.operand, number * width + k, 1.0) for k in range(width)])
            self.stations.append(Station(known, _scaled(known, reads)))
            self._bases[key] = len(self.stations)
        return self._bases[key]

    # ---- values ------------------------------------------------------------------------------------------------

    def values(self, rows: Map, x: FloatArray) -> FloatArray:
        """The rows at points [n, entries], shape [n, rows]."""
        return self.largest(rows, x)[0]

    def largest(self, rows: Map, x: FloatArray, has_slope: bool = False) -> tuple[FloatArray, FloatArray]:
        """The rows at points [n, entries], shape [n, rows], and with `has_slope` a subgradient of the largest of them
        at every point, [n, entries]. Values are with smooth functions, slopes are those of curves in their place."""
        bases: dict[int, FloatArray] = {POINT: x}
        passes: dict[int, Backprop] = {}
        for number in self.needed(rows):
            known, reads = self.stations[number - 1].known, self.stations[number - 1].reads
            passes[number] = self._pass(number)
            passes[number].inputs = _applied(reads, bases).reshape(len(x), *known.network.input_shape)
            found = passes[number].result(known.assignment)
            if known.smoothed is not None:
                found = smooth_result(known, passes[number].inputs)
            bases[number] = found.reshape(len(x), -1)
        values = _applied(rows, bases)
        if not has_slope or not len(rows.constant):
            return values, np.zeros(x.shape)
        choice = values.argmax(axis=1)
        slopes = {base: part[choice] for base, part in rows.parts.items()}
        for number in sorted(passes, reverse=True):
            mine = slopes.pop(number)
            into = passes[number].of_inputs(self.stations[number - 1].known.assignment, mine)
            for base, matrix in self.stations[number - 1].reads.parts.items():
                part = into @ matrix
                slopes[base] = slopes[base] + part if base in slopes else part
        return values, slopes.get(POINT, np.zeros(x.shape))

    def _pass(self, number: int) -> Backprop:
        if number not in self._passes:
            network = self.stations[number - 1].known.network
            self._passes[number] = Backprop(network, np.zeros((1, *network.input_shape)))
        return self._passes[number]

    def needed(self, rows: Map) -> list[int]:
        """The stations that rows depend on, in order."""
        found: set[int] = set()
        open_ = [base for base in rows.parts if base != POINT]
        while open_:
            base = open_.pop()
            if base not in found:
                found.add(base)
                open_.extend(b for b in self.stations[base - 1].reads.parts if b != POINT)
        return sorted(found)

    # ---- bounds ------------------------------------------------------------------------------------------------

    def walk(
        self,
        rows: Map,
        box: Interval,
        steps: int = 3,
        given: Mapping[int, Known] | None = None,
        further: Further | None = None,
    ) -> Walk:
        """Bounds of everything that rows depend on, over boxes [n, entries] of points.

        given: by base, bounds of tensors that are known already. further: as in `bounds.crown`."""
        bases = {POINT: box}
        crowns: dict[int, Crown] = {}
        for number in self.needed(rows):
            station = self.stations[number - 1]
            network = station.known.network
            inputs = _bounds(station.reads, bases, len(box.lo))
            crown = Crown(
                KnownWeights(network, station.known.assignment),
                inputs.reshape((len(inputs.lo), *network.input_shape)),
                given={} if given is None else given[number],
                further=further,
                steps=steps,
            )
            crown.tighten()
            crowns[number] = crown
            last = crown.outputs[network.result_layer]
            bases[number] = last.take(network.result_index.reshape(-1))
        return Walk(self, box, bases, crowns)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Bounds over boxes [n, entries] of points, from which planes below rows follow."""

    composite: Composite
    box: Interval
    bases: dict[int, Interval]
    crowns: dict[int, Crown]

    def planes(self, rows: Map) -> Planes:
        """Affine functions of the point below the rows, for every box."""
        lost = rows.slack[None]
        for base, part in rows.parts.items():
            lost = lost + ROUNDED * dot(np.abs(part)[None], self.bases[base].magnitude)
        shift = down(rows.constant - lost)
        found = {base: part[None] for base, part in rows.parts.items()}
        for number in sorted(self.crowns, reverse=True):
            mine = found.pop(number, None)
            if mine is None:
                continue
            shift = self._through(number, mine, found, shift)
        slope = found.get(POINT)
        if slope is None:
            slope = np.zeros((1, len(rows.constant), self.composite.size))
        return Planes(slope, shift)

    def least(self, rows: Map) -> FloatArray:
        """Lower bounds of the rows over every box, [n, rows]."""
        return self.planes(rows).least(self.box)

    def _through(self, number: int, mine: FloatArray, found: dict[int, FloatArray], shift: FloatArray) -> FloatArray:
        """Take coefficients [1 or n, rows, outputs] on a network back to the bases that it reads; the new shift."""
        station, crown = self.composite.stations[number - 1], self.crowns[number]
        made = crown.rows(mine.reshape(*mine.shape[:2], *station.known.network.output_shape))
        slope, reads = made.slope.reshape(*made.slope.shape[:2], -1), station.reads
        scale, terms = reads.sizes[None], slope.shape[2] + 72
        for base, matrix in reads.parts.items():
            scale = scale + self.bases[base].magnitude @ np.abs(matrix).T
            terms += matrix.shape[1]
        charge = 1.02 * terms * UNIT_ROUNDOFF * dot(np.abs(slope), scale) + UNDERFLOW * (1.0 + scale.sum())
        shift = down(down(shift + made.shift) + down(slope @ reads.constant - charge))
        for base, matrix in reads.parts.items():
            part = slope @ matrix
            if base not in found:
                found[base] = part
                continue
            found[base] = found[base] + part
            size = self.bases[base].magnitude
            shift = down(shift - 2 * UNIT_ROUNDOFF * dot(np.abs(found[base]), size))
        return shift


def _scaled(known: KnownNetwork, reads: Map) -> Map:
    """What a network reads in its own scaling."""
    if known.scaling is None:
        return reads
    factor = known.scaling.factor
    moved = known.scaling.low - known.scaling.shift * factor
    sizes = reads.sizes * np.abs(factor) + np.abs(known.scaling.low) + np.abs(known.scaling.shift * factor)
    parts = {base: part * factor[:, None] for base, part in reads.parts.items()}
    return Map(reads.constant * factor + moved, parts, sizes)


def _applied(rows: Map, bases: dict[int, FloatArray]) -> FloatArray:
    n = len(bases[POINT])
    total = np.broadcast_to(rows.constant, (n, len(rows.constant)))
    for base, part in rows.parts.items():
        total = total + bases[base] @ part.T
    return np.asarray(total)


def _bounds(rows: Map, bases: dict[int, Interval], n: int) -> Interval:
    """Bounds of an affine map of bases, shape [n, rows], outward rounded."""
    if len(rows.parts) == 1 and not rows.sizes.any() and _is_choice(part := next(iter(rows.parts.values()))):
        total = bases[rows.bases[0]].take(part.argmax(axis=1))
    else:
        total = Interval.point(rows.constant[None]).widened(rows.slack)
        for base in rows.bases:
            part = rows.parts[base]
            own = image(bases[base], part, part.shape[1], lambda x, w: x @ w.T)
            total = total + own.widened(ROUNDED * (bases[base].magnitude @ np.abs(part).T))
    wide = np.broadcast_to(total.lo, (n, total.lo.shape[1])), np.broadcast_to(total.hi, (n, total.hi.shape[1]))
    return Interval(*wide)


def _is_choice(part: FloatArray) -> bool:
    """Whether every row is one entry of a base, as it is."""
    return bool(((part == 0) | (part == 1)).all() and (part.sum(axis=1) == 1).all())


def entries_of(points: Iterable[Reference], x: FloatArray) -> dict[str, FloatArray]:
    """The values of decisions by path, from one vector."""
    values, start = {}, 0
    for point in points:
        values[point.decision.path] = x[start : start + point.decision.size].reshape(point.decision.shape)
        start += point.decision.size
    return values
