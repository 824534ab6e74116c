"""The MILP of columns: how often each unit that a hidden layer can have stands in the network, and nothing else."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property

import numpy as np

from nnmip.hir.core import Assignment
from nnmip.lowering.base import Lowering
from nnmip.lowering.columns_size import check_ties, row_of
from nnmip.lowering.decisions import encode_decision
from nnmip.lowering.lower import Lowered, finished
from nnmip.lowering.tied import Tied
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.builder import Choice, MilpBuilder
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.passes.base import Analysed
from nnmip.records import dataclass
from nnmip.search.enumerate import Columns, activated, batches_of_units, check_columns, columns_of, sums_of
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.networks import assignment_of
from nnmip.search.traits import traits_of
from nnmip.search.view import Refusal, View
from nnmip.sizes import NONZERO, Allowance
from nnmip.source import GOAL, Origin, Span

COLUMNS = "columns"
"""What names files call this encoding."""

NOISE = 1e-12
"""What a unit shows of less than that is the rounding of sums that are 0."""

SAME = 1e-9
"""A unit shows what a column has where no row differs by more."""


def lower_columns(view: View, allowance: Allowance) -> Lowered:
    """The MILP of a view, equivalent to its program:

        minimise  loss + sum of cost[k] r[k] + cost of idle units
        sum of r[k] + idle = H,    f = sum of a[k] v[k] r[k] + output bias,    rows that bound the loss from below at f

    with an integer r[k] for every pair of a column a[k] of activations and a vector v[k] of output weights. Columns are
    one only where they are equal in every row: what differs by a constant is told apart by the box of output biases.
    Raises Refusal where conditions tie units and where the MILP would be larger than is allowed, DiagnosticError as
    `lower_program`.
    """
    check_ties(view)
    check_columns(view, allowance)
    columns = columns_of(view, allowance, merges=False)
    kinds = Kinds.every(columns)
    check_coefficients(kinds, view, allowance)
    return Writing(view, columns, kinds).lowered()


def check_coefficients(kinds: Kinds, view: View, allowance: Allowance) -> None:
    """Refusal where the MILP of some kinds of units would be larger than is allowed."""
    coefficients = len(kinds.unit) * len(row_of(view.loss))
    if coefficients * NONZERO > allowance.size:
        raise Refusal(f"the MILP of its columns has {coefficients} coefficients, which is larger than is allowed")


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """What is counted: columns with output weights, by their places in the pool and the heads, [L]; `shape` is that of
    the counts."""

    unit: IntArray
    head: IntArray
    shape: tuple[int, ...]

    @staticmethod
    def every(columns: Columns) -> Kinds:
        shape = (columns.others, len(columns.heads.cost))
        unit, head = np.indices(shape).reshape(2, -1)
        if columns.others == columns.pool.size:
            return Kinds(unit, head, shape)
        idle = np.arange(columns.others, columns.pool.size)  # nothing goes out of them
        unit, head = np.concatenate([unit, idle]), np.concatenate([head, np.zeros(len(idle), dtype=np.int64)])
        return Kinds(unit, head, (len(unit),))

    @staticmethod
    def among(columns: Columns, chosen: BoolArray) -> Kinds:
        """Those that are chosen of every column with every head, [columns * heads]."""
        unit, head = np.divmod(np.flatnonzero(chosen), len(columns.heads.cost))
        return Kinds(unit, head, (len(unit),))

    def cost(self, columns: Columns) -> FloatArray:
        """What a unit of each kind costs; those that nothing goes out of are priced with the cheapest head."""
        heads = columns.heads.cost
        return np.asarray(
            columns.pool.cost[self.unit] + np.where(self.unit < columns.others, heads[self.head], heads.min())
        )


@dataclass(eq=False)
class Writing:
    """One MILP of columns: its parts are made in the order in which they stand here."""

    view: View
    columns: Columns
    kinds: Kinds
    low: Lowering = field(init=False)

    def __post_init__(self) -> None:
        program = self.view.program
        builder = MilpBuilder(Origin(Span(program.source, 0, 0), "model"))
        self.low = Lowering(Analysed(program), builder)

    @property
    def path(self) -> str:
        return self.view.hidden.path

    def lowered(self) -> Lowered:
        counts, _ = self.write()
        return finished(self.low.builder, Counted(self.view, self.columns, self.kinds, self.low, counts))

    def write(self) -> tuple[Affine, Affine]:
        """All columns and rows; how many units are of each kind, and the goal."""
        builder, goal = self.low.builder, self.view.program.goal
        assert goal is not None
        with builder.owned_by(self.path):
            counts, idle = self._counts()
        if self.view.coupling:
            with builder.owned_by("constraints"):
                Tied(self.view, self.columns, self.low, self.kinds.unit, self.kinds.head, counts, idle).write()
        with builder.owned_by(self.view.out.path):
            bias = self._bias()
        with builder.owned_by(f"{GOAL} loss"):
            write = self._shortfalls if isinstance(self.view.loss, Shortfalls) else self._mistakes
            loss = write(counts, bias)
        cost = [loss, (counts * self._costs).sum(), Affine.constant(np.array(self.columns.constant))]
        if idle is not None and self.columns.idle is not None:
            cost.append(idle * self.columns.idle)
        total = add_up(cost, ())
        builder.minimise(total)
        return counts, total

    @cached_property
    def _costs(self) -> FloatArray:
        return self.kinds.cost(self.columns)

    def _counts(self) -> tuple[Affine, Affine | None]:
        """How many units are of each kind, [L], and how many do nothing."""
        builder, layer, units = self.low.builder, self.view.hidden, self.view.parts.units
        name = f"{self.path}.units"
        counts = builder.columns(
            name, self.kinds.shape, 0.0, units, layer.origin, lambda x, choice: choice[name], integer=True
        )
        total, idle = counts.sum(), None
        if self.columns.idle is not None:

            def rest(x: FloatArray, choice: Choice) -> FloatArray:
                return np.asarray(units - choice[name].sum())

            idle = builder.columns(f"{self.path}.idle", (), 0.0, units, layer.origin, rest, integer=True)
            total = total + idle
        builder.rows(f"{self.path}.count", total, layer.origin, lb=units, ub=units)
        return counts.reshape((counts.size,)), idle

    def _bias(self) -> Affine:
        """The output biases in the order of the scores."""
        decision = self.view.out.decision("bias")
        if decision is None:
            return Affine.constant(np.zeros(len(self.view.output)))
        encoding = encode_decision(self.low, decision, None, multiplies=False)
        self.low.encodings[decision.path] = encoding
        return encoding.value.reshape((decision.size,)).gather(self.view.output)

    def _reached(self, slope: FloatArray, counts: Affine, bias: Affine) -> tuple[Affine, FloatArray]:
        """slope[r] @ the scores for every row of the loss, and a number that it is not below."""
        pool, heads, kinds = self.columns.pool, self.columns.heads, self.kinds
        shown = pool.activations[:, :, row_of(self.view.loss)]
        gains = np.zeros((len(slope), len(kinds.unit)))
        for head, sloped in enumerate(heads.vectors @ slope.T):
            mine = np.flatnonzero(kinds.head == head)
            gains[:, mine] = np.einsum("kpr,pr->rk", shown[kinds.unit[mine]], sloped)
        gains = np.where(np.abs(gains) > NOISE, gains, 0.0)
        row, kind = np.nonzero(gains)
        scores = Affine(np.zeros(len(slope)), row, counts.column[kind], gains[row, kind])
        domain, steep = self.view.bias, np.maximum(slope, 0.0)
        least = self.view.parts.units * gains.min(axis=1, initial=0.0)
        least += steep.sum(axis=1) * domain.lo + (slope - steep).sum(axis=1) * domain.hi
        shift = add_up([bias.gather(np.full(len(slope), c)) * slope[:, c] for c in range(slope.shape[1])], least.shape)
        return scores + shift, least

    def _shortfalls(self, counts: Affine, bias: Affine) -> Affine:
        """s >= target - slope @ f for every piece of a group, s >= 0: exact where s is minimised."""
        loss, builder, origin = self.view.loss, self.low.builder, self._origin
        assert isinstance(loss, Shortfalls)
        reached, least = self._reached(loss.slope, counts, bias)
        groups = len(loss.weight)
        most = np.zeros(groups)
        np.maximum.at(most, loss.group, loss.target - least)

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            short = np.zeros(groups)
            np.maximum.at(short, loss.group, loss.target - reached.value(x))
            return short

        short = builder.columns("loss", (groups,), 0.0, most, origin, fill)
        builder.rows("loss.shortfall", short.gather(loss.group) + reached, origin, lb=loss.target)
        return (short * loss.weight).sum()

    def _mistakes(self, counts: Affine, bias: Affine) -> Affine:
        """sign f >= margin - M e with a binary e for every row, M what the worst network needs."""
        loss, builder, origin = self.view.loss, self.low.builder, self._origin
        assert isinstance(loss, Mistakes)
        reached, least = self._reached(loss.sign[:, None], counts, bias)
        needed = np.maximum(loss.margin - least, 0.0)

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            return np.asarray(reached.value(x) < loss.margin - SAME, dtype=np.float64)

        wrong = builder.binaries("loss", (loss.rows,), origin, fill)
        builder.rows("loss.mistake", reached + wrong * needed, origin, lb=loss.margin, big_m=needed)
        return (wrong * loss.weight).sum()

    @property
    def _origin(self) -> Origin:
        goal = self.view.program.goal
        assert goal is not None
        return goal.origin


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The way between networks and counts of their units."""

    view: View
    columns: Columns
    kinds: Kinds
    low: Lowering
    counts: Affine

    @property
    def known(self) -> Analysed:
        return self.low.known

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def legend(self) -> dict[str, object]:
        """Weights that are not 0 by their place, biases, and output weights: what r[k, m] counts."""
        return {"formulation": COLUMNS, "units": units_in_words(self.columns)}

    def lift(self, x: FloatArray) -> Assignment:
        counts = np.maximum(np.round(self.counts.value(x)), 0).astype(np.int64)
        found = np.repeat(np.arange(counts.size), counts)
        members = tuple(zip(self.kinds.unit[found].tolist(), self.kinds.head[found].tolist(), strict=True))
        biases = np.zeros(len(self.view.output))
        for encoding in self.low.encodings.values():
            biases = encoding.lift(x).reshape(-1)[self.view.output]
        return assignment_of(self.view, self.columns, members, biases)

    def complete(self, assignment: Assignment) -> FloatArray:
        """Units that have no column count as idle: nothing goes out of them."""
        counts = np.zeros(len(self.kinds.unit))
        for kind in self.found(assignment):
            if kind is not None:
                counts[kind] += 1
        return self.completed(assignment, counts)

    def completed(self, assignment: Assignment, counts: FloatArray) -> FloatArray:
        choice = {**assignment.values, f"{self.view.hidden.path}.units": counts.reshape(self.kinds.shape)}
        return self.low.builder.complete(choice)

    def found(self, assignment: Assignment) -> list[int | None]:
        """The kind of every unit that is not the idle one, None where it has none."""
        view, units = self.view, self.view.parts.units
        weights = assignment.values[f"{view.hidden.path}.weights"].reshape(units, -1)
        bias = assignment.values.get(f"{view.hidden.path}.bias", np.zeros(units))
        sums = sums_of(view, weights)
        shown = activated(view, sums + bias.reshape(-1, *(1,) * (sums.ndim - 1)))
        outer = assignment.values[f"{view.out.path}.weights"][view.output]
        kinds: list[int | None] = []
        for unit, places in enumerate(view.parts.places):
            both, vector = np.append(weights[unit], bias[unit]), outer[:, places].T
            if vector.any():
                fits = self._alike(self._showing(shown[unit], vector), both, vector)
                kinds.append(int(fits[self._cost[fits].argmin()]) if len(fits) else None)
            elif (both != self.columns.idle_weights).any():
                idle = self._alike(np.flatnonzero(self.kinds.unit >= self.columns.others), both, vector)
                kinds.extend(idle[:1].tolist())
        return kinds

    @property
    def _cost(self) -> FloatArray:
        return self.kinds.cost(self.columns)

    def _showing(self, shown: FloatArray, vector: FloatArray) -> IntArray:
        """The kinds that show the rows the same, and whose output weights do the same."""
        pool, heads = self.columns.pool, self.columns.heads
        same = np.asarray((np.abs(pool.activations - shown) <= SAME).all(axis=(1, 2)))
        same[self.columns.others :] = False
        heard = np.asarray((heads.vectors == vector).all(axis=(1, 2)))
        if not heard.any() and self.view.loss.is_of_leads:
            lead = heads.vectors - heads.vectors[:, :, :1]
            heard = np.asarray((lead == vector - vector[:, :1]).all(axis=(1, 2)))
        return np.flatnonzero(heard[self.kinds.head] & same[self.kinds.unit])

    def _alike(self, fits: IntArray, both: FloatArray, vector: FloatArray) -> IntArray:
        """Those of some kinds that rules cannot tell from a unit with these weights, bias and output weights."""
        traits = traits_of(self.view.parts, self.view.coupling)
        if not self.view.coupling or not len(fits):
            return fits
        pool, heads = self.columns.pool, self.columns.heads
        own = np.concatenate([pool.weights[self.kinds.unit[fits]], pool.bias[self.kinds.unit[fits], None]], axis=1)
        if traits is None:
            return np.asarray(fits[(own == both).all(axis=1)])
        vectors = np.where(
            (self.kinds.unit[fits] < self.columns.others)[:, None, None], heads.vectors[self.kinds.head[fits]], 0.0
        )
        batches = batches_of_units(self.view, np.vstack([both, own]), np.concatenate([vector[None], vectors]))
        read = np.concatenate([traits.of(batch) for batch in batches])
        return np.asarray(fits[(read[1:] == read[0]).all(axis=1)])


def units_in_words(columns: Columns) -> dict[str, object]:
    """The columns of a pool and the heads, for a names file."""
    pool = columns.pool
    weights = [{str(i): row[i] for i in np.flatnonzero(row)} for row in pool.weights]
    outputs = columns.heads.vectors.reshape(len(columns.heads.cost), -1).tolist()
    return {"weights": weights, "bias": pool.bias.tolist(), "outputs": outputs}
