"""Tables of a program: columns from Python, read as a `data` declaration reads a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.build.places import here
from nnmip.data import (
    Dataset,
    FeatureColumn,
    GroupColumn,
    LabelCode,
    LabelColumn,
    ScaleChoice,
    SplitRule,
    TableSpec,
    TargetColumn,
)
from nnmip.data import build_dataset as dataset_of
from nnmip.data.columns import Expected, bound_table
from nnmip.data.scaling import KINDS
from nnmip.sema.values import fail, listed
from nnmip.source import Span
from nnmip.syntax.suggest import closest


class Table:
    """A table of a program, after splitting and scaling. `data` has its arrays and their meaning."""

    def __init__(self, data: Dataset) -> None:
        self.data = data

    def __repr__(self) -> str:
        return repr(self.data)

    def _repr_html_(self) -> str:
        return self.data._repr_html_()

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, in the order of a network's inputs."""
        return self.data.feature_names

    @property
    def labels(self) -> NDArray[np.float64]:
        """The code or class of every row."""
        return self.data.labels

    @property
    def test(self) -> Table:
        """The rows that were split off; DiagnosticError NNM0201 without a split."""
        if self.data.test is None:
            raise fail("NNM0201", f"`{self.name}` has no test part", here("test"), help="give it `split=0.3`")
        return Table(self.data.test)

    def column(self, name: str) -> int:
        """The position of a feature, as the index of an input or of weights; DiagnosticError NNM0502 if unknown."""
        if name not in self.features:
            near = closest(name, self.features)
            help = f"did you mean `{near}`?" if near else f"its features are {listed(self.features)}"
            raise fail("NNM0502", f"`{self.name}` has no feature `{name}`", here(f"column({name})"), help=help)
        return self.features.index(name)

    def values(self, name: str) -> NDArray[np.float64]:
        """A feature in every row, in the units in which it was given."""
        column: NDArray[np.float64] = self.data.raw[:, self.column(name)]
        return column

    def __len__(self) -> int:
        return self.data.row_count


def read_table(
    name: str,
    value: Any,
    features: Sequence[str],
    label: str | None,
    target: str | Sequence[str] | None,
    group: str | Sequence[str],
    codes: Mapping[Any, float] | Sequence[Any] | None,
    scale: str | tuple[str, float, float],
    onehot: Sequence[str],
    split: float | None,
    seed: int,
    span: Span,
) -> Table:
    """The table of Python values; DiagnosticError as for a `data` declaration."""
    names = list(features) + [column for column in onehot if column not in features]
    if not names:
        raise fail("NNM0204", f"`{name}` names no features", span, help='give them: `features=["length", "width"]`')
    targets = [target] if isinstance(target, str) else list(target or ())
    answers = ([label] if label is not None else []) + targets
    groups = [group] if isinstance(group, str) else list(group)
    twice = next((column for column in answers if column in names), None)
    if twice is not None:
        message = f"`{twice}` is a feature, and what is to be predicted"
        raise fail("NNM0202", message, span, help="remove one: what is predicted cannot be read")
    if split is not None and not 0 < split < 1:
        raise fail("NNM0205", f"the share of the test part must be between 0 and 1, not {split:g}", span)
    choice = _scale(scale, span)
    spec = TableSpec(
        name,
        tuple(FeatureColumn(column, column, span, choice, column in onehot) for column in names),
        None if label is None else LabelColumn(label, label, span, *_coding(codes, span)),
        tuple(TargetColumn(column, column, span) for column in targets),
        tuple(GroupColumn(column, column, span) for column in groups),
        split=None if split is None else SplitRule(split, seed, span),
    )
    expected = Expected(tuple(names), tuple(dict.fromkeys((*answers, *groups))))
    return Table(dataset_of(bound_table(name, value, expected, span), spec))


def _scale(scale: str | tuple[str, float, float], span: Span) -> ScaleChoice:
    kind, low, high = (scale, 0.0, 1.0) if isinstance(scale, str) else scale
    for known in KINDS:
        if known == kind:
            return ScaleChoice(known, span, float(low), float(high))
    raise fail("NNM0203", f"no scaling is called `{kind}`", span, help=f"the scalings are {listed(KINDS)}")


def _coding(codes: Mapping[Any, float] | Sequence[Any] | None, span: Span) -> tuple[tuple[LabelCode, ...] | None, bool]:
    """The codes of labels, or the classes in their order, as `LabelColumn` has them."""
    if codes is None:
        return None, False
    if isinstance(codes, Mapping):
        return tuple(LabelCode(str(text), float(code), span) for text, code in codes.items()), False
    return tuple(LabelCode(str(text), float(k), span) for k, text in enumerate(codes)), True
