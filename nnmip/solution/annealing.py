"""A stage whose units have too many columns to list: annealing, beside what a test cover of the rows proves."""

from __future__ import annotations

import math
from collections.abc import Callable

from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Assignment
from nnmip.incumbents.known import best_of
from nnmip.search.anneal import annealed, share_of
from nnmip.search.cover import covering_bound
from nnmip.search.solve import value_of
from nnmip.search.view import View
from nnmip.solution.exact import End, ExactAnswer, ExactStage, Offer, OnProgress
from nnmip.solution.result import Formulation, How
from nnmip.solution.tidy import tidied


class AnnealedStage(ExactStage):
    """known: networks of the stage; those that are found come to them. floor: what no network is better than, in the
    sense of a minimum; -inf where that is not known."""

    def __init__(
        self,
        view: View,
        known: list[Assignment],
        is_stopped: Callable[[], bool],
        on_progress: OnProgress | None,
        offer: Offer | None,
    ) -> None:
        super().__init__(view.program, is_stopped, on_progress, offer)
        self.view, self.known = view, known
        self.floor = covering_bound(view)

    def anneal(self, seconds: float, spent: float, interrupted: Callable[[], None]) -> None:
        """Look for networks in a share of some seconds, which begin `spent` seconds after those that progress counts;
        not where one is known that no other is better than, and no longer than until then. Ctrl-C, which `interrupted`
        is told of, ends it."""
        share = share_of(self.view) * seconds
        self._begin(share, spent)
        if self.closing() is not None:
            return

        def gone() -> float:
            return math.inf if self.is_stopped() or share <= 0 else self._seconds / share

        network = annealed(self.view, gone, interrupted, enough=self.floor)
        if network is not None:
            self.known.append(tidied(self.program, network))

    def closing(self) -> Assignment | None:
        """The best network that is known, where the floor proves that no other is better."""
        best = best_of(self.program, self.known) if math.isfinite(self.floor) else None
        if best is None:
            return None
        value = value_of(self.program, best)
        # A network far below the floor would refute it.
        return best if abs(value - self.floor) <= proof_tolerance(value) else None

    def answer(self) -> ExactAnswer | None:
        """That network as the optimum."""
        network = self.closing()
        if network is None:
            return None
        value = value_of(self.program, network)
        if self.offer is not None:
            self.offer(network, self.sign * value)
        end = End(network, value, min(self.floor, value), 0, True)
        name = Formulation.COVER.value
        return ExactAnswer(self._raw(name, end), self._replayed(end), How(Formulation.COVER), self.view.notes)
