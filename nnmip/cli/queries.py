"""`nnmip verify --vnnlib` and `--instances`: queries in VNN-LIB files over networks in ONNX files."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnmip.cli.common import ExitCode, print_diagnostics, unreadable, unwritable
from nnmip.diagnostics import DiagnosticError
from nnmip.records import dataclass
from nnmip.source import SourceFile

if TYPE_CHECKING:
    from nnmip.pipeline import Model
    from nnmip.vnnlib.decide import Outcome
    from nnmip.vnnlib.instances import Answered, Instance
    from nnmip.vnnlib.query import Query


@dataclass(frozen=True, slots=True)
class Asked:
    """How queries are to be answered."""

    time_limit: float | None
    solver: str
    seed: int
    allow_size: str | None


def answer_query(files: Sequence[str], networks: Sequence[str], asked: Asked, witness: str | None) -> int:
    """Print the answer to one query: `files` are its networks and, last, the query.

    Raises click.UsageError where the files are not these, DiagnosticError for what is wrong in them.
    """
    from nnmip.vnnlib.answers import answer_text

    if not files:
        raise click.UsageError("name the network and the query: `nnmip verify --vnnlib net.onnx query.vnnlib`")
    stop = threading.Event()
    query, outcome = _decided(Path(files[-1]), _files(files[:-1], networks), asked, stop)
    text = answer_text(query, outcome)
    if witness is not None:
        _write(Path(witness), text)
    click.echo(text, nl=False)
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    if outcome.reason:
        click.echo(f"open: {outcome.reason}", err=True)
    return ExitCode.INTERRUPTED if stop.is_set() else EXITS[str(outcome.found)]


EXITS: Mapping[str, ExitCode] = {
    "unsat": ExitCode.YES,
    "sat": ExitCode.NO,
    "unknown": ExitCode.NO_ANSWER,
    "timeout": ExitCode.NO_ANSWER,
}


def _files(plain: Sequence[str], named: Sequence[str]) -> dict[str, Path]:
    """The network files by the name of the network; a single one has no name."""
    if len(plain) > 1:
        help = "give each by its name: `--network f=one.onnx --network g=two.onnx`"
        raise click.UsageError(f"{len(plain)} network files; {help}")
    found = {"": Path(plain[0])} if plain else {}
    for text in named:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise click.UsageError(f"`--network {text}`: expected NAME=FILE.onnx")
        found[name] = Path(path)
    if not found:
        raise click.UsageError("name the network, too: `nnmip verify --vnnlib net.onnx query.vnnlib`")
    return found


def _decided(path: Path, files: Mapping[str, Path], asked: Asked, stop: threading.Event) -> tuple[Query, Outcome]:
    from nnmip.sizes import Allowance
    from nnmip.vnnlib.decide import decide
    from nnmip.vnnlib.nets import bind
    from nnmip.vnnlib.posed import posed
    from nnmip.vnnlib.read import read_query

    begun = time.perf_counter()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise unreadable(str(path), error) from None
    query, allowance = read_query(SourceFile(str(path), text)), Allowance.of(asked.allow_size)
    question = posed(query, bind(query, files, allowance))
    left = None if asked.time_limit is None else max(0.0, asked.time_limit - (time.perf_counter() - begun))
    return query, decide(
        question, time_limit=left, solver=asked.solver, seed=asked.seed, stop=stop, allowance=allowance
    )


def _write(path: Path, text: str) -> None:
    from nnmip.formats.atomic import atomic_file

    try:
        with atomic_file(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise unwritable(str(path), error) from None


# ---- many ----------------------------------------------------------------------------------------------------------


def answer_instances(table: str, results: str | None, asked: Asked) -> int:
    """Answer the queries of a table that have no answer yet, a line for each, and count the answers."""
    from nnmip.vnnlib.instances import read_instances, run

    path = Path(table)
    target = Path(results) if results else path.with_name(f"{path.stem}.answers.csv")
    stop, counts = threading.Event(), dict[str, int]()
    try:
        instances = read_instances(path)
        for each in run(instances, target, lambda instance: _answered(instance, path.parent, asked, stop), stop):
            counts[each.answer] = counts.get(each.answer, 0) + 1
            note = f"  ({each.note})" if each.note else ""
            click.echo(f"{each.answer:<8} {each.seconds:8.2f} s  {each.instance.network}  {each.instance.query}{note}")
    except OSError as error:
        raise unreadable(table, error) if error.filename in (None, table) else unwritable(str(target), error) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    shown = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
    click.echo(f"{sum(counts.values())} of {len(set(instances))} answered: {shown or 'none'}; {target}")
    if stop.is_set():
        return ExitCode.INTERRUPTED
    if "error" in counts:
        return ExitCode.NO
    return ExitCode.NO_ANSWER if counts.keys() & {"unknown", "timeout"} else ExitCode.YES


def _files_of(instance: Instance, folder: Path) -> dict[str, Path]:
    """Its network file, or several: `f=one.onnx;g=two.onnx`."""
    if "=" not in instance.network:
        return {"": folder / instance.network}
    return {name: folder / path for name, _, path in (part.partition("=") for part in instance.network.split(";"))}


def _answered(instance: Instance, folder: Path, asked: Asked, stop: threading.Event) -> Answered:
    """The answer to a row; what is wrong with its files is the note of an `error`."""
    from nnmip.vnnlib.instances import Answered

    begun = time.perf_counter()
    limits = [limit for limit in (asked.time_limit, instance.time_limit) if limit is not None]
    own = Asked(min(limits, default=None), asked.solver, asked.seed, asked.allow_size)
    try:
        _, outcome = _decided(folder / instance.query, _files_of(instance, folder), own, stop)
    except DiagnosticError as error:
        print_diagnostics(error.diagnostics, sys.stderr)
        return Answered(instance, "error", time.perf_counter() - begun, "", error.diagnostics[0].message)
    except click.UsageError as error:
        return Answered(instance, "error", time.perf_counter() - begun, "", error.message)
    proof = {"sat": "replayed", "unsat": "certified" if outcome.is_certified else "solver"}.get(str(outcome.found), "")
    return Answered(instance, str(outcome.found), time.perf_counter() - begun, proof, outcome.reason)


# ---- properties as queries -----------------------------------------------------------------------------------------


def write_queries(model: Model, names: Sequence[str], folder: str, version: str, seconds: float | None) -> int:
    """Write properties of a model as queries, and say which could not be written."""
    from nnmip.vnnlib.folder import write_folder

    wanted = None if version == "auto" else (int(version[0]), 0)
    try:
        files, refused = write_folder(model.program, names, Path(folder), wanted, seconds)
    except OSError as error:
        raise unwritable(folder, error) from None
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    for path in files:
        click.echo(str(path))
    for name, why in refused.items():
        click.echo(f"{name}: not written: {why}", err=True)
    return ExitCode.NO if refused else ExitCode.YES
