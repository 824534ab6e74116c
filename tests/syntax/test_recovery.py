"""Several errors in one run: which declarations survive, and where each message points."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nnmip.source import SourceFile
from nnmip.syntax.parser import ParseResult, parse


def read(text: str) -> ParseResult:
    return parse(SourceFile("test.nnm", text))


def names(result: ParseResult) -> list[str]:
    return [getattr(declaration, "name").text for declaration in result.file.declarations]  # noqa: B009


def places(result: ParseResult) -> list[str]:
    return [f"{d.span.line}:{d.span.column} {d.message}" for d in result.diagnostics]


def test_four_errors_give_four_messages_and_the_rest_is_kept() -> None:
    result = read(
        "nnm 0.1\n"
        "param eps = 0.1\n"
        "constraint c: x <=\n"
        "constraint d: y <= 1\n"
        "let z = (1 +\n"
        "var ok : real in [0, 1]\n"
        "network n(x: real) { layer a = f(x) }\n"
        "let last = z\n"
    )
    assert places(result) == [
        "2:11 `eps` needs a type",
        "3:17 the right side of `<=` is missing",
        "5:9 `(` is never closed",
        "7:37 network `n` has no `return`",
    ]
    assert names(result) == ["d", "ok", "last"]
    assert result.broken == {"eps", "c", "z", "n"}


def test_messages_of_builder_and_parser_come_in_text_order() -> None:
    result = read("nnm 0.1\nlet a = f(b = 1)\nlet b =\nvar c : real in [1]\nlet d = \n")
    assert [place.split(" ")[0] for place in places(result)] == ["2:13", "3:7", "4:17", "5:7"]
    assert names(result) == ["a", "c"]


def test_a_broken_declaration_reports_one_mistake_only() -> None:
    assert places(read("nnm 0.1\nlet a = f(b = 1) + + + ;\n")) == ["2:24 there are no semicolons"]


def test_a_keyword_inside_a_line_starts_nothing() -> None:
    assert places(read("nnm 0.1\nparam network : int\nvar x : bool\n")) == ["2:7 `network` is a reserved word"]


def test_annotations_go_with_their_declaration() -> None:
    result = read('nnm 0.1\nlet a =\n@hidden\n@unit("(w") @b\nvar x : bool\nlet c =\n')
    assert places(result) == ["2:7 the right side of `=` is missing", "6:7 the right side of `=` is missing"]
    assert [a.name.text for a in result.file.declarations[0].annotations] == ["hidden", "unit", "b"]


def test_an_unclosed_network_does_not_swallow_the_rest() -> None:
    result = read("nnm 0.1\nnetwork n(x: real) {\n  layer h = f({1, 2)\n  return h\nvar y : bool\nminimize y\n")
    assert len(result.file.declarations) == 2
    assert len(result.diagnostics) == 1
    assert result.diagnostics[0].span.line == 3


def test_a_declaration_inside_a_closed_network_is_one_mistake() -> None:
    result = read("nnm 0.1\nnetwork n(x: real) {\n  var k : bool\n  return x\n}\nvar y : bool\n")
    assert places(result) == ["3:3 `var` cannot stand inside a network"]
    assert names(result) == ["y"]


def test_a_good_declaration_before_a_wrong_line_is_kept() -> None:
    result = read("nnm 0.1\nparam n : int = 3\nvariable x : bool\n")
    assert places(result) == ["3:1 `variable` does not start a declaration"]
    assert names(result) == ["n"]
    assert result.broken == {"x"}


def test_a_name_after_a_misspelt_keyword_is_broken() -> None:
    result = read(
        "nnm 0.1\nnetwrok net(x: real) {\n  hidden h = f(x)\n  return h\n}\ndataa d = f(1)\nvar y : bool\nminimise y\n"
    )
    assert places(result) == [
        "2:1 `netwrok` does not start a declaration",
        "8:1 `minimise` does not start a declaration",
    ]
    assert names(result) == ["y"]
    assert result.broken == {"net", "d"}


def test_later_stages_are_not_among_what_is_expected() -> None:
    labels = [read(f"nnm 0.1\nminimize {goal}\n").diagnostics[0].label for goal in ("a b", "a :", "a, b")]
    assert labels == ["expected an operator or the next declaration", *["expected the next declaration"] * 2]


def test_unclosed_bracket_points_at_both_ends() -> None:
    (found,) = read("nnm 0.1\nlet a = f(x,\n  y + 1\nvar b : bool\n").diagnostics
    assert (found.span.line, found.span.column, found.message) == (2, 10, "`(` is never closed")
    ((span, text),) = ((label.span, label.text) for label in found.secondary)
    assert (span.line, span.column, text) == (3, 7, "the text ends here without `)`")


def test_wrong_closing_bracket_points_at_the_opening_one() -> None:
    (found,) = read("nnm 0.1\nlet a = f(x, [1, 2)\n").diagnostics
    assert (found.message, found.span.column) == ("`)` does not close `[`", 19)
    assert [(label.span.column, label.text) for label in found.secondary] == [(14, "`]` is expected for this")]


def test_unexpected_token_lists_few_alternatives() -> None:
    (found,) = read("nnm 0.1\nlet a : real real = 3\n").diagnostics
    assert (found.message, found.label) == ("unexpected `real`", "expected `=` or `[`")


def test_missing_version_line() -> None:
    for text, end in (("", 0), ("# only a comment\n", 0), ("var x : bool\n", 3)):
        (found,) = read(text).diagnostics
        assert (found.code, found.message) == ("NNM0102", "the version line is missing")
        assert found.help == "the first line is `nnm 0.1`"
        assert (found.span.start, found.span.end) == (0, end)


def test_a_missing_version_line_hides_no_other_error() -> None:
    assert places(read("var x : bool\nlet =\n")) == [
        "1:1 the version line is missing",
        "2:5 the name of the let is missing",
    ]


def test_unknown_version_line() -> None:
    result = read("nnm 0.9\nvar x : bool\n")
    assert [(d.code, d.message, d.span.text) for d in result.diagnostics] == [
        ("NNM0102", "version 0.9 of the language is not known", "nnm 0.9")
    ]
    assert names(result) == ["x"]


def test_unreadable_version_line_is_told_once() -> None:
    for line in ("nnm", "nnm 1", "nnm version", "nmm 0.1"):
        result = read(f"{line}\nvar x : bool\n")
        assert [(d.code, d.message, d.span.text) for d in result.diagnostics] == [
            ("NNM0102", "the version line cannot be read", line)
        ]
        assert names(result) == ["x"]


def test_windows_line_ends() -> None:
    result = read("nnm 0.1\r\nlet a = \r\nvar x : bool # end\r\nlet b =\r\n")
    assert places(result) == ["2:7 the right side of `=` is missing", "4:7 the right side of `=` is missing"]
    assert result.file.comments[0].text == "# end"


def test_a_carriage_return_ends_a_comment() -> None:
    result = read("nnm 0.1 # one\rvar x : bool # two\rvar y : bool\r")
    assert names(result) == ["x", "y"]


def test_comprehension_over_two_lines() -> None:
    assert places(read("nnm 0.1\nlet a = sum(x[i]\n  for i in 0..3)\n")) == [
        "3:3 there is no `for` after an expression"
    ]


def test_a_foreign_word_that_opens_a_line_is_no_operator() -> None:
    result = read("nnm 0.1\nvar x : bool\nfor i in 0..3: x\n")
    assert places(result) == ["3:1 `for` does not start a declaration"]
    assert names(result) == ["x"]


def test_parsing_in_threads() -> None:
    texts = [f"nnm 0.1\nlet a{number} = x{number}\nlet = \n" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, texts))
    assert [names(result) for result in results] == [[f"a{number}"] for number in range(40)]
    assert all(result.file.declarations[0].span.file is result.file.source for result in results)
