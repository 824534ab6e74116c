"""`zero_one` as one error binary for each distinct row and label."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.predictions import NEAR, predictions, right_rows
from nnmip.lowering.scores import Groups, Leads, leads
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g err_g over groups g with leads d_gj in [L, U] over the other classes and thresholds t.

    t is the margin; with margin 0 the strictness where a tie is wrong, else 0. Where the loss is minimised or bounded
    above, err = 0 must mean that every lead reaches its threshold:

        d_j + (t - L) err >= t

    Where it is maximised or bounded below, err = 1 must mean that one does not, with binaries w for several classes:

        err <= sum of w_j        d_j + (U - b) w_j <= U        b the largest value below t on the grid of the scores

    Exact, with proved big-M (formulation: counted errors). With margin 0 an error is a prediction of another answer,
    and shares the binary of that. NNM0313 for the second where scores lie on no grid.
    """
    _check_grid(node, polarity)
    found = leads(low, node, node.option("reduce"))
    if not _is_prediction(node, polarity, found):
        return counted_errors(low, node, polarity, path, found, thresholds(node, found))
    assert node.network is not None and node.data is not None
    predicted = predictions(low, node.network, node.data, node.option("strictness"), node.option("strictness_exact"))
    places = predicted.place(found.groups.distinct, found.groups.truth[:, 0])
    wrong = predicted.entry(places, polarity.flipped, node.origin) * -1.0 + 1.0
    return (wrong * found.groups.share).sum()


def _is_prediction(node: Apply, polarity: Polarity, found: Leads) -> bool:
    """Whether an error is that the label is not predicted, on the sides that are asked for.

    Under a strictness that is not that of the grid a row may be wrong by every label. Of many classes, to say that one
    is not predicted takes the binaries of all others, which only pays where they say the other side as well.
    """
    if node.option("margin") > 0.0 or polarity is Polarity.UPPER:
        return bool(node.option("margin") == 0.0)
    return bool(node.option("strictness_exact")) and (found.value.shape[1] == 1 or polarity is Polarity.EXACT)


def counted_errors(
    low: Lowering, node: Apply, polarity: Polarity, path: str, found: Leads, required: FloatArray
) -> Affine:
    """sum of share_g err_g over groups, err = 1 where one of the leads [g, others] falls short of `required`."""
    _check_grid(node, polarity)
    can_be_short: BoolArray = found.bounds.lo < required
    short_always: BoolArray = np.asarray((found.bounds.hi < required).any(axis=1))
    is_open = ~short_always & can_be_short.any(axis=1)
    open_ = np.flatnonzero(is_open)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        short = (found.value.value(x) < required - NEAR).any(axis=1)
        return np.asarray(short, dtype=np.float64)[open_]

    groups = (len(required),)
    errors = low.builder.binaries(f"{path}.error", groups, node.origin, fill, picked=open_)
    wrong = scattered([(open_, errors)], groups) + short_always.astype(np.float64)
    relevant = can_be_short & is_open[:, None]
    if Polarity.UPPER in polarity:
        right_rows(low, path, found, required, relevant, wrong, node.origin)
        _one_label(low, node, path, found.groups, wrong)
    if Polarity.LOWER in polarity:
        _wrong(low, node, path, found, required, relevant, wrong)
    return (wrong * found.groups.share).sum()


def thresholds(node: Apply, found: Leads) -> FloatArray:
    """The lead over each other class that every group needs to count as right."""
    margin = node.option("margin")
    strict = node.option("strictness") if margin == 0.0 else margin
    return np.asarray(np.where(found.tie_is_wrong, strict, margin), dtype=np.float64)


def _one_label(low: Lowering, node: Apply, path: str, groups: Groups, wrong: Affine) -> None:
    """Of several labels of one distinct row at most one is predicted: a cut that big-M rows do not imply."""
    rows, inverse, labels = np.unique(groups.distinct, return_inverse=True, return_counts=True)
    const = np.asarray(np.bincount(inverse, wrong.const), dtype=np.float64)
    per_row = Affine(const, inverse[wrong.entry], wrong.column, wrong.coef)
    shared = np.flatnonzero(labels > 1)
    low.builder.rows(
        f"{path}.one_label",
        per_row.gather(shared),
        node.origin,
        lb=labels[shared].astype(np.float64) - 1.0,
        shape=rows.shape,
        picked=shared,
    )


def _wrong(
    low: Lowering, node: Apply, path: str, found: Leads, required: FloatArray, relevant: BoolArray, wrong: Affine
) -> None:
    """Rows by which a group with an error has a lead that falls short, on the grid of the scores."""
    shape, picked = required.shape, np.flatnonzero(relevant)
    steps, step = required / node.option("step"), node.option("step")
    below = ((np.ceil(steps - NEAR) - 1.0) * step)[relevant]
    most = found.bounds.hi[relevant]
    inner, of_group = found.value.gather(picked), picked // shape[1]

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(inner.value(x) < required[relevant] - NEAR, dtype=np.float64)

    if shape[1] == 1:
        picks = wrong.gather(of_group)
    else:
        picks = low.builder.binaries(f"{path}.short", shape, node.origin, fill, picked=picked)
        some = Affine(np.zeros(shape[0]), of_group[picks.entry], picks.column, picks.coef)
        at = np.flatnonzero(relevant.any(axis=1))
        low.builder.rows(f"{path}.some", (some - wrong).gather(at), node.origin, lb=0.0, shape=(shape[0],), picked=at)
    big_m = np.maximum(most - below, TINY)
    reach, ub = inner + picks * big_m, below + big_m
    low.builder.rows(f"{path}.wrong", reach, node.origin, ub=ub, shape=shape, picked=picked, big_m=big_m)


def _check_grid(node: Apply, polarity: Polarity) -> None:
    """NNM0313 where errors are asked for and scores lie on no grid."""
    if Polarity.LOWER not in polarity or node.option("step"):
        return
    message = f"`{node.word}` can be minimised or bounded above only, since its scores lie on no grid"
    finite = "give every weight and bias a finite domain"
    help = f"write it with a positive factor under `minimize` or on the small side of `<=`, or {finite}"
    raise DiagnosticError([Diagnostic("NNM0313", message, node.origin.span, help=help)])
