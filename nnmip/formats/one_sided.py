"""Rows that readers agree about: those with two different finite sides become two, and a file has one at least."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.milp.model import Block, BoolArray, IntArray, Milp

REPEATED = "repeated"
"""The row of a file whose model has none."""


def one_sided(milp: Milp) -> Milp:
    """An equivalent model whose rows are equalities or have exactly one finite side.

    A row with two sides keeps its name for the lower side; the upper side becomes a row of the block `PATH.upper`.
    Rows without a finite side say nothing and are left out. Columns stay as they are.
    """
    has_lower, has_upper = np.isfinite(milp.row_lb), np.isfinite(milp.row_ub)
    split = has_lower & has_upper & (milp.row_lb != milp.row_ub)
    kept = has_lower | has_upper
    if kept.all() and not split.any():
        return milp
    blocks, source, upper = _split_blocks(milp.rows, kept, split)
    entries, indptr = _gather_rows(milp.indptr, source)
    return replace(
        milp,
        indptr=indptr,
        indices=milp.indices[entries],
        data=milp.data[entries],
        row_lb=np.where(upper, -np.inf, milp.row_lb[source]),
        row_ub=np.where(split[source] & ~upper, np.inf, milp.row_ub[source]),
        rows=blocks,
    )


def for_files(milp: Milp) -> Milp:
    """The one-sided model that files have.

    GLPK reads no LP file without rows: where there are none, a bound of a column is repeated as one.
    """
    made = one_sided(milp)
    bounded = np.flatnonzero(np.isfinite(made.col_lb) | np.isfinite(made.col_ub))
    if made.num_rows or not len(bounded):
        return made
    column = int(bounded[0])
    high = float(made.col_ub[column])
    low = -np.inf if np.isfinite(high) else float(made.col_lb[column])
    owner = next(block for block in made.columns if column < block.stop)
    return replace(
        made,
        indptr=np.array([0, 1], dtype=made.indptr.dtype),
        indices=np.array([column], dtype=made.indices.dtype),
        data=np.ones(1),
        row_lb=np.array([low]),
        row_ub=np.array([high]),
        rows=(Block(REPEATED, (), 0, owner.origin),),
    )


def _split_blocks(
    rows: tuple[Block, ...], kept: BoolArray, split: BoolArray
) -> tuple[tuple[Block, ...], IntArray, BoolArray]:
    """The new row blocks, and for each new row the old row it comes from and whether it is an upper side."""
    blocks: list[Block] = []
    sources: list[IntArray] = []
    sides: list[BoolArray] = []
    start = 0
    for block in rows:
        here = slice(block.start, block.stop)
        for path, chosen, is_upper in ((block.path, kept[here], False), (f"{block.path}.upper", split[here], True)):
            local = np.flatnonzero(chosen)
            if len(local):
                blocks.append(_sub_block(block, path, local, start))
            sources.append(local + block.start)
            sides.append(np.full(len(local), is_upper))
            start += len(local)
    no_rows: IntArray = np.empty(0, dtype=np.int64)
    return tuple(blocks), np.concatenate([no_rows, *sources]), np.concatenate([np.empty(0, dtype=np.bool_), *sides])


def _sub_block(block: Block, path: str, local: IntArray, start: int) -> Block:
    """The block of the entries `local` of `block`."""
    if len(local) == block.size:
        return replace(block, path=path, start=start)
    positions = np.arange(block.size) if block.picked is None else block.picked
    return replace(block, path=path, start=start, picked=positions[local])


def _gather_rows(indptr: IntArray, source: IntArray) -> tuple[IntArray, IntArray]:
    """Positions of the entries of the rows `source` in order, and their new row pointers."""
    lengths = np.diff(indptr)[source]
    pointers = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    shift = np.repeat(indptr[source] - pointers[:-1], lengths)
    return shift + np.arange(pointers[-1]), pointers
