"""Models as texts, and the HIR that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnmip.diagnostics import Diagnostic, Diagnostics
from nnmip.hir.core import Program
from nnmip.sema.model import build_program
from nnmip.source import SourceFile
from nnmip.syntax.parser import parse

FOLDER = Path(__file__).parent.parent / "bad"
"""Where `flowers.csv` is: six rows, petal_length 1.3 to 4.9 and petal_width 0.2 to 1.5 in tenths."""

DATA = """
data train = csv("flowers.csv") {
  features petal_length, petal_width scale minmax
  label    species as {setosa: -1, versicolor: +1}
}
"""

NETWORK = """
network clf(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 3, weights in [-2, 2], bias in [-1, 1])
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in [-1, 1])
  return o[0]
}
"""


def read(text: str, overrides: Mapping[str, str] | None = None) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The program of a text (the version line is added) and everything that was said about it."""
    diagnostics = Diagnostics()
    program = build_program(parse(SourceFile("model.nnm", f"nnm 0.1\n{text}")), FOLDER, overrides or {}, diagnostics)
    return program, tuple(diagnostics.items)


def build(text: str, overrides: Mapping[str, str] | None = None) -> Program:
    """The program of a text without errors."""
    program, found = read(text, overrides)
    assert program is not None, [(d.code, d.message) for d in found]
    return program


def trained(goal: str, more: str = "") -> Program:
    """The usual model with another goal and more declarations."""
    return build(f"{DATA}{NETWORK}minimize {goal}\n{more}")


def messages(text: str, overrides: Mapping[str, str] | None = None) -> list[str]:
    """`CODE headline` of everything that is wrong with a text."""
    return [f"{d.code} {d.message}" for d in read(text, overrides)[1]]
