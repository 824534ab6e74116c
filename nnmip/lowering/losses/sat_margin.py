"""`sat_margin` as one error binary for each distinct row, output and side of 0."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.losses.zero_one import counted_errors
from nnmip.lowering.networks import apply_network
from nnmip.lowering.scores import Groups, Leads
from nnmip.milp.affine import Affine
from nnmip.ops.losses.sat_margin import wanted_signs


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g err_g over groups g of rows with one distinct row, output and wanted sign s: errors as those of
    `zero_one` with the one lead s f against the threshold of the output. Exact, with proved big-M.
    """
    found = _signed_outputs(low, node)
    outputs = len(node.option("required"))
    required = np.array(node.option("required"))[found.groups.distinct % outputs][:, None]
    return counted_errors(low, node, polarity, path, found, required)


def _signed_outputs(low: Lowering, node: Apply) -> Leads:
    """s f for every distinct row and output, of which each is a group of its own: [g, 1]."""
    assert node.network is not None and node.data is not None
    data = low.program.dataset(node.data)
    passed = apply_network(low, node.network, node.data)
    scores, bounds = passed.scores.value, passed.scores.bounds
    outputs = scores.size // max(1, scores.shape[0])
    counted = data.sample_weights > 0
    total = data.sample_weights.sum() if node.option("reduce") == "mean" else 1.0
    places = (passed.inverse[counted][:, None] * outputs + np.arange(outputs)).reshape(-1)
    signs = wanted_signs(data.labels, outputs)[counted].reshape(-1)
    keys, inverse = np.unique(np.stack([places.astype(np.float64), signs], axis=1), axis=0, return_inverse=True)
    weights = np.repeat(data.sample_weights[counted], outputs)
    groups = Groups(keys[:, 0].astype(np.int64), keys[:, 1:], np.bincount(inverse.reshape(-1), weights) / total)
    at, sign = groups.distinct[:, None], groups.truth
    ends = np.stack([sign * end.reshape(-1)[at] for end in (bounds.lo, bounds.hi)])
    value = scores.reshape((scores.size,)).gather(at) * sign
    return Leads(value, Interval(ends.min(axis=0), ends.max(axis=0)), np.zeros(sign.shape, dtype=bool), groups)
