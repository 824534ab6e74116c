"""HiGHS: what python-mip leaves out, and the live events by the accessor of HiGHS' callback data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest

from nnmip.backends import highs, highs_live
from nnmip.backends.channel import Channel
from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.backends.unbounded import settle_unbounded
from nnmip.backends.wire import unpack_vector
from nnmip.formats.mps_reader import read_mps
from tests.backends.models import INF, knapsack, market_split, milp, relu_net, silent_channel, small_lp
from tests.meaning.harness import highs_lp

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def _own_thread_count() -> None:
    """HiGHS keeps the first thread count of a process and fails with another."""
    highspy.Highs.resetGlobalScheduler(True)


def _recording_channel(deadline: float | None = None) -> tuple[Channel, list[tuple[dict[str, object], bytes]]]:
    frames: list[tuple[dict[str, object], bytes]] = []
    return Channel(lambda header, payload: frames.append((header, payload)), deadline), frames


def _text_option(solver: Any, name: str) -> str:
    """An option of the library that is a text, which python-mip can set but not read."""
    from mip.highs import ffi

    value = ffi.new("char[512]")
    assert solver._lib.Highs_getStringOptionValue(solver._model, name.encode(), value) == 0
    return bytes(ffi.string(value)).decode()


def test_options_that_python_mip_ignores_are_set() -> None:
    model = highs.load(knapsack())
    highs.configure(model, SolveOptions(seed=11, threads=2, gap=0.25))
    solver = model.solver
    for name in ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "mip_feasibility_tolerance"):
        assert solver._get_double_option_value(name) == 1e-8
    assert solver._get_int_option_value("random_seed") == 11
    assert _text_option(solver, "presolve") == "off"
    model.optimize(max_seconds=5)
    assert solver._get_double_option_value("mip_rel_gap") == 0.25
    assert solver._get_double_option_value("mip_abs_gap") == 1e-9
    assert solver._get_int_option_value("threads") == 2
    assert solver._get_double_option_value("time_limit") == 5


FALSE_OPTIMA = {
    "highs_false_optimal_a": (0.9, 1.0, "on", 1e-9),
    "highs_false_optimal_b": (-2.5, -1.5, "on", 1e-6),
    "highs_false_optimal_c": (-6.65, -6.483333, "on", 1e-9),
    "highs_false_optimal_d": (0.75, 0.9, "off", 1e-9),
    "highs_false_optimal_e": (0.0, 1 / 12, "off", 1e-9),
}
"""Small training models: the optimum, and what HiGHS 1.15.1 proves instead with that presolve at that tolerance."""


@pytest.mark.parametrize("name", FALSE_OPTIMA)
def test_known_false_optima_come_out_right(name: str) -> None:
    model = read_mps(DATA / f"{name}.mps.gz")
    truth = FALSE_OPTIMA[name][0]
    with Session() as session:
        for solver in ("highs", "cbc", "gurobi"):
            for seed in range(3):
                answer = session.solve(model, solver, SolveOptions(seed=seed))
                assert answer.termination is Termination.OPTIMAL
                assert answer.objective == pytest.approx(truth, abs=1e-7), (solver, seed)
                assert answer.dual_bound == pytest.approx(truth, abs=1e-7), (solver, seed)


@pytest.mark.parametrize("name", FALSE_OPTIMA)
def test_the_safe_configuration_is_needed(name: str) -> None:
    """If this fails after an upgrade of HiGHS, the configuration may be needed no more."""
    _, claimed, presolve, tolerance = FALSE_OPTIMA[name]
    found = set()
    for seed in range(8):
        solver = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", seed),
            ("presolve", presolve),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", 1e-9),
            ("mip_feasibility_tolerance", tolerance),
            ("primal_feasibility_tolerance", 1e-9),
            ("dual_feasibility_tolerance", 1e-9),
        ):
            solver.setOptionValue(option, value)
        solver.passModel(highs_lp(read_mps(DATA / f"{name}.mps.gz")))
        solver.run()
        assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        found.add(round(solver.getObjectiveValue(), 6))
    assert round(claimed, 6) in found


@pytest.mark.parametrize("fast", [True, False])
def test_both_ways_of_loading_give_the_same_model(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(highs, "_has_known_insides", lambda model: False)
    model = milp([[1, 2.5], [1e-9, 1]], [-1, 1], [4, 1], [0, -INF], [1, 9], [True, False], [1, -2], 7.0)
    made = highs.load(model)
    assert (made.num_cols, made.num_nz, made.num_int) == (2, 4 if fast else 6, 1)
    answer = highs.solve(model, SolveOptions(), silent_channel())
    assert answer.termination is Termination.OPTIMAL
    assert answer.x == pytest.approx([0.0, 1.0], abs=1e-9)
    assert answer.dual_bound == pytest.approx(5.0, abs=1e-7)


def test_changed_insides_of_python_mip_lead_to_the_public_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "_pass_arrays", lambda model, milp: None)
    assert highs.load(knapsack()).num_cols == 3


def test_without_the_accessor_there_are_no_live_events_but_an_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        highs_live, "_DECLARATIONS", highs_live._DECLARATIONS.replace("getCallbackDataOutItem", "absent")
    )
    channel, frames = _recording_channel()
    answer = highs.solve(relu_net(1, (3, 5, 3), 0.8), SolveOptions(), channel)
    assert answer.termination is Termination.OPTIMAL
    assert frames == []
    assert "HiGHS gives no live events here" in capfd.readouterr().out


def test_live_solutions_and_bounds() -> None:
    model = market_split(0, 4, 40)
    channel, frames = _recording_channel(time.time() + 1.0)
    highs.solve(model, SolveOptions(), channel)
    vectors = [unpack_vector(payload) for header, payload in frames if header["kind"] == "incumbent"]
    reports = [header for header, _ in frames if header["kind"] == "progress"]
    assert len(vectors) >= 2 and all(x is not None and model.violation(x) < 1e-6 for x in vectors)
    last = reports[-1]
    assert last["dual_bound"] == pytest.approx(0.5, abs=1e-6), "the constant of the objective is included"
    assert isinstance(last["incumbent"], float)
    assert last["incumbent"] == pytest.approx(min(model.objective(x) for x in vectors if x is not None), abs=1e-6)
    assert isinstance(last["nodes"], int)


def test_interrupt_gives_a_status_that_python_mip_does_not_know() -> None:
    """python-mip raises KeyError for status 17; the answer is read from the library all the same."""
    model = market_split(0, 4, 40)
    frames: list[str] = []

    def send(header: dict[str, object], payload: bytes) -> None:
        frames.append(str(header["kind"]))
        if frames.count("incumbent") == 2:
            channel.request_stop()

    channel = Channel(send, None)
    answer = highs.solve(model, SolveOptions(), channel)
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is not None and answer.dual_bound == pytest.approx(0.5, abs=1e-6)


def test_a_linear_solve_can_be_stopped() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.random((300, 400))
    model = milp(matrix, [1] * 300, [INF] * 300, [0] * 400, [1e3] * 400, [False] * 400, rng.random(400))
    channel = silent_channel()
    channel.request_stop()
    answer = highs.solve(model, SolveOptions(), channel)
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is None and answer.dual_bound == -INF


def test_an_unknown_status_is_an_error_and_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "_TERMINATIONS", {})
    answer = highs.solve(small_lp(), SolveOptions(), silent_channel())
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message == "HiGHS ended with status 7 and no answer"


def test_unbounded_with_bounded_costs_is_not_believed() -> None:
    feasible = RawResult(Termination.OPTIMAL, "highs", "1", x=np.zeros(3))
    answer = settle_unbounded(knapsack(), SolveOptions(), silent_channel(), lambda milp, options, channel: feasible)
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message == "highs claims an unbounded objective although every variable in it is bounded"


def test_solutions_meet_the_tight_tolerances(session: Session) -> None:
    model = relu_net(2, (4, 8, 6), 0.8)
    answer = session.solve(model, "highs")
    assert answer.x is not None and model.violation(answer.x) < 5e-9
