"""The syntax tree: its shape, its spans, and what the builder adds to the grammar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nnmip.source import SourceFile
from nnmip.syntax import nodes
from nnmip.syntax.parser import parse

GOOD = sorted((Path(__file__).parent / "good").glob("*.nnm"))


def declarations(text: str) -> tuple[nodes.Declaration, ...]:
    """The declarations of `text`, which must be correct; the version line is added."""
    result = parse(SourceFile("test.nnm", f"nnm 0.1\n{text}\n"))
    assert result.diagnostics == ()
    return result.file.declarations


def declaration(text: str) -> Any:
    (found,) = declarations(text)
    return found


def expression(text: str) -> Any:
    return declaration(f"constraint c: {text}").body


def bare(node: Any) -> Any:
    """`node` as nested tuples without spans."""
    if isinstance(node, tuple):
        return tuple(bare(item) for item in node)
    if not hasattr(node, "__dataclass_fields__"):
        return node
    values = (bare(getattr(node, field.name)) for field in fields(node) if field.name != "span")
    return (type(node).__name__, *values)


def walk(node: Any) -> Iterator[Any]:
    """`node` and all nodes inside it."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif hasattr(node, "span"):
        yield node
        for field in fields(node):
            if field.name != "span":
                yield from walk(getattr(node, field.name))


def shape(node: Any) -> str:
    """An expression with every grouping written as parentheses."""
    match node:
        case nodes.Ref(name=name):
            return name
        case nodes.Number(value=value):
            return str(value)
        case nodes.Paren(inner=inner):
            return shape(inner)
        case nodes.Unary(op=op, operand=operand):
            return f"({op} {shape(operand)})"
        case nodes.Binary(op=op, left=left, right=right):
            return f"({shape(left)} {op} {shape(right)})"
        case nodes.Chain(operands=operands, ops=ops):
            rest = "".join(f" {op} {shape(operand)}" for op, operand in zip(ops, operands[1:], strict=True))
            return f"({shape(operands[0])}{rest})"
        case nodes.Member(element=element, domain=domain, negated=negated):
            return f"({shape(element)} {'not in' if negated else 'in'} {shape(domain)})"
        case nodes.Quantified(kind=kind, binders=binders, where=where, body=body):
            names = ", ".join(f"{binder.name.text} in {shape(binder.domain)}" for binder in binders)
            condition = f" where {shape(where)}" if where else ""
            return f"({kind} {names}{condition}: {shape(body)})"
        case nodes.Conditional(condition=condition, then=then, otherwise=otherwise):
            return f"(if {shape(condition)} then {shape(then)} else {shape(otherwise)})"
        case nodes.Range(low=low, high=high, half_open=half_open):
            return f"{shape(low)}{'..<' if half_open else '..'}{shape(high)}"
        case nodes.Stepped(piece=piece, step=step):
            return f"<{shape(piece)} step {shape(step)}>"
        case nodes.Union(pieces=pieces):
            return f"<{' | '.join(shape(piece) for piece in pieces)}>"
        case nodes.SetLiteral(items=items):
            return f"{{{', '.join(shape(item) for item in items)}}}"
        case nodes.ListLiteral(items=items):
            return f"[{', '.join(shape(item) for item in items)}]"
        case nodes.Attribute(base=base, name=name):
            return f"{shape(base)}.{name.text}"
        case nodes.Subscript(base=base, indices=indices):
            return f"{shape(base)}[{', '.join(shape(index) for index in indices)}]"
        case nodes.Call(function=function, arguments=arguments):
            return f"{shape(function)}({', '.join(shape(argument.value) for argument in arguments)})"
        case _:
            raise AssertionError(type(node))


# ---- precedence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a - b - c", "((a - b) - c)"),
        ("a / b / c", "((a / b) / c)"),
        ("a + b * c - d / e", "((a + (b * c)) - (d / e))"),
        ("-x * y", "((- x) * y)"),
        ("2 * -x", "(2 * (- x))"),
        ("- -x", "(- (- x))"),
        ("-x[0] + +f(x).y", "((- x[0]) + (+ f(x).y))"),
        ("-1 <= -x <= 1 + y", "((- 1) <= (- x) <= (1 + y))"),
        ("a = b = c", "(a = b = c)"),
        ("not a = b", "(not (a = b))"),
        ("not a and b", "((not a) and b)"),
        ("not not a", "(not (not a))"),
        ("a and b or c and d", "((a and b) or (c and d))"),
        ("a and b and c", "((a and b) and c)"),
        ("a or b or c", "((a or b) or c)"),
        ("a or b xor c and d", "(a or (b xor (c and d)))"),
        ("a -> b -> c", "(a -> (b -> c))"),
        ("a or b -> c and d", "((a or b) -> (c and d))"),
        ("a -> b <-> c -> d", "((a -> b) <-> (c -> d))"),
        ("not p and q or r -> s <-> t", "(((((not p) and q) or r) -> s) <-> t)"),
        ("x in 0..n - 1 and p", "((x in 0..(n - 1)) and p)"),
        ("x in -1..<2 * n step 2 or p", "((x in <(- 1)..<(2 * n) step 2>) or p)"),
        ("x in {0} | 1..2 step 1/8 | [3, 4] and p", "((x in <{0} | <1..2 step (1 / 8)> | [3, 4]>) and p)"),
        ("x not in {1} and p", "((x not in {1}) and p)"),
        ("not x in {1}", "(not (x in {1}))"),
        ("p and forall i in S: q and r -> s", "(p and (forall i in S: ((q and r) -> s)))"),
        ("q -> exists i in S where t: p <-> r", "(q -> (exists i in S where t: (p <-> r)))"),
        ("not exists i in S, j in T: p or q", "(not (exists i in S, j in T: (p or q)))"),
        ("p <-> forall i in S: q", "(p <-> (forall i in S: q))"),
        ("p -> if a then b else c and d", "(p -> (if a then b else (c and d)))"),
        ("if a then b else if c then d else e", "(if a then b else (if c then d else e))"),
        ("y = (if p then 1 else 0)", "(y = (if p then 1 else 0))"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shape(expression(text)) == expected


# ---- spans ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_text_of_a_span_is_the_construct(path: Path) -> None:
    """Reading the text of a span again gives the same tree, and a span holds those inside it."""
    tree = parse(SourceFile(path.name, path.read_text(encoding="utf-8"))).file
    for node in walk(tree.declarations):
        text = node.span.text
        assert text == text.strip()
        for part in walk(tuple(getattr(node, field.name) for field in fields(node) if field.name != "annotations")):
            assert node.span.start <= part.span.start <= part.span.end <= node.span.end
        if isinstance(node, nodes.Name):
            assert node.text == text or text.startswith('"')
        elif isinstance(node, nodes.Expr):
            assert bare(expression(f"({text})").inner) == bare(node)
        elif isinstance(node, nodes.Range | nodes.Stepped | nodes.Union):
            assert bare(expression(f"x in {text}").domain) == bare(node)
        elif isinstance(node, nodes.TypeExpr):
            assert bare(declaration(f"var x : {text}").type) == bare(node)
        elif isinstance(node, nodes.Declaration) and not node.annotations:
            assert bare(declaration(text)) == bare(node)


def spans_of(text: str) -> list[tuple[str, str]]:
    return [(type(node).__name__, node.span.text) for node in walk(declaration(text))]


def test_spans_of_a_call() -> None:
    assert spans_of("let a = f( x,units : 4 , w in [0,1] ) # end") == [
        ("Let", "let a = f( x,units : 4 , w in [0,1] )"),
        ("Name", "a"),
        ("Call", "f( x,units : 4 , w in [0,1] )"),
        ("Ref", "f"),
        ("Positional", "x"),
        ("Ref", "x"),
        ("Named", "units : 4"),
        ("Name", "units"),
        ("Number", "4"),
        ("DomainArgument", "w in [0,1]"),
        ("Name", "w"),
        ("ListLiteral", "[0,1]"),
        ("Number", "0"),
        ("Number", "1"),
    ]


def test_spans_of_slices() -> None:
    found = spans_of("let a = x[ :5, 1: , ::2, : ]")
    assert [text for kind, text in found if kind == "Slice"] == [":5", "1:", "::2", ":"]


def test_spans_of_a_verify_block() -> None:
    found = declaration('verify v "all is well":\n  forall x : real[2] in [0, 1]\n  assume p\n  prove q\n  prove r')
    assert found.span.text.endswith("prove r")
    assert found.sentence == "all is well"
    assert [binder.span.text for binder in found.given] == ["x : real[2] in [0, 1]"]
    assert [shape(part) for part in found.assume] == ["p"]
    assert [shape(part) for part in found.prove] == ["q", "r"]


def test_the_span_of_a_declaration_leaves_its_annotations_out() -> None:
    found = declaration('@unit("w") @since\nparam n : int')
    assert found.span.text == "param n : int"
    assert [(a.name.text, a.span.text) for a in found.annotations] == [("unit", '@unit("w")'), ("since", "@since")]


# ---- declarations --------------------------------------------------------------------------------------------------


def test_header_and_comments() -> None:
    file = parse(SourceFile("a.nnm", "# top\nnnm 0.1 # version\n## doc\nvar x : bool\n")).file
    assert file.header is not None
    assert (file.header.version, file.header.span.text) == ("0.1", "nnm 0.1")
    assert [(c.text, c.span.line) for c in file.comments] == [("# top", 1), ("# version", 2), ("## doc", 3)]


def test_comments_are_kept_once_when_another_declaration_is_broken() -> None:
    file = parse(SourceFile("a.nnm", "nnm 0.1 # one\nlet = # two\nvar x : bool # three\n")).file
    assert [comment.text for comment in file.comments] == ["# one", "# two", "# three"]


def test_param_and_var() -> None:
    param = declaration("param k : int in 1..10 = 3")
    assert (param.name.text, param.type.base, shape(param.domain), shape(param.value)) == ("k", "int", "1..10", "3")
    bare_param = declaration("param k : real[2, n]")
    assert (bare_param.domain, bare_param.value) == (None, None)
    assert [shape(size) for size in bare_param.type.shape] == ["2", "n"]
    assert shape(declaration("var x : real in [0, 1]").domain) == "[0, 1]"


def test_data_fields() -> None:
    found = declaration(
        'data d = csv("a.csv") { features "a b" as ab, c scale minmax label "y z" as y as {"p q": -1, 3: +1} '
        "target t as u, v group g as k, h weight 2 * w where c > 0 missing fill mean split test 0.3 seed 1 }"
    )
    features, label, target, group, weight, where, missing, split = found.fields
    assert [(c.source.text, c.alias and c.alias.text) for c in group.columns] == [("g", "k"), ("h", None)]
    assert [(c.source.text, c.alias and c.alias.text) for c in features.columns] == [("a b", "ab"), ("c", None)]
    assert shape(features.scale) == "minmax"
    assert (label.column.source.text, label.column.alias.text) == ("y z", "y")
    assert [(code.key.text, shape(code.value)) for code in label.coding] == [("p q", "(- 1)"), ("3", "(+ 1)")]
    assert [(c.source.text, c.alias and c.alias.text) for c in target.columns] == [("t", "u"), ("v", None)]
    assert shape(weight.value) == "(2 * w)"
    assert shape(where.condition) == "(c > 0)"
    assert (missing.action.text, shape(missing.value)) == ("fill", "mean")
    assert (split.part.text, shape(split.share), shape(split.seed)) == ("test", "0.3", "1")


def test_columns_that_become_several_features() -> None:
    found = declaration("data d { features a as onehot, b as c as onehot, d as e split test 1/4 missing drop rows }")
    features, split, missing = found.fields
    columns = [(c.source.text, c.alias and c.alias.text, c.onehot) for c in features.columns]
    assert columns == [("a", None, True), ("b", "c", True), ("d", "e", False)]
    assert (split.seed, shape(split.share), missing.action.text) == (None, "(1 / 4)", "drop")
    assert (found.source, found.type) == (None, None)


def test_a_column_has_one_name() -> None:
    (found,) = parse(SourceFile("a.nnm", "nnm 0.1\ndata d { features a as b as c }\n")).diagnostics
    assert found.message == "`c` is a second name for the column"


def test_a_label_may_list_its_classes() -> None:
    (label,) = declaration('data d = csv("a.csv") { label y as {a, "b c", 3} }').fields
    assert [(code.key.text, code.value) for code in label.coding] == [("a", None), ("b c", None), ("3", None)]


def test_label_with_one_as_is_told_apart() -> None:
    renamed, coded = (
        declaration(f'data d = csv("a.csv") {{ label y {rest} }}').fields[0] for rest in ("as z", "as {a: 1}")
    )
    assert (renamed.column.alias.text, renamed.coding) == ("z", None)
    assert (coded.column.alias, coded.coding[0].key.text) == (None, "a")
    assert coded.column.span.text == "y"


def test_network() -> None:
    found = declaration("network n(x: real[2] in [0, 1], y: real) { @a layer h = f(x) layer o = g(h, y) return o[0] }")
    assert [(i.name.text, i.domain and shape(i.domain)) for i in found.inputs] == [("x", "[0, 1]"), ("y", None)]
    assert [(layer.name.text, shape(layer.value)) for layer in found.layers] == [("h", "f(x)"), ("o", "g(h, y)")]
    assert [annotation.name.text for annotation in found.layers[0].annotations] == ["a"]
    assert shape(found.result) == "o[0]"
    assert isinstance(declaration('network n = onnx("a.onnx")'), nodes.NetworkFile)


def test_goal_in_stages() -> None:
    goal = declaration("minimize a then b then maximize if p then c else d then e")
    assert goal.sense == "minimize"
    assert [(stage.sense, shape(stage.value)) for stage in goal.stages] == [
        ("minimize", "a"),
        (None, "b"),
        ("maximize", "(if p then c else d)"),
        (None, "e"),
    ]
    assert goal.stages[2].span.text == "maximize if p then c else d"


def test_a_line_end_does_not_end_a_declaration() -> None:
    assert shape(declaration("let a = x\n- 1").value) == "(x - 1)"
    assert [type(d).__name__ for d in declarations("let a = x let b = y satisfy")] == ["Let", "Let", "Satisfy"]


# ---- arguments -----------------------------------------------------------------------------------------------------


def arguments(text: str) -> tuple[nodes.Argument, ...]:
    found: tuple[nodes.Argument, ...] = expression(text).arguments
    return found


def test_kinds_of_argument() -> None:
    text = "f(x, k: 1, w in D, (p in D), y not in D, z[0] in D, a < b)"
    assert [type(argument).__name__ for argument in arguments(text)] == [
        "Positional",
        "Named",
        "DomainArgument",
        "Positional",
        "Positional",
        "Positional",
        "Positional",
    ]


def test_binders_before_the_body_are_joined() -> None:
    two, each = arguments("atmost(2, i in A, j in B where i < j: p[i, j])")
    assert (shape(two.value), each.span.text) == ("2", "i in A, j in B where i < j: p[i, j]")
    assert [(binder.name.text, shape(binder.domain), binder.span.text) for binder in each.binders] == [
        ("i", "A", "i in A"),
        ("j", "B", "j in B"),
    ]
    assert (shape(each.where), shape(each.body)) == ("(i < j)", "p[i, j]")


def test_only_neighbouring_memberships_are_joined() -> None:
    kinds = [type(argument).__name__ for argument in arguments("f(w in D, 1, i in A: p)")]
    assert kinds == ["DomainArgument", "Positional", "Each"]


# ---- literals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("007", 7), ("1_000", 1000), ("9" * 640, int("9" * 640)), ("1e3", 1000.0), ("1.5E-3", 0.0015), ("1_0.2_5", None)],
)
def test_numbers(text: str, value: float | None) -> None:
    if value is None:
        assert parse(SourceFile("a.nnm", f"nnm 0.1\nlet a = {text}\n")).diagnostics != ()
        return
    found = declaration(f"let a = {text}").value
    assert (found.value, type(found.value)) == (value, type(value))


def test_nan_and_inf_are_names() -> None:
    assert [type(item) for item in expression("[nan, inf]").items] == [nodes.Ref, nodes.Ref]


def test_strings() -> None:
    written = r'"a \"b\" \\ \n\t\u00e9 日本"'
    assert declaration(f"include {written}").path.value == 'a "b" \\ \n\té 日本'


@pytest.mark.parametrize("escape", [r"\d", r"\u12", r"\ud800"])
def test_unknown_escape_is_refused_where_it_stands(escape: str) -> None:
    (found,) = parse(SourceFile("a.nnm", f'nnm 0.1\ninclude "ab{escape}"\n')).diagnostics
    assert found.message == f"`{found.span.text}` stands for no character"
    assert found.span.column == 12
    assert escape.startswith(found.span.text)


def test_left_spine() -> None:
    first, operations = nodes.left_spine(expression("a + b * c - d"))
    assert (shape(first), [(each.op, shape(each.right)) for each in operations]) == (
        "a",
        [("+", "(b * c)"), ("-", "d")],
    )
