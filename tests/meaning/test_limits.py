"""What is refused because no solver could keep it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from nnmip.diagnostics import DiagnosticError
from nnmip.lowering.lower import lower_program
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load


def refusal(folder: Path, weights: str) -> tuple[str, str]:
    """The code and the place of what lowering says of a network of two layers with these weights."""
    layers = (
        f"layer h = dense(x, units: 1, weights in {weights}); layer a = relu(h);"
        f"layer o = dense(a, units: 1, weights in {weights}); return o[0]"
    )
    with pytest.raises(DiagnosticError) as caught:
        lower_program(load(model(layers, "minimize hinge(net, train)"), folder))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.span.text.split(" ")[0]


def test_values_out_of_reach_are_refused_at_their_layer(tmp_path: Path) -> None:
    assert refusal(tmp_path, "{-1e13, 1e13}") == ("NNM0402", "h")
    assert refusal(tmp_path, "{-1e9, 1e9}") == ("NNM0402", "o")


def test_a_big_m_out_of_reach_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "{-6e5, 6e5}")[0] == "NNM0402"


@pytest.mark.parametrize("name", ["units on a line whose inputs coincide", "rows on a line that almost coincide"])
def test_cuts_between_rows_never_refuse_a_model(name: str, tmp_path: Path) -> None:
    """A valid inequality is only a help; where its numbers are bad it is left out."""
    program = load(CORNERS[name], tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lower_program(program)
