"""A stage solved by the tree over the choices of its output weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nnmip.branching.tree import Tree
from nnmip.hir.core import Assignment
from nnmip.search.split import Split
from nnmip.solution.exact import End, ExactAnswer, ExactStage, Offer, OnProgress
from nnmip.solution.result import Formulation, How


class GrownStage(ExactStage):
    """The tree of a stage. known: networks to start from."""

    def __init__(
        self,
        split: Split,
        known: Sequence[Assignment],
        is_stopped: Callable[[], bool],
        on_progress: OnProgress | None,
        offer: Offer | None,
    ) -> None:
        super().__init__(split.program, is_stopped, on_progress, offer)
        self.split, self.known = split, known

    def grow(self, seconds: float, spent: float) -> ExactAnswer:
        """Look for at most `seconds`, which begin `spent` seconds after those that progress counts.

        Ctrl-C, like a limit, ends the search with the best network and the bound so far.
        """
        self._begin(seconds, spent)
        tree = Tree(self.split, self.known, self._should_stop, partial(self._progress, "split"), self._offer)
        found = tree.grow()
        end = End(found.network, found.value, found.bound, found.nodes, found.is_complete)
        how = How(Formulation.SPLIT, nodes=found.nodes, patterns=found.patterns)
        return ExactAnswer(self._raw(Formulation.SPLIT.value, end), self._replayed(end), how, tree.notes)
