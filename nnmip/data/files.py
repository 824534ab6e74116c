"""Files of data: whether they can be read, and the message where they cannot."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.source import Span
from nnmip.syntax.suggest import closest

SEARCHED_FILES = 1000

FROM_MODEL = "paths start from the folder of the model file"
FROM_WORKING_DIRECTORY = "a path from outside the model starts from the working directory"


KEEP_LESS = "keep the rows and columns that the model needs"


def check_file(path: Path, span: Span, kind: str, base: str = FROM_MODEL) -> int:
    """The bytes of a regular file; DiagnosticError NNM0501 at `span` for anything else.

    `kind` is what such a file is called, such as `CSV`; `base` says where paths start.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _missing(path, span, base) from None
    except (OSError, ValueError) as error:
        raise unreadable(f"`{path}` cannot be read", span, reason(error)) from None
    if stat.S_ISDIR(status.st_mode):
        raise unreadable(f"`{path}` is a folder", span, help=f"name {_article(kind)} {kind} file in it")
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(f"`{path}` is not a regular file", span)
    return status.st_size


def _article(kind: str) -> str:
    return "an" if kind.startswith("N") else "a"


def _missing(path: Path, span: Span, base: str) -> DiagnosticError:
    folder = path.parent
    if not folder.is_dir():
        return unreadable(f"no file `{path}`", span, note=f"there is no folder `{folder}`")
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, SEARCHED_FILES) if entry.is_file())
    except OSError:
        names = []
    near = closest(path.name, names)
    help = f"did you mean `{near}`?" if near else ""
    return unreadable(f"no file `{path}`", span, help=help, note=base)


def reason(error: OSError | ValueError) -> str:
    """Why the system refused, in its own words."""
    text = error.strerror if isinstance(error, OSError) else None
    return (text or "the path is not usable").lower()


def unreadable(message: str, span: Span, label: str = "", *, help: str = "", note: str = "") -> DiagnosticError:
    """The exception NNM0501, to be raised."""
    return DiagnosticError([Diagnostic("NNM0501", message, span, label, help=help, note=note)])
