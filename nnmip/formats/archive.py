"""NPZ archives of plain arrays, read whole; nothing in them is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from nnmip.diagnostics import DiagnosticError
from nnmip.sizes import ENTRY, Allowance
from nnmip.source import SourceFile, Span


def read_archive(path: Path, allowance: Allowance) -> dict[str, NDArray[Any]] | None:
    """The arrays of an archive by name, None where it is not one of plain arrays.

    Raises OSError where it cannot be opened, DiagnosticError NNM0310 where it is larger, unpacked, than is allowed.
    """
    try:
        with ZipFile(path) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
        span = Span(SourceFile(str(path), ""), 0, 0)
        allowance.check(unpacked, ENTRY / 8, f"`{path.name}`, unpacked,", span)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, DiagnosticError):
        raise
    except Exception:  # whatever zipfile, zlib and NumPy raise for a damaged archive means the same
        return None
    return arrays if all(isinstance(array, np.ndarray) for array in arrays.values()) else None
