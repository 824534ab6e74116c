"""CBC: the configuration that makes its proofs hold, shown by what happens without it, and its printed progress."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnmip.backends import cbc
from nnmip.backends.cbc_log import outward, read_progress
from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, SolveOptions, Termination
from nnmip.formats.mps_reader import read_mps
from nnmip.milp.model import Milp
from tests.backends.models import INF, knapsack, market_split, milp, pattern_training, relu_net, silent_channel

FALSE_OPTIMUM = Path(__file__).parents[1] / "data" / "cbc_false_optimal.mps.gz"
TRUE_OPTIMUM = 0.62755508


def _plain(model: Milp, configure: Callable[[object], None] = lambda made: None) -> tuple[str, float, float]:
    """Status, value and bound of python-mip's CBC with its own defaults, but for the gaps and `configure`."""
    made = cbc.load(model)
    made.verbose = 0
    made.max_mip_gap, made.max_mip_gap_abs = 0.0, 1e-9
    configure(made)
    status = made.optimize(max_seconds=60)
    return status.name, made.objective_value, made.objective_bound


def test_every_backend_finds_the_true_optimum(session: Session, solver: str) -> None:
    answer = session.solve(read_mps(FALSE_OPTIMUM), solver)
    assert answer.termination is Termination.OPTIMAL
    assert answer.objective == pytest.approx(TRUE_OPTIMUM, abs=1e-8)
    assert answer.dual_bound == pytest.approx(TRUE_OPTIMUM, abs=1e-7)


def test_default_cbc_proves_a_false_optimum() -> None:
    """If this fails, CBC has been repaired, and the safe configuration may be reconsidered."""
    status, value, bound = _plain(read_mps(FALSE_OPTIMUM))
    assert status == "OPTIMAL"
    assert value == pytest.approx(2.2477, abs=1e-4) and bound == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_pattern_models_need_the_safe_configuration(session: Session, seed: int) -> None:
    model = pattern_training(seed, samples=6, units=2)
    truth, safe = (session.solve(model, name) for name in ("highs", "cbc"))
    assert truth.termination is safe.termination is Termination.OPTIMAL
    assert truth.objective is not None
    assert safe.objective == pytest.approx(truth.objective, abs=1e-8)
    status, value, bound = _plain(model)
    assert status == "OPTIMAL" and value > truth.objective + 0.1 and bound > truth.objective + 0.1


def test_increment_is_lowered(session: Session) -> None:
    """With the default of 1e-4, CBC stops 3e-5 above the optimum and claims a closed gap."""
    model = relu_net(8, (4, 8, 8), 0.05)

    def everything_but_increment(made: object) -> None:
        cbc.configure(made, SolveOptions())
        cbc.set_parameter(made, "increment", "0.0001")

    _, value, bound = _plain(model, everything_but_increment)
    truth, safe = (session.solve(model, name).objective for name in ("highs", "cbc"))
    assert truth is not None
    assert safe == pytest.approx(truth, abs=1e-9)
    assert value > truth + 1e-5 and bound > truth + 1e-5


def test_tolerances_reach_branch_and_bound(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-mip's own setters leave solutions that break rows by up to 1e-6, and values that are too good."""
    model = pattern_training(3, samples=8, units=2)

    truth = session.solve(model, "highs").objective
    safe = session.solve(model, "cbc")
    assert truth is not None and safe.x is not None
    assert safe.objective == pytest.approx(truth, abs=1e-8)
    assert model.violation(safe.x) < 5e-9
    monkeypatch.delitem(cbc.SAFE_PARAMETERS, "primalTolerance")
    assert _plain(model, lambda made: cbc.configure(made, SolveOptions()))[1] < truth - 1e-7


def test_the_configuration_is_what_cbc_prints() -> None:
    """CBC lists what differs from its defaults, but for the tolerances of its linear solver."""
    log = "\n".join(_head_of_log())
    for line in (
        "probingCuts  ifmove → off",
        "increment  0.0001 → 1e-09",
        "preprocess  sos → off",
        "allowableGap  1e-12 → 1e-09",
        "integerTolerance  1e-06 → 1e-09",
    ):
        assert line in log


def test_only_listed_parameters_are_set_by_name() -> None:
    """A misspelt name would end the solve without an answer."""
    made = cbc.load(knapsack())
    with pytest.raises(AssertionError):
        cbc.set_parameter(made, "incremental", "1e-9")


@pytest.mark.parametrize("fast", [True, False])
def test_both_ways_of_loading_give_the_same_model(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = milp(
        [[1, 2.5, 0], [0, 1, -1], [3, 0, 1]],
        [-INF, -1, 2],
        [4, 1, 2],
        [0, -INF, -2],
        [1, 9, INF],
        [1, 0, 0],
        [1, 0, -2],
    )
    if not fast:
        monkeypatch.setattr(cbc, "_stored_entries", lambda milp: -1)
    made = cbc.load(model)
    assert (made.num_cols, made.num_rows, made.num_nz, made.num_int) == (3, 4, 8, 1)
    assert [v.name for v in made.vars] == ["x0", "x1", "x2"]
    assert [(v.lb, v.obj) for v in made.vars] == [(0.0, 1.0), (-INF, 0.0), (-2.0, -2.0)] or made.vars[1].lb < -1e300
    rows = sorted((c.expr.sense, c.rhs, sorted((v.name, k) for v, k in c.expr.expr.items())) for c in made.constrs)
    assert rows == [
        ("<", 1.0, [("x1", 1.0), ("x2", -1.0)]),
        ("<", 4.0, [("x0", 1.0), ("x1", 2.5)]),
        ("=", 2.0, [("x0", 3.0), ("x2", 1.0)]),
        (">", -1.0, [("x1", 1.0), ("x2", -1.0)]),
    ]


def test_coefficients_arrive_bit_for_bit() -> None:
    values = np.random.default_rng(0).uniform(1e-9, 1e9, 40)
    made = cbc.load(milp([values], [0], [INF], [0] * 40, [1] * 40, [True] * 40, values))
    assert list(made.constrs[0].expr.expr.values()) == values.tolist()
    assert [v.obj for v in made.vars] == values.tolist()


def test_an_infinite_objective_is_unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """CBC calls some unbounded models optimal with a value near 3e20."""
    import mip

    made = cbc.load(knapsack())
    monkeypatch.setattr(type(made), "optimize", lambda self, **options: mip.OptimizationStatus.OPTIMAL)
    monkeypatch.setattr(type(made), "objective_value", property(lambda self: 3e20))
    monkeypatch.setattr(cbc, "load", lambda milp: made)
    monkeypatch.setattr(cbc, "_values", lambda made: np.zeros(3))
    for integer in (True, False):
        model = replace(knapsack(), integer=np.full(3, integer))
        assert cbc.solve(model, SolveOptions(), silent_channel()).termination is Termination.UNBOUNDED


def test_slices_do_not_change_the_answer(session: Session) -> None:
    model = relu_net(3, (4, 9, 6), 0.8)
    whole = session.solve(model, "cbc")
    sliced = session.solve(model, "cbc", SolveOptions(save_every=0.02))
    assert whole.termination is sliced.termination is Termination.OPTIMAL
    assert sliced.objective == pytest.approx(whole.objective, abs=1e-8)


def _head_of_log() -> list[str]:
    """What CBC prints first; the log of an answer keeps only the last lines."""
    code = (
        "from nnmip.backends import cbc\nfrom nnmip.backends.protocol import SolveOptions\n"
        "from tests.backends.models import knapsack, silent_channel\n"
        "cbc.solve(knapsack(), SolveOptions(), silent_channel())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    return run.stdout.splitlines()


ROWS = [
    (
        "     10750     3937     20              11                                0  100.00%      2.31",
        Progress("search", 2.31, 11.0, 0.0, 10750),
    ),
    (
        "     12197      604     12               —                         -8.00398        —      1.51",
        Progress("search", 1.51, None, -8.00399, 12197),
    ),
    (
        "     14.2K     2.1K     20         84.6001 RINS                         3.5    95.86%      2.31",
        Progress("search", 2.31, 84.6001, 3.49999, 14200),
    ),
    (
        " ★       0        1      0        0.623211 strong branching         0.62321    0.00%     0.020",
        Progress("search", 0.02, 0.623211, 0.623209, 0),
    ),
    (
        " ★    2      2            2       0.6401 b&b solution               95    0.003",
        Progress("heuristics", 0.003, 95.0),
    ),
    (
        " ★    3      4            2       0.7332 solution              84.6001    0.004",
        Progress("heuristics", 0.004, 84.6001),
    ),
]


@pytest.mark.parametrize(("line", "expected"), ROWS)
def test_printed_progress(line: str, expected: Progress) -> None:
    read = read_progress(line)
    assert read is not None
    assert (read.phase, read.seconds, read.incumbent, read.nodes) == (
        expected.phase,
        expected.seconds,
        expected.incumbent,
        expected.nodes,
    )
    assert read.dual_bound == (None if expected.dual_bound is None else pytest.approx(expected.dual_bound, abs=1e-12))


@pytest.mark.parametrize(
    "line",
    [
        "    85        6        2      6      1.031                0    0.180",
        "     Nodes   OnTree  Depth         BestSol Method                 BestBound     Gap%   Time(s)",
        "      3     11            2       1.1009 oscillating                      0.005",
        "Lower bound:                    -7.00896",
        "  Gomory                      640        37.9        0     0.016 disabled    ",
        "",
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    assert read_progress(line) is None


@pytest.mark.parametrize("value", [0.62755508173, -8.9374249, 123456.78, -1.00000049999, 9.9999951e8, 11.0, 10.9999996])
def test_a_printed_bound_is_moved_below_every_value_that_prints_so(value: float) -> None:
    moved = outward(float(f"{value:.6g}"))
    assert moved <= value
    assert value - moved <= 2e-5 * abs(value)


def test_printed_bound_of_a_running_solve_is_valid(session: Session) -> None:
    """With a constant in the objective, the bound that CBC prints includes it."""
    bounds: list[float] = []

    def on_event(event: object) -> None:
        if isinstance(event, Progress) and event.dual_bound is not None:
            bounds.append(event.dual_bound)

    model = replace(market_split(0, 4, 40), offset=1234.5)
    session.solve(model, "cbc", SolveOptions(time_limit=1.0), on_event=on_event)
    assert bounds and all(1234.4 < bound <= 1234.5 for bound in bounds)
