"""Windows that slide over an image: where convolutions and pools look, and pools themselves."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnmip.hir.core import IntArray, Shape
from nnmip.onnx.operators.at import At, Rules
from nnmip.onnx.views import Value, View
from nnmip.records import dataclass

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sliding:
    """Windows of `kernel` entries along each axis of an image of `size`, which has `before` and `after` it a padding.

    counts: how many windows there are along each axis; with `ceil_mode` the last may reach beyond the padding.
    """

    size: Sizes
    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    before: Sizes
    after: Sizes
    counts: Sizes

    @property
    def reach(self) -> Sizes:
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True))

    @property
    def needed_after(self) -> Sizes:
        """How much padding the last windows read behind the image."""
        parts = zip(self.counts, self.strides, self.reach, self.size, self.before, strict=True)
        return tuple(max(0, (count - 1) * step + reach - size - before) for count, step, reach, size, before in parts)

    def two(self, sizes: Sizes, fill: int = 1) -> tuple[int, int]:
        """Sizes along two axes; an image of one axis has a second one of length 1."""
        return (sizes[0], sizes[1]) if len(sizes) == 2 else (sizes[0], fill)

    def image(self, at: At, view: View) -> str:
        """The view [1, channels, ..] as an image of the network."""
        return at.layers.tensor(view, (view.shape[1], *self.two(self.size)))

    def padded(self, at: At, image: str, value: float) -> tuple[str, tuple[int, int]]:
        """The image and the padding that a layer gives it by itself; another border is a layer before."""
        before, after = self.two(self.before, 0), self.two(self.needed_after, 0)
        reach, stated = self.two(self.reach), self.two(self.after, 0)
        if before == stated and all(a <= b < r for a, b, r in zip(after, before, reach, strict=True)):
            return image, before
        border = (before[0], after[0], before[1], after[1])
        return at.layers.add("pad", image, border=border, value=value), (0, 0)

    def result(self, at: At, name: str) -> View:
        """What a layer gives, in the shape [1, channels, ..]."""
        return at.layers.view(name, (1, at.layers.made[name].shape[0], *self.counts))

    def places(self) -> IntArray:
        """Flat positions in the image, [windows, entries]; -1 in the padding."""
        axes = []
        for axis, count in enumerate(self.counts):
            start = np.arange(count)[:, None] * self.strides[axis] - self.before[axis]
            at = start + np.arange(self.kernel[axis]) * self.dilations[axis]
            axes.append(np.where((at >= 0) & (at < self.size[axis]), at, -1))
        flat = np.zeros((1, 1), dtype=np.int64)
        for axis, lines in enumerate(axes):
            inner = np.where((flat[:, None, :, None] >= 0) & (lines[None, :, None, :] >= 0), 1, 0)
            joined = flat[:, None, :, None] * self.size[axis] + lines[None, :, None, :]
            flat = np.where(inner == 1, joined, -1).reshape(len(flat) * len(lines), -1)
        return flat

    def shares(self) -> IntArray:
        """How many entries of each window lie in the image or its stated padding, [windows]."""
        total = np.ones(1, dtype=np.int64)
        for axis, count in enumerate(self.counts):
            start = np.arange(count)[:, None] * self.strides[axis] - self.before[axis]
            at = start + np.arange(self.kernel[axis]) * self.dilations[axis]
            inside = (at < self.size[axis] + self.after[axis]).sum(axis=1)
            total = (total[:, None] * inside).reshape(-1)
        return total


def sliding_of(at: At, size: Shape, kernel: Shape | None = None) -> Sliding:
    """The windows that the attributes of a node say."""
    if not 1 <= len(size) <= 2:
        raise at.refuse(f"works on images with {len(size)} axes", "one or two axes are supported")
    stated = at.list("kernel_shape") or kernel
    if stated is None:
        raise ValueError("kernel_shape")
    kernel = tuple(stated)
    ones = (1,) * len(size)
    strides, dilations = tuple(at.list("strides") or ones), tuple(at.list("dilations") or ones)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    if min((*kernel, *strides, *dilations)) < 1:
        raise ValueError(kernel)
    before, after = _pads(at, size, reach, strides)
    if min((*before, *after)) < 0:
        raise at.refuse("has negative pads")
    rounds_up = bool(at.whole("ceil_mode", 0))
    counts = []
    for n, r, s, b, a in zip(size, reach, strides, before, after, strict=True):
        room = n + b + a - r
        count = (-(-room // s) if rounds_up else room // s) + 1
        if rounds_up and (count - 1) * s >= n + b:
            count -= 1  # a window must begin in the image or before it
        counts.append(count)
    if min(counts) < 1:
        raise ValueError(counts)
    return Sliding(tuple(size), kernel, strides, dilations, before, after, tuple(counts))


def _pads(at: At, size: Shape, reach: Sizes, strides: Sizes) -> tuple[Sizes, Sizes]:
    mode = at.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = at.list("pads") or (0,) * (2 * len(size))
        if len(pads) != 2 * len(size):
            raise ValueError(pads)
        return tuple(pads[: len(size)]), tuple(pads[len(size) :])
    if mode == "VALID":
        return (0,) * len(size), (0,) * len(size)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise at.refuse(f"has the `auto_pad` `{mode}`", "it is NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    totals = [max(0, (-(-n // s) - 1) * s + r - n) for n, s, r in zip(size, strides, reach, strict=True)]
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if mode == "SAME_UPPER" else (more, less)


EMPTY = "has windows of padding alone"


# ---- pools ---------------------------------------------------------------------------------------------------------


def _pooled(at: At) -> tuple[View, Sliding]:
    x = at.view(0)
    if len([name for name in at.node.outputs if name]) > 1:
        raise at.refuse("gives the places of the largest entries, too")
    if x.index.ndim < 3 or x.shape[0] != 1:
        raise ValueError(x.shape)
    return x, sliding_of(at, x.shape[2:])


def _is_plain(sliding: Sliding) -> bool:
    """Whether the layers of the language have such windows: the same padding on both sides, smaller than the kernel,
    no gaps, and no window that reaches beyond it."""
    parts = zip(sliding.before, sliding.after, sliding.needed_after, sliding.kernel, strict=True)
    return max(sliding.dilations) == 1 and all(b == a and n <= a < k for b, a, n, k in parts)


def _max_pool(at: At) -> Value:
    x, sliding = _pooled(at)
    if _is_plain(sliding):
        options: dict[str, Any] = {"kernel": sliding.two(sliding.kernel), "stride": sliding.two(sliding.strides)}
        padding = sliding.two(sliding.before, 0)
        name = at.layers.add("maxpool2d", sliding.image(at, x), padding=padding, **options)
        return sliding.result(at, name)
    places = sliding.places()
    # An entry of the window stands in for its padding, which is never the largest.
    first = places.max(axis=1, keepdims=True)
    if (first < 0).any():
        raise at.refuse(EMPTY)
    places = np.where(places >= 0, places, first)
    at.allow((x.shape[1], *places.shape))
    windows = x.moved(lambda a: a.reshape(x.shape[1], -1)[:, places])
    return at.layers.largest(windows).moved(lambda a: a.reshape(1, x.shape[1], *sliding.counts))


def _average_pool(at: At) -> Value:
    x, sliding = _pooled(at)
    if max(sliding.dilations) > 1:
        raise at.refuse("has windows with gaps", "`dilations` of an average must be 1")
    counts_padding = bool(at.whole("count_include_pad", 0))
    options: dict[str, Any] = {"kernel": sliding.two(sliding.kernel), "stride": sliding.two(sliding.strides)}
    image = sliding.image(at, x)
    is_padded = any((*sliding.before, *sliding.after, *sliding.needed_after))
    if _is_plain(sliding) and not (counts_padding and is_padded):
        name = at.layers.add("avgpool2d", image, padding=sliding.two(sliding.before, 0), **options)
        return sliding.result(at, name)
    before, after = sliding.two(sliding.before, 0), sliding.two(sliding.needed_after, 0)
    padded = at.layers.add("pad", image, border=(before[0], after[0], before[1], after[1]), value=0.0)
    means = sliding.result(at, at.layers.add("avgpool2d", padded, padding=(0, 0), **options))
    counted = sliding.shares() if counts_padding else (sliding.places() >= 0).sum(axis=1)
    if (counted == 0).any():
        raise at.refuse(EMPTY)
    return means.affine((prod(sliding.kernel) / counted).reshape(1, 1, *sliding.counts))


def _global_average(at: At) -> Value:
    x = at.view(0)
    pooled = at.layers.mean(x.moved(lambda a: a.reshape(*x.shape[:2], -1)))
    return pooled.moved(lambda a: a.reshape(*x.shape[:2], *(1,) * (x.index.ndim - 2)))


def _global_max(at: At) -> Value:
    x = at.view(0)
    pooled = at.layers.largest(x.moved(lambda a: a.reshape(*x.shape[:2], -1)))
    return pooled.moved(lambda a: a.reshape(*x.shape[:2], *(1,) * (x.index.ndim - 2)))


RULES: Rules = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
}
