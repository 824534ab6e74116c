"""Where the data of a declaration comes from: a file that it names, another file, or values bound from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nnmip.data import Dataset, RawTable, build_dataset, read_csv, stand_in
from nnmip.data.arrays import AnyArray, ArrayHeader, read_npy, read_npz, unknown_array
from nnmip.data.columns import Expected, bound_table, is_plain, table_of
from nnmip.data.files import FROM_MODEL, FROM_WORKING_DIRECTORY
from nnmip.data.table import shortened
from nnmip.diagnostics import Diagnostics, Label
from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import Constant
from nnmip.records import dataclass
from nnmip.sema.expressions import Elaborator
from nnmip.sema.outside import HeadersOnly, Outside
from nnmip.sema.shapes import read_shape
from nnmip.sema.tables import read_spec
from nnmip.sema.values import fail, not_yet, short_text_of
from nnmip.sizes import Allowance
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

READERS = ("csv", "npy", "npz")
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".npy": "npy", ".npz": "npz"}
_SINGLE = "x"
"""What the only array of a file is called."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A file and how it is read. `array` picks one array of an archive; `base` says where paths start."""

    reader: str
    path: Path
    span: Span
    separator: str = ","
    array: str | None = None
    array_span: Span | None = None
    base: str = FROM_MODEL


def read_data(
    elaborator: Elaborator, declaration: nodes.Data, directory: Path, outside: Outside
) -> Dataset | Constant | None:
    """The table of a data declaration, or the tensor of one with a type; paths in the model start from `directory`.

    Where only headers are to be read, a table is one that stands in for that of the file, and a tensor is None.

    Raises DiagnosticError: NNM0104 for readers that are not there yet, NNM0202 to NNM0206 and NNM0303 for what the
    declaration says, and whatever `nnmip.data` finds in the file.
    """
    name = declaration.name.text
    source = None
    if name not in outside.values:
        source = _source(declaration, directory, outside)
    is_header = source is not None and _is_header_enough(source, declaration, outside.headers)
    if declaration.type is not None:
        return _tensor(elaborator, declaration, declaration.type, source, outside.values.get(name), is_header)
    if source is None:
        table = bound_table(name, outside.values[name], _expected(declaration), declaration.name.span)
    else:
        table = _table(source, declaration, elaborator.scope.allowance, is_header)
    spec = read_spec(elaborator, declaration, table)
    return build_dataset(table, spec) if table.is_read else stand_in(table, spec)


def _is_header_enough(source: _Source, declaration: nodes.Data, headers: HeadersOnly | None) -> bool:
    """Whether no more than the header is read: that is asked for, and the model says what the rows would tell."""
    if headers is None:
        return False
    needed = next(_found_in_rows(declaration), "")
    if needed:
        headers.needed.append(f"`{source.path.name}`: the model does not list {needed}")
    else:
        headers.unread.append(source.path.name)
    return not needed


def _found_in_rows(declaration: nodes.Data) -> Iterator[str]:
    """What shapes the model and stands in the rows alone: categories, and classes without a coding."""
    for entry in declaration.fields:
        match entry:
            case nodes.Features(columns=columns):
                yield from (f"the categories of `{c.source.text}`" for c in columns if c.onehot)
            case nodes.LabelField(coding=None, column=column):
                yield f"the classes of `{column.source.text}`"


def warn_of_one_class(declaration: nodes.Data, data: Dataset, diagnostics: Diagnostics) -> None:
    """NNM0508 where every row that is trained on has the same label."""
    entry = next((f for f in declaration.fields if isinstance(f, nodes.LabelField)), None)
    if entry is None or (data.labels != data.labels[0]).any():
        return
    only = data.label_text(float(data.labels[0])) or f"{data.labels[0]:g}"
    rows = "every row" if data.test is None else "every row of the training part"
    message = f"{rows} of `{data.name}` has the label `{shortened(only)}`"
    help = "nothing is told apart: look at `where` and at the column of the label"
    diagnostics.warning("NNM0508", message, entry.span, help=help)


# ---- the call of a reader ------------------------------------------------------------------------------------------


def _source(declaration: nodes.Data, directory: Path, outside: Outside) -> _Source:
    name = declaration.name
    stated = None if declaration.source is None else _stated(declaration.source, name.text, directory)
    if name.text not in outside.paths:
        if stated is None:
            help = f'write `data {name.text} = csv("file.csv") {{ ... }}`, or give it a file: `-D {name.text}=file.csv`'
            raise fail("NNM0206", f"`{name.text}` has no file, and nothing is bound to it", name.span, help=help)
        return stated
    path = outside.paths[name.text]
    reader = _SUFFIXES.get(path.suffix.lower(), stated.reader if stated is not None else "csv")
    if stated is None:
        return _Source(reader, path, name.span, base=FROM_WORKING_DIRECTORY)
    return replace(stated, reader=reader, path=path, base=FROM_WORKING_DIRECTORY)


_SEPARATORS = frozenset({"sep", "delimiter", "delim", "seperator"})
"""What `separator` is called elsewhere."""


def _stated(call: nodes.Expr, name: str, directory: Path) -> _Source:
    if not (isinstance(call, nodes.Call) and isinstance(call.function, nodes.Ref)):
        shown = call.value if isinstance(call, nodes.String) else "file.csv"
        help = f'write `data {name} = csv("{shown}")`'
        raise fail("NNM0204", "data is read from a file", call.span, help=help)
    reader, span = call.function.name, call.function.span
    if reader == "onnx":
        raise not_yet(f"`{reader}`", span)
    if reader not in READERS:
        near = closest(reader, READERS)
        help = f"did you mean `{near}`?" if near else "write `csv`, `npy` or `npz`"
        raise fail("NNM0203", f"no reader is called `{reader}`", span, help=help)
    separator, texts = ",", []
    for argument in call.arguments:
        match argument:
            case nodes.Positional(value=nodes.String() as text):
                texts.append(text)
            case nodes.Named(name=nodes.Name(text="separator"), value=nodes.String(value=value)) if reader == "csv":
                separator = value
            case nodes.Named(name=nodes.Name(text="separator"), value=value) if reader == "csv":
                raise fail("NNM0205", "the separator is a text", value.span, help='write `separator: ";"`')
            case nodes.Named(name=option):
                help = 'its option is `separator: ";"`' if reader == "csv" else "it has none"
                fix = substitute(option.span, "separator") if option.text in _SEPARATORS and reader == "csv" else ()
                raise fail("NNM0204", f"`{reader}` has no option `{option.text}`", argument.span, help=help, fix=fix)
            case _:
                shown = short_text_of(argument.span)
                file = f'"{shown}{"" if "." in shown else f".{reader}"}"'
                message, help = f"`{reader}` takes the name of a file in quotes", f"write `{reader}({file})`"
                raise fail("NNM0204", message, argument.span, help=help, fix=substitute(argument.span, file))
    most = 2 if reader == "npz" else 1
    if not 1 <= len(texts) <= most:
        what = "one file" if most == 1 else "one file and the name of an array"
        message = f"`{reader}` takes {what}, not {len(texts)}" + ("" if most == 1 else " texts")
        raise fail("NNM0204", message, call.span, help=f'write `{reader}("file.{reader}")`')
    array = texts[1] if len(texts) > 1 else None
    path = directory / texts[0].value
    if array is None:
        return _Source(reader, path, texts[0].span, separator)
    return _Source(reader, path, texts[0].span, separator, array.value, array.span)


# ---- tables --------------------------------------------------------------------------------------------------------


def _table(source: _Source, declaration: nodes.Data, allowance: Allowance, is_header: bool) -> RawTable:
    if source.reader == "csv":
        return read_csv(source.path, source.span, source.separator, source.base, allowance, is_header)
    if source.reader == "npz" and source.array is None:
        mentioned = frozenset(_texts(declaration.fields))

        def choose(headers: Mapping[str, ArrayHeader]) -> Iterable[str]:
            return _same_rows(headers, mentioned, source)

        arrays = read_npz(source.path, source.span, choose, source.base, allowance, is_header)
    else:
        array = _array(source, allowance, is_header)
        arrays = {"" if array.dtype.names else source.array or _SINGLE: array}
    if not is_header:
        return table_of(arrays, source.path.name, source.span)
    one_row = table_of(
        {name: array[:1] if array.ndim else array for name, array in arrays.items()}, source.path.name, source.span
    )
    return replace(one_row.select(np.zeros(one_row.row_count, dtype=bool)), is_read=False)


def _array(source: _Source, allowance: Allowance, is_header: bool) -> AnyArray:
    """The single array that a file is asked for."""
    if source.reader == "npy":
        return read_npy(source.path, source.span, source.base, allowance, is_header)
    name, span = source.array, source.array_span or source.span

    def choose(headers: Mapping[str, ArrayHeader]) -> list[str]:
        if name is None and len(headers) == 1:
            return list(headers)
        if name is None:
            help = f'name the array: `npz("{source.path.name}", "{next(iter(headers), "X")}")`'
            raise fail("NNM0204", f"`{source.path.name}` has {len(headers)} arrays", source.span, help=help)
        if name not in headers:
            raise unknown_array(name, headers, source.path.name, span)
        return [name]

    (array,) = read_npz(source.path, source.span, choose, source.base, allowance, is_header).values()
    return array


def _same_rows(headers: Mapping[str, ArrayHeader], mentioned: frozenset[str], source: _Source) -> list[str]:
    """The arrays of an archive that have as many rows as those which the declaration mentions."""
    with_rows = {name: header.shape[0] for name, header in headers.items() if header.shape}
    stems = mentioned | {stem for stem, _, place in (text.rpartition("_") for text in mentioned) if place.isdigit()}
    named = {name: rows for name, rows in with_rows.items() if name in stems}
    if len(set(named.values())) > 1:
        (first, n), *others = named.items()
        second, m = next((name, rows) for name, rows in others if rows != n)
        message = f"`{first}` of `{source.path.name}` has {n} rows, and `{second}` has {m}"
        raise fail("NNM0301", message, source.span, label="rows do not agree", help="give every row an entry in each")
    rows = next(iter((named or with_rows).values()), 0)
    usable = {name for name, header in headers.items() if header.is_plain or name in named}
    return [name for name, count in with_rows.items() if count == rows and name in usable]


def _texts(node: Any) -> Iterator[str]:
    """Every name and text below a syntax node."""
    stack = [node]
    while stack:
        match stack.pop():
            case nodes.Name(text=text) | nodes.Ref(name=text) | nodes.String(value=text):
                yield text
            case tuple() as parts:
                stack.extend(parts)
            case nodes.Node() as part:
                stack.extend(part.parts())


def _expected(declaration: nodes.Data) -> Expected:
    columns = [c for f in declaration.fields if isinstance(f, nodes.Features) for c in f.columns]
    labels = [f.column for f in declaration.fields if isinstance(f, nodes.LabelField)]
    targets = [c for f in declaration.fields if isinstance(f, nodes.TargetField) for c in f.columns]
    groups = [c for f in declaration.fields if isinstance(f, nodes.GroupField) for c in f.columns]
    answers = tuple(dict.fromkeys(c.source.text for c in [*labels, *targets, *groups]))
    return Expected(tuple(dict.fromkeys(c.source.text for c in columns)), answers)


# ---- tensors -------------------------------------------------------------------------------------------------------


def _tensor(
    elaborator: Elaborator,
    declaration: nodes.Data,
    type: nodes.TypeExpr,
    source: _Source | None,
    bound: Any,
    is_header: bool,
) -> Constant | None:
    """A known tensor, None where only its header is read.

    Raises DiagnosticError NNM0204 for lines in braces, NNM0206 where the array does not fit the type.
    """
    name = declaration.name
    if declaration.fields:
        help = "remove the type for a table, or the lines in braces for a tensor"
        raise fail("NNM0204", "a tensor has no columns", declaration.fields[0].span, help=help)
    if source is not None and source.reader == "csv":
        help = f"write `data {name.text} = csv(...) {{ features ... }}`, or read a tensor from `npy`"
        raise fail("NNM0204", "a tensor is read from `npy` or `npz`", source.span, help=help)
    span = name.span if source is None else source.span
    array = np.asarray(bound) if source is None else _array(source, elaborator.scope.allowance, is_header)
    declared = (Label(type.span, f"the type of `{name.text}`"),)
    shape = read_shape(elaborator, type, f"`{name.text}`")
    if array.shape != shape:
        message = f"`{name.text}` is declared with shape {list(shape)}, but the array has {list(array.shape)}"
        raise fail("NNM0206", message, span, secondary=declared)
    misfit = _misfit(type.base, array.reshape(-1)[:1] if is_header else array)
    if misfit:
        message = f"`{name.text}` is declared `{type.base}`, but the array has {misfit}"
        raise fail("NNM0206", message, span, secondary=declared)
    if is_header:
        return None
    return Constant(array.astype(np.float64), Origin(name.span, name.text), type.base == "bool")


def _misfit(base: str, array: AnyArray) -> str:
    """What keeps an array from being of type `base`; empty where nothing does."""
    if not is_plain(array):
        return f"entries of type `{array.dtype}`"
    if not np.isfinite(array).all():
        return "entries that are not finite"
    if base == "bool" and not np.isin(array, (0, 1)).all():
        return "entries other than 0 and 1"
    return "entries that are not whole numbers" if base == "int" and (array != np.floor(array)).any() else ""
