"""One way through the stages of a run: by a search of nnmip's own where one fits and is wanted, else by a solver."""

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
from nnmip.search.solve import Tied, TooMany
from nnmip.search.split import Split
from nnmip.search.view import View
from nnmip.solution.answer import Unencoded, make_result
from nnmip.solution.combined import with_bound
from nnmip.solution.exact import ExactAnswer, Offer
from nnmip.solution.replay import ReplayStatus, refuted_stage
from nnmip.solution.result import DIRECT, OWN, Formulation, How, Proof, Result, SolutionStatus
from nnmip.solution.searching import SearchedStage
from nnmip.solution.work import Work

if TYPE_CHECKING:
    from nnmip.lowering.lower import Lowered
    from nnmip.search.deep_view import Deep
    from nnmip.solution.annealing import AnnealedStage
    from nnmip.solution.formulations import Choice
    from nnmip.solution.stage import Stage


class Way:
    """Solves the stages of a run in their order; what a search listed for later goals is kept between them."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.tied: Tied | None = None

    def solve(self, session: Session, program: Program, earlier: Sequence[Result]) -> Result:
        """One stage; Ctrl-C before its solver runs leaves the network and the proofs of the stages before."""
        options = self.work.options
        choice = self.work.problem.choose(program, options.formulation, options.solver)
        annealing: AnnealedStage | None = None
        try:
            how = choice.how
            if how.formulation in OWN:
                result = self._by_search(session, program, choice, earlier)
                if isinstance(result, Result):
                    return result
                how = How(Formulation.DIRECT, result)
            elif options.formulation == Formulation.AUTO and options.solver == "auto" and not program.held:
                annealing = self._annealed(program)
                if annealing is not None and (found := annealing.answer()) is not None:
                    return self._confirmed(session, program, found, earlier)
            lowered = self.work.problem.encode(program, how.formulation)
            result = self._stage(session, lowered, earlier, how).solve()
            return result if annealing is None else self._raised(program, result, annealing, earlier)
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

    def _by_search(self, session: Session, program: Program, choice: Choice, earlier: Sequence[Result]) -> Result | str:
        """A stage by a search of nnmip's own, or why a solver has to solve it instead."""
        try:
            if choice.split is not None:
                found = self._grown(choice.split)
                result = self._confirmed(session, choice.split.program, found, earlier)
            else:
                assert choice.view is not None
                found = self._searched(choice.view)
                result = self._confirmed(session, choice.view.program, found, earlier)
        except TooMany:
            return "too many networks are equal for the first goal"
        except ArithmeticError as error:
            return str(error)
        doubt = _doubt(program, result)
        return doubt if doubt and self.work.options.formulation not in OWN else result

    def _searched(self, view: View | Deep) -> ExactAnswer:
        """By search over columns."""
        work = self.work
        start, offer = best_of(view.program, work.known), self._offer(view.program)
        if offer is not None and start is not None:
            offer(start, None)
        stage = SearchedStage(view, start, self.tied, work.stop.is_set, work.progress, offer)
        found = stage.search(work.options.allowance, self._limit, work.seconds)
        self.tied = found.tied
        return found

    def _grown(self, split: Split) -> ExactAnswer:
        """By the tree over the choices of output weights."""
        from nnmip.solution.growing import GrownStage

        work = self.work
        stage = GrownStage(split, work.known, work.stop.is_set, work.progress, self._offer(split.program))
        return stage.grow(self._limit, work.seconds)

    def _confirmed(self, session: Session, program: Program, found: ExactAnswer, earlier: Sequence[Result]) -> Result:
        """The result of a search, with the opinion of a second solver where that is asked for."""
        raw, checked, proof = found.raw, found.checked, Proof.CERTIFIED
        if self.work.options.confirm:
            second = self._stage(session, self._second_opinion(program), earlier, DIRECT)
            raw, checked, proof = second.proved(raw, checked)
            proof = Proof.CERTIFIED if proof is Proof.SOLVER else proof
        return self._result(program, replace(found, raw=raw, checked=checked), proof, earlier)

    def _result(self, program: Program, found: ExactAnswer, proof: Proof, earlier: Sequence[Result]) -> Result:
        facts = self.work.problem.facts(None)
        facts = replace(facts, times={**facts.times, "solve": self.work.seconds}, how=found.how)
        return make_result(Unencoded(program, notes=found.notes), found.raw, found.checked, proof, facts, earlier)

    def _second_opinion(self, program: Program) -> Lowered:
        """The MILP for a second solver: that of columns, whose proofs end, or the direct one where there is none."""
        try:
            return self.work.problem.encode(program, Formulation.COLUMNS)
        except DiagnosticError:
            return self.work.problem.lower(program)

    def _annealed(self, program: Program) -> AnnealedStage | None:
        """Where units have columns but too many of them to be searched, networks to start from, and what no network is
        better than."""
        from nnmip.search.anneal import unlisted

        work = self.work
        view = unlisted(program, work.options.allowance)
        if view is None:
            return None
        from nnmip.solution.annealing import AnnealedStage

        stage = AnnealedStage(view, work.known, work.stop.is_set, work.progress, self._offer(program))
        stage.anneal(self._limit, work.seconds, work.stop.set)
        return stage

    def _raised(self, program: Program, result: Result, annealing: AnnealedStage, earlier: Sequence[Result]) -> Result:
        """A result without a proof has the floor of annealing as its bound, which proves it where it is as good."""
        floor = annealing.floor
        is_open = result.termination not in (Termination.OPTIMAL, Termination.INFEASIBLE)
        if program.goal is None or not is_open or not math.isfinite(floor):
            return result
        if result.has_answer and result.replay is not None:
            self.work.known.append(result.replay.assignment)
            if (found := annealing.answer()) is not None:
                return self._result(program, found, Proof.CERTIFIED, earlier)
        sign = program.goal.sign
        bound = floor if result.dual_bound is None else max(floor, sign * result.dual_bound)
        if result.objective is not None:
            bound = min(bound, sign * result.objective)
        return with_bound(program, result, sign * bound)

    def _stage(self, session: Session, lowered: Lowered, earlier: Sequence[Result], how: How) -> Stage:
        from nnmip.solution.stage import Stage

        return Stage(self.work, session, lowered, earlier, how)

    def _offer(self, program: Program) -> Offer | None:
        """What takes every better network of a stage; None where nothing is saved."""
        keeper = self.work.keeper
        return partial(keeper.offer, program) if keeper is not None else None

    @property
    def _limit(self) -> float:
        """The seconds that are left."""
        limit = self.work.limits().time_limit
        return math.inf if limit is None else limit


def _doubt(program: Program, result: Result) -> str:
    """Why what a search found is not to be believed; empty where nothing speaks against it."""
    if result.replay is None:
        return ""
    if result.replay.status is ReplayStatus.FAILED:
        return "what the search found did not pass the replay"
    if refuted_stage(program, result.replay) is not None:
        return "the search found a network that refutes the proof of an earlier goal"
    return ""
