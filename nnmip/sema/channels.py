"""`net.c.channels`: which channels of its input a convolution reads."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Apply, Fold, Gather, Layer, Node, Reference
from nnmip.sema.values import origin_of
from nnmip.source import Span


def channels_read(layer: Layer, span: Span) -> Node:
    """For each channel that a convolution reads from whether some weight of it is not 0, shape [channels]."""
    weights = layer.decision("weights")
    assert weights is not None
    channel = layer.channels.reshape(-1)
    count = int(channel.max()) + 1
    places = np.argsort(channel, kind="stable").reshape(count, -1)
    entries = Gather(Reference(weights, origin_of(span)), places, origin_of(span))
    nonzero = Apply("nonzero", (entries,), None, None, (), entries.shape, True, origin_of(span))
    return Fold("or", nonzero, origin_of(span), batch=1)
