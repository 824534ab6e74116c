"""Seconds to a loaded python-mip CBC model, against the fastest route written out plainly.

Run `python tests/benchmarks/load_cbc.py [--model random|training] [--nonzeros N] [--repetitions R]`. `random` starts
from arrays with 20 entries a row; `training` starts from the HIR of a network, so that encoding is part of the time of
nnmip and not of the plain route. Prints the median of the ratios; target 1.5.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nnmip.milp.model import Milp
from tests.benchmarks.alternate import alternate, median, ratio, timed
from tests.benchmarks.models import random_milp, training_model

ROUTES = ("plain", "nnmip")


def load_plainly(milp: Milp) -> object:
    """CBC's calls by cffi with pointers into the buffers, for rows with one side or equations, and without a check."""
    import mip
    from mip.cbc import cbclib, ffi

    made = mip.Model(solver_name="CBC")
    handle = made.solver._model
    columns = zip(milp.col_lb.tolist(), milp.col_ub.tolist(), milp.cost.tolist(), milp.integer.tolist(), strict=True)
    for j, (low, high, cost, integer) in enumerate(columns):
        cbclib.Cbc_addCol(handle, b"x%d" % j, low, high, cost, b"\1" if integer else b"\0", 0, ffi.NULL, ffi.NULL)
    indices = ffi.from_buffer("int[]", milp.indices.astype(np.intc))
    values = ffi.from_buffer("double[]", milp.data)
    kinds = np.where(milp.row_lb == milp.row_ub, b"E", np.where(np.isfinite(milp.row_lb), b"G", b"L")).tolist()
    sides = np.where(np.isfinite(milp.row_lb), milp.row_lb, milp.row_ub).tolist()
    starts = milp.indptr.tolist()
    for r, (kind, side) in enumerate(zip(kinds, sides, strict=True)):
        first = starts[r]
        cbclib.Cbc_addRow(handle, b"r%d" % r, starts[r + 1] - first, indices + first, values + first, kind, side)
    made.vars.update_vars(milp.num_columns)
    made.constrs.update_constrs(milp.num_rows)
    return made


def run_route(route: str, kind: str, nonzeros: int) -> None:
    """Load once with the libraries already imported."""
    import mip.cbc

    import nnmip.lowering.lower  # noqa: F401
    from nnmip.backends.cbc import load

    def load_it(milp: Milp) -> None:
        made = load_plainly(milp) if route == "plain" else load(milp)
        assert isinstance(made, mip.Model)
        assert made.num_nz == milp.num_nonzeros

    if kind == "random":
        milp = random_milp(nonzeros)
        timed(lambda: load_it(milp), {})
        return
    with tempfile.TemporaryDirectory() as folder:
        model = training_model(nonzeros, Path(folder))
        _ = model.lowered if route == "plain" else model.program
    timed(lambda: load_it(model.lowered.milp), {})


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of loading CBC.")
    parser.add_argument("--model", choices=("random", "training"), default="random")
    parser.add_argument("--nonzeros", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.route:
        run_route(options.route, options.model, options.nonzeros)
        return
    arguments = ["--model", options.model, "--nonzeros", str(options.nonzeros)]
    runs = alternate(__file__, ROUTES, arguments, options.repetitions)
    print(f"plain loader  {median(runs, 0):.2f} s (median of {len(runs)})")
    print(f"nnmip         {median(runs, 1):.2f} s")
    print(f"ratio         {ratio(runs):.2f} (median of the pairs; target 1.5)")


if __name__ == "__main__":
    main()
