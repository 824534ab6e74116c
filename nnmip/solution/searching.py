"""A stage solved by exact search over the columns of its hidden layer, where it has such columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nnmip.hir.core import Assignment
from nnmip.search.solve import Found, Report, Tied, search
from nnmip.search.view import View
from nnmip.sizes import Allowance
from nnmip.solution.exact import End, ExactAnswer, ExactStage, Offer, OnProgress
from nnmip.solution.result import Formulation, How

if TYPE_CHECKING:
    from nnmip.search.deep_view import Deep

SEARCH = "search"
"""What stands for the solver in a result of the search."""


class SearchedStage(ExactStage):
    """The search of a stage. start: a network that is known; tied: those that an earlier stage listed."""

    def __init__(
        self,
        view: View | Deep,
        start: Assignment | None,
        tied: Tied | None,
        is_stopped: Callable[[], bool],
        on_progress: OnProgress | None,
        offer: Offer | None,
    ) -> None:
        super().__init__(view.program, is_stopped, on_progress, offer)
        self.view, self.start, self.tied = view, start, tied

    def search(self, allowance: Allowance, seconds: float, spent: float) -> ExactAnswer:
        """Search for at most `seconds`, which begin `spent` seconds after those that progress counts.

        Ctrl-C, like a limit, ends the search with the best network and the bound so far.
        """
        self._begin(seconds, spent)
        found = self._found(allowance, Report(partial(self._progress, SEARCH), self._offer))
        end = End(found.assignment, found.value, found.bound, found.nodes, found.is_complete)
        root = self.sign * found.root if math.isfinite(found.root) else None
        how = How(Formulation.SEARCH, "", found.columns, found.nodes, found.leaves, root)
        return ExactAnswer(self._raw(SEARCH, end), self._replayed(end), how, self.view.notes, found.tied)

    def _found(self, allowance: Allowance, report: Report) -> Found:
        if isinstance(self.view, View):
            return search(self.view, allowance, self._should_stop, report, self.start, self.tied)
        from nnmip.search.deep_search import DeepSearch

        return DeepSearch(self.view, self._should_stop, report, self.start).run()
