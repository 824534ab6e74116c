"""Data declarations: from `csv(...) { ... }` to a bound table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from nnmip.data import (
    FeatureColumn,
    GroupColumn,
    LabelCode,
    LabelColumn,
    MissingRule,
    RawTable,
    ScaleChoice,
    ScalingKind,
    SplitRule,
    TableSpec,
    TargetColumn,
    WeightRule,
    filter_rows,
    sample_weights,
    weight_columns,
)
from nnmip.data.table import BoolArray, unknown_column
from nnmip.diagnostics import DiagnosticError, Label
from nnmip.diagnostics.edit import substitute
from nnmip.records import dataclass
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import fail, listed, quoted, short_text_of
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

F = TypeVar("F", bound=nodes.DataField)

_SCALINGS: dict[str, ScalingKind] = {"minmax": "minmax", "standard": "standard", "none": "none"}
_GREATEST_SEED = 2**53
_OTHER_SCALINGS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("normalize", "normalise", "unit", "range"), "minmax"),
        **dict.fromkeys(("standardize", "standardise", "zscore", "z_score", "normal"), "standard"),
        **dict.fromkeys(("raw", "off", "no", "false"), "none"),
    }
)
"""What the scalings are called elsewhere."""

_MISSING_HELP = "write `missing drop rows`, `missing fill mean`, `missing fill median` or `missing fill 0`"


def read_spec(elaborator: Elaborator, declaration: nodes.Data, table: RawTable) -> TableSpec:
    """What the lines of a data declaration ask of `table`, whose columns they name.

    Raises DiagnosticError NNM0202 to NNM0205, NNM0303 and NNM0502 for what the lines say.
    """
    return _Lines(elaborator, declaration, table).spec()


@dataclass(frozen=True, slots=True)
class _Lines:
    elaborator: Elaborator
    declaration: nodes.Data
    table: RawTable

    def spec(self) -> TableSpec:
        features = self._features()
        label = self._label(features)
        targets = self._targets(features)
        aliases = {f.alias: f.source for f in features} | {t.alias: t.source for t in targets}
        if label is not None:
            aliases[label.alias] = label.source
        return TableSpec(
            name=self.declaration.name.text,
            features=features,
            label=label,
            targets=targets,
            groups=self._groups(),
            weights=self._weights(aliases),
            rows=self._rows(aliases),
            missing=self._missing(),
            split=self._split(),
        )

    # ---- rows --------------------------------------------------------------------------------------------------

    def _rows(self, aliases: Mapping[str, str]) -> Callable[[RawTable], BoolArray] | None:
        """What makes the mask of the rows that every `where` keeps."""
        filters = [entry.condition for entry in self.declaration.fields if isinstance(entry, nodes.WhereField)]
        if not filters:
            return None

        def kept(table: RawTable) -> BoolArray:
            rows = np.ones(table.row_count, dtype=bool)
            for condition in filters:
                rows &= filter_rows(condition, table, aliases)
                if table.is_read and not rows.any():
                    message = f"the row filters together leave no rows of `{table.source_name}`"
                    raise fail("NNM0505", message, condition.span)
            return rows

        return kept

    def _weights(self, aliases: Mapping[str, str]) -> WeightRule | None:
        entry = self._only(nodes.WeightField, "sample weight")
        if entry is None:
            return None
        value, known = entry.value, self.elaborator.scope.declarations.keys() | self.elaborator.scope.broken

        def scalar(expr: nodes.Expr) -> float:
            if isinstance(expr, nodes.Ref) and expr.name not in known:
                raise DiagnosticError([unknown_column(self.table, expr.name, expr.span, aliases)])
            return self.elaborator.scalar(expr, "a sample weight")

        columns = weight_columns(value, self.table, aliases)
        return WeightRule(lambda table: sample_weights(value, table, aliases, scalar), columns, value.span)

    def _missing(self) -> MissingRule | None:
        entry = self._only(nodes.MissingField, "rule for missing cells")
        if entry is None:
            return None
        match entry.action.text, entry.value:
            case "drop", nodes.Ref(name="rows"):
                return MissingRule("drop", entry.span)
            case "fill", nodes.Ref(name="mean" | "median" as action):
                return MissingRule("mean" if action == "mean" else "median", entry.span)
            case "fill", value:
                return MissingRule("constant", entry.span, self.elaborator.scalar(value, "what fills a missing cell"))
        wrong = entry.value.span if entry.action.text == "drop" else entry.action.span
        raise fail("NNM0204", f"{quoted(wrong)} is not what missing cells can become", wrong, help=_MISSING_HELP)

    def _split(self) -> SplitRule | None:
        entry = self._only(nodes.SplitField, "split")
        if entry is None:
            return None
        example = "`split test 0.3 seed 1`"
        if entry.part.text != "test":
            message = f"a table has no part `{entry.part.text}` to split off"
            help = f"write `test`, as in {example}"
            raise fail("NNM0204", message, entry.part.span, help=help)
        share = self.elaborator.scalar(entry.share, "the share of the test part")
        if not 0 < share < 1:
            message = f"the share of the test part must be between 0 and 1, not {share:g}"
            help = f"write `{share / 100:g}`, as in {example}" if 1 <= share < 100 else f"for example {example}"
            raise fail("NNM0205", message, entry.share.span, help=help)
        seed = 0.0 if entry.seed is None else self.elaborator.scalar(entry.seed, "the seed of the split")
        if entry.seed is not None and not (seed.is_integer() and 0 <= seed <= _GREATEST_SEED):
            message = f"the seed of a split is a whole number from 0 on, not {seed:g}"
            raise fail("NNM0205", message, entry.seed.span, help=f"write {example}")
        return SplitRule(share, int(seed), entry.span)

    # ---- columns -----------------------------------------------------------------------------------------------

    def _features(self) -> tuple[FeatureColumn, ...]:
        entries = [f for f in self.declaration.fields if isinstance(f, nodes.Features)]
        if not entries:
            name = self.declaration.name
            help = "add a line `features column, column scale minmax`"
            raise fail("NNM0204", f"`{name.text}` names no features", name.span, help=help)
        found: list[FeatureColumn] = []
        for entry in entries:
            scale = self._scale(entry)
            for column in entry.columns:
                members = self._members(column)
                found.extend(FeatureColumn(s, a, column.span, scale, column.onehot) for s, a in members)
        return tuple(found)

    def _members(self, column: nodes.Column) -> list[tuple[str, str]]:
        """The names in the file and in the model of the columns that a name stands for."""
        source, alias = _names(column)
        if source in self.table.columns or source not in self.table.groups:
            return [(source, alias)]
        return [(member, f"{alias}{member.removeprefix(source)}") for member in self.table.groups[source]]

    def _scale(self, entry: nodes.Features) -> ScaleChoice:
        expr = entry.scale
        if expr is None:
            return ScaleChoice("none", entry.span)
        name: nodes.Expr = expr
        ends = [0.0, 1.0]
        if isinstance(expr, nodes.Subscript):
            name = expr.base
            indices = [i for i in expr.indices if not isinstance(i, nodes.Slice)]
            ends = [self.elaborator.scalar(i, "an end of the range") for i in indices]
            if len(expr.indices) != 2 or len(ends) != 2:
                raise fail("NNM0303", "a scaling range has two ends", expr.span, help="write `scale minmax [-1, 1]`")
        if not isinstance(name, nodes.Ref) or name.name not in _SCALINGS:
            text = short_text_of(name.span)
            near = closest(text, _SCALINGS) or _OTHER_SCALINGS.get(text.lower())
            help = f"did you mean `{near}`?" if near else f"the scalings are {listed(_SCALINGS)}"
            raise fail("NNM0203", f"no scaling is called {quoted(name.span)}", name.span, help=help)
        kind = _SCALINGS[name.name]
        if kind != "minmax" and name is not expr:
            raise fail("NNM0204", f"`{name.name}` has no range", expr.span, help="only `minmax` has one")
        return ScaleChoice(kind, expr.span, ends[0], ends[1])

    def _label(self, features: tuple[FeatureColumn, ...]) -> LabelColumn | None:
        entry = self._only(nodes.LabelField, "label")
        if entry is None:
            return None
        source, alias = _names(entry.column)
        _refuse_feature(features, source, alias, "label", entry.column.span)
        if entry.coding is None:
            return LabelColumn(source, alias, entry.span)
        without = next((code for code in entry.coding if code.value is None), None)
        if without is None:
            values = [(code, code.value) for code in entry.coding if code.value is not None]
            codes = [self.elaborator.scalar(value, f"the code of `{code.key.text}`") for code, value in values]
        elif any(code.value is not None for code in entry.coding):
            message = f"`{without.key.text}` has no code, and other labels have one"
            example = f"{short_text_of(without.span)}: {_other_sign(self.elaborator, entry.coding)}"
            help = f"give each label a code, such as `{example}`, or none of them for a list of classes"
            raise fail("NNM0204", message, without.span, help=help, fix=substitute(without.span, example))
        else:
            codes = [float(k) for k in range(len(entry.coding))]
        coding = tuple(LabelCode(c.key.text, value, c.span) for c, value in zip(entry.coding, codes, strict=True))
        return LabelColumn(source, alias, entry.span, coding, lists_classes=without is not None)

    def _targets(self, features: tuple[FeatureColumn, ...]) -> tuple[TargetColumn, ...]:
        targets: dict[str, TargetColumn] = {}
        for entry in self.declaration.fields:
            for column in entry.columns if isinstance(entry, nodes.TargetField) else ():
                if column.onehot:
                    help = "a label names classes: write `label` instead of `target`"
                    raise fail("NNM0204", "a target is a number, and has no categories", column.span, help=help)
                for source, alias in self._members(column):
                    if alias in targets:
                        secondary = (Label(targets[alias].span, "the first"),)
                        raise fail("NNM0202", f"two targets are called `{alias}`", column.span, secondary=secondary)
                    _refuse_feature(features, source, alias, "target", column.span)
                    targets[alias] = TargetColumn(source, alias, column.span)
        return tuple(targets.values())

    def _groups(self) -> tuple[GroupColumn, ...]:
        groups: dict[str, GroupColumn] = {}
        for entry in self.declaration.fields:
            for column in entry.columns if isinstance(entry, nodes.GroupField) else ():
                source, alias = _names(column)
                if column.onehot:
                    help = f"write `group {short_text_of(column.span).removesuffix('as onehot').strip()}`"
                    raise fail("NNM0204", "each value of a column is a group already", column.span, help=help)
                if alias in groups:
                    secondary = (Label(groups[alias].span, "the first"),)
                    raise fail("NNM0202", f"two groups are called `{alias}`", column.span, secondary=secondary)
                groups[alias] = GroupColumn(source, alias, column.span)
        return tuple(groups.values())

    def _only(self, kind: type[F], what: str) -> F | None:
        """The only line of this kind, None where there is none; NNM0202 for a second one."""
        entries = [entry for entry in self.declaration.fields if isinstance(entry, kind)]
        if len(entries) > 1:
            label = Label(entries[0].span, f"the first {what}")
            raise fail("NNM0202", f"a table has one {what}", entries[1].span, secondary=(label,))
        return entries[0] if entries else None


def _other_sign(elaborator: Elaborator, coding: tuple[nodes.Code, ...]) -> str:
    """The code that two classes still lack: -1 unless one has it."""
    values = [elaborator.scalar(code.value, "a code") for code in coding if code.value is not None]
    return "+1" if -1.0 in values else "-1"


def _names(column: nodes.Column) -> tuple[str, str]:
    """The name of a column in the file and in the model."""
    return column.source.text, (column.alias or column.source).text


def _refuse_feature(features: tuple[FeatureColumn, ...], source: str, alias: str, role: str, span: Span) -> None:
    """NNM0202 for a column that the network reads and is to predict."""
    feature = next((f for f in features if f.source == source or f.alias == alias), None)
    if feature is not None:
        secondary = (Label(feature.span, "a feature"),)
        help = "remove one: what is predicted cannot be read"
        raise fail("NNM0202", f"`{alias}` is a feature and the {role}", span, secondary=secondary, help=help)
