"""`hard_tanh`: values cut at -1 and 1, entry by entry."""

from __future__ import annotations

from nnmip.ops.activations import clipping

OP = clipping(
    "hard_tanh",
    signature="hard_tanh(z, prune: units)",
    summary="z cut at -1 and 1, entry by entry",
    options=(),
    ends=lambda options: (-1.0, 1.0),
)
