"""Versions of what an answer depends on."""

from __future__ import annotations

import importlib.metadata
import platform


def own_version() -> str:
    """The version of nnmip; empty where it runs without having been installed."""
    try:
        return importlib.metadata.version("nnmip")
    except importlib.metadata.PackageNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """Versions of nnmip, Python and the packages that build and solve models; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for package in ("nnmip", "numpy", "mip", "highspy", "lark"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
