"""Layers that only move or average expressions."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Shape
from nnmip.lowering.base import Signal
from nnmip.milp.model import IntArray


def reshaped(a: Signal, shape: Shape, bounds: Interval) -> Signal:
    """The same entries, row-major, in another shape."""
    return Signal(a.value.reshape((len(a.value.const), *shape)), bounds)


def window_means(a: Signal, entries: IntArray, shape: Shape, bounds: Interval) -> Signal:
    """The means of the entries at flat positions `entries` [outputs, k] of every row; -1 for one that is not there."""
    n, size = len(a.value.const), int(np.prod(a.value.shape[1:]))
    there = entries >= 0
    picked = np.arange(n)[:, None, None] * size + np.where(there, entries, 0)
    share = there / there.sum(axis=-1, keepdims=True)
    return Signal((a.value.gather(picked) * share).sum(axis=2).reshape((n, *shape)), bounds)
