"""What a running solve has let out so far, checked: the best solution, the best bound, the last lines printed."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np

from nnmip.backends.cbc_log import read_progress
from nnmip.backends.protocol import EventHandler, Incumbent, Progress, RawResult, Termination
from nnmip.milp.model import FloatArray, Milp

ACCEPTED_VIOLATION = 1e-5
LOG_LINES = 50


class Tracker:
    """Collects the events of one solve of `milp` and passes them on, with monotone incumbents and bounds.

    A solution is kept only if it satisfies the model and its objective does not exceed `ceiling`; the objective is
    computed here, what the solver says about its value is not used. A feasible start counts as the first solution.
    """

    def __init__(
        self,
        milp: Milp,
        solver: str,
        on_event: EventHandler | None = None,
        start: FloatArray | None = None,
        ceiling: float = np.inf,
    ) -> None:
        self.x: FloatArray | None = None
        self.objective = np.inf
        self.dual_bound = -np.inf
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._milp = milp
        self._solver = solver
        self._on_event = on_event
        self._ceiling = ceiling
        self._claimed = np.inf
        self._nodes: int | None = None
        self._muted = False
        if start is not None:
            self._improve(start)

    def incumbent(self, x: FloatArray, seconds: float) -> None:
        """A solution that the solver handed out."""
        if self._improve(x) and self._on_event is not None:
            self._on_event(Incumbent(x, self.objective, seconds))

    def progress(self, header: dict[str, Any]) -> None:
        """A progress frame of the solver process."""
        self._progress(
            Progress(
                header["phase"], header["seconds"], header["incumbent"], header["dual_bound"], nodes=header["nodes"]
            )
        )

    def line(self, text: str, seconds: float) -> None:
        """A line that the solver printed, `seconds` after the solve began."""
        if not text.strip():
            return
        self.log.append(text.rstrip())
        if self._solver == "cbc" and not self._muted:
            progress = read_progress(text)
            if progress is not None:
                self._progress(replace(progress, seconds=seconds))

    def mute(self) -> None:
        """From now on, printed progress is about an auxiliary model."""
        self._muted = True

    def complete(self, result: RawResult) -> RawResult:
        """`result` with the better of its own and the collected solution and bound, and with the log."""
        broken = result.x is not None and not self._is_solution(result.x)
        if result.x is not None and not broken:
            self._improve(result.x)
        if broken:
            message = f"{self._solver} returned a solution that breaks the model"
            result = replace(result, termination=Termination.SOLVER_ERROR, dual_bound=-np.inf, message=message)
        return replace(
            result,
            x=self.x,
            objective=self.objective if self.x is not None else None,
            dual_bound=max(result.dual_bound, self.dual_bound),
            nodes=result.nodes if result.nodes is not None else self._nodes,
            log=tuple(self.log),
        )

    def result(self, termination: Termination, version: str, seconds: float, message: str) -> RawResult:
        """The result of a solve that gave none itself, from what it had let out."""
        if self._claimed < self.objective - 1e-6 * (1 + abs(self._claimed)):
            lost = f"the last value it reported was {self._claimed:g}, whose solution is lost"
            message = f"{message}; {lost}" if message else lost
        bare = RawResult(termination, self._solver, version, seconds=seconds, message=message)
        return self.complete(bare)

    def _improve(self, x: FloatArray) -> bool:
        if not self._is_solution(x):
            return False
        value = self._milp.objective(x)
        if value >= self.objective or value > self._ceiling:
            return False
        x.setflags(write=False)
        self.x, self.objective = x, value
        return True

    def _is_solution(self, x: FloatArray) -> bool:
        assert x.shape == (self._milp.num_columns,), "a backend returned a vector of the wrong length"
        return bool(np.isfinite(x).all()) and self._milp.violation(x) <= ACCEPTED_VIOLATION

    def _progress(self, progress: Progress) -> None:
        if progress.incumbent is not None:
            self._claimed = min(self._claimed, progress.incumbent)
        if progress.dual_bound is not None:
            self.dual_bound = max(self.dual_bound, progress.dual_bound)
        if progress.nodes is not None:
            self._nodes = progress.nodes
        if self._on_event is None:
            return
        best = min(self._claimed, self.objective)
        self._on_event(
            replace(
                progress,
                incumbent=best if np.isfinite(best) else None,
                dual_bound=self.dual_bound if np.isfinite(self.dual_bound) else None,
                nodes=self._nodes,
            )
        )
