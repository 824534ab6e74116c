"""A stage solved by exact search over the columns of its hidden layer, where it has such columns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Assignment, Program
from nnmip.search.solve import Found, search
from nnmip.search.view import Refusal
from nnmip.sizes import Allowance
from nnmip.solution.replay import Replay, rationally, replay
from nnmip.solution.result import Formulation, How
from nnmip.solution.tidy import tidied
from nnmip.versions import own_version

SEARCH = "search"


SEARCH = "search"
"""What stands for the solver in a result of the search."""


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What the search gives for a stage: as a solver would say it, replayed, and how much was looked at."""

    raw: RawResult
    checked: Replay | None
    how: How


def search_stage(
    program: Program,
    allowance: Allowance,
    seconds: float,
    is_stopped: Callable[[], bool],
    on_progress: Callable[[Progress], None],
    offer: Callable[[Assignment, float], None],
    start: Assignment | None,
) -> Searched:
    """Search a stage for at most `seconds`; Refusal where it has no columns, or too many of them.

    Ctrl-C, like a limit, ends the search with the best network and the bound so far.
    """
    began = time.perf_counter()
    assert program.goal is not None
    sign = program.goal.sign
    state = _Watch(began, seconds, is_stopped, on_progress)
    found = search(program, allowance, state.should_stop, state.progress, offer, start)
    termination = Termination.OPTIMAL
    if not found.is_complete:
        termination = Termination.TIME_LIMIT if state.is_late else Termination.INTERRUPTED
    elif found.assignment is None:
        termination = Termination.INFEASIBLE
    raw = RawResult(
        termination=termination,
        solver=SEARCH,
        version=own_version(),
        objective=found.value if found.assignment is not None else None,
        dual_bound=found.bound,
        nodes=found.nodes,
        seconds=time.perf_counter() - began,
    )
    how = How(Formulation.SEARCH, "", found.columns, found.nodes, found.leaves)
    return Searched(raw, _replayed(program, found, sign), how)


class _Watch:
    """Passes on what the search says, and tells it when to stop."""

    def __init__(
        self, began: float, seconds: float, is_stopped: Callable[[], bool], on_progress: Callable[[Progress], None]
    ) -> None:
        self.began, self.seconds, self.is_stopped, self.on_progress = began, seconds, is_stopped, on_progress
        self.is_late = False
        self._shown = -math.inf

    def should_stop(self) -> bool:
        self.is_late = self.is_late or time.perf_counter() - self.began >= self.seconds
        return self.is_late or self.is_stopped()

    def progress(self, value: float, bound: float) -> None:
        seconds = time.perf_counter() - self.began
        if seconds - self._shown >= 0.1:
            self._shown = seconds
            known = [number if math.isfinite(number) else None for number in (value, bound)]
            self.on_progress(Progress("search", seconds, incumbent=known[0], dual_bound=known[1]))


def _replayed(program: Program, found: Found, sign: float) -> Replay | None:
    if found.assignment is None:
        return None
    network = tidied(program, found.assignment)
    bound = sign * found.bound if math.isfinite(found.bound) else None
    return rationally(program, replay(program, network, sign * found.value, bound))


def refused(program: Program, refusal: Refusal) -> DiagnosticError:
    """The error for a search that was asked for and is not there (NNM0406)."""
    assert program.goal is not None
    return DiagnosticError(
        [
            Diagnostic(
                "NNM0406",
                f"the search over columns does not fit this model: {refusal}",
                program.goal.origin.span,
                label="of this goal",
                help="leave the choice to nnmip with `--formulation auto`",
            )
        ]
    )
