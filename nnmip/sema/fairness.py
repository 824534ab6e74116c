"""The checks of `fair`: the groups are there, something is limited, and every mean that is compared has rows."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from nnmip.arrays import distinct
from nnmip.data import Dataset, decimal_grid
from nnmip.hir.core import BoolArray, FloatArray, Network
from nnmip.hir.grids import LEAST, STATED, score_grid
from nnmip.ops.base import common_grid
from nnmip.ops.words.fair import LIMITS
from nnmip.sema.values import fail, listed
from nnmip.source import Span
from nnmip.syntax.suggest import closest

MOST_GROUPS = 50


def resolve_fairness(options: dict[str, Any], network: Network, data: Dataset, span: Span) -> dict[str, Any]:
    """Fill in `strictness`, `strictness_exact` and `step` of a `fair`.

    Strictness: how far below 0 a score must be to count as negative, or how far a class must be ahead of one before it;
    the exact step of the scores where there is one. step: of which all differences of means and limits are multiples, 0
    where there is none. Raises DiagnosticError NNM0204 where no limit is stated, or one that targets cannot have, and
    NNM0509 for groups that cannot be compared.
    """
    stated = {name: options[name] for name in LIMITS if options[name] is not None}
    if not stated:
        help = "write `parity: 0.1` for shares of each prediction that differ by at most 0.1, or `ratio: 0.8`"
        raise fail("NNM0204", "`fair` says in what groups are alike", span, help=help)
    is_class = data.label_name is not None
    of_labels = [name for name in stated if name != "parity"]
    if not is_class and of_labels:
        message = f"`{of_labels[0]}` compares predicted labels, and `{data.name}` has targets"
        raise fail("NNM0204", message, span, help="of targets, means can be compared: `parity: 0.1`")
    if is_class and stated.get("parity", 0.0) > 1.0:
        message = f"`parity` limits a difference of shares, and {stated['parity']:g} is more than 1"
        raise fail("NNM0205", message, span, help="a tenth is `parity: 0.1`")
    if data.is_read:
        _check_groups(options["group"], stated, network, data, span)
    grid = score_grid(network, data) if is_class else None
    is_exact = grid is not None and grid >= LEAST
    step = _step(options["group"], stated, data) if is_class and data.is_read else None
    return {
        **options,
        "strictness": float(grid) if grid is not None and is_exact else STATED,
        "strictness_exact": is_exact,
        "step": float(step) if step is not None and step >= LEAST else 0.0,
    }


def _check_groups(group: str, limits: Iterable[str], network: Network, data: Dataset, span: Span) -> None:
    """NNM0509 unless there are two groups or more, and each has rows wherever a limit compares them."""
    names, members = data.members(group)
    if len(names) < 2:
        message = f"every row of `{data.name}` has the same `{group}`, so that there is nothing to compare"
        raise fail("NNM0509", message, span, help="name a column with two values or more")
    if len(names) > MOST_GROUPS:
        message = f"`{group}` has {len(names)} values in `{data.name}`; {MOST_GROUPS} groups are the most"
        raise fail("NNM0509", message, span, help="name a column with a few values")
    counted = members & (data.sample_weights > 0)
    for name, rows in zip(names, counted, strict=True):
        if not rows.any():
            message = f"every row with `{group}` {name} has weight 0 in `{data.name}`"
            raise fail("NNM0509", message, span, help="leave these rows out with `where`")
    for limit in limits:
        for label in _labels_of(limit, network, data):
            missing = [n for n, rows in zip(names, counted, strict=True) if not (rows & (data.labels == label)).any()]
            if missing:
                text = data.label_text(label) or f"{label:g}"
                message = f"no row of `{data.name}` with `{group}` {missing[0]} has the label `{text}`, whose rows "
                help = "leave the group out with `where`, or compare all rows of each: `parity: 0.1`"
                raise fail("NNM0509", f"{message}`{limit}` compares", span, help=help)


def _labels_of(limit: str, network: Network, data: Dataset) -> list[float]:
    """The labels whose rows a limit compares; none where it compares all rows."""
    if limit == "odds":
        return [float(label) for label in distinct(data.labels)]
    if limit == "opportunity":
        return [1.0] if network.output_shape == () else [float(k) for k in range(network.output_shape[0])]
    return []


def _step(group: str, stated: dict[str, float], data: Dataset) -> Fraction | None:
    """A step of which every difference of shares, less the limits, is a multiple; None where row weights have none."""
    grid = decimal_grid(data.sample_weights)
    limits = decimal_grid(np.array(list(stated.values())))
    if grid is None or limits is None:
        return None
    _, members = data.members(group)
    parts = [np.ones(data.row_count, dtype=bool), *(data.labels == label for label in distinct(data.labels))]
    shares = [grid / total for part in parts for total in _totals(members & part, data.sample_weights) if total]
    step = common_grid(*shares, limits)
    return step * limits if "ratio" in stated and limits else step


def _totals(masks: BoolArray, weights: FloatArray) -> list[Fraction]:
    """The total weight in every mask [k, n]."""
    return [sum((Fraction(repr(float(w))) for w in weights[mask]), Fraction(0)) for mask in masks]


def check_column(data: Dataset, name: str, span: Span) -> None:
    """NNM0502 where a data set has no column `name` that can tell its rows apart."""
    if name not in data.group_names:
        known = data.group_names
        near = closest(name, known)
        help = f"did you mean `{near}`?" if near else f"its columns are {listed(known)}"
        raise fail("NNM0502", f"`{data.name}` has no column `{name}` that the model reads", span, help=help)
