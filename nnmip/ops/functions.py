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
    convex and concave, or has a kink. turns: 1 where it is convex, -1 where it is concave (or a line), from left to
    right. before, behind: slope and shift of the line on either side. steepest: the largest slope in absolute value.
    is_odd: whether it is odd around its one bend.
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
)

FUNCTIONS: Mapping[str, Smooth] = MappingProxyType({function.name: function for function in ALL})
"""By the name of the operator. `Exp` is exp(min(z, 0)), for numbers that are not above 0 but for errors."""
