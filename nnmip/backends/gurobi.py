"""Gurobi: by gurobipy, which works with every licence, or by python-mip, which needs a full one.

The pip licence covers 2000 variables and 2000 rows; a larger model ends in LICENCE_ERROR with the ways out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.backends.channel import Channel
from nnmip.backends.mip_model import GAP_ABSOLUTE, TOLERANCE, load_expressions, one_sided
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import FloatArray, Milp

if TYPE_CHECKING:
    import mip

SIZE_LIMIT = 2000
_REPORT_EVERY = 0.2
_OUT_OF_MEMORY, _NO_LICENCE, _TOO_LARGE = 10001, 10009, 10010


def solve(milp: Milp, options: SolveOptions, channel: Channel) -> RawResult:
    """Solve a normalised model with Gurobi. Runs inside the solver process."""
    try:
        import gurobipy
    except ImportError:
        message = "Gurobi is not installed; install it with  pip install 'nnmip[gurobi]'"
        return RawResult(Termination.BACKEND_MISSING, "gurobi", "", message=message)
    model = open_through_mip() if has_licence_file() else None
    if model is not None:
        return solve_through_mip(model, milp, options, channel, _version(gurobipy))
    try:
        return _solve_with_gurobipy(gurobipy, milp, options, channel)
    except gurobipy.GurobiError as error:
        return explain_error(error.errno, str(error), milp, _version(gurobipy))


def explain_error(code: int, text: str, milp: Milp, version: str) -> RawResult:
    """The result for an error of gurobipy, with a message that says what to do."""
    if code == _TOO_LARGE:
        termination, message = Termination.LICENCE_ERROR, too_large_message(milp)
    elif code == _NO_LICENCE:
        termination = Termination.LICENCE_ERROR
        message = f"Gurobi has no valid licence here ({text.strip()}); set GRB_LICENSE_FILE, or use solver highs or cbc"
    elif code == _OUT_OF_MEMORY:
        termination, message = Termination.MEMORY_LIMIT, "Gurobi ran out of memory"
    else:
        termination, message = Termination.SOLVER_ERROR, f"Gurobi failed with error {code}: {text.strip()}"
    return RawResult(termination, "gurobi", version, message=" ".join(message.split()))


def too_large_message(milp: Milp) -> str:
    """What to say about a model beyond the size-limited licence."""
    rows = len(one_sided(milp).senses)
    return (
        f"the model has {milp.num_columns} variables and {rows} rows, but the licence that comes with pip allows "
        f"{SIZE_LIMIT} of each; use solver highs or cbc, or install a full Gurobi licence"
    )


def _solve_with_gurobipy(gurobipy: Any, milp: Milp, options: SolveOptions, channel: Channel) -> RawResult:
    with gurobipy.Env(empty=True) as environment:
        environment.setParam("OutputFlag", 0)
        environment.start()
        with gurobipy.Model(env=environment) as model:
            variables = _load(gurobipy, model, milp)
            configure(model, options, channel.seconds_left)
            if options.start is not None:
                for variable, value in zip(variables, options.start.tolist(), strict=True):
                    variable.Start = value
            model.optimize(_Listener(gurobipy.GRB, variables, channel))
            return _answer(gurobipy.GRB, model, milp, _version(gurobipy))


def _load(gurobipy: Any, model: Any, milp: Milp) -> list[Any]:
    """Columns in one call, rows one by one: Gurobi takes a sparse matrix from SciPy only, which nnmip does not need."""
    kinds = np.where(milp.integer, gurobipy.GRB.INTEGER, gurobipy.GRB.CONTINUOUS)
    variables = model.addMVar(milp.num_columns, lb=milp.col_lb, ub=milp.col_ub, obj=milp.cost, vtype=kinds).tolist()
    model.ObjCon = milp.offset
    rows = one_sided(milp)
    senses = {ord("L"): "<", ord("G"): ">", ord("E"): "="}
    entries = zip(rows.first.tolist(), rows.last.tolist(), rows.senses, rows.rhs.tolist(), strict=True)
    for first, last, sense, rhs in entries:
        members = [variables[j] for j in rows.indices[first:last].tolist()]
        expression = gurobipy.LinExpr(rows.data[first:last].tolist(), members)
        model.addLConstr(expression, senses[sense], rhs)
    model.update()
    return list(variables)


def configure(model: Any, options: SolveOptions, seconds: float) -> None:
    """Set tolerances, gaps, threads, seed and the time limit on a gurobipy model."""
    for name in ("FeasibilityTol", "IntFeasTol", "OptimalityTol"):
        model.setParam(name, TOLERANCE)
    model.setParam("MIPGap", options.gap)
    model.setParam("MIPGapAbs", GAP_ABSOLUTE)
    model.setParam("Threads", options.threads)
    model.setParam("Seed", options.seed)
    model.setParam("TimeLimit", seconds)


class _Listener:
    """Gurobi's callback: solutions and bounds out, a request to stop in."""

    def __init__(self, constants: Any, variables: list[Any], channel: Channel) -> None:
        self._constants = constants
        self._variables = variables
        self._channel = channel
        self._reported = -np.inf

    def __call__(self, model: Any, where: int) -> None:
        codes = self._constants.Callback
        if self._channel.stop_requested:
            model.terminate()
        if where == codes.MIPSOL:
            self._channel.incumbent(np.array(model.cbGetSolution(self._variables)))
        elif where == codes.MIP and time.monotonic() > self._reported + _REPORT_EVERY:
            self._reported = time.monotonic()
            self._channel.progress(
                "search",
                model.cbGet(codes.MIP_OBJBST),
                model.cbGet(codes.MIP_OBJBND),
                int(model.cbGet(codes.MIP_NODCNT)),
            )


def _answer(constants: Any, model: Any, milp: Milp, version: str) -> RawResult:
    known = {
        constants.OPTIMAL: Termination.OPTIMAL,
        constants.INFEASIBLE: Termination.INFEASIBLE,
        constants.INF_OR_UNBD: Termination.UNBOUNDED,
        constants.UNBOUNDED: Termination.UNBOUNDED,
        constants.TIME_LIMIT: Termination.TIME_LIMIT,
        constants.NODE_LIMIT: Termination.NODE_LIMIT,
        constants.ITERATION_LIMIT: Termination.NODE_LIMIT,
        constants.INTERRUPTED: Termination.INTERRUPTED,
        constants.MEM_LIMIT: Termination.MEMORY_LIMIT,
    }
    termination = known.get(model.Status)
    if termination is None:
        message = f"Gurobi ended with status {model.Status} and no answer"
        return RawResult(Termination.SOLVER_ERROR, "gurobi", version, message=message)
    if termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
        return RawResult(termination, "gurobi", version)
    is_mixed = bool(milp.integer.any())
    has_point = model.SolCount > 0 and (is_mixed or termination is Termination.OPTIMAL)
    x = np.array(model.getAttr("X", model.getVars())) if has_point else None
    bound = model.ObjBound if is_mixed else (model.ObjVal if has_point else -np.inf)
    trusted = float(bound) if abs(bound) < 1e19 else -np.inf
    return RawResult(termination, "gurobi", version, x=x, dual_bound=trusted, nodes=int(model.NodeCount))


def has_licence_file() -> bool:
    """Whether a licence file lies where Gurobi looks; without one, python-mip cannot open a model."""
    if "GRB_LICENSE_FILE" in os.environ:
        return Path(os.environ["GRB_LICENSE_FILE"]).is_file()
    folders = [Path.home(), *Path("/opt").glob("gurobi*"), Path("/Library/gurobi")]
    return any((folder / "gurobi.lic").is_file() for folder in folders)


def open_through_mip(make: Callable[..., Any] | None = None) -> mip.Model | None:
    """An empty python-mip model on Gurobi, or None if python-mip cannot open one (no full licence).

    make: what builds the model, `mip.Model` unless a test gives a stand-in.
    """
    if make is None:
        import mip

        make = mip.Model
    try:
        return make(solver_name="GRB")
    except Exception as error:
        print(f"python-mip cannot open Gurobi, so gurobipy is used: {error}")
        return None


def solve_through_mip(model: mip.Model, milp: Milp, options: SolveOptions, channel: Channel, version: str) -> RawResult:
    """Solve on an empty python-mip Gurobi model. No live events.

    This route has never been run against a full Gurobi licence; it is tested with a stand-in model only.
    """
    load_expressions(model, milp)
    model.verbose = 0
    model.infeas_tol = model.integer_tol = model.opt_tol = TOLERANCE
    model.max_mip_gap = options.gap
    model.max_mip_gap_abs = GAP_ABSOLUTE
    model.threads = options.threads
    model.seed = options.seed
    if options.start is not None:
        model.start = list(zip(model.vars, options.start.tolist(), strict=True))
    status = model.optimize(max_seconds=channel.seconds_left)
    termination = _MIP_STATUSES.get(status.name)
    if termination is None:
        message = f"Gurobi ended with status {status.name.lower()} and no answer"
        return RawResult(Termination.SOLVER_ERROR, "gurobi", version, message=message)
    has_point = status.name in ("OPTIMAL", "FEASIBLE")
    x: FloatArray | None = np.array([float(v.x) for v in model.vars]) if has_point else None
    is_mixed = bool(milp.integer.any())
    bound = model.objective_bound if is_mixed else (milp.objective(x) if x is not None else None)
    trusted = float(bound) if bound is not None and abs(bound) < 1e19 else -np.inf
    if termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
        trusted = -np.inf
    return RawResult(termination, "gurobi", version, x=x, dual_bound=trusted)


_MIP_STATUSES = {
    "OPTIMAL": Termination.OPTIMAL,
    "INFEASIBLE": Termination.INFEASIBLE,
    "INT_INFEASIBLE": Termination.INFEASIBLE,
    "UNBOUNDED": Termination.UNBOUNDED,
    "FEASIBLE": Termination.TIME_LIMIT,
    "NO_SOLUTION_FOUND": Termination.TIME_LIMIT,
    "TRUNCATED": Termination.TIME_LIMIT,
}


def _version(gurobipy: Any) -> str:
    return ".".join(str(number) for number in gurobipy.gurobi.version())
