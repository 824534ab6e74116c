"""Sizes of a MILP, for reports."""

from __future__ import annotations

from nnmip.milp.model import Milp


def statistics(milp: Milp) -> dict[str, int | float]:
    """Rows, columns, binaries, other integers, nonzeros and the largest big-M constant."""
    binaries = int(milp.binary.sum())
    return {
        "rows": milp.num_rows,
        "columns": milp.num_columns,
        "binaries": binaries,
        "integers": int(milp.integer.sum()) - binaries,
        "nonzeros": milp.num_nonzeros,
        "largest_big_m": milp.big_m,
    }
