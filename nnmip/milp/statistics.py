"""Sizes of a MILP and of parts of it, for reports."""

from __future__ import annotations

from collections.abc import Iterable

from nnmip.milp.model import Block, Milp


def statistics(milp: Milp) -> dict[str, int | float]:
    """Rows, columns, binaries, other integers, nonzeros and the largest big-M constant."""
    return sizes_of(milp, milp.columns, milp.rows)


def sizes_of(milp: Milp, columns: Iterable[Block], rows: Iterable[Block]) -> dict[str, int | float]:
    """The same numbers of some blocks of columns and rows, which come as whole blocks of `milp`."""
    runs, rows = [slice(b.start, b.stop) for b in columns], list(rows)
    binaries = sum(int(milp.binary[run].sum()) for run in runs)
    return {
        "rows": sum(b.size for b in rows),
        "columns": sum(run.stop - run.start for run in runs),
        "binaries": binaries,
        "integers": sum(int(milp.integer[run].sum()) for run in runs) - binaries,
        "nonzeros": sum(int(milp.indptr[b.stop] - milp.indptr[b.start]) for b in rows),
        "largest_big_m": max((b.big_m for b in rows), default=0.0),
    }
