"""Planes below rows over boxes: their least values where another plane is known to be at most 0, and mixtures of them.

*With a cut.* Let row(x) >= A.x + c on a box, and let all points that matter obey g.x + h <= 0. Then for every L >= 0,

    row(x)  >=  (A + L g).x + c + L h                                                                            (1)

at these points. The least value of the right side over the box is a concave function of L whose slope changes at
L = -A_i / g_i only, so that the largest of all is found among them and 0: a linear program with one row, solved
exactly (duality of the continuous knapsack problem, Dantzig 1957). Any L >= 0 proves something; only the value of (1)
is rounded outward, not the search for L.

*Mixtures.* Where all of some rows must be at most 0, so must be every sum of them with weights >= 0. Between two planes
the same break points give the best mixture.
"""

from __future__ import annotations

import numpy as np

from nnmip.bounds.crown import UNDERFLOW
from nnmip.bounds.interval import UNIT_ROUNDOFF, FloatArray, IntArray, Interval
from nnmip.bounds.relaxation import down
from nnmip.records import dataclass

SWEEPS = 2
"""How often the rows are gone through for a mixture."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What all points that matter of each box obey, `slope . x + shift <= 0`: [n, entries] and [n], 0 for nothing."""

    slope: FloatArray
    shift: FloatArray

    def at(self, index: IntArray) -> Cut:
        return Cut(self.slope[index], self.shift[index])

    @property
    def says_something(self) -> bool:
        return bool(self.slope.any())


@dataclass(frozen=True, slots=True, eq=False)
class Balls:
    """Boxes [n, entries] as middles and half-widths, rounded outward: every member is within `radius` of `middle`."""

    middle: FloatArray
    radius: FloatArray

    @staticmethod
    def of(box: Interval) -> Balls:
        middle = 0.5 * box.lo + 0.5 * box.hi
        return Balls(middle, np.nextafter(np.maximum(box.hi - middle, middle - box.lo), np.inf))


def least(slope: FloatArray, shift: FloatArray, balls: Balls, cut: Cut | None = None) -> FloatArray:
    """Lower bounds [n, k] of planes [n, k, entries] over boxes, where the cut holds; nan where numbers overflow.

    Rounding: each value is a sum of at most 2 (entries + 2) products of three, charged as `bounds.crown` derives.
    """
    middle, radius = balls.middle[:, :, None], balls.radius[:, :, None]
    with np.errstate(all="ignore"):
        if cut is not None and cut.says_something:
            factor = _factors(slope, shift, balls, cut)
            size = np.abs(slope) + factor[..., None] * np.abs(cut.slope)[:, None]
            slope = slope + factor[..., None] * cut.slope[:, None]
            added = factor * cut.shift[:, None]
        else:
            size, added = np.abs(slope), np.zeros(shift.shape)
        value = shift + added + (slope @ middle)[..., 0] - (np.abs(slope) @ radius)[..., 0]
        reach = np.abs(shift) + np.abs(added) + (size @ (np.abs(middle) + radius))[..., 0]
        gamma = 1.01 * (2 * slope.shape[2] + 12) * UNIT_ROUNDOFF
        return down(value - (gamma * reach + UNDERFLOW * (1.0 + reach)))


def _factors(slope: FloatArray, shift: FloatArray, balls: Balls, cut: Cut) -> FloatArray:
    """The L >= 0 of (1) with the largest least value, for every plane, shape [n, k]."""
    across = cut.slope[:, None]
    points = np.where(across != 0.0, -slope / np.where(across == 0.0, 1.0, across), 0.0)
    points = np.where((points > 0.0) & np.isfinite(points), points, 0.0)
    points = np.concatenate([np.zeros((*shift.shape, 1)), points], axis=2)
    mixed = slope[:, :, None] + points[..., None] * across[:, None]
    values = points * (cut.shift + (cut.slope * balls.middle).sum(axis=1))[:, None, None]
    values -= np.einsum("nkpd,nd->nkp", np.abs(mixed), balls.radius, optimize=False)
    values += slope @ balls.middle[:, :, None]
    best = np.where(np.isnan(values), -np.inf, values).argmax(axis=2)
    return np.asarray(np.take_along_axis(points, best[..., None], axis=2)[..., 0])


def mixture(slope: FloatArray, shift: FloatArray, balls: Balls) -> FloatArray:
    """Weights [n, rows] of a mixture of planes [n, rows, entries] whose least value is large.

    Starts with the best row, and mixes each row with what is there in turn.
    """
    n, rows, _ = slope.shape
    values = shift + (slope @ balls.middle[:, :, None])[..., 0] - (np.abs(slope) @ balls.radius[:, :, None])[..., 0]
    best, at = values.argmax(axis=1), np.arange(n)
    weights = np.zeros((n, rows))
    weights[at, best] = 1.0
    if rows == 1:
        return weights
    height = shift + (slope @ balls.middle[:, :, None])[..., 0]
    own, level = slope[at, best], height[at, best]
    for row in [*range(rows)] * SWEEPS:
        share = _share(own, level, slope[:, row], height[:, row], balls.radius)
        own = (1.0 - share[:, None]) * own + share[:, None] * slope[:, row]
        level = (1.0 - share) * level + share * height[:, row]
        weights *= (1.0 - share)[:, None]
        weights[:, row] += share
    return weights


def _share(own: FloatArray, level: FloatArray, other: FloatArray, height: FloatArray, radius: FloatArray) -> FloatArray:
    """How much of another plane makes the least value largest, [n]; planes by slopes and values in the middle."""
    with np.errstate(all="ignore"):
        points = own / (own - other)
    points = np.where((points > 0.0) & (points < 1.0), points, 0.0)
    points = np.concatenate([np.zeros((len(own), 1)), points, np.ones((len(own), 1))], axis=1)
    mixed = own[:, None] + points[..., None] * (other - own)[:, None]
    values = level[:, None] + points * (height - level)[:, None]
    values = values - (np.abs(mixed) @ radius[:, :, None])[..., 0]
    best = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
    return np.asarray(points[np.arange(len(own)), best])


def mixed(weights: FloatArray, slope: FloatArray, shift: FloatArray, balls: Balls) -> tuple[FloatArray, FloatArray]:
    """Planes [n, entries] and [n] below the sums of rows with weights >= 0."""
    found = (weights[:, None] @ slope)[:, 0]
    reach = np.abs(balls.middle) + balls.radius
    size = (weights[:, None] @ np.abs(slope))[:, 0]
    total = (weights * np.abs(shift)).sum(axis=1) + (size * reach).sum(axis=1)
    charge = 1.01 * (weights.shape[1] + slope.shape[2] + 8) * UNIT_ROUNDOFF * total + UNDERFLOW * (1.0 + total)
    return found, down((weights * shift).sum(axis=1) - charge)
