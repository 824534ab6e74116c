"""The canonical form: stable, readable, with every comment, and saying the same as before."""

from __future__ import annotations

import random
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnmip
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.compare import same_tree
from nnmip.syntax.format import unparse
from nnmip.syntax.layout import WIDTH
from nnmip.syntax.parser import parse
from nnmip.syntax.printer import PRINTERS
from tests.syntax.derive import derive

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.nnm"))
EXAMPLES = sorted((HERE.parents[1] / "examples").rglob("*.nnm"))


def tree(text: str) -> nodes.File:
    parsed = parse(SourceFile("test.nnm", text))
    assert parsed.diagnostics == ()
    return parsed.file


def formatted(text: str) -> str:
    """The canonical form, which is checked to be one, and to say the same with the same comments in the same order."""
    once = nnmip.format_text(text)
    assert nnmip.format_text(once) == once
    assert same_tree(tree(text), tree(once))
    assert [c.text.rstrip() for c in tree(text).comments] == [c.text for c in tree(once).comments]
    return once


def body(text: str) -> str:
    """The canonical form of declarations, without the version line."""
    return formatted(f"nnm 0.1\n{text}").removeprefix("nnm 0.1\n")


# ---- corpora -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_keep_their_meaning(path: Path) -> None:
    text = formatted(path.read_text(encoding="utf-8"))
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert "\n\n\n" not in text
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line.split("  #")[0]) <= WIDTH or line.lstrip().startswith("#")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_in_the_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_sentences_of_the_grammar(seed: int) -> None:
    text = derive(random.Random(seed))
    if not parse(SourceFile("test.nnm", text)).diagnostics:  # the builder refuses some sentences
        formatted(text)


def test_most_sentences_of_the_grammar_are_good() -> None:
    found = [parse(SourceFile("test.nnm", derive(random.Random(seed)))).diagnostics for seed in range(60)]
    assert sum(diagnostics == () for diagnostics in found) >= 20
    for diagnostics in found:
        assert {d.code for d in diagnostics} <= {"NNM0101"}
        assert not any("unexpected" in d.message for d in diagnostics)


# ---- completeness --------------------------------------------------------------------------------------------------


def test_every_node_is_printed() -> None:
    types = {value for value in vars(nodes).values() if is_dataclass(value)} - {SourceFile, Span, nodes.Comment}
    assert types == set(PRINTERS)


# ---- layout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("param a:int=1 param long_name:real", "param a         : int = 1\nparam long_name : real\n"),
        ("param a : int\n\nparam long_name : real", "param a : int\n\nparam long_name : real\n"),
        ("param same : bool = n = k", "param same : bool = (n = k)\n"),
        ("let a = 1/8*x - -y/2", "let a = 1/8 * x - -y / 2\n"),
        ("var d : real in[-2,-.05e0]|{0}".replace("-.05e0", "-0.05"), "var d : real in [-2, -0.05] | {0}\n"),
        ('constraint c "why": x<=1', 'constraint c "why":\n  x <= 1\n'),
        ("constraint c:\n\n  x<=1", "constraint c: x <= 1\n"),
        ("constraint a: p\nconstraint long: q", "constraint a   : p\nconstraint long: q\n"),
        ("minimize\n\n a then maximize b", "minimize a then maximize b\n"),
        ("let a = f(x, k: 1,)", "let a = f(x, k: 1)\n"),
        ("@a @b(1)\nvar x : bool", "@a\n@b(1)\nvar x : bool\n"),
        (
            "verify v: forall x in D forall y in E assume p prove q",
            "verify v:\n  forall x in D, y in E\n  assume p\n  prove  q\n",
        ),
        (
            'data d = csv("a.csv") { features a, "b c" as b label c as {u:-1,v:+1,} where a>1 }',
            'data d = csv("a.csv") {\n  features a, "b c" as b\n  label    c as {u: -1, v: +1}\n  where    a > 1\n}\n',
        ),
        (
            "network n(x:real[2] in [0,1]) { layer h=dense(x,units:2) layer long=relu(h) return long[0] }",
            "network n(x: real[2] in [0, 1]) {\n  layer h    = dense(x, units: 2)\n  layer long = relu(h)\n"
            "  return long[0]\n}\n",
        ),
    ],
)
def test_layout(text: str, expected: str) -> None:
    assert body(text) == expected


def test_long_lines_break() -> None:
    call = "dense(x, units: 2, weights in {-1, 0, 1}, bias in [-1, 1], an_option: 1, another_option: 2, third: 3)"
    assert body(f"network n(x: real) {{ layer h = {call} return h }}").startswith(
        "network n(x: real) {\n  layer h = dense(\n    x,\n    units: 2,\n    weights in {-1, 0, 1},\n"
    )
    words = " and ".join(f"a_condition_{number}" for number in range(9))
    broken = body(f"constraint c: {words}")
    assert broken.splitlines()[:3] == ["constraint c:", "  a_condition_0", "    and a_condition_1"]
    terms = " + ".join(f"term_{number}" for number in range(20))
    assert [len(line) <= WIDTH for line in body(f"minimize {terms}").splitlines()] == [True] * 3
    numbers = ", ".join(map(str, range(100)))
    lines = body(f"param w : int[100] = [{numbers}]").splitlines()
    assert (lines[0], lines[-1]) == ("param w : int[100] = [", "]")
    assert len(lines) == 6


# ---- comments ------------------------------------------------------------------------------------------------------


def test_comments_stay_where_they_are() -> None:
    text = """# before the version
nnm 0.1  # the version

##### banner #####

## Documentation.
## Second line.
param budget : int = 5  # five

network net(x: real[2] in [0, 1]) {
  # inside, first
  layer h = dense(
    x,  # what it reads
    # before an option
    units: 4,
    weights in [-1, 1]
    # at the end
  )

  ## Of a layer.
  layer a = relu(h)
  return a
  # inside, last
}
# at the end
"""
    assert formatted(text) == text


def test_comments_in_front_do_not_indent() -> None:
    text = """nnm 0.1

## A goal.
## Its second line.
minimize norm_1(net.weights) then l0(net.weights)

constraint c:  # behind
  # before the test
  a <= b

## Another.
minimize  # behind
  # before the first
  norm_1(net.weights)  # behind it
  # before `then`
  then
  # before the second
  l0(net.weights)

# at the end
"""
    assert formatted(text) == text


def test_comments_in_odd_places_survive() -> None:
    text = "nnm 0.1 param a : real [ 2 , 3 ] in { 1 , 2 , } = f ( x , k : [ 1 ] , )"
    tokens = text.split()
    for number in range(len(tokens) + 1):
        for comment in ("# c\n", "\n# c\n", "\n\n# c\n\n# d\n\n"):
            formatted(" ".join([*tokens[:number], comment, *tokens[number:]]))
    formatted(" ".join(f"{token} # {number}\n" for number, token in enumerate(tokens)))
    formatted(" ".join(f"\n# {number}\n{token}" for number, token in enumerate(tokens)))


def test_windows_line_ends_and_tabs_become_plain() -> None:
    assert formatted("nnm 0.1\r\n\r\n\r\n\tparam a : int  # c\t\r\n") == "nnm 0.1\n\nparam a : int  # c\n"


@pytest.mark.parametrize("text", ["param a : int", "nnm 0.1\nparam = 3", "nnm 0.1\nlet a = f(k = 1)"])
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(nnmip.DiagnosticError):
        nnmip.format_text(text)


# ---- trees without a text ------------------------------------------------------------------------------------------

NOWHERE = Span(SourceFile("", ""), 0, 0)


def ref(name: str) -> nodes.Ref:
    return nodes.Ref(name, NOWHERE)


def binary(op: str, left: nodes.Expr, right: nodes.Expr) -> nodes.Binary:
    return nodes.Binary(op, left, right, NOWHERE)


A, B, C = ref("a"), ref("b"), ref("c")
ALL = nodes.Quantified("forall", (nodes.Binder(nodes.Name("i", NOWHERE), None, A, NOWHERE),), None, B, NOWHERE)
TEST = nodes.Member(A, nodes.SetLiteral((nodes.Number(1, NOWHERE),), NOWHERE), False, NOWHERE)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (binary("*", binary("+", A, B), C), "(a + b) * c"),
        (binary("-", A, binary("-", B, C)), "a - (b - c)"),
        (binary("->", binary("->", A, B), C), "(a -> b) -> c"),
        (binary("xor", binary("xor", A, B), C), "(a xor b) xor c"),
        (binary("<->", A, binary("<->", B, C)), "a <-> (b <-> c)"),
        (binary("and", ALL, B), "(forall i in a: b) and b"),
        (binary("and", A, ALL), "a and forall i in a: b"),
        (binary("and", A, binary("or", B, ALL)), "a and (b or forall i in a: b)"),
        (binary("+", A, ALL), "a + (forall i in a: b)"),
        (nodes.Unary("-", binary("*", A, B), NOWHERE), "-(a * b)"),
        (nodes.Unary("not", nodes.Chain((A, B), ("<=",), NOWHERE), NOWHERE), "not a <= b"),
        (nodes.Chain((nodes.Chain((A, B), ("<=",), NOWHERE), C), ("=",), NOWHERE), "(a <= b) = c"),
        (nodes.Attribute(nodes.Unary("-", A, NOWHERE), nodes.Name("w", NOWHERE), NOWHERE), "(-a).w"),
        (nodes.Call(A, (nodes.Positional(TEST, NOWHERE),), NOWHERE), "a((a in {1}))"),
        (nodes.Call(A, (nodes.Positional(nodes.Chain((A, B), ("=",), NOWHERE), NOWHERE),), NOWHERE), "a((a = b))"),
        (binary("*", A, nodes.Number(-2, NOWHERE)), "a * -2"),
        (nodes.Number(1e22, NOWHERE), "1e+22"),
        (nodes.String('a"b\\\n\u202e', NOWHERE), '"a\\"b\\\\\\n\\u202e"'),
    ],
)
def test_trees_get_the_parentheses_and_quotes_that_they_need(expr: nodes.Expr, expected: str) -> None:
    assert unparse(expr) == expected
    (again,) = tree(f"nnm 0.1 let x = {expected}").declarations
    assert isinstance(again, nodes.Let)
    if not isinstance(expr, nodes.Binary) or "-2" not in expected:
        assert same_tree(again.value, expr)


def test_a_changed_tree_keeps_its_comments() -> None:
    file = tree("nnm 0.1\n# one\nparam a : int = 1_000  # two\n# three\nparam b : int = 2\n")
    first, second = file.declarations
    assert isinstance(first, nodes.Param) and isinstance(second, nodes.Param)
    changed = replace(file, declarations=(replace(first, value=nodes.Number(5, NOWHERE)), second))
    assert unparse(changed) == "nnm 0.1\n# one\nparam a : int = 5  # two\n# three\nparam b : int = 2\n"
    fewer = replace(file, declarations=(second,))
    assert unparse(fewer) == "nnm 0.1\n# one\n# two\n# three\nparam b : int = 2\n"


def test_parts_of_a_tree() -> None:
    (param,) = tree("nnm 0.1 param a : int[2] = [1_0, 2]").declarations
    assert isinstance(param, nodes.Param)
    assert unparse(param) == "param a : int[2] = [1_0, 2]\n"
    assert unparse(param.value) == "[1_0, 2]"
    assert unparse(param.type) == "int[2]"
    with pytest.raises(TypeError, match="SourceFile is not a syntax node"):
        unparse(SourceFile("", ""))
    with pytest.raises(ValueError, match="inf"):
        unparse(nodes.Number(float("inf"), NOWHERE))
