"""How far below 0 a score must be to count as negative: the exact grid step of the scores where there is one."""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import Any

import numpy as np

from nnmip.data import Dataset, column_grids, decimal_grid
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Decision, Network
from nnmip.sema.values import fail
from nnmip.source import Span

STATED = 1e-4
LEAST = 1e-5


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


def _too_fine(step: Fraction, network: Network, data: Dataset, span: Span) -> DiagnosticError:
    wrong = "a negative score from 0" if network.output_shape == () else "two scores apart"
    message = f"scores lie on a grid of step {float(step):.3g}, too fine to tell {wrong}"
    help = "use `scale none`, so that the grid is that of the file"
    if data.scaling.is_identity:
        help = "round the data, or state a margin: `zero_one(net, data, margin: 0.01)`"
    return fail("NNM0404", message, span, help=help)


def score_grid(network: Network, data: Dataset, upto: str | None = None) -> Fraction | None:
    """The largest step of which every possible score is a multiple, or None; with `upto`, of the output of that layer.

    The grid of a column is that of the file's numbers, carried through the scaling in exact arithmetic.
    """
    columns = _input_grid(data)
    if columns is None:
        return None
    wanted = upto or network.result_layer
    grids = {network.input_name: columns}
    for layer in network.layers:
        grid = grids.get(layer.inputs[0])
        weights, bias = layer.decision("weights"), layer.decision("bias")
        if grid is not None and weights is not None:
            step = _domain_grid(weights)
            grid = step * grid if step is not None else None
        if grid is not None and bias is not None:
            bias_step = _domain_grid(bias)
            grid = _common(grid, bias_step) if bias_step is not None else None
        if layer.name == wanted:
            return grid
        if grid is not None:
            grids[layer.name] = grid
    return grids.get(wanted)


def _input_grid(data: Dataset) -> Fraction | None:
    scaling = data.scaling
    total: Fraction | None = None
    for j, (kind, raw) in enumerate(zip(scaling.kinds, column_grids(data.raw), strict=True)):
        if raw is None or kind == "standard":
            return None
        grid = raw
        if kind == "minmax":
            low, high = _exact(scaling.low[j]), _exact(scaling.high[j])
            least, greatest = data.raw[:, j].min(), data.raw[:, j].max()
            if (scaling.shift[j], scaling.width[j]) != (least, greatest - least):
                return None  # fitted to other rows, as for a test part: the ends are not among these numbers
            width = _exact(greatest) - _exact(least)
            grid = raw * (high - low) / width
            grid = _common(grid, low) if low else grid
        total = grid if total is None else _common(total, grid)
    return total


def _domain_grid(decision: Decision) -> Fraction | None:
    if not decision.domain.is_finite:
        return None
    return decimal_grid(np.array(decision.domain.values))


def _exact(value: float) -> Fraction:
    return Fraction(repr(float(value)))


def _common(a: Fraction, b: Fraction) -> Fraction:
    numerator = gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)
