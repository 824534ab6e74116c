"""A reproducible split of the rows of a table into a training and a test part."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np

from nnmip.data.table import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.source import Span


@dataclass(frozen=True, slots=True)
class SplitRule:
    """`split test 0.3 seed 1`: the share of the rows that goes to the test part."""

    share: float
    seed: int
    span: Span


def held_out(labels: FloatArray, share: float, seed: int) -> BoolArray:
    """The rows of the test part, shape (n,), as near to `share * n` of them as can be.

    The split is stratified: of the rows with one label the share goes to the test part, rounded so that the total is
    right, and at least one stays in the training part. Which rows these are depends on nothing but `seed` and n: the
    rows of a label are ordered by the SHA-256 of the text `SEED:ROW`, with the row counted from 0, and the first ones
    are taken.
    """
    from hashlib import sha256

    _, strata = np.unique(labels, return_inverse=True)
    strata = strata.reshape(-1)
    keys = [sha256(f"{seed}:{row}".encode()).digest() for row in range(len(labels))]
    order = np.array(sorted(range(len(labels)), key=keys.__getitem__), dtype=np.int64)
    chosen = np.zeros(len(labels), dtype=bool)
    for stratum, count in enumerate(_counts(np.bincount(strata), Fraction(repr(share)))):
        chosen[order[strata[order] == stratum][:count]] = True
    return chosen


def _counts(sizes: IntArray, share: Fraction) -> list[int]:
    """How many rows of each stratum go to the test part: by largest remainder, the first of equals."""
    quotas = [share * int(size) for size in sizes]
    counts = [min(floor(quota), int(size) - 1) for quota, size in zip(quotas, sizes, strict=True)]
    missing = floor(sum(quotas) + Fraction(1, 2)) - sum(counts)
    by_remainder = sorted(range(len(sizes)), key=lambda k: (counts[k] - quotas[k], k))
    for k in by_remainder:
        if missing > 0 and counts[k] < sizes[k] - 1:
            counts[k] += 1
            missing -= 1
    return counts
