"""Subscripts: integers, half-open slices and column names, as flat positions in a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnmip.diagnostics import DiagnosticError, Label
from nnmip.hir.core import IntArray, Shape
from nnmip.records import dataclass
from nnmip.sema.values import fail, integer, listed, quoted
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the entries along one axis, and the data set that they come from; no names by default.

    `unbound` is the network whose entries would have names if the model applied it to a table; `is_file` where it comes
    from a file that names none.
    """

    axis: int = 0
    names: tuple[str, ...] = ()
    data: str = ""
    unbound: str = ""
    is_file: bool = False


def read_index(
    elaborator: Elaborator, shape: Shape, indices: tuple[nodes.Expr | nodes.Slice, ...], base: Span, columns: Columns
) -> IntArray:
    """Flat positions of the picked entries of a tensor written at `base`, of the picked shape.

    Missing axes are taken whole, as in NumPy. Raises DiagnosticError NNM0302 for an index out of range or too many
    indices, NNM0205 for one that is no integer, NNM0502 for an unknown column.
    """
    if len(indices) > len(shape):
        axes = "no axes" if not shape else "one axis" if len(shape) == 1 else f"{len(shape)} axes"
        given = "an index is" if len(indices) == 1 else f"{len(indices)} indices are"
        raise fail("NNM0302", f"{quoted(base)} has {axes}, but {given} given", indices[len(shape)].span)
    picks: list[int | slice] = []
    for axis, (index, size) in enumerate(zip(indices, shape, strict=False)):
        if isinstance(index, nodes.Slice):
            picks.append(_read_slice(elaborator, index, size))
            continue
        if columns.unbound and axis == columns.axis:
            _check_not_named(elaborator, index, columns)
        named = columns.names and axis == columns.axis
        position = _named_position(elaborator, index, size, base, columns) if named else None
        picks.append(_read_position(elaborator, index, size, base) if position is None else position)
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    return np.asarray(places[tuple(picks)])


def _named_position(elaborator: Elaborator, index: nodes.Expr, size: int, base: Span, columns: Columns) -> int | None:
    """The position of a column that is named, plain or in quotes; None for any other index."""
    match index:
        case nodes.Ref(name=name):
            declared = elaborator.scope.declarations.get(name)
        case nodes.String(value=name):
            declared = None
        case _:
            return None
    is_bound = isinstance(index, nodes.Ref) and name in elaborator.bound
    if name not in columns.names:
        if not is_bound and declared is None and name not in elaborator.scope.broken:
            raise _unknown_column(name, index.span, columns)
        return None
    check_unambiguous(elaborator, index, name, columns)
    position = columns.names.index(name)
    check_width(name, position, size, base, index.span, columns)
    return position


def _check_not_named(elaborator: Elaborator, index: nodes.Expr, columns: Columns) -> None:
    """NNM0201 for a name that can only be a column, where the network meets no table."""
    match index:
        case nodes.Ref(name=name):
            scope = elaborator.scope
            if name in elaborator.bound or name in scope.declarations or name in scope.broken or scope.is_open:
                return
        case nodes.String(value=name):
            pass
        case _:
            return
    message = f"`{name}` is no column here, because nothing applies `{columns.unbound}` to a table"
    help = f"use a position, or a loss such as `hinge({columns.unbound}, data)`"
    if columns.is_file:
        message = f"`{name}` is no column here, because the file of `{columns.unbound}` names none"
        help = "use a position, which counts from 0"
    raise fail("NNM0201", message, index.span, help=help)


def check_width(name: str, last: int, size: int, base: Span, span: Span, columns: Columns) -> None:
    """NNM0301 for a column behind the last entry, because the network reads fewer features than the table has."""
    if last >= size:
        message = (
            f"`{name}` is a column of `{columns.data}` with {len(columns.names)} features, {quoted(base)} has {size}"
        )
        raise fail("NNM0301", message, span)


def check_unambiguous(elaborator: Elaborator, index: nodes.Expr, name: str, columns: Columns) -> None:
    """NNM0202 where the plain name of a column is that of something else too; a name in quotes is a column."""
    if not isinstance(index, nodes.Ref):
        return
    if name in elaborator.bound:
        message = f"`{name}` is a column of `{columns.data}` and a bound name"
        raise fail("NNM0202", message, index.span, help="choose another name for the index")
    declared = elaborator.scope.declarations.get(name)
    if declared is not None:
        raise fail(
            "NNM0202",
            f"`{name}` is a column of `{columns.data}` and a declaration of the model",
            index.span,
            secondary=(Label(declared.name.span, "declared here"),),
            help=f"rename one of them; a column is renamed by `features {name} as new_name`",
        )


def _unknown_column(name: str, span: Span, columns: Columns) -> DiagnosticError:
    near = closest(name, columns.names)
    help = f"did you mean `{near}`?" if near else f"its features are {listed(columns.names)}"
    return fail("NNM0502", f"no feature of `{columns.data}` is called `{name}`", span, help=help)


def _read_position(elaborator: Elaborator, index: nodes.Expr, size: int, base: Span) -> int:
    position = integer(elaborator.constant(index), "an index", index.span)
    if 0 <= position < size:
        return position
    if position < 0:
        message = f"an index cannot be negative, this one is {position}"
        help = f"count from the front: the last index is {size - 1}"
    else:
        message = f"index {position} is out of range for {quoted(base)}"
        help = f"indices count from 0: the last one is {size - 1}" if size > 1 else "indices count from 0: write `0`"
    raise fail("NNM0302", message, index.span, help=help)


def _read_slice(elaborator: Elaborator, index: nodes.Slice, size: int) -> slice:
    start, stop, step = (
        None if part is None else integer(elaborator.constant(part), "an end of a slice", part.span)
        for part in (index.start, index.stop, index.step)
    )
    if any(end is not None and not 0 <= end <= size for end in (start, stop)):
        help = "slices count from 0 and leave out their end"
        raise fail("NNM0302", f"the slice leaves the range `0:{size}`", index.span, help=help)
    if step is not None and step < 1:
        raise fail("NNM0302", f"the step of a slice must be positive, not {step}", index.span)
    picked = slice(start, stop, step)
    if not range(size)[picked]:
        raise fail("NNM0302", "the slice picks nothing", index.span, help="its end must be after its start")
    return picked
