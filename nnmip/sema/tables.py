"""Data declarations: from `csv(...) { ... }` to a bound table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnmip.data import (
    Dataset,
    FeatureColumn,
    LabelCode,
    LabelColumn,
    RawTable,
    ScaleChoice,
    ScalingKind,
    build_dataset,
    filter_rows,
    read_csv,
)
from nnmip.data.table import BoolArray
from nnmip.diagnostics import Label
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import fail, listed, not_yet, quoted, short_text_of
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

_SCALINGS: dict[str, ScalingKind] = {"minmax": "minmax", "standard": "standard", "none": "none"}
_LATER_READERS = frozenset({"npy", "npz", "onnx"})


def read_data(elaborator: Elaborator, declaration: nodes.Data, directory: Path) -> Dataset:
    """The table of a data declaration; paths start from `directory`.

    Raises DiagnosticError: NNM0104 for readers and fields that are not there yet, NNM0202 to NNM0205 and NNM0303 for
    what the declaration says, and whatever `nnmip.data` finds in the file.
    """
    if declaration.type is not None:
        raise not_yet("a data tensor with a type", declaration.type.span)
    for entry in declaration.fields:
        if isinstance(entry, nodes.WeightField):
            raise not_yet("a sample weight", entry.span)
        if isinstance(entry, nodes.TargetField):
            raise not_yet("a regression target", entry.span)
    table = _read_table(declaration, directory)
    features, scale = _features(elaborator, declaration)
    label = _label(elaborator, declaration, features)
    aliases = {f.alias: f.source for f in features}
    if label is not None:
        aliases[label.alias] = label.source
    rows = _rows(declaration, table, aliases)
    return build_dataset(declaration.name.text, table, features, scale, label, rows)


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


def _read_table(declaration: nodes.Data, directory: Path) -> RawTable:
    call = declaration.source
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
    entries = [f for f in declaration.fields if isinstance(f, nodes.LabelField)]
    if not entries:
        return None
    entry = entries[0]
    if len(entries) > 1:
        label = Label(entry.span, "the first label")
        raise fail("NNM0202", "a table has one label", entries[1].span, secondary=(label,))
    source, alias = entry.column.source.text, (entry.column.alias or entry.column.source).text
    feature = next((f for f in features if f.source == source or f.alias == alias), None)
    if feature is not None:
        secondary = (Label(feature.span, "a feature"),)
        help = "remove one: what is predicted cannot be read"
        raise fail(
            "NNM0202", f"`{alias}` is a feature and the label", entry.column.span, secondary=secondary, help=help
        )
    coding = None
    if entry.coding is not None:
        codes = [elaborator.scalar(code.value, f"the code of `{code.key.text}`") for code in entry.coding]
        coding = tuple(LabelCode(c.key.text, value, c.span) for c, value in zip(entry.coding, codes, strict=True))
    return LabelColumn(source, alias, entry.span, coding)
