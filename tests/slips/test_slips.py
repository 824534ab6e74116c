"""Slips of a newcomer, each with the message it gets; the fix that the message carries mends the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.source import SourceFile
from tests.slips.catalogue import CATALOGUES, FOLDER, GOOD, Slip, check, errors, fixed, slips, transcript

ONLY_THE_USER_KNOWS = {
    "The label is missing",
    "Codes 0 and 1",
    "A feature that is text",
    "A class that the data does not have",
    "A property over the whole domain as one of two choices, for a network with a hidden layer",
}
"""Slips whose message says what to do, and cannot do it."""

SLIPS = [pytest.param(slip, id=slip.title) for catalogue in CATALOGUES for slip in slips(catalogue)]


def test_the_model_is_good() -> None:
    assert check(SourceFile("model.nnm", GOOD)) == ()


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda path: path.stem)
def test_messages_are_those_of_the_catalogue(catalogue: Path, is_update: bool) -> None:
    wanted = transcript(catalogue)
    if is_update:
        catalogue.write_text(wanted, encoding="utf-8")
    assert catalogue.read_text(encoding="utf-8") == wanted


@pytest.mark.parametrize("slip", SLIPS)
def test_the_fix_of_the_message_works(slip: Slip) -> None:
    found = errors(slip.found())
    assert found
    if slip.title in ONLY_THE_USER_KNOWS:
        assert not any(diagnostic.edits for diagnostic in found)
        return
    assert found[0].edits, "the message has no fix"
    again = fixed(slip)
    assert errors(check(again)) == [], again.text


def test_there_are_many_slips() -> None:
    assert len(SLIPS) >= 100
    assert len({slip.title for catalogue in CATALOGUES for slip in slips(catalogue)}) == len(SLIPS)
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} <= {".md", ".nnm", ".csv", ".py"}
