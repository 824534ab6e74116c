"""Keeps the best network of a model in a folder: nothing that was saved is ever lost to a later run."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Program
from nnmip.solution.replay import ReplayStatus, replay
from nnmip.solution.result import Result, SolutionStatus
from nnmip.solution.store import RunFolder


class Keeper:
    """A run's folder. It belongs to one model, told by its fingerprint, and its network only ever gets better.

    A folder with the run of another model is refused (FileExistsError), unless that very run is resumed: then the
    folder passes to this model with the first network that this model accepts. Other problems are OSErrors.
    """

    def __init__(self, path: Path, program: Program, fingerprint: str, resume: Path | None) -> None:
        self.folder = RunFolder(path)
        self.program = program
        self.fingerprint = fingerprint
        self.problem = ""
        self.folder.create()
        earlier = self.folder.fingerprint()
        if earlier not in (None, fingerprint) and not (resume is not None and resume.resolve() == path.resolve()):
            raise FileExistsError(errno.EEXIST, "it holds the run of another model; name another folder", str(path))
        self.stored = self._load() if earlier == fingerprint else None
        self._best = self._value(self.stored, None) if self.stored is not None else None
        self._proved = self.stored is not None and self.folder.is_proved()

    def _load(self) -> Assignment | None:
        """The network of an earlier run of the same model, None if it is damaged or breaks the model."""
        try:
            assignment = self.folder.load_assignment(self.program)
        except DiagnosticError:
            return None
        checked = replay(self.program, assignment, None, None)
        return assignment if checked.status is ReplayStatus.PASSED else None

    def _value(self, assignment: Assignment, claimed: float | None) -> float | None:
        """The goal of a network, smaller is better (0 for `satisfy`); None if its replay fails."""
        checked = replay(self.program, assignment, claimed, None)
        if checked.status is not ReplayStatus.PASSED:
            return None
        return self._signed(checked.objective)

    def _signed(self, objective: float | None) -> float:
        if objective is None:
            return 0.0
        return objective if self.program.stages[0].sense == "minimize" else -objective

    def offer(self, assignment: Assignment, claimed: float | None) -> None:
        """Write a network if its replay passes and nothing better is there. A full disk does not end the run."""
        value = self._value(assignment, claimed)
        if value is None or (self._best is not None and value >= self._best - self._noise()):
            return

        def save() -> None:
            self.folder.clear_result()
            objective = value if not self.program.stages or self.program.stages[0].sense == "minimize" else -value
            self.folder.save_networks(self.program, assignment, objective, self.fingerprint)

        if self._try(save):
            self._best, self._proved = value, False

    def _noise(self) -> float:
        """A difference of two goals that says nothing."""
        return 1e-9 * (1.0 + abs(self._best or 0.0))

    def finish(self, result: Result, text: str) -> str:
        """Write the result, with its network unless a better one is kept; a remark where something is not written."""
        if result.has_answer and result.replay is not None:
            value = self._signed(result.objective)
            if self._best is not None and value > self._best + self._noise():
                return f"`{self.folder.path}` keeps a better network, which an earlier run found"
            if self._proved and result.solution is not SolutionStatus.OPTIMAL:
                return f"`{self.folder.path}` keeps the result of an earlier run, which proved this network optimal"
            assignment = result.replay.assignment
            self._try(lambda: self.folder.save_answer(self.program, assignment, result, text, self.fingerprint))
        elif self.folder.has_networks():
            return f"no network was found; `{self.folder.path}` keeps the one it had"
        else:
            self._try(lambda: self.folder.save_result(result.to_json(), text))
        return self.problem

    def _try(self, save: Callable[[], None]) -> bool:
        try:
            save()
        except OSError as error:
            self.problem = f"the run could not be saved in `{self.folder.path}`: {error.strerror or error}".lower()
            return False
        self.problem = ""
        return True
