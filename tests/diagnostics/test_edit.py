"""Edits that messages propose: what a help means, and what a text becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.diagnostics import Diagnostic, Edit
from nnmip.diagnostics.edit import (
    apply_edits,
    delete,
    insert_after,
    insert_before,
    replacement,
    substitute,
    substitute_inside,
)
from nnmip.diagnostics.sarif import to_sarif
from nnmip.source import SourceFile, Span

FILE = SourceFile("a.nnm", 'let a = b\n  old line  \nlet c = "d" + d2\n')


def span(text: str) -> Span:
    start = FILE.text.index(text)
    return Span(FILE, start, start + len(text))


@pytest.mark.parametrize(
    ("help", "text"),
    [
        ("did you mean `relu`?", "relu"),
        ("write `=`", "="),
        ("write `->` for an implication, `>=` for a comparison", "->"),
        ("both sides are whole numbers: write `a <= 3`", "a <= 3"),
        ("write `test`, as in `split test 0.3`", "test"),
        ("write `i in D: ...` with a new name `i`", None),
        ("for example `[-1, 1]`", None),
        ("its signature is `hinge(net, data)`", None),
        ("", None),
    ],
)
def test_what_a_help_puts_in_the_place_of_the_caret(help: str, text: str | None) -> None:
    assert replacement(help) == text


def test_a_quoted_text_stays_quoted() -> None:
    (edit,) = Diagnostic("NNM0501", "no file", span('"d"'), help="did you mean `e`?").edits
    assert edit == Edit(span('"d"'), '"e"')


def test_a_stated_fix_comes_before_the_help() -> None:
    fix = insert_after(span("b"), "1")
    assert Diagnostic("NNM0201", "m", span("b"), help="write `x`", fix=fix).edits == fix
    assert Diagnostic("NNM0201", "m", span("b"), help="think again").edits == ()


def test_edits_of_a_text() -> None:
    edits = [*insert_before(span("b"), "("), *insert_after(span("b"), ")"), *substitute(span("d2"), "e")]
    assert apply_edits(FILE, edits) == 'let a = (b)\n  old line  \nlet c = "d" + e\n'
    assert apply_edits(FILE, delete(span("old line  "))) == 'let a = b\nlet c = "d" + d2\n'
    assert apply_edits(FILE, delete(span("b"))) == 'let a =\n  old line  \nlet c = "d" + d2\n'


def test_of_overlapping_edits_the_first_counts_and_other_files_stay_out() -> None:
    other = SourceFile("b.nnm", "let a = b")
    edits = [*substitute(span("a = b"), "x"), *substitute(span("b"), "y"), Edit(Span(other, 0, 3), "z")]
    assert apply_edits(FILE, edits).startswith("let x\n")


def test_a_word_inside_a_span() -> None:
    whole = span('let c = "d" + d2')
    (edit,) = substitute_inside(whole, "d", "e")
    assert apply_edits(FILE, [edit]).endswith('let c = "e" + d2\n')
    assert substitute_inside(whole, "z", "e") == ()
    assert substitute_inside(Span(FILE, 0, len(FILE.text)), "let", "e") == ()


def test_sarif_has_the_fix() -> None:
    found = [Diagnostic("NNM0201", "m", span("b"), help="did you mean `a`?"), Diagnostic("NNM0201", "m", span("b"))]
    first, second = to_sarif(found, "1")["runs"][0]["results"]
    (fix,) = first["fixes"]
    assert fix["description"] == {"text": "did you mean `a`?"}
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"] == {"uri": Path("a.nnm").as_posix()}
    (done,) = change["replacements"]
    assert done["deletedRegion"] == {"startLine": 1, "startColumn": 9, "endLine": 1, "endColumn": 10}
    assert done["insertedContent"] == {"text": "a"}
    assert "fixes" not in second
