"""Losses of the language as sums of largest shortfalls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset
from nnmip.hir.core import Apply
from nnmip.ops.losses.zero_one import thresholds
from nnmip.records import dataclass
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Pieces of a loss, as in `Shortfalls`, and the weight of each group."""

    row: IntArray
    slope: FloatArray
    target: FloatArray
    group: IntArray
    weight: FloatArray


def _row_weights(node: Apply, data: Dataset) -> FloatArray:
    weights = data.sample_weights
    return weights / weights.sum() if node.option("reduce") == "mean" else weights


def _hinge(node: Apply, data: Dataset, outputs: int) -> Pieces:
    rows, margin, weight = data.row_count, node.option("margin"), _row_weights(node, data)
    if outputs == 1:
        every = np.arange(rows)
        return Pieces(every, data.labels[:, None].astype(float), np.full(rows, margin), every, weight)
    own = data.labels.astype(np.int64)
    row, other = (places.reshape(-1) for places in np.meshgrid(np.arange(rows), np.arange(outputs), indexing="ij"))
    row, other = row[other != own[row]], other[other != own[row]]
    slope = np.eye(outputs)[own[row]] - np.eye(outputs)[other]
    return Pieces(row, slope, np.full(len(row), margin), row, weight)


def _two_sided(below: float, above: float, free: float) -> Callable[[Apply, Dataset, int], Pieces]:
    """A loss of `below` for every unit that an output is more than `free` under its target, `above` for those over."""

    def pieces(node: Apply, data: Dataset, outputs: int) -> Pieces:
        rows = data.row_count
        row = np.tile(np.repeat(np.arange(rows), outputs), 2)
        output = np.tile(np.arange(outputs), 2 * rows)
        side = np.repeat([1.0, -1.0], rows * outputs)
        slope = np.eye(outputs)[output] * side[:, None]
        target = side * data.targets[row, output] - free
        weight = _row_weights(node, data)[row] * np.where(side > 0, below, above)
        return Pieces(row, slope, target, np.arange(len(row)), weight)

    return pieces


def _absolute(node: Apply, data: Dataset, outputs: int) -> Pieces:
    return _two_sided(1.0, 1.0, 0.0)(node, data, outputs)


def _eps_insensitive(node: Apply, data: Dataset, outputs: int) -> Pieces:
    return _two_sided(1.0, 1.0, node.option("eps"))(node, data, outputs)


def _quantile(node: Apply, data: Dataset, outputs: int) -> Pieces:
    level = node.option("level")
    return _two_sided(level, 1.0 - level, 0.0)(node, data, outputs)


PIECES: dict[str, Callable[[Apply, Dataset, int], Pieces]] = {
    "hinge": _hinge,
    "absolute": _absolute,
    "eps_insensitive": _eps_insensitive,
    "quantile": _quantile,
}
"""Losses that are convex in the scores, and no other."""


def mistakes(node: Apply, data: Dataset, factor: float) -> Mistakes:
    """`zero_one` of one score, times a factor."""
    labels = data.labels.astype(np.float64)
    margin = thresholds(node, np.zeros(data.row_count), labels)[:, 0]
    return Mistakes(data.row_count, labels, margin, factor * _row_weights(node, data))


def shortfalls(rows: int, parts: list[tuple[float, int, Pieces]]) -> Shortfalls:
    """Several losses, each times a factor, over tables one after another; `parts` has factor, first row and pieces."""
    groups = np.cumsum([0, *(len(pieces.weight) for _, _, pieces in parts)])
    found = Shortfalls(
        rows=rows,
        row=np.concatenate([first + pieces.row for _, first, pieces in parts]),
        slope=np.concatenate([pieces.slope for _, _, pieces in parts]),
        target=np.concatenate([pieces.target for _, _, pieces in parts]),
        group=np.concatenate([start + p.group for start, (_, _, p) in zip(groups[:-1], parts, strict=True)]),
        weight=np.concatenate([factor * pieces.weight for factor, _, pieces in parts]),
    )
    return _without_idle(found)


def _without_idle(loss: Shortfalls) -> Shortfalls:
    """Without the pieces of rows that weigh nothing."""
    kept = loss.weight[loss.group] > 0
    if kept.all():
        return loss
    groups, group = np.unique(loss.group[kept], return_inverse=True)
    return Shortfalls(loss.rows, loss.row[kept], loss.slope[kept], loss.target[kept], group, loss.weight[groups])
