"""Smooth functions of one number: in floating point, and in decimals for proofs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
Real = Callable[[Decimal], Decimal]
Fast = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A function that is convex or concave between its bends, and near a line far out on either side.

    exact, steep: its value and slope in floating point. value, slope: in decimals. bends: where it changes between
    convex and concave, or has a kink; where the second derivative passes through 0, the nearest double will do: it is
    off by 1e-15, and what is proved of the function there by the cube of that. turns: 1 where it is convex, -1 where it
    is concave (or a line), from left to right. before, behind: slope and shift of the line on either side. steepest: at
    least the largest slope in absolute value. is_odd: whether it is odd around its one bend.
    """

    name: str
    exact: Fast
    steep: Fast
    value: Real
    slope: Real
    bends: tuple[float, ...]
    turns: tuple[int, ...]
    before: tuple[float, Decimal]
    behind: tuple[float, Decimal]
    steepest: float
    is_odd: bool = False


ZERO, ONE = Decimal(0), Decimal(1)


def _sigmoid(z: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def _sigmoid_of(z: Decimal) -> Decimal:
    power = (-abs(z)).exp()
    return (ONE if z >= 0 else power) / (1 + power)


def _tanh_of(z: Decimal) -> Decimal:
    power = (-2 * abs(z)).exp()
    half = (1 - power) / (1 + power)
    return half if z >= 0 else -half


def _softplus(z: FloatArray) -> FloatArray:
    return np.asarray(np.logaddexp(0.0, z))


def _softplus_of(z: Decimal) -> Decimal:
    return max(z, ZERO) + (1 + (-abs(z)).exp()).ln()


def _capped_exp(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.minimum(z, 0.0)))


def _erf(z: FloatArray) -> FloatArray:
    found = [math.erf(number) for number in np.asarray(z, dtype=np.float64).reshape(-1).tolist()]
    return np.array(found, dtype=np.float64).reshape(np.shape(z))


def _root_of_pi() -> Decimal:
    return Decimal("3.14159265358979323846264338327950288419716939937510582097494").sqrt()


def _erf_of(z: Decimal) -> Decimal:
    """2 / sqrt(pi) exp(-z^2) times the sum of 2^n z^(2n+1) / (1 3 5 ... (2n+1)) (Abramowitz and Stegun 7.1.6): all
    terms have one sign."""
    size = min(abs(z), Decimal(12))  # from there on it is 1 in 60 digits
    term = total = size
    count = 1
    while term > total * Decimal(10) ** -45:
        count += 2
        term = term * 2 * size * size / count
        total += term
    found = 2 / _root_of_pi() * (-size * size).exp() * total
    return found if z >= 0 else -found


def _swish_slope(z: Decimal) -> Decimal:
    power = _sigmoid_of(z)
    return power + z * power * (1 - power)


def _swish_steep(z: FloatArray) -> FloatArray:
    power = _sigmoid(z)
    return np.asarray(power + z * power * _sigmoid(-z))


def _mish(z: FloatArray) -> FloatArray:
    """z tanh(log(1 + exp z)), in powers of exp(-|z|)."""
    power = np.exp(-np.abs(z))
    above = (1.0 + 2.0 * power) / (1.0 + 2.0 * power + 2.0 * power * power)
    below = power * (power + 2.0) / (power * power + 2.0 * power + 2.0)
    return np.asarray(z * np.where(z >= 0.0, above, below))


def _mish_of(z: Decimal) -> Decimal:
    power = (-abs(z)).exp()
    above, below = 1 + 2 * power, power * (power + 2)
    return z * (above / (above + 2 * power * power) if z >= 0 else below / (below + 2))


def _mish_steep(z: FloatArray) -> FloatArray:
    power = np.exp(-np.abs(z))
    up, down = 1.0 + 2.0 * power + 2.0 * power * power, power * power + 2.0 * power + 2.0
    above = (1.0 + 2.0 * power) / up + z * 4.0 * (1.0 + power) * power * power / up**2
    below = power * (power + 2.0) / down + z * 4.0 * power * (power + 1.0) / down**2
    return np.asarray(np.where(z >= 0.0, above, below))


def _mish_slope(z: Decimal) -> Decimal:
    power = (-abs(z)).exp()
    up, down = 1 + 2 * power + 2 * power * power, power * power + 2 * power + 2
    if z >= 0:
        return (1 + 2 * power) / up + z * 4 * (1 + power) * power * power / up**2
    return power * (power + 2) / down + z * 4 * power * (power + 1) / down**2


def _gelu(z: FloatArray) -> FloatArray:
    """z (1 + erf z) = z erfc(-z), which loses no digits on the left."""
    found = [number * math.erfc(-number) for number in np.asarray(z, dtype=np.float64).reshape(-1).tolist()]
    return np.array(found, dtype=np.float64).reshape(np.shape(z))


def _gelu_slope(z: Decimal) -> Decimal:
    return 1 + _erf_of(z) + z * 2 / _root_of_pi() * (-z * z).exp()


HALF = Decimal("0.5")


def _hard_swish_slope(z: Decimal) -> Decimal:
    return ZERO if z <= -HALF else ONE if z >= HALF else 2 * z + HALF


LEVEL = (0.0, ZERO)
"""The line that is 0 everywhere."""


def _bell(z: FloatArray) -> FloatArray:
    return np.asarray(2.0 / math.sqrt(math.pi) * np.exp(-z * z))


ALL = (
    Smooth(
        name="Sigmoid",
        exact=_sigmoid,
        steep=lambda z: _sigmoid(z) * _sigmoid(-z),
        value=_sigmoid_of,
        slope=lambda z: _sigmoid_of(z) * _sigmoid_of(-z),
        bends=(0.0,),
        turns=(1, -1),
        before=LEVEL,
        behind=(0.0, ONE),
        steepest=0.25,
        is_odd=True,
    ),
    Smooth(
        name="Tanh",
        exact=np.tanh,
        steep=lambda z: np.asarray(1.0 / np.cosh(z) ** 2),
        value=_tanh_of,
        slope=lambda z: 1 - _tanh_of(z) ** 2,
        bends=(0.0,),
        turns=(1, -1),
        before=(0.0, -ONE),
        behind=(0.0, ONE),
        steepest=1.0,
        is_odd=True,
    ),
    Smooth(
        name="Erf",
        exact=_erf,
        steep=_bell,
        value=_erf_of,
        slope=lambda z: 2 / _root_of_pi() * (-z * z).exp(),
        bends=(0.0,),
        turns=(1, -1),
        before=(0.0, -ONE),
        behind=(0.0, ONE),
        steepest=1.1283791670955128,
        is_odd=True,
    ),
    Smooth(
        name="Softplus",
        exact=_softplus,
        steep=_sigmoid,
        value=_softplus_of,
        slope=_sigmoid_of,
        bends=(),
        turns=(1,),
        before=LEVEL,
        behind=(1.0, ZERO),
        steepest=1.0,
    ),
    Smooth(
        name="Exp",
        exact=_capped_exp,
        steep=lambda z: np.where(z <= 0.0, _capped_exp(z), 0.0),
        value=lambda z: min(z, ZERO).exp(),
        slope=lambda z: z.exp() if z <= 0 else ZERO,
        bends=(0.0,),
        turns=(1, -1),
        before=LEVEL,
        behind=(0.0, ONE),
        steepest=1.0,
    ),
    Smooth(
        name="Elu",
        exact=lambda z: np.asarray(np.maximum(z, 0.0) + np.expm1(np.minimum(z, 0.0))),
        steep=_capped_exp,
        value=lambda z: z if z > 0 else z.exp() - 1,
        slope=lambda z: min(z, ZERO).exp(),
        bends=(),
        turns=(1,),
        before=(0.0, -ONE),
        behind=(1.0, ZERO),
        steepest=1.0,
    ),
    Smooth(
        name="Swish",
        exact=lambda z: np.asarray(z * _sigmoid(z)),
        steep=_swish_steep,
        value=lambda z: z * _sigmoid_of(z),
        slope=_swish_slope,
        bends=(-2.3993572805154677, 2.3993572805154677),
        turns=(-1, 1, -1),
        before=LEVEL,
        behind=(1.0, ZERO),
        steepest=1.09984,
    ),
    Smooth(
        name="Gelu",
        exact=_gelu,
        steep=lambda z: np.asarray(1.0 + _erf(z) + z * _bell(z)),
        value=lambda z: z * (1 + _erf_of(z)),
        slope=_gelu_slope,
        bends=(-1.0, 1.0),
        turns=(-1, 1, -1),
        before=LEVEL,
        behind=(2.0, ZERO),
        steepest=2.25781,
    ),
    Smooth(
        name="Mish",
        exact=_mish,
        steep=_mish_steep,
        value=_mish_of,
        slope=_mish_slope,
        bends=(-2.256376396360793, 1.4905711794854284),
        turns=(-1, 1, -1),
        before=LEVEL,
        behind=(1.0, ZERO),
        steepest=1.08850,
    ),
    Smooth(
        name="HardSwish",
        exact=lambda z: np.asarray(z * np.clip(z + 0.5, 0.0, 1.0)),
        steep=lambda z: np.where(z <= -0.5, 0.0, np.where(z >= 0.5, 1.0, 2.0 * z + 0.5)),
        value=lambda z: z * min(max(z + HALF, ZERO), ONE),
        slope=_hard_swish_slope,
        bends=(-0.5, 0.5),
        turns=(-1, 1, -1),
        before=LEVEL,
        behind=(1.0, ZERO),
        steepest=1.5,
    ),
)

FUNCTIONS: Mapping[str, Smooth] = MappingProxyType({function.name: function for function in ALL})
"""By the name of the operator. Some are those of scaled numbers, so that their bends are exact or stay what they are:
`Exp` is exp(min(z, 0)), for numbers that are not above 0 but for errors; `Gelu` is z (1 + erf z), which for
z = x / sqrt 2 is sqrt 2 times that of x (Hendrycks and Gimpel, 2016); `HardSwish` is z min(max(z + 1/2, 0), 1), which
for z = x / 6 is a sixth of that of x (Howard et al., 2019); `Swish` is z sigmoid(z) (Ramachandran et al., 2017)."""
