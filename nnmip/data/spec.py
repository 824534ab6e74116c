"""What a data declaration asks of a table."""

from __future__ import annotations

from collections.abc import Callable

from nnmip.data.groups import GroupColumn
from nnmip.data.labels import LabelColumn
from nnmip.data.missing import MissingRule
from nnmip.data.scaling import ScaleChoice
from nnmip.data.split import SplitRule
from nnmip.data.table import BoolArray, FloatArray, RawTable
from nnmip.records import dataclass
from nnmip.source import Span


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature: the column of the file it is read from, its name in the model, and its scaling.

    `onehot` where the column holds categories, and each becomes a feature of its own.
    """

    source: str
    alias: str
    span: Span
    scale: ScaleChoice
    onehot: bool = False


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A regression target: its column and its name in the model."""

    source: str
    alias: str
    span: Span


@dataclass(frozen=True, slots=True)
class WeightRule:
    """The sample weights: how they are computed, and the columns that they are computed from."""

    compute: Callable[[RawTable], FloatArray]
    columns: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The lines of a data declaration.

    `rows` makes the mask of the rows to keep, with at least one true entry.
    """

    name: str
    features: tuple[FeatureColumn, ...]
    label: LabelColumn | None = None
    targets: tuple[TargetColumn, ...] = ()
    groups: tuple[GroupColumn, ...] = ()
    weights: WeightRule | None = None
    rows: Callable[[RawTable], BoolArray] | None = None
    missing: MissingRule | None = None
    split: SplitRule | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that the table is made of."""
        names = [feature.source for feature in self.features] + [target.source for target in self.targets]
        names += [group.source for group in self.groups]
        names += [self.label.source] if self.label is not None else []
        names += self.weights.columns if self.weights is not None else ()
        return tuple(dict.fromkeys(names))
