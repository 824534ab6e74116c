"""Maps between a table's own units and the scaled units that a network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nnmip.data.table import FloatArray
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.source import Span

ScalingKind = Literal["none", "minmax", "standard"]
KINDS: tuple[ScalingKind, ...] = ("none", "minmax", "standard")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """`t = (raw - shift) / width` and `scaled = low * (1 - t) + high * t`, column by column.

    `shift` and `width` have shape (k,). For `minmax` they are the least value and the range of the column, and the
    least and greatest value map to exactly `low` and `high`, every value between to a number between. For `standard`
    they are the mean and the population standard deviation, with low = 0 and high = 1; for `none` they are 0 and 1.
    """

    kind: ScalingKind
    shift: FloatArray
    width: FloatArray
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        assert self.shift.shape == self.width.shape and self.shift.ndim == 1
        assert self.low < self.high
        self.shift.setflags(write=False)
        self.width.setflags(write=False)

    @property
    def factor(self) -> FloatArray:
        """Scaled units for one raw unit, shape (k,)."""
        return (self.high - self.low) / self.width

    def apply(self, raw: ArrayLike) -> FloatArray:
        """Scaled values of raw ones, shape (..., k)."""
        return _apply(self, np.asarray(raw, np.float64), self.shift, self.width)

    def undo(self, scaled: ArrayLike) -> FloatArray:
        """Raw values of scaled ones, shape (..., k), up to rounding."""
        return _undo(self, np.asarray(scaled, np.float64), self.shift, self.width)

    def apply_column(self, column: int, raw: ArrayLike) -> FloatArray:
        """Scaled values of raw ones that all belong to one column, any shape."""
        shift, width = np.asarray(self.shift[column]), np.asarray(self.width[column])
        return _apply(self, np.asarray(raw, np.float64), shift, width)

    def undo_column(self, column: int, scaled: ArrayLike) -> FloatArray:
        """Raw values of scaled ones that all belong to one column, any shape, up to rounding."""
        return _undo(
            self, np.asarray(scaled, np.float64), np.asarray(self.shift[column]), np.asarray(self.width[column])
        )

    def unscale_linear(self, weights: ArrayLike, bias: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """The same linear function over raw features: `weights` (..., k) and `bias` (...) over scaled ones in."""
        scaled_weights = np.asarray(weights, np.float64)
        raw_weights = scaled_weights * self.factor
        constant = self.low - self.shift * self.factor
        return raw_weights, np.asarray(bias, np.float64) + scaled_weights @ constant

    def to_json(self) -> dict[str, object]:
        """Plain numbers and lists; `from_json` gives back the same scaling bit for bit."""
        return {
            "kind": self.kind,
            "shift": self.shift.tolist(),
            "width": self.width.tolist(),
            "range": [self.low, self.high],
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Scaling:
        """The scaling that `to_json` wrote. Raises ValueError if `data` is not one."""
        kind = next((known for known in KINDS if known == data.get("kind")), None)
        shift, width, ends = (_finite_vector(data.get(key), key) for key in ("shift", "width", "range"))
        if kind is None:
            raise ValueError(f"unknown kind of scaling {data.get('kind')!r}")
        if shift.shape != width.shape or not (width > 0).all():
            raise ValueError("`width` must have one positive number for each entry of `shift`")
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise ValueError("`range` must have two numbers, the smaller first")
        return Scaling(kind, shift, width, float(ends[0]), float(ends[1]))


def no_scaling(columns: int) -> Scaling:
    """The scaling that leaves `columns` columns as they are."""
    return Scaling("none", np.zeros(columns), np.ones(columns))


def fit(
    kind: ScalingKind,
    raw: FloatArray,
    names: Sequence[str],
    span: Span,
    ends: tuple[float, float] = (0.0, 1.0),
) -> Scaling:
    """Fit a scaling to the columns of `raw`, shape (n, k) with n >= 1; `ends` are the ends of `minmax`.

    Raises DiagnosticError at `span`: NNM0303 for ends that are not an interval, NNM0507 for each column (called by
    its entry in `names`) that is constant or whose spread is not a normal number.
    """
    rows, columns = raw.shape
    assert rows >= 1 and len(names) == columns
    if kind == "none":
        return no_scaling(columns)
    low, high = _check_ends(ends, span) if kind == "minmax" else (0.0, 1.0)
    least = raw.min(axis=0)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        shift = least if kind == "minmax" else raw.mean(axis=0)
        width = raw.max(axis=0) - least if kind == "minmax" else raw.std(axis=0)
        factor = (high - low) / width
    constant = raw.max(axis=0) == least
    wild = ~constant & ~(np.isfinite(shift) & np.isfinite(width) & np.isfinite(factor))
    problems = [_constant_column(kind, names[j], float(least[j]), span) for j in np.flatnonzero(constant).tolist()]
    problems += [_wild_column(kind, names[j], span) for j in np.flatnonzero(wild).tolist()]
    if problems:
        raise DiagnosticError(problems)
    return Scaling(kind, shift, width, low, high)


def _apply(scaling: Scaling, raw: FloatArray, shift: FloatArray, width: FloatArray) -> FloatArray:
    fraction = (raw - shift) / width
    scaled = scaling.low * (1 - fraction) + scaling.high * fraction
    if scaling.kind != "minmax":
        return np.asarray(scaled)
    # Rounding must not push a value of the fitted range out of [low, high]; values outside stay outside.
    inside = (fraction >= 0) & (fraction <= 1)
    return np.where(inside, np.clip(scaled, scaling.low, scaling.high), scaled)


def _undo(scaling: Scaling, scaled: FloatArray, shift: FloatArray, width: FloatArray) -> FloatArray:
    fraction = (scaled - scaling.low) / (scaling.high - scaling.low)
    return np.asarray(shift + fraction * width)


def _check_ends(ends: tuple[float, float], span: Span) -> tuple[float, float]:
    low, high = float(ends[0]), float(ends[1])
    if low < high and np.isfinite(high - low):
        return low, high
    message = f"`minmax` cannot scale to [{low:g}, {high:g}]"
    help = "write the smaller end first, as in `scale minmax [-1, 1]`"
    raise DiagnosticError([Diagnostic("NNM0303", message, span, "not an interval", help=help)])


def _constant_column(kind: str, name: str, value: float, span: Span) -> Diagnostic:
    message = f"column `{name}` cannot be scaled by `{kind}`: it is {value!r} in every row"
    help = f"remove `{name}` from the features, or write `scale none`"
    return Diagnostic("NNM0507", message, span, "constant column", help=help)


def _wild_column(kind: str, name: str, span: Span) -> Diagnostic:
    message = f"column `{name}` cannot be scaled by `{kind}`: its spread is too large or too small for a number"
    return Diagnostic("NNM0507", message, span, "spread out of range", help="store the column in another unit")


def _finite_vector(value: object, key: str) -> FloatArray:
    if not isinstance(value, list) or not all(type(entry) in (int, float) for entry in value):
        raise ValueError(f"`{key}` must be a list of numbers")
    vector = np.array(value, np.float64)
    if not np.isfinite(vector).all():
        raise ValueError(f"`{key}` must be finite")
    return vector
