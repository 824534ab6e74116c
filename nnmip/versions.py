"""Versions of what an answer depends on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from nnmip import __version__

METADATA = ".dist-info"
"""What the folder that tells of an installed package ends with, after its name and its version."""


def versions() -> dict[str, str]:
    """Versions of nnmip, Python and the packages that build and solve models; nothing is imported for it."""
    found = {"python": sys.version.split()[0], "nnmip": __version__}
    found |= {package: installed(package) for package in ("numpy", "mip", "highspy", "lark")}
    return {package: version for package, version in found.items() if version}


def installed(package: str) -> str:
    """The version of a package, or "" if it is not installed.

    The name of its folder tells; `importlib.metadata`, which looks inside and loads a reader of mail for it, is asked
    only where there is no such folder.
    """
    if version := _folders().get(package):
        return version
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@cache
def _folders() -> Mapping[str, str]:
    """The version of each package that has such a folder."""
    found: dict[str, str] = {}
    for place in reversed(sys.path):
        with suppress(OSError):
            names = [path.stem for path in Path(place or ".").iterdir() if path.suffix == METADATA]
            found |= {name: version for name, _, version in (name.partition("-") for name in names)}
    return found
