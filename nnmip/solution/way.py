"""One way through the stages of a run: by search over columns where that is possible and wanted, else by a solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nnmip.backends.process import Session
from nnmip.backends.protocol import Termination
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Program
from nnmip.incumbents.known import best_of
from nnmip.search.anneal import annealed
from nnmip.search.enumerate import check_columns
from nnmip.search.solve import Tied, TooMany
from nnmip.search.split import Split
from nnmip.search.view import Refusal, View, view_of
from nnmip.sizes import Allowance
from nnmip.solution.answer import Unencoded, make_result
from nnmip.solution.replay import ReplayStatus, refuted_stage
from nnmip.solution.result import DIRECT, OWN, Formulation, How, Proof, Result, SolutionStatus
from nnmip.solution.searching import SearchedStage
from nnmip.solution.tidy import tidied
from nnmip.solution.work import Work

if TYPE_CHECKING:
    from nnmip.lowering.lower import Lowered
    from nnmip.search.deep_view import Deep
    from nnmip.solution.stage import Stage

ANNEALING = 0.2
"""The share of the time limit that may go into a first network."""


class Way:
    """Solves the stages of a run in their order; what a search listed for later goals is kept between them."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.tied: Tied | None = None

    def solve(self, session: Session, program: Program, earlier: Sequence[Result]) -> Result:
        """One stage; Ctrl-C before its solver runs leaves the network and the proofs of the stages before."""
        options = self.work.options
        choice = self.work.problem.choose(program, options.formulation, options.solver)
        try:
            how = choice.how
            if choice.view is not None or choice.split is not None:
                try:
                    if choice.split is not None:
                        result = self._grown(session, choice.split, earlier)
                    else:
                        assert choice.view is not None
                        result = self._searched(session, choice.view, earlier)
                except TooMany:
                    why = "too many networks are equal for the first goal"
                except ArithmeticError as error:
                    why = str(error)
                else:
                    why = _doubt(program, result)
                    if not why or options.formulation in OWN:
                        return result
                how = How(Formulation.DIRECT, why)
            elif options.formulation == Formulation.AUTO and options.solver == "auto" and not earlier:
                self._anneal(program)
            lowered = self.work.problem.encode(program, how.formulation)
            return self._stage(session, lowered, earlier, how).solve()
        except KeyboardInterrupt:
            if not earlier:
                raise
            return replace(
                earlier[-1],
                termination=Termination.INTERRUPTED,
                solution=SolutionStatus.FEASIBLE,
                proof=Proof.NONE,
                message="",
            )

    def close(self) -> None:
        """Nothing to do: the solver process belongs to the caller."""

    def _searched(self, session: Session, view: View | Deep, earlier: Sequence[Result]) -> Result:
        """A stage by search over columns, with the opinion of a second solver where that is asked for."""
        work, program = self.work, view.program
        limit = work.limits().time_limit
        start = best_of(program, work.known)
        offer = partial(work.keeper.offer, program) if work.keeper is not None else None
        if offer is not None and start is not None:
            offer(start, None)
        exact = SearchedStage(view, start, self.tied, work.stop.is_set, work.progress, offer)
        found = exact.search(work.options.allowance, math.inf if limit is None else limit, work.seconds)
        self.tied = found.tied
        raw, checked, proof = found.raw, found.checked, Proof.CERTIFIED
        if work.options.confirm:
            stage = self._stage(session, self._second_opinion(program), earlier, DIRECT)
            raw, checked, proof = stage.proved(raw, checked)
            proof = Proof.CERTIFIED if proof is Proof.SOLVER else proof
        facts = work.problem.facts(None)
        facts = replace(facts, times={**facts.times, "solve": work.seconds}, how=found.how)
        return make_result(Unencoded(program, notes=view.notes), raw, checked, proof, facts, earlier)

    def _anneal(self, program: Program) -> None:
        """A network to start from, where units have columns but too many of them to be searched."""
        work = self.work
        view = unlisted(program, work.options.allowance)
        if view is None:
            return
        limit = work.limits().time_limit
        end = work.seconds + ANNEALING * limit if limit is not None else math.inf
        network = annealed(view, lambda: work.stop.is_set() or work.seconds >= end, work.stop.set)
        if network is not None:
            work.known.append(tidied(program, network))

    def _stage(self, session: Session, lowered: Lowered, earlier: Sequence[Result], how: How) -> Stage:
        from nnmip.solution.stage import Stage

        return Stage(self.work, session, lowered, earlier, how)

    def _grown(self, session: Session, split: Split, earlier: Sequence[Result]) -> Result:
        """A stage by the tree over the choices of its output weights."""
        from nnmip.solution.growing import GrownStage

        work, program = self.work, split.program
        limit = work.limits().time_limit
        offer = partial(work.keeper.offer, program) if work.keeper is not None else None
        stage = GrownStage(split, work.known, work.stop.is_set, work.progress, offer)
        found = stage.grow(math.inf if limit is None else limit, work.seconds)
        raw, checked, proof = found.raw, found.checked, Proof.CERTIFIED
        if work.options.confirm:
            second = self._stage(session, self._second_opinion(program), earlier, DIRECT)
            raw, checked, proof = second.proved(raw, checked)
            proof = Proof.CERTIFIED if proof is Proof.SOLVER else proof
        facts = work.problem.facts(None)
        facts = replace(facts, times={**facts.times, "solve": work.seconds}, how=found.how)
        return make_result(Unencoded(program, notes=found.notes), raw, checked, proof, facts, earlier)

    def _second_opinion(self, program: Program) -> Lowered:
        """The MILP for a second solver: that of columns, whose proofs end, or the direct one where there is none."""
        try:
            return self.work.problem.encode(program, Formulation.COLUMNS)
        except DiagnosticError:
            return self.work.problem.lower(program)


def unlisted(program: Program, allowance: Allowance) -> View | None:
    """The view of a program whose columns are larger than is allowed; None for other programs."""
    try:
        view = view_of(program)
    except Refusal:
        return None
    try:
        check_columns(view, allowance)
    except Refusal:
        return view
    return None


def _doubt(program: Program, result: Result) -> str:
    """Why what a search found is not to be believed; empty where nothing speaks against it."""
    if result.replay is None:
        return ""
    if result.replay.status is ReplayStatus.FAILED:
        return "what the search found did not pass the replay"
    if refuted_stage(program, result.replay) is not None:
        return "the search found a network that refutes the proof of an earlier goal"
    return ""
