"""Texts that are too long or too deep end in a message, never in a crash."""

from __future__ import annotations

import pytest

import nnmip
from nnmip.diagnostics.model import MOST_MISTAKES
from nnmip.source import SourceFile
from nnmip.syntax.limits import MAX_DEPTH, MAX_TERMS
from nnmip.syntax.parser import ParseResult, parse, parse_expression


def read(text: str) -> ParseResult:
    return parse(SourceFile("test.nnm", f"nnm 0.1\n{text}\nvar last : bool\n"))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000 + "x" + ")" * 50_000,
        "not " * 10_000 + "x",
        "- " * 10_000 + "x",
        "a -> " * 10_000 + "x",
        "forall i in S: " * 3_000 + "x",
        "if a then b else " * 3_000 + "x",
        "x" + ".a" * 10_000,
        "x" + "[0]" * 10_000,
        "x" + "(1)" * 10_000,
        "f(k: " * 5_000 + "x" + ")" * 5_000,
        "x in {" * 5_000 + "x" + "}" * 5_000,
    ],
    ids=lambda text: text[:8],
)
def test_deep_nesting_is_located(text: str) -> None:
    result = read(f"constraint c: {text}")
    (found,) = result.diagnostics
    assert found.message == f"nested deeper than {MAX_DEPTH} levels"
    assert found.span.line == 2
    assert len(result.file.declarations) == 1
    assert result.broken == {"c"}


def test_usual_nesting_is_fine() -> None:
    assert read("let a = " + "(" * 150 + "x" + ")" * 150).diagnostics == ()


OPENINGS = {
    "(": (")", 1),
    "not ": ("", 1),
    "a -> ": ("", 1),
    "a + (": (")", 2),
    "if a then b else ": ("", 1),
    "exists i in S where p: ": ("", 1),
    "exists i in 0..2, j : int in S, k in T where p: ": ("", 1),
    "[1, 2, 3, ": ("]", 1),
    "f(a, b, c, k: ": (")", 2),
    "f(i in S, j in T where a: ": (")", 2),
    "a[1, 2, 3:4:": ("]", 2),
    "x in {1} | {2} | {": ("}", 3),
    "a < b <= (": (")", 2),
}


@pytest.mark.parametrize("opening", OPENINGS)
def test_the_parser_stops_at_no_text_that_may_be(opening: str) -> None:
    """It counts words and signs, not levels: what has as many levels as may be has never too many of these."""
    closing, levels = OPENINGS[opening]
    assert read(f"constraint a: {nested(opening, closing, MAX_DEPTH // levels - 2)}").diagnostics == ()
    (found,) = read(f"constraint a: {nested(opening, closing, MAX_DEPTH // levels + 2)}").diagnostics
    (other,) = read(f"constraint a: {nested(opening, closing, 10 * MAX_DEPTH)}").diagnostics
    assert found.message == other.message == f"nested deeper than {MAX_DEPTH} levels"
    assert 0 <= other.span.start - found.span.start < 6 * len(opening) * MAX_DEPTH


def nested(opening: str, closing: str, levels: int) -> str:
    return opening * levels + "x" + closing * levels


def test_deep_declarations_do_not_hide_other_mistakes() -> None:
    deep = "(" * 5000 + "x" + ")" * 5000
    found = read(f"let a = {deep}\nvar x\nlet b = a + 1\nlet c = {deep}\nlet d = )").diagnostics
    assert [(d.span.line, d.message) for d in found] == [
        (2, f"nested deeper than {MAX_DEPTH} levels"),
        (3, "`x` needs a type"),
        (5, f"nested deeper than {MAX_DEPTH} levels"),
        (6, "`)` closes nothing"),
    ]
    assert {d.code for d in found} == {"NNM0101"}


def test_an_option_may_not_be_deep() -> None:
    assert parse_expression(SourceFile("-D a", "(" * 5000 + "x" + ")" * 5000)) is None


@pytest.mark.parametrize("bracket", ["(", "[", "{", "f("])
def test_many_unclosed_brackets(bracket: str) -> None:
    (few,) = read("let a = " + bracket * 90).diagnostics
    (many,) = read("let a = " + bracket * 20_000).diagnostics
    assert few.message == f"`{bracket[-1]}` is never closed"
    assert many.message == f"nested deeper than {MAX_DEPTH} levels"
    assert few.span.line == many.span.line == 2


def test_many_closing_brackets() -> None:
    (found,) = read("let a = x" + ")" * 20_000).diagnostics
    assert (found.message, found.span.column) == ("`)` closes nothing", 10)


def test_long_sums() -> None:
    assert read("let a = " + " + ".join(["x"] * MAX_TERMS)).diagnostics == ()
    (found,) = read("let a = " + " + ".join(["x"] * (MAX_TERMS + 1))).diagnostics
    assert found.message == f"more than {MAX_TERMS} operands in one chain"
    assert "sum(" in found.help


def test_long_lists_unions_and_chains() -> None:
    text = f"let a = [{'1, ' * 20_000}1]\nvar u : real in {'{1} | ' * 5_000}{{2}}\nconstraint c: {'a <= ' * 5_000}b"
    assert read(text).diagnostics == ()


def test_long_line_with_an_error_at_its_end() -> None:
    (found,) = read("let a = [" + "1," * 50_000 + "1 2]").diagnostics
    assert (found.message, found.span.column) == ("a comma is missing", 10 + 100_000 + 2)


def test_huge_numbers() -> None:
    result = read("param a : int = " + "9" * 641)
    assert [d.message for d in result.diagnostics] == ["a whole number has at most 640 digits"]
    assert result.diagnostics[0].span.text == "9" * 641
    assert read("param a : int = " + "1" * 640).file.declarations[0].value.value == int("1" * 640)
    assert [d.span.text for d in read("param a : real = 1e400 + 2.5e308").diagnostics] == ["1e400", "2.5e308"]


def test_many_errors() -> None:
    result = read("var x\n" * 500)
    assert len(result.diagnostics) == 500
    assert {d.message for d in result.diagnostics} == {"`x` needs a type"}


def test_the_mistakes_of_a_long_text_are_told_in_part() -> None:
    result = read("param = \n" * 20_000)
    assert len(result.diagnostics) == MOST_MISTAKES + 1
    assert result.diagnostics[-1].message == "more than 1000 mistakes: those from here on are left out"
    assert result.diagnostics[-1].span.line == MOST_MISTAKES + 2
    assert result.file.declarations == ()


def test_a_program_tells_so_many_mistakes() -> None:
    text = "nnm 0.1\n" + "".join(f"let a{k} = b{k}\n" for k in range(3000)) + "minimize 1\n"
    found = nnmip.loads(text).check()
    assert len(found) == MOST_MISTAKES + 1
    assert found[0].help.startswith("did you mean `a0`?") or "a0" in found[0].help
    assert (found[-1].span.line, found[-1].code) == (MOST_MISTAKES + 2, "NNM0101")


def test_a_goal_has_not_too_many_stages() -> None:
    assert read("minimize 1" + " then 1" * 99).diagnostics == ()
    (found,) = read("minimize 1" + " then 1" * 100).diagnostics
    assert found.message == "a goal has at most 100 stages, and this one has 101"
