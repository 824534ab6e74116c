"""How to solve a model: the solver, the formulation, limits, and what to start from."""

from __future__ import annotations

import math
import numbers
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from nnmip.backends.registry import names
from nnmip.incumbents.given import Start
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance
from nnmip.solution.result import Formulation

_TYPES: tuple[tuple[str, Any, str], ...] = (
    ("time_limit", (numbers.Real, NoneType), "a number of seconds or None"),
    ("gap", numbers.Real, "a number"),
    ("threads", numbers.Integral, "a whole number"),
    ("seed", numbers.Integral, "a whole number"),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to solve. `solver`: auto, highs, cbc or gurobi. formulation: auto, direct, columns or search.

    time_limit: seconds.

    gap: relative gap at which to stop.
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
        if self.formulation not in tuple(Formulation):
            known = ", ".join(Formulation)
            raise ValueError(f"formulation must be one of {known}, not {self.formulation!r}")
        if self.solver not in names():
            raise ValueError(f"solver must be one of {', '.join(names())}, not {self.solver!r}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed!r}")
