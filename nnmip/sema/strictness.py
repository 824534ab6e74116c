"""How far below 0 a score must be to count as negative: the exact grid step of the scores where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Context
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Network
from nnmip.hir.grids import LEAST, STATED, score_grid
from nnmip.ops.reach import output_reach
from nnmip.sema.fairness import resolve_fairness
from nnmip.sema.values import fail
from nnmip.source import Span


def resolve_strictness(options: dict[str, Any], network: Network, data: Dataset, span: Span) -> dict[str, Any]:
    """Fill in `strictness`, `strictness_exact` and `step` of a `zero_one`.

    If every weight, bias and input lies on a grid, so do every score and the difference of two, and a negative one is
    at most minus the grid `step` (0 where there is none, or none of at least 1e-5): nothing is lost. Otherwise the
    strictness of a margin of 0 is the stated one (1e-4 unless the model says otherwise), and what lies between it and 0
    counts as a tie. Raises DiagnosticError NNM0404 for a grid step under 1e-5 that a margin of 0 needs.
    """
    stated = options.get("strictness")
    if options["margin"] > 0 and stated is not None:
        message = "`strictness` is for a margin of 0, and this margin is greater"
        raise fail("NNM0204", message, span, help="leave one of them out")
    step = score_grid(network, data)
    usable = float(step) if step is not None and step >= LEAST else 0.0
    options = {**options, "strictness_exact": False, "step": usable}
    if options["margin"] > 0:
        return {**options, "strictness": 0.0}
    if stated is not None:
        return options
    if step is None:
        return {**options, "strictness": STATED}
    if not usable:
        raise _too_fine(step, network, data, span)
    return {**options, "strictness": usable, "strictness_exact": True}


def resolve_reach(options: dict[str, Any], network: Network, data: Dataset, span: Span) -> dict[str, Any]:
    """Fill in `required` and `step` of a `sat_margin`: the threshold of every output, and the grid of the scores.

    An output that can only be 0 gets the margin itself as threshold, so that it is never right. Raises DiagnosticError
    NNM0404 for a threshold under 1e-5, which solvers cannot tell from 0.
    """
    reach = np.array([_without_dust(end) for end in output_reach(network)])
    required = options["margin"] * np.where(reach == 0, 1.0, reach)
    if required.min() < LEAST:
        message = f"a margin of {options['margin']:g} is {required.min():.3g} here, too little to tell from 0"
        raise fail("NNM0404", message, span, help="state a larger margin, or widen the domains of the weights")
    step = score_grid(network, data)
    usable = float(step) if step is not None and step >= LEAST else 0.0
    return {**options, "required": tuple(required.tolist()), "step": usable}


def _without_dust(end: float) -> float:
    """An end that was rounded outward, to 12 digits and never above what can be reached."""
    return float(Context(prec=12, rounding=ROUND_FLOOR).create_decimal(repr(float(end))))


Resolver = Callable[[dict[str, Any], Network, Dataset, Span], dict[str, Any]]

RESOLVERS: Mapping[str, Resolver] = MappingProxyType(
    {"fair": resolve_fairness, "sat_margin": resolve_reach, "zero_one": resolve_strictness}
)
"""What fills in the options of a word that depend on its network and data."""


def _too_fine(step: Fraction, network: Network, data: Dataset, span: Span) -> DiagnosticError:
    wrong = "a negative score from 0" if network.output_shape == () else "two scores apart"
    message = f"scores lie on a grid of step {float(step):.3g}, too fine to tell {wrong}"
    help = "use `scale none`, so that the grid is that of the file"
    if data.scaling.is_identity:
        help = "round the data, or state a margin: `zero_one(net, data, margin: 0.01)`"
    return fail("NNM0404", message, span, help=help)
