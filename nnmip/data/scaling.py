"""Maps between a table's own units and the scaled units that a network sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nnmip.data.table import FloatArray, exact_mean
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span

ScalingKind = Literal["none", "minmax", "standard"]
KINDS: tuple[ScalingKind, ...] = ("none", "minmax", "standard")
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
_NUMBERS = ("shift", "width", "low", "high")


@dataclass(frozen=True, slots=True)
class ScaleChoice:
    """The declared scaling of a column; `low` and `high` are the ends that `minmax` maps to."""

    kind: ScalingKind
    span: Span
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """`t = (raw - shift) / width` and `scaled = low * (1 - t) + high * t`, column by column.

    `kinds` has an entry for each of k columns; the numbers have shape (k,). For `minmax` shift and width are the least
    value and the range of the column, and the least and greatest value map to exactly `low` and `high`, every value
    between to a number between. For `standard` they are the mean and the population standard deviation, with low = 0
    and high = 1; for `none` they are 0 and 1.
    """

    kinds: tuple[ScalingKind, ...]
    shift: FloatArray
    width: FloatArray
    low: FloatArray
    high: FloatArray

    def __post_init__(self) -> None:
        for key in _NUMBERS:
            numbers: FloatArray = getattr(self, key)
            assert numbers.shape == (len(self.kinds),)
            numbers.setflags(write=False)
        assert (self.low < self.high).all()

    @property
    def is_identity(self) -> bool:
        """Whether every column stays as it is."""
        return set(self.kinds) <= {"none"}

    @property
    def factor(self) -> FloatArray:
        """Scaled units for one raw unit, shape (k,)."""
        return (self.high - self.low) / self.width

    def apply(self, raw: ArrayLike) -> FloatArray:
        """Scaled values of raw ones, shape (..., k)."""
        values = np.asarray(raw, np.float64)
        fraction = (values - self.shift) / self.width
        scaled = self.low * (1 - fraction) + self.high * fraction
        # Rounding must not push a value of the fitted range out of [low, high]; values outside stay outside.
        inside = (fraction >= 0) & (fraction <= 1) & np.array([kind == "minmax" for kind in self.kinds])
        scaled = np.where(inside, np.clip(scaled, self.low, self.high), scaled)
        # What is 0 up to rounding is 0: solvers do not keep a coefficient of 1e-17.
        dust = inside & (np.abs(scaled) <= _ROUNDING * np.maximum(np.abs(self.low), np.abs(self.high)))
        return np.where(dust, 0.0, scaled)

    def undo(self, scaled: ArrayLike) -> FloatArray:
        """Raw values of scaled ones, shape (..., k), up to rounding."""
        fraction = (np.asarray(scaled, np.float64) - self.low) / (self.high - self.low)
        return np.asarray(self.shift + fraction * self.width)

    def apply_column(self, column: int, raw: ArrayLike) -> FloatArray:
        """Scaled values of raw ones that all belong to one column, any shape."""
        return self.column(column).apply(np.asarray(raw, np.float64)[..., None])[..., 0]

    def undo_column(self, column: int, scaled: ArrayLike) -> FloatArray:
        """Raw values of scaled ones that all belong to one column, any shape, up to rounding."""
        return self.column(column).undo(np.asarray(scaled, np.float64)[..., None])[..., 0]

    def column(self, column: int) -> Scaling:
        """The scaling of one column alone."""
        numbers = (getattr(self, key)[[column]] for key in _NUMBERS)
        return Scaling((self.kinds[column],), *numbers)

    def unscale_linear(self, weights: ArrayLike, bias: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """The same linear function over raw features: `weights` (..., k) and `bias` (...) over scaled ones in."""
        scaled_weights = np.asarray(weights, np.float64)
        raw_weights = scaled_weights * self.factor
        constant = self.low - self.shift * self.factor
        return raw_weights, np.asarray(bias, np.float64) + scaled_weights @ constant

    def to_json(self) -> dict[str, object]:
        """Plain numbers and lists; `from_json` gives back the same scaling bit for bit."""
        return {"kinds": list(self.kinds), **{key: getattr(self, key).tolist() for key in _NUMBERS}}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Scaling:
        """The scaling that `to_json` wrote. Raises ValueError if `data` is not one."""
        given: Any = data.get("kinds")
        if not isinstance(given, list) or not all(kind in KINDS for kind in given):
            raise ValueError(f"unknown kinds of scaling {given!s:.40}")
        kinds: tuple[ScalingKind, ...] = tuple(known for name in given for known in KINDS if known == name)
        shift, width, low, high = (_finite_vector(data.get(key), key, len(kinds)) for key in _NUMBERS)
        if not (width > 0).all():
            raise ValueError("`width` must be positive")
        if not (low < high).all():
            raise ValueError("`low` must be less than `high`")
        return Scaling(kinds, shift, width, low, high)


def no_scaling(columns: int) -> Scaling:
    """The scaling that leaves `columns` columns as they are."""
    none: ScalingKind = "none"
    zero, one = np.zeros(columns), np.ones(columns)
    return Scaling((none,) * columns, zero, one, zero.copy(), one.copy())


def fit(choices: Sequence[ScaleChoice], raw: FloatArray, names: Sequence[str]) -> Scaling:
    """Fit a scaling to the columns of `raw`, shape (n, k) with n >= 1, by the choice for each.

    Raises DiagnosticError at the span of a choice: NNM0303 for ends that are not an interval, NNM0507 for each column
    (called by its entry in `names`) that is constant or whose spread is not a normal number.
    """
    rows, columns = raw.shape
    assert rows >= 1 and len(names) == len(choices) == columns
    for choice in dict.fromkeys(choices):
        _check_ends(choice)
    kinds = np.array([choice.kind for choice in choices])
    low = np.array([choice.low if choice.kind == "minmax" else 0.0 for choice in choices])
    high = np.array([choice.high if choice.kind == "minmax" else 1.0 for choice in choices])
    least, greatest = raw.min(axis=0), raw.max(axis=0)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        shift = np.where(kinds == "minmax", least, 0.0)
        width = np.where(kinds == "minmax", greatest - least, 1.0)
        for j in np.flatnonzero(kinds == "standard").tolist():
            shift[j], width[j] = _mean_and_deviation(raw[:, j])
        factor = (high - low) / width
    constant = (greatest == least) & (kinds != "none")
    wild = ~constant & ~(np.isfinite(shift) & np.isfinite(width) & np.isfinite(factor))
    problems = [_constant_column(choices[j], names[j], float(least[j])) for j in np.flatnonzero(constant).tolist()]
    problems += [_wild_column(choices[j], names[j]) for j in np.flatnonzero(wild).tolist()]
    if problems:
        raise DiagnosticError(problems)
    return Scaling(tuple(choice.kind for choice in choices), shift, width, low, high)


def _mean_and_deviation(values: FloatArray) -> tuple[float, float]:
    """The mean and the population standard deviation, rounded alike on every machine."""
    try:
        mean = exact_mean(values)
        return mean, math.sqrt(exact_mean((values - mean) ** 2))
    except (OverflowError, ValueError):
        return math.inf, math.inf


def _check_ends(choice: ScaleChoice) -> None:
    low, high = choice.low, choice.high
    if choice.kind != "minmax" or (low < high and np.isfinite(high - low)):
        return
    message = f"`minmax` cannot scale to [{low:g}, {high:g}]"
    help = "write the smaller end first, as in `scale minmax [-1, 1]`"
    raise DiagnosticError([Diagnostic("NNM0303", message, choice.span, "not an interval", help=help)])


def _constant_column(choice: ScaleChoice, name: str, value: float) -> Diagnostic:
    message = f"column `{name}` cannot be scaled by `{choice.kind}`: it is {value!r} in every row"
    help = f"remove `{name}` from the features, or write `scale none`"
    return Diagnostic("NNM0507", message, choice.span, "constant column", help=help)


def _wild_column(choice: ScaleChoice, name: str) -> Diagnostic:
    message = f"column `{name}` cannot be scaled by `{choice.kind}`: its spread is too large or too small for a number"
    return Diagnostic("NNM0507", message, choice.span, "spread out of range", help="store the column in another unit")


def _finite_vector(value: object, key: str, size: int) -> FloatArray:
    if not isinstance(value, list) or not all(type(entry) in (int, float) for entry in value):
        raise ValueError(f"`{key}` must be a list of numbers")
    if len(value) != size:
        raise ValueError(f"`{key}` must have a number for each column")
    vector = np.array(value, np.float64)
    if not np.isfinite(vector).all():
        raise ValueError(f"`{key}` must be finite")
    return vector
