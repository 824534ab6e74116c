"""Smooth units of networks: functions of single entries that are curves wherever they stand, as operators of their own
and as the products that exporters write for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType

import numpy as np

from nnmip.onnx.curves import curve_of
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rule, Rules
from nnmip.onnx.operators.gates import multiple, wide
from nnmip.onnx.views import View
from nnmip.records import dataclass

SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""The defaults of `alpha` and `gamma`, as the operator states them (Klambauer et al., 2017)."""


def _unit(build: Callable[[At, View], View]) -> Rule:
    """`build` makes the layers of an operator of single entries; of known numbers it has none."""
    return lambda at: build(at, at.view(0))


def _elu(at: At, z: View) -> View:
    return _exponential(at, z, at.real("alpha", 1.0))


def _selu(at: At, z: View) -> View:
    return _exponential(at, z, at.real("alpha", SELU[0]), at.real("gamma", SELU[1]))


def _celu(at: At, z: View) -> View:
    """max(0, z) + min(0, alpha (exp(z / alpha) - 1)), which is alpha times the unit of z / alpha."""
    alpha = at.real("alpha", 1.0)
    if alpha <= 0.0:
        raise at.refuse("has an `alpha` that is not positive")
    return _curve(at, "Elu", z.affine(1.0 / alpha), alpha)


def _exponential(at: At, z: View, alpha: float, gamma: float = 1.0) -> View:
    """gamma times z where z > 0, else gamma alpha (exp z - 1): gamma (alpha elu(z) + (1 - alpha) max(0, z))."""
    positive = at.layers.entrywise("relu", z)
    if alpha == 0.0 or gamma == 0.0:
        return positive.affine(gamma)
    bent = _curve(at, "Elu", z, gamma * alpha)
    return bent if alpha == 1.0 else at.layers.total(bent, positive.affine(gamma * (1.0 - alpha)))


def _gelu(at: At, z: View) -> View:
    if at.text("approximate", "none") != "none":
        raise at.refuse(
            "is approximated by a cubic polynomial in a `Tanh`, of which no certified curve is known",
            "export the network with `nn.GELU()`, which is x (1 + erf(x / sqrt 2)) / 2",
        )
    return _curve(at, "Gelu", z.affine(sqrt(0.5)), sqrt(0.5))


def _hard_swish(at: At, z: View) -> View:
    return _curve(at, "HardSwish", z.affine(1.0 / 6.0), 6.0)


def _swish(at: At, z: View) -> View:
    """z sigmoid(alpha z)."""
    alpha = at.real("alpha", 1.0)
    return z.affine(0.5) if alpha == 0.0 else _curve(at, "Swish", z.affine(alpha), 1.0 / alpha)


def _mish(at: At, z: View) -> View:
    return _curve(at, "Mish", z)


def _curve(at: At, function: str, z: View, scale: float = 1.0) -> View:
    """scale times the function, within the error that is asked for."""
    return curve_of(at.layers, at.by, function, z, at.layers.smooth, scale)


RULES: Rules = {
    "Elu": _unit(_elu),
    "Selu": _unit(_selu),
    "Celu": _unit(_celu),
    "Gelu": _unit(_gelu),
    "HardSwish": _unit(_hard_swish),
    "Swish": _unit(_swish),
    "Mish": _unit(_mish),
}


# ---- products ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Factor:
    """What one factor is of the number `argument`: scale * g(argument) + shift for the function or layer g, which has
    the options `options`."""

    kind: str
    argument: View
    scale: Array
    shift: Array
    options: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """That a factor is `factor` times g, where `number` times g(..) is the function of `number` called `function`."""

    function: str
    number: View
    factor: Array


def product_of_one(at: At, left: View, right: View) -> View | None:
    """The product of two views as a curve, where one is a multiple of the number that the other is a function of; None
    where it is no function that has curves."""
    shape = np.broadcast_shapes(left.shape, right.shape)
    for line, by in ((wide(left, shape), wide(right, shape)), (wide(right, shape), wide(left, shape))):
        factor = _factor(at, by)
        found = None if factor is None or factor.kind not in FORMS else FORMS[factor.kind](at, factor)
        times = None if found is None else multiple(line, found.number)
        if found is not None and times is not None:
            scale = SCALES.get(found.function, 1.0)
            return _curve(at, found.function, found.number, scale).affine(times * found.factor / scale)
    return None


SCALES: Mapping[str, float] = MappingProxyType({"Gelu": sqrt(0.5), "HardSwish": 6.0})
"""What a function is times where it is the unit by its usual name: the error that is asked for is that of the unit."""


def _factor(at: At, by: View) -> _Factor | None:
    argument, made = at.layers.argument(by), at.layers.made[by.base]
    if argument is None:
        return None
    kind = at.layers.curves[by.base].function if by.base in at.layers.curves else made.op
    return _Factor(kind, argument, by.scale, by.shift, made.options)


def _of_sigmoid(at: At, factor: _Factor) -> _Product | None:
    return None if factor.shift.any() else _Product("Swish", factor.argument, factor.scale)


def _of_erf(at: At, factor: _Factor) -> _Product | None:
    same = np.array_equal(factor.scale, factor.shift)
    return _Product("Gelu", factor.argument, factor.scale) if same else None


def _of_tanh(at: At, factor: _Factor) -> _Product | None:
    """z tanh(log(1 + exp z)) (Misra, 2019)."""
    inner = _factor(at, factor.argument)
    if inner is None or inner.kind != "Softplus" or not factor.argument.is_plain or factor.shift.any():
        return None
    return _Product("Mish", inner.argument, factor.scale)


def _of_hard_sigmoid(at: At, factor: _Factor) -> _Product | None:
    if factor.shift.any() or factor.options["shift"] != 0.5:
        return None
    return _Product("HardSwish", factor.argument.affine(factor.options["slope"]), factor.scale)


def _of_clip(at: At, factor: _Factor) -> _Product | None:
    """min(max(v, low), high) - low is the width times min(max(z + 1/2, 0), 1) for z = (v - low) / width - 1/2."""
    low, high = factor.options["low"], factor.options["high"]
    if not np.array_equal(factor.shift, -low * factor.scale):
        return None
    width = high - low
    return _Product("HardSwish", factor.argument.affine(1.0 / width, -low / width - 0.5), factor.scale * width)


FORMS: Mapping[str, Callable[[At, _Factor], _Product | None]] = MappingProxyType(
    {
        "Sigmoid": _of_sigmoid,
        "Erf": _of_erf,
        "Tanh": _of_tanh,
        "hard_sigmoid": _of_hard_sigmoid,
        "clip": _of_clip,
    }
)
"""By the function that a factor is, or by its layer."""
