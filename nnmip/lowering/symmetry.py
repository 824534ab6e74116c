"""Orders the units that a model cannot tell apart, and brings any network into that order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnmip.hir.alike import Alike
from nnmip.hir.core import Assignment, FloatArray
from nnmip.lowering.base import Lowering


def order_units(low: Lowering, classes: Sequence[Alike]) -> None:
    """One chain for each class of interchangeable units j, j' (filters are units):

        g_j >= g_j'        key_j >= key_j' - R (1 - g_j')

    with g the keep binary (1 without `prune`), key the bias (or, without one, the first incoming weight) and R such
    that a removed unit, whose key is 0, is never in the way. Valid because any order of the units is equally good;
    only one chain for a class (formulation: sum of lexicographic orders is not valid). Chains of several layers go
    together: a key leads into its unit, so the order of later units leaves it as it is.
    """
    for alike in classes:
        with low.builder.owned_by(alike.layer.path):
            _order(low, alike)


def _order(low: Lowering, alike: Alike) -> None:
    """The chain of one class."""
    path, origin = low.label(f"{alike.layer.path}.order"), alike.layer.origin
    key, places = alike.key
    value = low.encodings[key.path].value
    difference = value.gather(places[:-1]) - value.gather(places[1:])
    reach = max(0.0, -key.domain.lo) if alike.kept else 0.0
    for pruned, at in alike.kept.items():
        kept = low.kept[pruned].gather(at[:, 0])
        before, after = np.arange(len(at) - 1), np.arange(1, len(at))
        low.builder.rows(f"{path}.kept", kept.gather(before) - kept.gather(after), origin, lb=0.0)
        difference = difference - kept.gather(after) * reach + reach
    low.builder.rows(path, difference, origin, lb=0.0, big_m=reach)


def ordered(assignment: Assignment, classes: Sequence[Alike]) -> Assignment:
    """The same network with the units of every class in the order that `order_units` imposes."""
    values = {path: array.copy() for path, array in assignment.values.items()}
    kept = {path: array.copy() for path, array in assignment.kept.items()}
    for alike in classes:
        key, places = alike.key
        keys: FloatArray = values[key.path].reshape(-1)[places]
        gone = np.zeros(len(keys), dtype=bool)
        for pruned, at in alike.kept.items():
            gone = ~kept[pruned][at[:, 0]]
        source = np.lexsort((-keys, gone))
        for arrays, tables in ((values, alike.decisions), (kept, alike.kept)):
            for path, at in tables.items():
                flat = arrays[path].reshape(-1)
                flat[at] = flat[at[source]]
    return Assignment(values, kept)
