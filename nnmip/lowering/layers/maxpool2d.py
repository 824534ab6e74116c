"""`maxpool2d` as the largest of every window, alone or with the 0 of a ReLU before it."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.piecewise import largest
from nnmip.milp.affine import Affine, concatenate
from nnmip.ops.windows import pooled_entries


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """max over each window, with one pick a candidate (`piecewise.largest`). Exact.

    Where the pool is the only reader of a ReLU, the signal is what the ReLU reads, and 0 is a further candidate:
    max(max(0, z_1), ...) = max(0, z_1, ...), because the positive part is nondecreasing.
    """
    (a,) = inputs
    if a.is_data and not low.is_fused(network, layer):
        return constant(layer, inputs, bounds)
    n, shape = len(a.value.const), a.value.shape[1:]
    entries = pooled_entries(shape, dict(layer.options), "maxpool2d")
    if low.is_fused(network, layer):
        entries = np.concatenate([entries, np.full((len(entries), 1), -2)], axis=1)
    # Two more places behind the entries: what is never the largest, and 0.
    never = float(a.bounds.lo.min()) - 1.0
    size = a.value.size
    values = concatenate([a.value, Affine.constant(np.array([never, 0.0]))])
    lo, hi = (np.append(end.reshape(-1), [never, 0.0]) for end in (a.bounds.lo, a.bounds.hi))
    rows = np.arange(n)[:, None, None] * (size // n)
    places = np.where(entries >= 0, rows + entries, np.where(entries == -1, size, size + 1))
    places = places.reshape(-1, places.shape[-1])
    candidates = Interval(lo[places], hi[places])
    y = largest(low, path, values.gather(places), candidates, Polarity.EXACT, layer.origin)
    return Signal(y.reshape((n, *layer.shape)), bounds)
