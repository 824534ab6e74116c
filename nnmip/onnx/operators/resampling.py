"""Larger and smaller images: resizing, and convolutions the other way round. All are linear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor
from types import MappingProxyType

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rules, shape_of
from nnmip.onnx.operators.linear import along_axis
from nnmip.onnx.operators.windows import Sizes
from nnmip.onnx.views import Value, View

# ---- resizing ------------------------------------------------------------------------------------------------------

Place = Callable[[int, float, int, int], float]
"""Where an entry of the result lies on an axis: its place, the scale, the old and the new size."""


def _half_pixel(x: int, scale: float, old: int, new: int) -> float:
    return (x + 0.5) / scale - 0.5


def _pytorch_half_pixel(x: int, scale: float, old: int, new: int) -> float:
    return (x + 0.5) / scale - 0.5 if new > 1 else 0.0


def _asymmetric(x: int, scale: float, old: int, new: int) -> float:
    return x / scale


def _align_corners(x: int, scale: float, old: int, new: int) -> float:
    return x * (old - 1) / (new - 1) if new > 1 else 0.0


PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "half_pixel": _half_pixel,
        "pytorch_half_pixel": _pytorch_half_pixel,
        "asymmetric": _asymmetric,
        "align_corners": _align_corners,
    }
)

NEAREST: Mapping[str, Callable[[float], int]] = MappingProxyType(
    {
        "round_prefer_floor": lambda place: ceil(place - 0.5),
        "round_prefer_ceil": lambda place: floor(place + 0.5),
        "floor": floor,
        "ceil": ceil,
    }
)


def _resize(at: At) -> Value:
    """By the nearest entry, which moves entries, or by lines between neighbours, which multiplies along each axis."""
    shape = shape_of(at.value(0))
    if at.text("keep_aspect_ratio_policy", "stretch") != "stretch" or at.whole("antialias", 0) or at.list("axes"):
        raise at.refuse("keeps ratios, smooths, or names its axes", "export it with a fixed size of all axes")
    if at.has(3):
        sizes = at.wholes(3, "the sizes")
        sizes = (1, *sizes[1:]) if at.rows > 1 and sizes[:1] == (at.rows,) else sizes
        scales = tuple(new / old for new, old in zip(sizes, shape, strict=True))
    else:
        place = 1 if at.opset == 10 else 2
        scales = tuple(float(scale) for scale in at.numbers(place, "the scales"))
        sizes = tuple(floor(size * scale) for size, scale in zip(shape, scales, strict=True))
    default = "half_pixel" if at.opset > 10 else "asymmetric"
    return _resized(at, sizes, scales, at.text("coordinate_transformation_mode", default))


def _upsample(at: At) -> Value:
    """The operator up to operator set 9."""
    scales = at.list("scales") or tuple(float(scale) for scale in at.numbers(1, "the scales"))
    sizes = tuple(floor(size * scale) for size, scale in zip(shape_of(at.value(0)), scales, strict=True))
    return _resized(at, sizes, scales, "asymmetric")


def _resized(at: At, sizes: Sizes, scales: tuple[float, ...], where: str) -> Value:
    mode, value, before = at.text("mode", "nearest"), at.value(0), shape_of(at.value(0))
    if where not in PLACES or mode not in ("nearest", "linear"):
        raise at.refuse(
            f"has the mode `{mode}` with `{where}`",
            f"supported are nearest and linear with {', '.join(PLACES)}",
        )
    at.allow(sizes)
    for axis, (old, new, scale) in enumerate(zip(before, sizes, scales, strict=True)):
        if (old, scale) == (new, 1.0):
            continue
        places = [PLACES[where](x, scale, old, new) for x in range(new)]
        if mode == "nearest":
            rounds = NEAREST[at.text("nearest_mode", "round_prefer_floor" if at.opset > 10 else "floor")]
            index = np.clip([rounds(place) for place in places], 0, old - 1)
            value = at.moved(value, lambda a, index=index, axis=axis: np.take(a, index, axis=axis))  # type: ignore[misc]
        else:
            value = along_axis(at, value, axis, _between(places, old))
    return value


def _between(places: list[float], old: int) -> FloatArray:
    """The share of every old entry in the new ones, [old, new]; a place outside counts as the entry at the border."""
    shares = np.zeros((old, len(places)))
    for new, place in enumerate(places):
        inside = min(max(place, 0.0), old - 1.0)
        left = min(floor(inside), old - 1)
        shares[left, new] += 1.0 - (inside - left)
        shares[min(left + 1, old - 1), new] += inside - left
    return shares


# ---- convolutions the other way round ------------------------------------------------------------------------------


def _transposed_convolution(at: At) -> Value:
    """Zeros between the entries and around them, and a convolution with the kernels turned round (Dumoulin and Visin,
    2016, section 4)."""
    x, weights = at.view(0), at.numbers(1, "the weights")
    bias = at.numbers(2, "the bias").reshape(-1) if at.has(2) else None
    size, kernel, rank = x.shape[2:], weights.shape[2:], x.index.ndim - 2
    if not 1 <= rank <= 2:
        raise at.refuse(f"works on images with {rank} axes", "one or two axes are supported")
    if at.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID", "") or at.list("output_shape"):
        raise at.refuse("takes its padding from the size of its output", "state `pads` and `output_padding`")
    ones = (1,) * rank
    strides, dilations = at.list("strides") or ones, at.list("dilations") or ones
    pads, more = at.list("pads") or (0,) * 2 * rank, at.list("output_padding") or (0,) * rank
    sides = []
    for axis in range(rank):
        reach = dilations[axis] * (kernel[axis] - 1)
        sides.append((reach - pads[axis], reach - pads[axis + rank] + more[axis]))
    image = _spread(at, x, strides, sides)
    groups = at.whole("group", 1)
    turned = np.flip(weights, axis=tuple(range(2, 2 + rank)))
    parts = turned.reshape(groups, -1, *turned.shape[1:])  # [groups, inputs, filters, ..]
    kernels = np.swapaxes(parts, 1, 2).reshape(-1, weights.shape[0] // groups, *kernel)
    flat = 2 - rank
    name = at.layers.convolution(
        at.layers.tensor(image, (image.shape[1], *image.shape[2:], *(1,) * flat)),
        np.ascontiguousarray(kernels.reshape(*kernels.shape[:2], *kernel, *(1,) * flat)),
        bias,
        groups=groups,
        dilation=(*dilations, *(1,) * flat),
    )
    sizes = [
        (n - 1) * s + 1 + sum(side) - d * (k - 1)
        for n, s, side, d, k in zip(size, strides, sides, dilations, kernel, strict=True)
    ]
    return at.layers.view(name, (1, len(kernels), *sizes))


def _spread(at: At, x: View, strides: Sizes, sides: list[tuple[int, int]]) -> View:
    """The image with zeros between its entries and at its sides; less of it where a side is negative."""
    shape, axes = x.shape, range(2, x.index.ndim)
    wide = (*shape[:2], *((n - 1) * s + 1 + sum(side) for n, s, side in zip(shape[2:], strides, sides, strict=True)))
    at.allow(wide)
    places = []
    for axis in axes:
        found = np.arange(shape[axis]) * strides[axis - 2] + sides[axis - 2][0]
        places.append((np.flatnonzero((found >= 0) & (found < wide[axis])), found))
    kept = np.ix_(*(np.arange(n) for n in shape[:2]), *(inside for inside, _ in places))
    to = np.ix_(*(np.arange(n) for n in shape[:2]), *(found[inside] for inside, found in places))

    def spread(array: Array) -> Array:
        whole = np.zeros(wide, dtype=array.dtype)
        whole[to] = array[kept]
        return whole

    return x.moved(spread)


RULES: Rules = {"Resize": _resize, "Upsample": _upsample, "ConvTranspose": _transposed_convolution}
