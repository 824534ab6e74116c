"""What nnmip's own searches have in common: their clock, what they tell on the way, and the answer of a stage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from nnmip import __version__
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.records import dataclass
from nnmip.search.solve import Tied
from nnmip.solution.replay import Replay, rationally, replay
from nnmip.solution.result import How
from nnmip.solution.tidy import tidied

PAUSE = 0.1
"""Seconds between two reports of progress."""

OnProgress = Callable[[Progress], None]
Offer = Callable[[Assignment, float | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """What a search ends with, in the sense of a minimum. is_complete: whether nothing is left to look at."""

    network: Assignment | None
    value: float
    bound: float
    nodes: int
    is_complete: bool


@dataclass(frozen=True, slots=True, eq=False)
class ExactAnswer:
    """What a search gives for a stage: as a solver would say it, replayed, and how much was looked at.

    tied: what was listed for a later goal.
    """

    raw: RawResult
    checked: Replay | None
    how: How
    notes: tuple[str, ...] = ()
    tied: Tied | None = None


class ExactStage:
    """A stage that a search of nnmip's own solves. offer: takes every better network, with its value."""

    def __init__(
        self,
        program: Program,
        is_stopped: Callable[[], bool],
        on_progress: OnProgress | None,
        offer: Offer | None,
    ) -> None:
        self.program, self.is_stopped, self.on_progress, self.offer = program, is_stopped, on_progress, offer
        self.is_late = False
        self._shown = -math.inf
        self._began, self._limit, self._spent = 0.0, math.inf, 0.0

    @property
    def sign(self) -> float:
        """1 where the goal is minimised."""
        assert self.program.goal is not None
        return self.program.goal.sign

    def _begin(self, seconds: float, spent: float) -> None:
        self._began, self._limit, self._spent = time.perf_counter(), seconds, spent

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def _should_stop(self) -> bool:
        self.is_late = self.is_late or self._seconds >= self._limit
        return self.is_late or self.is_stopped()

    def _progress(self, name: str, value: float, bound: float) -> None:
        seconds = self._spent + self._seconds
        if self.on_progress is None or seconds - self._shown < PAUSE:
            return
        self._shown = seconds
        incumbent, dual = self._in_user_sense(value), self._in_user_sense(bound)
        self.on_progress(Progress(name, seconds, incumbent=incumbent, dual_bound=dual))

    def _offer(self, network: Assignment, value: float) -> None:
        if self.offer is not None:
            self.offer(network, self.sign * value)

    def _raw(self, name: str, end: End) -> RawResult:
        """The end as a solver would say it."""
        termination = Termination.OPTIMAL
        if not end.is_complete:
            termination = Termination.TIME_LIMIT if self.is_late else Termination.INTERRUPTED
        elif end.network is None:
            termination = Termination.INFEASIBLE
        return RawResult(
            termination=termination,
            solver=name,
            version=__version__,
            objective=end.value if end.network is not None else None,
            dual_bound=end.bound,
            nodes=end.nodes,
            seconds=self._seconds,
        )

    def _replayed(self, end: End) -> Replay | None:
        if end.network is None:
            return None
        network = tidied(self.program, end.network)
        checked = replay(self.program, network, self.sign * end.value, self._in_user_sense(end.bound))
        return rationally(self.program, checked)

    def _in_user_sense(self, value: float) -> float | None:
        return self.sign * value if math.isfinite(value) else None
