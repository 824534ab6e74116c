"""A network to start a MILP from, looked for before its solver begins: a better one than any that is known."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import without_removed
from nnmip.hir.order import Rank
from nnmip.hir.walk import applies_known
from nnmip.incumbents.budget import Budget
from nnmip.incumbents.climb import climbed, standing
from nnmip.incumbents.complete import solved_in_part, with_fixed
from nnmip.incumbents.descent import Descent
from nnmip.incumbents.known import best_of
from nnmip.incumbents.polish import polished
from nnmip.lowering.lower import Lowered

LONGEST, SHARE = 2.0, 0.05
"""Most seconds for the look, and most of the time limit."""

SECONDS_EACH = 0.015
"""Seconds for every integer of the MILP: small ones are solved before a look would end."""

LEAST_INTEGERS, LEAST_SECONDS = 60, 10.0
"""A MILP with fewer integers is solved at once, and a shorter limit leaves no time for a look."""

MOST_NONZEROS = 100_000
"""Larger MILPs are not handed over for a part of them."""

SOLVER = "highs"
"""What solves for parts of a network, whatever solves for the whole."""

DESCENT, REST, CLIMB = 0.4, 0.1, 0.2
"""The shares of the time for the descent, and for the last layer and the small changes of each network."""

BUSY = 3.0
"""How many seconds of the clock one of CPU time may take."""

TRIED = 2
"""Networks whose last layer is solved for."""


def is_worth_it(lowered: Lowered, limits: SolveOptions) -> bool:
    """Whether a look takes less time than it can save: it knows networks that are trained, and nothing else."""
    if lowered.program.variables or applies_known(lowered.program):
        return False
    milp = lowered.milp
    has_time = limits.time_limit is None or limits.time_limit >= LEAST_SECONDS
    return has_time and int(milp.integer.sum()) >= LEAST_INTEGERS and milp.num_nonzeros <= MOST_NONZEROS


class Look:
    """One look; with the same seed it sees the same networks as far as time allows.

    Gradient descent gives first layers, a MILP the best last layer for some of them, linear programs the best
    continuous weights for the phases of each, and small changes what no gradient sees: rules, and what weights cost.
    """

    def __init__(self, lowered: Lowered, session: Session, limits: SolveOptions, stop: threading.Event) -> None:
        self.lowered, self.program, self.session = lowered, lowered.program, session
        self.limits, self.stop = limits, stop
        left = LONGEST if limits.time_limit is None else SHARE * limits.time_limit
        self.seconds = min(LONGEST, left, SECONDS_EACH * int(lowered.milp.integer.sum()))
        self.seen: list[tuple[tuple[float, Rank], int, Assignment]] = []

    def best(self, known: Sequence[Assignment]) -> Assignment | None:
        """The best network that satisfies the model, of those that are known and those that are found."""
        Descent(self.program, self.limits.seed, self._see).run(self._budget(DESCENT))
        self.seen.sort(key=lambda entry: entry[:2])
        tried = [entry[-1] for entry in self.seen[:TRIED]]
        found = [*known, *tried, *(network for network in map(self._better, tried) if network is not None)]
        if not found or self.stop.is_set():
            return best_of(self.program, found)
        ends = [climbed(self.program, network, self._budget(CLIMB)) for network in self._firsts(found)]
        return best_of(self.program, [*known, *(self._polished(network) for network in ends), *ends])

    def _firsts(self, found: Sequence[Assignment]) -> list[Assignment]:
        """The best network to change, and that with the best goals if rules did not count, which changes may mend."""
        best = min(found, key=lambda network: standing(self.program, network))
        wild = min(self.seen, key=lambda entry: entry[0][1], default=None)
        return [best, wild[-1]] if wild is not None and wild[0][0] > 0 else [best]

    def _budget(self, share: float) -> Budget:
        """A share of the time; no more of the clock where the run has a limit, and not much more where it has none."""
        seconds = share * self.seconds
        return Budget.of(seconds, seconds if self.limits.time_limit is not None else BUSY * seconds)

    def _see(self, network: Assignment) -> None:
        self.seen.append((standing(self.program, network), len(self.seen), network))

    def _better(self, network: Assignment) -> Assignment | None:
        """The network with the best last layer for the others, and the best continuous weights."""
        if self.stop.is_set():
            return None
        solved = self._last_layer_solved(without_removed(self.program, network))
        return self._polished(solved if solved is not None else network)

    def _last_layer_solved(self, network: Assignment) -> Assignment | None:
        paths = _all_but_last(self.program)
        if not paths:
            return network
        fixed, start = with_fixed(self.lowered, network, paths), self.lowered.complete(network)
        options = replace(self.limits, time_limit=max(0.1, REST * self.seconds), start=start)
        found = solved_in_part(self.session, fixed, SOLVER, options, self.stop)
        return None if found.x is None else self.lowered.lift(found.x)

    def _polished(self, network: Assignment) -> Assignment:
        if all(decision.domain.is_finite for decision in self.program.decisions):
            return network
        return polished(self.lowered.refined([network]), network)


def _all_but_last(program: Program) -> list[str]:
    """The decisions of all layers but the last one of each network."""
    found: list[str] = []
    for network in program.networks:
        layers = [layer for layer in network.layers if layer.decisions]
        found += [d.path for layer in layers[:-1] for d in layer.decisions]
    return found
