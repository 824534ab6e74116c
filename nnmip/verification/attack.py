"""Counterexamples by random points and projected gradients.

Starts from random points of the box, then walks the best of them down the largest row of a way to break the property,
in steps whose length falls (as in projected gradient descent, Madry et al. 2018). Later rounds start near the best
points so far, at distances over four orders of magnitude, since rare counterexamples lie near others that nearly are.
What is found is only a proposal: whoever asks replays it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Protocol

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.records import dataclass

Move = Callable[[FloatArray], FloatArray]


class Largest(Protocol):
    """Rows at points [n, entries], and with `has_slope` a subgradient of the largest of them at each."""

    def __call__(self, x: FloatArray, *, has_slope: bool = True) -> tuple[FloatArray, FloatArray]: ...


REPLAYED = 8
"""How many of the best points of a round are proposed."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many random points, starts of a round, elites and steps an attack takes; every how many rounds it starts from
    new points."""

    points: int
    starts: int
    elites: int
    steps: int
    fresh: int = 8


QUICK = Effort(points=600, starts=40, elites=20, steps=25)
THOROUGH = Effort(points=10_000, starts=500, elites=50, steps=60)


@dataclass(slots=True, eq=False)
class Attack:
    """An attack in rounds; `best` is the least value that the largest row has had, `elites` where it is small."""

    largest: Largest
    box: Interval
    move: Move
    random: np.random.Generator
    effort: Effort
    has_elites: bool = True
    best: float = np.inf
    rounds: int = 0
    elites: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    _worst: FloatArray = field(default_factory=lambda: np.zeros(0))

    def round(self) -> FloatArray:
        """Points [n, entries] at which no row is above 0, as far as floats tell, the best first."""
        is_fresh = not self.has_elites or self.rounds % self.effort.fresh == 0
        x, length = (self._random(), 0.25) if is_fresh else (self._near_elites(), 0.15)
        self.rounds += 1
        x, worst = self._sorted(x, self._values(x), self.effort.starts)
        if not (worst <= 0.0).any():
            x, worst = self._sorted(*self._descended(x, length), self.effort.elites)
        if len(self.elites) and self.has_elites:
            x, worst = np.concatenate([self.elites, x]), np.concatenate([self._worst, worst])
        self.elites, self._worst = self._sorted(x, worst, self.effort.elites)
        self.best = min(self.best, float(self._worst[0]))
        return self.elites[self._worst <= 0.0][:REPLAYED]

    def _random(self) -> FloatArray:
        """Random points, and random corners among them."""
        lo, width, count = self.box.lo, self.box.hi - self.box.lo, self.effort.points
        inner = self.random.random((count, lo.shape[1]))
        inner[: count // 6] = np.round(inner[: count // 6])
        inner[0] = 0.5
        return self._moved(lo + width * inner)

    def _near_elites(self) -> FloatArray:
        count, width = self.effort.starts, self.box.hi - self.box.lo
        chosen = self.elites[np.arange(count) % len(self.elites)]
        noise = 10.0 ** self.random.uniform(-4.0, -0.5, (count, 1)) * self.random.normal(size=chosen.shape)
        return self._moved(chosen + width * noise)

    def _moved(self, x: FloatArray) -> FloatArray:
        return self.move(np.clip(x, self.box.lo, self.box.hi))

    def _values(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.largest(x, has_slope=False)[0].max(axis=1, initial=-np.inf))

    def _sorted(self, x: FloatArray, worst: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
        order = worst.argsort(kind="stable")[:most]
        return x[order], worst[order]

    def _descended(self, x: FloatArray, length: float) -> tuple[FloatArray, FloatArray]:
        """The best point of every walk, and its largest row; every other walk goes by signs alone."""
        width, steps = self.box.hi - self.box.lo, self.effort.steps
        best, value = x, np.full(len(x), np.inf)
        for step in range(steps + 1):
            now, slope = self.largest(x)
            worst = now.max(axis=1)
            better = worst < value
            best, value = np.where(better[:, None], x, best), np.where(better, worst, value)
            if step == steps:
                break
            slope = slope * width
            size = np.abs(slope).max(axis=1, keepdims=True)
            direction = slope / np.where(size > 0.0, size, 1.0)
            direction[::2] = np.sign(direction[::2])
            rate = length * (1.0 - step / steps) ** 2 * self.random.random((len(x), 1))
            x = self._moved(x - rate * width * direction)
        return best, value
