"""Domains of decisions: bounded unions of closed intervals and single values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Domain:
    """A bounded, non-empty set of reals: disjoint closed `intervals` (lo < hi) and single `values` outside them.

    Both are sorted. Build one with `Domain.of`, which brings any description into this form. The one set that is not
    bounded is `everything`, for the inputs of networks whose files state no domain.
    """

    intervals: tuple[tuple[float, float], ...]
    values: tuple[float, ...]

    @staticmethod
    def of(intervals: Iterable[tuple[float, float]] = (), values: Iterable[float] = ()) -> Domain:
        """The union of the given intervals (`lo <= hi`) and values."""
        merged: list[tuple[float, float]] = []
        points = {float(v) + 0.0 for v in values}
        for lo, hi in sorted((float(a) + 0.0, float(b) + 0.0) for a, b in intervals):
            assert lo <= hi and np.isfinite(lo) and np.isfinite(hi)
            if lo == hi:
                points.add(lo)
            elif merged and lo <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
            else:
                merged.append((lo, hi))
        isolated = sorted(p for p in points if not any(lo <= p <= hi for lo, hi in merged))
        assert merged or isolated, "empty domain"
        return Domain(tuple(merged), tuple(isolated))

    @staticmethod
    def everything() -> Domain:
        return Domain(((-np.inf, np.inf),), ())

    @property
    def lo(self) -> float:
        return min([lo for lo, _ in self.intervals] + list(self.values[:1]))

    @property
    def hi(self) -> float:
        return max([hi for _, hi in self.intervals] + list(self.values[-1:]))

    @property
    def is_finite(self) -> bool:
        """Whether the domain has finitely many members."""
        return not self.intervals

    @property
    def is_interval(self) -> bool:
        return len(self.intervals) == 1 and not self.values

    @property
    def step(self) -> float | None:
        """The spacing of a finite domain whose values are evenly spaced, else None."""
        if not self.is_finite or len(self.values) < 2:
            return None
        values = np.array(self.values)
        step = (values[-1] - values[0]) / (len(values) - 1)
        even = values[0] + step * np.arange(len(values))
        return float(step) if np.abs(even - values).max() <= 1e-12 * max(1.0, np.abs(values).max()) else None

    @property
    def has_zero(self) -> bool:
        return 0.0 in self.values or any(lo <= 0.0 <= hi for lo, hi in self.intervals)

    @property
    def least_magnitude(self) -> float:
        """The largest m such that every nonzero member w has `|w| >= m`; 0 if members come arbitrarily close to 0."""
        if any(lo <= 0.0 <= hi for lo, hi in self.intervals):
            return 0.0
        ends = [min(abs(lo), abs(hi)) for lo, hi in self.intervals] + [abs(v) for v in self.values if v != 0.0]
        return min(ends, default=0.0)

    def __or__(self, other: Domain) -> Domain:
        """The union of two domains."""
        return Domain.of((*self.intervals, *other.intervals), (*self.values, *other.values))

    def with_zero(self) -> Domain:
        """The domain of a decision that may also be removed."""
        return Domain.of(self.intervals, (*self.values, 0.0))

    def distance(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each entry is from the nearest member, same shape as `array`."""
        gaps = [np.maximum(np.maximum(lo - array, array - hi), 0.0) for lo, hi in self.intervals]
        if self.values:
            gaps.append(np.abs(array - self.nearest_value(array)))
        return np.asarray(np.min(np.stack(gaps), axis=0))

    def nearest_value(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """The single value nearest to each entry (intervals are not considered)."""
        values = np.array(self.values)
        right = np.clip(np.searchsorted(values, array), min(1, len(values) - 1), len(values) - 1)
        left = np.maximum(right - 1, 0)
        return np.where(np.abs(array - values[left]) <= np.abs(values[right] - array), values[left], values[right])

    def project(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest member to each entry."""
        candidates = [np.clip(array, lo, hi) for lo, hi in self.intervals]
        if self.values:
            candidates.append(self.nearest_value(array))
        best = candidates[0]
        for candidate in candidates[1:]:
            best = np.where(np.abs(candidate - array) < np.abs(best - array), candidate, best)
        return best

    def __str__(self) -> str:
        def number(x: float) -> str:
            return f"{x:g}"

        parts = [(lo, f"[{number(lo)}, {number(hi)}]") for lo, hi in self.intervals]
        if self.values:
            shown = [number(v) for v in self.values]
            if len(shown) > 9:
                shown = [*shown[:4], "…", *shown[-2:]]
            parts.append((self.values[0], "{" + ", ".join(shown) + "}"))
        return " | ".join(text for _, text in sorted(parts))
