"""What the ways of `nnmip verify` share. A way is a record: its fields are the options that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import click

from nnmip.records import dataclass


class Way(Protocol):
    """A question to `nnmip verify`."""

    def answer(self) -> int:
        """Print the answer and return the exit code; click.UsageError and DiagnosticError as elsewhere."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What deciding may cost, for each of the ways that decide something."""

    time_limit: float | None
    solver: str
    seed: int
    allow_size: str | None


def one_model(files: Sequence[str]) -> str:
    """The model on the command line; a usage error for none and for several."""
    if len(files) != 1:
        raise click.UsageError(f"one model is expected, not {len(files)}")
    return files[0]


@contextmanager
def values_named() -> Iterator[None]:
    """What a value on the command line is wrong for, as a usage error."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from None
