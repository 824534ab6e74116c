"""How far below 0 a negative score is at least: exact where scores lie on a grid, computed here by hand."""

from __future__ import annotations

import pytest

from tests.sema.models import DATA, FOLDER, build, read

XOR = """
data train = csv("../../examples/data/xor.csv") {
  features x0, x1
  label    parity as {even: -1, odd: +1}
}
"""


def option(data: str, layers: str, call: str = "zero_one(net, train)", bounds: str = "[-1, 1]") -> tuple[float, bool]:
    text = f"{data}network net(x: real[2] in {bounds}) {{ {layers} return o[0] }} minimize {call}"
    value = build(text).stages[0].terms[0].value
    return value.option("strictness"), bool(value.option("strictness_exact"))


def one_layer(weights: str, bias: str | None = None) -> str:
    end = "" if bias is None else f", bias in {bias}"
    return f"layer o = dense(x, units: 1, weights in {weights}{end})"


def test_data_is_there() -> None:
    assert (FOLDER / "flowers.csv").exists()


@pytest.mark.parametrize(
    ("weights", "bias", "step"),
    [
        ("{-1, 0, 1}", None, 1.0),
        ("{-1, 0, 1}", "{-1, 0, 1}", 1.0),
        ("{-4, 0, 6}", None, 2.0),
        ("{-4, 0, 6}", "{-3, 3}", 1.0),
        ("[-1, 1] step 0.5", "[-1, 1] step 1/4", 0.25),
        ("[-1, 1] step 0.1", "{0.25}", 0.05),
    ],
)
def test_whole_data(weights: str, bias: str | None, step: float) -> None:
    assert option(XOR, one_layer(weights, bias)) == (step, True)


def test_scaled_decimals() -> None:
    # Tenths over 3.6 and over 1.3: steps 1/36 and 1/13, together 1/468.
    assert option(DATA, one_layer("{-1, 0, 1}"), bounds="[0, 1]") == (1 / 468, True)
    # With even weights 2/468, of which 0.5 is a multiple and 0.25 is not.
    assert option(DATA, one_layer("{-2, 0, 2}", "{0, 0.5}"), bounds="[0, 1]") == (1 / 234, True)
    assert option(DATA, one_layer("{-2, 0, 2}", "{0, 0.25}"), bounds="[0, 1]") == (1 / 468, True)
    # To [-1, 1]: 2/36 and 2/13 with an end at -1 are multiples of 1/18 and 1/13, together 1/234.
    assert option(DATA.replace("minmax", "minmax [-1, 1]"), one_layer("{-1, 0, 1}")) == (1 / 234, True)


def test_grid_goes_through_the_layers() -> None:
    layers = (
        "layer h = dense(x, units: 2, weights in {-0.5, 0, 0.5}, bias in {0, 1}) layer a = relu(h, prune: units)"
        "layer o = dense(a, units: 1, weights in {-0.2, 0, 0.2}, bias in {0, 0.3})"
    )
    assert option(XOR, layers) == (0.1, True)


@pytest.mark.parametrize(
    ("data", "layers"),
    [
        (XOR, one_layer("{-1, 0, 1}", "[-1, 1]")),
        (XOR, one_layer("[-1, 1]", "{0, 1}")),
        (XOR, one_layer("{0, 1} | [2, 3]")),
        (DATA.replace("minmax", "standard"), one_layer("{-1, 0, 1}")),
    ],
)
def test_stated_strictness_where_there_is_no_grid(data: str, layers: str) -> None:
    assert option(data, layers, bounds="[-9, 9]") == (1e-4, False)


def test_margin_and_stated_strictness() -> None:
    layers = one_layer("{-1, 0, 1}")
    assert option(XOR, layers, "zero_one(net, train, margin: 0.5)") == (0.0, False)
    assert option(XOR, layers, "zero_one(net, train, strictness: 0.01)") == (0.01, False)


def test_grid_that_is_too_fine() -> None:
    layers = one_layer("{-0.001, 0, 0.001}", "{0, 0.0001}")
    text = "{data}network net(x: real[2] in [-9, 9]) {{ {layers} return o[0] }} minimize zero_one(net, train)"
    _, (found,) = read(text.format(data=DATA, layers=layers))
    # 1/468000 and 1/10000 have the common step 1/2340000.
    assert found.code == "NNM0404"
    assert found.message == "scores lie on a grid of step 4.27e-07, too fine to tell a negative score from 0"
    assert found.help == "use `scale none`, so that the grid is that of the file"
    _, (found,) = read(text.format(data=XOR, layers=one_layer("{0, 0.000001}")))
    assert found.code == "NNM0404"
    assert found.help == "round the data, or state a margin: `zero_one(net, data, margin: 0.01)`"
