"""How much more a smooth function is than the curve in its place, and how steep it is, over intervals.

On a part where the function is convex and the curve a line, the function less the curve is largest at an end of an
interval, and least at an end or where the slopes are equal (`smooth.extremes`, proved in decimals); the other way round
where it is concave. Outside of all parts it is monotone. So its bounds over an interval are those of its values at the
ends, at the ends of the parts inside, and at the places with equal slopes inside. The slope is monotone between bends.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nnmip.bounds.interval import UNIT_ROUNDOFF, FloatArray, Interval
from nnmip.ops.functions import FUNCTIONS, Smooth
from nnmip.ops.layers.piecewise import Knots
from nnmip.ops.smooth import Extreme, extremes
from nnmip.records import dataclass

ROUNDED = 64.0 * UNIT_ROUNDOFF
"""More than what the values of functions and curves lose in floating point, relative to a number above 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """A smooth function less a curve. parts: all of them, from left to right."""

    function: Smooth
    knots: Knots
    parts: tuple[Extreme, ...]

    def at(self, z: FloatArray) -> FloatArray:
        """In floating point."""
        return np.asarray(self.function.exact(z) - self.knots.values_at(z))

    def over(self, z: Interval) -> Interval:
        """Bounds for all numbers in z."""
        ends = self.at(z.lo), self.at(z.hi)
        least, most = np.minimum(*ends), np.maximum(*ends)
        for end in sorted({part.left for part in self.parts} | {part.right for part in self.parts}):
            value = float(self.at(np.array(end)))
            inside = (z.lo <= end) & (end <= z.hi)
            least = np.where(inside, np.minimum(least, value), least)
            most = np.where(inside, np.maximum(most, value), most)
        for part in self.parts:
            inside = (z.lo <= part.place) & (part.place <= z.hi)
            if part.turn > 0:
                least = np.where(inside, np.minimum(least, part.away), least)
            else:
                most = np.where(inside, np.maximum(most, part.away), most)
        return Interval(least, most).widened(ROUNDED * (1.0 + z.magnitude))

    def slopes(self, z: Interval) -> Interval:
        """Bounds of the slopes of the function between any two numbers in z."""
        with np.errstate(over="ignore"):
            ends = [self.function.steep(end) for end in (z.lo, z.hi)]
            least, most = np.minimum(*ends), np.maximum(*ends)
            for bend in self.function.bends:
                around = self.function.steep(np.array([np.nextafter(bend, -np.inf), bend, np.nextafter(bend, np.inf)]))
                inside = (z.lo <= bend) & (bend <= z.hi)
                least = np.where(inside, np.minimum(least, around.min()), least)
                most = np.where(inside, np.maximum(most, around.max()), most)
        steepest = self.function.steepest
        found = Interval(least, most).widened(ROUNDED * (1.0 + z.magnitude))
        return Interval(np.clip(found.lo, -steepest, steepest), np.clip(found.hi, -steepest, steepest))


@lru_cache(maxsize=64)
def difference(name: str, points: tuple[float, ...], values: tuple[float, ...]) -> Difference:
    """Of the function called `name` and the curve through the points, which goes on as the function does."""
    function = FUNCTIONS[name]
    outside = function.before[0], function.behind[0]
    knots = Knots(np.array(points), np.array(values), outside)
    return Difference(function, knots, tuple(extremes(function, points, values)))
