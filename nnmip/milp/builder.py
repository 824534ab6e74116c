"""Builds a MILP from whole tensors of columns and rows, and remembers how to complete a solution from its decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.milp.affine import Affine, Shape
from nnmip.milp.model import Block, BoolArray, FloatArray, IntArray, Milp
from nnmip.records import dataclass
from nnmip.source import Origin

Choice = Mapping[str, FloatArray]
FALSE = 1e-9
"""By how much a row without columns must fail to count as false."""

Fill = Callable[[FloatArray, Choice], NDArray[Any]]


@dataclass(slots=True)
class _Numbers:
    """Numbers to which others are added at the end; `all` is a view of those so far, and no copy."""

    _room: FloatArray = field(default_factory=lambda: np.zeros(16))
    _size: int = 0

    def extend(self, numbers: FloatArray) -> None:
        stop = self._size + len(numbers)
        if stop > len(self._room):
            room = np.zeros(2 * stop)
            room[: self._size] = self.all
            self._room = room
        self._room[self._size : stop] = numbers
        self._size = stop

    @property
    def all(self) -> FloatArray:
        return self._room[: self._size]


@dataclass(slots=True)
class MilpBuilder:
    """Collects blocks of columns and rows.

    Every block of columns comes with a `fill`: given the vector of all columns with the earlier blocks already
    filled, and the chosen decisions by path, it returns the values of its own. So a choice of the decisions extends
    to a full solution, which serves as a start for solvers and as a test of the rows. `owner` is the path of what is
    being encoded; blocks keep it.
    """

    origin: Origin
    _columns: list[Block] = field(default_factory=list)
    _rows: list[Block] = field(default_factory=list)
    _fills: list[Fill] = field(default_factory=list)
    _col_lb: _Numbers = field(default_factory=_Numbers)
    _col_ub: _Numbers = field(default_factory=_Numbers)
    _integer: list[BoolArray] = field(default_factory=list)
    _row_lb: list[FloatArray] = field(default_factory=list)
    _row_ub: list[FloatArray] = field(default_factory=list)
    _row_sizes: list[IntArray] = field(default_factory=list)
    _row_entries: list[tuple[IntArray, FloatArray]] = field(default_factory=list)
    _cost: Affine | None = None
    _one: Affine | None = None
    _paths: set[str] = field(default_factory=set)
    owner: str = ""

    @property
    def num_columns(self) -> int:
        return self._columns[-1].stop if self._columns else 0

    @property
    def num_rows(self) -> int:
        return self._rows[-1].stop if self._rows else 0

    def columns(
        self,
        path: str,
        shape: Shape,
        lb: FloatArray | float,
        ub: FloatArray | float,
        origin: Origin,
        fill: Fill,
        *,
        integer: bool = False,
        picked: IntArray | None = None,
    ) -> Affine:
        """New columns for the entries of a tensor of `shape`, or for those at flat positions `picked` (then a vector).

        Bounds broadcast to the entries that exist; they must be finite.
        """
        assert path not in self._paths, f"columns {path} are made twice"
        self._paths.add(path)
        block = Block(path, shape, self.num_columns, origin, picked, self.owner)
        size = (block.size,) if picked is not None else shape
        lower, upper = (np.broadcast_to(b, size).reshape(-1).astype(np.float64) for b in (lb, ub))
        assert np.isfinite(lower).all() and np.isfinite(upper).all(), f"{path} is not bounded"
        self._columns.append(block)
        self._col_lb.extend(lower)
        self._col_ub.extend(upper)
        self._integer.append(np.full(block.size, integer))
        self._fills.append(fill)
        return Affine.columns(block.start, size)

    def binaries(
        self, path: str, shape: Shape, origin: Origin, fill: Fill, *, picked: IntArray | None = None
    ) -> Affine:
        """New columns with values 0 and 1."""
        return self.columns(path, shape, 0.0, 1.0, origin, fill, integer=True, picked=picked)

    def rows(
        self,
        path: str,
        expression: Affine,
        origin: Origin,
        *,
        lb: FloatArray | float = -np.inf,
        ub: FloatArray | float = np.inf,
        shape: Shape | None = None,
        picked: IntArray | None = None,
        big_m: FloatArray | float = 0.0,
    ) -> None:
        """A row `lb <= expression <= ub` for each entry of `expression`.

        Where the expression is a selection, `shape` and `picked` say which entries of which tensor these are. `big_m`
        has the constants of the entries that are big-M, for the statistics and the limits. Entries without columns are
        dropped where they hold; where not, the row says so on a column fixed at 1.
        """
        e = expression.merged()
        const = e.const.reshape(-1)
        low = np.broadcast_to(lb, e.shape).reshape(-1) - const
        high = np.broadcast_to(ub, e.shape).reshape(-1) - const
        empty = np.bincount(e.entry, minlength=e.size) == 0
        false = np.flatnonzero(empty & ((low > FALSE) | (high < -FALSE)))
        if len(false):
            e, low, high = self._said_on_one(e, low, high, false)
            empty[false] = False
        present = np.flatnonzero(~empty & ((low > -np.inf) | (high < np.inf)))
        if not len(present):
            return
        position = np.full(e.size, -1)
        position[present] = np.arange(len(present))
        keep = position[e.entry] >= 0
        if len(present) < e.size:
            picked = present if picked is None else picked[present]
        largest = np.abs(np.broadcast_to(big_m, e.shape).reshape(-1)[present]).max()
        whole = shape if shape is not None else expression.shape
        block = Block(path, whole, self.num_rows, origin, picked, self.owner, float(largest))
        self._rows.append(block)
        self._row_lb.append(low[present])
        self._row_ub.append(high[present])
        self._row_sizes.append(np.bincount(position[e.entry[keep]], minlength=len(present)))
        self._row_entries.append((e.column[keep], e.coef[keep]))

    def _said_on_one(
        self, e: Affine, low: FloatArray, high: FloatArray, false: IntArray
    ) -> tuple[Affine, FloatArray, FloatArray]:
        """Add a column fixed at 1 to the entries `false`: 1 is outside [low + 1, high + 1] as 0 was outside."""
        if self._one is None:
            self._one = self.columns("one", (), 1.0, 1.0, self.origin, lambda x, choice: np.ones(()))
        one = Affine(np.zeros(e.shape), false, np.full(len(false), self._one.column[0]), np.ones(len(false)))
        low, high = low.copy(), high.copy()
        low[false] += 1.0
        high[false] += 1.0
        return (e + one).merged(), low, high

    @contextmanager
    def owned_by(self, owner: str) -> Iterator[None]:
        """Give the blocks that are made inside to `owner`."""
        before, self.owner = self.owner, owner
        try:
            yield
        finally:
            self.owner = before

    def column_bounds(self) -> tuple[FloatArray, FloatArray]:
        """The lower and the upper bound of every column so far."""
        return self._col_lb.all, self._col_ub.all

    def minimise(self, cost: Affine) -> None:
        """Set the objective, a scalar."""
        assert cost.shape == ()
        self._cost = cost.merged()

    def complete(self, choice: Choice) -> FloatArray:
        """A value for every column, from a choice of the decisions."""
        x = np.zeros(self.num_columns)
        for block, fill in zip(self._columns, self._fills, strict=True):
            x[block.start : block.stop] = np.broadcast_to(
                fill(x, choice), (block.size,) if block.picked is not None else block.shape
            ).reshape(-1)
        return x

    def build(self) -> Milp:
        """The finished model. The builder gives up its rows for it, and can only `complete` afterwards."""
        n = self.num_columns
        sizes = np.concatenate([np.zeros(1, np.int64), *self._row_sizes])
        indices = np.concatenate([np.zeros(0, np.int64), *(columns for columns, _ in self._row_entries)])
        data = np.concatenate([np.zeros(0), *(coefs for _, coefs in self._row_entries)])
        self._row_sizes.clear()
        self._row_entries.clear()
        cost = np.zeros(n)
        offset = 0.0
        if self._cost is not None:
            cost[self._cost.column] = self._cost.coef
            offset = float(self._cost.const)
        return Milp(
            indptr=np.cumsum(sizes),
            indices=indices,
            data=data,
            row_lb=_joined(self._row_lb),
            row_ub=_joined(self._row_ub),
            col_lb=self._col_lb.all.copy(),
            col_ub=self._col_ub.all.copy(),
            integer=np.concatenate([np.zeros(0, bool), *self._integer]),
            cost=cost,
            offset=offset,
            columns=tuple(self._columns),
            rows=tuple(self._rows),
        )


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate([np.zeros(0), *parts])
