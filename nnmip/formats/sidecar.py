"""The names file next to a model file: which model it is, and what the user calls its columns and rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import BinaryIO, Literal

from nnmip.formats.names import OBJECTIVE_CONSTANT, ModelNames, readable_names
from nnmip.milp.model import Block, Milp

FORMAT = "nnmip-names"
VERSION = 1

Sense = Literal["minimize", "maximize"]
Kind = Literal["equivalent", "relaxation"]
"""The optimum of a relaxation is at most as far from the goal as that of the source: a bound for it."""


def write_names(
    milp: Milp,
    names: ModelNames,
    stream: BinaryIO,
    *,
    fingerprint: str,
    sense: Sense,
    kind: Kind,
    extra: Mapping[str, object],
) -> None:
    """Write the names of `milp` as JSON in ASCII, one entry a line and in a fixed order.

    sense: that of the user's goal; the model file itself always minimises. kind: how the optima of the two compare.
    extra: anything JSON can hold, kept as is.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": fingerprint,
        "sense": sense,
        "kind": kind,
        "objective_constant_column": OBJECTIVE_CONSTANT if milp.offset else None,
        "extra": dict(extra),
    }
    _write(stream, "{\n")
    for key, value in head.items():
        _write(stream, f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)},\n")
    _write(stream, f'"blocks": {{\n"columns": {_block_lines(milp.columns)},\n"rows": {_block_lines(milp.rows)}\n}},\n')
    _write_map(stream, "columns", milp.columns, names.columns)
    _write(stream, ",\n")
    _write_map(stream, "rows", milp.rows, names.rows)
    _write(stream, "\n}\n")


def _write(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode("ascii"))


def _block_lines(blocks: Sequence[Block]) -> str:
    lines = ",\n".join(json.dumps(_describe(block)) for block in blocks)
    return f"[\n{lines}\n]" if lines else "[]"


def _describe(block: Block) -> dict[str, object]:
    span = block.origin.span
    source = {"file": PurePath(span.file.path).name, "line": span.line, "column": span.column}
    picked = None if block.picked is None else block.picked.tolist()
    return {"path": block.path, "shape": list(block.shape), "start": block.start, "picked": picked, "source": source}


def _write_map(stream: BinaryIO, key: str, blocks: Sequence[Block], safe: list[str]) -> None:
    """`"key": {safe name: readable name, ...}`, one block at a time."""
    _write(stream, f'"{key}": {{\n')
    for block in blocks:
        if not block.size:
            continue
        pairs = dict(zip(safe[block.start : block.stop], readable_names(block), strict=True))
        lines = json.dumps(pairs, separators=(",\n", ": "))[1:-1]
        _write(stream, lines if block.stop == len(safe) else f"{lines},\n")
    _write(stream, "\n}")
