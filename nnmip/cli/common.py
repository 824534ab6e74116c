"""What the commands share: exit codes, options, loading a model, printing diagnostics."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

if TYPE_CHECKING:
    from nnmip.diagnostics import Diagnostic
    from nnmip.pipeline import Model

F = TypeVar("F", bound=Callable[..., Any])


MOST_SHOWN = 200
"""Most messages that are printed as text; JSON and SARIF have all of them."""


class ExitCode(IntEnum):
    """How a command ends."""

    YES = 0
    NO = 1
    USAGE = 2
    NO_ANSWER = 3
    BACKEND = 4
    INTERNAL = 70
    INTERRUPTED = 130


class FiniteRange(click.FloatRange):
    """A finite number in a range; click alone lets `nan` through."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"`{value}` is not a finite number", param, ctx)
        return number


class Size(click.ParamType):  # type: ignore[type-arg]
    """A size such as `4GB`, as the text that says it."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from nnmip.sizes import read_size

        try:
            read_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def size_option(command: F) -> F:
    """`--allow-size 4GB` as the text `allow_size`, None where it is not given."""
    return click.option(
        "--allow-size", metavar="SIZE", type=Size(), help="Build what is larger than 500MB, up to this size: 4GB."
    )(command)


def define_option(command: F) -> F:
    """`-D name=value`, any number of times, as the dictionary `define`."""
    return click.option(
        "-D",
        "--define",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_read_definitions,
        help="Give a parameter another value.",
    )(command)


def _read_definitions(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"`{text}` is not NAME=VALUE", context, option)
        found[name.strip()] = value.strip()
    return found


def stage_options(command: F) -> F:
    """`--stage N` as the number `stage`, and `--fix stage1=VALUE`, any number of times, as the dictionary `fix`."""
    fix = click.option(
        "--fix",
        metavar="stageN=VALUE",
        multiple=True,
        callback=_read_fixed,
        help="The proved value of a stage before; --stage 3 needs stage1 and stage2.",
    )
    stage = click.option(
        "--stage", type=click.IntRange(min=1), default=1, help="Which goal of several; the first if not given."
    )
    return stage(fix(command))


def _read_fixed(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[int, float]:
    """`stage1=0.25` as number and value; the number may stand alone."""
    found: dict[int, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            number, fixed = int(name.strip().removeprefix("stage")), float(value)
        except ValueError:
            raise click.BadParameter(f"`{text}` is not stageN=VALUE, such as stage1=0.25", context, option) from None
        if number in found:
            raise click.BadParameter(f"stage {number} has two values, {found[number]:g} and {fixed:g}", context, option)
        found[number] = fixed
    return found


def open_model(path: str, define: dict[str, str], allow_size: str | None = None) -> Model:
    """The model in a file; a usage error where the file cannot be read, with the nearest file there is."""
    from nnmip.pipeline import load

    try:
        return load(path, define, allow_size=allow_size)
    except OSError as error:
        raise unreadable(path, error) from None


def at_stage(model: Model, stage: int, fix: dict[int, float]) -> Model:
    """The model at a stage of its goal; a usage error for a stage or a value that it cannot have."""
    try:
        return model.at_stage(stage, fix)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def unreadable(path: str, error: OSError) -> click.UsageError:
    """The usage error for a file that cannot be read, with the nearest file there is."""
    return click.UsageError(f"cannot read `{path}`: {reason(error)}{_nearest(Path(path))}")


def unwritable(path: str, error: OSError) -> click.UsageError:
    """The usage error for a file or folder that cannot be written."""
    return click.UsageError(f"cannot write `{path}`: {reason(error)}")


def reason(error: OSError) -> str:
    """Why the system refused, in its own words."""
    return (error.strerror or str(error)).lower()


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return ""
    from difflib import get_close_matches

    near = get_close_matches(path.name, names, n=1, cutoff=0.7)
    return f"; did you mean `{path.parent / near[0]}`?" if near else ""


def print_diagnostics(diagnostics: Sequence[Diagnostic], stream: TextIO) -> None:
    """Render diagnostics for people, in colour on a terminal: the first MOST_SHOWN, how many more there are, and where
    looking for them ended."""
    from nnmip.diagnostics.model import too_many
    from nnmip.diagnostics.render import render_text

    def write(found: Sequence[Diagnostic]) -> None:
        if found:
            stream.write(render_text(found, color=wants_colour(stream)).rstrip("\n") + "\n")

    rest = diagnostics[MOST_SHOWN:]
    ends = [found for found in rest if found == too_many(found.span)]
    write(diagnostics[:MOST_SHOWN])
    if rest:
        stream.write(f"\n... and {len(rest) - len(ends)} more\n\n")
    write(ends)


def wants_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and never with NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_json(value: object, *, indent: int | None = 1) -> None:
    """One JSON value on stdout, strictly standard (no NaN)."""
    sys.stdout.write(json.dumps(value, indent=indent, allow_nan=False) + "\n")
    sys.stdout.flush()


def diagnostics_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Diagnostics as plain objects."""
    from nnmip.diagnostics.render import to_json

    return to_json(diagnostics)


@contextmanager
def errors_as_json(path: str, wanted: bool) -> Iterator[None]:
    """With `wanted`, the errors of a model or of an answer to it become one JSON object on stdout, exit code 1."""
    from nnmip.diagnostics import DiagnosticError

    try:
        yield
    except DiagnosticError as error:
        if not wanted:
            raise
        print_json({"model": path, "errors": diagnostics_json(error.diagnostics)})
        raise click.exceptions.Exit(ExitCode.NO) from None
