"""The linear programs of one pattern: with cuts, at nodes of the tree, and with bounds that are certified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

import numpy as np

from nnmip.backends.relaxation import Basis, Infeasible, Relaxation, Relaxed
from nnmip.branching.certify import Certifier
from nnmip.branching.cuts import PhaseCuts
from nnmip.hir.core import Assignment
from nnmip.lowering.patterns import Part
from nnmip.milp.model import FloatArray, IntArray
from nnmip.records import dataclass

ROOT_ROUNDS, ROUNDS = 60, 3
"""Most rounds of cuts at a root, and at a node below."""

PER_ROUND = 15
"""Most cuts of a round below the root: the ones that are violated most."""

VIOLATED = 1e-3
BINDING = 1e-6
"""Cuts with more slack at the end of a root are dropped."""

NEAR, WHOLE, NOTHING = 1e-7, 1e-6, 1e-9
"""How far rows may be broken, how far numbers may be from whole ones, and how little an error counts."""

LEAST_WEIGHT = 1e-4
"""What a wrong integer counts at least where nothing says what it costs."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A part of the networks of a pattern: `ranges` of integer columns. bound: none of them is better. basis: where the
    linear program of its parent ended."""

    number: int
    bound: float
    ranges: Mapping[int, tuple[float, float]]
    basis: Basis = field(default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a node's linear program says: its bound, a network near its point with the value of its goal (infinite where
    it breaks a row), and the halves to go on with, by the ranges of one column; none where the point needs none."""

    bound: float
    network: Assignment | None = None
    value: float = np.inf
    column: int = -1
    halves: tuple[tuple[float, float], ...] = ()


class Patterned:
    """A pattern with its linear programs. ArithmeticError where one of them ends without a bound that is certified."""

    def __init__(self, part: Part) -> None:
        self.lowered, self._bends = part.lowered, part.bends
        milp = self.lowered.milp
        self.relaxation = Relaxation(milp)
        self._certifier = Certifier(milp)
        self._cutters = [PhaseCuts(unit, milp.num_columns) for unit in self._bends.units]
        self._branches, self._watched, self._weight = self._branching()
        self._is_root_done = False
        self._low, self._high = milp.col_lb.copy(), milp.col_ub.copy()
        self.closed = np.inf

    def _branching(self) -> tuple[IntArray, IntArray, FloatArray]:
        """The integer columns, what each of them is watched by, and what an error there counts."""
        milp = self.lowered.milp
        watched = np.arange(milp.num_columns)
        weight = np.maximum(np.abs(milp.cost), LEAST_WEIGHT)
        watched[self._bends.integers] = self._bends.watched
        weight[self._bends.integers] = self._bends.weight
        columns = np.flatnonzero(milp.integer)
        self._is_one_sided = np.isin(columns, self._bends.integers)  # values below the true ones flatter no loss
        return columns, watched[columns], weight[columns]

    @property
    def least(self) -> float:
        """What the bounds of the columns alone prove."""
        milp = self.lowered.milp
        return self._certifier.bound(np.zeros(milp.num_rows), milp.col_lb, milp.col_ub)

    def look(self, node: Node, target: float) -> Looked:
        """Solve a node as far as it can be closed at `target`, with cuts."""
        low, high = self._low.copy(), self._high.copy()
        for column, ends in node.ranges.items():
            low[column], high[column] = ends
        self.relaxation.set_bounds(low, high)
        if node.basis is not None:
            self.relaxation.set_basis(node.basis)
        if node.ranges or self._is_root_done:
            bound, found = self._solved(low, high, node.bound, target, ROUNDS)
        else:
            bound, found = self._root(low, high, node.bound, target)
        if found is None or bound >= target:
            return Looked(bound)
        return self._network(found, bound)

    def _root(self, low: FloatArray, high: FloatArray, bound: float, target: float) -> tuple[float, Relaxed | None]:
        """The root, with all the cuts that it asks for, and the columns settled of which one value leads to nothing."""
        bound, found = self._solved(low, high, bound, target, ROOT_ROUNDS)
        self._is_root_done = True
        if found is None or bound >= target:
            return bound, found
        if self._settle(target):
            bound, found = self._solved(self._low, self._high, bound, target, ROOT_ROUNDS)
        if found is None or bound >= target:
            return bound, found
        return bound, self._purged(found)

    def _settle(self, target: float) -> bool:
        """Whether columns that are 0 or 1 were settled: those of which the other value leads to no better network."""
        basis, is_settled = self.relaxation.basis, False
        for column in self._bends.whole.tolist():
            for value in (0.0, 1.0):
                if self._low[column] == self._high[column]:
                    continue
                low, high = self._low.copy(), self._high.copy()
                low[column] = high[column] = value
                self.relaxation.set_bounds(low, high)
                self.relaxation.set_basis(basis)
                bound, _ = self._solved(low, high, -np.inf, target, ROOT_ROUNDS)
                if bound >= target:
                    self.closed, is_settled = min(self.closed, bound), True
                    self._low[column] = self._high[column] = 1.0 - value
        self.relaxation.set_bounds(self._low.copy(), self._high.copy())
        self.relaxation.set_basis(basis)
        self.relaxation.solve()
        return is_settled

    def _solved(
        self, low: FloatArray, high: FloatArray, bound: float, target: float, rounds: int
    ) -> tuple[float, Relaxed | None]:
        """The bound and the optimum of a linear program after some rounds of cuts; no optimum where there is none."""
        for number in range(rounds + 1):
            found = self.relaxation.solve()
            bound = max(bound, self._bound(found, low, high))
            if not isinstance(found, Relaxed):
                return bound, None
            if bound >= target or number == rounds or not self._cut(found.x, rounds == ROOT_ROUNDS):
                return bound, found
        raise AssertionError("a round of cuts without an end")

    def _bound(self, found: Relaxed | Infeasible | None, low: FloatArray, high: FloatArray) -> float:
        if found is None:
            raise ArithmeticError("a linear program has no answer")
        if isinstance(found, Relaxed):
            return self._certifier.bound(found.multipliers, low, high)
        if found.ray is None or not self._certifier.is_empty(found.ray, low, high):
            raise ArithmeticError("a linear program without a solution has no certificate")
        return np.inf

    def _cut(self, x: FloatArray, is_root: bool) -> bool:
        """Add cuts that a point violates; whether there are any."""
        most = len(x) if is_root else PER_ROUND
        found = [cut for cutter in self._cutters for cut in cutter.separate(x, VIOLATED, most)]
        if not is_root:
            found = sorted(found, key=lambda cut: -cut[0])[:PER_ROUND]
        if not found:
            return False
        cuts, sides = np.array([row for _, row, _ in found]), np.array([side for _, _, side in found])
        small = np.abs(cuts) < 1e-9
        # A coefficient that HiGHS would drop is left out for all columns' worth of it.
        far = np.maximum(np.abs(self.lowered.milp.col_lb), np.abs(self.lowered.milp.col_ub))
        sides = sides + (np.abs(cuts) * small) @ far
        cuts = np.where(small, 0.0, cuts)
        self.relaxation.add_rows(cuts, sides)
        self._certifier.add(cuts, sides)
        return True

    def _purged(self, found: Relaxed) -> Relaxed:
        """The same optimum without the cuts that do not bind there."""
        slack = self._certifier.most - self._certifier.cuts @ found.x
        kept = np.flatnonzero(slack <= BINDING)
        loose = np.flatnonzero(slack > BINDING)
        if len(loose):
            self.relaxation.drop_rows(self.lowered.milp.num_rows + loose)
            self._certifier.keep(kept)
        again = self.relaxation.solve()
        return again if isinstance(again, Relaxed) else found

    def _network(self, found: Relaxed, bound: float) -> Looked:
        """The network that a point comes nearest to, and the integer column in which they differ most."""
        milp, low, high = self.lowered.milp, self.relaxation.low, self.relaxation.high
        near = found.x.copy()
        near[self._bends.nonzero] = found.x[self._bends.nonzero] > WHOLE
        network = self.lowered.lift(near)
        x = self.lowered.complete(network)
        value = milp.objective(x) if milp.violation(x) <= NEAR else np.inf
        over = (found.x - x)[self._watched]
        wrong = np.where(self._is_one_sided, np.maximum(over, 0.0), np.abs(over)) * self._weight
        parts = np.abs(found.x - np.round(found.x))[self._branches]
        is_done = (low == high)[self._branches] | ((wrong <= NOTHING) & (parts <= WHOLE))
        if is_done.all():
            return Looked(bound, network, value)
        column = int(self._branches[np.argmax(np.where(is_done, -1.0, wrong))])
        last = float(np.clip(np.floor(found.x[column] + WHOLE), low[column], high[column] - 1.0))
        return Looked(bound, network, value, column, ((low[column], last), (last + 1.0, high[column])))

    @property
    def basis(self) -> Basis:
        return self.relaxation.basis
