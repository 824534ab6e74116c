"""A stage solved by exact search over the columns of its hidden layer, where it has such columns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nnmip import __version__
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.records import dataclass
from nnmip.search.solve import Found, Report, Tied, search
from nnmip.search.view import View
from nnmip.sizes import Allowance
from nnmip.solution.replay import Replay, rationally, replay
from nnmip.solution.result import Formulation, How
from nnmip.solution.tidy import tidied

if TYPE_CHECKING:
    from nnmip.search.deep_view import Deep

SEARCH = "search"
"""What stands for the solver in a result of the search."""

PAUSE = 0.1
"""Seconds between two reports of progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What the search gives for a stage: as a solver would say it, replayed, and how much was looked at."""

    raw: RawResult
    checked: Replay | None
    how: How
    tied: Tied | None


class SearchedStage:
    """The search of a stage. start: a network that is known; tied: those that an earlier stage listed; offer: takes
    every better one, with its value."""

    def __init__(
        self,
        view: View | Deep,
        start: Assignment | None,
        tied: Tied | None,
        is_stopped: Callable[[], bool],
        on_progress: Callable[[Progress], None] | None,
        offer: Callable[[Assignment, float | None], None] | None,
    ) -> None:
        self.view, self.start, self.tied, self.is_stopped = view, start, tied, is_stopped
        self.on_progress, self.offer = on_progress, offer
        self.is_late = False
        self._shown = -math.inf

    def search(self, allowance: Allowance, seconds: float, spent: float) -> Searched:
        """Search for at most `seconds`, which begin `spent` seconds after those that progress counts.

        Ctrl-C, like a limit, ends the search with the best network and the bound so far.
        """
        self._began, self._limit, self._spent = time.perf_counter(), seconds, spent
        report = Report(self._progress, self._offer)
        found = self._found(allowance, report)
        termination = Termination.OPTIMAL
        if not found.is_complete:
            termination = Termination.TIME_LIMIT if self.is_late else Termination.INTERRUPTED
        elif found.assignment is None:
            termination = Termination.INFEASIBLE
        raw = RawResult(
            termination=termination,
            solver=SEARCH,
            version=__version__,
            objective=found.value if found.assignment is not None else None,
            dual_bound=found.bound,
            nodes=found.nodes,
            seconds=self._seconds,
        )
        root = self.sign * found.root if math.isfinite(found.root) else None
        how = How(Formulation.SEARCH, "", found.columns, found.nodes, found.leaves, root)
        return Searched(raw, _replayed(self.view.program, found, self.sign), how, found.tied)

    def _found(self, allowance: Allowance, report: Report) -> Found:
        if isinstance(self.view, View):
            return search(self.view, allowance, self._should_stop, report, self.start, self.tied)
        from nnmip.search.deep_search import DeepSearch

        return DeepSearch(self.view, self._should_stop, report, self.start).run()

    @property
    def sign(self) -> float:
        """1 where the goal is minimised."""
        goal = self.view.program.goal
        assert goal is not None
        return goal.sign

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
        self.on_progress(Progress("search", seconds, incumbent=known[0], dual_bound=known[1]))

    def _offer(self, network: Assignment, value: float) -> None:
        if self.offer is not None:
            self.offer(network, self.sign * value)


def _replayed(program: Program, found: Found, sign: float) -> Replay | None:
    if found.assignment is None:
        return None
    network = tidied(program, found.assignment)
    bound = sign * found.bound if math.isfinite(found.bound) else None
    return rationally(program, replay(program, network, sign * found.value, bound))
