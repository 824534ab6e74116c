"""A MILP as text for people: columns and rows by their readable names; blocks of many are shown in part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.milp.model import Block, Milp

MOST_ENTRIES = 4
"""Of longer blocks the first ones and the last one are shown."""
MOST_TERMS = 12


def print_milp(milp: Milp) -> str:
    """The goal, the columns and the rows, each with its bounds; reading it back is what LP and MPS files are for."""
    objective = [(int(j), float(milp.cost[j])) for j in np.flatnonzero(milp.cost)]
    sizes = f"{milp.num_rows} rows, {milp.num_columns} columns, {milp.num_nonzeros} nonzeros"
    lines = [f"MILP: {sizes}", "minimise", f"  {_sum(milp, objective, milp.offset)}", "columns"]
    lines.extend(line for block in milp.columns for line in _columns(milp, block))
    lines.append("rows")
    lines.extend(line for block in milp.rows for line in _rows(milp, block))
    return "\n".join(lines) + "\n"


def _shown(block: Block) -> Iterator[int | None]:
    """The positions of a block to show, None where some are left out."""
    if block.size <= MOST_ENTRIES:
        yield from range(block.start, block.stop)
        return
    yield from range(block.start, block.start + MOST_ENTRIES - 1)
    yield None
    yield block.stop - 1


def _head(block: Block, what: str) -> str:
    place = f"{block.origin.span.line}:{block.origin.span.column}"
    return f"  {block.path}: {block.size} {what}{'s' if block.size != 1 else ''}  # {place}"


def _columns(milp: Milp, block: Block) -> Iterator[str]:
    kind = "column" if not milp.integer[block.start : block.stop].any() else "integer column"
    if milp.binary[block.start : block.stop].all():
        kind = "binary column"
    yield _head(block, kind)
    for j in _shown(block):
        if j is None:
            yield f"    ... {block.size - MOST_ENTRIES} more"
        else:
            yield f"    {_number(milp.col_lb[j])} <= {milp.column_name(j)} <= {_number(milp.col_ub[j])}"


def _rows(milp: Milp, block: Block) -> Iterator[str]:
    yield _head(block, "row")
    for i in _shown(block):
        yield f"    ... {block.size - MOST_ENTRIES} more" if i is None else f"    {_row(milp, i)}"


def _row(milp: Milp, i: int) -> str:
    part = slice(int(milp.indptr[i]), int(milp.indptr[i + 1]))
    text = _sum(milp, list(zip(milp.indices[part].tolist(), milp.data[part].tolist(), strict=True)))
    low, high = float(milp.row_lb[i]), float(milp.row_ub[i])
    if low == high:
        return f"{text} = {_number(low)}"
    below = f"{_number(low)} <= " if np.isfinite(low) else ""
    above = f" <= {_number(high)}" if np.isfinite(high) else ""
    return f"{below}{text}{above}"


def _sum(milp: Milp, terms: list[tuple[int, float]], offset: float = 0.0) -> str:
    shown = terms if len(terms) <= MOST_TERMS else terms[:MOST_TERMS]
    text = ""
    for column, factor in shown:
        size = "" if abs(factor) == 1 else f"{_number(abs(factor))} "
        sign = (" - " if factor < 0 else " + ") if text else ("-" if factor < 0 else "")
        text += f"{sign}{size}{milp.column_name(column)}"
    if len(terms) > len(shown):
        text += f" + ... ({len(terms) - len(shown)} more terms)"
    if offset or not text:
        text += f" {'-' if offset < 0 else '+'} {_number(abs(offset))}" if text else _number(offset)
    return text


def _number(value: float) -> str:
    return f"{value + 0.0:.9g}"
