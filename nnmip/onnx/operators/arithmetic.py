"""Sums, differences, products and quotients, and what is folded where everything is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rule, Rules, shape_of
from nnmip.onnx.operators.gates import gated, wide
from nnmip.onnx.operators.units import product_of_one
from nnmip.onnx.views import Squashed, Value

Binary = Callable[[Any, Any], Any]


def _broadcast(at: At) -> tuple[Value, Value]:
    left, right = at.value(0), at.value(1)
    at.allow(np.broadcast_shapes(shape_of(left), shape_of(right)))
    return left, right


def _numbers(at: At, array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise at.refuse("computes with texts")
    return array.astype(np.float64)


def _add(at: At) -> Value:
    return sum_of(at, at.value(0), at.value(1))


def scaled(at: At, value: Value, factor: float) -> Value:
    """A value times a number."""
    return np.multiply(value, factor) if isinstance(value, np.ndarray) else at.as_view(value).affine(factor)


def sum_of(at: At, left: Value, right: Value) -> Value:
    """The sum of two values, with NumPy broadcasting."""
    at.allow(np.broadcast_shapes(shape_of(left), shape_of(right)))
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return np.add(left, right)
    if isinstance(left, np.ndarray):
        left, right = right, left
    view = at.as_view(left)
    if isinstance(right, np.ndarray):
        return view.affine(1.0, _numbers(at, right))
    other = at.as_view(right)
    shape = np.broadcast_shapes(view.shape, other.shape)
    return at.layers.total(wide(view, shape), wide(other, shape))


def _subtract(at: At) -> Value:
    return difference_of(at, *_broadcast(at))


def difference_of(at: At, left: Value, right: Value) -> Value:
    """left - right, with NumPy broadcasting."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return np.subtract(left, right)
    if isinstance(right, np.ndarray):
        return at.as_view(left).affine(1.0, -_numbers(at, right))
    if (
        isinstance(right, Squashed)
        and right.function == "Sigmoid"
        and isinstance(left, np.ndarray)
        and (left == 1).all()
    ):
        return replace(right, scores=right.scores.affine(-1.0), source="")  # 1 - s(z) = s(-z)
    return sum_of(at, left, at.as_view(right).affine(-1.0))


def _multiply(at: At) -> Value:
    left, right = _broadcast(at)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return np.multiply(left, right)
    if isinstance(left, np.ndarray):
        left, right = right, left
    if isinstance(right, np.ndarray):
        return at.as_view(left).affine(_numbers(at, right))
    factors = at.as_view(left), at.as_view(right)
    product = gated(at, *factors)
    if product is None:
        product = product_of_one(at, *factors)
    if product is None:
        raise at.refuse("multiplies two values that are both made from the input", LINEAR)
    return product


LINEAR = (
    "one factor must be a number that is stored in the file, or made of 0 and 1 by a comparison; understood are the "
    "products in swish, gelu, mish and hard swish, too"
)


def _divide(at: At) -> Value:
    left, right = _broadcast(at)
    if not isinstance(right, np.ndarray):
        raise at.refuse("divides by a value that is made from the input", LINEAR)
    if isinstance(left, np.ndarray):
        if left.dtype.kind in "iu" and right.dtype.kind in "iu":
            quotient: Array = np.trunc(left / right).astype(np.int64)  # towards 0, as in C
            return quotient
        return np.divide(left, right)
    return at.as_view(left).affine(1.0 / _numbers(at, right))


def _negate(at: At) -> Value:
    return scaled(at, at.value(0), -1)


def _sum_of_several(at: At) -> Value:
    values = at.inputs()
    total = values[0]
    for value in values[1:]:
        total = sum_of(at, total, value)
    return total


def _mean_of_several(at: At) -> Value:
    return scaled(at, _sum_of_several(at), 1.0 / len(at.inputs()))


# ---- constants -----------------------------------------------------------------------------------------------------


def _constant(at: At) -> Array:
    attributes = at.node.attributes
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints", "value_string", "value_strings"):
        found = attributes.get(name)
        if found is not None:
            return np.asarray(found)
    raise at.refuse("has no dense value")


def _constant_of_shape(at: At) -> Array:
    shape, value = at.wholes(0, "the shape"), at.array("value")
    at.allow(shape)
    return np.full(shape, 0.0 if value is None else value.reshape(-1)[0])


def _range(at: At) -> Array:
    start, limit, delta = (at.known(place, "an end").reshape(-1)[0] for place in range(3))
    at.allow((int(max(0.0, np.ceil((float(limit) - float(start)) / float(delta)))),))
    return np.arange(start, limit, delta)


def _folded(function: Callable[..., Any]) -> Rule:
    """An operator that is computed where its inputs are known, and refused elsewhere."""

    def rule(at: At) -> Value:
        values = at.inputs()
        for value in values:
            if not isinstance(value, np.ndarray):
                raise at.refuse("is not a piecewise-linear function of the input", CURVED)
        at.allow(np.broadcast_shapes(*map(shape_of, values)))
        with np.errstate(all="ignore"):
            return np.asarray(function(*values))

    return rule


CURVED = (
    "powers, roots and quotients of what is made from the input cannot be imported, as in norms and in layer "
    "normalisation; batch normalisation and sums of absolute values can"
)


def _product(at: At) -> Array:
    if not isinstance(at.value(0), np.ndarray):
        raise at.refuse("multiplies values that are made from the input", LINEAR)
    array, axes = at.known(0, "the input"), at.axes()
    return np.asarray(np.prod(array, axis=axes, keepdims=bool(at.whole("keepdims", 1))))


FOLDED: Mapping[str, Callable[..., Any]] = {
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Pow": np.power,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Mod": np.mod,
    "Equal": np.equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
"""Operators that are computed where their inputs are known, and refused elsewhere."""

RULES: Rules = {
    "Add": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": _negate,
    "Sum": _sum_of_several,
    "Mean": _mean_of_several,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "ReduceProd": _product,
    **{name: _folded(function) for name, function in FOLDED.items()},
}


def _scaler(at: At) -> Value:
    """(x - offset) * scale, column by column."""
    offset, scale = at.list("offset") or (0.0,), at.list("scale") or (1.0,)
    factor, shift = np.array(scale, dtype=np.float64), np.array(offset, dtype=np.float64)
    return at.view(0).affine(factor, -shift * factor)


LEARNING: Rules = {"Scaler": _scaler}
