"""Seconds from the HIR of a training model to a loaded python-mip CBC model, against the fastest loader.

Run `python tests/benchmarks/hir_to_cbc.py [--rows N] [--repetitions R]`. The model is that of `hir_to_mps.py`: about
10^6 nonzeros in short rows. nnmip encodes and loads; the plain route is given the finished arrays and only loads them.
The two take turns in processes of their own. Prints the ratio of the medians; target 1.5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nnmip.milp.model import Milp
from tests.benchmarks.hir_to_mps import training_model

TARGET = 1.5


def plainly(milp: Milp) -> object:
    """CBC's calls by cffi with pointers into the buffers; every row here has one side or is an equation."""
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


def run_child(route: str, rows: int) -> None:
    """Load once with the libraries already imported, and print the seconds."""
    import mip.cbc

    import nnmip.lowering.lower  # noqa: F401
    from nnmip.backends.cbc import load

    with tempfile.TemporaryDirectory() as folder:
        model = training_model(rows, Path(folder))
        _ = model.program
    arrays = model.lowered.milp if route == "plain" else None
    began = time.perf_counter()
    made = plainly(arrays) if arrays is not None else load(model.lowered.milp)
    seconds = time.perf_counter() - began
    assert isinstance(made, mip.Model)
    assert made.num_nz == model.lowered.milp.num_nonzeros
    print(json.dumps({"seconds": seconds, "nonzeros": made.num_nz, "encoding": model.times["lower"]}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark from the HIR to a loaded CBC model.")
    parser.add_argument("--rows", type=int, default=3300)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--route", choices=("plain", "nnmip"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.route:
        run_child(options.route, options.rows)
        return
    runs: dict[str, list[dict[str, float]]] = {"plain": [], "nnmip": []}
    for _ in range(options.repetitions):
        for route, results in runs.items():
            command = [sys.executable, __file__, "--route", route, "--rows", str(options.rows)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(answer.stdout.splitlines()[-1]))
    medians = {route: statistics.median(run["seconds"] for run in results) for route, results in runs.items()}
    print(f"nonzeros       {runs['plain'][0]['nonzeros']}")
    print(f"plain loader   {medians['plain']:.2f} s (median of {options.repetitions})")
    print(f"HIR to CBC     {medians['nnmip']:.2f} s")
    print(f"of it encoding {statistics.median(run['encoding'] for run in runs['nnmip']):.2f} s")
    print(f"ratio          {medians['nnmip'] / medians['plain']:.2f}, target {TARGET}")


if __name__ == "__main__":
    main()
