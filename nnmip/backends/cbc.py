"""CBC through python-mip, only in the configuration whose proofs hold.

With its defaults this CBC proves false optima: its preprocessing and probing cut off solutions, and its `increment`
ignores improvements under 1e-4. The settings in `SAFE_PARAMETERS` are therefore not options. CBC hands out nothing
while it runs; its printed log is read by `cbc_log`, and now and then it is stopped and started again from its best
solution, so that an interrupt finds one saved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nnmip.backends.channel import Channel
from nnmip.backends.mip_model import GAP_ABSOLUTE, TOLERANCE, load_expressions, one_sided
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import FloatArray, Milp

if TYPE_CHECKING:
    import mip

SAFE_PARAMETERS = {"probing": "off", "increment": "1e-9", "primalTolerance": "1e-9", "dualTolerance": "1e-9"}
"""CBC parameters by name. A misspelt name ends the solve without an answer, so no other names are ever passed.

The two tolerances have functions too, which python-mip calls, but branch and bound does not honour those: solutions
then break rows by up to 1e-6.
"""

_SLICE_GROWTH = 4.0
_UNBOUNDED_VALUE = 1e19
_WALL_CLOCK = 16


def solve(milp: Milp, options: SolveOptions, channel: Channel) -> RawResult:
    """Solve a normalised model with CBC. Runs inside the solver process."""
    whole = _with_constant_column(milp)
    model = load(whole)
    configure(model, options)
    extra = np.ones(whole.num_columns - milp.num_columns)
    start = None if options.start is None else np.concatenate((options.start, extra))
    if whole.integer.any():
        result = _solve_mixed(model, milp.num_columns, start, options.save_every, channel)
    else:
        result = _solve_linear(model, channel)
    return result if result.x is None else replace(result, x=result.x[: milp.num_columns].copy())


def load(milp: Milp) -> mip.Model:
    """A python-mip CBC model of `milp` without its offset. Columns are called x0, x1, ..., as starts go by name.

    Rows are passed as pointers into the arrays; python-mip's own lists are brought up to date afterwards. If the
    sizes disagree then, the model is built through public classes instead.
    """
    import mip

    model = _new_model()
    if hasattr(mip, "cbc") and hasattr(model.solver, "_model"):
        _pass_arrays(model, milp)
        if (model.num_cols, model.num_nz) == (milp.num_columns, _stored_entries(milp)):
            return model
    model = _new_model()
    load_expressions(model, replace(milp, offset=0.0))
    return model


def configure(model: mip.Model, options: SolveOptions) -> None:
    """Set everything that makes CBC's proofs hold, and the options."""
    from mip.cbc import cbclib

    model.verbose = 1
    model.preprocess = 0
    for name, value in SAFE_PARAMETERS.items():
        set_parameter(model, name, value)
    model.infeas_tol = model.integer_tol = model.opt_tol = TOLERANCE
    model.max_mip_gap = options.gap
    model.max_mip_gap_abs = GAP_ABSOLUTE
    model.threads = options.threads
    model.seed = options.seed
    # For a linear model python-mip passes no tolerances on, and the named parameters are not read.
    handle = model.solver._model
    cbclib.Cbc_setPrimalTolerance(handle, TOLERANCE)
    cbclib.Cbc_setDualTolerance(handle, TOLERANCE)
    cbclib.Cbc_setIntParam(handle, _WALL_CLOCK, 1)


def set_parameter(model: mip.Model, name: str, value: str) -> None:
    """Set a CBC parameter by name, one of those known to be spelt right."""
    from mip.cbc import cbc_set_parameter

    assert name in SAFE_PARAMETERS, f"CBC parameter {name} is not on the list"
    cbc_set_parameter(model.solver, name, value)


def _new_model() -> mip.Model:
    import mip

    return mip.Model(solver_name="CBC")


def _with_constant_column(milp: Milp) -> Milp:
    """The objective constant as a column fixed at 1, so that CBC's relative gap and its log include it."""
    if milp.offset == 0:
        return milp
    return replace(
        milp,
        col_lb=np.append(milp.col_lb, 1.0),
        col_ub=np.append(milp.col_ub, 1.0),
        integer=np.append(milp.integer, False),
        cost=np.append(milp.cost, milp.offset),
        offset=0.0,
    )


def _stored_entries(milp: Milp) -> int:
    """Nonzeros after ranges have become two rows each."""
    ranges = np.isfinite(milp.row_lb) & np.isfinite(milp.row_ub) & (milp.row_lb != milp.row_ub)
    return int(milp.num_nonzeros + np.diff(milp.indptr)[ranges].sum())


def _pass_arrays(model: mip.Model, milp: Milp) -> None:
    """Add columns and rows by CBC's own calls: one call for each, none for a coefficient."""
    from mip.cbc import cbclib, ffi

    handle, null = model.solver._model, ffi.NULL
    kinds = [b"\1" if integer else b"\0" for integer in milp.integer.tolist()]
    columns = zip(milp.col_lb.tolist(), milp.col_ub.tolist(), milp.cost.tolist(), kinds, strict=True)
    add_column = cbclib.Cbc_addCol
    for j, (low, high, cost, kind) in enumerate(columns):
        add_column(handle, b"x%d" % j, low, high, cost, kind, 0, null, null)
    rows = one_sided(milp)
    indices = ffi.from_buffer("int[]", rows.indices.astype(np.intc))
    values = ffi.from_buffer("double[]", rows.data)
    senses = [rows.senses[r : r + 1] for r in range(len(rows.senses))]
    entries = zip(rows.first.tolist(), (rows.last - rows.first).tolist(), senses, rows.rhs.tolist(), strict=True)
    add_row = cbclib.Cbc_addRow
    for r, (first, count, sense, rhs) in enumerate(entries):
        add_row(handle, b"r%d" % r, count, indices + first, values + first, sense, rhs)
    model.vars.update_vars(milp.num_columns)
    model.constrs.update_constrs(len(rows.senses))


def _set_start(model: mip.Model, start: FloatArray) -> None:
    """Give CBC a value for every column; python-mip would fill the others with 0."""
    from mip.cbc import cbclib, ffi

    names = [ffi.new("char[]", b"x%d" % j) for j in range(len(start))]
    values = ffi.from_buffer("double[]", np.ascontiguousarray(start))
    cbclib.Cbc_setMIPStart(model.solver._model, len(start), ffi.new("char *[]", names), values)


def _solve_mixed(
    model: mip.Model, columns: int, start: FloatArray | None, save_every: float, channel: Channel
) -> RawResult:
    """Solve in slices that grow; each slice starts from the best solution, which has been handed out by then.

    columns: how many of CBC's columns are the user's; only their values are handed out.
    """
    bound, length = -np.inf, save_every
    while True:
        if start is not None:
            _set_start(model, start)
        left = channel.seconds_left
        is_last = left < 1.5 * length
        result = _one_slice(model, left if is_last else length)
        bound = max(bound, result.dual_bound)
        if result.termination is not Termination.TIME_LIMIT or is_last:
            return replace(result, dual_bound=bound)
        channel.progress("restart", dual_bound=bound)
        if result.x is not None:
            start = result.x
            channel.incumbent(result.x[:columns])
        length *= _SLICE_GROWTH


def _one_slice(model: mip.Model, seconds: float) -> RawResult:
    """One run of branch and bound. A solution that comes with the time limit belongs to the result."""
    import mip

    status = model.optimize(max_seconds=seconds)
    known = {
        mip.OptimizationStatus.OPTIMAL: Termination.OPTIMAL,
        mip.OptimizationStatus.INFEASIBLE: Termination.INFEASIBLE,
        mip.OptimizationStatus.INT_INFEASIBLE: Termination.INFEASIBLE,
        mip.OptimizationStatus.UNBOUNDED: Termination.UNBOUNDED,
        mip.OptimizationStatus.FEASIBLE: Termination.TIME_LIMIT,
        mip.OptimizationStatus.NO_SOLUTION_FOUND: Termination.TIME_LIMIT,
    }
    termination = known.get(status)
    if termination is None:
        return _failed(status)
    if termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
        return RawResult(termination, "cbc", version())
    has_solution = status in (mip.OptimizationStatus.OPTIMAL, mip.OptimizationStatus.FEASIBLE)
    if has_solution and abs(model.objective_value) >= _UNBOUNDED_VALUE:
        return RawResult(Termination.UNBOUNDED, "cbc", version())
    bound = model.objective_bound
    trusted = bound if bound is not None and abs(bound) < _UNBOUNDED_VALUE else -np.inf
    return RawResult(termination, "cbc", version(), x=_values(model) if has_solution else None, dual_bound=trusted)


def _solve_linear(model: mip.Model, channel: Channel) -> RawResult:
    """Solve a model without integer columns. The bound of an LP is its value, and only at the optimum."""
    import mip

    status = model.optimize(relax=True, max_seconds=channel.seconds_left)
    if status == mip.OptimizationStatus.OPTIMAL:
        value = float(model.objective_value)
        if abs(value) >= _UNBOUNDED_VALUE:
            return RawResult(Termination.UNBOUNDED, "cbc", version())
        return RawResult(Termination.OPTIMAL, "cbc", version(), x=_values(model), dual_bound=value)
    known = {
        mip.OptimizationStatus.INFEASIBLE: Termination.INFEASIBLE,
        mip.OptimizationStatus.UNBOUNDED: Termination.UNBOUNDED,
        mip.OptimizationStatus.TRUNCATED: Termination.TIME_LIMIT,
    }
    return RawResult(known[status], "cbc", version()) if status in known else _failed(status)


def _values(model: mip.Model) -> FloatArray:
    """The column values, without a loop over them."""
    from mip.cbc import cbclib, ffi

    values = cbclib.Cbc_getColSolution(model.solver._model)
    return np.frombuffer(ffi.buffer(values, 8 * model.num_cols), dtype=np.float64).copy()


def _failed(status: mip.OptimizationStatus) -> RawResult:
    message = f"CBC ended with status {status.name.lower()} and no answer"
    return RawResult(Termination.SOLVER_ERROR, "cbc", version(), message=message)


def version() -> str:
    """The version of the package that carries CBC; the library itself does not tell."""
    from nnmip.backends.registry import installed_version

    return installed_version("cbc")
