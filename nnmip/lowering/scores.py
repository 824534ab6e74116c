"""What losses read: leads of the true class and residuals, once for each distinct row and label or target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.data import Dataset
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Passed, Signal
from nnmip.lowering.networks import apply_network
from nnmip.milp.affine import Affine
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows of a data set that agree in features and truth (label or targets), without rows of weight 0.

    distinct: which distinct row of the network, shape [g]. truth: [g, m]. share: what a group's loss counts, [g]; its
    part of the total weight, or its weight where the loss is a sum.
    """

    distinct: IntArray
    truth: FloatArray
    share: FloatArray


def merged_rows(passed: Passed, truth: FloatArray, weights: FloatArray, reduce: str) -> Groups:
    """Merge the rows with equal features and equal `truth` [n, m]; row weights v >= 0, shape [n]."""
    counted = weights > 0
    keys = np.concatenate([passed.inverse[:, None].astype(np.float64), truth], axis=1)[counted]
    groups, inverse = np.unique(keys, axis=0, return_inverse=True)
    total = weights.sum() if reduce == "mean" else 1.0
    share = np.bincount(inverse.reshape(-1), weights=weights[counted]) / total
    return Groups(groups[:, 0].astype(np.int64), groups[:, 1:], share)


def _grouped(low: Lowering, node: Apply, reduce: str, truth: Callable[[Dataset], FloatArray]) -> tuple[Signal, Groups]:
    """The scores of the distinct rows that a word reads, and the groups of rows by their `truth` [n, m]."""
    assert node.network is not None and node.data is not None
    data = low.program.dataset(node.data)
    passed = apply_network(low, node.network, node.data)
    return passed.scores, merged_rows(passed, truth(data), data.sample_weights, reduce)


def _labels(data: Dataset) -> FloatArray:
    return data.labels[:, None]


def _targets(data: Dataset) -> FloatArray:
    return data.targets


def _outputs(scores: Signal, rows: IntArray, width: int) -> tuple[Affine, Interval]:
    """All outputs at some of the distinct rows, [g, width], with their bounds."""
    at = rows[:, None] * width + np.arange(width)
    return scores.value.gather(at), Interval(*(end.reshape(-1)[at] for end in (scores.bounds.lo, scores.bounds.hi)))


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """How far an answer is above each other one, [g, answers - 1], as in `ops.scores.leads`.

    tie_is_wrong: where a lead of 0 is not enough for it to be predicted.
    """

    value: Affine
    bounds: Interval
    tie_is_wrong: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Leads(Ahead):
    """How far the label of every group is ahead."""

    groups: Groups


def leads(low: Lowering, node: Apply, reduce: str) -> Leads:
    """How far the labels of the rows that a word reads are ahead of the other answers."""
    scores, groups = _grouped(low, node, reduce, _labels)
    lead = ahead(scores, groups.distinct, groups.truth[:, 0])
    return Leads(lead.value, lead.bounds, lead.tie_is_wrong, groups)


def ahead(signal: Signal, rows: IntArray, answers: FloatArray) -> Ahead:
    """y f for one score and an answer y of -1 or +1, f_own - f_j for the scores of several classes, at some rows."""
    scores, bounds, answer, at = signal.value, signal.bounds, answers[:, None], rows[:, None]
    if len(scores.shape) == 1:
        ends = np.stack([answer * end[at] for end in (bounds.lo, bounds.hi)])
        return Ahead(scores.gather(at) * answer, Interval(ends.min(axis=0), ends.max(axis=0)), answer < 0)
    classes = scores.shape[1]
    other = np.arange(classes - 1)
    before = other < answer
    own_at, other_at = at * classes + answer.astype(np.int64), at * classes + np.where(before, other, other + 1)
    own_at = np.broadcast_to(own_at, other_at.shape)
    own, others = (Interval(bounds.lo.reshape(-1)[at], bounds.hi.reshape(-1)[at]) for at in (own_at, other_at))
    return Ahead(scores.gather(own_at) - scores.gather(other_at), own + Interval(-others.hi, -others.lo), before)


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Output minus target of every group, [g, m]."""

    groups: Groups
    value: Affine
    bounds: Interval


def residuals(low: Lowering, node: Apply, reduce: str) -> Residuals:
    """f(x) - y for every group of rows and every target."""
    scores, groups = _grouped(low, node, reduce, _targets)
    value, bounds = _outputs(scores, groups.distinct, groups.truth.shape[1])
    return Residuals(groups, value - groups.truth, bounds + Interval.point(-groups.truth))


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """For every distinct row [n] and output [m] the score minus the mean of its targets, [n, m], that mean, and the
    variance of the targets about it; what a row counts is in `share` [n], as in `Groups`."""

    value: Affine
    bounds: Interval
    mean: FloatArray
    variance: FloatArray
    share: FloatArray


def centred(low: Lowering, node: Apply, reduce: str) -> Centred:
    """f(x) minus the weighted mean of the targets of all rows with these features."""
    scores, groups = _grouped(low, node, reduce, _targets)
    rows, of_row = np.unique(groups.distinct, return_inverse=True)
    share: FloatArray = np.bincount(of_row, groups.share).astype(np.float64)

    def average(numbers: FloatArray) -> FloatArray:
        sums = np.stack([np.bincount(of_row, groups.share * column) for column in numbers.T], axis=1)
        return np.asarray(sums / share[:, None])

    # About the first target of each row, so that equal ones have exactly their value as mean and no variance.
    first = groups.truth[np.unique(of_row, return_index=True)[1]]
    mean = first + average(groups.truth - first[of_row])
    variance = average((groups.truth - mean[of_row]) ** 2)
    value, bounds = _outputs(scores, rows, groups.truth.shape[1])
    return Centred(value - mean, bounds + Interval.point(-mean), mean, variance, share)
