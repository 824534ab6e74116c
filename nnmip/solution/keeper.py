"""Keeps the best network of a model in a folder: nothing that was saved is ever lost to a later run."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Program
from nnmip.hir.order import Rank, is_better, rank
from nnmip.solution.replay import Replay, ReplayStatus, replay
from nnmip.solution.result import Result
from nnmip.solution.store import FRONT, RunFolder


class Keeper:
    """A run's folder. It belongs to one model, told by its fingerprint, and its network only ever gets better.

    A folder with the run of another model is refused (FileExistsError), unless that very run is resumed: then the
    folder passes to this model with the first network that this model accepts. So is one that holds a front. Other
    problems are OSErrors.
    """

    def __init__(self, path: Path, program: Program, fingerprint: str, resume: Path | None) -> None:
        self.folder = RunFolder(path)
        self.program = program
        self.fingerprint = fingerprint
        self.problem = ""
        self._lock = threading.Lock()  # several ways to solve a model may share the folder
        self.folder.create()
        if (path / FRONT).exists():
            raise FileExistsError(errno.EEXIST, "it holds a front; name another folder", str(path))
        earlier = self.folder.fingerprint()
        if earlier not in (None, fingerprint) and not (resume is not None and resume.resolve() == path.resolve()):
            raise FileExistsError(errno.EEXIST, "it holds the run of another model; name another folder", str(path))
        self.stored = self._load() if earlier == fingerprint else None
        self._best = self._rank(self.stored) if self.stored is not None else None
        self._proved = self.folder.proved() if self.stored is not None else ""

    def _load(self) -> Assignment | None:
        """The network of an earlier run of the same model, None if it is damaged or breaks the model."""
        try:
            assignment = self.folder.load_assignment(self.program)
        except DiagnosticError:
            return None
        checked = replay(self.program, assignment, None, None)
        return assignment if checked.status is ReplayStatus.PASSED else None

    def _rank(self, assignment: Assignment) -> Rank | None:
        """The goals of a network; None if its replay fails."""
        checked = replay(self.program, assignment, None, None)
        return self._rank_of(checked) if checked.status is ReplayStatus.PASSED else None

    def _rank_of(self, checked: Replay) -> Rank:
        return rank(self.program, checked.evaluation)

    def offer(self, program: Program, assignment: Assignment, claimed: float | None) -> None:
        """Write a network if its replay passes and nothing better is there. A full disk does not end the run.

        `program` is the model at the stage that is being solved, `claimed` what the solver says about its goal.
        """
        checked = replay(program, assignment, claimed, None)
        if checked.status is ReplayStatus.PASSED:
            with self._lock:
                self._keep(assignment, checked)

    def _keep(self, assignment: Assignment, checked: Replay) -> None:
        found = self._rank_of(checked)
        if self._best is not None and not is_better(found, self._best):
            return

        def save() -> None:
            self.folder.clear_result(self.program)
            self.folder.save_networks(self.program, assignment, checked.objective, self.fingerprint)

        if self._try(save):
            self._best, self._proved = found, ""

    def finish(self, result: Result, text: str) -> str:
        """Write the result, with its network unless a better one is kept; a remark where something is not written."""
        if result.has_answer and result.replay is not None:
            if self._best is not None and is_better(self._best, self._rank_of(result.replay)):
                return f"`{self.folder.path}` keeps a better network, which an earlier run found"
            if self._proved and not result.is_proved:
                return (
                    f"`{self.folder.path}` keeps the result of an earlier run, which proved this network {self._proved}"
                )
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
