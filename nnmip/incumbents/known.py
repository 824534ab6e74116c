"""A first network to start from, so that a solver always has an incumbent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate
from nnmip.hir.order import Rank, is_better, rank

ADMITTED = 1e-6
"""What the replay lets a network break a constraint by."""


def trivial_assignment(program: Program) -> Assignment | None:
    """The best of two constant networks (weights nearest to 0, units kept or removed), None if neither satisfies the
    constraints."""
    candidates = []
    for keep in (False, True):
        values = {d.path: d.domain.project(np.zeros(d.shape)) for d in program.decisions}
        kept = {
            layer.path: np.full(layer.kept_shape, keep)
            for network in program.networks
            for layer in network.layers
            if layer.kept_shape is not None
        }
        candidates.append(Assignment(values, kept))
    return best_of(program, candidates)


def best_of(program: Program, candidates: Sequence[Assignment]) -> Assignment | None:
    """The candidate with the best goals among those that satisfy every constraint and every held stage, the first of
    equals, or None."""
    best: Assignment | None = None
    best_rank: Rank = ()
    for candidate in candidates:
        evaluation = evaluate(program, candidate)
        if not evaluation.max_violation <= ADMITTED:
            continue
        value = rank(program, evaluation)
        if best is None or is_better(value, best_rank):
            best, best_rank = candidate, value
    return best
