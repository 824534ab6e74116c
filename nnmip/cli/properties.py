"""`nnmip verify FILE`: every property of a model."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnmip.cli.common import ExitCode, errors_as_json, open_model, print_diagnostics, print_json, unwritable
from nnmip.cli.ways import Effort, one_model, values_named
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.pipeline import Model
    from nnmip.verification.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Properties(Effort):
    """Which properties are decided, and how the verdicts are told."""

    files: tuple[str, ...]
    define: Mapping[str, str]
    names: tuple[str, ...]
    save: str | None
    explain: bool
    as_json: bool

    def answer(self) -> int:
        file = one_model(self.files)
        with errors_as_json(file, self.as_json), values_named():
            chosen = chosen_of(file, self.define, self.names, self.allow_size)
            if chosen is None:
                return ExitCode.NO_ANSWER
            _check(*chosen)
            stop = threading.Event()
            verdicts = self._verdicts(*chosen, stop)
        if self.as_json:
            print_json({"model": file, "properties": [verdict.to_json() for verdict in verdicts]})
        return ExitCode.INTERRUPTED if stop.is_set() else _code(verdicts)

    def _verdicts(self, model: Model, names: tuple[str, ...], stop: threading.Event) -> list[Verdict]:
        """The verdicts until `stop` is set, each told as it is there."""
        from nnmip.report.verdicts import render_verdict

        found = []
        for name in names:
            verdict = model.verify(name, time_limit=self.time_limit, solver=self.solver, seed=self.seed, stop=stop)
            found.append(verdict)
            if not self.as_json:
                click.echo(render_verdict(verdict, self.explain), nl=False)
            self._save(verdict)
            if not self.as_json:
                _tell_members(found, names, stop.is_set())
            if stop.is_set():
                break
        return found

    def _save(self, verdict: Verdict) -> None:
        from nnmip.report.counterexamples import save_counterexample
        from nnmip.verification.verdict import Answer

        if self.save is None or verdict.answer is not Answer.VIOLATED:
            return
        try:
            files = save_counterexample(verdict, Path(self.save))
        except OSError as error:
            raise unwritable(self.save, error) from None
        if not self.as_json:
            click.echo(f"  saved: {', '.join(map(str, files))}")


def chosen_of(
    file: str, define: Mapping[str, str], names: tuple[str, ...], allow_size: str | None
) -> tuple[Model, tuple[str, ...]] | None:
    """The model, and the names of those of its properties that are asked for; None, and said, where it has none.

    Prints the warnings. Raises ValueError for a name that no property has.
    """
    model = open_model(file, dict(define), allow_size)
    chosen = model.properties(names)
    print_diagnostics(model.diagnostics, sys.stderr)
    if not chosen:
        click.echo(f"{file}: the model has no `verify`: there is nothing to decide", err=True)
        return None
    return model, chosen


def _check(model: Model, names: Sequence[str]) -> None:
    """Raise what is wrong with any of the properties before the first is decided."""
    from nnmip.verification.readable import check_all

    check_all(model.program, names)


def _tell_members(verdicts: Sequence[Verdict], chosen: Sequence[str], is_last: bool) -> None:
    """The summary of a property for each member of a set, after the last one that is decided."""
    from nnmip.report.verdicts import render_members

    declared = verdicts[-1].of
    own = [verdict for verdict in verdicts if verdict.of == declared]
    total = sum(name.startswith(f"{declared}[") for name in chosen)
    if declared and (is_last or len(own) == total):
        click.echo(render_members(own, total), nl=False)


def _code(verdicts: list[Verdict]) -> ExitCode:
    from nnmip.verification.verdict import Answer

    answers = {verdict.answer for verdict in verdicts}
    if Answer.VIOLATED in answers:
        return ExitCode.NO
    return ExitCode.NO_ANSWER if Answer.UNKNOWN in answers else ExitCode.YES
