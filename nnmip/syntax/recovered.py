"""What was read of a text, whole or with gaps."""

from __future__ import annotations

from nnmip.diagnostics import Diagnostic
from nnmip.records import dataclass
from nnmip.syntax import nodes


@dataclass(frozen=True, slots=True)
class Recovered:
    """`broken` has the names that unreadable declarations would have declared."""

    header: nodes.Header | None
    declarations: tuple[nodes.Declaration, ...]
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[str]


def declared_name(declaration: nodes.Declaration) -> tuple[str, ...]:
    """The name that `declaration` declares, if it declares one."""
    name: nodes.Name | None = getattr(declaration, "name", None)
    return (name.text,) if name is not None else ()
