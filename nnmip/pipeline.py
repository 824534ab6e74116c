"""The phases in their order: source, syntax tree, HIR, MILP, answer. The one module that knows it."""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.hir.core import Program
from nnmip.sema.model import build_program
from nnmip.source import SourceFile
from nnmip.syntax.parser import ParseResult, parse
from nnmip.syntax.read import read_source

if TYPE_CHECKING:
    from nnmip.backends.process import Session
    from nnmip.backends.protocol import Event, Incumbent, Progress, RawResult, SolveOptions
    from nnmip.formats import WrittenModel
    from nnmip.hir.core import Assignment
    from nnmip.lowering.lower import Lowered
    from nnmip.solution.answer import RunFacts
    from nnmip.solution.keeper import Keeper
    from nnmip.solution.replay import Replay
    from nnmip.solution.result import Proof, Result

T = TypeVar("T")
ProgressHandler = Callable[["Progress"], None]
Parameters = Mapping[str, str | float | Path]

POLISH_SECONDS = 5.0
"""An answer that fails the replay may be mended for this long, even after a limit or an interrupt."""

MENDED = "the numbers did not pass the replay; their integers were kept and the rest was solved again"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to solve. `solver`: auto, highs, cbc or gurobi. time_limit: seconds. gap: relative gap at which to stop.

    confirm: prove again with a second solver. save: folder for the run. resume: folder of an earlier run to start from.
    Raises ValueError for an unknown solver, and for a limit, gap, number of threads or seed that makes no sense.
    """

    solver: str = "auto"
    time_limit: float | None = None
    gap: float = 0.0
    threads: int = 1
    seed: int = 0
    confirm: bool = False
    save: Path | None = None
    resume: Path | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None and not 0 <= self.time_limit < math.inf:
            raise ValueError(f"time_limit must be a number of seconds or None, not {self.time_limit!r}")
        if not 0 <= self.gap < math.inf:
            raise ValueError(f"gap must be a finite number from 0 on, not {self.gap!r}")
        from nnmip.backends.registry import names

        if self.solver not in names():
            raise ValueError(f"solver must be one of {', '.join(names())}, not {self.solver!r}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed!r}")


class Model:
    """A `.nnm` model and everything made from it; each phase runs once, when first asked for.

    `parameters` gives parameters other values, as numbers or as texts of the language, and data declarations other
    files. `bound` gives data declarations values (see `bind`). Paths in the source start from `directory`, those in
    `parameters` from the working directory.
    """

    def __init__(
        self,
        source: SourceFile,
        directory: Path,
        parameters: Parameters | None = None,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        self.source = source
        self.directory = directory
        self.parameters = {name: _as_text(value) for name, value in sorted((parameters or {}).items())}
        self.bound = dict(bound or {})
        self.times: dict[str, float] = {}
        self._found = Diagnostics()

    def __repr__(self) -> str:
        return f"Model({self.source.path!r})"

    def bind(self, **values: Any) -> Model:
        """The same model with other values for some of its parameters and data declarations.

        A parameter takes a number, a truth value, a list or an array, or a text of the language. A table takes a data
        frame, a mapping from column names to columns, an array of its features, or a pair `(X, y)` of features and
        label or targets, in the order of the declaration; a tensor takes an array; both take the path of a file, as
        `str` or `Path`. What does not fit is a diagnostic of the model that is returned.
        """
        texts: dict[str, Any] = dict(self.parameters)
        bound = dict(self.bound)
        for name, value in values.items():
            texts.pop(name, None)
            bound.pop(name, None)
            if isinstance(value, str | Path | int | float | np.generic):
                texts[name] = value
            else:
                bound[name] = value
        return Model(self.source, self.directory, texts, bound)

    @cached_property
    def parsed(self) -> ParseResult:
        """The syntax tree and what is wrong with the text."""
        return self._timed("parse", lambda: parse(self.source))

    @cached_property
    def _built(self) -> Program | None:
        parsed = self.parsed
        return self._timed(
            "check", lambda: build_program(parsed, self.directory, self.parameters, self._found, self.bound)
        )

    @property
    def program(self) -> Program:
        """The HIR; DiagnosticError with every error of the file where it has some."""
        program = self._built
        self._found.raise_errors()
        assert program is not None
        return program

    @cached_property
    def lowered(self) -> Lowered:
        """The MILP with its way back; DiagnosticError where something has no exact encoding."""
        from nnmip.lowering.lower import lower_program

        program = self.program
        lowered = self._timed("lower", lambda: lower_program(program))
        for warning in lowered.warnings:
            self._found.add(warning)
        return lowered

    @cached_property
    def fingerprint(self) -> str:
        """A text that tells this model, with its data and parameters, from any other."""
        from nnmip.solution.fingerprint import fingerprint

        return fingerprint(self.program, self.lowered.milp)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What has been found so far, errors and warnings."""
        return tuple(self._found.items)

    def check(self) -> tuple[Diagnostic, ...]:
        """Parse, resolve, bind data and encode; every error and warning, in the order of the text."""
        try:
            _ = self.lowered
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                self._found.add(diagnostic)
        return tuple(sorted(self._found.items, key=lambda d: (d.span.file.path, d.span.start)))

    def compile(self, format: str) -> str:
        """The model as the text of a `lp` or `mps` file; ValueError for another format."""
        from nnmip.formats.files import format_model

        stream = io.BytesIO()
        format_model(self.lowered.milp, format, stream)
        return stream.getvalue().decode("ascii")

    def write(self, path: str | Path) -> WrittenModel:
        """Write the model to a `.lp`, `.mps` or compressed `.gz` file, and its names next to it.

        Raises ValueError for an unknown suffix and OSError where the file cannot be written.
        """
        from nnmip.formats import write_model

        stages = self.program.stages
        return write_model(
            self.lowered.milp,
            path,
            fingerprint=self.fingerprint,
            sense="maximize" if stages and stages[0].sense == "maximize" else "minimize",
            extra={"model": Path(self.source.path).name, "parameters": self.parameters},
        )

    def solve(
        self,
        *,
        solver: str = "auto",
        time_limit: float | None = None,
        gap: float = 0.0,
        threads: int = 1,
        seed: int = 0,
        confirm: bool = False,
        save: str | Path | None = None,
        resume: str | Path | None = None,
        progress: ProgressHandler | None = None,
        stop: threading.Event | None = None,
    ) -> Result:
        """Find a globally optimal network, prove it, and check the answer against the meaning of the source.

        `progress` is called with `Progress` objects in the user's sense while the solver runs. Setting `stop`, or
        Ctrl-C, ends the run with the best network so far. Raises DiagnosticError for errors in the model or in a
        folder to resume from, ValueError for an unknown solver or a limit that makes no sense, OSError where `save`
        cannot be written or holds the run of another model (FileExistsError); if writing fails only later, the result
        is returned with a note. Saving into the folder of an earlier run of the same model goes on from its network.
        """
        options = RunOptions(
            solver,
            time_limit,
            gap,
            threads,
            seed,
            confirm,
            Path(save) if save is not None else None,
            Path(resume) if resume is not None else None,
        )
        return _Run(self, options, progress, stop).run()

    def import_solution(
        self, solution: str | Path, names: str | Path | None = None, bound: float | None = None
    ) -> Result:
        """The network in a solver's solution file for the compiled model, lifted and replayed.

        `names` is the names file that was written with the model (found next to the solution or the model if not
        given); `bound` is a dual bound in the user's sense, for the gap; one that the answer refutes is not reported.
        Raises DiagnosticError NNM0611 for a file that cannot be read as a solution, NNM0612 where it belongs to another
        model.
        """
        from nnmip.backends.process import Session
        from nnmip.backends.protocol import SolveOptions
        from nnmip.solution.answer import make_result
        from nnmip.solution.importer import read_answer, usable_bound
        from nnmip.solution.result import Proof

        answer = read_answer(self.lowered, self.fingerprint, Path(self.source.path), Path(solution), names)
        with Session() as session:
            raw, checked = replayed(self.lowered, session, answer.raw, SolveOptions())
        result = make_result(self.lowered, raw, checked, Proof.NONE, self.facts(0))
        usable, remarks = usable_bound(result, bound)
        notes = (*result.notes, *answer.notes, *remarks)
        return replace(result, termination=None, proof=Proof.NONE, dual_bound=usable, notes=notes)

    def facts(self, seed: int) -> RunFacts:
        """What a result reports besides the answer."""
        from nnmip.milp.statistics import statistics
        from nnmip.solution.answer import RunFacts
        from nnmip.versions import versions

        return RunFacts(statistics(self.lowered.milp), dict(self.times), seed, versions())

    def _timed(self, phase: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return work()
        finally:
            self.times[phase] = time.perf_counter() - began


def _as_text(value: Any) -> str:
    """A number or truth value as the language writes it; a path or a text as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))
    return str(value)


def load(path: str | Path, parameters: Parameters | None = None) -> Model:
    """The model in a file. Raises OSError where it cannot be read, DiagnosticError NNM0103 where it is not text."""
    return Model(read_source(path), Path(path).parent, parameters)


def loads(text: str, parameters: Parameters | None = None, directory: str | Path = ".") -> Model:
    """The model in a text; data paths start from `directory`."""
    return Model(SourceFile("<text>", text), Path(directory), parameters)


def replayed(
    lowered: Lowered, session: Session, raw: RawResult, options: SolveOptions, stop: threading.Event | None = None
) -> tuple[RawResult, Replay | None]:
    """Replay an answer; if it fails, fix its integers, solve the LP that is left, and replay that once."""
    from nnmip.solution.answer import fixed_integers, replay_raw
    from nnmip.solution.replay import ReplayStatus

    checked = replay_raw(lowered, raw)
    if checked is None or checked.status is ReplayStatus.PASSED or raw.x is None:
        return raw, checked
    limits = _polish_limits(options, raw.seconds, stop)
    polished = session.solve(fixed_integers(lowered.milp, raw.x), "highs", limits)
    if polished.x is None:
        return raw, checked
    message = "; ".join(part for part in (raw.message, MENDED) if part)
    mended = replace(raw, x=polished.x, objective=polished.objective, message=message)
    again = replay_raw(lowered, mended)
    if again is not None and again.status is ReplayStatus.PASSED:
        return mended, again
    return raw, checked


def _if_it_ran(raw: RawResult) -> RawResult:
    """The result without a solution where the solver did not start: what it holds is only the start it was given."""
    from nnmip.backends.protocol import Termination

    if raw.termination in (Termination.BACKEND_MISSING, Termination.LICENCE_ERROR):
        return replace(raw, x=None, objective=None)
    return raw


def _polish_limits(options: SolveOptions, spent: float, stop: threading.Event | None) -> SolveOptions:
    """What is left of the time limit, but enough for a small LP: an answer is worth a little more than the limit."""
    left = math.inf if options.time_limit is None else options.time_limit - spent
    if stop is not None and stop.is_set():
        left = 0.0
    limit = max(left, POLISH_SECONDS)
    return replace(options, start=None, gap=0.0, time_limit=limit if math.isfinite(limit) else None)


class _Run:
    """One solve, from the start to the saved result."""

    def __init__(
        self, model: Model, options: RunOptions, progress: ProgressHandler | None, stop: threading.Event | None
    ) -> None:
        self.model, self.options, self.progress, self.stop = model, options, progress, stop
        self.lowered = model.lowered
        self.keeper = self._keeper(options)

    def _keeper(self, options: RunOptions) -> Keeper | None:
        from nnmip.solution.keeper import Keeper

        if options.save is None:
            return None
        return Keeper(options.save, self.model.program, self.model.fingerprint, options.resume)

    def run(self) -> Result:
        from nnmip.backends.process import Session
        from nnmip.backends.protocol import SolveOptions
        from nnmip.report.text import describe_networks
        from nnmip.solution.answer import make_result

        began = time.perf_counter()
        given = self.options
        start = self._start()
        if self.keeper is not None and start is not None:
            self.keeper.offer(start, None)
        options = SolveOptions(
            time_limit=given.time_limit,
            gap=given.gap,
            threads=given.threads,
            seed=given.seed,
            start=self.lowered.complete(start) if start is not None else None,
        )
        with Session() as session:
            raw = _if_it_ran(session.solve(self.lowered.milp, given.solver, options, self._on_event, self.stop))
            raw, checked = replayed(self.lowered, session, raw, options, self.stop)
            proof, raw, checked = self._proof(session, raw, checked, options, began)
        self.model.times["solve"] = time.perf_counter() - began
        result = make_result(self.lowered, raw, checked, proof, self.model.facts(given.seed))
        if self.keeper is None:
            return result
        remark = self.keeper.finish(result, describe_networks(result))
        return replace(result, notes=(*result.notes, remark)) if remark else replace(result, saved=True)

    def _start(self) -> Assignment | None:
        """The network of the run to resume, else a constant one, unless the folder to save in has a better one; None
        where no such network satisfies the constraints."""
        from nnmip.solution.start import best_of, trivial_assignment
        from nnmip.solution.store import RunFolder

        program = self.model.program
        resume = self.options.resume
        start = RunFolder(resume).load_assignment(program) if resume is not None else trivial_assignment(program)
        stored = self.keeper.stored if self.keeper is not None else None
        candidates = [a for a in (start, stored) if a is not None]
        # A network to resume from that breaks the model still goes to the solver, which says by how much.
        return best_of(program, candidates) or next(iter(candidates), None)

    def _on_event(self, event: Event) -> None:
        from nnmip.backends.protocol import Incumbent

        sign = self.lowered.sign
        if isinstance(event, Incumbent):
            self._save_incumbent(event)
            return
        if self.progress is not None:
            incumbent = sign * event.incumbent if event.incumbent is not None else None
            bound = sign * event.dual_bound if event.dual_bound is not None else None
            self.progress(replace(event, incumbent=incumbent, dual_bound=bound))

    def _on_confirming(self, event: Event) -> None:
        """Progress of the second solver, under a name of its own: its bound starts from nothing."""
        from nnmip.backends.protocol import Progress

        self._on_event(replace(event, phase=f"confirm {event.phase}") if isinstance(event, Progress) else event)

    def _save_incumbent(self, event: Incumbent) -> None:
        """Write a network to disk as soon as the solver lets it out, if its replay passes."""
        from nnmip.solution.tidy import tidied

        if self.keeper is None:
            return
        program = self.model.program
        claimed = self.lowered.sign * event.objective if program.stages else None
        self.keeper.offer(tidied(program, self.lowered.lift(event.x)), claimed)

    def _proof(
        self, session: Session, raw: RawResult, checked: Replay | None, options: SolveOptions, began: float
    ) -> tuple[Proof, RawResult, Replay | None]:
        """The proof that the solver gives, or that a second solver confirms or refutes."""
        from nnmip.backends.confirm import Opinion, confirm
        from nnmip.backends.protocol import Termination
        from nnmip.solution.answer import limits_after, replay_raw
        from nnmip.solution.replay import ReplayStatus
        from nnmip.solution.result import Proof

        has_optimum = raw.termination is Termination.OPTIMAL and bool(self.model.program.stages)
        passed = checked is not None and checked.status is ReplayStatus.PASSED
        claims = (has_optimum and passed) or raw.termination is Termination.INFEASIBLE
        if not self.options.confirm or not claims:
            return Proof.SOLVER, raw, checked
        left = limits_after(options, time.perf_counter() - began)
        second = confirm(self.lowered.milp, raw, None, left, self._on_confirming, self.stop, session)
        if second.status is Opinion.CONFIRMED:
            return Proof.CONFIRMED, replace(raw, message=second.message), checked
        if second.status is Opinion.UNKNOWN:
            return Proof.SOLVER, replace(raw, message=second.message), checked
        milp = self.lowered.milp
        refuted = replace(
            raw,
            termination=Termination.SOLVER_ERROR,
            x=second.x,
            objective=milp.objective(second.x) if second.x is not None else None,
            dual_bound=second.bound,
            message=second.message,
        )
        return Proof.NONE, refuted, replay_raw(self.lowered, refuted)
