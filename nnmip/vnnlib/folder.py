"""A folder with the properties of a model as queries, their networks, and a table of instances."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from nnmip.formats.atomic import atomic_file
from nnmip.hir.core import Program
from nnmip.hir.known import KnownNetwork
from nnmip.solution.network import TrainedNetwork
from nnmip.vnnlib.write import Unwritten, Written, written

TABLE = "instances.csv"


def write_folder(
    program: Program, names: Iterable[str], folder: Path, version: tuple[int, int] | None, seconds: float | None
) -> tuple[list[Path], dict[str, str]]:
    """Write each property as `NAME.vnnlib`, each of their networks as `NAME.onnx`, and the table `instances.csv`.

    Returns the files, and for each property that VNN-LIB cannot say the reason, in words. Raises OSError, and
    ImportError with the command that installs onnx where that is missing.
    """
    found: dict[str, Written] = {}
    refused: dict[str, str] = {}
    for name in names:
        stated = next(each for each in program.properties if each.name == name)
        try:
            found[name] = written(program, stated, version)
        except Unwritten as error:
            refused[name] = error.why
    folder.mkdir(parents=True, exist_ok=True)
    used = {model for query in found.values() for _, model in query.networks}
    files = [_network(program.known_network(model), folder) for model in sorted(used)]
    rows = []
    for name, query in found.items():
        files.append(_saved(folder / f"{name}.vnnlib", query.text.encode()))
        rows.append((_files_of(query), f"{name}.vnnlib", "" if seconds is None else f"{seconds:g}"))
    if rows:
        files.append(_saved(folder / TABLE, _table(rows)))
    return files, refused


def _files_of(query: Written) -> str:
    """The file of its network, or of each that has one of its own: `f0=a.onnx;f1=b.onnx`."""
    own: dict[str, str] = {}
    for name, model in query.networks:
        own.setdefault(model, name)
    if len(own) == 1:
        return f"{query.networks[0][1]}.onnx"
    return ";".join(f"{name}={model}.onnx" for model, name in own.items())


def _network(known: KnownNetwork, folder: Path) -> Path:
    trained = TrainedNetwork(
        network=known.network,
        assignment=known.assignment,
        scaling=known.scaling,
        inputs=(),
        label=None,
        label_column=None,
        coding=(),
    )
    path = folder / f"{known.name}.onnx"
    trained.to_onnx(path)
    return path


def _table(rows: list[tuple[str, str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _saved(path: Path, content: bytes) -> Path:
    with atomic_file(path) as stream:
        stream.write(content)
    return path
