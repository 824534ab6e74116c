"""`step`: 1 from 0 on, else 0, entry by entry."""

from __future__ import annotations

from nnmip.ops.activations import threshold

OP = threshold(
    "step",
    signature="step(z, prune: units, strictness: 1e-4)",
    summary="1 where z is at least 0, else 0, entry by entry",
    below=0.0,
    gives_bits=lambda bits: True,
)
