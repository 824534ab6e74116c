"""Diagnostics as text and as JSON, character by character."""

from __future__ import annotations

import json

from nnmip.diagnostics import Diagnostic, Label, Severity
from nnmip.diagnostics.render import render_text, to_json
from nnmip.source import SourceFile, Span

NETWORK = SourceFile(
    "iris.nnm",
    "nnm 0.1\n"
    "network clf(x: real[2]) {\n"
    "  layer h = dense(x, units: 2, weights in [-2, 2])\n"
    "  layer a = relu(h)\n"
    "  layer o = dense(a, units: 1, weights in [-1, 1])\n"
    "  layer p = relu(o)\n"
    "  layer q = relu(p)\n"
    "  return q\n"
    "}\n",
)


def span(source: SourceFile, text: str, nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Span(source, start, start + len(text))


def error(place: Span, label: str = "", *secondary: Label, help: str = "", note: str = "") -> Diagnostic:
    return Diagnostic("NNM0312", "layer `o` multiplies two decisions", place, label, secondary, help, note)


def lines(text: str) -> str:
    return text.removeprefix("\n").rstrip("\n")


def test_one_mark_with_help_and_note() -> None:
    diagnostic = error(span(NETWORK, "relu(h)"), "here", help="write `abs`", note="a fact")
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:4:13
   |
 4 |   layer a = relu(h)
   |             ^^^^^^^ here
   = help: write `abs`
   = note: a fact
"""
    )


def test_second_marks_on_the_same_and_on_another_line() -> None:
    diagnostic = error(
        span(NETWORK, "dense", 1),
        "",
        Label(span(NETWORK, "weights in [-1, 1]"), "and these are free too"),
        Label(span(NETWORK, "weights in [-2, 2]"), "`a` depends on these free weights"),
        help="a finite set keeps the model linear:  weights in {-1, 0, 1}",
    )
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:5:13
   |
 3 |   layer h = dense(x, units: 2, weights in [-2, 2])
   |                                ------------------ `a` depends on these free weights
 5 |   layer o = dense(a, units: 1, weights in [-1, 1])
   |             ^^^^^              ------------------ and these are free too
   = help: a finite set keeps the model linear:  weights in {-1, 0, 1}
"""
    )


def test_distant_lines_are_joined_by_dots() -> None:
    diagnostic = error(span(NETWORK, "return"), "", Label(span(NETWORK, "clf"), "in this network"))
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:8:3
   |
 2 | network clf(x: real[2]) {
   |         --- in this network
...
 8 |   return q
   |   ^^^^^^
"""
    )


def test_several_texts_under_one_line() -> None:
    diagnostic = error(
        span(NETWORK, "dense"),
        "first",
        Label(span(NETWORK, "units: 2"), "second"),
        Label(span(NETWORK, "weights in [-2, 2]"), "third"),
    )
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:3:13
   |
 3 |   layer h = dense(x, units: 2, weights in [-2, 2])
   |             ^^^^^    --------  ------------------ third
   |             |        |
   |             |        second
   |             first
"""
    )


def test_overlapping_marks_show_the_primary_one_on_top() -> None:
    diagnostic = error(span(NETWORK, "units"), "this", Label(span(NETWORK, "dense(x, units: 2"), "in this call"))
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:3:22
   |
 3 |   layer h = dense(x, units: 2, weights in [-2, 2])
   |             ---------^^^^^--- in this call
   |                      |
   |                      this
"""
    )


def test_a_secondary_mark_inside_the_primary_one_is_not_drawn() -> None:
    diagnostic = error(span(NETWORK, "dense(x, units: 2"), "", Label(span(NETWORK, "units"), "this"))
    assert render_text([diagnostic]).splitlines()[4:] == [
        "   |             ^^^^^^^^^^^^^^^^^",
        "   |                      |",
        "   |                      this",
    ]


def test_marks_in_two_files() -> None:
    other = SourceFile("lib/base.nnm", "nnm 0.1\nparam n : int\n")
    diagnostic = error(span(NETWORK, "clf"), "declared again", Label(span(other, "n", 2), "first declared here"))
    assert render_text([diagnostic]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> iris.nnm:2:9
   |
 2 | network clf(x: real[2]) {
   |         ^^^ declared again
  ::: lib/base.nnm:2:7
   |
 2 | param n : int
   |       - first declared here
"""
    )


def test_several_diagnostics_are_separated_by_a_blank_line() -> None:
    warning = Diagnostic("NNM0403", "large big-M", span(NETWORK, "relu(o)"), severity=Severity.WARNING)
    text = render_text([error(span(NETWORK, "h")), warning])
    assert "\n\nwarning[NNM0403]: large big-M\n  --> iris.nnm:6:13\n" in text
    assert render_text([]) == ""


def test_gutter_grows_with_the_line_number() -> None:
    source = SourceFile("long.nnm", "\n" * 1233 + "var x\n")
    assert render_text([error(span(source, "x"))]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
    --> long.nnm:1234:5
     |
1234 | var x
     |     ^
"""
    )


def test_tabs_wide_and_invisible_characters_keep_the_caret_in_place() -> None:
    source = SourceFile("wide.nnm", '\tlet\tx = "日本 e\u0301 \x1b[31m" + y\n')
    assert render_text([error(span(source, "y"))]) == lines(
        """
error[NNM0312]: layer `o` multiplies two decisions
  --> wide.nnm:1:26
   |
 1 |     let x = "日本 e\u0301 \ufffd[31m" + y
   |                              ^
"""
    )


def test_a_span_over_several_lines_is_marked_on_its_first() -> None:
    whole = Span(NETWORK, NETWORK.text.index("network"), len(NETWORK.text))
    assert render_text([error(whole, "all of it")]).splitlines()[3:] == [
        " 2 | network clf(x: real[2]) {",
        "   | ^^^^^^^^^^^^^^^^^^^^^^^^^ all of it",
    ]


def test_empty_span_at_the_end_and_in_an_empty_file() -> None:
    source = SourceFile("end.nnm", "nnm 0.1")
    assert render_text([error(Span(source, 7, 7))]).splitlines()[3:] == [" 1 | nnm 0.1", "   |        ^"]
    empty = SourceFile("empty.nnm", "")
    assert render_text([error(Span(empty, 0, 0))]).splitlines()[1:] == ["  --> empty.nnm"]


def test_a_long_line_is_cut_around_each_mark() -> None:
    source = SourceFile("long.nnm", "a" * 300 + "X" + "b" * 300 + "Y\n")
    diagnostic = error(span(source, "X"), "one", Label(span(source, "Y"), "two"))
    rows = render_text([diagnostic], width=30).splitlines()[3:]
    assert rows == [
        " 1 | ..." + "a" * 10 + "X" + "b" * 19 + "...",
        "   | " + " " * 13 + "^ one",
        " 1 | ..." + "b" * 29 + "Y",
        "   | " + " " * 32 + "- two",
    ]
    start = error(Span(source, 0, 100))
    assert render_text([start], width=30).splitlines()[3:] == [" 1 | " + "a" * 30 + "...", "   | " + "^" * 30]


def test_a_line_of_a_hundred_thousand_characters() -> None:
    source = SourceFile("long.nnm", "日" * 50_000 + "X" + "b" * 50_000)
    row, carets = render_text([error(span(source, "X"))]).splitlines()[3:]
    assert len(row) < 200
    assert "日X" in row
    assert carets.strip("| ") == "^"


def test_colour_only_when_asked() -> None:
    diagnostic = error(span(NETWORK, "relu(h)"), "here", help="write `abs`")
    assert "\x1b" not in render_text([diagnostic])
    colored = render_text([diagnostic], color=True)
    assert colored.startswith("\x1b[1;31merror[NNM0312]\x1b[0m\x1b[1m: layer `o`")
    assert "\x1b[1;31m^^^^^^^ here\x1b[0m" in colored
    plain = colored
    for code in ("\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render_text([diagnostic])


def test_messages_cannot_break_the_layout() -> None:
    diagnostic = Diagnostic("NNM0101", "a\nb\x1b[2J", span(NETWORK, "clf"), help="c\td")
    text = render_text([diagnostic])
    assert text.splitlines()[0] == "error[NNM0101]: a b\ufffd[2J"
    assert text.splitlines()[-1] == "   = help: c d"


def test_json() -> None:
    diagnostic = error(
        span(NETWORK, "relu(h)"), "here", Label(span(NETWORK, "x"), "there"), help="write `abs`", note="a fact"
    )
    (found,) = json.loads(json.dumps(to_json([diagnostic])))
    assert found == {
        "code": "NNM0312",
        "severity": "error",
        "message": "layer `o` multiplies two decisions",
        "file": "iris.nnm",
        "line": 4,
        "column": 13,
        "end_line": 4,
        "end_column": 20,
        "label": "here",
        "help": "write `abs`",
        "note": "a fact",
        "edits": [
            {"file": "iris.nnm", "line": 4, "column": 13, "end_line": 4, "end_column": 20, "text": "abs"},
        ],
        "secondary": [{"file": "iris.nnm", "line": 2, "column": 13, "end_line": 2, "end_column": 14, "label": "there"}],
    }
