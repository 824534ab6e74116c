"""VNN-LIB texts as queries, and what is wrong with those that are none."""

from __future__ import annotations

from fractions import Fraction

import pytest

from nnmip.diagnostics import DiagnosticError
from nnmip.source import SourceFile
from nnmip.vnnlib.cases import TooMany, cases_of
from nnmip.vnnlib.query import Atom, Claim, Query
from nnmip.vnnlib.read import read_query

FLAT = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
NAMED = """(vnnlib-version <2.0>)
(declare-network f
  (declare-input X float32 [1, 2])
  (declare-hidden H float32 [3] "relu1")
  (declare-output Y Real []))
"""


def read(text: str) -> Query:
    return read_query(SourceFile("q.vnnlib", text))


def rows(claim: Claim) -> object:
    """A claim as nested lists: an atom is its terms, its constant and whether it is strict."""
    if isinstance(claim, Atom):
        terms = {f"{name}{place}": float(factor) for (name, place), factor in claim.left.terms.items()}
        return terms, float(claim.left.constant), claim.is_strict
    return [claim.op, *map(rows, claim.parts)]


def test_the_first_version() -> None:
    query = read(FLAT + "; a comment (\n(assert (<= X_0 0.1))\n(assert (or (and (>= Y_0 -2e-1)) (< X_1 3)))")
    (network,) = query.networks
    assert query.version == (1, 0) and network.name == "f"
    assert [(v.name, v.kind, v.shape) for v in network.variables] == [("X", "input", (2,)), ("Y", "output", (1,))]
    assert rows(query.claim) == [
        "and",
        ({"X0": 1.0}, -0.1, False),
        ["or", ["and", ({"Y0": -1.0}, -0.2, False)], ({"X1": 1.0}, -3.0, True)],
    ]
    atom = query.claim.parts[0]
    assert isinstance(atom, Atom) and atom.left.constant == Fraction(-1, 10)


def test_the_second_version() -> None:
    query = read(NAMED + "(declare-network g (equal-to f) (declare-input A Real [2]) (declare-output B Real [1]))\n")
    first, second = query.networks
    assert query.version == (2, 0) and (first.equal_to, second.equal_to) == ("", "f")
    assert [(v.name, v.kind, v.type, v.shape, v.node) for v in first.variables] == [
        ("X", "input", "float32", (1, 2), ""),
        ("H", "hidden", "float32", (3,), "relu1"),
        ("Y", "output", "Real", (), ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(<= (+ X[0,0] 5.0 X[0, 0]) 10)", ({"X0": 2.0}, -5.0, False)),
        ("(<= (- X[0,0] X[0,0]) 0)", ({}, 0.0, False)),
        ("(>= (- 5 X[0,1] Y) (* 2 0.5 H[2] 3))", ({"X1": 1.0, "Y0": 1.0, "H2": 3.0}, -5.0, False)),
        ("(> (- Y) 1)", ({"Y0": 1.0}, 1.0, True)),
        ("(== Y 2)", ["and", ({"Y0": 1.0}, -2.0, False), ({"Y0": -1.0}, 2.0, False)]),
        ("(!= Y 2)", ["or", ({"Y0": 1.0}, -2.0, True), ({"Y0": -1.0}, 2.0, True)]),
        ("(<= (* (+ 1 1) Y) 1)", ({"Y0": 2.0}, -1.0, False)),
    ],
)
def test_arithmetic(text: str, expected: object) -> None:
    assert rows(read(f"{NAMED}(assert {text})").claim.parts[0]) == expected


BAD = {
    "(assert (<= X_0 1)": ("NNM0631", "a `(` that is not closed", 4),
    "(assert (<= X_0 1)))": ("NNM0631", "a `)` that closes nothing", 4),
    "X_0": ("NNM0631", "`X_0` stands outside of parentheses", 4),
    "(prove (<= X_0 1))": ("NNM0631", "`prove` is not a command of VNN-LIB", 4),
    "(assert (<= X_0 Z_1))": ("NNM0631", "`Z_1` is neither a number nor declared before", 4),
    "(assert (<= X_0 1 2))": ("NNM0631", "`<=` compares two values", 4),
    "(assert (=> X_0 1))": ("NNM0631", "`=>` is no comparison", 4),
    "(assert (<= (* X_0 X_1) 1))": ("NNM0632", "a product of two entries is not linear", 4),
    "(assert (<= (/ X_0 2) 1))": ("NNM0631", "`/` is no operation", 4),
    "(assert true)": ("NNM0631", "a comparison, `and` or `or` is expected here", 4),
    "(assert (<= X_0 1) (<= X_1 1))": ("NNM0631", "`assert` takes one claim", 4),
    "(declare-const X_1 Real)": ("NNM0631", "`X_1` is declared twice", 4),
    "(declare-const X_3 Real)": ("NNM0631", "`X_2` is not declared, and `X_3` is", 4),
    "(declare-const Z Real)": ("NNM0631", "`Z` is no entry of a network", 4),
    '(assert (<= X_0 "1))': ("NNM0631", "a text whose quote is not closed", 4),
    "(assert (<= X_0 1e400))": ("NNM0632", "a number of this comparison is too large or too small", 4),
    "(assert (>= (* 1e-200 Y_0) 1e-200))": ("NNM0632", "a number of this comparison is too large or too small", 4),
    "(declare-const X_2 Int)": ("NNM0632", "entries of the type `Int` are not read", 4),
    "(vnnlib-version <3.0>)": ("NNM0631", "version 3.0 is not one that is read", 4),
    "(vnnlib-version 2)": ("NNM0631", "a version is written `<2.0>`", 4),
    "(declare-network f (declare-input X Real [2]))": ("NNM0631", "network `f` needs an input and an output", 4),
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read(FLAT + text)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.span.file.position(found.span.start)[0]) == BAD[text]


NAMED_BAD = {
    "(assert (<= X[0] 1))": "`X` has the shape [1, 2], and [0] is no entry of it",
    "(assert (<= X[0,2] 1))": "`X` has the shape [1, 2], and [0, 2] is no entry of it",
    "(assert (<= X[0,0 1))": "a `[` that is not closed",
    "(assert (<= X[0,a] 1))": "`a` is not a whole number",
    "(declare-network f (declare-input Z Real [2]) (declare-output V Real []))": "network `f` is declared twice",
    "(declare-network g (declare-input X Real [2]) (declare-output V Real []))": "`X` is declared twice",
    "(declare-network g (equal-to h))": "network `h` is not declared before",
    "(declare-network g (declare-input Z Real))": "`declare-input` takes a name, a type and a shape",
    "(declare-network g (declare-hidden Z Real [2]))": (
        "`declare-hidden` ends with the quoted name of a value in the file"
    ),
    "(declare-network g (declare-input Z int8 [2]))": "entries of the type `int8` are not read",
    "(declare-network g (weights 3))": "`weights` does not belong into a network",
    "(declare-network g (declare-input Z Real [2] initialized))": "`Z` takes its value from the file",
}


@pytest.mark.parametrize("text", NAMED_BAD)
def test_what_is_no_query_of_the_second_version(text: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read(NAMED + text)
    assert caught.value.diagnostics[0].message == NAMED_BAD[text]


@pytest.mark.parametrize(("declared", "missing"), [("X", "Y"), ("Y", "X")])
def test_a_network_has_both_ends(declared: str, missing: str) -> None:
    with pytest.raises(DiagnosticError, match=f"declares no `{missing}_0`"):
        read(f"(declare-const {declared}_0 Real)(assert (<= {declared}_0 1))")


def test_an_empty_file_and_deep_nesting() -> None:
    with pytest.raises(DiagnosticError, match="declares no network"):
        read("")
    with pytest.raises(DiagnosticError, match="are nested more than"):
        read(FLAT + "(assert " + "(and " * 5000 + ")" * 5000 + ")")


# ---- cases ---------------------------------------------------------------------------------------------------------


def cases(text: str) -> list[tuple[int, int]]:
    """How many claims each case has on inputs alone, and how many others."""
    found = cases_of(read(FLAT + text).claim, {"X"})
    return [(len(case.inputs), len(case.others)) for case in found]


def test_an_or_of_outputs_is_one_case() -> None:
    assert cases("(assert (<= X_0 1)) (assert (or (<= Y_0 1) (and (>= Y_0 2) (<= Y_0 3))))") == [(1, 1)]


def test_an_or_of_inputs_is_one_case() -> None:
    assert cases("(assert (or (<= X_0 1) (>= X_0 2))) (assert (<= Y_0 1))") == [(1, 1)]


def test_an_or_that_ties_regions_to_outputs_is_taken_apart() -> None:
    text = "(assert (or (and (<= X_0 1) (<= Y_0 1)) (and (>= X_0 2) (>= Y_0 1)) (<= Y_0 -5) (<= Y_0 X_0)))"
    assert sorted(cases(text)) == [(0, 1), (1, 1), (1, 1)]


def test_too_many_cases() -> None:
    part = "(assert (or (and (<= X_0 1) (<= Y_0 1)) (and (>= X_0 2) (>= Y_0 1))))"
    with pytest.raises(TooMany):
        cases(part * 13)
