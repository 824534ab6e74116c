"""The signs of decisions as Booleans, and their absolute values as finitely many values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.hir.domain import Domain
from nnmip.lowering.base import Lowering
from nnmip.lowering.decisions import Encoding, IntegerEncoding, PiecesEncoding, Side
from nnmip.lowering.piecewise import scattered
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.source import Origin


def beyond_zero(low: Lowering, encoding: Encoding, path: str, side: int, entries: IntArray) -> Affine:
    """For entries of a decision, by flat positions, a 0/1 value that is 1 wherever the entry is positive (side 1) or
    negative (-1); where it is not, 0 is allowed, and so is 1 unless picks of single pieces say it.

        w <= H p   (side 1)        -w <= -L p   (side -1)        H, L the ends of the domain

    Exact for "not beyond 0 unless p". No column where every piece of the domain has a binary and lies on one side.
    """
    domain, d = encoding.decision.domain, encoding.decision
    if isinstance(encoding, PiecesEncoding) and _is_split(encoding, side):
        is_beyond = np.array([max(side * lo, side * hi) > 0 for lo, hi in encoding.pieces])
        return (encoding.picks * is_beyond.astype(np.float64)).sum(axis=-1).gather(entries)
    first, inverse = np.unique(entries, return_inverse=True)
    w, end = encoding.value.gather(first) * float(side), domain.hi if side > 0 else -domain.lo

    def fill(x: FloatArray, choice: Choice) -> BoolArray:
        positive: BoolArray = side * choice[d.path].reshape(-1)[first] > 0
        return positive

    p = low.builder.binaries(path, d.shape, d.origin, fill, picked=first)
    low.builder.rows(f"{path}.if", w - p * end, d.origin, ub=0.0, shape=d.shape, picked=first, big_m=end)
    encoding.sides.append(Side(side, first, p))
    return p.gather(inverse)


def _is_split(encoding: PiecesEncoding, side: int) -> bool:
    """Whether no piece holds both values beyond 0 on a side and others."""
    return all(min(side * lo, side * hi) > 0 for lo, hi in encoding.pieces if max(side * lo, side * hi) > 0)


def of_sizes(low: Lowering, encoding: Encoding, reason: Origin) -> PiecesEncoding:
    """The absolute values of a decision with finitely many values, each with a 0/1 pick, for both of its signs.

    `reason` is what asks; DiagnosticError NNM0313 where there are too many values.
    """
    assert isinstance(encoding, PiecesEncoding | IntegerEncoding), "a product without an exact encoding"
    d = encoding.decision
    picks, values = encoding.each_value(low, reason)
    sizes, which = np.unique(np.abs(values), return_inverse=True)
    places = np.arange(picks.size).reshape(picks.shape)
    merged = [picks.gather(np.ascontiguousarray(places[..., which == k])).sum(axis=-1) for k in range(len(sizes))]
    shape = (*d.shape, len(sizes))
    at = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    joined = scattered([(at[..., k].reshape(-1), part.reshape((-1,))) for k, part in enumerate(merged)], shape)
    decision = replace(d, domain=Domain(intervals=(), values=tuple(sizes.tolist())))
    pieces = tuple((size, size) for size in sizes.tolist())
    return PiecesEncoding(decision, (joined * sizes).sum(axis=-1), encoding.gate, joined, pieces, {})
