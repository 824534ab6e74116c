"""Convex functions of one number, and lines below them that no rounding lifts above."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.milp.model import FloatArray
from nnmip.records import dataclass

ULP = 2.0**-52

LEAST_SLOPE = 1e-6
"""Solvers drop tiny coefficients: a line less steep than this is drawn flat."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A strictly convex function phi.

    value, slope: phi and its derivative, at arrays of any shape. support: for slopes s the largest numbers c for which
    s t + c <= phi(t) at every t (minus the conjugate of phi), rounded down. spread, at: a coordinate z(t) with its
    inverse, in which tangents at a distance d from each other stay within about d^2 of phi (dz = sqrt(phi''/8) dt).
    steepest: the largest slope that a line below phi can have on both sides, infinite where there is none.
    """

    value: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray]
    support: Callable[[FloatArray], FloatArray]
    spread: Callable[[FloatArray], FloatArray]
    at: Callable[[FloatArray], FloatArray]
    steepest: float

    def range(self, lo: FloatArray, hi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The least and the largest value for lo <= t <= hi, rounded outwards."""
        ends = np.stack([self.value(lo), self.value(hi)])
        least = np.where((self.slope(lo) < 0) & (self.slope(hi) > 0), self.value(np.zeros(lo.shape)), ends.min(axis=0))
        most = ends.max(axis=0)
        return least - 8 * ULP * np.abs(least), most + 8 * ULP * np.abs(most)

    def tangents(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes s and constants c of the lines that touch phi at `points`; s t + c <= phi(t) for every t.

        A line that would be nearly flat, or nearly the steepest, is drawn so: it touches elsewhere, or nowhere, and
        stays below.
        """
        s = self.slope(points)
        s = np.where(np.abs(s) < LEAST_SLOPE, 0.0, s)
        s = np.where(s > self.steepest - LEAST_SLOPE, self.steepest, s)
        return s, self.support(s)

    def chords(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes and constants of the lines through neighbouring points of [n, k] ascending ones: [n, k - 1].

        They are at most phi at all of these points, and equal to it at two, up to rounding. Points that are not a
        number have no line.
        """
        left, right = points[:, :-1], points[:, 1:]
        at_left, at_right = self.value(left), self.value(right)
        with np.errstate(invalid="ignore", divide="ignore"):
            s = (at_right - at_left) / (right - left)
            c = np.minimum(at_left - s * left, at_right - s * right)
            c = c - 8 * ULP * (np.abs(at_left) + np.abs(at_right) + np.abs(s) * np.maximum(np.abs(left), np.abs(right)))
        is_flat = np.abs(s) < LEAST_SLOPE
        lowest = np.nanmin(self.value(points), axis=1, keepdims=True)
        flat = np.minimum(lowest, lowest - 8 * ULP * np.abs(lowest))
        return np.where(is_flat, 0.0, s), np.where(is_flat, flat, c)


def _square_support(s: FloatArray) -> FloatArray:
    """-(s / 2)^2 rounded down: halving is exact, and one rounding of the square is undone by one step."""
    square = (s / 2.0) ** 2
    return np.where(s == 0.0, 0.0, np.nextafter(-square, -np.inf))


def _entropy(s: FloatArray) -> FloatArray:
    """-s log s - (1 - s) log(1 - s) rounded down, 0 at s = 0 and s = 1: both terms are positive, so that their errors
    are a few units in the last place, and 32 are taken off."""
    inside = np.clip(s, np.finfo(np.float64).tiny, 1.0 - 2.0**-53)
    exact = -inside * np.log(inside) - (1.0 - inside) * np.log1p(-inside)
    return np.where((s <= 0.0) | (s >= 1.0), 0.0, exact * (1.0 - 32 * ULP))


def _logistic(t: FloatArray) -> FloatArray:
    """1 / (1 + exp(-t)) without overflow."""
    small = np.exp(-np.abs(t))
    return np.asarray(np.where(t >= 0, 1.0, small) / (1.0 + small))


def _softplus(t: FloatArray) -> FloatArray:
    """log(1 + exp(t)) without overflow."""
    return np.asarray(np.maximum(t, 0.0) + np.log1p(np.exp(-np.abs(t))))


def _angle(t: FloatArray) -> FloatArray:
    return np.asarray(np.arctan(np.exp(np.clip(t, -700.0, 700.0) / 2.0)) / np.sqrt(2.0))


def _from_angle(z: FloatArray) -> FloatArray:
    tangent = np.tan(np.clip(z * np.sqrt(2.0), 1e-9, np.pi / 2 - 1e-9))
    return np.asarray(2.0 * np.log(tangent))


SQUARE = Curve(lambda t: t * t, lambda t: 2.0 * t, _square_support, lambda t: t / 2.0, lambda z: z * 2.0, np.inf)
"""t^2."""

SOFTPLUS = Curve(_softplus, _logistic, _entropy, _angle, _from_angle, 1.0)
"""log(1 + exp(t)), with the slope 1 / (1 + exp(-t)) and the binary entropy as its support function."""
