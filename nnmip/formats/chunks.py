"""Portions of a large model that are turned into text at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.milp.model import IntArray

# Entries, columns or rows in a portion; bounds the memory of the text.
CHUNK = 1 << 12


def slices(total: int) -> Iterator[slice]:
    """Slices of at most CHUNK that cover `0:total`."""
    for first in range(0, total, CHUNK):
        yield slice(first, first + CHUNK)


def groups(starts: IntArray) -> Iterator[tuple[int, int]]:
    """Ranges `first:last` of the rows (or columns) that `starts` points to, shape (count + 1,).

    Each has at most CHUNK rows and at most CHUNK entries, unless a single row has more.
    """
    first, total = 0, len(starts) - 1
    while first < total:
        by_entries = int(np.searchsorted(starts, starts[first] + CHUNK, side="right")) - 1
        last = min(max(by_entries, first + 1), first + CHUNK, total)
        yield first, last
        first = last
