"""Bounds of networks with known weights by linear programs over their relaxation (LP-OBBT), each certified.

The entries of all tensors are columns, between their proved bounds; affine layers are equations with the exact weights,
activations the convex hull of their graphs (Ehlers, "Formal verification of piece-wise linear feed-forward neural
networks", 2017). For every entry on which a later relaxation still depends, the largest and the least value are
programs that differ in their objective only (Tjeng, Xiao and Tedrake, "Evaluating robustness of neural networks with
mixed integer programming", 2019).

No number of the solver is believed but its multipliers y, and these can be anything: for all x with l <= x <= u and
least <= R x <= most,

    c . x  =  (c - R'y) . x + y . (R x)  <=  sum max(d l, d u) + sum of y most where y > 0, y least where y < 0,

d = c - R'y (Neumaier and Shcherbina, "Safe bounds in linear and mixed-integer programming", 2004). d is a sum of at
most m = rows + 1 products; its error is charged with gamma_m (|c| + |R|'|y|) max(|l|, |u|), as `bounds.crown` derives.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from typing import Protocol

import numpy as np

from nnmip.bounds.crown import STEPS, UNDERFLOW, Crown, Further, crown
from nnmip.bounds.interval import UNIT_ROUNDOFF, BoolArray, FloatArray, IntArray, Interval
from nnmip.bounds.known import Known, KnownWeights, bounded_box, met
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Layer, Network
from nnmip.ops.base import Blend
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass


class Answer(Protocol):
    """What is read of a solved program: a multiplier for every row, and a point that only guides."""

    @property
    def multipliers(self) -> FloatArray: ...

    @property
    def x(self) -> FloatArray: ...


class LinearSolver(Protocol):
    """A linear program that maximises, made from a cost and the bounds of its columns. ray: multipliers that show that
    it has no point, after a solve without an answer, where there are any."""

    def add_sparse(
        self, starts: IntArray, columns: IntArray, values: FloatArray, least: FloatArray, most: FloatArray
    ) -> None: ...

    def set_cost(self, cost: FloatArray) -> None: ...

    def set_bounds(self, lower: FloatArray, upper: FloatArray) -> None: ...

    def solve(self) -> Answer | None: ...

    def ray(self) -> FloatArray | None: ...


SolverMaker = Callable[[FloatArray, FloatArray, FloatArray], LinearSolver]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows `least <= sum of values x[columns] <= most` about their first columns: columns [rows, k], -1 for none."""

    columns: IntArray
    values: FloatArray
    least: FloatArray
    most: FloatArray


STEEPEST = 1e9
"""The largest coefficient of a row that is kept; HiGHS refuses all rows of a batch where one has more than 1e15."""


@dataclass(slots=True)
class Rows:
    """Blocks of rows over columns between `lo` and `hi`, as they are collected: what a block is about comes after what
    it is made from."""

    lo: list[FloatArray] = field(default_factory=list)
    hi: list[FloatArray] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    columns: int = 0

    def add_columns(self, bounds: Interval) -> IntArray:
        """A column for every entry of a tensor [1, *shape], as an array of its shape."""
        self.lo.append(bounds.lo.ravel())
        self.hi.append(bounds.hi.ravel())
        self.columns += bounds.lo.size
        return np.arange(self.columns - bounds.lo.size, self.columns).reshape(bounds.shape[1:])

    def add(self, columns: IntArray, values: FloatArray, least: FloatArray, most: FloatArray) -> None:
        """A block without its rows that are too steep, such as the chord of a jump whose unit reaches -1e-15: they say
        next to nothing, and a program without them bounds from above as well."""
        says = np.abs(values).max(axis=1, initial=0.0) <= STEEPEST
        self.blocks.append(Block(columns[says], values[says], least[says], most[says]))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Rows `least <= R x <= most` over x between `lo` and `hi`, R by its entries, with the certificate of a bound."""

    lo: FloatArray
    hi: FloatArray
    row: IntArray
    column: IntArray
    value: FloatArray
    least: FloatArray
    most: FloatArray

    @staticmethod
    def of(rows: Rows, wanted: IntArray) -> Program:
        """The rows that say something about the wanted columns, directly or through other columns."""
        is_needed = np.zeros(rows.columns + 1, dtype=bool)
        is_needed[wanted] = True
        kept: list[Block] = []
        for block in reversed(rows.blocks):
            use = is_needed[block.columns[:, 0]]
            if use.any():
                kept.append(Block(block.columns[use], block.values[use], block.least[use], block.most[use]))
                is_needed[kept[-1].columns] = True
                is_needed[-1] = False
        sizes = np.cumsum([0, *(len(block.least) for block in kept)])
        row, column, value = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
        for block, start in zip(kept, sizes, strict=False):
            there = (block.columns >= 0) & (block.values != 0.0)
            row.append(start + np.nonzero(there)[0])
            column.append(block.columns[there])
            value.append(block.values[there])
        least, most = (
            np.concatenate([np.zeros(0), *ends]) for ends in ([k.least for k in kept], [k.most for k in kept])
        )
        entries = np.concatenate(row), np.concatenate(column), np.concatenate(value)
        return Program(np.concatenate(rows.lo), np.concatenate(rows.hi), *entries, least, most)

    def solver(self, make: SolverMaker) -> LinearSolver:
        program = make(np.zeros(len(self.lo)), self.lo, self.hi)
        if len(self.least):
            starts = np.searchsorted(self.row, np.arange(len(self.least)))
            program.add_sparse(starts, self.column, self.value, self.least, self.most)
        return program

    def certified(self, cost: FloatArray, multipliers: FloatArray) -> float:
        """An upper bound of `cost . x`, whatever the multipliers are."""
        side = np.where(multipliers > 0.0, self.most, self.least)
        y = np.where(np.isfinite(side) & np.isfinite(multipliers), multipliers, 0.0)
        side = np.where(y == 0.0, 0.0, side)
        terms = self.value * y[self.row]
        d = cost - np.bincount(self.column, terms, len(cost))
        size = np.abs(cost) + np.bincount(self.column, np.abs(terms), len(cost))
        reach = np.maximum(np.abs(self.lo), np.abs(self.hi))
        total = np.maximum(d * self.lo, d * self.hi).sum() + (y * side).sum()
        count = len(self.lo) + 2 * len(self.least) + 8
        charge = 1.01 * count * UNIT_ROUNDOFF * (2.0 * (size * reach).sum() + np.abs(y * side).sum())
        dust = UNDERFLOW * (1.0 + reach.sum())
        return float(np.nextafter(np.nextafter(np.nextafter(total + charge, np.inf), np.inf) + dust, np.inf))


@dataclass(frozen=True, slots=True, eq=False)
class Kinks:
    """Entries y = max(a z, c z) that bend at 0: the columns of z, y and their phase, a (`below`) and c (`above`)."""

    inner: IntArray
    outer: IntArray
    phase: IntArray
    below: FloatArray
    above: FloatArray

    @staticmethod
    def none() -> Kinks:
        return Kinks(*np.zeros((3, 0), dtype=np.int64), *np.zeros((2, 0)))

    def __add__(self, other: Kinks) -> Kinks:
        return Kinks(*(np.concatenate([getattr(k, name) for k in (self, other)]) for name in self.__slots__))


@dataclass(slots=True)
class Prefix:
    """The relaxation of all layers that a walk has passed, for one box; `kinks` with phases only where asked for."""

    walk: Crown
    has_phases: bool = False
    kinks: Kinks = field(default_factory=Kinks.none)
    rows: Rows = field(default_factory=Rows)
    columns: dict[str, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = self.walk.known.network
        self.columns[network.input_name] = self.rows.add_columns(self.walk.outputs[network.input_name])
        for layer in network.layers:
            if layer.name not in self.walk.outputs:
                return
            other = self.walk.known.stands_for(layer)
            self.columns[layer.name] = self.columns[other] if other is not None else self._layer(layer)

    def _layer(self, layer: Layer) -> IntArray:
        op, options = LAYERS[layer.op], dict(layer.options)
        shapes = tuple(self.columns[name].shape for name in layer.inputs)
        reads = self._distinct(np.concatenate([self.columns[name].ravel() for name in layer.inputs]))
        mask, bounds = self.walk.known.mask(layer), self.walk.outputs[layer.name]
        if op.connect is None and not op.reads_bits and self.walk.relaxation(layer).facets is None:
            entries = op.entries(shapes, options)
            entries = entries.reshape(-1, entries.shape[-1])
            sources = np.where(entries >= 0, reads[entries], -1)
            if sources.shape[1] == 1 and mask is None:
                return self._passed_on(sources[:, 0].reshape(layer.shape), bounds)
        columns = self.rows.add_columns(bounds)
        kept = np.flatnonzero(np.ones(layer.shape) if mask is None else mask)
        own = columns.ravel()[kept, None]
        if op.connect is not None:
            self._weighted(layer, own, kept, reads)
        elif op.reads_bits:
            self._gated(layer, own, kept, reads)
        elif self.walk.relaxation(layer).facets is not None:
            self._entrywise(layer, columns, kept, reads)
        elif op.blend is Blend.LARGEST:
            self._largest(own, sources[kept])
        else:
            self._summed(own, sources[kept], op.blend)
        return columns

    def _distinct(self, columns: IntArray) -> IntArray:
        """The columns, with copies of those that a layer reads twice: the entries of a row are never added."""
        first = np.zeros(len(columns), dtype=bool)
        first[np.unique(columns, return_index=True)[1]] = True
        again = columns[~first]
        if not len(again):
            return columns
        ends = (np.concatenate(part)[again] for part in (self.rows.lo, self.rows.hi))
        copies = self.rows.add_columns(Interval(*(end[None] for end in ends)))
        zeros = np.zeros(len(again))
        self.rows.add(np.stack([copies, again], axis=1), np.broadcast_to([1.0, -1.0], (len(again), 2)), zeros, zeros)
        found = columns.copy()
        found[~first] = copies
        return found

    def _passed_on(self, sources: IntArray, bounds: Interval) -> IntArray:
        """Entries of what a layer reads; those made from nothing are columns of their own."""
        if (sources >= 0).all():
            return sources
        return np.where(sources >= 0, sources, self.rows.add_columns(bounds))

    def _weighted(self, layer: Layer, own: IntArray, kept: IntArray, reads: IntArray) -> None:
        connect = LAYERS[layer.op].connect
        assert connect is not None
        shape = self.columns[layer.inputs[0]].shape
        connections, weights = connect(shape, dict(layer.options)), self.walk.known.weights(layer)
        unit, source = connections.unit[kept], connections.source[kept]
        values = -weights["weights"].reshape(connections.units, -1)[unit]
        bias = weights["bias"][unit] if "bias" in weights else np.zeros(len(unit))
        columns = np.concatenate([own, np.where(source >= 0, reads[source], -1)], axis=1)
        self.rows.add(columns, np.concatenate([np.ones(own.shape), values], axis=1), bias, bias)

    def _entrywise(self, layer: Layer, columns: IntArray, kept: IntArray, reads: IntArray) -> None:
        """The hull of every graph; outputs that are their input become the same column, and lines of slope 0 are the
        bounds of a column already."""
        facets = self.walk.relaxation(layer).facets
        assert facets is not None
        lines = [tuple(part.ravel()[kept] for part in line) for line in zip(*facets(), strict=True)]
        same = np.logical_or.reduce([(slope == 1.0) & (below == 0.0) & (above == 0.0) for slope, below, above in lines])
        columns.ravel()[kept[same]] = reads[kept[same]]
        pairs = np.stack([columns.ravel()[kept], reads[kept]], axis=1)
        for slope, below, above in lines:
            use = (np.isfinite(below) | np.isfinite(above)) & (slope != 0.0) & ~same
            self.rows.add(pairs[use], np.stack([np.ones(len(slope)), -slope], axis=1)[use], below[use], above[use])
        if self.has_phases:
            self._phased(layer, columns, kept, reads)

    def _phased(self, layer: Layer, columns: IntArray, kept: IntArray, reads: IntArray) -> None:
        """The rows of `bounds.branched` for entries with a kink at 0; what multiplies a phase is rounded up."""
        relaxation = self.walk.relaxation(layer)
        if relaxation.swing is None or not relaxation.swing[0] < relaxation.swing[1]:
            return
        below, above = relaxation.swing
        bent = kept[relaxation.loose[0].ravel()[kept]]
        bounds = self.walk.outputs[layer.inputs[0]]
        bend = np.nextafter(above - below, np.inf)
        up, down = (np.nextafter(bend * e.ravel()[bent], np.inf) for e in (bounds.hi, -bounds.lo))
        phase = self.rows.add_columns(Interval.box((1, len(bent)), 0.0, 1.0))
        y, z, none, ones = columns.ravel()[bent], reads[bent], np.full(len(bent), -np.inf), np.ones(len(bent))
        triples = np.stack([y, z, phase], axis=1)
        self.rows.add(triples, np.stack([ones, -below * ones, -up], axis=1), none, np.zeros(len(bent)))
        self.rows.add(triples, np.stack([ones, -above * ones, down], axis=1), none, down)
        self.kinks += Kinks(z, y, phase, below * ones, above * ones)

    def _gated(self, layer: Layer, own: IntArray, kept: IntArray, reads: IntArray) -> None:
        """The hull of x times a bit: lo bit <= y <= hi bit and x - hi (1 - bit) <= y <= x - lo (1 - bit)."""
        size = self.columns[layer.inputs[0]].size
        x, bits = reads[:size][kept, None], np.broadcast_to(reads[size:], size)[kept, None]
        bounds = self.walk.outputs[layer.inputs[0]]
        none = np.full(len(kept), np.inf)
        for end, sign in ((bounds.lo.ravel()[kept], 1.0), (bounds.hi.ravel()[kept], -1.0)):
            ones, zeros = np.ones((len(kept), 1)), np.zeros(len(kept))
            sides = (zeros, none) if sign > 0 else (-none, zeros)
            self.rows.add(np.concatenate([own, bits], axis=1), np.concatenate([ones, -end[:, None]], axis=1), *sides)
            sides = (-none, -end) if sign > 0 else (-end, none)
            columns = np.concatenate([own, x, bits], axis=1)
            self.rows.add(columns, np.concatenate([ones, -ones, -end[:, None]], axis=1), *sides)

    def _largest(self, own: IntArray, sources: IntArray) -> None:
        for source in sources.T:
            there = source >= 0
            columns = np.concatenate([own, source[:, None]], axis=1)[there]
            none = np.full(len(columns), np.inf)
            self.rows.add(columns, np.broadcast_to([1.0, -1.0], columns.shape), np.zeros(len(columns)), none)

    def _summed(self, own: IntArray, sources: IntArray, blend: Blend) -> None:
        """A mean is a sum whose output counts as often as it has entries, so that nothing is rounded."""
        count = (sources >= 0).sum(axis=1, keepdims=True) if blend is Blend.MEAN else np.ones(own.shape)
        zeros = np.zeros(len(own))
        values = np.concatenate([1.0 * count, -np.ones(sources.shape)], axis=1)
        self.rows.add(np.concatenate([own, sources], axis=1), values, zeros, zeros)


WORKERS = 2
"""Threads that solve programs, each from its own basis before. Their number is fixed, since what is proved depends on
the order of the programs in the last digits."""


POLL = 0.1
"""Seconds after which the thread that waits looks whether it was interrupted: a signal may reach another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """To bound `sign` times each of some columns from above, with a solver of the program."""

    program: Program
    kinks: Kinks
    solver: LinearSolver
    columns: IntArray
    sign: float
    is_over: Callable[[], bool]


def largest(task: Task) -> FloatArray:
    """Certified upper bounds by one program for each column; infinite where the solver has no answer, or it is over."""
    found = np.full(len(task.columns), np.inf)
    for place, column in enumerate(task.columns):
        if task.is_over():
            break
        cost = np.zeros(len(task.program.lo))
        cost[column] = task.sign
        task.solver.set_cost(cost)
        answer = task.solver.solve()
        if answer is not None:
            found[place] = task.program.certified(cost, answer.multipliers)
    return found


Bounder = Callable[[Task], FloatArray]
"""What gives certified upper bounds of the columns of a task."""


NOTHING = 1e-6
"""Programs that can gain no more than this part of the width of an entry are never solved."""


def tightened(
    make: SolverMaker, bounder: Bounder = largest, has_phases: bool = False, worth: float | None = 0.0
) -> Further:
    """Tightens bounds on both sides for every entry on which a relaxation depends, in walks of one box each.

    With a `worth`, only those entries are given to the bounder that the relaxation may shrink by more than this part of
    their width, or end at 0: what the primal points of backward lines say of the gap (`Crown.gaps`) is all that a
    program can gain (Gleixner et al., "Three enhancements for optimization-based bound tightening", 2017, section 3).
    """

    def tighten(walk: Crown, name: str, loose: Callable[[], BoolArray]) -> None:
        if walk.is_exact(name) or not loose().any():
            return
        wanted = _worthwhile(walk, name, np.flatnonzero(loose()), worth)
        if not any(map(len, wanted)):
            return
        prefix, shape = Prefix(walk, has_phases), walk.outputs[name].shape
        columns = prefix.columns[name].ravel()
        program = Program.of(prefix.rows, columns[np.concatenate(wanted)])
        solvers = [program.solver(make) for _ in range(min(WORKERS, max(map(len, wanted))))]
        for sign, own in zip((1.0, -1.0), wanted, strict=True):
            lo, hi = (end.ravel().copy() for end in (walk.outputs[name].lo, walk.outputs[name].hi))
            parts = np.array_split(own[loose().ravel()[own]], len(solvers))
            over = threading.Event()
            tasks = [
                Task(program, prefix.kinks, solver, columns[part], sign, over.is_set)
                for solver, part in zip(solvers, parts, strict=True)
            ]
            for part, found in zip(parts, _side_by_side(bounder, tasks, over), strict=True):
                if sign > 0:
                    hi[part] = np.minimum(hi[part], found)
                else:
                    lo[part] = np.maximum(lo[part], -found)
            walk.outputs[name] = met(name, walk.outputs[name], Interval(lo.reshape(shape), hi.reshape(shape)))

    return tighten


def _side_by_side(bounder: Bounder, tasks: list[Task], over: threading.Event) -> list[FloatArray]:
    """What the bounder says of each task, in a thread each; Ctrl-C sets `over` and is raised once all have answered.

    No pool of threads: Ctrl-C in the join at its end makes Python take a thread for ended (bpo-45274) and end the
    process while HiGHS is at work in it, which aborts, and in a wait for a future it may leave a lock behind. A queue
    that is not written in Python does neither.
    """
    found: dict[int, FloatArray | BaseException] = {}
    bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def work(place: int) -> None:
        try:
            found[place] = bounder(tasks[place])
        except BaseException as error:  # it is raised in the thread that waits
            found[place] = error
            over.set()
        bell.put(None)

    threads, interrupt = [threading.Thread(target=work, args=(place,)) for place in range(len(tasks))], None
    while len(found) < len(tasks):
        try:
            for thread in threads:
                if thread.ident is None:
                    thread.start()
            with suppress(queue.Empty):
                bell.get(timeout=POLL)
        except KeyboardInterrupt as error:
            over.set()
            interrupt = error
    for answer in (interrupt, *found.values()):
        if isinstance(answer, BaseException):
            raise answer
    return [answer for _, answer in sorted(found.items()) if not isinstance(answer, BaseException)]


def _worthwhile(walk: Crown, name: str, index: IntArray, worth: float | None) -> tuple[IntArray, IntArray]:
    """The entries whose upper, and those whose lower bounds a program may make better by what it is worth."""
    if worth is None:
        return index, index
    lo, hi = (end.ravel()[index] for end in (walk.outputs[name].lo, walk.outputs[name].hi))
    gaps, least = walk.gaps(name, index), max(worth, NOTHING) * (hi - lo)
    upper = ~(gaps.hi <= least) | ((hi > 0.0) & (hi - gaps.hi <= 0.0))
    lower = ~(gaps.lo <= least) | ((lo < 0.0) & (lo + gaps.lo >= 0.0))
    return index[upper], index[lower]


def obbt(
    network: Network,
    assignment: Assignment,
    inputs: Interval,
    make: SolverMaker,
    given: Known | None = None,
    further: Further | None = None,
) -> Bounds:
    """Bounds of every layer, for inputs [n, *input]: backward linear bounds, tightened by linear programs, or by what
    is given as `further`, wherever a relaxation still depends on them. `given` are bounds that are known. Raises
    Unbounded as `crown` does."""
    inputs = bounded_box(network, inputs)
    known = KnownWeights(network, assignment)
    first = crown(network, assignment, inputs).outputs if given is None else given
    further = tightened(make) if further is None else further
    parts = []
    for sample in range(len(inputs.lo)):
        at = {name: Interval(b.lo[sample : sample + 1], b.hi[sample : sample + 1]) for name, b in first.items()}
        walk = Crown(known, at[network.input_name], given=at, further=further, steps=STEPS)
        walk.tighten()
        parts.append(walk.outputs)
    outputs = {
        name: Interval(*(np.concatenate(ends) for ends in zip(*((p[name].lo, p[name].hi) for p in parts), strict=True)))
        for name in first
    }
    return Bounds(outputs, "linear programs")
