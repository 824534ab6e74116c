"""Swish, gelu and their kin: as operators, and as the products that exporters write for them, in certified curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import nnmip
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.evaluate import result
from nnmip.hir.known import KnownNetwork
from nnmip.onnx.check import Computed
from nnmip.onnx.operators import units
from nnmip.onnx.read import read_onnx
from nnmip.sizes import UNASKED
from tests.networks.nets import Net
from tests.networks.test_import import ORIGIN

Function = Callable[[np.ndarray], np.ndarray]


def unit(*nodes: tuple[object, ...], opset: int = 17, **stored: object) -> Net:
    """A dense layer `h`, nodes that give `a`, and a dense layer behind."""
    rng = np.random.default_rng(3)
    numbers = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3), "v": rng.normal(size=(3, 2)), **stored}
    numbers |= {"one": np.array(1.0), "half": np.array(0.5), "three": np.array(3.0), "six": np.array(6.0)}
    return Net(("N", 2), [("Gemm", "x w b", "h"), *nodes, ("MatMul", "a v", "y")], numbers, opset=opset)


def operator(name: str, opset: int = 17, **attributes: object) -> Net:
    return unit((name, "h", "a", attributes), opset=opset)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def gelu(z: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))))


def elu(z: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(z > 0, z, alpha * (np.exp(np.minimum(z, 0)) - 1))


def mish(z: np.ndarray) -> np.ndarray:
    return np.asarray(z * np.tanh(np.log1p(np.exp(z))))


def hard_swish(z: np.ndarray) -> np.ndarray:
    return np.asarray(z * np.clip(z + 3, 0, 6) / 6)


ROOT = np.array(np.float32(math.sqrt(2)))
SLANTED = float(np.float32(1.702))
SIXTH = float(np.float32(1 / 6))

UNITS: dict[str, tuple[Net, Function, float]] = {
    "Elu": (operator("Elu"), elu, 1.0),
    "Elu, flat": (operator("Elu", alpha=0.5), lambda z: elu(z, 0.5), 1.0),
    "Elu, steep": (operator("Elu", alpha=2.0), lambda z: elu(z, 2.0), 1.0),
    "Selu": (operator("Selu"), lambda z: units.SELU[1] * elu(z, units.SELU[0]), 1.0),
    "Celu": (operator("Celu", alpha=0.25), lambda z: np.maximum(z, 0) + 0.25 * elu(np.minimum(z, 0) / 0.25), 1.0),
    "Gelu": (operator("Gelu", 20), gelu, 1.0),
    "Swish": (operator("Swish", 24), lambda z: z * sigmoid(z), 1.0),
    "Swish, turned": (operator("Swish", 24, alpha=-2.0), lambda z: z * sigmoid(-2 * z), 1.0),
    "Mish": (operator("Mish", 18), mish, 1.0),
    "HardSwish": (operator("HardSwish"), hard_swish, 1.0),
    "x sigmoid x": (unit(("Sigmoid", "h", "s"), ("Mul", "h s", "a")), lambda z: z * sigmoid(z), 1.0),
    "x sigmoid of 1.702 x": (
        unit(("Mul", "h q", "t"), ("Sigmoid", "t", "s"), ("Mul", "s h", "a"), q=np.array(SLANTED)),
        *(lambda z: z * sigmoid(SLANTED * z), 1 / SLANTED),
    ),
    "gelu as torch writes it": (
        unit(
            ("Div", "h r", "t"),
            ("Erf", "t", "e"),
            ("Add", "e one", "f"),
            ("Mul", "h f", "g"),
            ("Mul", "g half", "a"),
            r=ROOT,
        ),
        *(lambda z: 0.5 * z * (1 + np.vectorize(math.erf)(z / float(ROOT))), 1.0),
    ),
    "gelu as tensorflow writes it": (
        unit(
            ("Div", "h r", "t"),
            ("Erf", "t", "e"),
            ("Add", "one e", "f"),
            ("Mul", "half h", "g"),
            ("Mul", "f g", "a"),
            r=ROOT,
        ),
        *(lambda z: 0.5 * z * (1 + np.vectorize(math.erf)(z / float(ROOT))), 1.0),
    ),
    "softplus as torch exports it": (
        unit(
            *(("Mul", "h two", "t"), ("Softplus", "t", "s"), ("Div", "s two", "d"), ("Greater", "t far", "c")),
            ("Where", "c h d", "a"),
            **{"two": np.array(2.0), "far": np.array(20.0)},
        ),
        *(lambda z: np.where(2 * z > 20, z, np.log1p(np.exp(2 * z)) / 2), 0.5),
    ),
    "mish in parts": (unit(("Softplus", "h", "s"), ("Tanh", "s", "t"), ("Mul", "h t", "a")), mish, 1.0),
    "hard swish by clip": (
        unit(
            ("Add", "h three", "p"),
            ("Clip", "p zero six", "c"),
            ("Mul", "h c", "m"),
            ("Div", "m six", "a"),
            zero=np.array(0.0),
        ),
        *(hard_swish, 1.0),
    ),
    "hard swish by a product that is written twice": (
        unit(
            *(("Gemm", "x w c", "p"), ("MatMul", "x w", "g"), ("Clip", "p zero six", "t"), ("Mul", "t sixth", "q")),
            ("Mul", "g q", "a"),
            **{"c": np.full(3, 3.0), "zero": np.array(0.0), "sixth": np.array(SIXTH), "b": np.zeros(3)},
        ),
        *(lambda z: z * np.clip(z + 3, 0, 6) * SIXTH, 1.0),
    ),
    "hard swish by hard sigmoid": (
        unit(("HardSigmoid", "h", "s", {"alpha": SIXTH}), ("Mul", "s h", "a")),
        *(lambda z: z * np.clip(SIXTH * z + 0.5, 0, 1), 1.0),
    ),
}
"""The network, its unit, and how many times the error that is asked for the unit is off at most."""


def read(net: Net, smooth: float | None = None) -> KnownNetwork:
    return read_onnx(net.model(), None, "f", ORIGIN, UNASKED, smooth)


def truth(net: Net, function: Function, x: np.ndarray) -> np.ndarray:
    w, b, v = (np.float32(net.stored[name]).astype(float) for name in "wbv")
    return np.asarray(function(x @ w + b) @ v)


@pytest.mark.parametrize("name", UNITS)
def test_it_is_the_unit_within_the_error_that_was_asked_for(name: str) -> None:
    net, function, factor = UNITS[name]
    for smooth in (0.05, None):
        known = read(net, smooth)
        assert known.smoothed is not None
        assert len(known.smoothed.curves) == 1
        assert sum(layer.op == "piecewise" for layer in known.network.layers) == 1
        x = np.random.default_rng(1).normal(size=(4000, 2)) * np.array([1.0, 4.0])
        exact = truth(net, function, x)
        ours = Computed(known.network, known.assignment, known.smoothed).result(x)
        assert np.abs(ours - exact).max() <= 1e-9 * max(1.0, float(np.abs(exact).max()))
        away = np.abs(result(known.network, known.assignment, x) - exact)
        assert (away <= known.smoothed.error + 1e-9).all()
        assert away.max() >= 0.1 * known.smoothed.error.max()
        assert (
            known.smoothed.error.max()
            <= 1.00001 * factor * (smooth or 1e-3) * np.abs(net.stored["v"]).sum(axis=0).max()
        )


def test_what_is_stated() -> None:
    """The operator with the error of the unit, and the product with the function that it is."""
    assert str(read(UNITS["Gelu"][0]).smoothed).startswith("Gelu (node 2) is 24 lines within 0.000972; outputs")
    text = str(read(UNITS["gelu as torch writes it"][0]).smoothed)
    assert text.startswith("Mul (node 5) is Gelu of 24 lines within 0.000972; outputs")


NO_UNITS = {
    "another number": (
        ("Sigmoid", "x", "s"),
        ("Concat", "s s", "t", {"axis": 1}),
        ("Slice", "t b e i", "u"),
        ("Mul", "h u", "a"),
    ),
    "a shift": (("Add", "h one", "t"), ("Sigmoid", "t", "s"), ("Mul", "h s", "a")),
    "a sigmoid and more": (("Sigmoid", "h", "s"), ("Add", "s half", "t"), ("Mul", "h t", "a")),
    "not one and erf": (("Erf", "h", "s"), ("Add", "s half", "t"), ("Mul", "h t", "a")),
    "a square": (("Mul", "h h", "a"),),
    "a relu": (("Relu", "h", "s"), ("Mul", "h s", "a")),
    "a clip that is not in the middle": (("Clip", "h half six", "s"), ("Mul", "h s", "a")),
    "a tanh of something else": (("Tanh", "h", "s"), ("Mul", "h s", "a")),
}


@pytest.mark.parametrize("name", NO_UNITS)
def test_other_products_are_refused(name: str) -> None:
    stored = {"b2": 0, **{key: np.array([value]) for key, value in (("b", 0), ("e", 3), ("i", 1))}}
    net = unit(*NO_UNITS[name])
    if name == "another number":
        net.nodes[0] = ("Gemm", "x w bias", "h")
        net.stored |= {"bias": net.stored["b"], **{key: stored[key] for key in "bei"}}
    with pytest.raises(DiagnosticError) as caught:
        read(net)
    (found,) = caught.value.diagnostics
    assert found.code == "NNM0617" and "multiplies two values that are both made from the input" in found.message
    assert "swish, gelu, mish and hard swish" in found.help


def test_gelu_by_a_polynomial_is_refused() -> None:
    with pytest.raises(DiagnosticError) as caught:
        read(operator("Gelu", 20, approximate="tanh"))
    (found,) = caught.value.diagnostics
    assert "is approximated by a cubic polynomial" in found.message and "nn.GELU()" in found.help


def test_a_wrong_multiple_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seeded fault: the product is compared with the file."""
    right = units.multiple
    monkeypatch.setattr(units, "multiple", lambda line, z: None if right(line, z) is None else right(line, z) * 1.001)
    with pytest.raises(DiagnosticError, match="NNM0618"):
        read(UNITS["x sigmoid x"][0])


@pytest.mark.parametrize(
    ("name", "solver"), [("x sigmoid x", "highs"), ("Gelu", "cbc"), ("hard swish by clip", "highs")]
)
def test_the_optimum_is_that_of_dense_points(name: str, solver: str, tmp_path: Path) -> None:
    net, function, _ = UNITS[name]
    onnx.save(net.model(), tmp_path / "f.onnx")
    known = read(net, 0.02)
    axis = np.linspace(-2.0, 2.0, 201)
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    for goal, sign in (("minimize", -1.0), ("maximize", 1.0)):
        text = f'nnm 0.1\nnetwork f = onnx("f.onnx", smooth: 0.02)\nvar x: real[2] in [-2, 2]\n{goal} f(x)[0]\n'
        solved = nnmip.loads(text, directory=tmp_path).solve(solver=solver, time_limit=60)
        assert solved.solution == "optimal"
        best = sign * solved.objective
        ours = (sign * result(known.network, known.assignment, x)[:, 0]).max()
        theirs = (sign * truth(net, function, x)[:, 0]).max()
        assert ours - 1e-6 <= best <= ours + 0.05
        assert best >= theirs - known.smoothed.error[0] - 1e-6  # type: ignore[union-attr]
