"""What networks predict for the rows of a table: one 0/1 entry for each row and answer, shared by all who ask."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.networks import apply_network
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.scores import Ahead, ahead
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.source import Origin

PREDICTED = "predicted"
"""The word for entries of predictions in expressions that lowerings write; it is none of the language."""

NEAR = 1e-9
"""A lead that is this near to its threshold reaches it."""


def predicted_node(
    network: str, data: str, places: IntArray, strictness: float, is_exact: bool, origin: Origin
) -> Apply:
    """Entries of what a network predicts for the distinct rows of a data set, as an expression."""
    options = (("places", places), ("strictness", strictness), ("is_exact", is_exact))
    return Apply(PREDICTED, (), network, data, options, places.shape, False, origin)


def lower_predicted(low: Lowering, node: Apply, polarity: Polarity) -> Affine:
    """The entries of `predicted_node`."""
    assert node.network is not None and node.data is not None
    found = predictions(low, node.network, node.data, node.option("strictness"), node.option("is_exact"))
    return found.entry(node.option("places"), polarity, node.origin)


def predictions(low: Lowering, network: str, data: str, strictness: float, is_exact: bool) -> Predictions:
    """The predictions of a network for a data set, made once for each strictness."""
    key = (network, data, strictness, is_exact)
    if key not in low.predictions:
        scores = apply_network(low, network, data).scores
        rows, answers = scores.value.shape[0], 2 if len(scores.value.shape) == 1 else scores.value.shape[1]
        nothing = Affine.constant(np.zeros(rows * answers))
        is_made = np.zeros((rows, answers), dtype=bool)
        low.predictions[key] = Predictions(low, scores, strictness, is_exact, nothing, is_made, is_made[:, 0].copy())
    return low.predictions[key]


@dataclass(slots=True, eq=False)
class Predictions:
    """y_rk = 1 where the distinct row r is predicted k: the answers -1 and +1 of one score, or K classes.

    With the leads d_kj of k over the other answers, and thresholds t_kj: 0, or the strictness where a tie is j's.

        LOWER  y_k = 1 only where every d_kj >= t_kj
        EXACT  the same for every k, and sum over k of y_k = 1, so that some answer is clear

    Each entry is made when it is first asked for, and the rest of its row when the other side is: two answers are one
    binary then. Where the strictness is exact some answer always is clear, so that a row of which every answer was
    asked for is EXACT at once.

    entries: what is made, flat [rows * K], 0 elsewhere. is_made: [rows, K]. is_whole: rows that are EXACT.
    """

    low: Lowering
    scores: Signal
    strictness: float
    is_exact: bool
    entries: Affine
    is_made: BoolArray
    is_whole: BoolArray

    @property
    def answers(self) -> int:
        """K, or 2 for one score."""
        return int(self.is_made.shape[1])

    @property
    def is_score(self) -> bool:
        return self.scores.value.const.ndim == 1

    def place(self, rows: IntArray, labels: FloatArray) -> IntArray:
        """Where the entry of a row and a label is: -1 or +1 of one score, or the number of a class."""
        answer = labels > 0 if self.is_score else labels
        return rows * self.answers + np.asarray(answer).astype(np.int64)

    def entry(self, places: IntArray, polarity: Polarity, origin: Origin) -> Affine:
        """The entries at flat `places`, encoded on the sides that are asked for."""
        if polarity is Polarity.UPPER and self.answers == 2:
            return self.entry(places ^ 1, Polarity.LOWER, origin) * -1.0 + 1.0
        if Polarity.UPPER in polarity:
            self._complete(np.unique(places // self.answers), origin)
        else:
            self._make(np.unique(places), origin)
        return self.entries.gather(places)

    def _make(self, places: IntArray, origin: Origin) -> None:
        """Entries that say on their own where they are 1; of several of one row at most one is."""
        asked = self.is_made.copy()
        asked.reshape(-1)[places] = True
        if self.is_exact:
            self._complete(np.flatnonzero(asked.all(axis=1)), origin)
        new = places[~self.is_made.reshape(-1)[places]]
        if not len(new):
            return
        path = self.low.label(PREDICTED)
        self._add(path, new, origin)
        rows = np.unique(new // self.answers)
        several = rows[self.is_made[rows].sum(axis=1) > 1]
        self._rows(f"{path}.one_answer", self._totals(several), several, origin, ub=1.0)

    def _complete(self, rows: IntArray, origin: Origin) -> None:
        """Both sides of every entry of some rows."""
        rows = rows[~self.is_whole[rows]]
        if not len(rows):
            return
        path, missing = self.low.label(PREDICTED), ~self.is_made
        missing[np.setdiff1d(np.arange(len(missing)), rows)] = False
        with_rest = self._add(path, np.flatnonzero(missing), origin, leaves_rest=True)
        if self.answers > 2:
            left = self.entries.gather(with_rest)
            self._rows(f"{path}.rest", left, with_rest // self.answers, origin, lb=0.0)
        closed = np.setdiff1d(rows, with_rest // self.answers)
        self._rows(f"{path}.one_answer", self._totals(closed), closed, origin, lb=1.0, ub=1.0)
        self.is_whole[rows] = True

    def _add(self, path: str, new: IntArray, origin: Origin, leaves_rest: bool = False) -> IntArray:
        """Make entries, with `leaves_rest` one of each row as what the others leave of 1; the places of these."""
        rows, answers = np.divmod(new, self.answers)
        lead = ahead(self.scores, rows, answers * 2.0 - 1.0 if self.is_score else answers * 1.0)
        required = np.where(lead.tie_is_wrong, self.strictness, 0.0)
        short: BoolArray = lead.bounds.lo < required
        never: BoolArray = np.asarray((lead.bounds.hi < required).any(axis=1))
        is_open = ~never & short.any(axis=1)
        open_ = np.flatnonzero(is_open)
        rest = open_[np.unique(rows[open_], return_index=True)[1]] if leaves_rest else open_[:0]
        own, known = np.setdiff1d(open_, rest), np.flatnonzero(~is_open)

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            reaches = (lead.value.value(x) >= required - NEAR).all(axis=1)
            return np.asarray(reaches, dtype=np.float64)[own]

        y = self.low.builder.binaries(path, self.is_made.shape, origin, fill, picked=new[own])
        decided = Affine.constant((~never[known]).astype(np.float64))
        self.entries = self.entries + scattered([(new[own], y), (new[known], decided)], self.entries.shape)
        left = self._totals(rows[rest]) * -1.0 + 1.0
        self.entries = self.entries + scattered([(new[rest], left)], self.entries.shape)
        self.is_made.reshape(-1)[new] = True
        wrong = self.entries.gather(new) * -1.0 + 1.0
        right_rows(self.low, path, lead, required, short & is_open[:, None], wrong, origin)
        return new[rest]

    def _totals(self, rows: IntArray) -> Affine:
        """The sum of the entries of each of some rows."""
        return self.entries.reshape(self.is_made.shape).sum(axis=1).gather(rows)

    def _rows(
        self, path: str, value: Affine, rows: IntArray, origin: Origin, lb: float = -np.inf, ub: float = np.inf
    ) -> None:
        self.low.builder.rows(path, value, origin, lb=lb, ub=ub, shape=self.is_whole.shape, picked=rows)


def right_rows(
    low: Lowering, path: str, lead: Ahead, required: FloatArray, relevant: BoolArray, wrong: Affine, origin: Origin
) -> None:
    """Rows by which every group whose `wrong` [g] is 0 has the leads [g, others] that it needs: with leads d in [L, U],

    d + (t - L) wrong >= t
    """
    shape, picked = required.shape, np.flatnonzero(relevant)
    big_m = np.maximum(required - lead.bounds.lo, TINY)[relevant]
    reach = lead.value.gather(picked) + wrong.gather(picked // shape[1]) * big_m
    low.builder.rows(f"{path}.right", reach, origin, lb=required[relevant], shape=shape, picked=picked, big_m=big_m)
