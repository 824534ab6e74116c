"""The phases from the text to the rows, in their order. The one module that knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nnmip.diagnostics import Diagnostics
from nnmip.ops.base import Option
from nnmip.ops.smooth import LEAST, MOST
from nnmip.passes.base import Analysed, Level, Pass, check_order
from nnmip.passes.registry import HIR_PASSES
from nnmip.records import dataclass
from nnmip.sema.known import NetworkReader, NetworkReaders
from nnmip.sema.model import build_program
from nnmip.sema.variables import Interval
from nnmip.sizes import Allowance
from nnmip.source import Origin, SourceFile
from nnmip.syntax.parser import ParseResult, parse

if TYPE_CHECKING:
    from nnmip.hir.core import Program
    from nnmip.hir.known import KnownNetwork
    from nnmip.lowering.lower import Lowered


class Job(Protocol):
    """What a pass may ask of the model that is worked on."""

    directory: Path
    parameters: dict[str, str]
    bound: dict[str, Any]
    found: Diagnostics
    allowance: Allowance


def _saved(path: Path, options: Mapping[str, Any], name: str, origin: Origin, allowance: Allowance) -> KnownNetwork:
    from nnmip.solution.known import read_known

    return read_known(path, options.get("network"), name, origin, allowance)


def _onnx(path: Path, options: Mapping[str, Any], name: str, origin: Origin, allowance: Allowance) -> KnownNetwork:
    from nnmip.onnx.read import read_onnx

    output, smooth, ending = (options.get(option) for option in ("output", "smooth", "ending"))
    return read_onnx(path, output, name, origin, allowance, smooth, "scores" if ending is None else ending)


def _npz(path: Path, options: Mapping[str, Any], name: str, origin: Origin, allowance: Allowance) -> KnownNetwork:
    from nnmip.solution.plain import read_plain

    return read_plain(path, options.get("activation", "relu"), name, origin, allowance)


def find_ranges(program: Program, whole: frozenset[str]) -> Mapping[str, Interval]:
    """What constraints leave of the variables of a program; needed where one has no domain."""
    from nnmip.passes.ranges import ranges

    return ranges(program, whole)


SMOOTH = Option("smooth", "number", least=LEAST, most=MOST)


READERS: NetworkReaders = MappingProxyType(
    {
        "onnx": NetworkReader(
            'onnx("f.onnx", output: "name", smooth: 0.001, ending: "scores")',
            "the name of a file",
            ("output", "ending"),
            _onnx,
            (SMOOTH,),
        ),
        "npz": NetworkReader('npz("f.npz", activation: "relu")', "the name of a file", ("activation",), _npz),
        "saved": NetworkReader('saved("folder", "network")', "the name of a folder", ("network",), _saved),
    }
)
"""What reads a network from a file; each is imported late, since most models have none."""


@dataclass(frozen=True)
class Parse(Pass):
    """The syntax tree of the file and what is wrong with its text."""

    name: ClassVar[str] = "parse"
    does: ClassVar[str] = "reads the text into a syntax tree that keeps comments"
    takes: ClassVar[Level] = Level.TEXT
    gives: ClassVar[Level] = Level.TREE

    def run(self, ir: SourceFile, job: Job) -> ParseResult:
        return parse(ir, job.allowance)


@dataclass(frozen=True)
class Check(Pass):
    """The HIR, None where the file has errors."""

    name: ClassVar[str] = "check"
    does: ClassVar[str] = "resolves names, reads the data and checks types, shapes and products: what the model means"
    takes: ClassVar[Level] = Level.TREE
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: ParseResult, job: Job) -> Analysed | None:
        given = ir, job.directory, job.parameters, job.found, job.bound, job.allowance
        program = build_program(*given, readers=READERS, ranges=find_ranges)
        return None if program is None else Analysed(program)


@dataclass(frozen=True)
class Sizes(Pass):
    """The same HIR; DiagnosticError NNM0310 where its encoding would be larger than is allowed."""

    name: ClassVar[str] = "sizes"
    does: ClassVar[str] = "estimates the rows from the shapes, and stops where they are more than is allowed"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Job) -> Analysed:
        from nnmip.lowering.size import check_size

        check_size(ir.program, job.allowance)
        return ir


@dataclass(frozen=True)
class Lower(Pass):
    """The MILP of the first goal with its way back."""

    name: ClassVar[str] = "lower"
    does: ClassVar[str] = "writes the goal and every constraint as linear rows over bounded columns"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.MILP
    after: ClassVar[tuple[str, ...]] = ("bounds", "points", "symmetry")

    def run(self, ir: Analysed, job: Job) -> Lowered:
        from nnmip.lowering.lower import lower_analysed

        return lower_analysed(ir)


PASSES: tuple[Pass, ...] = (Parse(), Check(), Sizes(), *HIR_PASSES, Lower())
"""Every pass from the text to the rows, in the order in which they run."""

check_order(PASSES)
