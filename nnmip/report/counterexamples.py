"""Counterexamples as files: the verdict as JSON, every tensor as an array, and as a picture where it is an image."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from nnmip.formats.atomic import atomic_file
from nnmip.hir.core import FloatArray
from nnmip.verification.verdict import Verdict

LEAST_SIDE = 4
"""A matrix is taken for an image from so many pixels a side on."""


def save_counterexample(verdict: Verdict, folder: Path) -> list[Path]:
    """Write what breaks a property into a folder, in the user's units; the files, `NAME.json` first.

    Each tensor x goes to `NAME.x.npy`, all digits kept; one of shape [h, w], [1, h, w] or [3, h, w] to `NAME.x.png`,
    least to largest entry from black to white, where matplotlib is installed (the extra `nnmip[plot]`). Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{verdict.name}.json"]
    _write(files[0], json.dumps(verdict.to_json(), indent=1).encode() + b"\n")
    for name, array in verdict.counterexample.items():
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        files.append(folder / f"{verdict.name}.{name}.npy")
        _write(files[-1], stream.getvalue())
        picture = _picture(array)
        if picture is not None:
            files.append(folder / f"{verdict.name}.{name}.png")
            _write(files[-1], picture)
    return files


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as stream:
        stream.write(content)


def _picture(array: FloatArray) -> bytes | None:
    """An image as a PNG; None for what is none, and where matplotlib is missing."""
    shape = array.shape[1:] if array.ndim == 3 and len(array) in (1, 3) else array.shape
    if len(shape) != 2 or min(shape) < LEAST_SIDE:
        return None
    try:
        from matplotlib.image import imsave
    except ImportError:
        return None
    lo, width = float(array.min()), float(np.ptp(array)) or 1.0
    channels = np.broadcast_to(array.reshape(-1, *shape), (3, *shape))
    stream = io.BytesIO()
    imsave(stream, np.clip((channels - lo) / width, 0.0, 1.0).transpose(1, 2, 0), format="png")
    return stream.getvalue()
