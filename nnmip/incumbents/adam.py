"""The steps of Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DECAY, SQUARES, NOTHING = 0.9, 0.99, 1e-12
"""How long steps remember gradients and their squares, and what keeps a division from 0."""


def length_at(step: int, steps: int, first: float, last: float) -> float:
    """The length of a step: falls evenly in its logarithm from the first to the last one."""
    return float(first * (last / first) ** (step / steps))


class Adam:
    """What the steps of one array remember."""

    def __init__(self, begin: FloatArray) -> None:
        self._mean = np.zeros_like(begin)
        self._square = np.zeros_like(begin)

    def moved(self, now: FloatArray, gradient: FloatArray, step: int, length: float) -> FloatArray:
        """The array after a step against a gradient; steps are counted from 1, with or without a gradient."""
        self._mean = DECAY * self._mean + (1 - DECAY) * gradient
        self._square = SQUARES * self._square + (1 - SQUARES) * gradient**2
        mean, size = self._mean / (1 - DECAY**step), self._square / (1 - SQUARES**step)
        return np.asarray(now - length * mean / (np.sqrt(size) + NOTHING))
