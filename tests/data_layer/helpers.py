"""Tables, spans and conditions for the tests of the data layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnmip.data import RawTable
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import parse

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"


def span(text: str = 'csv("t.csv")') -> Span:
    """A span over the whole of a little model."""
    return Span(SourceFile("model.nnm", text), 0, len(text))


def table(text: str, source_name: str = "t.csv") -> RawTable:
    """A table from lines of comma-separated cells, the header first."""
    header, *rows = [line.split(",") for line in text.split()]
    cells = tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in header)
    return RawTable(tuple(header), cells, np.arange(2, len(rows) + 2), source_name)


def data_fields(text: str) -> tuple[nodes.DataField, ...]:
    """The lines of a data declaration."""
    source = SourceFile("model.nnm", f'nnm 0.1\ndata d = csv("t.csv") {{ {text} }}\n')
    result = parse(source)
    assert not result.diagnostics
    (declaration,) = result.file.declarations
    assert isinstance(declaration, nodes.Data)
    return declaration.fields


def condition(text: str) -> nodes.Expr:
    """The syntax tree of a `where` condition."""
    (field,) = data_fields(f"where {text}")
    assert isinstance(field, nodes.WhereField)
    return field.condition


def weight(text: str) -> nodes.Expr:
    """The syntax tree of a sample weight."""
    (field,) = data_fields(f"weight {text}")
    assert isinstance(field, nodes.WeightField)
    return field.value


def refused(run: Callable[[], object]) -> tuple[Diagnostic, ...]:
    """The diagnostics that `run` raises."""
    with pytest.raises(DiagnosticError) as caught:
        run()
    return caught.value.diagnostics


def refusal(run: Callable[[], object]) -> Diagnostic:
    """The only diagnostic that `run` raises."""
    (diagnostic,) = refused(run)
    return diagnostic
