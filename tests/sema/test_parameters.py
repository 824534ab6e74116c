"""Parameters, their overrides, and where errors inside an override point."""

from __future__ import annotations

import pytest

from nnmip.diagnostics.render import render_text
from tests.sema.models import build, messages, read

TEXT = (
    "param budget : int in 0..6 = 2 * half param half : int = 2 param on : bool = true param w : real[2] = [1, 2.5]\n"
)


def values(text: str, overrides: dict[str, str] | None = None) -> dict[str, object]:
    return {name: value.tolist() for name, value in build(f"{text} satisfy", overrides).parameters}


def test_defaults() -> None:
    assert values(TEXT) == {"budget": 4.0, "half": 2.0, "on": 1.0, "w": [1.0, 2.5]}


def test_overrides() -> None:
    given = {"half": "3", "on": "false", "w": "[half, 1/4]  # weights"}
    assert values(TEXT, given) == {"budget": 6.0, "half": 3.0, "on": 0.0, "w": [3.0, 0.25]}


def test_override_of_a_parameter_without_default() -> None:
    assert values("param k : int", {"k": "-7"}) == {"k": -7.0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("49/49", 1.0),
        ("-3/10 * 10", -3.0),
        ("1 - 2 - 3", -4.0),
        ("8 / 2 / 2 * 3", 6.0),
        ("2 * (3 + 4) - -1", 15.0),
        ("w[1] * 2", 5.0),
        ("sum(w) + 0.5", 4.0),
        ("l0([0, 3, 0]) + norm_1([-1, 2])", 4.0),
        ("count([true, false, true])", 2.0),
        ("[[1, 2], [3, 4]][1, 0]", 3.0),
    ],
)
def test_known_numbers(value: str, expected: float) -> None:
    assert values(f"param w : real[2] = [1, 2.5] param k : int = {value}")["k"] == expected


@pytest.mark.parametrize(
    ("value", "message", "marked"),
    [
        ("12", "NNM0206 the value of `budget` is outside {0, 1, 2, 3, 4, 5, 6}", "12"),
        ("2.5", "NNM0206 `budget` is declared `int`, but `2.5` is not a whole number", "2.5"),
        ("true", "NNM0206 `budget` is declared `int`, but `true` is Boolean", "true"),
        ("[1, 2]", "NNM0206 `budget` is a single value, but its value is a tensor of shape [2]", "[1, 2]"),
        ("1 + hlaf", "NNM0201 nothing is called `hlaf`", "hlaf"),
        ("4 / 0", "NNM0205 division by zero", "0"),
        ("1 +", "NNM0206 `1 +` is not a value for `budget`", "1 +"),
        ("1 param x", "NNM0206 `1 param x` is not a value for `budget`", "1 param x"),
        ("units: 3", "NNM0206 `units: 3` is not a value for `budget`", "units: 3"),
        ("budget", "NNM0201 `budget` is defined by itself", "budget"),
        ("abc", "NNM0206 `abc` is not a value for `budget`", "abc"),
        ("inf", "NNM0206 `inf` is not a value for `budget`", "inf"),
        ("-inf", "NNM0401 `inf` is not a number here: every decision and every input is bounded", "inf"),
    ],
)
def test_wrong_overrides_point_into_the_text_of_the_user(value: str, message: str, marked: str) -> None:
    _, (found,) = read(f"{TEXT} satisfy", {"budget": value})
    assert f"{found.code} {found.message}" == message
    assert found.span.text == marked
    assert (found.span.file.path, found.span.file.text) == ("-D budget", value)


@pytest.mark.parametrize(
    ("name", "value", "help"),
    [
        ("budget", "abc", "`budget` takes a whole number such as `3`"),
        ("on", "True", "`on` takes `true` or `false`"),
        ("w", "abc", "`w` takes a list such as `[1, 2]`"),
        ("eps", "0,5", "`eps` takes a number such as `0.5`"),
    ],
)
def test_wrong_override_names_the_declared_type(name: str, value: str, help: str) -> None:
    _, (found,) = read(f"{TEXT} param eps : real = 1 satisfy", {name: value})
    assert (found.code, found.message) == ("NNM0206", f"`{value}` is not a value for `{name}`")
    assert found.help == help


def test_circle_through_an_override() -> None:
    _, (found,) = read("param a : int = b param b : int = 1 satisfy", {"b": "a"})
    assert (found.message, found.span.file.path) == ("`a` is defined by itself", "-D b")
    assert found.help == "it reads `b`, which reads `a`"


def test_rendered_override() -> None:
    _, found = read(f"{TEXT} satisfy", {"budget": "1 + hlaf"})
    assert render_text(found) == (
        "error[NNM0201]: nothing is called `hlaf`\n"
        "  --> -D budget:1:5\n"
        "   |\n"
        " 1 | 1 + hlaf\n"
        "   |     ^^^^\n"
        "   = help: did you mean `half`?"
    )


def test_rendered_override_outside_the_domain_shows_both_places() -> None:
    _, found = read("param k : int in 0..3 = 1\nsatisfy", {"k": "7"})
    assert render_text(found) == (
        "error[NNM0206]: the value of `k` is outside {0, 1, 2, 3}\n"
        "  --> -D k:1:1\n"
        "   |\n"
        " 1 | 7\n"
        "   | ^\n"
        "  ::: model.nnm:2:18\n"
        "   |\n"
        " 2 | param k : int in 0..3 = 1\n"
        "   |                  ---- its domain\n"
        "   = help: write `3`, the nearest value in it, or widen the domain"
    )


def test_every_wrong_override_is_reported() -> None:
    assert messages(f"{TEXT} satisfy", {"hlaf": "1", "on": "(", "w": "2"}) == [
        "NNM0201 no parameter is called `hlaf`",
        "NNM0206 `(` is not a value for `on`",
        "NNM0206 `w` is a tensor of shape [2], but its value is a single value",
    ]


def test_overriding_a_parameter_that_cannot_be_read_adds_nothing() -> None:
    assert messages("param k : int = (1\nsatisfy", {"k": "2"}) == ["NNM0101 `(` is never closed"]
