"""Sets of numbers as sorted arrays, and numbers by chance, without the parts of NumPy that are slow to load.

`np.unique` alone, and what rests on it, loads NumPy's masked arrays to ask whether it was given one, which takes as
long as a small search. Asked for counts, too, it does not. `numpy.random` takes 6 MB, and as long.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def distinct(values: NDArray[Number], axis: int | None = None) -> NDArray[Number]:
    """The numbers in an array, or what stands along an axis of it, each once, in order."""
    found: NDArray[Number] = np.unique(values, return_counts=True, axis=axis)[0]
    return found


def union(one: NDArray[Number], other: NDArray[Any]) -> NDArray[Number]:
    """The numbers in one array or the other."""
    return distinct(np.concatenate([one, other]))


def without(numbers: NDArray[Number], others: NDArray[Any]) -> NDArray[Number]:
    """The numbers in the first array that are not in the second."""
    return np.setdiff1d(distinct(numbers), others, assume_unique=True)


def by_chance(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers between -1 and 1, the same each time: for what must be spread, and no more."""
    drawn = np.frombuffer(Random(0).randbytes(8 * math.prod(shape)), "<u8").reshape(shape)
    return drawn / 2.0**63 - 1.0


def is_among(numbers: NDArray[Number], known: NDArray[Number]) -> NDArray[np.bool_]:
    """Which of some numbers are among others, which are in order."""
    if not len(known):
        return np.zeros(numbers.shape, dtype=bool)
    nearest = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.asarray(known[nearest] == numbers)
