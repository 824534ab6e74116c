"""Data declarations: from `csv(...) { ... }` to a bound table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from nnmip.data import (
    Dataset,
    FeatureColumn,
    LabelCode,
    LabelColumn,
    RawTable,
    ScaleChoice,
    ScalingKind,
    TargetColumn,
    build_dataset,
    filter_rows,
    read_csv,
    sample_weights,
)
from nnmip.data.table import BoolArray, FloatArray, unknown_column
from nnmip.diagnostics import DiagnosticError, Label
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import fail, listed, not_yet, quoted, short_text_of
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

_SCALINGS: dict[str, ScalingKind] = {"minmax": "minmax", "standard": "standard", "none": "none"}
F = TypeVar("F", bound=nodes.DataField)

_LATER_READERS = frozenset({"npy", "npz", "onnx"})


def read_data(elaborator: Elaborator, declaration: nodes.Data, directory: Path) -> Dataset:
    """The table of a data declaration; paths start from `directory`.

    Raises DiagnosticError: NNM0104 for readers and fields that are not there yet, NNM0202 to NNM0205 and NNM0303 for
    what the declaration says, and whatever `nnmip.data` finds in the file.
    """
    if declaration.type is not None:
        raise not_yet("a data tensor with a type", declaration.type.span)
    for entry in declaration.fields:
        if isinstance(entry, nodes.MissingField | nodes.SplitField):
            raise not_yet("this line", entry.span)
    table = _read_table(declaration, directory)
    features, scale = _features(elaborator, declaration)
    label = _label(elaborator, declaration, features)
    targets = _targets(declaration, features)
    aliases = {f.alias: f.source for f in features} | {t.alias: t.source for t in targets}
    if label is not None:
        aliases[label.alias] = label.source
    rows = _rows(declaration, table, aliases)
    weights = _weights(elaborator, declaration, aliases)
    return build_dataset(declaration.name.text, table, features, scale, label, rows, targets, weights)


def _rows(declaration: nodes.Data, table: RawTable, aliases: dict[str, str]) -> BoolArray:
    """The rows that every `where` keeps."""
    rows = np.ones(table.row_count, dtype=bool)
    for entry in declaration.fields:
        if not isinstance(entry, nodes.WhereField):
            continue
        rows &= filter_rows(entry.condition, table, aliases)
        if not rows.any():
            message = f"the row filters together leave no rows of `{table.source_name}`"
            raise fail("NNM0505", message, entry.condition.span)
    return rows


def _weights(
    elaborator: Elaborator, declaration: nodes.Data, aliases: dict[str, str]
) -> Callable[[RawTable], FloatArray] | None:
    """What computes the sample weights, None where every row weighs the same."""
    entry = _only(declaration, nodes.WeightField, "sample weight")
    if entry is None:
        return None

    def scalar(expr: nodes.Expr, table: RawTable) -> float:
        known = elaborator.scope.declarations.keys() | elaborator.scope.broken
        if isinstance(expr, nodes.Ref) and expr.name not in known:
            raise DiagnosticError([unknown_column(table, expr.name, expr.span, aliases)])
        return elaborator.scalar(expr, "a sample weight")

    return lambda table: sample_weights(entry.value, table, aliases, lambda expr: scalar(expr, table))


def _targets(declaration: nodes.Data, features: list[FeatureColumn]) -> list[TargetColumn]:
    targets: dict[str, TargetColumn] = {}
    for entry in declaration.fields:
        for column in entry.columns if isinstance(entry, nodes.TargetField) else ():
            if column.onehot:
                help = "a label names classes: write `label` instead of `target`"
                raise fail("NNM0204", "a target is a number, and has no categories", column.span, help=help)
            source, alias = column.source.text, (column.alias or column.source).text
            if alias in targets:
                secondary = (Label(targets[alias].span, "the first"),)
                raise fail("NNM0202", f"two targets are called `{alias}`", column.span, secondary=secondary)
            _refuse_feature(features, source, alias, "target", column.span)
            targets[alias] = TargetColumn(source, alias, column.span)
    return list(targets.values())


def _refuse_feature(features: list[FeatureColumn], source: str, alias: str, role: str, span: Span) -> None:
    """NNM0202 for a column that the network reads and is to predict."""
    feature = next((f for f in features if f.source == source or f.alias == alias), None)
    if feature is not None:
        secondary = (Label(feature.span, "a feature"),)
        help = "remove one: what is predicted cannot be read"
        raise fail("NNM0202", f"`{alias}` is a feature and the {role}", span, secondary=secondary, help=help)


def _only(declaration: nodes.Data, kind: type[F], what: str) -> F | None:
    """The only field of this kind, None where there is none; NNM0202 for a second one."""
    entries = [entry for entry in declaration.fields if isinstance(entry, kind)]
    if len(entries) > 1:
        label = Label(entries[0].span, f"the first {what}")
        raise fail("NNM0202", f"a table has one {what}", entries[1].span, secondary=(label,))
    return entries[0] if entries else None


def _read_table(declaration: nodes.Data, directory: Path) -> RawTable:
    call = declaration.source
    if call is None:
        help = f'write `data {declaration.name.text} = csv("file.csv") {{ ... }}`'
        raise fail("NNM0204", f"`{declaration.name.text}` has no file", declaration.name.span, help=help)
    if not (isinstance(call, nodes.Call) and isinstance(call.function, nodes.Ref)):
        shown = call.value if isinstance(call, nodes.String) else "file.csv"
        help = f'write `data {declaration.name.text} = csv("{shown}")`'
        raise fail("NNM0204", "data is read from a file", call.span, help=help)
    reader, span = call.function.name, call.function.span
    if reader in _LATER_READERS:
        raise not_yet(f"`{reader}`", span)
    if reader != "csv":
        help = "did you mean `csv`?" if closest(reader, ["csv"]) else "write `csv`"
        raise fail("NNM0203", f"no reader is called `{reader}`", span, help=help)
    separator, paths = ",", []
    for argument in call.arguments:
        match argument:
            case nodes.Positional(value=nodes.String() as path):
                paths.append(path)
            case nodes.Named(name=nodes.Name(text="separator"), value=nodes.String(value=value)):
                separator = value
            case nodes.Named(name=nodes.Name(text="separator"), value=value):
                raise fail("NNM0205", "the separator is a text", value.span, help='write `separator: ";"`')
            case nodes.Named(name=name):
                help = 'its option is `separator: ";"`'
                raise fail("NNM0204", f"`csv` has no option `{name.text}`", argument.span, help=help)
            case _:
                text = short_text_of(argument.span)
                help = f'write `csv("{text}{"" if "." in text else ".csv"}")`'
                raise fail("NNM0204", "`csv` takes the name of a file in quotes", argument.span, help=help)
    if len(paths) != 1:
        raise fail("NNM0204", f"`csv` takes one file, not {len(paths)}", call.span, help='write `csv("file.csv")`')
    return read_csv(directory / paths[0].value, paths[0].span, separator)


def _features(elaborator: Elaborator, declaration: nodes.Data) -> tuple[list[FeatureColumn], ScaleChoice]:
    entries = [f for f in declaration.fields if isinstance(f, nodes.Features)]
    if not entries:
        help = "add a line `features column, column scale minmax`"
        raise fail("NNM0204", f"`{declaration.name.text}` names no features", declaration.name.span, help=help)
    scales = [(entry, _scale(elaborator, entry)) for entry in entries]
    first_entry, first = scales[0]
    for entry, scale in scales[1:]:
        if (scale.kind, scale.low, scale.high) != (first.kind, first.low, first.high):
            label = Label(first_entry.span, "scaled differently")
            help = "give both lines the same `scale`"
            raise not_yet("another scaling for some of the columns", entry.span, help=help, secondary=(label,))
    for column in (c for entry in entries for c in entry.columns):
        if column.onehot:
            raise not_yet("`as onehot`", column.span)
    columns = [
        FeatureColumn(c.source.text, (c.alias or c.source).text, c.span) for entry in entries for c in entry.columns
    ]
    return columns, first


def _scale(elaborator: Elaborator, entry: nodes.Features) -> ScaleChoice:
    expr = entry.scale
    if expr is None:
        return ScaleChoice("none", entry.span)
    name: nodes.Expr = expr
    ends = [0.0, 1.0]
    if isinstance(expr, nodes.Subscript):
        name = expr.base
        ends = [elaborator.scalar(i, "an end of the range") for i in expr.indices if not isinstance(i, nodes.Slice)]
        if len(expr.indices) != 2 or len(ends) != 2:
            raise fail("NNM0303", "a scaling range has two ends", expr.span, help="write `scale minmax [-1, 1]`")
    if not isinstance(name, nodes.Ref) or name.name not in _SCALINGS:
        near = closest(short_text_of(name.span), _SCALINGS)
        help = f"did you mean `{near}`?" if near else f"the scalings are {listed(_SCALINGS)}"
        raise fail("NNM0203", f"no scaling is called {quoted(name.span)}", name.span, help=help)
    kind = _SCALINGS[name.name]
    if kind != "minmax" and name is not expr:
        raise fail("NNM0204", f"`{name.name}` has no range", expr.span, help="only `minmax` has one")
    return ScaleChoice(kind, expr.span, ends[0], ends[1])


def _label(elaborator: Elaborator, declaration: nodes.Data, features: list[FeatureColumn]) -> LabelColumn | None:
    entry = _only(declaration, nodes.LabelField, "label")
    if entry is None:
        return None
    source, alias = entry.column.source.text, (entry.column.alias or entry.column.source).text
    _refuse_feature(features, source, alias, "label", entry.column.span)
    if entry.coding is None:
        return LabelColumn(source, alias, entry.span)
    without = next((code for code in entry.coding if code.value is None), None)
    if without is None:
        values = [(code, code.value) for code in entry.coding if code.value is not None]
        codes = [elaborator.scalar(value, f"the code of `{code.key.text}`") for code, value in values]
    elif any(code.value is not None for code in entry.coding):
        help = "give each label a code, or none of them for a list of classes"
        raise fail("NNM0204", f"`{without.key.text}` has no code, and other labels have one", without.span, help=help)
    else:
        codes = [float(k) for k in range(len(entry.coding))]
    coding = tuple(LabelCode(c.key.text, value, c.span) for c, value in zip(entry.coding, codes, strict=True))
    return LabelColumn(source, alias, entry.span, coding, lists_classes=without is not None)
