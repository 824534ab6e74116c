"""Traces a front: point after point, each the best network within a limit that the point before sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import field, replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, SolveOptions, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.hir.front import Stride, Tradeoff
from nnmip.hir.walk import strengthened
from nnmip.incumbents.known import best_of, trivial_assignment
from nnmip.records import dataclass
from nnmip.solution.front import Axis, Front, FrontPoint, Undecided, weakest
from nnmip.solution.gallery import Gallery, front_fingerprint
from nnmip.solution.options import RunOptions
from nnmip.solution.result import Result, SolutionStatus
from nnmip.solution.run import Run
from nnmip.solution.store import RunFolder
from nnmip.solution.users import UsersNetworks
from nnmip.solution.work import Problem, ProgressHandler

CLOSED_GAPS = "a front is made of closed gaps, and this loss is certified within a tolerance: state `tolerance: 0`"

TIE = 1e-6
"""How near two values, relative to values above 1, are taken for one where no grid tells them apart."""


@dataclass(slots=True)
class _Found:
    """What is known so far: proved points, the networks to start from, and what ended the search."""

    points: list[FrontPoint] = field(default_factory=list)
    networks: list[Assignment] = field(default_factory=list)
    ended: Termination | None = None
    undecided: Undecided | None = None
    last: Result | None = None
    message: str = ""
    resolution: float = 0.0

    def end(self, termination: Termination, undecided: Undecided | None = None, message: str = "") -> None:
        self.ended, self.undecided, self.message = termination, undecided, message or self.message


class Trace:
    """One front, from its first point to the saved index.

    A point is the optimum of two stages: the best value of the chosen goal within the limit, then the best value of the
    limited one. The next limit lies a step below that, until no network is within it. With no grid in sight the other
    end is sought right after the first point: it gives the step, and says where the front ends.
    """

    def __init__(
        self,
        problem: Problem,
        tradeoff: Tradeoff,
        options: RunOptions,
        step: float | None,
        progress: ProgressHandler | None,
        stop: threading.Event | None,
    ) -> None:
        self.problem, self.tradeoff, self.options, self.step = problem, tradeoff, options, step
        self.progress = progress
        self.stop = stop if stop is not None else threading.Event()  # one for all points: Ctrl-C in one ends them all
        self.began = time.perf_counter()
        self.found = _Found()
        self.far: Result | None = None
        self.limit: float | None = None
        self.grids = tradeoff.steps
        self.users = UsersNetworks(tradeoff.program, options)
        self.signs = (tradeoff.chosen.sign, tradeoff.limited.sign)
        self.fingerprint = front_fingerprint(problem.fingerprint(), tradeoff, step)
        self.gallery: Gallery | None = None
        if options.save is not None:
            self.gallery = Gallery(options.save, self.fingerprint, options.allowance)
            self.gallery.create()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def run(self) -> Front:
        """Trace the front; a limit, Ctrl-C or an error of the solver ends it with the points that are proved so far."""
        limit: float | None = None
        with Session() as session:
            self.found.networks = self._first_networks(session)
            while self.found.ended is None:
                try:
                    limit = self._next_point(session, limit)
                except KeyboardInterrupt:
                    self.found.end(Termination.INTERRUPTED, self._open_part())
                self._write()
        return self._front()

    # ---- points ------------------------------------------------------------------------------------------------

    def _next_point(self, session: Session, limit: float | None) -> float | None:
        """Prove one more point within `limit`, or end the search; the limit of the point after it."""
        program = self.tradeoff.program if limit is None else self.tradeoff.within(limit)
        number = len(self.found.points) + 1
        result, starts = self._solve(session, program, number, f"point {number}", is_saved=True)
        if result.termination is Termination.INFEASIBLE and not result.has_answer:
            self._end_without_network(program, result, starts, number)
            return None
        if not _is_point(result):
            message = CLOSED_GAPS if result.is_certified else result.message
            self.found.end(result.termination or Termination.SOLVER_ERROR, self._open_part(result), message)
            return None
        point = self._point(number, result)
        if (refuted := self._refuted_by(point)) is not None:
            self._end_refuted(refuted, point)
            return None
        self.found.points.append(point)
        return self._after(session, point)

    def _after(self, session: Session, point: FrontPoint) -> float | None:
        """The limit of the point after `point`; ends the search where there is none."""
        self.limit, grid, limited = self._limited_value(point), self.grids[1], self._minimised(point)[1]
        if grid == 0:
            self.found.end(Termination.OPTIMAL)
            return None
        is_stepped = grid is not None and Stride.of(grid, limited, None, 0.0).room > 0
        if not is_stepped and self.far is None and not self._seek_far_end(session):
            return None
        extent = limited - self._far_value() if self.far is not None else 0.0
        first = self._minimised(self.found.points[0])[1] - self._far_value() if self.far is not None else 0.0
        stride = Stride.of(grid, limited, self.step, first)
        if self.far is not None and extent <= max(stride.width, TIE * max(1.0, abs(limited))):
            self._end_at_far_end(limited)
            return None
        if stride.room == 0 or stride.width > 2 * stride.room:
            self.found.resolution = max(self.found.resolution, stride.width)
        self.limit = self.signs[1] * (limited - stride.width)
        if point.result.solution is not SolutionStatus.OPTIMAL:  # a later goal met a limit, which is one for all
            self.found.end(point.result.termination or Termination.SOLVER_ERROR, self._open_part())
        return self.limit + self.signs[1] * stride.room

    def _seek_far_end(self, session: Session) -> bool:
        """Find the network with the best value of the limited goal; False where that ends the search."""
        number = len(self.found.points) + 1
        result, _ = self._solve(session, self.tradeoff.other_end, number, "the other end", is_saved=False)
        if _is_point(result):
            self.far = result
            return True
        part = replace(self._open_part(), best=result if result.has_answer else None)
        self.found.end(result.termination or Termination.SOLVER_ERROR, part, result.message)
        return False

    def _end_at_far_end(self, limited: float) -> None:
        """The last point is the other end, unless the one before it is that already."""
        assert self.far is not None
        if limited - self._far_value() > TIE * max(1.0, abs(limited)):
            point = self._point(len(self.found.points) + 1, self.far)
            if (refuted := self._refuted_by(point)) is not None:
                self._end_refuted(refuted, point)
                return
            self._save_far(point.number)
            self.found.points.append(point)
            self.found.resolution = max(self.found.resolution, limited - self._far_value())
        self.found.end(Termination.OPTIMAL)

    def _save_far(self, number: int) -> None:
        """Save the other end, whose number is known only at the end."""
        assert self.far is not None and self.far.replay is not None
        if self.gallery is None:
            return
        folder, program = RunFolder(self.gallery.folder(number)), self.tradeoff.other_end
        try:
            folder.create()
            text = self.problem.describe(self.far)
            folder.save_answer(program, self.far.replay.assignment, self.far, text, self.fingerprint)
        except OSError as error:
            self.found.message = f"`{folder.path}` could not be written: {error.strerror or error}".lower()

    def _solve(
        self, session: Session, program: Program, number: int, what: str, is_saved: bool
    ) -> tuple[Result, Sequence[Assignment]]:
        """Solve one program of the front, from every known network that it admits."""
        save = self.gallery.folder(number) if self.gallery is not None and is_saved else None
        options = replace(self.options, save=save, resume=None, start=None, time_limit=self._time_left())
        problem = replace(self.problem, program=program, fingerprint=lambda: self.fingerprint)
        starts = [network for network in self.found.networks if best_of(program, [network]) is not None]
        run = Run(problem, options, self._on_progress(what), self.stop, starts)
        result = run.run_in(session, explains=number == 1)
        self.found.last = result
        if result.replay is not None and result.has_answer:
            self.found.networks.append(result.replay.assignment)
        return result, starts

    def _first_networks(self, session: Session) -> list[Assignment]:
        """Those that the user starts from, or a constant one."""
        program = self.tradeoff.program
        found = self.users.networks(program, session, SolveOptions(time_limit=self._time_left()), self.stop)
        trivial = trivial_assignment(program)
        return [*found, *([trivial] if trivial is not None else [])]

    def _time_left(self) -> float | None:
        limit = self.options.time_limit
        return None if limit is None else max(0.0, limit - self.seconds)

    def _on_progress(self, what: str) -> ProgressHandler | None:
        show, began = self.progress, self.seconds
        if show is None:
            return None

        def tell(event: Progress) -> None:
            show(replace(event, phase=f"{what}, {event.phase}", seconds=began + event.seconds))

        return tell

    # ---- ends --------------------------------------------------------------------------------------------------

    def _end_without_network(self, program: Program, result: Result, starts: Sequence[Assignment], number: int) -> None:
        """No network is within the limit: the front is complete, unless one is known that is."""
        if self.gallery is not None:
            self.gallery.discard(number)
        if any(self.problem.lower(program).admits(network) for network in starts):
            message = f"{result.solver} finds no network within the limit of point {number}, but there is one"
            self.found.end(Termination.SOLVER_ERROR, self._open_part(), message)
        else:
            self.found.end(Termination.OPTIMAL if self.found.points else Termination.INFEASIBLE)

    def _refuted_by(self, point: FrontPoint) -> FrontPoint | None:
        """The first point that a later one beats or equals in both goals, so that its proof was false."""
        grid = self.grids[0]
        room = float(grid) / 2 if grid else 0.0
        chosen, limited = self._minimised(point)
        for earlier in self.found.points:
            before = self._minimised(earlier)
            if chosen <= before[0] + room and limited <= before[1]:
                return earlier
        return None

    def _end_refuted(self, refuted: FrontPoint, point: FrontPoint) -> None:
        """A proof was false: it and what came after it are withdrawn, and nothing is claimed from there on."""
        self.found.points = self.found.points[: refuted.number - 1]
        self.limit = self._limited_value(self.found.points[-1]) if self.found.points else None
        message = (
            f"{point.result.solver} claimed that point {refuted.number} is on the front, and found a network later "
            f"that is at least as good in both goals"
        )
        self.found.end(Termination.SOLVER_ERROR, self._open_part(), message)

    def _open_part(self, result: Result | None = None) -> Undecided:
        """What is not decided: all networks within the present limit; `result` is what the search there has found."""
        bound = result.stages[0].dual_bound if result is not None and result.stages else None
        best = result if result is not None and result.has_answer else None
        beyond = None if self.far is None else self._value(self.far.stages[0].objective)
        folder = None
        if self.gallery is not None:
            place = self.gallery.folder(len(self.found.points) + 1)
            folder = place.name if RunFolder(place).has_networks() else None
        return Undecided(self.limit, beyond, bound, best, folder)

    # ---- values ------------------------------------------------------------------------------------------------

    def _point(self, number: int, result: Result) -> FrontPoint:
        values = [self._value(stage.objective) for stage in result.stages[:2]]
        if result is self.far:
            values.reverse()
        if not self.tradeoff.term_is_limited:
            values.reverse()
        rest, term = values
        folder = self.gallery.folder(number).name if self.gallery is not None else None
        return FrontPoint(number, term, rest, result, folder)

    def _minimised(self, point: FrontPoint) -> tuple[float, float]:
        """The values of the chosen and the limited goal, each so that smaller is better."""
        values = (point.rest, point.term) if self.tradeoff.term_is_limited else (point.term, point.rest)
        return self.signs[0] * values[0], self.signs[1] * values[1]

    def _limited_value(self, point: FrontPoint) -> float:
        return point.term if self.tradeoff.term_is_limited else point.rest

    def _far_value(self) -> float:
        """The best value of the limited goal, so that smaller is better."""
        assert self.far is not None
        return self.signs[1] * self._value(self.far.stages[0].objective)

    @staticmethod
    def _value(objective: float | None) -> float:
        assert objective is not None
        return objective

    # ---- the result --------------------------------------------------------------------------------------------

    def _front(self) -> Front:
        found, last = self.found, self.found.last
        axes = [
            Axis(label, stage.sense, None if step is None else float(step))
            for label, stage, step in zip(
                self.tradeoff.labels, (self.tradeoff.chosen, self.tradeoff.limited), self.grids, strict=True
            )
        ]
        term, rest = axes[::-1] if self.tradeoff.term_is_limited else axes
        proofs = [point.proof for point in found.points]
        if found.ended in (Termination.OPTIMAL, Termination.INFEASIBLE) and last is not None:
            proofs.append(last.proof)
        notes = dict.fromkeys([*self.users.remarks, *(note for point in found.points for note in point.result.notes)])
        return Front(
            model=self.tradeoff.program.source.path,
            term=term,
            rest=rest,
            limited="term" if self.tradeoff.term_is_limited else "rest",
            resolution=found.resolution,
            points=tuple(found.points),
            termination=found.ended or Termination.INTERRUPTED,
            undecided=found.undecided,
            proof=weakest(proofs),
            solver=last.solver if last is not None else self.options.solver,
            solver_version=last.solver_version if last is not None else "",
            seconds=self.seconds,
            message=found.message,
            notes=tuple(notes),
            conflict=last.conflict if last is not None and found.ended is Termination.INFEASIBLE else None,
            folder=str(self.options.save) if self.options.save is not None else None,
            sufficient=strengthened(self.tradeoff.program),
        )

    def _write(self) -> None:
        """Bring the index on disk up to date. A full disk does not end the run."""
        if self.gallery is None:
            return
        try:
            self.gallery.write(self._front())
        except OSError as error:
            self.found.message = f"`{self.gallery.path}` could not be written: {error.strerror or error}".lower()


def _is_point(result: Result) -> bool:
    """Whether both goals are proved; goals after them need not be."""
    stages = result.stages
    if result.solution is SolutionStatus.OPTIMAL:
        return True
    is_beyond = len(stages) > 2 and stages[1].held is not None
    return is_beyond and result.has_answer and result.termination is not Termination.SOLVER_ERROR
