"""Smooth functions as layers: curves of single entries, and functions of several entries that are made of such curves.

A curve is certified everywhere, and so is what is made of some. With sp(t) = log(1 + exp t), which is never steeper
than 1,

    log(exp a + exp b) = a + sp(b - a)

which is at most as far off as the curve in the place of sp, plus the larger error of a and b, since the left side
changes by no more than a or b does. So the logarithm of a sum of k exponentials, made pair by pair, is off by at
most ceil(log2 k) such errors, and exp(z_i - log sum) by that and the error of the curve in the place of exp(min(t, 0)),
which is not steeper than 1 either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nnmip.hir.core import IntArray
from nnmip.onnx.layers import Composed, Curved, Layers
from nnmip.onnx.views import Squashed, View, stacked
from nnmip.ops.functions import FUNCTIONS
from nnmip.ops.smooth import approximation
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class By:
    """The operator that a curve is for, the node as messages show it, and its label."""

    operator: str
    node: str
    label: str


def curve_of(layers: Layers, by: By, function: str, view: View, largest: float, scale: float = 1.0) -> View:
    """`scale` times a smooth function of every entry, as a curve that is at most `largest` from it."""
    made = approximation(function, largest / abs(scale))
    before, layers.label = layers.label, by.label
    found = layers.entrywise("piecewise", view, points=made.points, values=made.values, outside=made.outside)
    layers.label = before
    layers.curves.setdefault(found.base, Curved(function, by.operator, by.node, made, abs(scale)))
    return found if scale == 1.0 else found.affine(scale)


def values_of(layers: Layers, squashed: Squashed) -> View | None:
    """What a function at the end of a network gives, as curves; None where it is none that is made of some."""
    by = By(squashed.function, squashed.node, squashed.label)
    if squashed.is_entrywise and squashed.function in FUNCTIONS:
        return curve_of(layers, by, squashed.function, squashed.scores, layers.smooth)
    if squashed.is_entrywise or squashed.is_normalised or squashed.function not in OVER_GROUPS:
        return None
    scores = squashed.scores
    made = OVER_GROUPS[squashed.function](layers, by, scores.moved(lambda a: a.reshape(1, -1)))
    return made.moved(lambda a: a.reshape(scores.shape))


def softmax(layers: Layers, by: By, scores: View) -> View:
    """exp(z_i) over the sum of exp(z_j), along the last axis of [.., k]: a sigmoid of the difference of two, else
    exp(z_i - log sum)."""
    width = scores.shape[-1]
    if width == 1:
        return scores.affine(0.0, 1.0)
    scores = layers.settled(scores)
    if width == 2:
        ahead = layers.difference(_at(scores, 1), _at(scores, 0))
        second = curve_of(layers, by, "Sigmoid", ahead, layers.smooth)
        return stacked([second.affine(-1.0, 1.0), second])
    of_sum, of_power = _shares(width, layers.smooth)
    total, off = _log_sum(layers, by, scores, of_sum)
    below = layers.difference(scores, total.moved(lambda a: np.repeat(a[..., None], width, axis=-1)))
    found = curve_of(layers, by, "Exp", below, of_power)
    off += layers.curves[found.base].made.error
    return _noted(layers, by, scores, found, 0.5, off)  # sum over j of |dp_i / dz_j| = 2 p_i (1 - p_i)


def log_softmax(layers: Layers, by: By, scores: View) -> View:
    """z_i minus the logarithm of the sum of exp(z_j), along the last axis of [.., k]."""
    scores, width = layers.settled(scores), scores.shape[-1]
    total, off = _log_sum(layers, by, scores, layers.smooth / _levels(width))
    found = layers.difference(scores, total.moved(lambda a: np.repeat(a[..., None], width, axis=-1)))
    return _noted(layers, by, scores, found, 2.0, off)  # 2 (1 - p_i)


def log_sum(layers: Layers, by: By, scores: View) -> View:
    """The logarithm of the sum of exp(z_j), along the last axis of [.., k]: [..]."""
    scores = layers.settled(scores)
    return _log_sum(layers, by, scores, layers.smooth / _levels(scores.shape[-1]))[0]


OVER_GROUPS: Mapping[str, Callable[[Layers, By, View], View]] = MappingProxyType(
    {"Softmax": softmax, "LogSoftmax": log_softmax}
)
"""What looks at several entries, by the name of the operator."""


def _log_sum(layers: Layers, by: By, scores: View, largest: float) -> tuple[View, float]:
    """Pair by pair, with curves that are off by `largest` at most; and how far it is off."""
    left, levels = scores, 0
    while (width := left.shape[-1]) > 1:
        half, levels = width // 2, levels + 1
        a, b, rest = (_part(left, *ends) for ends in ((0, half), (half, 2 * half), (2 * half, width)))
        more = curve_of(layers, by, "Softplus", layers.difference(b, a), largest)
        pairs = layers.total(a, more)
        left = _side_by_side(layers, pairs, rest) if width % 2 else pairs
    total = _at(left, 0)
    off = levels * approximation("Softplus", largest).error if levels else 0.0
    return _noted(layers, by, scores, total, 1.0, off), off


def _side_by_side(layers: Layers, left: View, right: View) -> View:
    parts = layers.joined([left, layers.settled(right)])
    arrays = ([getattr(view, name) for view in parts] for name in ("index", "scale", "shift"))
    return View(parts[0].base, *(np.concatenate(each, axis=-1) for each in arrays))


def _noted(layers: Layers, by: By, scores: View, found: View, steepest: float, off: float) -> View:
    """Write down what the entries of `found` stand for: a function of their groups of scores."""
    width, count = scores.shape[-1], found.index.size
    groups: IntArray = np.zeros((layers.made[found.base].size, width), dtype=np.int64)
    rows = scores.index.reshape(-1, width)
    groups[found.index.reshape(-1)] = np.repeat(rows, count // len(rows), axis=0)
    if len(np.unique(found.index)) == len(groups) and off:
        layers.composed.setdefault(found.base, Composed(by.operator, by.node, scores.base, groups, steepest, off))
    return found


def _at(view: View, place: int) -> View:
    return view.moved(lambda a: a[..., place])


def _part(view: View, start: int, end: int) -> View:
    return view.moved(lambda a: a[..., start:end])


def _levels(width: int) -> int:
    return max(1, (width - 1).bit_length())


def _shares(width: int, total: float) -> tuple[float, float]:
    """The errors of sp and exp that add up to a total with nearly the fewest pieces in all: a curve has about
    c / sqrt(e) of them for an error e."""
    sums, powers, levels = PIECES["Softplus"] * (width - 1), PIECES["Exp"] * width, _levels(width)
    ratio = (sums / (levels * powers)) ** (2 / 3)
    of_power = total / (1 + levels * ratio)
    return of_power * ratio, of_power


PIECES: Mapping[str, float] = MappingProxyType({"Softplus": 0.81, "Exp": 0.54})
"""How many pieces a curve has times the root of its error: half of the integral of the root of |f''|, over sqrt(2)."""


def opposite(scores: View) -> bool:
    """Whether two scores are each other's negatives."""
    if scores.index.size != 2:
        return False
    (i, j), (s, t), (b, c) = (array.reshape(-1).tolist() for array in (scores.index, scores.scale, scores.shift))
    return bool(i == j and s == -t and b == -c)
