"""The starter project that `nnmip init` writes: a commented model, its table, and rows to predict."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

FILES = ("model.nnm", "plants.csv", "new.csv")


def starter_files() -> Mapping[str, bytes]:
    """The content of each file of the project by its name."""
    folder = resources.files(__name__)
    return {name: folder.joinpath(name).read_bytes() for name in FILES}
