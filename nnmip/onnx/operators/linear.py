"""Matrix products, convolutions and normalisation: operators with weights."""

from __future__ import annotations

from math import prod

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.onnx.operators.arithmetic import scaled, sum_of
from nnmip.onnx.operators.at import At, Rules, places_of, shape_of
from nnmip.onnx.operators.windows import sliding_of
from nnmip.onnx.views import Value, View


def _gemm(at: At) -> Value:
    """alpha A' B' + beta C."""
    a, b = (_turned(at, place, name) for place, name in ((0, "transA"), (1, "transB")))
    alpha, beta = at.real("alpha", 1.0), at.real("beta", 1.0)
    c = at.value(2) if at.has(2) else None
    is_known = isinstance(b, np.ndarray) and (c is None or isinstance(c, np.ndarray))
    if is_known and isinstance(a, View) and a.shape[0] == 1:
        bias = None if c is None else np.broadcast_to(np.asarray(c) * beta, (1, shape_of(b)[1]))[0]
        return _dense(at, a, np.asarray(b) * alpha, bias)
    product = scaled(at, _product(at, a, b), alpha)
    return product if c is None else sum_of(at, product, scaled(at, c, beta))


def _turned(at: At, place: int, name: str) -> Value:
    """A factor, transposed where the attribute `name` says so."""
    value = at.value(place)
    if len(shape_of(value)) != 2:
        raise ValueError(name)
    return at.moved(value, np.transpose) if at.whole(name, 0) else value


def _dense(at: At, view: View, matrix: FloatArray, bias: FloatArray | None) -> View:
    """The one row of a view times a matrix [i, units]."""
    if matrix.shape[0] != view.index.size:
        raise ValueError(matrix.shape)
    made = at.layers.dense(view, np.ascontiguousarray(matrix.T), bias)
    return made.moved(lambda a: a.reshape(*view.shape[:-1], -1))


def _matmul(at: At) -> Value:
    return _product(at, at.value(0), at.value(1))


def _product(at: At, a: Value, b: Value) -> Value:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        at.allow((*a.shape[:-1], *b.shape[-1:]))
        return np.asarray(np.matmul(a, b))
    if isinstance(b, np.ndarray):
        return _times_matrix(at, at.as_view(a), _matrix(at, b))
    if not isinstance(a, np.ndarray):
        raise at.refuse(
            "multiplies two values that are both made from the input", "one factor must be stored in the file"
        )
    view, matrix = at.as_view(b), _matrix(at, a).T
    if view.index.ndim == 1:
        return _times_matrix(at, view, matrix)
    turned = _times_matrix(at, view.moved(lambda array: np.swapaxes(array, -1, -2)), matrix)
    return turned.moved(lambda array: np.swapaxes(array, -1, -2))


def _matrix(at: At, array: FloatArray) -> FloatArray:
    """A stored factor as a matrix; axes of length 1 in front of it mean nothing."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > 2:
        raise at.refuse("multiplies by a stack of matrices", "a single stored matrix is supported")
    return np.asarray(array, dtype=np.float64)


def _times_matrix(at: At, view: View, matrix: FloatArray) -> View:
    """[.., m, i] times [i, units]. Several rows are a convolution over a column of m places."""
    is_vector = matrix.ndim == 1
    matrix = matrix.reshape(-1, 1) if is_vector else matrix
    width, units = matrix.shape
    if view.shape[-1:] != (width,):
        raise ValueError(view.shape)
    lead = view.shape[:-1]
    rows = prod(lead)
    at.allow((rows, units))
    if rows == 1:
        made = at.layers.dense(view, np.ascontiguousarray(matrix.T), None)
        return made.moved(lambda a: a.reshape(lead if is_vector else (*lead, units)))
    image = at.layers.tensor(view.moved(lambda a: a.reshape(rows, width).T), (width, rows, 1))
    name = at.layers.convolution(image, np.ascontiguousarray(matrix.T)[:, :, None, None], None)
    turned = at.layers.view(name, (units, rows)).moved(lambda a: a.T)
    return turned.moved(lambda a: a.reshape(lead if is_vector else (*lead, units)))


def along_axis(at: At, value: Value, axis: int, matrix: FloatArray) -> Value:
    """Every line of a value along an axis, times a matrix [old, new]."""
    if isinstance(value, np.ndarray):
        return np.moveaxis(np.moveaxis(value, axis, -1) @ matrix, -1, axis)
    made = _times_matrix(at, at.as_view(value).moved(lambda a: np.moveaxis(a, axis, -1)), matrix)
    return made.moved(lambda a: np.moveaxis(a, -1, axis))


def _running_sum(at: At) -> Value:
    """The sum of the entries up to each along an axis, or from it on where `reverse` says so."""
    value, (axis,) = at.value(0), at.wholes(1, "the axis")
    (axis,) = places_of((axis,), len(shape_of(value)))
    upper = np.triu(np.ones((shape_of(value)[axis],) * 2), k=at.whole("exclusive", 0))
    return along_axis(at, value, axis, upper.T if at.whole("reverse", 0) else upper)


def _einsum(at: At) -> Value:
    """A sum of products as its matrix, where one factor is made from the input; the letter Z counts its entries."""
    values, (inputs, arrow, output) = at.inputs(), at.text("equation", "").replace(" ", "").partition("->")
    terms = inputs.split(",")
    factors = {place: value for place, value in enumerate(values) if isinstance(value, np.ndarray)}
    if len(factors) < len(values) - 1:
        raise at.refuse("multiplies values that are made from the input", "all but one must be stored in the file")
    if not arrow or "." in inputs or "Z" in inputs or len(terms) != len(values):
        raise at.refuse("has no written-out equation", "name every axis, as in `bij,jk->bik`")
    if len(factors) == len(values):
        return np.asarray(np.einsum(f"{inputs}->{output}", *factors.values()))
    (open_,) = set(range(len(values))) - set(factors)
    view = at.as_view(values[open_])
    sizes = dict(zip("".join(terms), sum(map(shape_of, values), ()), strict=True))
    shape, count = tuple(sizes[name] for name in output), view.index.size
    at.allow((count, *shape))
    terms[open_] = f"Z{terms[open_]}"
    factors[open_] = np.eye(count).reshape(-1, *view.shape)
    known = [factors[place] for place in range(len(values))]
    matrix = np.einsum(f"{','.join(terms)}->Z{output}", *known).reshape(count, -1)
    return at.layers.dense(view, np.ascontiguousarray(matrix.T), None).moved(lambda a: a.reshape(shape))


def _convolution(at: At) -> Value:
    x, weights = at.view(0), at.numbers(1, "the weights")
    bias = at.numbers(2, "the bias").reshape(-1) if at.has(2) else None
    sliding = sliding_of(at, x.shape[2:], weights.shape[2:])
    if weights.ndim != x.index.ndim or x.shape[0] != 1:
        raise ValueError(x.shape)
    image = sliding.image(at, x)
    kernels = weights.reshape(*weights.shape[:2], *sliding.two(weights.shape[2:]))
    image, padding = sliding.padded(at, image, 0.0)
    groups = at.whole("group", 1)
    options = {"stride": sliding.two(sliding.strides), "dilation": sliding.two(sliding.dilations)}
    name = at.layers.convolution(image, kernels, bias, padding=padding, groups=groups, **options)
    return sliding.result(at, name)


def _batch_normalization(at: At) -> Value:
    """(x - mean) / sqrt(var + epsilon) * scale + B, channel by channel."""
    if at.whole("training_mode", 0) or len([name for name in at.node.outputs if name]) > 1:
        raise at.refuse("normalises over the rows it is given", "export the network in its evaluation mode")
    if not at.whole("spatial", 1):
        raise at.refuse("has statistics of single pixels (`spatial` is 0)")
    x = at.view(0)
    names = ("the scale", "the shift", "the mean", "the variance")
    scale, shift, mean, variance = (at.numbers(place + 1, what).reshape(-1) for place, what in enumerate(names))
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + at.real("epsilon", 1e-5))
    column = (-1, *(1,) * (x.index.ndim - 2))
    return x.affine(factor.reshape(column), (shift - mean * factor).reshape(column))


RULES: Rules = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "CumSum": _running_sum,
    "Conv": _convolution,
    "BatchNormalization": _batch_normalization,
}
