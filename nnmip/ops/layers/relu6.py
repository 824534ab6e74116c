"""`relu6`: values cut at 0 and 6, entry by entry."""

from __future__ import annotations

from nnmip.ops.activations import clipping

OP = clipping(
    "relu6",
    signature="relu6(z, prune: units)",
    summary="z cut at 0 and 6, entry by entry",
    options=(),
    ends=lambda options: (0.0, 6.0),
)
