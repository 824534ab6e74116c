"""The same MILP with its rows and columns in another order: what a solver takes for one order is chance in part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnmip.formats.mps import write_mps
from nnmip.formats.mps_reader import read_mps
from nnmip.formats.names import ModelNames
from nnmip.milp.model import Milp


def reordered(path: Path, seed: int, target: Path) -> None:
    """Write what an MPS file says, in an order drawn at random, with the same names."""
    milp = read_mps(path)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(milp.num_rows), rng.permutation(milp.num_columns)
    names = ModelNames([milp.columns[place].path for place in columns], [milp.rows[place].path for place in rows])
    with target.open("wb") as stream:
        write_mps(_in_order(milp, rows, columns), names, stream)


def _in_order(milp: Milp, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Milp:
    """Blocks, of which the reader makes one for each row and column, are left as they are: names are given apart."""
    place = np.empty(len(columns), dtype=np.int64)
    place[columns] = np.arange(len(columns))
    indices, data = [], []
    for row in rows:
        part = slice(milp.indptr[row], milp.indptr[row + 1])
        order = place[milp.indices[part]].argsort()
        indices.append(place[milp.indices[part]][order])
        data.append(milp.data[part][order])
    return replace(
        milp,
        indptr=np.concatenate([[0], np.cumsum(np.diff(milp.indptr)[rows])]),
        indices=np.concatenate(indices),
        data=np.concatenate(data),
        row_lb=milp.row_lb[rows],
        row_ub=milp.row_ub[rows],
        col_lb=milp.col_lb[columns],
        col_ub=milp.col_ub[columns],
        integer=milp.integer[columns],
        cost=milp.cost[columns],
    )
