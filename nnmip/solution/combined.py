"""What several ways to solve a stage found, as one result: the first proof, or the best network and the best bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nnmip.backends.protocol import Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Program
from nnmip.records import dataclass
from nnmip.solution.result import Bracket, Contender, Proof, Result, SolutionStatus

FAILED = (Termination.SOLVER_ERROR, Termination.BACKEND_MISSING, Termination.LICENCE_ERROR, Termination.MEMORY_LIMIT)
"""What ends one way and says nothing about the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """One way with its result. is_cut: whether it was asked to stop before it ended."""

    solver: str
    formulation: str
    result: Result
    seconds: float
    is_cut: bool

    @property
    def is_proof(self) -> bool:
        result = self.result
        no_network = result.termination is Termination.INFEASIBLE and not result.has_answer
        return result.is_proved or no_network or (result.solution is not SolutionStatus.NONE and result.sense is None)

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.solver, self.formulation) if part)


def combined(program: Program, found: Sequence[Finished]) -> Result:
    """The first proof, unless another way has a network that refutes it; without one the best network with the best
    bound. `found` is in the order in which the ways ended."""
    winner = next((way for way in found if way.is_proof), None)
    best = min(found, key=lambda way: _value(program, way.result))
    if winner is not None:
        result = winner.result
        if _value(program, best.result) < _value(program, result) - _room(result):
            result = _refuted(winner, best)
            winner = None
    else:
        result = _closest(program, found, best)
    entries = tuple(_contender(way, way is winner) for way in found)
    return replace(result, portfolio=entries)


def _value(program: Program, result: Result) -> float:
    """The goal of a network in the sense of a minimum; infinite without one."""
    if not result.has_answer:
        return math.inf
    return 0.0 if program.goal is None or result.objective is None else program.goal.sign * result.objective


def _room(result: Result) -> float:
    """By how much a network may be better than the value that is proved."""
    if result.objective is None:
        return 0.0
    tolerance = result.bracket.tolerance if result.is_certified and result.bracket is not None else 0.0
    return max(tolerance, 10 * proof_tolerance(result.objective))


def _refuted(winner: Finished, other: Finished) -> Result:
    """The network that a claim of another solver leaves no room for: nothing is proved."""
    claimed = winner.result.objective
    claim = "that no network satisfies the model" if claimed is None else f"{claimed:.9g} as the best value"
    return replace(
        other.result,
        termination=Termination.SOLVER_ERROR,
        solution=SolutionStatus.FEASIBLE,
        proof=Proof.NONE,
        dual_bound=None,
        message=f"{winner.name} claimed {claim}, and {other.name} found a better network",
    )


def _closest(program: Program, found: Sequence[Finished], best: Finished) -> Result:
    """The best network with the best bound, where nothing is proved."""
    running = [way for way in found if way.result.termination not in FAILED] or list(found)
    if not best.result.has_answer:
        best = running[0]
    result, sign = best.result, program.goal.sign if program.goal is not None else 1.0
    if result.termination in FAILED:
        result = replace(result, termination=running[0].result.termination)
    bounds = [sign * b for b in (way.result.dual_bound for way in running) if b is not None]
    if program.goal is None or not bounds:
        return result
    bound, value = max(bounds), _value(program, result)
    if bound > value + _room(result):
        source = next(way for way in running if way.result.dual_bound == sign * bound)
        message = f"{source.name} claims a bound of {sign * bound:.9g}, and {best.name} found a better network"
        return replace(result, termination=Termination.SOLVER_ERROR, dual_bound=None, message=message)
    return with_bound(program, result, sign * min(bound, value))


def with_bound(program: Program, result: Result, bound: float) -> Result:
    """A result with the bound of another way."""
    now = len(program.held)
    bracket = _bracket(result.bracket, result.objective, bound)
    stages = [replace(s, dual_bound=bound, bracket=bracket) if n == now else s for n, s in enumerate(result.stages)]
    return replace(result, dual_bound=bound, bracket=bracket, stages=tuple(stages))


def _bracket(bracket: Bracket | None, objective: float | None, bound: float) -> Bracket | None:
    if bracket is None or objective is None:
        return bracket
    return replace(bracket, lower=min(objective, bound), upper=max(objective, bound))


def _contender(way: Finished, has_won: bool) -> Contender:
    result = way.result
    return Contender(
        solver=way.solver,
        version=result.solver_version,
        formulation=way.formulation,
        termination=result.termination,
        objective=result.objective,
        dual_bound=result.dual_bound,
        seconds=way.seconds,
        has_won=has_won,
        is_cut=way.is_cut,
    )
