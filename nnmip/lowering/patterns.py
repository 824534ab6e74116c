"""Sign-split: one MILP for each choice of the output weights of a network with one score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.bounds.table import propagate_intervals
from nnmip.hir.alike import Alike
from nnmip.lowering.lower import Direct, Lowered, encoded, finished
from nnmip.lowering.phases import Bends, bends_of
from nnmip.passes.base import RowBounds
from nnmip.records import dataclass
from nnmip.search.split import Pattern, Split


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The MILP of a pattern, and where its rows bend."""

    pattern: Pattern
    lowered: Lowered
    bends: Bends


def lower_pattern(split: Split, pattern: Pattern) -> Part:
    """The MILP of the networks with some output weights, which are constants in it: nothing is multiplied, and of most
    numbers only the side is encoded on which the loss relies (`asked`).

    Units with the same output weight are still put in order. With the MILPs of all patterns of interchangeable units,
    each up to their order, every network is in one of them; their least optimum is that of the program.
    """
    fixed = {split.head: pattern.values.reshape(1, -1)}
    if split.keeper is not None and pattern.kept is not None:
        fixed[split.keeper.path] = pattern.kept.astype(np.float64)
    known = replace(
        split.known,
        bounds=_bounds(split, pattern),
        interchangeable=tuple(part for alike in split.known.interchangeable for part in _same(split, alike, pattern)),
    )
    low = encoded(known, fixed)
    bends = bends_of(low, split.hidden, pattern.values)
    return Part(pattern, finished(low.builder, Direct(low), tuple(low.tangents)), bends)


def _same(split: Split, alike: Alike, pattern: Pattern) -> list[Alike]:
    """Of interchangeable units those that still are: with one output weight."""
    if alike.producer is not split.hidden:
        return [alike]
    kept = pattern.kept if pattern.kept is not None else np.ones(len(pattern.values), dtype=bool)
    keys = np.stack([pattern.values, kept], axis=1)[alike.decisions[split.head][:, 0]]
    groups = [np.flatnonzero((keys == key).all(axis=1)) for key in np.unique(keys, axis=0)]
    return [alike.only(group) for group in groups if len(group) > 1]


def _bounds(split: Split, pattern: Pattern) -> Mapping[tuple[str, str], RowBounds]:
    """The bounds of all layers with the output weights, and the removed units, of a pattern."""
    boxes = {split.head: Interval.point(pattern.values.reshape(1, -1))}
    if pattern.kept is not None:
        for decision in split.hidden.decisions:
            there = pattern.kept.reshape(-1, *(1,) * (len(decision.shape) - 1)) & np.ones(decision.shape, dtype=bool)
            ends = decision.domain.lo, decision.domain.hi
            boxes[decision.path] = Interval(*(np.where(there, end, 0.0) for end in ends))
    network = split.program.networks[0]
    return {
        key: replace(found, bounds=propagate_intervals(network, found.rows, boxes))
        for key, found in split.known.bounds.items()
    }
