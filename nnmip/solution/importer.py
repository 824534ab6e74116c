"""Brings the answer of another solver to a compiled model back to the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from nnmip.backends.protocol import RawResult, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.backends.tracker import ACCEPTED_VIOLATION
from nnmip.diagnostics import DiagnosticError
from nnmip.formats.names import OBJECTIVE_CONSTANT, model_names
from nnmip.formats.one_sided import one_sided
from nnmip.formats.sidecar import FORMAT
from nnmip.formats.solutions import SolutionFile, read_solution
from nnmip.hir.core import Program
from nnmip.lowering.lower import Lowered
from nnmip.milp.model import FloatArray
from nnmip.records import dataclass
from nnmip.sema.values import fail
from nnmip.sizes import LINE_TEXT, UNASKED, Allowance
from nnmip.solution.replay import refuted_stage
from nnmip.solution.result import Formulation, Proof, Result
from nnmip.source import SourceFile, Span


@dataclass(frozen=True, slots=True, eq=False)
class ImportedAnswer:
    """A solution file as a raw result (termination GAP_LIMIT: nothing is claimed), and remarks on it."""

    raw: RawResult
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamesFile:
    """What a names file says of its model: fingerprint, stage with the values of the stages before it, formulation."""

    path: Path
    fingerprint: str
    stage: tuple[int, dict[int, float]]
    formulation: str


def read_names(model: Path, solution: Path, names: str | Path | None, allowance: Allowance = UNASKED) -> NamesFile:
    """The names file as given, or as found; DiagnosticError NNM0612 where there is none that can be used."""
    path = _names_file(model, solution, names)
    try:
        allowance.check(path.stat().st_size, LINE_TEXT, f"the names file `{path.name}`", _whole(path))
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError
        extra = content["extra"]
        fixed = {number: float(value) for number, value in enumerate(extra.get("fixed", ()), 1)}
        stage = int(extra.get("stage", 1)), fixed
        return NamesFile(path, str(content["fingerprint"]), stage, str(extra.get("formulation", Formulation.DIRECT)))
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise fail("NNM0612", f"the names file `{path}` cannot be read: {reason}", _whole(solution)) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise fail("NNM0612", f"`{path.name}` is not a names file of nnmip", _whole(solution)) from None


def read_answer(
    lowered: Lowered, fingerprint: str, names: NamesFile, solution: Path, allowance: Allowance = UNASKED
) -> ImportedAnswer:
    """Read a solution file, check that it belongs to the model, and put its values in the order of the columns.

    Raises DiagnosticError NNM0310, NNM0611 and NNM0612, and OSError where the solution file cannot be opened.
    """
    found = read_solution(solution, allowance)
    if names.fingerprint != fingerprint:
        raise other_model(names, solution, "has another fingerprint")
    x = _values(lowered, found, solution)
    milp = lowered.milp
    objective = milp.objective(x)
    notes = []
    if found.objective is not None and abs(found.objective - objective) > 1e-6 * (1.0 + abs(objective)):
        notes.append(f"the file states the objective {found.objective:.9g}; its values give {objective:.9g}")
    violation = milp.violation(x)
    if violation > ACCEPTED_VIOLATION:
        notes.append(f"the values break the compiled model by {violation:.3g}; only the network they describe counts")
    if found.status:
        notes.append(f"the file says: {found.status}")
    if found.solver == "cbc" and found.status.lower().startswith("optimal"):
        notes.append("CBC with its own defaults can report false optima; the manual has the options that prevent it")
    raw = RawResult(Termination.GAP_LIMIT, found.solver, "", x, objective)
    return ImportedAnswer(raw, tuple(notes))


def other_model(names: NamesFile, solution: Path, why: str) -> DiagnosticError:
    """NNM0612: the answer in a solution file is not one to this model, as its names file shows."""
    return fail(
        "NNM0612",
        f"`{solution.name}` belongs to another model: `{names.path.name}` {why}",
        _whole(solution),
        help="compile the model again and solve the new file, or give the parameters of the compilation (-D)",
        note="the source text, the data or a parameter has changed since",
    )


def imported(result: Result, answer: ImportedAnswer, program: Program, bound: float | None) -> Result:
    """The result of an imported answer: nothing is claimed but the network and the bound that the user gives."""
    usable, remarks = usable_bound(result, bound)
    stages = [replace(stage, termination=None) for stage in result.stages]
    if stages:
        stages[len(program.held)] = replace(stages[len(program.held)], dual_bound=usable)
    return replace(
        result,
        termination=None,
        proof=Proof.NONE,
        dual_bound=usable,
        stages=tuple(stages),
        notes=(*result.notes, *answer.notes, *remarks, *_stage_remarks(program, result)),
    )


def _stage_remarks(program: Program, result: Result) -> tuple[str, ...]:
    """What the network of an imported answer shows about the values that the stages before it were held at."""
    number = refuted_stage(program, result.replay) if result.replay is not None else None
    if number is None:
        return ()
    value, held = result.stages[number - 1].objective, program.held[number - 1].value
    return (f"stage {number} is {value:.9g} here, better than the {held:.9g} that was given as its best value",)


def usable_bound(result: Result, bound: float | None) -> tuple[float | None, tuple[str, ...]]:
    """The bound that the user gives for an imported answer (None if it cannot be one), and a remark if so."""
    if bound is None or not result.has_answer:
        return None, ()
    if result.objective is None:
        return None, ("the bound is not used: the model has no goal",)
    sign = -1.0 if result.sense == "maximize" else 1.0
    if sign * (bound - result.objective) > proof_tolerance(result.objective):
        return None, (f"the bound {bound:.9g} is false: the goal of this network is {result.objective:.9g}",)
    return bound, ()


def _names_file(model: Path, solution: Path, given: str | Path | None) -> Path:
    """The names file: as given, or next to the solution or the model under either's name."""
    if given is not None:
        return Path(given)
    stems = [solution.name.split(".")[0], model.name.split(".")[0]]
    candidates = [folder / f"{stem}.names.json" for folder in (solution.parent, model.parent) for stem in stems]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise fail(
        "NNM0612",
        f"the names file that `nnmip compile` wrote with the model of `{solution.name}` is not there",
        _whole(solution),
        help="name it:  --names model.names.json",
        note=f"looked for {', '.join(dict.fromkeys(c.name for c in candidates))}",
    )


def _values(lowered: Lowered, found: SolutionFile, solution: Path) -> FloatArray:
    milp = lowered.milp
    names = model_names(one_sided(milp)).columns
    if not found.values:
        said = f" (it says: {found.status})" if found.status else ""
        given = " and ".join(f"stage{number}={held.value:.12g}" for number, held in enumerate(lowered.program.held, 1))
        help = f"no network may have the values that were given: --fix {given}" if given else ""
        raise fail("NNM0611", f"`{solution.name}` holds no values{said}", _whole(solution), help=help)
    position = {name: i for i, name in enumerate(names)}
    position[OBJECTIVE_CONSTANT] = -1
    strange = [name for name in found.values if name not in position]
    if strange:
        raise fail(
            "NNM0612", f"`{solution.name}` has a column `{strange[0]}` that the model does not have", _whole(solution)
        )
    if not found.omits_zeros and len(found.values.keys() - {OBJECTIVE_CONSTANT}) < milp.num_columns:
        missing = next(name for name in names if name not in found.values)
        raise fail("NNM0611", f"`{solution.name}` has no value for column `{missing}`", _whole(solution))
    x = np.zeros(milp.num_columns)
    for name, value in found.values.items():
        if name != OBJECTIVE_CONSTANT:
            x[position[name]] = value
    if not np.isfinite(x).all():
        raise fail("NNM0611", f"`{solution.name}` has a value that is not finite", _whole(solution))
    return x


def _whole(path: Path) -> Span:
    return Span(SourceFile(str(path), ""), 0, 0)
