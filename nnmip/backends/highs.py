"""HiGHS through python-mip: the default backend, and the one that proofs rest on.

python-mip passes neither tolerances nor the seed on, reports 0.0 as the bound of an LP, and does not know the newer
statuses; all of these are set and read here by way of the same library handle.

HiGHS 1.15.1 proves false optima of small training models without large coefficients, rarely (about one in four
thousand random ones) but for several reasons: with presolve on, by two of its rules at least (parallel rows and
columns, probing), and at tolerances of 1e-9, where rounding errors count as infeasible. Without presolve and at 1e-8
one case is known, where cuts at the root go too far for some seeds (it is kept with the tests of the meaning); on
training models, whose bounds are tight when they get here, presolve saves no time. What the looser tolerance may cost
is an answer that is too good by the tolerance times a big-M, which the replay sees; a false bound is seen by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.backends.channel import Channel
from nnmip.backends.highs_live import install
from nnmip.backends.mip_model import GAP_ABSOLUTE, load_expressions
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import FloatArray, Milp

if TYPE_CHECKING:
    import mip

FEASIBILITY = 1e-8

_ROW_WISE = 2
_MINIMISE = 1
_FEASIBLE_POINT = 2
_ERROR = -1

# HiGHS' own numbers for the status of a model; python-mip's table ends before the last three.
_OPTIMAL = 7
_TERMINATIONS = {
    _OPTIMAL: Termination.OPTIMAL,
    8: Termination.INFEASIBLE,
    9: Termination.UNBOUNDED,  # unbounded or infeasible: the worker settles which
    10: Termination.UNBOUNDED,
    13: Termination.TIME_LIMIT,
    14: Termination.NODE_LIMIT,
    16: Termination.NODE_LIMIT,
    17: Termination.INTERRUPTED,
    18: Termination.MEMORY_LIMIT,
    19: Termination.INTERRUPTED,
}


def solve(milp: Milp, options: SolveOptions, channel: Channel) -> RawResult:
    """Solve a normalised model with HiGHS. Runs inside the solver process."""
    import mip

    _forget_threads()
    model = load(milp)
    configure(model, options)
    if options.start is not None:
        _set_start(model, options.start)
    live = install(model, milp.num_columns, channel)
    if live is None:
        print("HiGHS gives no live events here: its library has no accessor for callback data")
    try:
        model.optimize(max_seconds=channel.seconds_left)
    except (KeyError, mip.InterfacingError) as error:
        print(f"python-mip could not read the status of HiGHS ({error!r}); it is read directly")
    return _answer(model, milp)


def load(milp: Milp) -> mip.Model:
    """A python-mip HiGHS model of `milp`, offset included.

    The arrays go straight into the library; python-mip's private counters are then brought up to date. If they are
    not where they were, or the sizes disagree afterwards, the model is built through public classes instead.
    """
    model = _new_model()
    if _has_known_insides(model):
        _pass_arrays(model, milp)
        if (model.num_cols, model.num_rows, model.num_nz) == (milp.num_columns, milp.num_rows, milp.num_nonzeros):
            return model
    model = _new_model()
    load_expressions(model, milp)
    return model


def _new_model() -> mip.Model:
    """An empty model that keeps every coefficient that `validate` lets through."""
    import mip

    model = mip.Model(solver_name="HIGHS")
    model.solver._set_double_option_value("small_matrix_value", 1e-12)
    return model


def _has_known_insides(model: mip.Model) -> bool:
    """Whether python-mip still has the private attributes that the fast way writes."""
    wanted = ("_lib", "_model", "_col_committed", "_row_committed", "_num_int_vars", "_col_name_dict", "_row_name_dict")
    return all(hasattr(model.solver, name) for name in wanted) and hasattr(model.solver._lib, "Highs_passMip")


def _pass_arrays(model: mip.Model, milp: Milp) -> None:
    """Copy the arrays into HiGHS in one call."""
    from mip.highs import ffi

    solver = model.solver
    status = solver._lib.Highs_passMip(
        solver._model,
        milp.num_columns,
        milp.num_rows,
        milp.num_nonzeros,
        _ROW_WISE,
        _MINIMISE,
        milp.offset,
        *(ffi.from_buffer("double[]", a) for a in (milp.cost, milp.col_lb, milp.col_ub, milp.row_lb, milp.row_ub)),
        ffi.from_buffer("int[]", milp.indptr.astype(np.intc)),
        ffi.from_buffer("int[]", milp.indices.astype(np.intc)),
        ffi.from_buffer("double[]", milp.data),
        ffi.from_buffer("int[]", milp.integer.astype(np.intc)),
    )
    if status == _ERROR:
        return
    solver._col_committed, solver._row_committed = milp.num_columns, milp.num_rows
    solver._num_int_vars = int(milp.integer.sum())
    solver._col_name_dict = solver._row_name_dict = None
    model.vars.update_vars(milp.num_columns)
    model.constrs.update_constrs(milp.num_rows)


def configure(model: mip.Model, options: SolveOptions) -> None:
    """Set tolerances, gaps, seed, threads, no presolve, and let HiGHS print into the log."""
    model.max_mip_gap = options.gap
    model.max_mip_gap_abs = GAP_ABSOLUTE
    model.threads = options.threads
    solver = model.solver
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "mip_feasibility_tolerance"):
        solver._set_double_option_value(name, FEASIBILITY)
    solver._set_string_option_value("presolve", "off")
    solver._set_int_option_value("random_seed", options.seed)
    # Without output there is no progress callback either; what is printed goes into nnmip's log.
    solver._set_bool_option_value("output_flag", 1)
    solver._set_bool_option_value("log_to_console", 1)


def _set_start(model: mip.Model, start: FloatArray) -> None:
    from mip.highs import ffi

    values = ffi.from_buffer("double[]", np.ascontiguousarray(start))
    model.solver._lib.Highs_setSolution(model.solver._model, values, ffi.NULL, ffi.NULL, ffi.NULL)


def _forget_threads() -> None:
    """Let this solve have its own thread count: HiGHS keeps the first of a process otherwise, and fails."""
    from mip.highs import highslib

    highslib.Highs_resetGlobalScheduler(1)


def _answer(model: mip.Model, milp: Milp) -> RawResult:
    from mip.highs import highslib

    solver = model.solver
    version = highslib_version(highslib)
    status = int(highslib.Highs_getModelStatus(solver._model))
    termination = _TERMINATIONS.get(status)
    if termination is None:
        return RawResult(
            Termination.SOLVER_ERROR, "highs", version, message=f"HiGHS ended with status {status} and no answer"
        )
    has_point = solver._get_int_info_value("primal_solution_status") == _FEASIBLE_POINT
    is_mixed = bool(milp.integer.any())
    x = _values(model, milp.num_columns) if has_point and (is_mixed or status == _OPTIMAL) else None
    if is_mixed:
        bound, nodes = solver._get_double_info_value("mip_dual_bound"), _node_count(model)
    else:
        bound, nodes = (milp.objective(x) if x is not None else -np.inf), None
    if termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
        bound, x = -np.inf, None
    return RawResult(termination, "highs", version, x=x, dual_bound=bound, nodes=nodes)


def highslib_version(library: Any) -> str:
    """The version of the loaded HiGHS library."""
    numbers = (library.Highs_versionMajor(), library.Highs_versionMinor(), library.Highs_versionPatch())
    return ".".join(str(number) for number in numbers)


def _values(model: mip.Model, columns: int) -> FloatArray:
    """The column values, without a loop over them."""
    from mip.highs import ffi, highslib

    x = np.empty(columns)
    rows = model.num_rows
    highslib.Highs_getSolution(
        model.solver._model,
        ffi.from_buffer("double[]", x),
        ffi.new("double[]", columns),
        ffi.new("double[]", rows),
        ffi.new("double[]", rows),
    )
    return x


def _node_count(model: mip.Model) -> int | None:
    from mip.highs import ffi, highslib

    nodes = ffi.new("int64_t*")
    highslib.Highs_getInt64InfoValue(model.solver._model, b"mip_node_count", nodes)
    return int(nodes[0]) if nodes[0] >= 0 else None
