"""ReLU units whose inputs are split into parts: between the big-M rows and the convex hull.

The terms of z = b + sum of w_i x_i are sorted by w_i and cut into P parts of equal size; e_p in [l_p, u_p] is the sum
of those in part p, and y_p = s e_p with the phase s:

    l_p s <= y_p <= u_p s        e_p - u_p (1 - s) <= y_p <= e_p - l_p (1 - s)        h <= sum of y_p + b s

(Tsay, Kronqvist, Thebelt and Misener, "Partition-based formulations for mixed-integer optimization of trained ReLU
neural networks", 2021, Section 3). These rows are the hull of the two sides of the unit in (e_1, ..., e_P): with a part
for every term its hull over the box of x, with one part no more than the big-M rows. The big-M rows stay: proved bounds
of z can be tighter than what the parts leave of it. So every P is exact.
"""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY, Interval
from nnmip.lowering.activations import switched
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.piecewise import DEFINE_FROM, PositivePart, defined_at, scattered
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.source import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The sums of parts of the entries `where` (flat positions) of a tensor: `value` is the tensor by means of them.

    sums: [parts, *shape], with their bounds; `there` says which of them have terms. const: the b of every entry, flat.
    """

    value: Affine
    where: IntArray
    sums: Affine
    bounds: Interval
    there: BoolArray
    const: FloatArray

    def tighten(self, low: Lowering, path: str, part: PositivePart, origin: Origin) -> None:
        """The rows of a positive part of `value`, once for every phase."""
        if part.phase is None:
            return
        mine = np.zeros(part.value.size, dtype=bool)
        mine[self.where] = True
        open_ = np.flatnonzero(part.has_phase.reshape(-1) & mine)
        _, first = np.unique(part.phase.gather(open_).merged().column, return_index=True)
        own = np.sort(open_[first])
        number = np.full(part.value.size, -1)
        number[own] = np.arange(len(own))
        count = len(self.there)
        picked = np.flatnonzero((self.there & (number >= 0)).reshape(-1))
        entry = picked % part.value.size
        shape = (count, *part.value.shape)
        known = Interval(self.bounds.lo.reshape(-1)[picked], self.bounds.hi.reshape(-1)[picked])
        sums = Signal(self.sums.gather(picked), known)
        y = switched(low, f"{path}.split", part.phase.gather(entry), sums, origin, shape, picked)
        total = Affine(np.zeros(len(own)), number[entry[y.entry]], y.column, y.coef)
        const = self.const[own]
        const = np.where(np.abs(const) < TINY, np.where(const > 0, TINY, 0.0), const)
        row = part.value.gather(own) - total - part.phase.gather(own) * const
        low.builder.rows(f"{path}.whole", row, origin, ub=0.0, shape=part.value.shape, picked=own)


def in_parts(low: Lowering, path: str, z: Signal, wanted: BoolArray, parts: int, origin: Origin) -> Parts | None:
    """At most so many parts of the entries `wanted` that have several terms; None where there is none."""
    e, size = z.value.merged(), z.value.size
    terms = np.bincount(e.entry, minlength=size)
    of_entry = np.minimum(terms, parts)
    use = wanted.reshape(-1) & (of_entry > 1)
    order = np.lexsort((e.column, e.coef, e.entry))
    order = order[use[e.entry[order]]]
    entry, where = e.entry[order], np.flatnonzero(use)
    if not len(where):
        return None
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(terms[where])])[np.searchsorted(where, entry)]
    place = (np.arange(len(entry)) - start) * of_entry[entry] // terms[entry]
    count = int(of_entry[where].max())
    shape = (count, *z.value.shape)
    sums = Affine(np.zeros(shape), place * size + entry, e.column[order], e.coef[order])
    bounds = bounds_of(low.builder, sums).without_tiny().shortened()
    lengths = np.bincount(sums.entry, minlength=count * size)
    sums = defined_at(low, f"{path}.part", sums, bounds, origin, np.flatnonzero(lengths >= DEFINE_FROM))
    const = e.const.reshape(-1)
    own = sums.reshape((count, size)).sum(axis=0).gather(where) + const[where]
    rest = np.setdiff1d(np.arange(size), where)
    value = scattered([(where, own), (rest, e.gather(rest))], z.value.shape)
    return Parts(value, where, sums, bounds, (lengths > 0).reshape(count, size), const)
