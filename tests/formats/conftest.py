"""Random models, and the solvers that read our files, for the tests of `nnmip.formats`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from nnmip.milp.model import Block, Milp
from nnmip.source import Origin, SourceFile, Span

SOURCE = SourceFile("/somewhere/net.nnm", "nnm 0.1\nnetwork clf(x: real[2] in [0, 1]) {\n  layer h = dense(x)\n}\n")
ARRAYS = ("indptr", "indices", "data", "row_lb", "row_ub", "col_lb", "col_ub", "integer", "cost")

PATHS = st.sampled_from(
    [
        *(
            "clf.h.weights",
            "clf.a",
            "a",
            "A",
            "a.0",
            "a[0]",
            "e",
            "e1",
            "E.2",
            "st",
            "free",
            "End",
            "information",
            "NaN",
        ),
        *("obj", "objconst", "größe", "2fast", "x y", "", ".", "clf.a.upper", "a_1", "rhs", "bnd"),
        *("x" * 80, "X" * 80, "deep." * 30),
    ]
)


def block(path: str, shape: tuple[int, ...], start: int) -> Block:
    """A block whose origin is `layer h` in SOURCE."""
    begin = SOURCE.text.index("layer")
    return Block(path, shape, start, Origin(Span(SOURCE, begin, begin + 5), path))


def make_milp(
    rows: list[tuple[dict[int, float], float, float]],
    columns: list[tuple[float, float, bool, float]],
    offset: float = 0.0,
    column_blocks: tuple[Block, ...] | None = None,
    row_blocks: tuple[Block, ...] | None = None,
) -> Milp:
    """A model from rows (entries, lower, upper) and columns (lower, upper, integer, cost)."""
    entries = [sorted(row[0].items()) for row in rows]
    flat = [entry for row in entries for entry in row]
    milp = Milp(
        indptr=np.cumsum([0, *(len(row) for row in entries)]).astype(np.int64),
        indices=np.array([j for j, _ in flat], dtype=np.int64),
        data=np.array([v for _, v in flat], dtype=np.float64),
        row_lb=np.array([row[1] for row in rows], dtype=np.float64),
        row_ub=np.array([row[2] for row in rows], dtype=np.float64),
        col_lb=np.array([c[0] for c in columns], dtype=np.float64),
        col_ub=np.array([c[1] for c in columns], dtype=np.float64),
        integer=np.array([c[2] for c in columns], dtype=np.bool_),
        cost=np.array([c[3] for c in columns], dtype=np.float64),
        offset=offset,
        columns=(block("x", (len(columns),), 0),) if column_blocks is None else column_blocks,
        rows=(block("r", (len(rows),), 0),) if row_blocks is None else row_blocks,
    )
    milp.verify()
    return milp


_MAGNITUDES = st.floats(1e-9, 1e15, exclude_max=True)
_COEFFICIENTS = st.builds(lambda value, sign: sign * value, _MAGNITUDES, st.sampled_from([1.0, -1.0]))
_SIDES = st.floats(-1e20, 1e20, exclude_min=True, exclude_max=True).map(lambda value: value + 0.0)
_COSTS = st.one_of(st.just(0.0), _COEFFICIENTS, st.floats(-1e300, 1e300))


@st.composite
def _intervals(draw: st.DrawFn) -> tuple[float, float]:
    low, high = sorted((draw(_SIDES), draw(_SIDES)))
    kinds = {"both": (low, high), "fixed": (low, low), "free": (-np.inf, np.inf)}
    kinds |= {"above": (low, np.inf), "below": (-np.inf, high), "unit": (0.0, 1.0), "negative": (-2.0, -1.0)}
    return kinds[draw(st.sampled_from(sorted(kinds)))]


@st.composite
def _blocks(draw: st.DrawFn, total: int) -> tuple[Block, ...]:
    blocks: list[Block] = []
    start = 0
    while start < total:
        left = total - start
        shapes = [(), (1,), *((k,) for k in range(2, left + 1)), *((2, k) for k in range(1, left // 2 + 1))]
        drawn = block(draw(PATHS), draw(st.sampled_from(shapes)), start)
        if drawn.shape and draw(st.booleans()):
            picked = draw(st.lists(st.sampled_from(range(drawn.size)), unique=True))
            drawn = replace(drawn, picked=np.array(picked, dtype=np.int64))
        blocks.append(drawn)
        start = blocks[-1].stop
    return tuple(blocks)


@st.composite
def _random_milps(draw: st.DrawFn) -> Milp:
    num_columns = draw(st.integers(0, 6))
    columns = [(*draw(_intervals()), draw(st.booleans()), draw(_COSTS)) for _ in range(num_columns)]
    num_rows = draw(st.integers(0, 5)) if num_columns else 0
    keys = st.integers(0, max(num_columns - 1, 0))
    rows = [(draw(st.dictionaries(keys, _COEFFICIENTS, min_size=1)), *draw(_intervals())) for _ in range(num_rows)]
    offset = draw(st.one_of(st.just(0.0), st.floats(-1e300, 1e300)))
    return make_milp(rows, columns, offset, draw(_blocks(num_columns)), draw(_blocks(num_rows)))


@pytest.fixture(scope="session")
def milps() -> st.SearchStrategy[Milp]:
    """Random models with every kind of row and bound, empty columns and hostile paths."""
    return _random_milps()


@pytest.fixture(scope="session")
def build() -> Callable[..., Milp]:
    return make_milp


@pytest.fixture(scope="session")
def new_block() -> Callable[[str, tuple[int, ...], int], Block]:
    return block


@pytest.fixture(scope="session")
def assert_equal() -> Callable[[Milp, Milp], None]:
    """Asserts that two models have the same arrays, bit for bit, and the same constant."""

    def check(left: Milp, right: Milp) -> None:
        for name in ARRAYS:
            assert getattr(left, name).dtype == getattr(right, name).dtype, name
            assert np.array_equal(getattr(left, name), getattr(right, name)), name
        assert left.offset == right.offset

    return check


_CBC_SCRIPT = """
import json, sys
import mip
from mip.cbc import cbc_set_parameter

answers = []
for path in sys.argv[2:]:
    model = mip.Model(solver_name="CBC")
    model.verbose = 0
    model.read(path)
    model.preprocess = 0
    cbc_set_parameter(model.solver, "probing", "off")
    cbc_set_parameter(model.solver, "increment", "1e-9")
    model.max_mip_gap, model.max_mip_gap_abs = 0, 1e-9
    model.infeas_tol = model.integer_tol = model.opt_tol = 1e-9
    status = model.optimize(max_seconds=30)
    if status == mip.OptimizationStatus.OPTIMAL:
        model.write(path + ".sol")
    answers.append({
        "status": status.name,
        "objective": model.objective_value,
        "columns": [v.name for v in model.vars],
        "rows": [c.name for c in model.constrs],
        "integer": [v.var_type != "C" for v in model.vars],
        "lower": [max(v.lb, -1e20) for v in model.vars],
        "upper": [min(v.ub, 1e20) for v in model.vars],
    })
open(sys.argv[1], "w").write(json.dumps(answers))
"""


@pytest.fixture(scope="session")
def read_with_cbc(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Path]], list[dict[str, Any]]]:
    """Reads and solves files with CBC through python-mip, safely configured, in a child process."""

    def run(paths: list[Path]) -> list[dict[str, Any]]:
        answer = tmp_path_factory.mktemp("cbc") / "answer.json"
        command = [sys.executable, "-c", _CBC_SCRIPT, str(answer), *map(str, paths)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return json.loads(answer.read_text())

    return run


@pytest.fixture(scope="session")
def read_with_highs() -> Callable[..., list[dict[str, Any]]]:
    """Reads files with HiGHS, and solves them unless told not to."""

    def run(paths: list[Path], *, solve: bool = True) -> list[dict[str, Any]]:
        return [_highs_answer(path, solve) for path in paths]

    return run


def _highs_answer(path: Path, solve: bool) -> dict[str, Any]:
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 0.0)
    status = highs.readModel(str(path))
    assert status == highspy.HighsStatus.kOk
    if solve:
        highs.run()
        highs.writeSolution(f"{path}.sol", 0)
        highs.writeSolution(f"{path}.table.sol", 1)
    lp = highs.getLp()
    return {
        "status": highs.getModelStatus().name.removeprefix("k").upper(),
        "objective": highs.getObjectiveValue(),
        "columns": list(lp.col_names_),
        "rows": list(lp.row_names_),
        "integer": [kind == highspy.HighsVarType.kInteger for kind in lp.integrality_] or [False] * lp.num_col_,
        "lower": np.clip(lp.col_lower_, -1e20, 1e20).tolist(),
        "upper": np.clip(lp.col_upper_, -1e20, 1e20).tolist(),
        "matrix": (list(lp.a_matrix_.start_), list(lp.a_matrix_.index_), list(lp.a_matrix_.value_)),
    }


@pytest.fixture(scope="session")
def read_with_gurobi() -> Callable[[list[Path]], list[dict[str, Any]]]:
    """Reads and solves files with Gurobi under the licence that comes with gurobipy."""

    def run(paths: list[Path]) -> list[dict[str, Any]]:
        import gurobipy

        with gurobipy.Env(params={"OutputFlag": 0, "MIPGap": 0.0}) as environment:
            return [_gurobi_answer(gurobipy.read(str(path), environment), path) for path in paths]

    return run


def _gurobi_answer(model: Any, path: Path) -> dict[str, Any]:
    model.optimize()
    is_optimal = model.Status == 2
    if is_optimal:
        model.write(f"{path}.gurobi.sol")
    columns, rows = model.getVars(), model.getConstrs()
    return {
        "status": "OPTIMAL" if is_optimal else str(model.Status),
        "objective": model.ObjVal if is_optimal else None,
        "columns": [v.VarName for v in columns],
        "rows": [c.ConstrName for c in rows],
        "integer": [v.VType != "C" for v in columns],
        "lower": np.clip([v.LB for v in columns], -1e20, 1e20).tolist(),
        "upper": np.clip([v.UB for v in columns], -1e20, 1e20).tolist(),
    }
