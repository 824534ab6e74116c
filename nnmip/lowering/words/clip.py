"""`clip` as two positive parts."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.piecewise import defined, positive_part
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """least + max(0, e - least) - max(0, e - most); each part needs a binary on one side only. Exact."""
    least, most = float(node.option("low")), float(node.option("high"))
    e = lower_expression(low, node.operands[0], Polarity.EXACT)
    bounds = bounds_of(low.builder, e)
    e = defined(low, f"{path}.of", e, bounds, node.origin)

    def above(place: float, name: str, side: Polarity) -> Affine:
        beyond = bounds + Interval.box(bounds.shape, -place, -place)
        return positive_part(low, f"{path}.{name}", e - place, beyond, side, node.origin).value

    return above(least, "least", polarity) - above(most, "most", polarity.flipped) + least
