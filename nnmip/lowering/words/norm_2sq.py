"""`norm_2sq` as the squares of the values that are chosen, or by tangents where there are too many of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply, Decision
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.convex import Argument, convex
from nnmip.lowering.curves import SQUARE
from nnmip.lowering.decisions import MOST_SQUARES
from nnmip.lowering.entries import gathered
from nnmip.lowering.piecewise import scattered
from nnmip.milp.affine import Affine
from nnmip.milp.model import FloatArray


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of v^2 [w = v] over the values v of every weight, exact and linear; for a weight of an interval, or of very
    many values, tangents of w^2 from below, which are a relaxation. NNM0313 for these where the sum must not be
    overstated.
    """

    def is_exact(decision: Decision) -> bool:
        domain = decision.domain
        return Polarity.LOWER in polarity or (domain.is_finite and len(domain.values) <= MOST_SQUARES)

    def chosen(decision: Decision) -> Affine:
        if not is_exact(decision):
            return Affine.constant(np.zeros(decision.shape))
        return low.encodings[decision.path].squared(low, node.origin)

    def each(number: Callable[[Decision], float]) -> FloatArray:
        return gathered(node, lambda d: Affine.constant(np.full(d.shape, number(d)))).const

    def least(decision: Decision) -> float:
        return min(decision.domain.lo, 0.0) if low.encodings[decision.path].gate is not None else decision.domain.lo

    def most(decision: Decision) -> float:
        return max(decision.domain.hi, 0.0) if low.encodings[decision.path].gate is not None else decision.domain.hi

    squares = gathered(node, chosen)
    curved = np.flatnonzero(each(lambda d: float(not is_exact(d))))
    if not len(curved):
        return squares.sum(axis=-1)
    bounds = Interval(each(least).reshape(-1)[curved], each(most).reshape(-1)[curved])
    value = gathered(node, lambda d: low.encodings[d.path].value).gather(curved)
    above = convex(low, path, node, SQUARE, Argument(value, bounds, None), np.ones(len(curved)), polarity)
    return (squares + scattered([(curved, above)], squares.shape)).sum(axis=-1)
