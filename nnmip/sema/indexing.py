"""Subscripts: integers, half-open slices and column names, as flat positions in a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnmip.hir.core import IntArray, Shape
from nnmip.sema.values import fail, integer
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator


def read_index(
    elaborator: Elaborator,
    shape: Shape,
    indices: tuple[nodes.Expr | nodes.Slice, ...],
    what: str,
    span: Span,
    columns: tuple[str, ...],
) -> IntArray:
    """Flat positions of the picked entries, of the picked shape.

    `columns` names the entries of axis 1, where they have names. Missing axes are taken whole, as in NumPy. Raises
    DiagnosticError NNM0302 for an index out of range or too many indices, NNM0205 for one that is no integer.
    """
    if len(indices) > len(shape):
        raise fail("NNM0302", f"`{what}` has {len(shape)} axes, but {len(indices)} indices are given", span)
    picks: list[int | slice] = []
    for axis, index in enumerate(indices):
        names = columns if axis == 1 else ()
        if isinstance(index, nodes.Slice):
            picks.append(_read_slice(elaborator, index, shape[axis]))
        else:
            picks.append(_read_position(elaborator, index, shape[axis], what, names))
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    return np.asarray(places[tuple(picks)])


def _read_position(elaborator: Elaborator, index: nodes.Expr, size: int, what: str, names: tuple[str, ...]) -> int:
    if isinstance(index, nodes.Ref) and index.name in names:
        return names.index(index.name)
    if isinstance(index, nodes.Ref) and names and index.name not in elaborator.scope.declarations:
        near = closest(index.name, names)
        help = f"did you mean `{near}`?" if near else f"the columns are {', '.join(names[:8])}"
        raise fail("NNM0502", f"no column is called `{index.name}`", index.span, help=help)
    position = integer(elaborator.constant(index), "an index", index.span)
    if not 0 <= position < size:
        raise fail(
            "NNM0302", f"index {position} is outside 0..{size - 1} of `{what}`", index.span, help="indices count from 0"
        )
    return position


def _read_slice(elaborator: Elaborator, index: nodes.Slice, size: int) -> slice:
    ends: list[int | None] = []
    for part in (index.start, index.stop, index.step):
        ends.append(None if part is None else integer(elaborator.constant(part), "an end of a slice", part.span))
    start, stop, step = ends
    if any(end is not None and not 0 <= end <= size for end in (start, stop)) or (step is not None and step < 1):
        raise fail("NNM0302", f"the slice leaves 0..{size}", index.span, help="slices are half-open and count from 0")
    return slice(start, stop, step)
