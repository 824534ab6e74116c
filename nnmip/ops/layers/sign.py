"""`sign`: 1 from 0 on, else -1, entry by entry."""

from __future__ import annotations

from nnmip.ops.activations import threshold

OP = threshold(
    "sign",
    signature="sign(z, prune: units, strictness: 1e-4)",
    summary="1 where z is at least 0, else -1, entry by entry",
    below=-1.0,
)
