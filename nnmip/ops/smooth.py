"""Smooth functions as curves that are linear between points, with a certified error.

The functions are rising, odd around a point, and concave right of it. Between the points a curve is as far below the
function in the middle as it is above at the ends (equal error); the piece in the middle goes through the point of
symmetry. The error of the curve that is used, with its rounded points and values, is then computed anew in decimals
with 40 digits, piece by piece: the function minus a line is largest, in absolute value, at an end of the piece, or
where the slopes are equal, and that place is known in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]

LEAST, MOST, USUAL = 1e-6, 0.1, 1e-3
"""How small and how large an error may be asked for, and what it is where nothing is said."""

DIGITS = 40
_SLACK = Decimal(10) ** -30
"""More than all rounding in that many digits, of numbers below 100 with a closed form of a few operations."""


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """height * tanh(rate * z) + middle.

    exact: the function in floating point.
    """

    name: str
    height: Decimal
    rate: Decimal
    middle: Decimal
    exact: Callable[[FloatArray], FloatArray]

    @property
    def steepest(self) -> float:
        """The slope at 0, which is the largest."""
        return float(self.height * self.rate)

    def value(self, z: Decimal) -> Decimal:
        power = (-2 * self.rate * abs(z)).exp()
        half = self.height * (1 - power) / (1 + power)
        return self.middle + (half if z >= 0 else -half)

    def places_of(self, slope: Decimal) -> tuple[Decimal, ...]:
        """Where the function has a slope above 0: tanh' = 1 - tanh^2."""
        square = 1 - slope / (self.height * self.rate)
        if not 0 < square < 1:
            return (Decimal(0),) if square == 0 else ()
        root = square.sqrt()
        place = ((1 + root) / (1 - root)).ln() / (2 * self.rate)
        return (-place, place)


FUNCTIONS: Mapping[str, Smooth] = MappingProxyType(
    {
        "Sigmoid": Smooth(
            *("Sigmoid", Decimal("0.5"), Decimal("0.5"), Decimal("0.5")),
            lambda z: np.asarray(0.5 * (1.0 + np.tanh(0.5 * z))),
        ),
        "Tanh": Smooth("Tanh", Decimal(1), Decimal(1), Decimal(0), np.tanh),
    }
)
"""By the name of the operator."""


@dataclass(frozen=True, slots=True)
class Approximation:
    """The points and values of a curve, and how far it is from its function at most, anywhere."""

    points: tuple[float, ...]
    values: tuple[float, ...]
    error: float

    @property
    def pieces(self) -> int:
        """How many lines it has, the two that go on for ever included."""
        return len(self.points) + 1


@lru_cache(maxsize=64)
def approximation(name: str, largest: float) -> Approximation:
    """A curve that is at most `largest` from a function, with the fewest pieces of its kind, and with these the least
    error."""
    function = FUNCTIONS[name]
    aim = largest / float(function.height) * (1.0 - 1e-6)
    count = len(_corners(aim))
    low, high = 0.0, aim
    for _ in range(40):
        middle = 0.5 * (low + high)
        if middle > 0.2 * aim and len(_corners(middle)) == count:
            high = middle
        else:
            low = middle
    corners = np.array(_corners(high))
    half_points = corners / float(function.rate)
    half_values = (np.tanh(corners) + high) * float(function.height)
    middle_value = float(function.middle)
    points = (*(-half_points[::-1]).tolist(), *half_points.tolist())
    values = (*(middle_value - half_values[::-1]).tolist(), *(middle_value + half_values).tolist())
    made = Approximation(points, values, certified_error(function, points, values))
    assert made.error <= largest, (name, largest, made.error)
    return made


def certified_error(function: Smooth, points: tuple[float, ...], values: tuple[float, ...]) -> float:
    """How far the curve through the points is from the function at most, rounded up."""
    with localcontext(Context(prec=DIGITS)):
        at, on = [Decimal(p) for p in points], [Decimal(v) for v in values]
        ends = (function.middle - function.height, function.middle + function.height)
        worst = max(abs(on[0] - ends[0]), abs(on[-1] - ends[1]))
        worst = max(worst, *(abs(function.value(p) - v) for p, v in zip(at, on, strict=True)))
        for place in range(1, len(at)):
            slope = (on[place] - on[place - 1]) / (at[place] - at[place - 1])
            for z in function.places_of(slope):
                if at[place - 1] < z < at[place]:
                    line = on[place - 1] + slope * (z - at[place - 1])
                    worst = max(worst, abs(function.value(z) - line))
        worst += _SLACK
    found = float(worst.quantize(Decimal(10) ** -25, rounding=ROUND_CEILING))
    return math.nextafter(found, math.inf)


# ---- where the pieces end: tanh alone, right of 0 ------------------------------------------------------------------


def _corners(error: float) -> list[float]:
    """The points right of 0 of a curve that is at most `error` from tanh: there it is that much above it, or, at the
    last, as much above as it is below 1."""
    last = math.atanh(1.0 - 2.0 * error)
    corners = [_first(error)]
    while corners[-1] < last:
        corners.append(_next(corners[-1], 2.0 * error, last))
    corners[-1] = min(corners[-1], last)
    return corners


def _first(error: float) -> float:
    """The end of the piece through 0: where the line through (0, 0) that is `error` below tanh at most is as much
    above it."""

    def most_below(slope: float) -> float:
        place = math.atanh(math.sqrt(1.0 - slope))
        return math.tanh(place) - slope * place

    slope = _solved(lambda s: error - most_below(s), 1e-9, 1.0 - 1e-12)
    return _solved(lambda z: slope * z - math.tanh(z) - error, math.atanh(math.sqrt(1.0 - slope)), 1e3)


def _next(left: float, gap: float, last: float) -> float:
    """Up to where a chord of tanh from `left` on is at most `gap` below it; `last` where it gets that far."""

    def below(right: float) -> float:
        slope = (math.tanh(right) - math.tanh(left)) / (right - left)
        place = math.atanh(math.sqrt(max(0.0, 1.0 - slope)))
        return math.tanh(place) - math.tanh(left) - slope * (place - left)

    if below(last) <= gap:
        return last
    return _solved(lambda right: below(right) - gap, left + 1e-6, last)


def _solved(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0, by halving; the last place where it is not above."""
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) <= 0.0 else (low, middle)
    return low
