"""Comparisons as numbers, 0 and 1, and products with them."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Shape
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At
from nnmip.onnx.views import Compared, View


def wide(view: View, shape: Shape) -> View:
    """A view, broadcast to a shape."""
    return view if view.shape == shape else view.affine(np.ones(shape))


def multiple(line: View, z: View) -> Array | None:
    """The factors k with line = k z, entry by entry; None where it is no multiple."""
    if line.base != z.base or not z.scale.all() or not np.array_equal(line.index, z.index):
        return None
    slopes: Array = line.scale / z.scale
    meets = np.isclose(slopes * z.shift, line.shift, rtol=1e-12, atol=0.0)
    return slopes if meets.all() else None


def ones(at: At, compared: Compared) -> View:
    """1 where it holds, else 0. The layer `step` has 1 at 0: z > 0 is what -z >= 0 leaves."""
    if compared.is_strict:
        return ones(at, compared.negated).affine(-1.0, 1.0)
    return at.layers.entrywise("step", compared.difference)


def gated(at: At, left: View, right: View) -> View | None:
    """The product of two views, where the entries of one are made of 0 and 1; None where neither is."""
    for x, by in ((left, right), (right, left)):
        if at.layers.made[by.base].op == "step":
            shape = np.broadcast_shapes(x.shape, by.shape)
            return _gated(at, wide(x, shape), wide(by, shape))
    return None


def _gated(at: At, x: View, by: View) -> View:
    """x (s u + t) = s x u + t x for the 0/1 tensor u; no gate where s = 0, no term t x where t = 0 everywhere."""
    x, scale, shift = at.layers.settled(x), by.scale, by.shift
    bits = View.of(by.base, by.index)
    shape = at.layers.natural(x)
    opened = at.layers.add("gate", at.layers.tensor(x, shape), at.layers.tensor(bits, shape))
    product = at.layers.view(opened, x.shape).affine(scale)
    return product if not shift.any() else at.layers.total(product, x.affine(shift))
