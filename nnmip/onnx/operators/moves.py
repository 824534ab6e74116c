"""Operators that move entries. They make no layers: a view takes another index."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np

from nnmip.hir.core import Shape
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rules, places_of, shape_of
from nnmip.onnx.operators.gates import ones
from nnmip.onnx.views import Compared, Squashed, Value, View


def _same(at: At) -> Value:
    return at.value(0)


def _dropout(at: At) -> Value:
    is_training = at.has(2) and bool(at.known(2, "the mode").any())
    if is_training or len([name for name in at.node.outputs if name]) > 1:
        raise at.refuse("drops entries by chance", "export the network in its evaluation mode")
    return at.value(0)


def _cast(at: At) -> Value:
    value, to = at.value(0), at.whole("to", 1)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            return value
        return value.astype(np.float64 if to in FLOATS else np.int64 if to != BOOL else np.bool_)
    if isinstance(value, Compared):
        return value if to == BOOL else ones(at, value)
    if to not in FLOATS:
        raise at.refuse("rounds to whole numbers", "only casts between floating-point types keep a network linear")
    return value


FLOATS, BOOL = (1, 10, 11, 16), 9
"""The numbers of the types that hold fractions, and of truth values."""


def _flatten(at: At) -> Value:
    value, axis = at.value(0), at.whole("axis", 1)
    shape = shape_of(value)
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis <= len(shape):
        raise ValueError(axis)
    wanted = (prod(shape[:axis]), prod(shape[axis:]))
    return at.moved(value, lambda a: a.reshape(wanted))


def _reshape(at: At) -> Value:
    value, target = at.value(0), at.wholes(1, "the shape")
    shape = shape_of(value)
    if not at.whole("allowzero", 0):
        target = tuple(shape[place] if size == 0 else size for place, size in enumerate(target))
    if at.rows > 1 and target[:1] == (at.rows,):
        target = (1, *target[1:])
    return at.moved(value, lambda a: a.reshape(target))


def _squeeze(at: At) -> Value:
    value, axes = at.value(0), at.axes()
    shape = shape_of(value)
    gone = places_of(axes, len(shape)) if axes is not None else tuple(k for k, n in enumerate(shape) if n == 1)
    return at.moved(value, lambda a: np.squeeze(a, gone))


def _unsqueeze(at: At) -> Value:
    value, axes = at.value(0), at.axes() or ()
    new = places_of(axes, len(shape_of(value)) + len(axes))
    return at.moved(value, lambda a: np.expand_dims(a, new))


def _transpose(at: At) -> Value:
    order = at.list("perm")
    return at.moved(at.value(0), lambda a: np.transpose(a, order))


def _slice(at: At) -> Value:
    value = at.value(0)
    shape = shape_of(value)
    if at.has(1):
        starts, ends = at.wholes(1, "the starts"), at.wholes(2, "the ends")
        axes = at.wholes(3, "the axes") if at.has(3) else tuple(range(len(starts)))
        steps = at.wholes(4, "the steps") if at.has(4) else (1,) * len(starts)
    else:
        starts, ends = at.list("starts") or (), at.list("ends") or ()
        axes, steps = at.list("axes") or tuple(range(len(starts))), (1,) * len(starts)
    cut = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        (place,) = places_of((axis,), len(shape))
        cut[place] = _slice_of(start, end, step, shape[place])
    return at.moved(value, lambda a: a[tuple(cut)])


def _slice_of(start: int, end: int, step: int, size: int) -> slice:
    """The slice of an axis as ONNX counts: ends are cut to the axis, and one before it means "from the front"."""
    start, end = (at + size if at < 0 else at for at in (start, end))
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    start, end = min(max(start, 0), size - 1), max(min(end, size - 1), -1)
    return slice(start, None if end < 0 else end, step)


def _split(at: At) -> tuple[Value, ...]:
    value, count = at.value(0), len(at.node.outputs)
    (axis,) = places_of((at.whole("axis", 0),), len(shape_of(value)))
    size = shape_of(value)[axis]
    sizes = at.wholes(1, "the sizes") if at.has(1) else at.list("split")
    if sizes is None:
        each = -(-size // count)
        sizes = tuple(min(each, size - k * each) for k in range(count))
    if sum(sizes) != size or len(sizes) != count or min(sizes) < 0:
        raise ValueError(sizes)
    ends = np.cumsum([0, *sizes])
    parts = [(slice(None),) * axis + (slice(int(a), int(b)),) for a, b in pairwise(ends)]
    return tuple(at.moved(value, lambda a, part=part: a[part]) for part in parts)  # type: ignore[misc]


def _gather(at: At) -> Value:
    value, index = at.value(0), at.known(1, "the index")
    if index.dtype.kind not in "iu":
        raise ValueError(index)
    shape = shape_of(value)
    (axis,) = places_of((at.whole("axis", 0),), len(shape))
    at.allow((*shape[:axis], *index.shape, *shape[axis + 1 :]))
    if index.size and not -shape[axis] <= index.min() <= index.max() < shape[axis]:
        raise ValueError(index)
    return at.moved(value, lambda a: np.take(a, index, axis=axis))


def _gather_nd(at: At) -> Value:
    """Entries by places, the last axis of the index."""
    value, index = at.value(0), at.known(1, "the index")
    if at.whole("batch_dims", 0):
        raise at.refuse("picks other entries for each row (`batch_dims` is not 0)")
    shape = shape_of(value)
    at.allow((*index.shape[:-1], *shape[index.shape[-1] :]))
    return at.moved(value, lambda a: a[tuple(np.moveaxis(index, -1, 0))])


def _feature(at: At) -> Value:
    """The columns of a table at an index."""
    value, index = at.value(0), at.known(1, "the index").reshape(-1)
    return at.moved(value, lambda a: np.take(a, index, axis=-1))


def _concat(at: At) -> Value:
    values = at.inputs()
    shapes = [shape_of(value) for value in values]
    (axis,) = places_of((at.whole("axis", 1),), len(shapes[0]))
    at.allow((sum(shape[axis] for shape in shapes), *shapes[0][:axis], *shapes[0][axis + 1 :]))
    if all(isinstance(value, np.ndarray) for value in values):
        return np.concatenate(values, axis=axis)  # type: ignore[arg-type]
    squashed = [value for value in values if isinstance(value, Squashed) and value.is_entrywise]
    if len(squashed) == len(values) and len({value.function for value in squashed}) == 1:
        return _concat_squashed(at, squashed, axis)
    values = [at.curves_of(value) if isinstance(value, Squashed) else value for value in values]
    whole = _concat_of_images(at, values, axis)
    if whole is not None:
        return whole
    joined = iter(at.layers.joined([at.as_view(value) for value in values if not isinstance(value, np.ndarray)]))
    views: list[View | None] = [None if isinstance(value, np.ndarray) else next(joined) for value in values]
    return _concat_of_views(values, views, axis)


def _concat_of_images(at: At, values: list[Value], axis: int) -> Value | None:
    """A layer that concatenates, for whole tensors as they are; None where something else is among them."""
    views = [value for value in values if isinstance(value, View)]
    if len(views) < len(values) or axis == 0 or any(view.shape[:1] != (1,) for view in views):
        return None
    views = [at.layers.settled(view) for view in views]
    if any(at.layers.natural(view) != view.shape[1:] for view in views):
        return None
    if len({view.base for view in views}) < len(views):
        return None
    names = [at.layers.tensor(view, view.shape[1:]) for view in views]
    name = at.layers.add("concat", *names, axis=axis - 1)
    return at.layers.view(name, (1, *at.layers.made[name].shape))


def _concat_of_views(values: list[Value], views: list[View | None], axis: int) -> View:
    """Views of one tensor and known arrays, which have the scale 0."""
    bases = [view.base for view in views if view is not None]
    parts = []
    for value, view in zip(values, views, strict=True):
        if view is None:
            array = np.asarray(value, dtype=np.float64)
            nothing = np.zeros(array.shape, dtype=np.int64)
            view = View(bases[0], nothing, np.zeros(array.shape), array)
        parts.append((view.index, view.scale, view.shift))
    index, scale, shift = (np.concatenate(each, axis=axis) for each in zip(*parts, strict=True))
    return View(bases[0], index, scale, shift)


def _concat_squashed(at: At, values: list[Squashed], axis: int) -> Squashed:
    """Those of one function of single entries."""
    views = at.layers.joined([value.scores for value in values])
    return replace(values[0], scores=_concat_of_views(list(views), list(views), axis), source="")


def _expand(at: At) -> Value:
    value, wanted = at.value(0), at.wholes(1, "the shape")
    if at.rows > 1 and wanted[:1] == (at.rows,):
        wanted = (1, *wanted[1:])
    shape = np.broadcast_shapes(shape_of(value), wanted)
    at.allow(shape)
    return at.moved(value, lambda a: np.broadcast_to(a, shape))


def _tile(at: At) -> Value:
    value, times = at.value(0), at.wholes(1, "the repeats")
    at.allow(tuple(size * count for size, count in zip(shape_of(value), times, strict=True)))
    return at.moved(value, lambda a: np.tile(a, times))


MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "wrap": "wrap"}


def _pad(at: At) -> Value:
    value, mode = at.value(0), at.text("mode", "constant")
    shape = shape_of(value)
    pads = at.wholes(1, "the pads") if at.has(1) else at.list("pads") or ()
    axes = places_of(at.wholes(3, "the axes"), len(shape)) if at.has(3) else tuple(range(len(shape)))
    fill = float(at.numbers(2, "the value").reshape(-1)[0]) if at.has(2) else at.real("value", 0.0)
    if mode not in MODES or len(pads) != 2 * len(axes):
        raise ValueError(pads)
    sides = [(0, 0)] * len(shape)
    for place, axis in enumerate(axes):
        sides[axis] = (int(pads[place]), int(pads[place + len(axes)]))
    at.allow(tuple(size + max(0, sum(pair)) for size, pair in zip(shape, sides, strict=True)))
    value = at.moved(
        value,
        lambda a: a[tuple(slice(max(0, -b), len_ - max(0, -e)) for len_, (b, e) in zip(a.shape, sides, strict=True))],
    )
    sides = [(max(0, before), max(0, after)) for before, after in sides]
    if mode != "constant" or isinstance(value, np.ndarray):
        known = {"constant_values": fill} if mode == "constant" else {}
        return at.moved(value, lambda a: np.asarray(np.pad(a, sides, mode=MODES[mode], **known)))  # type: ignore[call-overload]
    return _bordered(at, at.as_view(value), sides, fill)


def _bordered(at: At, view: View, sides: list[tuple[int, int]], fill: float) -> View:
    """A border of known numbers: a layer around the two last axes of an image or the ends of a vector, as those are
    read by convolutions; else entries with the scale 0."""
    settled = at.layers.settled(view)
    shape = at.layers.natural(settled)
    axes = min(len(shape), 2)
    is_image = len(shape) in (1, 3) and view.shape == (1, *shape) and not any(map(sum, sides[: len(sides) - axes]))
    if is_image and np.isfinite(fill):
        border = tuple(side for pair in sides[len(sides) - axes :] for side in pair)
        name = at.layers.add("pad", at.layers.tensor(settled, shape), border=border, value=fill)
        return at.layers.view(name, (1, *at.layers.made[name].shape))
    index, scale = np.pad(view.index, sides), np.pad(view.scale, sides)
    return View(view.base, index, scale, np.pad(view.shift, sides, constant_values=fill))


def _depth_to_space(at: At) -> Value:
    size, mode = at.whole("blocksize", 1), at.text("mode", "DCR")
    n, c, h, w = shape_of(at.value(0))
    split, order = (
        ((n, size, size, c // size**2, h, w), (0, 3, 4, 1, 5, 2))
        if mode == "DCR"
        else ((n, c // size**2, size, size, h, w), (0, 1, 4, 2, 5, 3))
    )
    wanted = (n, c // size**2, h * size, w * size)
    return at.moved(at.value(0), lambda a: a.reshape(split).transpose(order).reshape(wanted))


def _space_to_depth(at: At) -> Value:
    size = at.whole("blocksize", 1)
    n, c, h, w = shape_of(at.value(0))
    split, wanted = (n, c, h // size, size, w // size, size), (n, c * size**2, h // size, w // size)
    return at.moved(at.value(0), lambda a: a.reshape(split).transpose(0, 3, 5, 1, 2, 4).reshape(wanted))


def _shape(at: At) -> Array:
    shape: Shape = shape_of(at.value(0))
    start, end = at.whole("start", 0), at.whole("end", len(shape))
    return np.array(shape[slice(start, end)], dtype=np.int64)


def _size(at: At) -> Array:
    return np.array(prod(shape_of(at.value(0))), dtype=np.int64)


RULES: Rules = {
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
    "CastLike": _same,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Concat": _concat,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Shape": _shape,
    "Size": _size,
}

LEARNING: Rules = {"ArrayFeatureExtractor": _feature, "FeatureVectorizer": _concat}
