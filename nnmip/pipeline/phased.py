"""A model after each of its phases: source, syntax tree, HIR, MILP."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.hir.core import Program
from nnmip.hir.walk import among, strengthened
from nnmip.phases import PASSES, READERS, Check, Parse, find_ranges
from nnmip.pipeline.parameters import Parameters, read_parameters
from nnmip.sema.model import build_program
from nnmip.sema.outside import HeadersOnly
from nnmip.sizes import UNASKED, Allowance
from nnmip.source import SourceFile
from nnmip.syntax.parser import ParseResult

if TYPE_CHECKING:
    from nnmip.lowering.lower import Lowered

T = TypeVar("T")

OUTSIDE = "NNM0506"
"""A network that is asked outside of its input domain; where the domain ends depends on the scaling of the rows."""


class Phased:
    """A `.nnm` text and what its phases make of it; each runs once, when first asked for."""

    def __init__(
        self,
        source: SourceFile,
        directory: Path,
        parameters: Parameters | None = None,
        bound: Mapping[str, Any] | None = None,
        allowance: Allowance = UNASKED,
    ) -> None:
        self.source = source
        self.directory = directory
        self.parameters = read_parameters(parameters)
        self.bound = dict(bound or {})
        self.allowance = allowance
        self.times: dict[str, float] = {}
        self.found = Diagnostics()
        self.remarks: tuple[str, ...] = ()
        self._made: dict[str, Any] = {}

    @property
    def has_text(self) -> bool:
        """Whether the model was read from text, and not built in Python."""
        return Parse.name in self._made or Check.name not in self._made

    def after(self, name: str) -> Any:
        """What the model is after the pass called `name`; every pass runs once, when first needed.

        `parse` gives a `ParseResult`, `check` and the passes over the HIR an `Analysed`, `lower` a `Lowered`. Raises
        ValueError for a name that no pass has, DiagnosticError with every error of the model found on the way.
        """
        if name not in {step.name for step in PASSES}:
            known = ", ".join(step.name for step in PASSES)
            raise ValueError(f"no pass is called `{name}`; the passes are {known}")
        ir: Any = self.source
        steps = PASSES if self.has_text else PASSES[1:]
        if name not in {step.name for step in steps}:
            raise ValueError("a program that was built in Python has no syntax tree")
        for step in steps:
            if step.name not in self._made:
                self._made[step.name] = self._timed(step.name, partial(step.run, ir, self))
            ir = self._made[step.name]
            if ir is None:
                self.found.raise_errors()
            if step.name == name:
                break
        return ir

    @property
    def parsed(self) -> ParseResult:
        """The syntax tree and what is wrong with the text."""
        parsed: ParseResult = self.after("parse")
        return parsed

    @property
    def program(self) -> Program:
        """The HIR; DiagnosticError with every error of the file where it has some."""
        program: Program = self.after("check").program
        return program

    @property
    def among(self) -> str:
        """The networks that an answer speaks of, for people, where constraints ask for conditions that are only
        sufficient; empty where none does."""
        return among(strengthened(self.program))

    @cached_property
    def lowered(self) -> Lowered:
        """The MILP of the first goal with its way back; DiagnosticError where any goal has no exact encoding."""
        lowered: Lowered = self.after("lower")
        for warning in lowered.warnings:
            self.found.add(warning)
        self._check_last_stage()
        self._check_regions()
        return lowered

    def lowered_at(self, program: Program) -> Lowered:
        """The MILP of a program made from this model, such as a later stage of it; its warnings are kept."""
        from nnmip.lowering.lower import lower_program

        if program is self.program:
            return self.lowered
        lowered = lower_program(program, allowance=self.allowance)
        for warning in lowered.warnings:
            self.found.add(warning)
        return lowered

    def encoded(self, formulation: str, program: Program | None = None) -> Lowered:
        """The MILP of the first goal, or of a program made from this model, in some formulation; its warnings are kept.

        Raises DiagnosticError NNM0406 where it does not fit.
        """
        program = self.program if program is None else program
        if formulation == "direct":
            return self._cut(self.lowered_at(program))
        from nnmip.solution.formulations import encoded

        if program is not self.program:
            return encoded(program, formulation, self.allowance)
        key = f"lower {formulation}"
        if key not in self._made:
            lowered = self._timed("lower", lambda: encoded(program, formulation, self.allowance))
            for warning in lowered.warnings:
                self.found.add(warning)
            self._made[key] = lowered
        made: Lowered = self._made[key]
        return made

    def _cut(self, lowered: Lowered) -> Lowered:
        """With the ideal cuts that networks ask for; those of the first goal are found once."""
        if not lowered.program.annotations:
            return lowered
        from nnmip.solution.ideal import cut_as_asked

        if lowered is not self.lowered:
            return cut_as_asked(lowered)
        if "cut" not in self._made:
            self._made["cut"] = self._timed("cut", lambda: cut_as_asked(lowered))
        made: Lowered = self._made["cut"]
        return made

    def _to_check(self, program: Program | None) -> Iterator[Callable[[], Program]]:
        """What makes the programs whose encodings have all that can be wrong with a model."""
        if program is None:
            return
        for each in (program, *self._last_stage(program)):
            yield partial(replace, each)
        if program.regions:
            from nnmip.regions.prepare import sampled

            yield partial(sampled, program)

    def _check_last_stage(self) -> None:
        """Encode the last stage too, at values that hold nothing, so that no error waits until a stage is proved."""
        for last in self._last_stage(self.program):
            self.lowered_at(last)

    def _check_regions(self) -> None:
        """Encode the rules over regions at a point each, so that no error waits until a round needs them."""
        if self.program.regions:
            from nnmip.regions.prepare import sampled

            self.lowered_at(sampled(self.program))

    def _check_properties(self, program: Program | None, found: Diagnostics) -> None:
        """What `verify` would refuse."""
        if program is not None and program.properties:
            from nnmip.verification.readable import unreadable

            for diagnostic in unreadable(program):
                found.add(diagnostic)

    def _last_stage(self, program: Program) -> list[Program]:
        """The program at its last stage, the stages before it held at anything; none without several stages."""
        from nnmip.hir.goals import Held

        if len(program.stages) < 2:
            return []
        return [replace(program, held=tuple(Held(0.0, math.inf, math.inf) for _ in program.stages[1:]))]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What has been found so far, errors and warnings."""
        return tuple(self.found.items)

    def check(self, *, data: bool = True) -> tuple[Diagnostic, ...]:
        """Parse, resolve, bind data and encode; every error and warning, in the order of the text.

        Without `data` no more is read of data files than their headers, where these are enough for the shapes, and
        nothing is said of what depends on the rows; `remarks` then says which files these are.
        """
        if not data and self.has_text:
            return self._check_headers()
        try:
            _ = self.lowered
            self._check_properties(self.program, self.found)
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                self.found.add(diagnostic)
        return _in_order(self.found.items)

    def _check_headers(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the model as far as the headers of its files tell."""
        from nnmip.lowering.lower import VALUE_CODES, lower_program

        found, headers = Diagnostics(), HeadersOnly()
        given = self.parsed, self.directory, self.parameters, found, self.bound, self.allowance
        program = build_program(*given, headers, READERS, find_ranges)
        for make in self._to_check(program):
            try:
                warnings = lower_program(make(), allowance=self.allowance).warnings
            except DiagnosticError as error:
                warnings = error.diagnostics
            for diagnostic in warnings:
                if not headers.unread or diagnostic.code not in VALUE_CODES | {OUTSIDE}:
                    found.add(diagnostic)
        self._check_properties(program, found)
        files = ", ".join(f"`{name}`" for name in dict.fromkeys(headers.unread))
        unread = [f"only the header of {files} was read: `--data` checks the rows, too"] if files else []
        self.remarks = (*(f"the rows were read of {needed}" for needed in dict.fromkeys(headers.needed)), *unread)
        return _in_order(found.items)

    def _timed(self, phase: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return work()
        finally:
            self.times[phase] = time.perf_counter() - began


def _in_order(found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda d: (d.span.file.path, d.span.start)))
