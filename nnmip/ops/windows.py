"""Windows that slide over the last two axes of a channel-first tensor: their places, for convolution and pooling."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import Option, Options, ShapeMismatch
from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `kernel` over an image of `size`, both [height, width], padded by `padding` on each side."""

    size: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def count(self) -> Pair:
        """How many windows there are along each axis."""
        return self._along(0), self._along(1)

    def _along(self, axis: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return max(0, (self.size[axis] + 2 * self.padding[axis] - reach) // self.stride[axis] + 1)

    @property
    def places(self) -> IntArray:
        """Flat positions in the image, [windows, kernel entries], both row-major; -1 in the padding."""
        down, right = (self._lines(axis) for axis in (0, 1))
        inside = (down >= 0)[:, None, :, None] & (right >= 0)[None, :, None, :]
        flat = down[:, None, :, None] * self.size[1] + right[None, :, None, :]
        windows, entries = self.count[0] * self.count[1], self.kernel[0] * self.kernel[1]
        return np.where(inside, flat, -1).reshape(windows, entries)

    def views(self, images: FloatArray, border: float = 0.0) -> FloatArray:
        """What the windows see of images [..., h, w]: [*kernel, ..., *count], with `border` in the padding."""
        (top, left), (down, right) = self.padding, self.stride
        sides = ((0, 0),) * (images.ndim - 2) + ((top, top), (left, left))
        padded = np.pad(images, sides, constant_values=border) if top or left else images
        reach = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        seen = sliding_window_view(padded, reach, axis=(-2, -1))[..., ::down, ::right, :, :]
        seen = seen[..., :: self.dilation[0], :: self.dilation[1]]
        return np.moveaxis(seen, (-2, -1), (0, 1))

    def gathered(self, entries: FloatArray) -> FloatArray:
        """Images [h, w, ...] in which every pixel is the sum of what the windows have of it, [*kernel, *count, ...].

        The transpose of `views`, with the axes of the image in front, where long inner loops are fast; what falls into
        the padding is lost.
        """
        image = np.zeros((*self.size, *entries.shape[4:]))
        for u, v in np.ndindex(*self.kernel):
            (above, i), (left, j) = self._shared(0, u), self._shared(1, v)
            image[i, j] += entries[u, v, above, left]
        return image

    def _shared(self, axis: int, entry: int) -> tuple[slice, slice]:
        """The windows along an axis of which one entry is inside the image, and where in the image it is."""
        step, first = self.stride[axis], entry * self.dilation[axis] - self.padding[axis]
        begin = max(0, -(first // step))
        end = max(begin, min(self.count[axis], (self.size[axis] - 1 - first) // step + 1))
        return slice(begin, end), slice(first + begin * step, first + end * step, step)

    def _lines(self, axis: int) -> IntArray:
        """Positions along one axis, [windows, kernel]; -1 in the padding."""
        start = np.arange(self._along(axis)) * self.stride[axis] - self.padding[axis]
        at = start[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]
        return np.where((at >= 0) & (at < self.size[axis]), at, -1)


def windows_over(shape: Shape, options: Options, what: str) -> Windows:
    """The windows of layer `what` over [channels, height, width]; without a `stride` they do not overlap.

    Raises ShapeMismatch where none fits.
    """
    if len(shape) != 3:
        raise ShapeMismatch(f"`{what}` reads [channels, height, width]")
    kernel: Pair = tuple(options["kernel"])
    stride: Pair = tuple(options["stride"] or kernel)
    dilation: Pair = tuple(options.get("dilation", (1, 1)))
    windows = Windows((shape[1], shape[2]), kernel, stride, tuple(options["padding"]), dilation)
    if min(windows.count) < 1:
        down, right = (d * (k - 1) + 1 - 2 * p for d, k, p in zip(dilation, kernel, windows.padding, strict=True))
        raise ShapeMismatch(f"`{what}` needs at least {max(down, 1)} x {max(right, 1)} entries a channel here")
    if any(p >= d * (k - 1) + 1 for d, k, p in zip(dilation, kernel, windows.padding, strict=True)):
        raise ShapeMismatch(f"`{what}` needs a padding that is smaller than its kernel")
    return windows


# ---- pooling ---------------------------------------------------------------------------------------------------

POOLING = (
    Option("kernel", "pair", required=True, least=1),
    Option("stride", "pair", least=1),
    Option("padding", "pair", default=(0, 0), least=0),
)


def pooled_shape(shape: Shape, options: Options, what: str) -> Shape:
    """[channels, height, width] -> [channels, windows down, windows right]."""
    return (shape[0], *windows_over(shape, options, what).count)


def pooled_entries(shape: Shape, options: Options, what: str) -> IntArray:
    """The flat positions of the entries of every window of every channel, [outputs, entries]; -1 in the padding."""
    places = windows_over(shape, options, what).places
    channel = np.arange(shape[0])[:, None, None] * shape[1] * shape[2]
    return np.where(places >= 0, channel + places, -1).reshape(-1, places.shape[1])


def windows_of(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    """The window of every output of a pool."""
    return pooled_entries(shapes[0], options, "pooling")
