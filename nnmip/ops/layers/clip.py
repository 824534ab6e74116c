"""`clip`: values cut at two ends, entry by entry."""

from __future__ import annotations

from nnmip.ops.activations import clipping
from nnmip.ops.base import Option

OP = clipping(
    "clip",
    signature="clip(z, low: 0, high: 6, prune: units)",
    summary="z cut at `low` and `high`, entry by entry",
    options=(Option("low", "number", default=0.0), Option("high", "number", default=6.0)),
    ends=lambda options: (options["low"], options["high"]),
)
