"""The steps on which the values of a network's layers lie, where every weight, bias and input lies on a grid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from nnmip.data import Dataset, column_grids, decimal_grid
from nnmip.hir.core import Decision, Layer, Network
from nnmip.ops.base import common_grid
from nnmip.ops.registry import LAYERS

STATED = 1e-4
"""The strictness that is taken where there is no exact one."""

LEAST = 1e-5
"""The finest step that solvers can tell from 0."""


def score_grid(network: Network, data: Dataset, upto: str | None = None) -> Fraction | None:
    """A step of which every possible score is a multiple, or None; with `upto`, every output of that layer."""
    return layer_grids(network, data)[upto or network.result_layer]


def layer_grids(network: Network, data: Dataset) -> dict[str, Fraction | None]:
    """For the input and every layer a step of which every possible value is a multiple, None where there is none.

    The grid of a column is that of the file's numbers, carried through the scaling in exact arithmetic.
    """
    shapes = {network.input_name: network.input_shape}
    grids = {network.input_name: _input_grid(data)}
    for layer in network.layers:
        sources = [grids[name] for name in layer.inputs]
        known = tuple(step for step in sources if step is not None)
        grids[layer.name] = None
        if len(known) == len(sources):
            grids[layer.name] = _layer_grid(layer, known, tuple(shapes[name] for name in layer.inputs))
        if layer.skip is not None:
            own, other = grids[layer.name], grids[layer.skip]
            grids[layer.name] = common_grid(own, other) if own is not None and other is not None else None
        shapes[layer.name] = layer.shape
    return grids


def _layer_grid(layer: Layer, steps: tuple[Fraction, ...], shapes: tuple[tuple[int, ...], ...]) -> Fraction | None:
    weights, bias = layer.decision("weights"), layer.decision("bias")
    if weights is None:
        return LAYERS[layer.op].grid(steps, shapes, dict(layer.options))
    terms = [_domain_grid(weights), _domain_grid(bias) if bias is not None else Fraction(0)]
    known = [term for term in terms if term is not None]
    return common_grid(known[0] * steps[0], known[1]) if len(known) == 2 else None


def _input_grid(data: Dataset) -> Fraction | None:
    scaling = data.scaling
    total = Fraction(0)
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
            grid = common_grid(raw * (high - low) / width, abs(low))
        total = common_grid(total, grid)
    return total


def _domain_grid(decision: Decision) -> Fraction | None:
    if not decision.domain.is_finite:
        return None
    return decimal_grid(np.array(decision.domain.values))


def _exact(value: float) -> Fraction:
    return Fraction(repr(float(value)))
