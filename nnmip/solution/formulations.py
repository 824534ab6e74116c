"""The ways to solve a model: what each of them needs, what it would cost, and which one is taken.

A formulation is one entry of `ENTRIES`; to add one is to add its name to `Formulation` and its entry here. What writes
a MILP is imported once one is written: a search needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Program
from nnmip.lowering.columns_size import estimate_columns, estimate_composite
from nnmip.lowering.size import estimate_direct
from nnmip.records import dataclass
from nnmip.search.enumerate import estimate_search
from nnmip.search.split import Split, estimate_split, split_of
from nnmip.search.view import Refusal, View, is_deep, view_of
from nnmip.sizes import Allowance, Estimate
from nnmip.solution.result import DIRECT, Formulation, How
from nnmip.source import Span

if TYPE_CHECKING:
    from nnmip.lowering.lower import Lowered
    from nnmip.search.deep_view import Deep

NO_MILP = "leave the choice to nnmip with `--formulation auto`"
A_MILP = "take the MILP of the weights with `--formulation direct`"


@dataclass(frozen=True)
class Given:
    """A program, and what several formulations need to know of it, found once."""

    program: Program
    allowance: Allowance

    @cached_property
    def view(self) -> View:
        """Refusal where the program is no choice of columns."""
        return view_of(self.program)

    @cached_property
    def searched(self) -> View | Deep:
        """The same, or that of two hidden layers; Refusal where the program is neither."""
        if not is_deep(self.program):
            return self.view
        from nnmip.search.deep_view import deep_view_of

        return deep_view_of(self.program)

    @cached_property
    def split(self) -> Split:
        """Refusal where the program does not fall apart by its output weights."""
        return split_of(self.program)


@dataclass(frozen=True, slots=True)
class Entry:
    """A formulation. title: what messages call it; instead: what to take where it does not fit.

    estimate: what it would be; Refusal where it does not fit. lower: its MILP, with the way back; raises Refusal, too,
    and DiagnosticError. None where there is no MILP, but a search (`Run` knows how to begin it).
    """

    name: Formulation
    title: str
    instead: str
    estimate: Callable[[Given], Estimate]
    lower: Callable[[Given], Lowered] | None


def _in_columns(given: Given) -> Lowered:
    from nnmip.lowering.columns import lower_columns

    return lower_columns(given.view, given.allowance)


def _in_composites(given: Given) -> Lowered:
    from nnmip.lowering.composite import lower_composite

    return lower_composite(given.view, given.allowance)


def _in_weights(given: Given) -> Lowered:
    from nnmip.lowering.lower import lower_program

    return lower_program(given.program, allowance=given.allowance)


def _estimate_search(view: View | Deep, allowance: Allowance) -> Estimate:
    if isinstance(view, View):
        return estimate_search(view, allowance)
    from nnmip.search.deep_view import estimate_deep

    return estimate_deep(view, allowance)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        Formulation.SEARCH,
        "the search over columns",
        NO_MILP,
        lambda given: _estimate_search(given.searched, given.allowance),
        None,
    ),
    Entry(
        Formulation.SPLIT,
        "the split by output weights",
        A_MILP,
        lambda given: estimate_split(given.split),
        None,
    ),
    Entry(
        Formulation.COMPOSITE,
        "the composite MILP",
        A_MILP,
        lambda given: estimate_composite(given.view, given.allowance),
        _in_composites,
    ),
    Entry(
        Formulation.COLUMNS,
        "the MILP of columns",
        A_MILP,
        lambda given: estimate_columns(given.view, given.allowance),
        _in_columns,
    ),
    Entry(
        Formulation.DIRECT,
        "the MILP of the weights",
        NO_MILP,
        lambda given: estimate_direct(given.program),
        _in_weights,
    ),
)
"""All of them; of those that cost the same, the first is taken."""

IN_FILES: tuple[Formulation, ...] = tuple(entry.name for entry in reversed(ENTRIES) if entry.lower is not None)
"""The formulations that files can have."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A formulation for one program: its estimate, or why it does not fit."""

    name: Formulation
    estimate: Estimate | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The formulation that is taken for a stage; its view where it is searched, and its split where that is taken."""

    how: How
    view: View | Deep | None = None
    split: Split | None = None


def entry_of(name: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.name == name)


def offers(program: Program, allowance: Allowance) -> tuple[Offer, ...]:
    """What every formulation would be for a program."""
    given = Given(program, allowance)
    return tuple(_offer(entry, given) for entry in ENTRIES)


def _offer(entry: Entry, given: Given) -> Offer:
    try:
        return Offer(entry.name, entry.estimate(given), None)
    except Refusal as refusal:
        return Offer(entry.name, None, refusal)


def choose(program: Program, wanted: str, solver: str, allowance: Allowance) -> Choice:
    """What to do with a stage: `auto` takes the formulation that is estimated to cost least, and the MILP of the
    weights where a solver is named.

    A later goal that has no columns is solved directly. Raises DiagnosticError NNM0406 where a formulation is wanted
    for the first goal that does not fit it.
    """
    if wanted == Formulation.DIRECT:
        return Choice(DIRECT)
    if wanted == Formulation.AUTO and solver != "auto":
        return Choice(How(Formulation.DIRECT, f"solver {solver} is asked for"))
    given = Given(program, allowance)
    if wanted == Formulation.AUTO:
        return _cheapest(given)
    offer = _offer(entry_of(wanted), given)
    if offer.refusal is None:
        return _taken(offer.name, given)
    if program.held:
        return Choice(How(Formulation.DIRECT, str(offer.refusal)))
    raise refused(program, wanted, offer.refusal) from None


def _cheapest(given: Given) -> Choice:
    found = [_offer(entry, given) for entry in ENTRIES]
    fits = [(offer.estimate.cost, offer.name) for offer in found if offer.estimate is not None]
    name = min(fits, key=lambda fit: fit[0])[1]
    if name is not Formulation.DIRECT:
        return _taken(name, given)
    refusals = [offer.refusal for offer in found if offer.refusal is not None]
    return Choice(How(name, str(refusals[0]) if refusals else "the search would take longer"))


def _taken(name: Formulation, given: Given) -> Choice:
    if entry_of(name).lower is not None:
        return Choice(How(name))
    if name is Formulation.SPLIT:
        return Choice(How(name, patterns=len(given.split.patterns)), split=given.split)
    return Choice(How(name, columns=_estimate_search(given.searched, given.allowance).integers), given.searched)


def encoded(program: Program, name: str, allowance: Allowance) -> Lowered:
    """The MILP of a program in some formulation; DiagnosticError NNM0406 where it does not fit."""
    lower = entry_of(name).lower
    assert lower is not None
    try:
        return lower(Given(program, allowance))
    except Refusal as refusal:
        raise refused(program, name, refusal) from None


def refused(program: Program, wanted: str, refusal: Refusal) -> DiagnosticError:
    """The error for a formulation that was asked for and does not fit (NNM0406)."""
    entry = entry_of(wanted)
    span, label = refusal.span, ""
    if span is None and program.goal is not None:
        span, label = program.goal.origin.span, "of this goal"
    return DiagnosticError(
        [
            Diagnostic(
                "NNM0406",
                f"{entry.title} does not fit this model: {refusal}",
                span if span is not None else Span(program.source, 0, 0),
                label=label,
                help=entry.instead,
            )
        ]
    )
