"""Ideal cuts: inequalities that together are the convex hull of a unit max(0, w x + b) over a box of x.

For x in [lo, hi], l_i = lo_i where w_i >= 0 and hi_i elsewhere, u_i the other end, a phase s with h <= w x + b where
s = 1 and h <= 0 where s = 0, and any set I of inputs,

    h <= sum over I of w_i (x_i - l_i (1 - s)) + (b + sum over the others of w_i u_i) s

(Anderson, Huchette, Ma, Tjandraatmadja and Vielma, "Strong mixed-integer programming formulations for trained neural
networks", 2020, Proposition 12). The right side is least for I = {i: w_i x_i < w_i (l_i (1 - s) + u_i s)}, so that the
cut which a point violates most is found in time linear in the inputs. The inputs are columns of the MILP, whatever
stands between them and the network's own.
"""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF
from nnmip.lowering.base import Signal
from nnmip.milp.affine import Affine
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass

VIOLATED = 1e-5
"""By how much, relative to a value above 1, a cut must be violated to be added."""

USABLE = 1e-7
"""Smaller coefficients of a phase are left to other cuts: solvers drop them."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Rows `matrix @ x >= least` in compressed form, columns ascending in each, with their violation at a point."""

    starts: IntArray
    columns: IntArray
    values: FloatArray
    least: FloatArray
    violation: FloatArray

    @staticmethod
    def joined(parts: list[Cuts]) -> Cuts:
        """One after the other."""
        sizes = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.starts) for part in parts)])
        arrays = (
            np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0)])
            for name in ("columns", "values", "least", "violation")
        )
        columns, values, least, violation = arrays
        return Cuts(np.cumsum(sizes), columns.astype(np.int64), values, least, violation)

    def some(self, rows: IntArray) -> Cuts:
        """Those of some rows, in that order."""
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        places = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(int(starts[-1]))
        return Cuts(starts, self.columns[places], self.values[places], self.least[rows], self.violation[rows])

    @property
    def count(self) -> int:
        return len(self.least)


@dataclass(frozen=True, slots=True, eq=False)
class OpenUnits:
    """Units of the network `owner` that have a phase: `value` h and `phase` s [m] are columns, `inner` z is affine in
    columns, and h <= z where s = 1, h <= 0 where s = 0."""

    owner: str
    value: IntArray
    phase: IntArray
    inner: Affine

    @staticmethod
    def of(owner: str, read: Signal, made: Signal) -> OpenUnits | None:
        """Those of a ReLU that reads `read` and gives `made`; None where it has none."""
        if made.phase is None:
            return None
        phase, has_phase = made.phase
        where = np.flatnonzero(has_phase)
        value, phases, inner = (each.gather(where).merged() for each in (made.value, phase, read.value))
        # Columns are wanted in the order of the units, one for each.
        assert np.array_equal(value.entry, np.arange(len(where))) and np.array_equal(phases.entry, value.entry)
        return OpenUnits(owner, value.column, phases.column, inner)

    def violated(self, x: FloatArray, lo: FloatArray, hi: FloatArray) -> Cuts:
        """The cut of every unit that `x` violates most, where it violates one; columns are between `lo` and `hi`."""
        z, m = self.inner, len(self.value)
        low, high = lo[z.column], hi[z.column]
        first, last = np.where(z.coef >= 0, low, high), np.where(z.coef >= 0, high, low)
        s = np.clip(x[self.phase], 0.0, 1.0)
        own = s[z.entry]
        inside = z.coef * (x[z.column] - first * (1 - own) - last * own) < 0
        terms = np.where(inside, z.coef * (x[z.column] - first * (1 - own)), z.coef * last * own)
        most = np.bincount(z.entry, weights=terms, minlength=m) + z.const * s
        violation = x[self.value] - most
        wanted = np.flatnonzero(violation > VIOLATED * np.maximum(1.0, np.abs(x[self.value])))
        return self._cuts(inside, first, last, wanted, violation)

    def _cuts(
        self, inside: BoolArray, first: FloatArray, last: FloatArray, wanted: IntArray, violation: FloatArray
    ) -> Cuts:
        """`-h + sum of w x over I + p s >= -q`, p and q rounded up.

        Where s = 0, it holds if q is at least the largest of -sum of w x over I; where s = 1, if p + q is at least the
        largest of b + sum of w x over the others. Each sum of k products is rounded by less than (k + 2) u times the
        sum of their sizes.
        """
        z, m = self.inner, len(self.value)
        count = np.bincount(z.entry, minlength=m) + 4.0

        def above(terms: FloatArray, const: FloatArray) -> FloatArray:
            size = np.bincount(z.entry, weights=np.abs(terms), minlength=m) + np.abs(const)
            total = np.bincount(z.entry, weights=terms, minlength=m) + const
            return np.asarray(total + 2.0 * count * (UNIT_ROUNDOFF * size + SMALLEST))

        q = above(np.where(inside, -z.coef * first, 0.0), np.zeros(m))
        whole = above(np.where(inside, 0.0, z.coef * last), z.const)
        p = np.nextafter(whole - q, np.inf)
        wanted = wanted[np.abs(p[wanted]) >= USABLE]
        number = np.full(m, -1)
        number[wanted] = np.arange(len(wanted))
        use = inside & (number[z.entry] >= 0)
        rows = np.concatenate([number[z.entry[use]], np.arange(len(wanted)), np.arange(len(wanted))])
        columns = np.concatenate([z.column[use], self.value[wanted], self.phase[wanted]])
        values = np.concatenate([z.coef[use], np.full(len(wanted), -1.0), p[wanted]])
        order = np.lexsort((columns, rows))
        sizes = np.bincount(rows, minlength=len(wanted))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        return Cuts(starts, columns[order], values[order], -q[wanted], violation[wanted])


@dataclass(frozen=True, slots=True)
class RootCuts:
    """What cutting did: how many cuts stay, after how many rounds, and the bound of the relaxation before
    and after, in the user's sense once the MILP is that of a program."""

    count: int
    rounds: int
    before: float
    after: float

    def __str__(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.count} in {rounds}, root bound {self.before:.6g} -> {self.after:.6g}"
