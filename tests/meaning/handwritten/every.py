"""Hand-written models, each for one corner of the language that a random model meets seldom."""

from __future__ import annotations

from pathlib import Path

from tests.meaning.generator import Model
from tests.meaning.handwritten.filters import FILTERS
from tests.meaning.handwritten.logic import LOGIC
from tests.meaning.handwritten.losses import LOSSES
from tests.meaning.handwritten.structure import STRUCTURE


def stored() -> dict[str, Model]:
    """Random models that single faults of the encodings were found with, from the folder `models`."""
    folders = sorted((Path(__file__).parents[1] / "models").iterdir())
    return {
        f"stored {folder.name}": Model(
            (folder / "model.nnm").read_text(encoding="utf-8"),
            {table.name: table.read_text(encoding="utf-8") for table in sorted(folder.glob("*.csv"))},
        )
        for folder in folders
    }


CORNERS: dict[str, Model] = {**STRUCTURE, **FILTERS, **LOGIC, **LOSSES, **stored()}
