"""`nnmip verify --vnnlib`, a query in a VNN-LIB file over networks in ONNX files, and `--write-vnnlib`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from nnmip.cli.common import ExitCode, unreadable, unwritable
from nnmip.cli.properties import chosen_of
from nnmip.cli.ways import Effort, one_model, values_named
from nnmip.records import dataclass

EXITS: Mapping[str, ExitCode] = {
    "unsat": ExitCode.YES,
    "sat": ExitCode.NO,
    "unknown": ExitCode.NO_ANSWER,
    "timeout": ExitCode.NO_ANSWER,
}


@dataclass(frozen=True, slots=True)
class QueryFiles(Effort):
    """A query: `files` are its network and, last, the query; `networks` are those that have names."""

    files: tuple[str, ...]
    networks: tuple[str, ...]
    witness: str | None

    def answer(self) -> int:
        from nnmip.vnnlib.answers import answer_text
        from nnmip.vnnlib.ask import Asked, ask

        if not self.files:
            raise click.UsageError("name the network and the query: `nnmip verify --vnnlib net.onnx query.vnnlib`")
        stop, networks = threading.Event(), _networks(self.files[:-1], self.networks)
        asked = Asked(self.time_limit, self.solver, self.seed, self.allow_size)
        try:
            query, outcome = ask(Path(self.files[-1]), networks, asked, stop)
        except OSError as error:
            raise unreadable(self.files[-1], error) from None
        text = answer_text(query, outcome)
        if self.witness is not None:
            _write(Path(self.witness), text)
        click.echo(text, nl=False)
        for note in outcome.notes:
            click.echo(f"note: {note}", err=True)
        if outcome.reason:
            click.echo(f"open: {outcome.reason}", err=True)
        return ExitCode.INTERRUPTED if stop.is_set() else EXITS[str(outcome.found)]


def _networks(plain: Sequence[str], named: Sequence[str]) -> dict[str, Path]:
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


def _write(path: Path, text: str) -> None:
    from nnmip.formats.atomic import atomic_file

    try:
        with atomic_file(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise unwritable(str(path), error) from None


@dataclass(frozen=True, slots=True)
class Written:
    """Where properties are written as queries, and in which version."""

    files: tuple[str, ...]
    define: Mapping[str, str]
    names: tuple[str, ...]
    write_vnnlib: str
    version: str
    time_limit: float | None
    allow_size: str | None

    def answer(self) -> int:
        """Write the properties of a model, and say which could not be written."""
        from nnmip.vnnlib.folder import write_folder

        with values_named():
            chosen = chosen_of(one_model(self.files), self.define, self.names, self.allow_size)
        if chosen is None:
            return ExitCode.NO_ANSWER
        model, names = chosen
        wanted = None if self.version == "auto" else (int(self.version[0]), 0)
        try:
            files, refused = write_folder(model.program, names, Path(self.write_vnnlib), wanted, self.time_limit)
        except OSError as error:
            raise unwritable(self.write_vnnlib, error) from None
        except ImportError as error:
            raise click.UsageError(str(error)) from None
        for path in files:
            click.echo(str(path))
        for name, why in refused.items():
            click.echo(f"{name}: not written: {why}", err=True)
        return ExitCode.NO if refused else ExitCode.YES
