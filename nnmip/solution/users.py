"""The networks that users start from: that of a saved run, and arrays of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.hir.core import Assignment, Program
from nnmip.incumbents.known import best_of
from nnmip.solution.options import RunOptions
from nnmip.solution.replay import ReplayStatus, replay

if TYPE_CHECKING:
    from nnmip.incumbents.given import Given


class UsersNetworks:
    """What a user names to start from, read and checked when this is made: DiagnosticError NNM0613 and NNM0615.

    remarks: what was changed to fit the model, and what was not used.
    """

    def __init__(self, program: Program, options: RunOptions) -> None:
        self.options = options
        self.resumed: Assignment | None = None
        self.given: Given | None = None
        self.remarks: list[str] = []
        if options.resume is not None:
            from nnmip.solution.store import RunFolder

            self.resumed = RunFolder(options.resume, options.allowance).load_assignment(program)
        if options.start is not None:
            from nnmip.incumbents.given import read_start

            self.given = read_start(options.start, program, options.allowance)

    def networks(
        self, program: Program, session: Session, limits: SolveOptions, stop: threading.Event
    ) -> list[Assignment]:
        """The networks that satisfy the model, the best one for each thing that was named."""
        found = [self._usable(program, [self.resumed] if self.resumed is not None else [])]
        if self.given is not None:
            self.remarks += self.given.remarks()
            networks = self.given.networks()
            if self.given.missing:
                from nnmip.incumbents.complete import completed

                solver = self.options.ways[0].solver
                rest = completed(self.given, solver, session, limits, self.options.allowance, stop)
                networks += [rest] if rest is not None else []
                names = ", ".join(f"`{decision.path}`" for decision in self.given.missing)
                how = "found with the rest fixed" if rest is not None else "nearest to 0"
                self.remarks.append(f"the start: {names} not given, and {how}")
            found.append(self._usable(program, networks))
        return [network for network in found if network is not None]

    def _usable(self, program: Program, networks: list[Assignment]) -> Assignment | None:
        best = best_of(program, networks)
        if best is None and networks:
            self.remarks.append(f"the start was not used: {_broken(program, networks[0])}")
        return best


def _broken(program: Program, network: Assignment) -> str:
    """Which constraints a network breaks, and by how much."""
    checked = replay(program, network, None, None)
    assert checked.status is ReplayStatus.FAILED
    return checked.message
