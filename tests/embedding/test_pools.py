"""Max pools of known networks at points: candidates that cannot be the largest leave, and what is left is exact."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nnmip.build import Draft
from nnmip.hir.core import Assignment, Program
from nnmip.lowering.lower import lower_program
from nnmip.solution.network import TrainedNetwork, trained_network

Best = Callable[[Program, str], float | None]


def pooled(relu: bool) -> TrainedNetwork:
    """The largest of x0 and three others, or of their positive parts."""
    draft = Draft("net")
    net = draft.network("f", (1, 2, 2), (-4, 4))
    h = net.conv2d("h", net.input, filters=1, kernel=(1, 1), weights=(-1, 1), bias=(-1, 1))
    net.returns(net.flatten("o", net.maxpool2d("p", net.relu("a", h) if relu else h, kernel=(2, 2))))
    draft.satisfy()
    program = draft.program()
    values = {"f.h.weights": np.ones((1, 1, 1, 1)), "f.h.bias": np.zeros(1)}
    return trained_network(program, program.networks[0], Assignment(values, {}))


@pytest.mark.parametrize(
    ("relu", "ends", "binaries"),
    [
        (False, [(2, 3), (-1, 0), (-1, 1), (0, 1)], 0),
        (False, [(2, 3), (0, 4), (-1, 1), (-1, 0)], 1),
        (False, [(2, 3), (0, 4), (0, 4), (-1, 0)], 2),
        (True, [(-3, -2), (-3, -1), (-2, -1), (-2, -1)], 0),
        (True, [(-1, 2), (-3, -1), (-2, -1), (-2, -1)], 1),
        (True, [(2, 3), (0, 4), (-1, 1), (-1, 0)], 1),
    ],
)
def test_candidates_that_cannot_be_the_largest_leave(
    relu: bool, ends: list[tuple[int, int]], binaries: int, best: Best
) -> None:
    net = pooled(relu)
    for sense, weight in itertools.product(("minimize", "maximize"), (0.5, 2.0)):
        draft = Draft("pool")
        f, x = draft.trained("f", net), draft.variable("x", (1, 2, 2), (-4, 4))
        for k, (lo, hi) in enumerate(ends):
            draft.constraint(f"least{k}", x[0, k // 2, k % 2] >= lo)
            draft.constraint(f"most{k}", x[0, k // 2, k % 2] <= hi)
        # Both sides of the pool are needed: the goal presses from one, the constraint from the other.
        y = f(x)[0]
        draft.constraint("cap", y <= 9.0)
        draft.constraint("floor", y >= -9.0)
        getattr(draft, sense)(y - weight * x.sum())
        program = draft.program()
        assert int(lower_program(program).milp.integer.sum()) == binaries
        corners = np.array(list(itertools.product(*(np.unique([lo, 0, hi]) for lo, hi in ends))))
        corners = corners[((corners >= [e[0] for e in ends]) & (corners <= [e[1] for e in ends])).all(axis=1)]
        top = corners.max(axis=1)
        worth = (np.maximum(top, 0) if relu else top) - weight * corners.sum(axis=1)
        found = best(program, "highs")
        assert found is not None
        if sense == "maximize":
            assert found == pytest.approx(worth.max(), abs=1e-6), "a convex goal is largest at a corner"
        else:
            assert found <= worth.min() + 1e-6
