"""Several ways to solve one stage, side by side: solvers, or formulations. The first proof ends them all."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress
from nnmip.hir.core import Program
from nnmip.records import dataclass
from nnmip.solution.combined import Finished, combined
from nnmip.solution.options import RunOptions
from nnmip.solution.result import OWN, Formulation, Result
from nnmip.solution.way import Way
from nnmip.solution.work import Work

POLL = 0.05
"""Seconds between two looks at the request to stop."""

GRACE = 30.0
"""Seconds that a way gets to return after it was asked to stop; solvers are ended well before."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ended:
    """A way that returned a result, or failed."""

    lane: _Lane
    result: Result | None
    error: BaseException | None


class Race:
    """Solves the stages of a run in several ways at once, each with a solver process of its own.

    Ways are threads, whose work is done in the processes of their solvers; a search works in its thread. Networks that
    are known are known to all of them, and the network of a stage is one to start the next from. Progress and errors
    come out in the thread that calls, one after the other.
    """

    def __init__(self, work: Work, ways: Sequence[RunOptions]) -> None:
        self.work = work
        self.messages: queue.SimpleQueue[Progress | _Ended] = queue.SimpleQueue()
        self.lanes = [_Lane(self, options) for options in ways]
        self.is_asked, self.sign = False, 1.0

    def close(self) -> None:
        """End every solver process."""
        for lane in self.lanes:
            lane.session.close()

    def solve(self, session: Session, program: Program, earlier: Sequence[Result]) -> Result:
        """One stage; a limit or Ctrl-C leaves the best network of all ways, and the best bound."""
        lanes = self._different(program)
        if len(lanes) == 1:
            return Way(self.work_with(lanes[0].options)).solve(session, program, earlier)
        self.is_asked, self.sign = False, program.goal.sign if program.goal is not None else 1.0
        for lane in lanes:
            lane.start(program, earlier)
        try:
            found = self._wait(lanes)
        finally:
            self._stop(lanes)
            for lane in lanes:
                lane.wait()
        return combined(program, found)

    def work_with(self, options: RunOptions) -> Work:
        """The work of the run with the options of one way."""
        work = self.work
        return Work(work.problem, options, work.progress, work.stop, work.keeper, work.known, work.began, work.looks)

    def _different(self, program: Program) -> list[_Lane]:
        """The ways that differ for this stage: where columns do not fit, two may be the same MILP. Encodes what they
        need, in this thread."""
        found: dict[tuple[str, str], _Lane] = {}
        for lane in self.lanes:
            choice = self.work.problem.choose(program, lane.options.formulation, lane.options.solver)
            lane.name = lane.options.named(choice.how.formulation)
            if found.setdefault(lane.name, lane) is lane and choice.how.formulation not in OWN:
                self.work.problem.encode(program, choice.how.formulation)
        return list(found.values())

    def _wait(self, lanes: Sequence[_Lane]) -> list[Finished]:
        """What the ways found, in the order in which they ended; the first proof stops the others."""
        found: list[Finished] = []
        while len(found) < len(lanes):
            try:
                message = self._next()
                if isinstance(message, Progress) and self.work.progress is not None:
                    self.work.progress(message)
                if self.work.stop.is_set():
                    self._stop(lanes)
            except KeyboardInterrupt:
                self._interrupt(lanes)
                continue
            if not isinstance(message, _Ended):
                continue
            if message.error is not None:
                raise message.error
            assert message.result is not None
            finished = Finished(*message.lane.name, message.result, self.work.seconds, self.is_asked)
            found.append(finished)
            if finished.is_proof:
                self._stop(lanes)
        return found

    def _next(self) -> Progress | _Ended | None:
        with contextlib.suppress(queue.Empty):
            return self.messages.get(timeout=POLL)
        return None

    def _interrupt(self, lanes: Sequence[_Lane]) -> None:
        """Ask all ways to stop; end their processes where they have been asked before."""
        if self.is_asked:
            for lane in lanes:
                lane.session.close()
        self._stop(lanes)

    def _stop(self, lanes: Sequence[_Lane]) -> None:
        self.is_asked = True
        for lane in lanes:
            lane.stop.set()

    def show(self, lane: _Lane, event: Progress) -> None:
        """Progress of one way, with the best network and the best bound of all."""
        lane.latest, sign = event, self.sign
        events = [other.latest for other in self.lanes if other.latest is not None]
        incumbents = [sign * e.incumbent for e in events if e.incumbent is not None]
        bounds = [sign * e.dual_bound for e in events if e.dual_bound is not None]
        best = sign * min(incumbents) if incumbents else None
        bound = sign * max(bounds) if bounds else None
        phase = " ".join(dict.fromkeys([*filter(None, lane.name), event.phase]))
        self.messages.put(replace(event, phase=phase, incumbent=best, dual_bound=bound))


class _Lane:
    """One way of a race, with its solver process and its thread."""

    def __init__(self, race: Race, options: RunOptions) -> None:
        self.race, self.options = race, options
        self.session = Session()
        self.stop = threading.Event()
        self.name = options.named(Formulation(options.formulation))
        self.latest: Progress | None = None
        work = race.work_with(options)
        work.progress, work.stop = self._show if work.progress is not None else None, self.stop
        self.way = Way(work)
        self.ended: threading.Event | None = None

    def start(self, program: Program, earlier: Sequence[Result]) -> None:
        self.stop.clear()
        self.latest, self.ended = None, threading.Event()
        threading.Thread(target=self._run, args=(program, earlier, self.ended), daemon=True).start()

    def wait(self) -> None:
        """Until the way has ended, or no longer than the grace. An event is waited for, not the thread: where Ctrl-C
        comes in a join, Python takes the thread for ended (bpo-45274)."""
        if self.ended is not None:
            self.ended.wait(GRACE)

    def _show(self, event: Progress) -> None:
        self.race.show(self, event)

    def _run(self, program: Program, earlier: Sequence[Result], ended: threading.Event) -> None:
        try:
            message = _Ended(self, self.way.solve(self.session, program, earlier), None)
        except BaseException as error:  # it is raised in the thread that waits
            message = _Ended(self, None, error)
        self.race.messages.put(message)
        ended.set()
