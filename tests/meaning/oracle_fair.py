"""`fair` once more, for scores [batch, n, *output] of a batch of assignments, row by row; nothing of `ops` is used."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import Apply, FloatArray

TOLERANCE = 1e-9


def fair(node: Apply, data: Dataset, scores: FloatArray) -> FloatArray:
    """1 where an assignment is fair, shape [batch]."""
    return np.array([float(_is_fair(node, data, one)) for one in scores])


def _is_fair(node: Apply, data: Dataset, scores: FloatArray) -> bool:
    """Every limit for every two groups; shares of predictions are exact fractions."""
    groups, is_class = _groups(data, node.option("group")), data.label_name is not None
    outcomes = [_outcome(row) for row in scores] if is_class else []
    wanted = [1] if scores.ndim == 1 else list(range(scores.shape[1]))
    for limit in ("parity", "ratio", "odds", "opportunity"):
        most = node.option(limit)
        if most is None:
            continue
        for a, b in permutations(sorted(set(groups)), 2):
            for k in wanted:
                labels = {"odds": sorted(set(data.labels)), "opportunity": [k]}.get(limit, [None])
                for label in labels:
                    means = []
                    for group in (a, b):
                        rows = [i for i, g in enumerate(groups) if g == group and label in (None, data.labels[i])]
                        weights = [Fraction(float(data.sample_weights[i])) for i in rows]
                        if is_class:
                            held = sum((w for i, w in zip(rows, weights, strict=True) if outcomes[i] == k), Fraction(0))
                        else:
                            column = scores if scores.ndim == 1 else scores[:, k]
                            held = sum(w * Fraction(float(column[i])) for i, w in zip(rows, weights, strict=True))
                        means.append(held / sum(weights))
                    one, other = means
                    if limit == "ratio" and float(other) * most - float(one) > TOLERANCE:
                        return False
                    if limit != "ratio" and float(one - other) > most + TOLERANCE:
                        return False
    return True


def _outcome(scores: FloatArray) -> int:
    """What a row is predicted: 1 or -1 by one score, else the first of the greatest, equal up to rounding."""
    if scores.ndim == 0:
        return 1 if scores > -TOLERANCE else -1
    best = 0
    for k, score in enumerate(scores):
        if score > scores[best] + TOLERANCE:
            best = k
    return best


def _groups(data: Dataset, column: str) -> list[str]:
    """The group of every row, from the lines of a `group` or the numbers of a feature."""
    for group in data.groups:
        if group.name == column:
            return [group.levels[code] for code in group.codes]
    return [str(value) for value in data.raw[:, data.feature_names.index(column)]]
