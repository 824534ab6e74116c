"""The linear MILP as arrays: `minimise cost . x + offset  s.t.  row_lb <= A x <= row_ub,  col_lb <= x <= col_ub`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.source import Origin

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A run of columns or rows that one statement of the source made.

    The entries are those of a tensor of `shape`, row-major, starting at column or row `start`; where only some
    entries exist (a stable ReLU has no phase), `picked` lists their flat positions in that tensor. `owner` is the path
    of what was being encoded, such as `clf.a` or `goal`. `big_m` is the largest constant that rows use as big-M.
    """

    path: str
    shape: tuple[int, ...]
    start: int
    origin: Origin
    picked: IntArray | None = None
    owner: str = ""
    big_m: float = 0.0

    @property
    def size(self) -> int:
        return len(self.picked) if self.picked is not None else int(np.prod(self.shape, dtype=np.int64))

    @property
    def stop(self) -> int:
        return self.start + self.size

    def places(self) -> IntArray:
        """The tensor index of every entry, shape (size, len(shape))."""
        if not self.shape:
            return np.zeros((self.size, 0), np.int64)
        flat = self.picked if self.picked is not None else np.arange(self.size)
        return np.stack(np.unravel_index(flat, self.shape), axis=1)

    def name(self, index: int) -> str:
        """The readable name of column or row `index` (absolute), such as `clf.h.weights[0, 1]`."""
        if not self.shape:
            return self.path
        position = index - self.start
        flat = int(self.picked[position]) if self.picked is not None else position
        return f"{self.path}[{', '.join(str(int(i)) for i in np.unravel_index(flat, self.shape))}]"


@dataclass(frozen=True, eq=False)
class Milp:
    """A minimisation in CSR form. Arrays are read-only; infinite bounds are +-inf; `integer` marks integer columns.

    `columns` and `rows` partition the indices into named blocks (side tables: no solver reads them).
    """

    indptr: IntArray
    indices: IntArray
    data: FloatArray
    row_lb: FloatArray
    row_ub: FloatArray
    col_lb: FloatArray
    col_ub: FloatArray
    integer: BoolArray
    cost: FloatArray
    offset: float
    columns: tuple[Block, ...]
    rows: tuple[Block, ...]

    def __post_init__(self) -> None:
        for array in (
            self.indptr,
            self.indices,
            self.data,
            self.row_lb,
            self.row_ub,
            self.col_lb,
            self.col_ub,
            self.integer,
            self.cost,
        ):
            array.setflags(write=False)

    @property
    def num_rows(self) -> int:
        return len(self.row_lb)

    @property
    def num_two_sided(self) -> int:
        """How many rows have two different finite sides; files write each of them as two rows."""
        both = np.isfinite(self.row_lb) & np.isfinite(self.row_ub)
        return int((both & (self.row_lb != self.row_ub)).sum())

    @property
    def num_columns(self) -> int:
        return len(self.col_lb)

    @property
    def num_nonzeros(self) -> int:
        return len(self.data)

    @property
    def big_m(self) -> float:
        """The largest big-M constant in a row, 0 if there is none."""
        return max((block.big_m for block in self.rows), default=0.0)

    @cached_property
    def binary(self) -> BoolArray:
        """Which columns are integer with bounds inside [0, 1]."""
        return self.integer & (self.col_lb >= 0) & (self.col_ub <= 1)

    @property
    def row_of_entry(self) -> IntArray:
        """The row index of every stored entry, made anew at each call."""
        return np.repeat(np.arange(self.num_rows), np.diff(self.indptr))

    @cached_property
    def _column_starts(self) -> tuple[int, ...]:
        return tuple(block.start for block in self.columns)

    @cached_property
    def _row_starts(self) -> tuple[int, ...]:
        return tuple(block.start for block in self.rows)

    def column_block(self, index: int) -> Block:
        return self.columns[bisect_right(self._column_starts, index) - 1]

    def row_block(self, index: int) -> Block:
        return self.rows[bisect_right(self._row_starts, index) - 1]

    def column_name(self, index: int) -> str:
        return self.column_block(index).name(index)

    def row_name(self, index: int) -> str:
        return self.row_block(index).name(index)

    def objective(self, x: FloatArray) -> float:
        """`cost . x + offset`."""
        return float(self.cost @ x) + self.offset

    def activity(self, x: FloatArray) -> FloatArray:
        """`A x`, shape (rows,)."""
        terms: FloatArray = self.data * x[self.indices]
        return np.bincount(self.row_of_entry, weights=terms, minlength=self.num_rows).astype(np.float64)

    def violation(self, x: FloatArray) -> float:
        """The largest violation of a row, a column bound or integrality at `x`; 0 when feasible."""
        activity = self.activity(x)
        parts = (
            self.row_lb - activity,
            activity - self.row_ub,
            self.col_lb - x,
            x - self.col_ub,
            np.abs(x - np.round(x))[self.integer],
        )
        return max((float(p.max()) for p in parts if p.size), default=0.0)

    def with_rows(self, rows: Block, indptr: IntArray, indices: IntArray, data: FloatArray, lb: FloatArray) -> Milp:
        """The same model with a further block of rows `lb <= A x`; A in CSR form, columns ascending in each row."""
        return replace(
            self,
            indptr=np.concatenate([self.indptr, self.indptr[-1] + indptr[1:]]),
            indices=np.concatenate([self.indices, indices]),
            data=np.concatenate([self.data, data]),
            row_lb=np.concatenate([self.row_lb, lb]),
            row_ub=np.concatenate([self.row_ub, np.full(len(lb), np.inf)]),
            rows=(*self.rows, rows),
        )

    def verify(self) -> None:
        """Check the invariants of the form; a failure is a defect of nnmip, not of the user's file."""
        m, n = self.num_rows, self.num_columns
        assert self.indptr.shape == (m + 1,) and self.indptr[0] == 0 and self.indptr[-1] == len(self.data)
        assert np.all(np.diff(self.indptr) > 0), "empty row"
        assert self.indices.size == 0 or (self.indices.min() >= 0 and self.indices.max() < n)
        order = np.diff(self.indices) > 0
        order[self.indptr[1:-1] - 1] = True
        assert order.all(), "columns of a row are repeated or not sorted"
        assert np.isfinite(self.data).all() and (self.data != 0).all(), "coefficient is zero or not finite"
        assert np.isfinite(self.cost).all() and np.isfinite(self.offset)
        for low, high in ((self.row_lb, self.row_ub), (self.col_lb, self.col_ub)):
            assert not np.isnan(low).any() and not np.isnan(high).any(), "bound is not a number"
            assert (low < np.inf).all() and (high > -np.inf).all(), "bound is infinite on the wrong side"
        for blocks, total in ((self.columns, n), (self.rows, m)):
            assert [b.start for b in blocks] == [0, *(b.stop for b in blocks)][: len(blocks)], "blocks leave a hole"
            assert (blocks[-1].stop if blocks else 0) == total
