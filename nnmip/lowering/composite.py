"""The composite MILP: exactly so many units, each a column with its output weights, without those that a proof leaves
out."""

from __future__ import annotations

from math import isfinite

import numpy as np

from nnmip.hir.core import Assignment
from nnmip.lowering.columns import Counted, Kinds, Writing, check_coefficients, units_in_words
from nnmip.lowering.columns_size import check_composite
from nnmip.lowering.lower import Lowered, finished
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.search.enumerate import check_columns, columns_of
from nnmip.search.solve import Root, roots_of
from nnmip.search.view import View
from nnmip.sizes import Allowance

COMPOSITE = "composite"
"""What names files call this encoding."""

ROOM = 1e-6
"""By how much, relative to values above 1, a network may be worse than the best one known and is not left out."""

STEP = 1e-8
"""Bounds are rounded down to multiples of that: solvers drop smaller coefficients."""


def lower_composite(view: View, allowance: Allowance) -> Lowered:
    """The MILP of a view with the optimum of its program:

        minimise  the goal as in `lower_columns`, over the composite columns c that some number of units leaves
        sum of x[c] = sum of h z[h],    sum of z[h] = 1,    sum of x[c] over c in S <= sum of h z[h] over h that have S,
        the goal >= sum of L[h] z[h]

    with a binary z[h] for every number of units h. L[h] is the certified bound of its relaxation and b[h, c] that of
    networks with column c (base and reduced costs, `Bounds`). A network that local search found has the value U: those
    columns with b[h, c] > U + room for all h, and h with L[h] > U + room, are in no network that is as good, and are
    left out (reduced cost fixing). S are the columns that the same numbers of units leave. Every network whose goal is
    at most U + room is a solution, up to units that show the same, and output weights of the same leads.

    Raises Refusal where units are tied or the loss is no sum of shortfalls, and as `lower_columns`.
    """
    check_composite(view)
    check_columns(view, allowance)
    columns = columns_of(view, allowance, merges=False, leads=True)
    found = roots_of(view, columns)
    most = found.value + ROOM * max(1.0, abs(found.value)) if isfinite(found.value) else np.inf
    roots = [root for root in found.roots if root.bound <= most]
    leaves = np.array([root.least <= most for root in roots]).reshape(
        len(roots), columns.pool.size * len(columns.heads.cost)
    )
    chosen = np.asarray(leaves.any(axis=0))
    kinds = Kinds.among(columns, chosen)
    check_coefficients(kinds, view, allowance)
    writing = Writing(view, columns, kinds)
    counts, goal = writing.write()
    split = _Split(writing, counts, goal)
    split.write(roots, leaves[:, chosen])
    way = Composite(view, columns, kinds, writing.low, counts, tuple(roots), leaves[:, chosen], most, found.network)
    return finished(writing.low.builder, way)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The rows that choose a number of units."""

    writing: Writing
    counts: Affine
    goal: Affine

    def write(self, roots: list[Root], leaves: BoolArray) -> None:
        builder, origin, path = self.writing.low.builder, self.writing.view.hidden.origin, self.writing.path
        sizes = np.array([float(root.count) for root in roots])

        def size(x: FloatArray, choice: Choice) -> FloatArray:
            return np.asarray(sizes == choice[f"{path}.units"].sum(), dtype=np.float64)

        with builder.owned_by(path):
            chosen = builder.binaries(f"{path}.size", (len(roots),), origin, size)
            builder.rows(f"{path}.one_size", chosen.sum(), origin, lb=1.0, ub=1.0)
            builder.rows(f"{path}.members", self.counts.sum() - (chosen * sizes).sum(), origin, lb=0.0, ub=0.0)
            for number, alike in enumerate(_groups(leaves)):
                members, has = self.counts.gather(alike).sum(), np.where(leaves[:, alike[0]], sizes, 0.0)
                builder.rows(f"{path}.left_out.{number}", members - (chosen * has).sum(), origin, ub=0.0)
            bounds = np.floor(np.array([root.bound for root in roots]) / STEP) * STEP
            if np.isfinite(bounds).all() and (np.abs(self.goal.coef) >= STEP).all():
                builder.rows(f"{path}.bound", self.goal - (chosen * bounds).sum(), origin, lb=0.0)


def _groups(leaves: BoolArray) -> list[IntArray]:
    """The columns that the same numbers of units leave, where some do not."""
    _, group = np.unique(leaves, axis=1, return_inverse=True)
    found = [np.flatnonzero(group.reshape(-1) == number) for number in range(int(group.max(initial=-1)) + 1)]
    return [alike for alike in found if not leaves[:, alike[0]].all()]


@dataclass(frozen=True, slots=True, eq=False)
class Composite(Counted):
    """The way between networks and the composite columns that are not left out."""

    roots: tuple[Root, ...]
    leaves: BoolArray
    most: float
    network: Assignment | None

    @property
    def legend(self) -> dict[str, object]:
        """What each column counts, and of which networks some are left out."""
        words, sign = units_in_words(self.columns), self.view.sign
        units = {"column": self.kinds.unit.tolist(), "output": self.kinds.head.tolist(), **words}
        legend: dict[str, object] = {"formulation": COMPOSITE, "units": units}
        if isfinite(self.most):
            side = "above" if sign > 0 else "below"
            legend["left_out"] = f"networks whose goal is {side} {sign * self.most:.12g}"
        return legend

    def complete(self, assignment: Assignment) -> FloatArray:
        """Of a network that is left out, the one that is known to be better."""
        kinds = self.found(assignment)
        if not self._has(kinds) and self.network is not None:
            assignment, kinds = self.network, self.found(self.network)
        counts = np.zeros(len(self.kinds.unit))
        np.add.at(counts, [kind for kind in kinds if kind is not None], 1.0)
        return self.completed(assignment, counts)

    def _has(self, kinds: list[int | None]) -> bool:
        """Whether some number of units leaves units of these kinds."""
        return any(
            root.count == len(kinds) and all(kind is not None and left[kind] for kind in kinds)
            for root, left in zip(self.roots, self.leaves, strict=True)
        )
