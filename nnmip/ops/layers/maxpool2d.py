"""`maxpool2d`: the largest entry of every window, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, dot
from nnmip.hir.core import Shape
from nnmip.ops.base import Blend, InferredShapes, LayerOp, Options, where_all
from nnmip.ops.windows import POOLING, pooled_entries, pooled_shape, windows_of, windows_over

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, h, w] -> [c, windows down, windows right]."""
    return InferredShapes(pooled_shape(inputs[0], options, "maxpool2d"), {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """The padding is never the largest."""
    (x,) = inputs
    at = pooled_entries(x.shape[1:], options, "maxpool2d")
    windows = np.where(at >= 0, x.reshape(len(x), -1)[:, at], -np.inf)
    return np.asarray(windows.max(axis=-1)).reshape(len(x), *pooled_shape(x.shape[1:], options, "maxpool2d"))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """The maximum is nondecreasing in every entry, and exact in floating point."""
    (x,) = inputs
    return Interval(forward((x.lo,), {}, options), forward((x.hi,), {}, options))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """Below, one entry of the window: the largest in the middle of the bounds. Above, the same entry where no other one
    can be larger, else the largest bound (Singh et al. 2019)."""
    shape = inputs[0].shape[1:]
    windows = windows_over(shape, options, "maxpool2d")
    lo, hi = (windows.views(end, -np.inf) for end in (inputs[0].lo, inputs[0].hi))
    size, place = lo.shape[0] * lo.shape[1], np.arange(lo.shape[0] * lo.shape[1]).reshape(*lo.shape[:2], 1, 1, 1, 1)
    best = (lo + hi).reshape(size, *lo.shape[2:]).argmax(axis=0)
    taken = place == best
    others = np.where(taken, -np.inf, hi).max(axis=(0, 1))
    decided = np.where(taken, lo, -np.inf).max(axis=(0, 1)) >= others
    most = np.where(decided, 0.0, hi.max(axis=(0, 1)))

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray]:
        negative = np.minimum(rows, 0.0)
        given = rows - np.where(decided[:, None], 0.0, negative)
        image = windows.gathered(np.moveaxis(given * taken[:, :, :, None], (5, 6), (2, 3)))
        return (np.moveaxis(image, (0, 1), (3, 4)),), dot(negative, most)

    candidate = (hi > lo.max(axis=(0, 1))) & ~decided
    loose = np.moveaxis(windows.gathered(1.0 * np.moveaxis(candidate, (4, 5), (2, 3))) > 0, (0, 1), (2, 3))
    return Relaxation(back, windows.views(inputs[0].magnitude).max(axis=(0, 1)) + np.abs(most), (loose,))


OP = LayerOp(
    name="maxpool2d",
    signature="maxpool2d(x, kernel: [h, w], stride: [h, w], padding: 0)",
    summary="the largest entry of every window of every channel; windows do not overlap unless `stride` says so",
    domains=(),
    options=POOLING,
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    entries=windows_of,
    gives_bits=where_all,
    blend=Blend.LARGEST,
)
