"""Seconds from arrays to a loaded python-mip CBC model: nnmip's loader against the fastest route written out plainly.

Run with  python tests/benchmarks/load_cbc.py [repetitions].  The model has 10^6 nonzeros, 20 in a row. The two routes
take turns in processes of their own; what is printed is the ratio of the medians, which should stay below 1.5.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROWS, PER_ROW, COLUMNS = 50_000, 20, 20_000
TARGET = 1.5


def arrays() -> dict[str, np.ndarray]:
    """A random model of inequalities in CSR form."""
    rng = np.random.default_rng(0)
    step = COLUMNS // PER_ROW
    indices = rng.integers(0, step, (ROWS, PER_ROW)) + step * np.arange(PER_ROW)
    return {
        "indptr": np.arange(0, ROWS * PER_ROW + 1, PER_ROW, dtype=np.int64),
        "indices": indices.ravel().astype(np.int64),
        "data": rng.uniform(0.5, 2.0, ROWS * PER_ROW),
        "row_lb": np.full(ROWS, -np.inf),
        "row_ub": rng.uniform(1.0, 5.0, ROWS),
        "col_lb": np.zeros(COLUMNS),
        "col_ub": np.ones(COLUMNS),
        "integer": rng.random(COLUMNS) < 0.5,
        "cost": rng.normal(size=COLUMNS),
    }


def by_nnmip(model: dict[str, np.ndarray]) -> object:
    """The loader of the CBC backend."""
    from nnmip.backends.cbc import load
    from nnmip.milp.model import Milp

    return load(Milp(**model, offset=0.0, columns=(), rows=()))


def plainly(model: dict[str, np.ndarray]) -> object:
    """CBC's calls by cffi, with pointers into the buffers, for `<=` rows only and without a check."""
    import mip
    from mip.cbc import cbclib, ffi

    made = mip.Model(solver_name="CBC")
    handle = made.solver._model
    columns = zip(model["col_lb"].tolist(), model["col_ub"].tolist(), model["cost"].tolist(), strict=True)
    kinds = [b"\1" if integer else b"\0" for integer in model["integer"].tolist()]
    for j, (low, high, cost) in enumerate(columns):
        cbclib.Cbc_addCol(handle, b"x%d" % j, low, high, cost, kinds[j], 0, ffi.NULL, ffi.NULL)
    indices = ffi.from_buffer("int[]", model["indices"].astype(np.intc))
    values = ffi.from_buffer("double[]", model["data"])
    starts = model["indptr"].tolist()
    for r, limit in enumerate(model["row_ub"].tolist()):
        first = starts[r]
        count = starts[r + 1] - first
        cbclib.Cbc_addRow(handle, b"r%d" % r, count, indices + first, values + first, b"L", limit)
    made.vars.update_vars(len(model["cost"]))
    made.constrs.update_constrs(len(model["row_ub"]))
    return made


ROUTES = {"nnmip": by_nnmip, "plain": plainly}


def measure(route: str) -> float:
    """Seconds for one load, with the libraries already imported."""
    import mip.cbc

    import nnmip.backends.cbc  # noqa: F401

    model = arrays()
    began = time.perf_counter()
    made = ROUTES[route](model)
    elapsed = time.perf_counter() - began
    assert isinstance(made, mip.Model)
    assert (made.num_cols, made.num_rows, made.num_nz) == (COLUMNS, ROWS, ROWS * PER_ROW)
    return elapsed


def main(repetitions: int) -> None:
    seconds: dict[str, list[float]] = {route: [] for route in ROUTES}
    for _ in range(repetitions):
        for route, results in seconds.items():
            command = [sys.executable, __file__, "--route", route]
            run = subprocess.run(
                command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], env=_environment()
            )
            results.append(float(run.stdout.split()[-1]))
    medians = {route: statistics.median(results) for route, results in seconds.items()}
    for route, results in seconds.items():
        print(f"{route:6} median {medians[route]:.3f} s   {' '.join(f'{value:.3f}' for value in sorted(results))}")
    print(f"ratio of medians {medians['nnmip'] / medians['plain']:.2f}, target {TARGET}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        print(measure(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
