"""CBC, HiGHS and Gurobi read our files as the model that was written, and find its optimum."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.formats.files import write_model
from nnmip.formats.mps_reader import read_mps
from nnmip.formats.one_sided import one_sided
from nnmip.formats.solutions import read_solution
from nnmip.milp.model import Milp

INF = np.inf
Reader = Callable[[list[Path]], list[dict[str, Any]]]
FALSE_OPTIMAL = Path(__file__).parents[1] / "data" / "cbc_false_optimal.mps.gz"


@pytest.fixture(params=["cbc", "highs", "gurobi"])
def read(request: pytest.FixtureRequest) -> Reader:
    return request.getfixturevalue(f"read_with_{request.param}")


@pytest.fixture
def cases(build: Callable[..., Milp]) -> dict[str, tuple[Milp, float]]:
    """Models with their optima, worked out by hand."""
    return {
        "offset": (build([({0: 1.0}, 2.0, INF)], [(0.0, 9.0, False, 3.0)], -7.25), -1.25),
        "large offset, no cost": (build([({0: 1.0}, 2.0, INF)], [(0.0, 9.0, False, 0.0)], 1e6 + 1 / 3), 1e6 + 1 / 3),
        "maximise 2x + y as a minimisation": (
            build([({0: 1.0, 1: 1.0}, -INF, 4.0)], [(0.0, 3.0, False, -2.0), (0.0, 3.0, False, -1.0)]),
            -7.0,
        ),
        "no lower bound": (build([({0: 1.0}, -8.0, INF)], [(-INF, 3.0, False, 1.0)]), -8.0),
        "no lower bound, negative upper": (build([({0: 1.0}, -8.0, INF)], [(-INF, -2.0, False, 1.0)]), -8.0),
        "negative upper": (build([({0: 1.0}, -INF, 5.0)], [(-6.0, -2.0, False, -1.0)]), 2.0),
        "upper of zero": (build([({0: 1.0}, -INF, 5.0)], [(-6.0, 0.0, False, 1.0)]), -6.0),
        "free": (build([({0: 2.0}, -9.0, INF)], [(-INF, INF, False, 1.0)]), -4.5),
        "fixed": (build([({0: 1.0, 1: 1.0}, 1.0, INF)], [(-2.5, -2.5, False, 1.0), (0.0, INF, False, 1.0)]), 1.0),
        "columns without entries": (
            build(
                [({1: 1.0}, 0.5, INF)],
                [
                    *((-4.0, 4.0, False, 1.0), (0.0, 1.0, True, 2.0), (0.25, 3.0, False, 0.0)),
                    *((1.0, 6.0, True, -1.0), (0.0, 2.5, False, -1.0)),
                ],
            ),
            -4.0 + 2.0 - 6.0 - 2.5,
        ),
        "integers": (
            build(
                [({0: 2.0, 1: 2.0, 2: 2.0}, -INF, 3.0), ({2: 1.0, 3: 1.0}, -3.5, INF), ({4: 2.0}, 3.0, INF)],
                [
                    *((0.0, 1.0, True, -1.0), (0.0, 1.0, True, -1.0), (-3.0, 4.0, True, 1.0), (-7.0, -1.0, True, 1.0)),
                    *((-INF, INF, True, 1.0), (0.0, INF, True, 1.0), (1.0, 1.0, True, 1.0)),
                ],
            ),
            -2.0 - 3.0 + 2.0 + 1.0,
        ),
        "range and equality": (
            build(
                [({0: 1.0, 1: 1.0}, -2.0, 3.0), ({0: 1.0, 1: -1.0}, 1.0, 1.0), ({0: 1.0}, -INF, INF)],
                [(-9.0, 9.0, False, -1.0), (-9.0, 9.0, False, 0.0)],
            ),
            -2.0,
        ),
        "marker at the end": (
            build([({0: 1.0, 1: 2.0}, 2.5, INF)], [(0.0, 0.5, False, 5.0), (0.0, 10.0, True, 1.0)], 1e-3),
            2.0 + 1e-3,
        ),
        "seventeen digits": (
            build([({0: 0.1 + 0.2}, 1 / 3, INF)], [(0.0, 1e4, False, np.pi)], 0.1),
            np.pi * (1 / 3) / (0.1 + 0.2) + 0.1,
        ),
    }


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_the_optimum_and_the_bounds_survive(
    suffix: str, read: Reader, cases: dict[str, tuple[Milp, float]], tmp_path: Path
) -> None:
    paths = [tmp_path / f"case{number}{suffix}" for number in range(len(cases))]
    for path, (milp, _) in zip(paths, cases.values(), strict=True):
        write_model(milp, path, fingerprint="f", sense="minimize", extra={})
    for answer, path, (name, (milp, optimum)) in zip(read(paths), paths, cases.items(), strict=True):
        constant = [1.0] if milp.offset else []
        assert answer["status"] == "OPTIMAL", name
        assert answer["objective"] == pytest.approx(optimum, rel=1e-9, abs=1e-9), name
        assert answer["lower"] == [*np.clip(milp.col_lb, -1e20, 1e20), *constant], name
        assert answer["upper"] == [*np.clip(milp.col_ub, -1e20, 1e20), *constant], name
        assert answer["integer"] == [*milp.integer, *map(bool, [] if not constant else [0])], name
        names = json.loads(path.with_suffix(".names.json").read_text())
        assert answer["columns"] == [*names["columns"], *(["objconst"] if constant else [])], name
        assert answer["rows"] == list(names["rows"]), name


@pytest.mark.parametrize("suffix", [".lp", ".mps", ".mps.gz"])
def test_highs_gets_every_coefficient_bit_for_bit(
    suffix: str, build: Callable[..., Milp], read_with_highs: Reader, tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    values = (generator.uniform(1, 10, size=(30, 12)) * 10.0 ** generator.integers(-7, 7, size=(30, 12))).tolist()
    milp = build(
        [(dict(enumerate(row)), -INF, 1e6 / 3) for row in values], [(0.0, 1.0, k % 2 == 0, -1.0) for k in range(12)]
    )
    written = write_model(milp, tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    (answer,) = read_with_highs([written.model])
    assert answer["matrix"][2] == [values[i][j] for j in range(12) for i in range(30)]


def test_the_known_hard_file_keeps_its_optimum(read: Reader, tmp_path: Path) -> None:
    milp = read_mps(FALSE_OPTIMAL)
    milp.verify()
    assert (milp.num_columns, milp.num_rows, int(milp.binary.sum())) == (267, 1544, 84)
    written = write_model(milp, tmp_path / "out.mps", fingerprint="f", sense="minimize", extra={})
    (answer,) = read([written.model])
    assert answer["objective"] == pytest.approx(0.62755506, abs=1e-6)


def test_highs_reads_the_hard_file_as_we_do(read_with_highs: Callable[..., list[dict[str, Any]]]) -> None:
    (answer,) = read_with_highs([FALSE_OPTIMAL], solve=False)
    milp = read_mps(FALSE_OPTIMAL)
    order = np.argsort(milp.indices, kind="stable")
    assert answer["matrix"][2] == milp.data[order].tolist()
    assert answer["lower"] == milp.col_lb.tolist()
    assert answer["upper"] == np.clip(milp.col_ub, -1e20, 1e20).tolist()


@pytest.mark.parametrize(
    ("solver", "tail", "format"),
    [
        ("cbc", ".sol", "cbc"),
        ("highs", ".sol", "highs"),
        ("highs", ".table.sol", "highs-table"),
        ("gurobi", ".gurobi.sol", "gurobi"),
    ],
)
def test_solutions_that_solvers_write_are_feasible_for_the_model(
    solver: str,
    tail: str,
    format: str,
    cases: dict[str, tuple[Milp, float]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    milp, optimum = cases["integers"]
    written = write_model(milp, tmp_path / "out.mps", fingerprint="f", sense="minimize", extra={})
    request.getfixturevalue(f"read_with_{solver}")([written.model])
    solution = read_solution(f"{written.model}{tail}")
    names = json.loads(written.names.read_text())["columns"]
    assert solution.solver == solver
    assert solution.format == format
    assert set(solution.values) <= set(names)
    assert solution.omits_zeros or set(solution.values) == set(names)
    x = np.array([solution.values.get(name, 0.0) for name in names])
    assert one_sided(milp).violation(x) < 1e-6
    assert milp.objective(x) == pytest.approx(optimum)
    assert solution.objective == (None if solver == "cbc" else pytest.approx(optimum))
    assert solution.status == {"cbc": "Feasible solution", "highs": "Optimal", "gurobi": ""}[solver]
