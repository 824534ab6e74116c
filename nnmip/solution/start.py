"""A first network to start from, so that a solver always has an incumbent."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate


def trivial_assignment(program: Program) -> Assignment | None:
    """The best of a few constant networks (weights nearest to 0, units kept or removed) that satisfies every
    constraint, or None if none does."""
    best: Assignment | None = None
    best_value = np.inf
    for keep in (False, True):
        values = {d.path: d.domain.project(np.zeros(d.shape)) for d in program.decisions}
        kept = {
            layer.path: np.full(layer.units, keep)
            for network in program.networks
            for layer in network.layers
            if layer.prune is not None
        }
        candidate = Assignment(values, kept)
        evaluation = evaluate(program, candidate)
        if evaluation.max_violation > 1e-9:
            continue
        value = evaluation.objectives[0] if program.stages else 0.0
        if program.stages and program.stages[0].sense == "maximize":
            value = -value
        if value < best_value:
            best, best_value = candidate, value
    return best
