"""How to solve a model: the solver, the formulation, limits, and what to start from."""

from __future__ import annotations

import math
import numbers
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.backends.registry import backend, names
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance
from nnmip.solution.result import ASKED_FOR, OWN, Formulation

if TYPE_CHECKING:
    from nnmip.incumbents.given import Start

_TYPES: tuple[tuple[str, Any, str], ...] = (
    ("time_limit", (numbers.Real, NoneType), "a number of seconds or None"),
    ("gap", numbers.Real, "a number"),
    ("threads", numbers.Integral, "a whole number"),
    ("seed", numbers.Integral, "a whole number"),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to solve. `solver`: auto, highs, cbc or gurobi. formulation: auto, direct, columns or search. Several of
    them, with commas, are taken side by side.

    time_limit: seconds. gap: relative gap at which to stop.
    confirm: prove again with a second solver. save: folder for the run. resume: folder of an earlier run to start from.
    start: an NPZ file, or arrays by name, to start from.
    allowance: how large that may be.
    Raises TypeError for a number that is none, ValueError for an unknown solver or formulation, and for a limit, gap,
    number of threads or seed that makes no sense.
    """

    solver: str = "auto"
    formulation: str = "auto"
    time_limit: float | None = None
    gap: float = 0.0
    threads: int = 1
    seed: int = 0
    confirm: bool = False
    save: Path | None = None
    resume: Path | None = None
    allowance: Allowance = UNASKED
    start: Start | None = None

    def __post_init__(self) -> None:
        for name, kinds, wanted in _TYPES:
            value = getattr(self, name)
            if isinstance(value, bool | np.bool_) or not isinstance(value, kinds):
                raise TypeError(f"{name} must be {wanted}, not {value!r}")
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        if self.time_limit is not None and not 0 <= self.time_limit < math.inf:
            raise ValueError(f"time_limit must be a number of seconds or None, not {self.time_limit!r}")
        if not 0 <= self.gap < math.inf:
            raise ValueError(f"gap must be a finite number from 0 on, not {self.gap!r}")
        ways_of(self.solver, self.formulation)
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed!r}")

    @property
    def ways(self) -> tuple[RunOptions, ...]:
        """One for each way that is taken side by side."""
        return tuple(replace(self, solver=s, formulation=f) for s, f in ways_of(self.solver, self.formulation))

    def named(self, formulation: Formulation) -> tuple[str, str]:
        """The solver and the formulation of one way; a search has no solver."""
        if formulation in OWN:
            return "", formulation.value
        return backend(self.solver).name, formulation.value


def ways_of(solver: str, formulation: str) -> tuple[tuple[str, str], ...]:
    """The pairs of a solver and a formulation that two lists with commas stand for: the first with the first, and so
    on; where one has one name only, it goes with all of the other.

    Raises ValueError for a name that is unknown, lists that do not go together, and a pair that is there twice.
    """
    lists = []
    for what, text, known in (("solver", solver, names()), ("formulation", formulation, ASKED_FOR)):
        found = [part.strip() for part in text.split(",")] if isinstance(text, str) else [text]
        for name in found:
            if name not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {name!r}")
        lists.append(found)
    most = max(map(len, lists))
    if any(len(found) not in (1, most) for found in lists):
        raise ValueError(f"{len(lists[0])} solvers and {len(lists[1])} formulations do not go together")
    solvers, formulations = (found * (most // len(found)) for found in lists)
    ways = tuple(zip(solvers, formulations, strict=True))
    if len(set(ways)) < len(ways):
        raise ValueError(f"two ways are the same: {' with '.join(next(w for w in ways if ways.count(w) > 1))}")
    return ways
