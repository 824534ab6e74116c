"""Whatever a slip makes of a model, it ends in diagnostics, never in an exception."""

from __future__ import annotations

from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnmip.diagnostics import Diagnostics, Severity
from nnmip.sema.model import build_program
from nnmip.source import SourceFile
from nnmip.syntax.grammar import load_grammar
from nnmip.syntax.parser import parse
from tests.sema.models import FOLDER, read

GOOD = """
param budget : int in 1..9 = 4
param w : real[2] = [1, 2.5]
param on : bool = true
data train = csv("flowers.csv") {
  features petal_length as length, petal_width scale minmax[-1, 1]
  label    species as {setosa: -1, versicolor: +1}
  where    petal_length > 1
}
network clf(x: real[2] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in [-2, -0.5] | {0} | [0.5, 2], bias in {-1, 0, 1})
  layer a = relu(h, prune: units)
  layer o = dense(relu(dense(a, units: 2, weights in -1..1, bias in [-1, 1] step 1/4)), units: 1, weights in {-1, 1})
  return o[0]
}
minimize 0.5 * (hinge(clf, train, margin: 1) + zero_one(clf, train, margin: 0.5)) / 2
  + 0.01 * l0(clf.weights) + count(used(clf.a)) - 1
constraint sparse "budget": l0(clf.weights[0:2]) <= budget
constraint columns: 0 <= clf.h.weights[:, length] + w <= norm_1(clf.biases)
constraint whole: sum(clf.h.weights) >= -3
constraint unit: used(clf.a[0])
constraint known: on
"""

NAMES = ["relu", "l0", "petal_width", "hinge", "used", "species", "weights", "biases", "zero_one", "strictness", "nope"]
NUMBERS = ["0", "99999", "1e-320", "1e308", "1_000_000_000_000", "9" * 400, "0.5", "3e5"]
OTHERS = ["-1", "[", "{1, 2}", '"x"', "forall", "..", "1/0", "step", "not", ":", "in", "[[1, 2], [3, 4]]", "true", "|"]


@cache
def tokens() -> tuple[tuple[str, str], ...]:
    """The kind and the text of every token of the good model."""
    return tuple((token.type, str(token)) for token in load_grammar().lex(GOOD))


def replacements(kind: str) -> list[str]:
    """Texts that can stand in for a token, most of which the parser accepts."""
    same = [text for other, text in tokens() if other == kind]
    return same + {"NAME": NAMES, "INT": NUMBERS, "FLOAT": NUMBERS}.get(kind, OTHERS)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    words = [text for _, text in tokens()]
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(tokens()) - 1))
        kind = tokens()[position][0]
        change = draw(st.sampled_from(["like", "like", "like", "any", "delete", "double"]))
        if change == "like":
            words[position] = draw(st.sampled_from(replacements(kind)))
        elif change == "any":
            words[position] = draw(st.sampled_from(NAMES + NUMBERS + OTHERS))
        elif change == "delete":
            words[position] = ""
        else:
            words[position] = f"{words[position]} {words[position]}"
    return "nnm 0.1 " + " ".join(words)


def test_the_good_model_is_good() -> None:
    program, found = read(GOOD)
    assert program is not None
    assert found == ()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_slips_end_in_diagnostics(text: str) -> None:
    diagnostics = Diagnostics()
    program = build_program(parse(SourceFile("model.nnm", text)), FOLDER, {}, diagnostics)
    assert (program is None) == bool(diagnostics.errors)
    for diagnostic in diagnostics.items:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert diagnostic.message[:1] == diagnostic.message[:1].lower()
        assert diagnostic.severity in (Severity.ERROR, Severity.WARNING)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='0123456789.+-*/()[]{}, abwonbudget\n"#', max_size=12))
def test_overrides_end_in_diagnostics(value: str) -> None:
    program, found = read(GOOD, {"budget": value})
    assert (program is None) == any(d.severity is Severity.ERROR for d in found)
    for diagnostic in found:
        assert diagnostic.span.file.path in ("-D budget", "model.nnm")
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(diagnostic.span.file.text)
