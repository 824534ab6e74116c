"""Data declarations: from `csv(…) { … }` to a bound table."""

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
from nnmip.diagnostics import Label
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import fail, not_yet, text_of
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

SCALINGS: dict[str, ScalingKind] = {"minmax": "minmax", "standard": "standard", "none": "none"}


def read_data(elaborator: Elaborator, declaration: nodes.Data, directory: Path) -> Dataset:
    """The table of a data declaration; paths start from `directory`.

    Raises DiagnosticError: NNM0104 for readers and fields that are not there yet, NNM0204 and NNM0205 for wrong
    arguments, and whatever `nnmip.data` finds in the file.
    """
    if declaration.type is not None:
        raise not_yet("a data tensor with a type", declaration.type.span)
    table = _read_table(elaborator, declaration, directory)
    features, scale = _features(elaborator, declaration)
    label = _label(elaborator, declaration)
    aliases = {f.alias: f.source for f in features}
    if label is not None:
        aliases[label.alias] = label.source
    rows = np.ones(table.row_count, dtype=bool)
    for entry in declaration.fields:
        if isinstance(entry, nodes.WhereField):
            rows &= filter_rows(entry.condition, table, aliases)
            if not rows.any():
                raise fail(
                    "NNM0505", f"the row filters together leave no rows of `{table.source_name}`", entry.condition.span
                )
        elif isinstance(entry, nodes.WeightField):
            raise not_yet("a sample weight", entry.span)
        elif isinstance(entry, nodes.TargetField):
            raise not_yet("a regression target", entry.span)
    return build_dataset(declaration.name.text, table, features, scale, label, rows)


def _read_table(elaborator: Elaborator, declaration: nodes.Data, directory: Path) -> RawTable:
    call = declaration.source
    if not (isinstance(call, nodes.Call) and isinstance(call.function, nodes.Ref)):
        raise fail(
            "NNM0204",
            "data is read from a file",
            call.span,
            help=f'write  data {declaration.name.text} = csv("file.csv") {{ … }}',
        )
    reader = call.function.name
    if reader in ("npy", "npz", "onnx"):
        raise not_yet(f"`{reader}`", call.function.span)
    if reader != "csv":
        near = closest(reader, ["csv"])
        raise fail(
            "NNM0203",
            f"no reader is called `{reader}`",
            call.function.span,
            help=f"did you mean `{near}`?" if near else "the reader is csv",
        )
    separator, paths = ",", []
    for argument in call.arguments:
        match argument:
            case nodes.Positional(value=nodes.String() as text):
                paths.append(text)
            case nodes.Named(name=nodes.Name(text="separator"), value=nodes.String(value=value)):
                separator = value
            case nodes.Named(name=name):
                raise fail(
                    "NNM0204", f"`csv` has no option `{name.text}`", argument.span, help='its option is  separator: ";"'
                )
            case _:
                raise fail("NNM0204", "`csv` takes the name of a file in double quotes", argument.span)
    if len(paths) != 1:
        raise fail("NNM0204", "`csv` takes one file", call.span, help='write  csv("file.csv")')
    return read_csv(directory / paths[0].value, paths[0].span, separator)


def _features(elaborator: Elaborator, declaration: nodes.Data) -> tuple[list[FeatureColumn], ScaleChoice]:
    entries = [f for f in declaration.fields if isinstance(f, nodes.Features)]
    if not entries:
        raise fail(
            "NNM0204",
            f"`{declaration.name.text}` names no features",
            declaration.span,
            help="add a line  features column, column scale minmax",
        )
    scales = [(entry, _scale(elaborator, entry)) for entry in entries]
    first_entry, first = scales[0]
    for entry, scale in scales[1:]:
        if (scale.kind, scale.low, scale.high) != (first.kind, first.low, first.high):
            label = Label(first_entry.span, "scaled differently")
            raise fail(
                "NNM0104", "columns of one table scaled differently are not there yet", entry.span, secondary=(label,)
            )
    columns = [
        FeatureColumn(c.source.text, (c.alias or c.source).text, c.span) for entry in entries for c in entry.columns
    ]
    return columns, first


def _scale(elaborator: Elaborator, entry: nodes.Features) -> ScaleChoice:
    expr = entry.scale
    if expr is None:
        return ScaleChoice("none", entry.span)
    low, high = 0.0, 1.0
    name: nodes.Expr = expr
    if isinstance(expr, nodes.Subscript):
        name = expr.base
        if len(expr.indices) != 2 or any(isinstance(i, nodes.Slice) for i in expr.indices):
            raise fail("NNM0303", "a scaling range has two ends", expr.span, help="write  scale minmax [-1, 1]")
        low, high = (float(elaborator.constant(i).value) for i in expr.indices if not isinstance(i, nodes.Slice))
    if not isinstance(name, nodes.Ref) or name.name not in SCALINGS:
        near = closest(text_of(name.span), SCALINGS)
        help = f"did you mean `{near}`?" if near else f"the scalings are {', '.join(SCALINGS)}"
        raise fail("NNM0203", f"no scaling is called `{text_of(name.span)}`", name.span, help=help)
    kind = SCALINGS[name.name]
    if kind != "minmax" and name is not expr:
        raise fail("NNM0204", f"`{name.name}` has no range", expr.span, help="only `minmax` has one")
    return ScaleChoice(kind, expr.span, low, high)


def _label(elaborator: Elaborator, declaration: nodes.Data) -> LabelColumn | None:
    entries = [f for f in declaration.fields if isinstance(f, nodes.LabelField)]
    if not entries:
        return None
    if len(entries) > 1:
        raise fail(
            "NNM0202", "a table has one label", entries[1].span, secondary=(Label(entries[0].span, "the first"),)
        )
    entry = entries[0]
    coding = None
    if entry.coding is not None:
        coding = tuple(
            LabelCode(code.key.text, float(elaborator.constant(code.value).value), code.span) for code in entry.coding
        )
    name = entry.column.alias or entry.column.source
    return LabelColumn(entry.column.source.text, name.text, entry.span, coding)
