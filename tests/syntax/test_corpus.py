"""The good files parse without a word; each bad file gives exactly the messages that its head announces.

A head line reads `#! LINE:COLUMN message | help`, where ` | help` may be missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.source import SourceFile
from nnmip.syntax.parser import parse

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.nnm"))
BAD = sorted((HERE / "bad").glob("*.nnm"))


def read(path: Path) -> SourceFile:
    return SourceFile(path.name, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_file_has_no_diagnostics(path: Path) -> None:
    result = parse(read(path))
    assert result.diagnostics == ()
    assert result.broken == frozenset()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_file_is_explained(path: Path) -> None:
    source = read(path)
    expected = [line.removeprefix("#! ") for line in source.text.splitlines() if line.startswith("#! ")]
    found = [
        f"{d.span.line}:{d.span.column} {d.message}" + (f" | {d.help}" if d.help else "")
        for d in parse(source).diagnostics
    ]
    assert expected
    assert found == expected


def test_corpus_is_there() -> None:
    assert len(GOOD) >= 33
    assert len(BAD) >= 95


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_messages_keep_the_house_style(path: Path) -> None:
    for diagnostic in parse(read(path)).diagnostics:
        texts = [diagnostic.message, diagnostic.label, diagnostic.help, *(label.text for label in diagnostic.secondary)]
        for text in texts:
            assert "\n" not in text
            assert not text.endswith(".") or text.endswith("...")
            assert text[:1] == text[:1].lower()
            for raw in ("Unexpected", "Token(", "__ANON", "LPAR", "$END"):
                assert raw not in text
        assert diagnostic.code in ("NNM0101", "NNM0102")
        assert diagnostic.message
