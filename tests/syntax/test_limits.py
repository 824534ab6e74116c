"""Texts that are too long or too deep end in a message, never in a crash."""

from __future__ import annotations

import pytest

from nnmip.source import SourceFile
from nnmip.syntax.limits import MAX_DEPTH, MAX_TERMS
from nnmip.syntax.parser import ParseResult, parse


def read(text: str) -> ParseResult:
    return parse(SourceFile("test.nnm", f"nnm 0.1\n{text}\nvar last : bool\n"))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "x" + ")" * 100_000,
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


@pytest.mark.parametrize("bracket", ["(", "[", "{", "f("])
def test_many_unclosed_brackets(bracket: str) -> None:
    (found,) = read("let a = " + bracket * 20_000).diagnostics
    assert found.message == f"`{bracket[-1]}` is never closed"
    assert found.span.line == 2


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
