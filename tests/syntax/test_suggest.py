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
        ("hinj", ["hinge", "l0", "margin"], "hinge"),
        ("hindsight", ["hinge", "used"], None),
        ("x", ["y", "z"], None),
        ("budget", [], None),
        ("weights", ["bias", "units"], None),
    ],
)
def test_closest(word: str, candidates: list[str], expected: str | None) -> None:
    assert closest(word, candidates) == expected


def test_many_and_long_candidates() -> None:
    many = [f"unit_{k}" for k in range(900)]
    assert closest("untis", [*many, "units"]) == "units"
    assert closest("a" * 10_000 + "b", ["a" * 10_000 + "c"]) is None
    assert closest("x" * 20, (f"{'y' * 20}{k}" for k in range(10**6))) is None
