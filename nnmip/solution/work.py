"""What all stages of a run share: the model, the options, the clock, the folder, and the networks that are known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from nnmip.backends.protocol import Progress, SolveOptions
from nnmip.hir.core import Assignment, Program
from nnmip.records import dataclass
from nnmip.solution.answer import RunFacts, limits_after
from nnmip.solution.formulations import Choice
from nnmip.solution.options import RunOptions
from nnmip.solution.result import Formulation, Result

if TYPE_CHECKING:
    from nnmip.lowering.lower import Lowered
    from nnmip.solution.keeper import Keeper

ProgressHandler = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What a run solves: the model, the formulation of each stage for what was asked for and its solver, its encoding
    in each formulation (DiagnosticError NNM0406 where it does not fit), what reports add (of an encoding, if there is
    one), and networks in words."""

    program: Program
    fingerprint: Callable[[], str]
    choose: Callable[[Program, str, str], Choice]
    encode: Callable[[Program, str], Lowered]
    facts: Callable[[Lowered | None], RunFacts]
    describe: Callable[[Result], str]

    def lower(self, program: Program) -> Lowered:
        """The MILP of the weights."""
        return self.encode(program, Formulation.DIRECT)


@dataclass(slots=True, eq=False)
class Work:
    """One way through the stages of a run. `known` are the networks to start from, the newest first; `began` is when
    the run did; `looks` says whether better ones are looked for."""

    problem: Problem
    options: RunOptions
    progress: ProgressHandler | None
    stop: threading.Event
    keeper: Keeper | None = None
    known: list[Assignment] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    looks: bool = True

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def limits(self) -> SolveOptions:
        """What the solver is told, with what is left of the time limit."""
        given = self.options
        options = SolveOptions(time_limit=given.time_limit, gap=given.gap, threads=given.threads, seed=given.seed)
        return limits_after(options, self.seconds)
