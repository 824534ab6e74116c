"""`nnmip explain`: every word and code has a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.cli.main import run
from nnmip.diagnostics.codes import TITLES
from nnmip.manual import SECTIONS, explain, manual_path, sections, topics
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, WORDS
from nnmip.sema.annotations import ANNOTATIONS
from nnmip.syntax.tokens import RESERVED, SOFT_WORDS

_SPELLED = {"INTEGER": "int", "BOOLEAN": "bool"}
KEYWORDS = sorted(_SPELLED.get(kind, kind.lower()) for kind in RESERVED | SOFT_WORDS)


@pytest.mark.parametrize(
    "topic",
    [*KEYWORDS, *LAYERS, *WORDS, *sorted(FUTURE_LAYERS | FUTURE_WORDS), *ANNOTATIONS, *TITLES, "goals", "@formulation"],
)
def test_every_word_and_code_has_a_page(topic: str) -> None:
    text = explain(topic)
    assert text is not None and text.startswith("# ") and text.endswith("\n")
    assert "error=" not in text and "fragment=" not in text


@pytest.mark.parametrize("name", [*LAYERS, *WORDS])
def test_the_page_of_a_word_has_signature_encoding_and_example(name: str) -> None:
    text = explain(name)
    assert text is not None
    assert f"`{(LAYERS[name] if name in LAYERS else WORDS[name]).signature}`" in text
    assert "Encoding: " in text and "```nnm\n" in text


def test_a_section_ends_where_the_next_one_starts() -> None:
    goals = explain("minimize")
    assert goals is not None
    assert goals.startswith("# Goals\n") and "## Constraints" not in goals
    losses = explain("Losses")
    assert losses is not None
    assert "See also: `nnmip explain hinge`" in losses and "### `hinge`" not in losses


def test_titles_of_the_table_exist() -> None:
    assert manual_path() == Path(__file__).parents[2] / "grammar" / "reference.md"
    assert {title.lower() for title in SECTIONS} <= set(sections())
    assert len(set(topics())) == len(topics())


def test_without_a_topic_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {"relu", "hinge", "minimize", "NNM0312"} <= set(listed)
    for topic in listed:
        assert explain(topic) is not None


@pytest.mark.parametrize(
    ("topic", "help"),
    [
        ("rellu", "did you mean `relu`?"),
        ("NNM0313x", "did you mean `NNM0313`?"),
        ("minimise", "did you mean `minimize`?"),
        ("xyzzy", "`nnmip explain` lists all topics"),
    ],
)
def test_an_unknown_topic(topic: str, help: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", topic]) == 2
    assert f"there is no page on `{topic}`; {help}" in capsys.readouterr().err


def test_output_is_plain_unless_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "nnm0312"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# NNM0312: product of two decisions without an exact encoding\n")
    assert "\x1b" not in out


def test_a_terminal_gets_it_rendered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnmip.cli.explain.wants_colour", lambda stream: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(["explain", "relu"]) == 0
    out = capsys.readouterr().out
    assert "relu" in out and "```" not in out
