"""Did you mean."""

from __future__ import annotations

import pytest

from nnmip.syntax.suggest import closest


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("rellu", ["relu", "leaky_relu", "dense"], "relu"),
        ("petal_lenght", ["petal_length", "petal_width"], "petal_length"),
        ("RELU", ["relu"], "relu"),
        ("species", ["Species"], "Species"),
        ("x", ["y", "z"], None),
        ("budget", [], None),
        ("weights", ["bias", "units"], None),
    ],
)
def test_closest(word: str, candidates: list[str], expected: str | None) -> None:
    assert closest(word, candidates) == expected
