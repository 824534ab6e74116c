"""What users do with a model: bind values, write files, solve, trace fronts."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip import display
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Program
from nnmip.hir.stages import at_stage
from nnmip.hir.walk import strengthened
from nnmip.passes.base import Analysed
from nnmip.phases import Check
from nnmip.pipeline.parameters import Parameters
from nnmip.pipeline.phased import Phased
from nnmip.sema.goals import check_goal
from nnmip.sema.values import not_yet
from nnmip.sizes import NONZERO, UNASKED, Allowance
from nnmip.source import SourceFile
from nnmip.syntax.read import check_text, read_source

if TYPE_CHECKING:
    from nnmip.backends.protocol import Progress
    from nnmip.formats.files import WrittenModel
    from nnmip.incumbents.given import Start
    from nnmip.lowering.lower import Lowered
    from nnmip.regions.run import RegionRun
    from nnmip.solution.answer import RunFacts
    from nnmip.solution.formulations import Choice, Offer
    from nnmip.solution.front import Front
    from nnmip.solution.options import RunOptions
    from nnmip.solution.result import How, Result
    from nnmip.solution.work import Problem
    from nnmip.verification.milp import Solve
    from nnmip.verification.verdict import Verdict

ProgressHandler = Callable[["Progress"], None]

MOST_TANGENTS, LEAST_TANGENTS = 256, 8
"""Most lines in a file for one value of a loss that has no exact encoding; fewer where that is more than is allowed."""

TERMS = 3
"""Most coefficients of such a line."""


class Model(Phased):
    """A `.nnm` model and everything made from it; each phase runs once, when first asked for.

    `parameters` gives parameters other values, as numbers or as texts of the language, and data declarations other
    files. `bound` gives data declarations values (see `bind`). Paths in the source start from `directory`, those in
    `parameters` from the working directory. What would be larger than `allowance` is a diagnostic (NNM0310).
    """

    @classmethod
    def of_program(cls, program: Program, warnings: Iterable[Diagnostic] = (), allowance: Allowance = UNASKED) -> Model:
        """The model of a program that was built without text; it has no syntax tree, and nothing to bind."""
        model = cls(program.source, Path(), allowance=allowance)
        model._made[Check.name] = Analysed(program)
        for warning in warnings:
            model.found.add(warning)
        return model

    def bind(self, **values: Any) -> Model:
        """The same model with other values for some of its parameters and data declarations.

        A parameter takes a number, a truth value, a list or an array, or a text of the language. A table takes a data
        frame, a mapping from column names to columns, an array of its features, or a pair `(X, y)` of features and
        label or targets, in the order of the declaration; a tensor takes an array; both take the path of a file, as
        `str` or `Path`. What does not fit is a diagnostic of the model that is returned. Raises TypeError for a program
        that was built in Python.
        """
        if not self.has_text:
            raise TypeError("a program that was built in Python has its values already: build it with others")
        texts: dict[str, Any] = dict(self.parameters)
        bound = dict(self.bound)
        for name, value in values.items():
            texts.pop(name, None)
            bound.pop(name, None)
            if isinstance(value, str | Path):
                texts[name] = value
            else:
                bound[name] = value
        return Model(self.source, self.directory, texts, bound, self.allowance)

    def __repr__(self) -> str:
        given = [f"{name}={value}" for name, value in self.parameters.items()]
        given += [f"{n}={v if isinstance(v, int | float | np.generic) else '...'}" for n, v in self.bound.items()]
        return f"Model({', '.join([repr(self.source.path), *given])})"

    def _repr_html_(self) -> str:
        """For notebooks: the text, what was found so far, and what is bound; it runs no phase."""
        parts = [display.caption(repr(self))]
        parts += [display.block(self.source.text)] if self.has_text else []
        if Check.name in self._made and self._made[Check.name] is not None:
            program = self._made[Check.name].program
            parts += [data._repr_html_() for data in program.datasets]
        return "".join([*parts, *(diagnostic._repr_html_() for diagnostic in self.found.items)])

    def at_stage(self, stage: int = 1, fix: Mapping[int, float] | None = None) -> Model:
        """This model at a stage, as a program without text, those before it held at the values in `fix`; errors as for
        `write`."""
        program = at_stage(self.program, stage, fix or {})
        return self if program is self.program else Model.of_program(program, self.diagnostics, self.allowance)

    def lowered_for(
        self, stage: int = 1, fix: Mapping[int, float] | None = None, formulation: str = "direct"
    ) -> Lowered:
        """The MILP of a stage as files have it, those before it held at the values in `fix`; errors as for `write`.

        Losses without an exact encoding have tangents enough for their tolerance, so that `Lowered.gaps` is small.
        """
        return self._for_file(at_stage(self.program, stage, fix or {}), formulation)

    def _for_file(self, program: Program, formulation: str) -> Lowered:
        """The MILP of a stage with as many tangents as its tolerance and the allowance say."""
        check_goal(program)
        _refuse_file(program)
        if formulation != "direct":
            from nnmip.solution.formulations import IN_FILES

            if formulation not in IN_FILES:
                raise ValueError(f"formulation must be one of {', '.join(IN_FILES)}, not {formulation!r}")
        lowered = self.encoded(formulation, program)
        if not lowered.tangents:
            return lowered
        values = sum(len(tangents.share) for tangents in lowered.tangents)
        allowed = self.allowance.size / NONZERO / TERMS / max(1, values)
        return lowered.refined_evenly(int(min(MOST_TANGENTS, max(LEAST_TANGENTS, allowed))))

    @cached_property
    def fingerprint(self) -> str:
        """A text that tells this model, with its data and parameters, from any other."""
        return self.fingerprint_of(self.lowered)

    def fingerprint_of(self, lowered: Lowered) -> str:
        """The fingerprint of the model at a stage."""
        from nnmip.solution.fingerprint import fingerprint

        return fingerprint(lowered.program, lowered.uncut)

    def compile(
        self, format: str, stage: int = 1, fix: Mapping[int, float] | None = None, formulation: str = "direct"
    ) -> str:
        """The model as the text of a `lp` or `mps` file; ValueError for another format. The rest is as for `write`."""
        from nnmip.formats.files import format_model

        stream = io.BytesIO()
        format_model(self.lowered_for(stage, fix, formulation).milp, format, stream)
        return stream.getvalue().decode("ascii")

    def write(
        self, path: str | Path, stage: int = 1, fix: Mapping[int, float] | None = None, formulation: str = "direct"
    ) -> WrittenModel:
        """Write the model to a `.lp`, `.mps` or compressed `.gz` file, and its names next to it.

        A goal with stages has a file for each; `fix` gives the proved value of every stage before `stage`, by number.
        `formulation` is `direct`, `columns` for counts of the units that a hidden layer can have, or `composite` for
        these without what is proved to be in no better network than a known one; the optimum is the same. Raises
        ValueError for an unknown suffix or formulation, a stage that is not there and values that do not fit,
        DiagnosticError NNM0406 where the formulation does not fit, and OSError where the file cannot be written.
        """
        from nnmip.formats.files import write_model

        lowered = self.lowered_for(stage, fix, formulation)
        program = lowered.program
        extra: dict[str, object] = {"model": Path(self.source.path).name, "parameters": self.parameters}
        extra |= lowered.way.legend
        if len(program.stages) > 1:
            extra.update(stage=stage, fixed=[held.value for held in program.held])
        if lowered.tangents:
            extra.update(below=lowered.gaps)
        if found := strengthened(program):
            extra.update(sufficient={name: list(words) for name, words in found.items()})
        return write_model(
            lowered.milp,
            path,
            fingerprint=self.fingerprint_of(lowered),
            sense="maximize" if program.goal is not None and program.goal.sense == "maximize" else "minimize",
            extra=extra,
            kind="relaxation" if lowered.tangents else "equivalent",
        )

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
        from nnmip.solution.importer import imported, other_model, read_answer, read_names
        from nnmip.solution.result import Proof
        from nnmip.solution.stage import replayed

        _refuse_file(self.program)
        found = read_names(Path(self.source.path), Path(solution), names, self.allowance)
        try:
            program = at_stage(self.program, *found.stage)
            lowered = self._for_file(program, found.formulation)
        except ValueError as error:
            raise other_model(found, Path(solution), f"does not fit it ({error})") from None
        except DiagnosticError as error:
            if [diagnostic.code for diagnostic in error.diagnostics] != ["NNM0406"]:
                raise
            raise other_model(found, Path(solution), "counts columns, and this model has none") from None
        answer = read_answer(lowered, self.fingerprint_of(lowered), found, Path(solution), self.allowance)
        with Session() as session:
            raw, checked = replayed(lowered, session, answer.raw, SolveOptions())
        result = make_result(lowered, raw, checked, Proof.NONE, self.facts(0, lowered))
        return imported(result, answer, program, bound)

    def formulation(self, wanted: str = "auto", solver: str = "auto") -> How:
        """How `solve` goes about the first goal, and why.

        Raises DiagnosticError: for errors in the model, and NNM0406 where columns are wanted and there are none.
        """
        return self.choice(self.program, wanted, solver).how

    def choice(self, program: Program, wanted: str = "auto", solver: str = "auto") -> Choice:
        """How to go about a program made from this model; decided once for the first goal. Errors as above."""
        from nnmip.solution.formulations import choose

        if program is not self.program:
            return choose(program, wanted, solver, self.allowance)
        key = f"choose {wanted} {solver}"
        if key not in self._made:
            self._made[key] = choose(program, wanted, solver, self.allowance)
        made: Choice = self._made[key]
        return made

    def offers(self) -> tuple[Offer, ...]:
        """What every formulation of the first goal would be, or why it does not fit."""
        from nnmip.solution.formulations import offers

        return offers(self.program, self.allowance)

    def prepare(self, formulation: str = "auto", solver: str = "auto") -> None:
        """Find every error and warning that `solve` would, and encode what it needs. Raises what `formulation` does."""
        from nnmip.solution.formulations import IN_FILES
        from nnmip.solution.options import ways_of

        check_goal(self.program)
        found = {self.formulation(wanted, named).formulation for named, wanted in ways_of(solver, formulation)}
        for how in found:
            if how in IN_FILES and how != "direct":
                _ = self.encoded(how)
        if {"direct", "sign-split"} & found or len(self.program.stages) > 1 or self.program.regions:
            _ = self.lowered  # with the last stage, so that no error waits until a stage is proved

    def solve(
        self,
        *,
        solver: str = "auto",
        formulation: str = "auto",
        time_limit: float | None = None,
        gap: float = 0.0,
        threads: int = 1,
        seed: int = 0,
        confirm: bool = False,
        save: str | Path | None = None,
        resume: str | Path | None = None,
        start: Start | None = None,
        progress: ProgressHandler | None = None,
        stop: threading.Event | None = None,
    ) -> Result:
        """Find a globally optimal network, prove it, and check the answer against the meaning of the source.

        `formulation` is `direct` for one MILP of the weights, `search` for exact search over the columns of the hidden
        layer, `columns` and `composite` for one MILP of these, `sign-split` for a tree over the choices of the output
        weights, `auto` for what is estimated to cost least (`direct` where a solver is named). Several of them, or
        several solvers, with commas between them run side by side.
        `start` is a network to start from: an NPZ file, or arrays by their names in the language, such as
        `net.h.weights`; numbers outside their domains are rounded, and what is missing is found. The answer does not
        depend on it. `progress` is called with `Progress` objects in the user's sense while the solver runs; what it
        raises ends the run and is raised here. Setting `stop`, or Ctrl-C, ends the run with the best network so far.
        Raises DiagnosticError for errors in the model, in a folder to resume from or in a start, ValueError for an
        unknown solver or a limit that makes no sense, TypeError for an argument of another type, OSError where `save`
        cannot be written or holds the run of another model (FileExistsError); if writing fails only later, the result
        is returned with a note. Saving into the folder of an earlier run of the same model goes on from its network.
        """
        from nnmip.solution.run import Run

        options = self._options(
            progress,
            solver=solver,
            formulation=formulation,
            time_limit=time_limit,
            gap=gap,
            threads=threads,
            seed=seed,
            confirm=confirm,
            save=save,
            resume=resume,
            start=start,
        )
        self.prepare(formulation, solver)
        if self.program.regions:
            return self._proving(options, progress, stop).run()
        return Run(self._problem(self.program, seed), options, progress, stop).run()

    def _proving(
        self, options: RunOptions, progress: ProgressHandler | None, stop: threading.Event | None
    ) -> RegionRun:
        """A run that meets constraints over regions, round after round."""
        from nnmip.regions.run import RegionRun

        plain = replace(self.program, regions=())
        problem = self._problem(plain, options.seed)
        stop = threading.Event() if stop is None else stop
        return RegionRun(self.program, problem, options, self._verifying, progress, stop)

    def _verifying(self, solver: str) -> Solve:
        """What solves the MILPs of a verification."""

        def solve(program: Program, limit: float | None, progress: ProgressHandler, stop: threading.Event) -> Result:
            model = Model.of_program(program, allowance=self.allowance)
            return model.solve(solver=solver, time_limit=limit, progress=progress, stop=stop)

        return solve

    def properties(self, names: Iterable[str] = ()) -> tuple[str, ...]:
        """The names of the properties, or of those among `names`; ValueError for one that the model does not have.

        A property over sets has a name for each member, as `robust[3]`; `robust` among `names` stands for all of them.
        """
        found = {each.name: each.of or each.name for each in self.program.properties}
        wanted = set(names)
        for name in sorted(wanted - found.keys() - set(found.values())):
            declared = ", ".join(dict.fromkeys(found.values())) or "none"
            raise ValueError(f"the model has no property `{name}`; it has {declared}")
        return tuple(name for name, declared in found.items() if not wanted or {name, declared} & wanted)

    def verify(
        self,
        name: str,
        *,
        time_limit: float | None = None,
        solver: str = "auto",
        seed: int = 0,
        stages: Sequence[str] | None = None,
        stop: threading.Event | None = None,
        short: bool = True,
    ) -> Verdict:
        """Decide a property: prove it for its whole region, or find an input that breaks it.

        solver: what MILPs are given to; several with commas run side by side, and the first proof ends them all.
        stages: those to go through, of `bounds`, `attack`, `exact`, `splitting`, `programs` and `milp`; None for all.
        short: whether the input is rounded to few decimals, where that breaks the property too.

        Raises ValueError for a name that the model does not have, or a stage that there is not, DiagnosticError for
        errors in the model, NNM0104 for a property that is no combination of comparisons.
        """
        from nnmip.verification.run import STAGES, Limits, verify

        members = self.properties([name])
        if name not in members:
            raise ValueError(f"`{name}` is a property for each member of a set; ask for one of them, as `{members[0]}`")
        for stage in stages or ():
            if stage not in STAGES:
                raise ValueError(f"there is no stage `{stage}`; there are {', '.join(STAGES)}")
        wanted = next(each for each in self.program.properties if each.name == name)

        asked = STAGES if stages is None else tuple(stages)
        limits = Limits(time_limit, seed=seed, stages=asked, is_short=short)
        return verify(self.program, wanted, self._verifying(solver), limits, stop)

    def pareto(
        self,
        term: str,
        *,
        step: float | None = None,
        solver: str = "auto",
        formulation: str = "auto",
        time_limit: float | None = None,
        threads: int = 1,
        seed: int = 0,
        confirm: bool = False,
        save: str | Path | None = None,
        resume: str | Path | None = None,
        start: Start | None = None,
        progress: ProgressHandler | None = None,
        stop: threading.Event | None = None,
    ) -> Front:
        """Trace the front between a term of the goal and the rest of it: every network that no other beats in both.

        `term` is the text of an addend of the goal, its first word where that is enough, its number, or the name of a
        `let` that the goal adds; with `minimize A then B` the front is that between `A` and `B`. Points are a `step`
        apart at least; without one, every value on a grid is visited, and a twentieth of the range is taken where there
        is no grid. `save` is a folder for all networks and an index; otherwise arguments and errors are those of
        `solve`. Raises DiagnosticError NNM0209 for a term that the goal does not have, ValueError for a step below
        1e-5.
        """
        from nnmip.sema.front import read_tradeoff
        from nnmip.solution.trace import Trace

        options = self._options(
            progress,
            solver=solver,
            formulation=formulation,
            time_limit=time_limit,
            threads=threads,
            seed=seed,
            confirm=confirm,
            save=save,
            resume=resume,
            start=start,
        )
        if self.program.regions:
            what = "a front of a model with a rule over a region"
            raise not_yet(what, self.program.regions[0].origin.span, help="`nnmip solve` without it finds one network")
        tradeoff = read_tradeoff(self.program, term, step)
        return Trace(self._problem(tradeoff.program, seed), tradeoff, options, step, progress, stop).run()

    def _problem(self, program: Program, seed: int) -> Problem:
        """What a run solves."""
        from nnmip.report.text import describe_networks
        from nnmip.solution.work import Problem

        facts = partial(self.facts, seed)

        def encode(program: Program, formulation: str) -> Lowered:
            return self.encoded(formulation, program)

        return Problem(program, lambda: self.fingerprint, self.choice, encode, facts, describe_networks)

    def _options(self, progress: ProgressHandler | None, **given: Any) -> RunOptions:
        """The options of a run; TypeError and ValueError where they make no sense."""
        from nnmip.solution.options import RunOptions

        if progress is not None and not callable(progress):
            raise TypeError(f"progress must be a function of one argument, not {progress!r}")
        for name in ("save", "resume"):
            given[name] = Path(given[name]) if given[name] is not None else None
        return RunOptions(**given, allowance=self.allowance)

    def facts(self, seed: int, lowered: Lowered | None) -> RunFacts:
        """What a result reports besides the answer; of no encoding where the answer comes without one."""
        from nnmip.milp.statistics import statistics
        from nnmip.solution.answer import RunFacts
        from nnmip.versions import versions

        sizes = statistics(lowered.milp) if lowered is not None else {}
        return RunFacts(sizes, dict(self.times), seed, versions())


def _refuse_file(program: Program) -> None:
    """NNM0406 for a model with a rule over a region, of which no file of rows can say all."""
    if program.regions:
        from nnmip.regions.prepare import no_rows

        raise no_rows(program.regions[0])


def load(path: str | Path, parameters: Parameters | None = None, *, allow_size: int | str | None = None) -> Model:
    """The model in a file.

    `allow_size` is how large a part of the model may be, in bytes or as `4GB`; above it nothing is built (NNM0310).
    Raises OSError where the file cannot be read, DiagnosticError NNM0103 where it is not text, NNM0310 where it is too
    large, ValueError for an `allow_size` that is no size.
    """
    allowance = Allowance.of(allow_size)
    return Model(read_source(path, allowance), Path(path).parent, parameters, allowance=allowance)


def loads(
    text: str,
    parameters: Parameters | None = None,
    directory: str | Path = ".",
    *,
    allow_size: int | str | None = None,
) -> Model:
    """The model in a text; data paths start from `directory`. `allow_size` is as for `load`.

    Raises TypeError for a text that is no `str`.
    """
    check_text(text)
    return Model(SourceFile("<text>", text), Path(directory), parameters, allowance=Allowance.of(allow_size))
