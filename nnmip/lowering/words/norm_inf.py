"""`norm_inf` as a column above every absolute value and, where it must not be above all of them, a choice of one."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.magnitudes import magnitudes
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """m = max a_i with a_i = |w_i| in [l_i, u_i], U = max u_i:

        UPPER  m >= a_i        LOWER  m <= a_i + (U - l_i) (1 - r_i), sum r_i = 1

    No binary where only the upper side is needed. Exact (formulation: maximum of bounded terms).
    """
    sizes = magnitudes(low, node.operands[0], polarity, f"{path}.size")
    a = sizes.reshape((*sizes.shape[: node.batch], -1))
    width = a.shape[-1]
    if width == 1:
        return a.sum(axis=-1)
    bounds, origin, rows = bounds_of(low.builder, a), node.origin, low.builder.rows
    most = np.maximum(bounds.hi, 0.0).max(axis=-1)
    m = low.builder.columns(path, node.shape, 0.0, most, origin, lambda x, choice: a.value(x).max(axis=-1))
    places = np.broadcast_to(np.arange(m.size).reshape((*node.shape, 1)), a.shape)
    wide = m.gather(np.ascontiguousarray(places))
    if Polarity.UPPER in polarity:
        rows(f"{path}.at_least", wide - a, origin, lb=0.0)
    if Polarity.LOWER in polarity:
        r = low.builder.binaries(
            f"{path}.largest",
            a.shape,
            origin,
            lambda x, choice: a.value(x).argmax(axis=-1)[..., None] == np.arange(width),
        )
        big_m = most[..., None] - np.maximum(bounds.lo, 0.0)
        big_m = np.where(big_m > 0, np.maximum(big_m, TINY), 0.0)
        rows(f"{path}.at_most", wide - a + r * big_m, origin, ub=big_m, big_m=big_m)
        rows(f"{path}.one_largest", r.sum(axis=-1), origin, lb=1.0, ub=1.0)
    return m
