"""HIR to MILP: the whole model, with its way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluation, without_removed
from nnmip.hir.goals import Held, Stage
from nnmip.lowering.base import LARGEST, SMALLEST, Lowering, Polarity
from nnmip.lowering.convex import Tangents, with_tangents
from nnmip.lowering.decisions import encode_decision
from nnmip.lowering.expressions import lower_expression, scaled
from nnmip.lowering.ideal import RootCuts
from nnmip.lowering.logic import require
from nnmip.lowering.networks import encode_network
from nnmip.lowering.size import check_size
from nnmip.lowering.symmetry import order_units, ordered
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import FloatArray, Milp
from nnmip.passes.base import Analysed
from nnmip.passes.registry import analyse
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance
from nnmip.source import GOAL, Origin, Span

LARGE_M, TOO_LARGE_M = 1e4, 1e6
ADMITTED = 1e-6
LARGEST_LIFTED = 1e6
"""The largest coefficient of a row that is multiplied so that its smallest one is kept."""
VALUE_CODES = frozenset({"NNM0402", "NNM0403", "NNM0404", "NNM0405"})
"""What is found in the numbers of an encoding, and so in the rows of the data."""


class Way(Protocol):
    """The way between the networks of a program and the columns of its MILP."""

    @property
    def known(self) -> Analysed:
        """The program with what the passes over it found out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know to read the claim: by which distance comparisons fail and sums are negative."""

    @property
    def legend(self) -> dict[str, object]:
        """What a names file says besides names: nothing for the encoding of every weight by itself."""

    def lift(self, x: FloatArray) -> Assignment:
        """The network that a solution describes."""

    def complete(self, assignment: Assignment) -> FloatArray:
        """A value for every column that describes the given network."""


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """Every weight has columns of its own."""

    low: Lowering

    @property
    def known(self) -> Analysed:
        return self.low.known

    @property
    def notes(self) -> tuple[str, ...]:
        texts = list(self.low.inexact)
        for path, (gap, is_exact) in self.low.gaps.items():
            counts = f"sums lie on a grid of step {gap:g}, so nothing is lost"
            stated = f"counts as negative from -{gap:g} on; no value lies between that and 0"
            texts.append(f"{path}: {counts if is_exact else stated}")
        return tuple(dict.fromkeys(texts))

    @property
    def legend(self) -> dict[str, object]:
        return {}

    def lift(self, x: FloatArray) -> Assignment:
        kept = {path: gate.value(x) > 0.5 for path, gate in self.low.kept.items()}
        decided = {decision.path for decision in self.low.program.decisions}
        values = {path: encoding.lift(x) for path, encoding in self.low.encodings.items() if path in decided}
        return Assignment(values, kept)

    def complete(self, assignment: Assignment) -> FloatArray:
        network = ordered(assignment, self.known.interchangeable)
        choice = dict(network.values)
        choice.update({path: mask.astype(np.float64) for path, mask in network.kept.items()})
        return self.low.builder.complete(choice)


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A MILP that is equivalent to a program, and the way between their solutions.

    The MILP minimises `sign` times the goal. `warnings` are diagnostics that do not stop anything. Where there are
    `tangents`, the MILP is a relaxation: it has every network of the program, with a goal that is at most too good.
    Where the relaxation was cut, `cuts` says what that did, and `plain` is the MILP without.
    """

    program: Program
    milp: Milp
    sign: float
    warnings: tuple[Diagnostic, ...]
    way: Way
    tangents: tuple[Tangents, ...] = ()
    plain: Milp | None = None
    cuts: RootCuts | None = None

    @property
    def uncut(self) -> Milp:
        """The MILP without cuts, which are found by a solver: the same wherever it is made."""
        return self.milp if self.plain is None else self.plain

    @property
    def known(self) -> Analysed:
        return self.way.known

    @property
    def notes(self) -> tuple[str, ...]:
        return self.way.notes if self.cuts is None else (*self.way.notes, f"cuts: {self.cuts}")

    def lift(self, x: FloatArray) -> Assignment:
        """The network that a solution describes: values exactly in their domains, removed units exactly 0."""
        return without_removed(self.program, self.way.lift(x))

    def complete(self, assignment: Assignment) -> FloatArray:
        """A value for every column that describes the given network (with equal units put in order)."""
        return self.way.complete(without_removed(self.program, assignment))

    def refined(self, networks: Sequence[Assignment]) -> Lowered:
        """With the tangents that the predictions of some networks ask for; the same object where they have them all."""
        points = [self.complete(network) for network in networks]
        return self._extended(lambda t: t.missing(np.stack([t.t.value(x) for x in points], axis=1)))

    def refined_evenly(self, most: int) -> Lowered:
        """With tangents that leave each relaxed loss at most its tolerance below its value, whatever the network: at
        most `most` for every number. Their places depend on the program alone."""
        return self._extended(lambda t: t.even(most))

    @property
    def gaps(self) -> dict[str, float]:
        """For the text of every relaxed loss how far the MILP can put it below its value, whatever the network."""
        found: dict[str, float] = {}
        for tangents in self.tangents:
            text = " ".join(tangents.node.origin.span.text.split())
            found[text] = found.get(text, 0.0) + float(tangents.share @ tangents.gap())
        return found

    def _extended(self, slopes_of: Callable[[Tangents], FloatArray]) -> Lowered:
        milp, found = self.milp, []
        for tangents in self.tangents:
            slopes = slopes_of(tangents)
            if np.isfinite(slopes).any():
                number = sum(block.path.startswith(f"{tangents.path}.tangent") for block in milp.rows)
                milp, tangents = with_tangents(milp, tangents, slopes, f"tangent.{number}")
            found.append(tangents)
        return self if milp is self.milp else replace(self, milp=milp, tangents=tuple(found))

    def tolerance(self, evaluation: Evaluation) -> float:
        """How far the goal may be from its bound and count as proved, for the terms whose losses are relaxed: the sum
        of their tolerances, each relative to a loss above 1. 0 where none is relaxed."""
        program, relaxed = self.program, {id(tangents.node): tangents.node for tangents in self.tangents}
        if program.goal is None:
            return 0.0
        values = evaluation.terms[len(program.held)]
        terms = [term for term in program.goal.terms if id(term.value) in relaxed]
        stated = [float(relaxed[id(t.value)].option("tolerance")) for t in terms]
        sizes = [abs(t.coefficient) * max(1.0, abs(values[t.label])) for t in terms]
        return float(np.dot(stated, sizes)) if terms else 0.0

    def admits(self, assignment: Assignment) -> bool:
        """Whether the rows allow a network, up to 1e-6: they leave out some that are too near to a threshold."""
        return self.milp.violation(self.complete(assignment)) <= ADMITTED


def lower_program(program: Program, *, symmetry: bool = True, allowance: Allowance = UNASKED) -> Lowered:
    """Encode a program that no pass has run over yet; `symmetry` says whether equal units are put in order.

    Raises DiagnosticError NNM0310 where the encoding would be larger than is allowed, and what `lower_analysed` raises.
    """
    check_size(program, allowance)
    known = analyse(program)
    return lower_analysed(known if symmetry else replace(known, interchangeable=()))


def lower_analysed(known: Analysed) -> Lowered:
    """Encode the goal, the stages before it at the values they are held at, and every constraint of a program.

    Raises DiagnosticError where something has no exact encoding or a big-M exceeds 1e6.
    """
    low = encoded(known, {})
    return finished(low.builder, Direct(low), tuple(low.tangents))


def encoded(known: Analysed, fixed: Mapping[str, FloatArray]) -> Lowering:
    """The same before its rows are put together, with some decisions, and what is kept of some layers, at values that
    are given by path."""
    program = known.program
    origin = Origin(Span(program.source, 0, 0), "model")
    low = Lowering(known, MilpBuilder(origin), fixed=fixed)
    for variable in program.variables:
        decision = variable.decision
        with low.builder.owned_by(decision.path):
            low.encodings[decision.path] = encode_decision(low, decision, None, multiplies=False)
    for network in program.networks:
        encode_network(low, network)
    order_units(low, known.interchangeable)
    if program.goal is not None:
        low.builder.minimise(_goal(low, program.goal) * program.goal.sign)
    for number, held in enumerate(program.held, 1):
        _hold(low, number, program.stages[number - 1], held)
    for constraint in program.constraints:
        with low.builder.owned_by(f"constraint {constraint.name}"):
            for number, part in enumerate(constraint.parts):
                path = constraint.name if len(constraint.parts) == 1 else f"{constraint.name}.{number}"
                require(low, path, part)
    return low


def finished(builder: MilpBuilder, way: Way, tangents: tuple[Tangents, ...] = ()) -> Lowered:
    """The MILP of a builder; DiagnosticError NNM0402 and NNM0405 where it has numbers that solvers do not keep."""
    program, milp = way.known.program, _rescaled(builder.build())
    milp.verify()
    _check_numbers(milp, program.goal.origin if program.goal is not None else builder.origin)
    sign = program.goal.sign if program.goal is not None else 1.0
    return Lowered(program, milp, sign, _big_m_warnings(milp), way, tangents)


def _goal(low: Lowering, stage: Stage) -> Affine:
    """The goal in the user's sense; each term is encoded only on the side that the optimum presses against."""
    wanted = Polarity.UPPER if stage.sense == "minimize" else Polarity.LOWER
    parts: list[Affine] = []
    for term in stage.terms:
        polarity = scaled(wanted, np.asarray(term.coefficient))
        with low.builder.owned_by(f"{GOAL} {term.label}"):
            parts.append(lower_expression(low, term.value, polarity) * term.coefficient)
    return add_up(parts, ())


def _hold(low: Lowering, number: int, stage: Stage, held: Held) -> None:
    """An earlier goal at its value; what is encoded is at least (for `maximize` at most) the goal."""
    value, most = _goal(low, stage) * stage.sign, stage.sign * held.value + held.room
    with low.builder.owned_by(f"{GOAL} before, held"):
        low.builder.rows(f"stage.{number}", value, stage.origin, ub=most)


def _rescaled(milp: Milp) -> Milp:
    """Rows with a coefficient that solvers would drop, times a power of two that lifts it above that, where the others
    stay of a size that solvers keep. Nothing is rounded."""
    size = np.abs(milp.data)
    if not (size <= SMALLEST).any():
        return milp
    row = milp.row_of_entry
    least, most = np.full(milp.num_rows, np.inf), np.zeros(milp.num_rows)
    np.minimum.at(least, row, size)
    np.maximum.at(most, row, size)
    with np.errstate(divide="ignore"):
        factor = np.where(least <= SMALLEST, 2.0 ** np.ceil(np.log2(2 * SMALLEST / least)), 1.0)
    factor = np.where(factor * most <= LARGEST_LIFTED, factor, 1.0)
    return replace(milp, data=milp.data * factor[row], row_lb=milp.row_lb * factor, row_ub=milp.row_ub * factor)


def _check_numbers(milp: Milp, goal: Origin) -> None:
    """Refuse a model that a solver would change: DiagnosticError NNM0405 at the source of the first such number."""
    size = np.abs(milp.data)
    wrong = np.flatnonzero((size <= SMALLEST) | (size >= LARGEST))
    if len(wrong):
        entry = int(wrong[0])
        column = milp.column_name(int(milp.indices[entry]))
        block = milp.row_block(int(milp.row_of_entry[entry]))
        raise _unusable_number(block.origin, f"multiplies `{column}` by {milp.data[entry]:.3g}")
    for numbers, block_of in (
        (milp.cost, milp.column_block),
        (milp.col_lb, milp.column_block),
        (milp.col_ub, milp.column_block),
        (milp.row_lb, milp.row_block),
        (milp.row_ub, milp.row_block),
    ):
        huge = np.flatnonzero(np.isfinite(numbers) & (np.abs(numbers) >= LARGEST))
        if len(huge):
            raise _unusable_number(block_of(int(huge[0])).origin, f"leads to the number {numbers[huge[0]]:.3g}")
    if abs(milp.offset) >= LARGEST:
        raise _unusable_number(goal, f"leads to the number {milp.offset:.3g}")


def _unusable_number(origin: Origin, what: str) -> DiagnosticError:
    return DiagnosticError(
        [
            Diagnostic(
                "NNM0405",
                f"`{origin.path}` {what}, which solvers do not keep",
                origin.span,
                help="scale the data (`scale minmax`) or round it; write tiny factors as 0",
                note=f"solvers drop coefficients up to {SMALLEST:g} and refuse numbers from {LARGEST:g} on",
            )
        ]
    )


def _big_m_warnings(milp: Milp) -> tuple[Diagnostic, ...]:
    found = Diagnostics()
    largest = max(milp.rows, key=lambda block: block.big_m, default=None)
    if largest is None or largest.big_m <= LARGE_M:
        return ()
    big_m, origin = largest.big_m, largest.origin
    help = "tighten the domains of the weights, or scale the data: `scale minmax`"
    if big_m > TOO_LARGE_M:
        message = f"`{origin.path}` needs a big-M of {big_m:.3g}; above {TOO_LARGE_M:g} solvers give wrong answers"
        raise DiagnosticError([Diagnostic("NNM0402", message, origin.span, help=help)])
    message = f"`{origin.path}` needs a big-M of {big_m:.3g}; above {LARGE_M:g} answers lose accuracy"
    found.warning("NNM0403", message, origin.span, help=help)
    return found.warnings
