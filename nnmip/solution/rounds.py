"""Solves a relaxation round after round: tangents are added where networks lie, until nothing is left between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Assignment
from nnmip.lowering.convex import LOWERED
from nnmip.lowering.lower import Lowered
from nnmip.records import dataclass
from nnmip.solution.answer import fixed_integers
from nnmip.solution.replay import TOLERANCE, Replay, ReplayStatus, rationally, replay
from nnmip.solution.tidy import tidied

SHARE = 0.25
"""The part of the tolerance that the search of one round may leave open."""

FIRM = 2e-8
"""By how much a network may break a constraint and end the rounds, besides what the tangents leave to later stages. The
replay allows more, but the next stage would not: it holds what this one proved, at tangents to its network."""

BLURRED = 1e-4
"""How far the goal of a network may be beyond the bound of a later stage, relative to values above 1: where a curve is
held, what a solver leaves open, some 1e-8, moves the points that touch it by the square root of that."""

INSIDE = 1e-9
"""A network that breaks the rows by more is no start: a solver may prove a bound that its value is beyond."""

MOST_LPS = 25
"""Most LPs for the best continuous weights of one choice of the integers."""

ENDED = (Termination.OPTIMAL, Termination.GAP_LIMIT)
NOT_RUN = (Termination.BACKEND_MISSING, Termination.LICENCE_ERROR)

Solve = Callable[[Lowered, SolveOptions], RawResult]


@dataclass(slots=True, eq=False)
class Rounds:
    """One solve of a program whose encoding is a relaxation (outer approximation: Duran and Grossmann 1986).

    Each round solves the relaxation, whose bound is one for the program. The network that it finds is replayed, which
    gives its true goal; with its integers kept, LPs find the best continuous weights. Tangents at both networks are
    added for the next round. The rounds end when the best true goal is within the tolerance of the best bound, and
    without a goal when a network passes the replay.

    solve: one round, within the limits. limits: what is left of them. session: for the LPs.
    """

    lowered: Lowered
    session: Session
    solve: Solve
    limits: Callable[[], SolveOptions]
    count: int = 0
    bound: float = -math.inf
    best: Replay | None = None
    last: RawResult | None = None
    began: float = 0.0

    def run(self, known: Sequence[Assignment]) -> tuple[RawResult, Replay | None]:
        """The best network with the best bound; None as replay where there is no network."""
        for network in known:
            self.offer(network)
        if self.best is not None:
            self.lowered = self.lowered.refined([self.best.assignment])
        self.began, is_tight = time.monotonic(), False
        while True:
            options = self._options(is_tight)
            raw = self.last = self.solve(self.lowered, options)
            self.count += 1
            if raw.termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
                return self.answer(raw.termination)
            self.bound = max(self.bound, raw.dual_bound)
            found = self._networks(raw)
            if self._is_closed():
                return self.answer(Termination.OPTIMAL)
            if raw.termination not in ENDED or raw.x is None:
                return self.answer(raw.termination)
            refined = self.lowered.refined(found)
            if refined is self.lowered and options.gap <= self.limits().gap:
                return self.answer(Termination.OPTIMAL if self._is_closed(TOLERANCE) else Termination.GAP_LIMIT)
            is_tight, self.lowered = refined is self.lowered, refined

    def offer(self, network: Assignment) -> Replay:
        """Replay a network, and keep it if it is the best."""
        checked = replay(self.lowered.program, network, None, None)
        is_better = self.best is None or self._rank(checked) < self._rank(self.best)
        if checked.status is ReplayStatus.PASSED and is_better:
            self.best = checked
        return checked

    @property
    def _firm(self) -> float:
        return FIRM + LOWERED * len(self.lowered.program.held)

    def progress(self, bound: float | None) -> tuple[float | None, float | None]:
        """The goal of the best network and the best bound, with that of the present round, in the user's sense."""
        sign, best = self.lowered.sign, self.best
        known = max(self.bound, sign * bound) if bound is not None else self.bound
        return None if best is None else best.objective, sign * known if math.isfinite(known) else None

    def answer(self, termination: Termination) -> tuple[RawResult, Replay | None]:
        """The end of all rounds, as if it were of one; the bound is checked against the network."""
        assert self.last is not None
        raw = replace(self.last, termination=termination, seconds=time.monotonic() - self.began)
        if self.best is None or (termination in NOT_RUN and self.count == 1):
            return self._without_network(raw)
        network, objective = self.best.assignment, self._value(self.best)
        if self.lowered.program.held and objective < self.bound <= objective + BLURRED * max(1.0, abs(objective)):
            self.bound = objective
        bound = self.lowered.sign * self.bound if math.isfinite(self.bound) else None
        checked = replay(self.lowered.program, network, None, bound if self.lowered.program.goal else None)
        checked = rationally(self.lowered.program, checked)
        raw = replace(raw, x=self.lowered.complete(network), objective=objective, dual_bound=min(self.bound, objective))
        return raw, checked

    def _without_network(self, raw: RawResult) -> tuple[RawResult, Replay | None]:
        """Nothing that passes the replay: what was found last says why."""
        if raw.x is None or raw.termination is Termination.INFEASIBLE:
            return replace(raw, x=None, objective=None), None
        network = self.lowered.lift(raw.x)
        return replace(raw, dual_bound=self.bound), replay(self.lowered.program, network, None, None)

    def _rank(self, checked: Replay) -> tuple[bool, float]:
        """Smaller is better: networks that break nothing come first."""
        return checked.max_violation > self._firm, self._value(checked)

    def _value(self, checked: Replay) -> float:
        """The goal of a network as the relaxation minimises it."""
        return 0.0 if checked.objective is None else self.lowered.sign * checked.objective

    def _is_closed(self, most: float | None = None) -> bool:
        if self.best is None or self.best.max_violation > (self._firm if most is None else most):
            return False
        value = self._value(self.best)
        if self.lowered.program.goal is None:
            return True
        allowed = max(proof_tolerance(value), self._tolerance(), self.limits().gap * abs(value))
        return value - self.bound <= allowed

    def _tolerance(self) -> float:
        return 0.0 if self.best is None else self.lowered.tolerance(self.best.evaluation)

    def _options(self, is_tight: bool) -> SolveOptions:
        """The limits of the next round, which starts from the best network; a round need not be more exact than the
        whole, unless nothing else is left to gain."""
        options = self.limits()
        if self.best is None:
            return options
        value = abs(self._value(self.best))
        gap = 0.0 if is_tight or value < 1e-6 else SHARE * self._tolerance() / value
        start = self.lowered.complete(self.best.assignment)
        is_inside = self.lowered.milp.violation(start) <= INSIDE
        return replace(options, start=start if is_inside else None, gap=max(options.gap, gap))

    def _networks(self, raw: RawResult) -> list[Assignment]:
        """The network of a round, and the one with its integers and the best continuous weights; both are offered."""
        if raw.x is None:
            return []
        network = self.lowered.lift(raw.x)
        self.offer(tidied(self.lowered.program, network))
        is_over = raw.termination not in ENDED or self._is_closed()
        if is_over or self.lowered.milp.integer.all() or not self.lowered.tangents:
            return [network]
        return [network, self._with_best_weights(raw.x, network)]

    def _with_best_weights(self, x: np.ndarray, network: Assignment) -> Assignment:
        """Keep the integers of a solution, and solve LPs with more and more tangents for the rest."""
        lowered, value = self.lowered.refined([network]), math.inf
        for _ in range(MOST_LPS):
            options = replace(self.limits(), start=None, gap=0.0)
            if options.time_limit is not None and options.time_limit <= 0:
                break
            raw = self.session.solve(fixed_integers(lowered.milp, x), "highs", options)
            if raw.termination is Termination.INTERRUPTED:
                raise KeyboardInterrupt
            if raw.x is None or raw.termination is not Termination.OPTIMAL:
                break
            network = lowered.lift(raw.x)
            checked = self.offer(tidied(lowered.program, network))
            value = min(value, self._value(checked)) if checked.status is ReplayStatus.PASSED else value
            refined = lowered.refined([network])
            is_near = value - raw.dual_bound <= max(proof_tolerance(value), SHARE * self._tolerance())
            if is_near or refined is lowered:
                break
            lowered = refined
        return network
