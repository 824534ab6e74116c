"""Choices of columns as networks of the model: one as an assignment, many as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment
from nnmip.ops.scores import ROUNDING
from nnmip.search.enumerate import Columns
from nnmip.search.problem import Members
from nnmip.search.view import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def values_of(view: View, columns: Columns, networks: Sequence[Members], idles: bool = True) -> dict[str, FloatArray]:
    """The decisions of networks with equally many members, [k, *shape] by path, but for output biases, which are 0.

    idles: whether the other units are idle ones; else nothing comes into them, whether or not a unit may be so.
    """
    units, count = view.parts.units, len(networks[0])
    values = {d.path: np.zeros((len(networks), *d.shape)) for d in view.network.decisions}
    weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
    out = view.out.decision("weights")
    assert weights is not None and out is not None
    both = np.zeros((len(networks), units, len(columns.idle_weights)))
    if idles:
        both[:, count:] = columns.idle_weights
    members = np.array(networks, dtype=np.int64).reshape(len(networks), count, 2)
    for unit in range(count):
        column, head = members[:, unit, 0], members[:, unit, 1]
        both[:, unit, :-1], both[:, unit, -1] = columns.pool.weights[column], columns.pool.bias[column]
        vectors = np.where((column < columns.others)[:, None, None], columns.heads.vectors[head], 0.0)
        values[out.path][:, view.output[:, None], view.parts.places[unit]] = vectors.transpose(0, 2, 1)
    values[weights.path][...] = both[:, :, :-1].reshape(values[weights.path].shape)
    if bias is not None:
        values[bias.path][...] = both[:, :, -1]
    return values


def assignment_of(view: View, columns: Columns, members: Members, biases: FloatArray) -> Assignment:
    """The network that has some columns as its hidden units."""
    values = {path: value[0] for path, value in values_of(view, columns, [members]).items()}
    is_kept = np.full(view.parts.units, columns.idle_weights.any())
    is_kept[: len(members)] = [column != columns.removed for column, _ in members]
    path = f"{view.out.path}.bias"
    if path in values:
        shift = np.zeros(len(view.output))
        for column, head in members:
            shift += columns.pool.shift[column] @ columns.heads.vectors[head]
        values[path][view.output] = _centred(view, biases - shift)
    kept = {layer.path: is_kept.copy() for layer in view.chain if layer.kept_shape is not None}
    return Assignment(values, kept)


def _centred(view: View, biases: FloatArray) -> FloatArray:
    """Biases in the middle of their domain, where only the differences between scores count."""
    if not view.loss.is_of_leads or not view.bias.is_interval:
        return biases
    low, high = view.bias.lo, view.bias.hi
    moved = biases + (low + high - biases.max() - biases.min()) / 2
    # As wide as the domain, they can be a rounding error outside.
    return np.asarray(np.clip(moved, low, high) if np.ptp(biases) <= high - low + ROUNDING else moved)
