"""What can be said of properties before any is decided: whether all that they say can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Apply, Program
from nnmip.hir.goals import Property
from nnmip.sema.values import not_yet
from nnmip.verification.absolute import with_networks
from nnmip.verification.claims import MOST_CASES, Opaque, cases_of
from nnmip.verification.composite import Composite
from nnmip.verification.smooth import check_read

WHERE = "a property"
ONLY = (
    "a property compares sums of points and of what networks give there, each times a number, also in `abs`, "
    "`norm_1`, `norm_inf`, `max`, `min`, `argmax`, `argmin`, `count` and `if`"
)
FEWER = "state it in parts, each a `verify` of its own"


def unreadable(program: Program) -> Iterator[Diagnostic]:
    """What is wrong with the properties of a program, each of which says it once, whatever the members of its sets."""
    seen = set[str]()
    for property in program.properties:
        declared = property.of or property.name
        if declared not in seen:
            seen.add(declared)
            try:
                check_readable(program, property)
            except DiagnosticError as error:
                yield from error.diagnostics


def check_readable(program: Program, property: Property) -> None:
    """Raise what `verify` would: NNM0104 for what is no combination of comparisons, NNM0621 as `check_read` does."""
    program, made = with_networks(program, property)
    check_read(program, made)
    composite = Composite(program, made.points)
    try:
        for case in (*cases_of(made.conclusions, holds=False), *cases_of(made.assumptions)):
            composite.map_of(case)
    except Opaque as error:
        raise refused(error) from None


def refused(error: Opaque, where: str = WHERE, only: str = ONLY, fewer: str = FEWER) -> DiagnosticError:
    """NNM0104 for what is not written as rows."""
    node = error.node
    if error.is_large:
        return not_yet(f"{where} of more than {MOST_CASES} cases", node.origin.span, help=fewer)
    what = f"`{node.word}` in {where}" if isinstance(node, Apply) else f"{where} that says this"
    return not_yet(what, node.origin.span, help=only)


def check_all(program: Program, names: Iterable[str]) -> None:
    """Raise everything that is wrong with some properties."""
    wanted = set(names)
    kept = tuple(property for property in program.properties if property.name in wanted)
    found = tuple(unreadable(replace(program, properties=kept)))
    if found:
        raise DiagnosticError(found)
