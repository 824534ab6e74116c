"""Explanations of syntax errors, each with examples that end where the text goes wrong.

The parser is run over the examples; the state it stops in, and the kind of token it stops at, then recognise the same
mistake in any text. `{keyword}` and `{name}` stand for the declaration's first two words, `{found}` for the wrong
token and `{previous}` for the one before.
"""

from __future__ import annotations

from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """`in_brackets`: holds only directly inside a bracket, which the parser's state alone does not tell.

    `fix` names the edit, in the table of `explain`, that the help proposes.
    """

    message: str
    help: str
    examples: tuple[str, ...]
    in_brackets: bool = False
    fix: str = ""


_ARITHMETIC = ("=", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/")
_INFIX = (*_ARITHMETIC, "and", "or", "xor", "->", "<->")


def _after_arithmetic(*words: str) -> tuple[str, ...]:
    """Examples that end in a word which cannot be an operand of a comparison or of arithmetic."""
    return tuple(
        f"constraint c: {front} {word}" for word in words for front in ("-", *(f"y {op}" for op in _ARITHMETIC))
    )


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "the right side of `{previous}` is missing",
        "",
        (
            *(f"constraint c: a {operator}" for operator in _INFIX),
            "constraint c: a = b <",
        ),
    ),
    Explanation(
        "the right side of `{previous}` is missing",
        "",
        ("param p : int =", "let a =", "data d =", "network n =", "network n(x: real) { layer h ="),
    ),
    Explanation("the operand of `{previous}` is missing", "", ("let a = not", "let a = -", "let a = +")),
    Explanation(
        "the domain after `in` is missing",
        "a domain is an interval `[0, 1]`, a range `0..9` or a set `{0, 1}`",
        ("var x : real in", "param p : int in", "constraint c: x in", "constraint c: x not in", "let a = f(x in"),
    ),
    Explanation("the goal after `{previous}` is missing", "", ("minimize", "maximize")),
    Explanation("a goal is missing after `then`", "", ("minimize a then", "minimize a then maximize")),
    Explanation(
        "`{name}` needs a type",
        "for example `{keyword} {name} : {type}`",
        ("param a =", "param a", "param a in", "var a in", "var a", "var a ="),
        fix="type",
    ),
    Explanation("input `{previous}` needs a type", "for example `{previous} : real[2] in [0, 1]`", ("network n(x)",)),
    Explanation(
        "`{found}` is not a type",
        "the types are `real`, `int` and `bool`, with a shape such as `real[2, 3]`",
        ("param a : float", "var a : float", "let a : float", "data a : float", "network n(x : float"),
    ),
    Explanation(
        "a variable has no value",
        "a constant is a `param`, a named expression is a `let`; the values a variable may take follow `in`",
        ("var a : real =",),
    ),
    Explanation(
        "property `{name}` has no `prove`",
        "end it with `prove` and what must hold",
        ("verify v: assume a", "verify v: assume a var", "verify v:", "verify v: forall x in d"),
    ),
    Explanation(
        "a line of a property starts with `forall`, `assume` or `prove`",
        "write `prove` before what must hold",
        ("verify v: a", "verify v: 1", "verify v: (", "verify v: not", "verify v: -", "verify v: if"),
    ),
    Explanation(
        "the parts of a property stand in the order `forall`, `assume`, `prove`",
        "",
        ("verify v: prove a assume", "verify v: prove a forall", "verify v: assume a forall"),
    ),
    Explanation(
        "`forall` in a property takes no `:`",
        "list the inputs, then write `assume` and `prove` lines",
        ("verify v: forall x : real in [0, 1]:", "verify v: forall x in d:", "verify v: forall x in a..b:"),
    ),
    Explanation(
        "network `{name}` has no `return`",
        "end its body with `return` and the output, such as `return {layer}[0]`",
        ("network n(x: real) { }", "network n(x: real) { layer h = f(x) }"),
        fix="return",
    ),
    Explanation(
        "`return` ends a network",
        "nothing but `}` can follow it",
        ("network n(x: real) { return x layer", "network n(x: real) { return x return"),
    ),
    Explanation(
        "network `{name}` has no body",
        'write `{ ... return ... }`, or load it: `network {name} = onnx("file.onnx")`',
        ("network n(x: real)", "network n(x: real in [0, 1])"),
    ),
    Explanation(
        "`if ... then ...` needs its `else`",
        "for an implication write `a -> b`",
        ("constraint c: if a then b", "constraint c: if a then b minimize"),
        fix="implication",
    ),
    Explanation(
        "`<->` does not chain",
        "add parentheses: `(a <-> b) and (b <-> c)` makes all three agree",
        ("constraint c: a <-> b <->",),
    ),
    Explanation(
        "`xor` does not chain", "write `exactly(1, a, b, c)`, or add parentheses", ("constraint c: a xor b xor",)
    ),
    Explanation(
        "`in` does not chain",
        "join two conditions with `and`",
        (
            "constraint c: 0 <= x in",
            "constraint c: x in a in",
            "constraint c: x in a <=",
            "constraint c: x in a =",
            "constraint c: x in a..b =",
        ),
    ),
    Explanation(
        "a range has two ends",
        "a width follows as `step`: `0..10 step 2`",
        ("var x : int in a..b..", "var x : int in a..b..<", "var x : int in a..<b.."),
    ),
    Explanation(
        "a constraint needs a name",
        "write `constraint some_name: ...`",
        (
            "constraint a(",
            "constraint a <=",
            "constraint a >=",
            "constraint a =",
            "constraint a +",
            "constraint a.",
            "constraint a[",
            "constraint forall",
            "constraint (",
            "constraint not",
            "constraint 1",
            "constraint :",
            "constraint -",
            'constraint "a"',
        ),
        fix="name",
    ),
    Explanation(
        "a property needs a name", "write `verify some_name: ...`", ("verify :", "verify forall", "verify prove")
    ),
    Explanation(
        "`{previous}` takes no parentheses",
        "write `{previous} i in 0..3: ...`",
        ("constraint c: forall (", "constraint c: exists ("),
    ),
    Explanation(
        "each name needs its own domain",
        "write `i in A, j in A`",
        ("constraint c: forall i,", "constraint c: exists i,", "verify v: forall x,"),
    ),
    Explanation("a quantifier ranges over a domain with `in`", "write `i in 0..3`", ("constraint c: forall i =",)),
    Explanation(
        "a conditional inside an expression needs parentheses",
        "write `(if ... then ... else ...)`",
        _after_arithmetic("if"),
    ),
    Explanation(
        "a quantifier inside an expression needs parentheses",
        "write `(forall ...)`",
        _after_arithmetic("forall", "exists"),
    ),
    Explanation(
        "`not` inside an expression needs parentheses",
        "write `(not ...)`",
        _after_arithmetic("not"),
    ),
    Explanation(
        "parentheses hold one expression",
        "a list or interval uses brackets `[a, b]`, a set braces `{a, b}`",
        ("let a = (1,", "let a = (x,"),
    ),
    Explanation("a list has at least one element", "", ("let a = []",)),
    Explanation("a set has at least one element", "", ("let a = {}",)),
    Explanation(
        "the block of `{name}` is empty",
        "list its columns, for example `features a, b`, or leave the braces out",
        ("data d = csv() {}",),
    ),
    Explanation("an annotation stands before a declaration or a layer", "", ("@a", '@a("b")', "@a @b")),
    Explanation(
        "there is no matrix product `@`",
        "write a sum: `sum(i in 0..<n: a[i] * b[i])`",
        ("let a = f(x @", "let a = f(k: x @", "let a = f(i in d: x @", "let a = (x @", "let a = [x @", "let a = {x @"),
    ),
    Explanation(
        "the name of the {keyword} is missing",
        "",
        ("param :", "param =", "var :", "var =", "let =", "data =", "network =", "network (", "constraint", "verify"),
    ),
    Explanation(
        "an included file is named in quotes",
        'write `include "file.nnm"`, with its name',
        ("include file", "include"),
        fix="quotes",
    ),
)
