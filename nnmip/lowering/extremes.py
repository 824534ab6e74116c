"""The largest and the least of several entries."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.piecewise import largest
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine


def lower_extreme(low: Lowering, node: Apply, polarity: Polarity, path: str, sign: float) -> Affine:
    """sign * max of (sign * e) over the entries of each call: the largest for sign 1, the least for -1.

    As the value rises with every entry, an entry is needed only on the side on which the value is. No binary on the
    convex side (`piecewise.largest`). Exact.
    """
    operand = lower_expression(low, node.operands[0], polarity)
    entries = operand.reshape((-1, operand.size // max(1, _calls(node)))) * sign
    bounds: Interval = bounds_of(low.builder, entries)
    side = polarity if sign > 0 else polarity.flipped
    return largest(low, path, entries, bounds, side, node.origin).reshape(node.shape) * sign


def _calls(node: Apply) -> int:
    total = 1
    for size in node.shape:
        total *= size
    return total
