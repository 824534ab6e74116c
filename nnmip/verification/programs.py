"""Linear programs over relaxations: tighter bounds of unstable neurons, and of the rows of a property themselves.

The bounds of all neurons on which a relaxation still depends are tightened by programs (`bounds.obbt`), backward linear
bounds follow from these (`bounds.crown`), and what is still open is bounded by one program for a row. Every bound is
certified by its multipliers; a bound that was stopped by the clock is that of the lines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.backends.linear import LinearProgram
from nnmip.bounds.crown import Crown, undecided
from nnmip.bounds.interval import BoolArray, FloatArray
from nnmip.bounds.obbt import Prefix, Program, tightened
from nnmip.bounds.relaxation import down
from nnmip.bounds.table import Bounds
from nnmip.records import dataclass
from nnmip.verification.composite import POINT, ROUNDED, Composite, Map, Walk
from nnmip.verification.region import Region

LEAST_UNITS = 24
"""With fewer unstable neurons a MILP is faster."""


@dataclass(slots=True, eq=False)
class Programs:
    """The relaxation of the networks of rows over a region; `is_whole` says that the clock stopped nothing."""

    walk: Walk
    rows: Map
    is_whole: bool = True

    @staticmethod
    def of(composite: Composite, region: Region, rows: Map, is_over: Callable[[], bool]) -> Programs | None:
        """The relaxation with tightened bounds; None where too few neurons are unstable for it to pay."""
        first = composite.walk(rows, region.box)
        if sum(map(_unstable, first.crowns.values())) < LEAST_UNITS:
            return None
        made, tighten = Programs(first, rows), tightened(LinearProgram.of_many_goals)

        def further(walk: Crown, name: str, loose: Callable[[], BoolArray]) -> None:
            if is_over():
                made.is_whole = False
            else:
                tighten(walk, name, loose)

        given = {number: crown.outputs for number, crown in first.crowns.items()}
        made.walk = composite.walk(rows, region.box, given=given, further=further)
        return made

    def least(self, places: list[int]) -> FloatArray:
        """Lower bounds of some rows by one program each; -inf where the rows are not about one network alone that reads
        the point as it is."""
        found = np.full(len(places), -np.inf)
        if len(self.walk.crowns) != 1:
            return found
        ((number, crown),) = self.walk.crowns.items()
        if not self._reads_the_point(number) and POINT in self.rows.parts:
            return found
        network, prefix = crown.known.network, Prefix(crown)
        columns = prefix.columns[network.result_layer].ravel()[network.result_index.ravel()]
        program = Program.of(prefix.rows, columns)
        solver = program.solver(LinearProgram.of_many_goals)
        for place, row in enumerate(places):
            cost, part = np.zeros(len(program.lo)), self.rows.parts.get(number)
            if part is not None:
                np.add.at(cost, columns, -part[row])
            if POINT in self.rows.parts:
                np.add.at(cost, prefix.columns[network.input_name].ravel(), -self.rows.parts[POINT][row])
            solver.set_cost(cost)
            answer = solver.solve()
            if answer is not None:
                lost = 2.0 * ROUNDED * float(np.abs(cost) @ np.maximum(np.abs(program.lo), np.abs(program.hi)))
                level = self.rows.constant[row] - self.rows.slack[row] - lost
                found[place] = float(
                    down(np.asarray(down(np.asarray(level)) - program.certified(cost, answer.multipliers)))
                )
        return found

    def _reads_the_point(self, number: int) -> bool:
        station = self.walk.composite.stations[number - 1]
        part = station.reads.parts.get(POINT)
        size = self.walk.composite.size
        is_same = part is not None and part.shape == (size, size) and bool((part == np.eye(size)).all())
        return is_same and set(station.reads.parts) == {POINT} and not station.reads.sizes.any()


def _unstable(crown: Crown) -> int:
    bounds = Bounds(crown.outputs, "")
    return sum(int(m.sum()) for m in undecided(crown.known.network, crown.known.assignment, bounds).values())
