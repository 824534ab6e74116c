"""Parts of networks over images: what a block of outputs of a convolution sees, as a network of its own.

Outputs of a convolution depend on a window of every tensor before it. Backward bounds of a block of them need the
coefficients of that window only, a fraction of the image. The window may reach over the border: what is outside is 0,
as in the padding, which a mask states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from math import ceil

import numpy as np

from nnmip.bounds.interval import FloatArray, IntArray, Interval
from nnmip.bounds.known import KnownWeights
from nnmip.hir.core import Layer
from nnmip.ops.windows import windows_over
from nnmip.records import dataclass

Sides = tuple[tuple[int, int], tuple[int, int]]
"""From where to where, down and right; it may begin before 0 and end behind the image."""


@dataclass(frozen=True, slots=True, eq=False)
class CroppedWeights(KnownWeights):
    """The weights of a part of a network, with 1 for what is inside the images and 0 for what is not."""

    inside: Mapping[str, FloatArray] = field(default_factory=dict)

    def mask(self, layer: Layer) -> FloatArray | None:
        kept, inside = KnownWeights.mask(self, layer), self.inside[layer.name]
        if inside.all():
            return kept
        return np.broadcast_to(inside, layer.shape) if kept is None else kept * inside


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A block of outputs of a layer: `index` are their flat positions in the whole tensor, row-major in the block.

    known: the part of the network that leads to the block; outputs: the bounds of its tensors.
    """

    index: IntArray
    known: KnownWeights
    outputs: Mapping[str, Interval]


def crops(known: KnownWeights, outputs: Mapping[str, Interval], name: str, entrywise: frozenset[str]) -> list[Crop]:
    """Blocks of a tensor that see little of what it is made from; empty where it is not made from an image by
    convolutions and layers that work entry by entry."""
    chain = _chain(known, name, entrywise)
    if not chain or chain[-1].op != "conv2d":
        return []
    last = chain[-1]
    image = outputs[last.inputs[0]].shape[1:]
    windows = windows_over(image, dict(last.options), "conv2d")
    reach = [d * (k - 1) + 1 for d, k in zip(windows.dilation, windows.kernel, strict=True)]
    edges = [max(2, r // s) for r, s in zip(reach, windows.stride, strict=True)]
    seen = np.prod(
        [min((e - 1) * s + r, w) for e, s, r, w in zip(edges, windows.stride, reach, image[1:], strict=True)]
    )
    if seen > 0.5 * image[1] * image[2]:
        return []
    blocks = [
        [(b * e, min(c, (b + 1) * e)) for b in range(ceil(c / e))] for c, e in zip(windows.count, edges, strict=True)
    ]
    return [_crop(known, outputs, chain, (down, right)) for down in blocks[0] for right in blocks[1]]


def _chain(known: KnownWeights, name: str, entrywise: frozenset[str]) -> list[Layer]:
    """The layers from the input to a tensor, where there is one path of convolutions and entrywise layers."""
    network, found = known.network, []
    while name != network.input_name:
        layer = network.layer(name)
        if len(layer.shape) != 3 or known.stands_for(layer) is not None:
            return []
        if layer.op != "conv2d" and (layer.name not in entrywise or len(layer.inputs) != 1):
            return []
        found.append(layer)
        name = layer.inputs[0]
    return found[::-1]


def _crop(known: KnownWeights, outputs: Mapping[str, Interval], chain: list[Layer], block: Sides) -> Crop:
    """What leads to a block of the last layer of a chain."""
    network, sides = known.network, {chain[-1].name: block}
    for layer in reversed(chain):
        sides[layer.inputs[0]] = _read(layer, outputs[layer.inputs[0]].shape[1:], sides[layer.name])
    parts = {name: _cut(outputs[name], sides[name]) for name in sides}
    layers = tuple(
        replace(layer, shape=parts[layer.name].shape[1:], options=_without_padding(layer)) for layer in chain
    )
    shape = parts[network.input_name].shape[1:]
    index = np.arange(int(np.prod(chain[-1].shape))).reshape(chain[-1].shape)
    own = index[:, block[0][0] : block[0][1], block[1][0] : block[1][1]].ravel()
    cropped = replace(
        network, input_shape=shape, layers=layers, result_layer=chain[-1].name, result_index=np.arange(len(own))
    )
    inside = {layer.name: _inside(outputs[layer.name].shape, sides[layer.name]) for layer in chain}
    return Crop(own, CroppedWeights(cropped, known.assignment, inside), parts)


def _read(layer: Layer, shape: tuple[int, ...], sides: Sides) -> Sides:
    """What a part of a layer's output is made from."""
    if layer.op != "conv2d":
        return sides
    windows = windows_over(shape, dict(layer.options), "conv2d")
    down, right = (
        (first * step - padding, (last - 1) * step - padding + dilation * (kernel - 1) + 1)
        for (first, last), step, padding, dilation, kernel in zip(
            sides, windows.stride, windows.padding, windows.dilation, windows.kernel, strict=True
        )
    )
    return down, right


def _without_padding(layer: Layer) -> tuple[tuple[str, object], ...]:
    return tuple((key, (0, 0) if key == "padding" else value) for key, value in layer.options)


def _cut(bounds: Interval, sides: Sides) -> Interval:
    """A part of an image; 0 where it reaches over the border."""
    return Interval(*(_part(end, sides) for end in (bounds.lo, bounds.hi)))


def _inside(shape: tuple[int, ...], sides: Sides) -> FloatArray:
    found: FloatArray = _part(np.ones((1, 1, *shape[2:])), sides)[0]
    return found


def _part(images: FloatArray, sides: Sides) -> FloatArray:
    (above, below), (left, right) = (
        (max(0, -first), max(0, last - size)) for (first, last), size in zip(sides, images.shape[2:], strict=True)
    )
    down, across = (slice(max(0, first), max(0, last)) for first, last in sides)
    sides_out = ((0, 0), (0, 0), (above, below), (left, right))
    return np.asarray(np.pad(images[:, :, down, across], sides_out))
