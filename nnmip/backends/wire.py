"""The bytes between nnmip and its solver process: frames of one JSON line and a run of raw bytes.

Nothing is pickled. A frame is a JSON object on one line, whose entry `bytes` counts the raw bytes that follow.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from nnmip.milp.model import FloatArray, Milp

Header = dict[str, Any]
END_OF_JOB = "\x00end-of-job"
"""The line on the noise stream that says that everything the solver printed lies before it."""

MUTE = "\x00mute"
"""The line on the noise stream after which the solver works on an auxiliary model, whose bounds mean nothing here."""

_ARRAYS = ("indptr", "indices", "data", "row_lb", "row_ub", "col_lb", "col_ub", "integer", "cost")


def write_frame(stream: IO[bytes], header: Mapping[str, object], payload: bytes = b"") -> None:
    """Write one frame and flush it; raises OSError (BrokenPipeError) when the other side has gone."""
    line = json.dumps({**header, "bytes": len(payload)})
    stream.write(line.encode() + b"\n" + payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[Header, bytes] | None:
    """The next frame, or None at the end of the stream, also when that comes in the middle of a frame.

    Raises ValueError when the bytes are not a frame.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header = json.loads(line)
    if not isinstance(header, dict) or not isinstance(header.get("bytes"), int):
        raise ValueError("not a frame")
    payload = stream.read(header["bytes"])
    return (header, payload) if len(payload) == header["bytes"] else None


def pack_problem(milp: Milp, start: FloatArray | None) -> bytes:
    """The arrays of a model and of an optional start as an uncompressed npz archive; names are left behind."""
    arrays: dict[str, Any] = {name: getattr(milp, name) for name in _ARRAYS}
    arrays["offset"] = np.float64(milp.offset)
    if start is not None:
        arrays["start"] = start
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def unpack_problem(payload: bytes) -> tuple[Milp, FloatArray | None]:
    """The model and the start that `pack_problem` packed."""
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in _ARRAYS}
        offset = float(archive["offset"])
        start = archive["start"] if "start" in archive.files else None
    return Milp(**arrays, offset=offset, columns=(), rows=()), start


def pack_vector(x: FloatArray | None) -> bytes:
    """A vector as raw little-endian float64 bytes; nothing for None."""
    return b"" if x is None else np.ascontiguousarray(x, dtype="<f8").tobytes()


def unpack_vector(payload: bytes) -> FloatArray | None:
    """The vector that `pack_vector` packed, or None for no bytes."""
    return np.frombuffer(payload, dtype="<f8").astype(np.float64) if payload else None
