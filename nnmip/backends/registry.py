"""The backends by name, and which of them work on this machine."""

from __future__ import annotations

import numpy as np

from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import Block, Milp
from nnmip.records import dataclass
from nnmip.source import Origin, SourceFile, Span
from nnmip.versions import installed

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Backend:
    """A solver that nnmip can run.

    distribution: the Python package that carries the solver. stops_on_request: whether it hears a request to stop;
    one that does not is killed. hands_out_solutions: whether it lets solutions out while it runs.
    """

    name: str
    title: str
    distribution: str
    stops_on_request: bool
    hands_out_solutions: bool


BACKENDS: tuple[Backend, ...] = (
    Backend("highs", "HiGHS through python-mip", "highspy", stops_on_request=True, hands_out_solutions=True),
    Backend("cbc", "CBC through python-mip", "cbcbox", stops_on_request=False, hands_out_solutions=False),
    Backend("gurobi", "Gurobi", "gurobipy", stops_on_request=True, hands_out_solutions=True),
)


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend works here: version of its library, why it does not, and what its licence allows."""

    name: str
    version: str
    usable: bool
    reason: str = ""
    licence: str = ""


def names() -> tuple[str, ...]:
    """Every name that `backend` accepts."""
    return (AUTO, *(backend.name for backend in BACKENDS))


def backend(name: str) -> Backend:
    """The backend of that name; `auto` is HiGHS. Raises KeyError for any other name."""
    wanted = BACKENDS[0].name if name == AUTO else name
    for candidate in BACKENDS:
        if candidate.name == wanted:
            return candidate
    raise KeyError(name)


def installed_version(name: str) -> str:
    """The version of the package that carries the backend, or "" if it is not installed. Imports nothing."""
    return installed(backend(name).distribution)


def available() -> list[Availability]:
    """Try every backend on a tiny model in a solver process of its own; nothing heavy is imported here."""
    return [_try(candidate) for candidate in BACKENDS]


def _try(candidate: Backend) -> Availability:
    from nnmip.backends.process import Session

    version = installed_version(candidate.name)
    with Session() as session:
        answer = session.solve(_chain(2), candidate.name, SolveOptions(time_limit=30.0))
        if not _is_right(answer, 2):
            reason = answer.message or f"wrong answer for a tiny model: {answer.termination}"
            return Availability(candidate.name, version, usable=False, reason=reason)
        licence = ""
        if candidate.name == "gurobi":
            large = session.solve(_chain(2001), candidate.name, SolveOptions(time_limit=30.0))
            limited = large.termination is Termination.LICENCE_ERROR
            licence = "size-limited: 2000 variables, 2000 rows" if limited else "full licence"
    return Availability(candidate.name, answer.version or version, usable=True, licence=licence)


def _is_right(answer: RawResult, columns: int) -> bool:
    return answer.termination is Termination.OPTIMAL and answer.objective == columns - 1


def _chain(columns: int) -> Milp:
    """One binary of many may be 1, and earns 1: `min columns - sum x, sum x <= 1`."""
    origin = Origin(Span(SourceFile("probe", ""), 0, 0), "probe")
    return Milp(
        indptr=np.array([0, columns], dtype=np.int64),
        indices=np.arange(columns, dtype=np.int64),
        data=np.ones(columns),
        row_lb=np.array([-np.inf]),
        row_ub=np.ones(1),
        col_lb=np.zeros(columns),
        col_ub=np.ones(columns),
        integer=np.ones(columns, dtype=np.bool_),
        cost=-np.ones(columns),
        offset=float(columns),
        columns=(Block("x", (columns,), 0, origin),),
        rows=(Block("choice", (), 0, origin),),
    )
