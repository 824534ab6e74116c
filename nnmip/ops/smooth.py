"""Smooth functions as curves that are linear between points, with a certified error.

The functions are convex or concave between their bends, and near a line far out on either side. At its points a curve
is as far below a convex part as it is above it in between at most, and the other way round at a concave one (equal
error); it goes on along the two lines where the function is near them. Every piece reaches as far as its error lets it.
The error of the curve that is used, with its rounded points and values, is then computed anew in decimals with 40
digits, piece by piece: the function minus a line is largest, in absolute value, at an end of a part, or where the
slopes are equal; of a place next to that one the tangent bounds it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nnmip.ops.functions import FUNCTIONS, FloatArray, Smooth
from nnmip.records import dataclass

BoolArray = NDArray[np.bool_]

LEAST, MOST, USUAL = 1e-6, 0.1, 1e-3
"""How small and how large an error may be asked for, and what it is where nothing is said."""

DIGITS = 40
_SLACK = Decimal(10) ** -30
"""More than all rounding in that many digits, of numbers below 100 with a closed form of a few operations."""


@dataclass(frozen=True, slots=True)
class Approximation:
    """The points and values of a curve, its slopes outside of them, and how far it is from its function at most,
    anywhere."""

    points: tuple[float, ...]
    values: tuple[float, ...]
    error: float
    outside: tuple[float, float] = (0.0, 0.0)

    @property
    def pieces(self) -> int:
        """How many lines it has, the two that go on for ever included."""
        return len(self.points) + 1


@lru_cache(maxsize=64)
def approximation(name: str, largest: float) -> Approximation:
    """A curve that is at most `largest` from a function, with the fewest pieces of its kind, and with these nearly the
    least error."""
    function = FUNCTIONS[name]
    for spare in SPARE:
        made = _least(function, largest * (1.0 - spare))
        if made.error <= largest:
            return made
    raise AssertionError((name, largest))


SPARE = (1e-5, 1e-3, 0.05)
"""By how much less than the largest error is aimed at, for what floating point loses; the first is enough but for the
finest curves."""


def _least(function: Smooth, high: float) -> Approximation:
    points, values = _curve(function, high)
    low = high * max(0.2, 1.0 - 3.0 / len(points))  # the error is about one over the square of the pieces
    for _ in range(8):
        middle = 0.5 * (low + high)
        tried = _curve(function, middle)
        if len(tried[0]) == len(points):
            high, (points, values) = middle, tried
        else:
            low = middle
    outside = function.before[0], function.behind[0]
    return Approximation(tuple(points), tuple(values), certified_error(function, points, values), outside)


# ---- the proof -----------------------------------------------------------------------------------------------------


def certified_error(
    function: Smooth, points: tuple[float, ...] | list[float], values: tuple[float, ...] | list[float]
) -> float:
    """How far the curve through the points, which goes on as the function does, is from it at most, rounded up."""
    with localcontext(Context(prec=DIGITS)):
        at, on = [Decimal(p) for p in points], [Decimal(v) for v in values]
        ends = zip((function.before, function.behind), (0, -1), strict=True)
        worst = max(abs(shift + Decimal(slope) * at[place] - on[place]) for (slope, shift), place in ends)
        for line, left, right in _parts(function, at, on):
            worst = max(worst, *_distances(function, line, left, right))
        worst += _SLACK
        found = float(worst.quantize(Decimal(10) ** -25, rounding=ROUND_CEILING))
    return math.nextafter(found, math.inf)


@dataclass(frozen=True, slots=True)
class Extreme:
    """A part, from left to right, where a function less a line is convex (turn 1) or concave (-1): that is least, or
    largest, nearly at `place`, and `away` or more, or less, everywhere on it, which is proved."""

    left: float
    right: float
    place: float
    away: float
    turn: int


Line = tuple[Decimal, Decimal, Decimal]
"""A slope, a place, and the value there."""


def _parts(function: Smooth, at: list[Decimal], on: list[Decimal]) -> Iterator[tuple[Line, Decimal, Decimal]]:
    """Every line of a curve with a part of its function that is convex or concave; what is outside of the bends and of
    the points, where the function is between its line and the value at the end of that part, is left out."""
    bends = [Decimal(bend) for bend in function.bends]
    first, last = min([at[0], *bends]), max([at[-1], *bends])
    before, behind = (Decimal(slope) for slope, _ in (function.before, function.behind))
    lines = [(before, at[0], on[0]), *_chords(at, on), (behind, at[-1], on[-1])]
    for line, (left, right) in zip(lines, pairwise([first, *at, last]), strict=True):
        cuts = [left, *(bend for bend in bends if left < bend < right), right]
        for low, high in pairwise(cuts):
            yield line, low, high


def extremes(function: Smooth, points: tuple[float, ...], values: tuple[float, ...]) -> Iterator[Extreme]:
    """Of every line of a curve and every part of its function: the ends, and what is between them."""
    with localcontext(Context(prec=DIGITS)):
        for line, left, right in _parts(function, [Decimal(p) for p in points], [Decimal(v) for v in values]):
            if left < right:
                place, most = _extreme(function, line, left, right)
                turn = _turn(function, left, right)
                rounding = ROUND_FLOOR if turn > 0 else ROUND_CEILING
                away = float((most - turn * _SLACK).quantize(Decimal(10) ** -25, rounding=rounding))
                yield Extreme(float(left), float(right), float(place), math.nextafter(away, -turn * math.inf), turn)


def _chords(at: list[Decimal], on: list[Decimal]) -> Iterator[Line]:
    for (p, v), (q, w) in pairwise(zip(at, on, strict=True)):
        yield (w - v) / (q - p), p, v


def _distances(function: Smooth, line: Line, left: Decimal, right: Decimal) -> Iterator[Decimal]:
    """How far a line is from a part of the function at its ends, and in between at most."""
    yield abs(_above(function, line, left))
    yield abs(_above(function, line, right))
    if left < right:
        yield abs(_extreme(function, line, left, right)[1])


def _above(function: Smooth, line: Line, z: Decimal) -> Decimal:
    slope, place, value = line
    return function.value(z) - (value + slope * (z - place))


def _turn(function: Smooth, left: Decimal, right: Decimal) -> int:
    return function.turns[bisect_left(function.bends, float(left + right) / 2)]


def _extreme(function: Smooth, line: Line, left: Decimal, right: Decimal) -> tuple[Decimal, Decimal]:
    """The place where a convex part is least above a line, nearly, and no more than that; of a concave one, where it is
    the most, and no less: by the tangent at a place where the slopes are nearly equal, on the side of it where the two
    still drift apart."""
    turn = _turn(function, left, right)
    z = Decimal(_like(function, turn, float(line[0]), float(left), float(right)))
    z = min(max(z, left), right)
    steeper = function.slope(z) - line[0]
    return z, _above(function, line, z) - turn * abs(steeper) * (right - z if turn * steeper < 0 else z - left)


def _like(function: Smooth, turn: int, slope: float, left: float, right: float) -> float:
    """Where a part has a slope, nearly; nearly an end where it has it nowhere."""
    for _ in range(60):
        middle = 0.5 * (left + right)
        if turn * (float(function.steep(np.array(middle))) - slope) < 0.0:
            left = middle
        else:
            right = middle
    return 0.5 * (left + right)  # never at a kink that ends the part


# ---- where the pieces end ------------------------------------------------------------------------------------------


def _curve(function: Smooth, error: float) -> tuple[list[float], list[float]]:
    """Points and values of a curve that is at most `error` away, from left to right."""
    chart = _chart(function)
    if function.is_odd:
        (centre,) = function.bends
        middle = float(function.exact(np.array(centre)))
        points, values = _marched(chart, centre, middle, error)
        left = [2.0 * centre - point for point in reversed(points[1:])]
        return left + points[1:], [2.0 * middle - value for value in reversed(values[1:])] + values[1:]
    start = chart.end(-1, error)
    return _marched(chart, start, float(chart.values(np.array(start), error)), error)


def _marched(chart: _Chart, place: float, value: float, error: float) -> tuple[list[float], list[float]]:
    """From a place and the value there to where the line on the right is near enough; that place comes first."""
    last = chart.end(1, error)
    points, values = [place], [value]
    while points[-1] < last:
        points.append(chart.reach(points[-1], values[-1], last, error))
        values.append(float(chart.values(np.array(points[-1]), error)))
    return points, values


@lru_cache(maxsize=16)
def _chart(function: Smooth) -> _Chart:
    return _Chart.of(function)


FAR, FINE = 60.0, 12_001
"""As far out all functions are their lines; and in how many places the slope of a part is written down."""


@dataclass(frozen=True, slots=True, eq=False)
class _Chart:
    """A function with its parts: their ends, and by slope the place where they have it, (slopes ascending, places)."""

    function: Smooth
    ends: tuple[float, ...]
    slopes: tuple[tuple[FloatArray, FloatArray], ...]
    turns_to_line: bool
    """Whether the function is away from the line behind it at its last bend still."""

    @staticmethod
    def of(function: Smooth) -> _Chart:
        ends, slopes = (-FAR, *function.bends, FAR), []
        for (low, high), turn in zip(pairwise(ends), function.turns, strict=True):
            z = np.linspace(low, high, FINE)
            found = function.steep(np.clip(z, low + 1e-12, high - 1e-12))
            slopes.append((found, z) if turn > 0 else (found[::-1], z[::-1]))
        slope, shift = function.behind
        last = float(function.exact(np.array(ends[-2])))
        return _Chart(function, ends, tuple(slopes), abs(last - slope * ends[-2] - float(shift)) > ROUNDING)

    def values(self, z: FloatArray, error: float) -> FloatArray:
        """Those of a curve with points there: below a convex part, above a concave one. At a bend the part on the left
        counts; at the last one, which may be where the line behind begins, the one that is on the side of that."""
        bends = self.function.bends
        part = np.searchsorted(bends, z, side="left")
        if bends and self.turns_to_line:
            part = part + (z == bends[-1])
        return np.asarray(self.function.exact(z) - np.array(self.function.turns)[part] * error)

    def end(self, side: int, error: float) -> float:
        """The place on one side (-1 or 1) from which on the function is at most twice the error from its line."""
        function = self.function
        slope, shift = function.before if side < 0 else function.behind

        def beyond(z: float) -> float:
            return 2.0 * error - abs(float(function.exact(np.array(side * z))) - slope * side * z - float(shift))

        inner = max((side * bend for bend in function.bends), default=-FAR)
        if beyond(inner) >= 0.0:
            return side * inner
        return side * _solved(beyond, inner, FAR)

    def reach(self, place: float, value: float, last: float, error: float) -> float:
        """How far a line from a value goes until it is further than `error` from the function; `last` at most. Parts
        that are further away are tried first."""

        def holds(z: FloatArray) -> BoolArray:
            return self._away(place, value, z, error) <= error * (1.0 + 1e-9) + ROUNDING

        for low, high in reversed(list(pairwise(self.ends))):
            left, right = max(low, place) + 1e-9, min(high, last)
            if left >= right or not holds(np.array([left]))[0]:
                continue
            for _ in range(ROUNDS):
                z = np.linspace(left, right, TRIED)
                there = holds(z)
                if there.all():
                    return right
                wrong = int(np.argmin(there))
                left, right = float(z[wrong - 1]), float(z[wrong])
            return left
        raise AssertionError((self.function.name, place, error))

    def _away(self, p: float, v: float, q: FloatArray, error: float) -> FloatArray:
        """How far the lines from a value to those of the curve at some places are from the function at most, before
        their ends."""
        slopes = (self.values(q, error) - v) / (q - p)
        most = np.zeros(len(q))
        for (low, high), (steep, places) in zip(pairwise(self.ends), self.slopes, strict=True):
            left, right = np.maximum(p, low), np.minimum(q, high)
            inside = np.clip(np.interp(slopes, steep, places), left, np.maximum(left, right))
            for z in (inside, np.maximum(left, right)):
                away = np.abs(self.function.exact(z) - (v + slopes * (z - p)))
                most = np.where((z > p) & (z < q), np.maximum(most, away), most)
        return most


ROUNDING = 4e-15
"""What floating point loses in a distance of a few units."""

ROUNDS, TRIED = 4, 64
"""How often the place where a line ends is looked for, and among how many each time."""


def _solved(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0, by halving; the last place where it is not above."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) <= 0.0 else (low, middle)
    return low
