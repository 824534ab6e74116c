"""Conditions on several units, asked about many networks at once: what they read of a unit makes few kinds of units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Node
from nnmip.hir.evaluate import Evaluator
from nnmip.ops.scores import ROUNDING
from nnmip.search.enumerate import Columns, classes_in_pool
from nnmip.search.idle import of_parts
from nnmip.search.networks import assignment_of, values_of
from nnmip.search.parts import Batch
from nnmip.search.problem import Members
from nnmip.search.view import View, reads_data

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
MOST_KINDS = 4096
"""Of more kinds of units, networks are asked about one by one."""

MOST_KNOWN = 20_000
"""So many answers are kept, each for all kinds of a last member."""


class Rules:
    """The conditions on several units of a view.

    The kind of a member, a column with a head, is what they read of it. A network keeps the conditions or not by the
    kinds of its members.
    """

    def __init__(self, view: View, columns: Columns) -> None:
        self._view, self._columns = view, columns
        self._of_rows = [node for node in view.coupling if reads_data(node)]
        self._others = [node for node in view.coupling if not reads_data(node)]
        self._of_parts = [node for node in of_parts(view) if not reads_data(node)]
        self._known: dict[tuple[bool, tuple[int, ...]], BoolArray] = {}
        self._find_kinds()

    def _find_kinds(self) -> None:
        found = classes_in_pool(self._view, self._columns, self._view.coupling)
        self._unit: IntArray | None = None
        if found is None:
            return
        units, self._unit = np.unique(found[0], return_inverse=True)
        heads, self._head = np.unique(found[1], return_inverse=True)
        self._width = len(heads)
        if len(units) * len(heads) > MOST_KINDS:
            self._unit = None
            return
        first_unit = [int(np.flatnonzero(self._unit == k)[0]) for k in range(len(units))]
        first_head = [int(np.flatnonzero(self._head == k)[0]) for k in range(len(heads))]
        self._examples: Members = tuple((unit, head) for unit in first_unit for head in first_head)

    @property
    def has_kinds(self) -> bool:
        return self._unit is not None

    def kind(self, unit: IntArray, head: IntArray) -> IntArray:
        """The kinds of members; there must be some (`has_kinds`)."""
        assert self._unit is not None
        return np.asarray(self._unit[unit] * self._width + self._head[head])

    def admits(self, members: Members) -> bool:
        """Whether a network keeps the conditions."""
        if not self.has_kinds or not members:
            return self._holds(members)
        *rest, (unit, head) = members
        return bool(self._allowed(tuple(rest), True)[self.kind(np.array([unit]), np.array([head]))[0]])

    def allowed(self, members: Members, unit: IntArray, head: IntArray, is_last: bool) -> BoolArray | None:
        """Which choices of one more member keep the conditions with these members: where it is the last one, in the
        network of these; else in any network that has them. None where that is not known."""
        if not self.has_kinds:
            return None
        return np.asarray(self._allowed(members, is_last)[self.kind(unit, head)])

    def _allowed(self, members: Members, is_last: bool) -> BoolArray:
        """By the kind of one more member."""
        chosen = np.array(members, dtype=np.int64).reshape(len(members), 2)
        key = is_last, tuple(sorted(self.kind(chosen[:, 0], chosen[:, 1]).tolist()))
        if key not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            some = [(*members, example) for example in self._examples]
            self._known[key] = self._hold(some, self._others if is_last else self._of_parts, is_last)
        return self._known[key]

    def _hold(self, networks: list[Members], conditions: list[Node], idles: bool) -> BoolArray:
        """Which networks keep conditions, with idle units or with nothing where they have no member."""
        batch = Batch(self._view.parts, values_of(self._view, self._columns, networks, idles), ROUNDING)
        held = np.ones(len(networks), dtype=bool)
        for node in conditions:
            value = batch.value(node) > 0.5
            held &= value.reshape(len(value), -1).all(axis=1)
        return held

    def _holds(self, members: Members) -> bool:
        if not self._hold([members], self._others, True)[0]:
            return False
        if not self._of_rows:
            return True
        nowhere = np.zeros(len(self._view.output))
        evaluator = Evaluator(self._view.program, assignment_of(self._view, self._columns, members, nowhere))
        return all(bool((evaluator.value(node) > 0.5).all()) for node in self._of_rows)
