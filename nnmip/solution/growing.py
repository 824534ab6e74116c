"""A stage solved by the tree over the choices of its output weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from nnmip import __version__
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.branching.tree import Grown, Tree
from nnmip.hir.core import Assignment
from nnmip.records import dataclass
from nnmip.search.split import Split
from nnmip.solution.replay import Replay, rationally, replay
from nnmip.solution.result import Formulation, How
from nnmip.solution.tidy import tidied

PAUSE = 0.1
"""Seconds between two reports of progress."""


@dataclass(frozen=True, slots=True, eq=False)
class GrownAnswer:
    """What the tree gives for a stage: as a solver would say it, replayed, and how much was looked at."""

    raw: RawResult
    checked: Replay | None
    how: How
    notes: tuple[str, ...]


class GrownStage:
    """The tree of a stage. known: networks to start from; offer: takes every better one, with its value."""

    def __init__(
        self,
        split: Split,
        known: Sequence[Assignment],
        is_stopped: Callable[[], bool],
        on_progress: Callable[[Progress], None] | None,
        offer: Callable[[Assignment, float | None], None] | None,
    ) -> None:
        self.split, self.known, self.is_stopped = split, known, is_stopped
        self.on_progress, self.offer = on_progress, offer
        self.is_late = False
        self._shown = -math.inf
        goal = split.program.goal
        assert goal is not None
        self.sign = goal.sign

    def grow(self, seconds: float, spent: float) -> GrownAnswer:
        """Look for at most `seconds`, which begin `spent` seconds after those that progress counts.

        Ctrl-C, like a limit, ends the search with the best network and the bound so far.
        """
        self._began, self._limit, self._spent = time.perf_counter(), seconds, spent
        tree = Tree(self.split, self.known, self._should_stop, self._progress, self._offer)
        found = tree.grow()
        termination = Termination.OPTIMAL
        if not found.is_complete:
            termination = Termination.TIME_LIMIT if self.is_late else Termination.INTERRUPTED
        elif found.network is None:
            termination = Termination.INFEASIBLE
        raw = RawResult(
            termination=termination,
            solver=Formulation.SPLIT.value,
            version=__version__,
            objective=found.value if found.network is not None else None,
            dual_bound=found.bound,
            nodes=found.nodes,
            seconds=self._seconds,
        )
        how = How(Formulation.SPLIT, nodes=found.nodes, patterns=found.patterns)
        return GrownAnswer(raw, self._replayed(found), how, tree.notes)

    def _replayed(self, found: Grown) -> Replay | None:
        if found.network is None:
            return None
        program = self.split.program
        bound = self.sign * found.bound if math.isfinite(found.bound) else None
        network = tidied(program, found.network)
        return rationally(program, replay(program, network, self.sign * found.value, bound))

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def _should_stop(self) -> bool:
        self.is_late = self.is_late or self._seconds >= self._limit
        return self.is_late or self.is_stopped()

    def _progress(self, value: float, bound: float) -> None:
        seconds = self._spent + self._seconds
        if self.on_progress is None or seconds - self._shown < PAUSE:
            return
        self._shown = seconds
        known = [self.sign * number if math.isfinite(number) else None for number in (value, bound)]
        self.on_progress(Progress("split", seconds, incumbent=known[0], dual_bound=known[1]))

    def _offer(self, network: Assignment, value: float) -> None:
        if self.offer is not None:
            self.offer(network, self.sign * value)
