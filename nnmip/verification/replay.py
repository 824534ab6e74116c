"""Whether a point breaks a property where the networks come from: in their files, in the precision of these."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import FloatArray, Program
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.known import KnownNetwork

NOT_CONFIRMED = "a point was found that breaks it in 64-bit arithmetic, but not as ONNX Runtime runs the file"

BELOW_ROUNDING = "it is broken by {:.2g}, too little to see in 64-bit arithmetic"


class FromFiles(Evaluator):
    """Values of expressions in which networks are run from their files, where these can be run."""

    def _applied(self, known: KnownNetwork, points: FloatArray) -> FloatArray:
        if known.file is None:
            return super()._applied(known, points)
        inputs = points.reshape(-1, *known.network.input_shape)
        return np.stack([known.file.run(x).reshape(known.network.output_shape) for x in inputs])


def has_files(program: Program) -> bool:
    """Whether a network can be run from its file."""
    return any(known.file is not None for known in program.known)


def stored(program: Program, point: FloatArray, box: Interval | None) -> Iterator[FloatArray]:
    """A point [entries] in single precision, where a file reads that, moved into a box; then as it is."""
    if any(known.file is not None and known.file.type is np.float32 for known in program.known):
        single = point.astype(np.float32)
        if box is not None:
            lo, hi = box.lo.reshape(-1), box.hi.reshape(-1)
            down, up = np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))
            single = np.where(single > hi, down, np.where(single < lo, up, single))
        yield single.astype(np.float64)
    yield point
