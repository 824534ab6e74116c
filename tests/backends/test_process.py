"""Whatever happens to the solver process ends in a status with the best answer, and leaves no process behind."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nnmip.backends import worker
from nnmip.backends.process import Session, explain_death
from nnmip.backends.protocol import Event, Incumbent, Progress, RawResult, SolveOptions, Termination
from tests.backends.models import knapsack, market_split, milp

ROOT = Path(__file__).parents[2]


def _is_running(process_id: int) -> bool:
    """Whether a process exists and is not a zombie that nobody has collected yet."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def _wait_until_gone(process_id: int) -> bool:
    deadline = time.monotonic() + 20.0
    while _is_running(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _is_running(process_id)


def _stub(mode: str) -> Session:
    return Session(worker=(sys.executable, "-m", "tests.backends.stub_worker", mode), grace=0.2)


def _solve_stub(mode: str, options: SolveOptions | None = None) -> RawResult:
    with _stub(mode) as session:
        return session.solve(knapsack(), "highs", options or SolveOptions())


@pytest.mark.parametrize("name", ["highs", "gurobi"])
def test_stop_keeps_the_solution_and_the_bound(name: str) -> None:
    stop = threading.Event()
    model = market_split(0, 4, 40)
    seen: list[Incumbent] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Incumbent):
            seen.append(event)
        if len(seen) >= 2 and isinstance(event, Progress) and event.dual_bound is not None:
            stop.set()

    with Session() as session:
        answer = session.solve(model, name, on_event=on_event, stop=stop)
        assert session.process_id is not None, "a solver that listens is not killed"
        assert session.solve(knapsack(), name).termination is Termination.OPTIMAL
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is not None and model.violation(answer.x) < 1e-6
    assert answer.objective is not None and answer.objective <= seen[1].objective
    assert answer.dual_bound == pytest.approx(0.5, abs=1e-6)


def test_stop_of_cbc_keeps_the_solution_of_the_last_slice_and_the_printed_bound() -> None:
    stop = threading.Event()
    model = market_split(0, 4, 40)
    seen: list[Incumbent] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Incumbent):
            seen.append(event)
        if seen and isinstance(event, Progress) and event.phase == "search":
            stop.set()

    with Session() as session:
        answer = session.solve(model, "cbc", SolveOptions(save_every=0.5), on_event=on_event, stop=stop)
        assert session.process_id is None, "CBC does not listen, so its process is ended"
        assert session.solve(knapsack(), "cbc").termination is Termination.OPTIMAL, "and a new one takes over"
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is not None and answer.objective == seen[-1].objective
    assert 0.4 < answer.dual_bound <= 0.5 + 1e-6


def test_stop_of_cbc_keeps_the_start_and_tells_of_a_lost_solution() -> None:
    stop = threading.Event()
    model = market_split(0, 4, 40)
    start = np.concatenate((np.zeros(40), model.row_lb, np.zeros(4)))

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and event.incumbent is not None and event.incumbent < 500:
            stop.set()

    with Session() as session:
        answer = session.solve(model, "cbc", SolveOptions(start=start), on_event=on_event, stop=stop)
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is not None and answer.x.tolist() == start.tolist()
    assert answer.objective == model.objective(start)
    assert answer.message.startswith("the last value it reported was ")
    assert answer.message.endswith(", whose solution is lost")


def test_ctrl_c_is_an_interrupt_with_the_best_answer(solver: str) -> None:
    """Ctrl-C in Python, at the moment of an event."""
    model = market_split(0, 4, 40)

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and event.dual_bound is not None:
            signal.raise_signal(signal.SIGINT)

    start = np.concatenate((np.zeros(40), model.row_lb, np.zeros(4)))
    with Session() as session:
        answer = session.solve(model, solver, SolveOptions(start=start), on_event=on_event)
    assert answer.termination is Termination.INTERRUPTED
    assert answer.x is not None and answer.objective is not None
    assert 0.4 < answer.dual_bound <= answer.objective


def test_ctrl_c_on_the_terminal_reaches_only_nnmip() -> None:
    """The whole foreground process group gets the signal, as from a terminal; the solver is in another one."""
    program = _start_program("highs")
    child = int(program.stdout.readline())
    assert os.getpgid(child) == child
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    termination, objective, bound = json.loads(out)
    assert termination == "interrupted" and err == ""
    assert objective >= bound >= 0.5 - 1e-6
    assert _wait_until_gone(child)


def test_no_solver_survives_nnmip(solver: str) -> None:
    program = _start_program(solver)
    child = int(program.stdout.readline())
    assert _is_running(child)
    program.kill()
    program.communicate(timeout=60)
    assert _wait_until_gone(child)


def _start_program(solver: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.backends.solve_hard", solver],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def test_killed_solver_is_an_error_with_the_last_solution() -> None:
    model = market_split(0, 4, 40)
    seen: list[Incumbent] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Incumbent):
            seen.append(event)
        if len(seen) == 2 and session.process_id is not None:
            os.kill(session.process_id, signal.SIGKILL)

    with Session() as session:
        answer = session.solve(model, "highs", on_event=on_event)
        assert session.process_id is None
        assert session.solve(knapsack(), "highs").termination is Termination.OPTIMAL
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message.startswith("the highs process was ended by SIGKILL; perhaps the machine ran out of memory")
    assert answer.x is not None and answer.objective == model.objective(answer.x)
    assert answer.objective == min(event.objective for event in seen)


def test_a_failing_handler_ends_the_solver_and_is_passed_on() -> None:
    children: list[int] = []

    def on_event(event: Event) -> None:
        assert session.process_id is not None
        children.append(session.process_id)
        raise RuntimeError("handler")

    with Session() as session:
        with pytest.raises(RuntimeError, match="handler"):
            session.solve(market_split(0, 4, 40), "highs", on_event=on_event)
        assert session.process_id is None
    assert _wait_until_gone(children[0])


def test_closing_a_session_ends_its_process() -> None:
    with Session() as session:
        session.solve(knapsack(), "highs")
        child = session.process_id
        assert child is not None and _is_running(child)
    assert _wait_until_gone(child)


def test_a_solver_that_overruns_its_limit_is_ended() -> None:
    answer = _solve_stub("deaf", SolveOptions(time_limit=0.5))
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.message == "highs overran its time limit and was ended"
    assert answer.x is not None and answer.x.tolist() == [1.0, 0.0, 0.0]
    assert answer.objective == -5.0 and answer.dual_bound == -20.0 and answer.nodes == 7


def test_a_solver_that_does_not_stop_is_ended() -> None:
    stop = threading.Event()
    with _stub("deaf") as session:
        answer = session.solve(knapsack(), "highs", on_event=lambda event: stop.set(), stop=stop)
        assert session.process_id is None
    assert answer.termination is Termination.INTERRUPTED
    assert answer.objective == -5.0 and answer.dual_bound == -20.0


def test_an_abort_is_an_error_with_the_last_words_in_the_log() -> None:
    answer = _solve_stub("abort")
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message == "the highs process was ended by SIGABRT"
    assert answer.log == ("last words of the solver",)


def test_an_exit_is_an_error() -> None:
    assert _solve_stub("exit").message == "the highs process ended unexpectedly with exit code 3"


def test_a_failed_allocation_is_a_memory_limit() -> None:
    answer = _solve_stub("memory")
    assert answer.termination is Termination.MEMORY_LIMIT
    assert answer.message == "the highs process ran out of memory"


def test_noise_among_the_frames_is_an_error() -> None:
    assert _solve_stub("babble").termination is Termination.SOLVER_ERROR


def test_a_missing_interpreter_is_an_error() -> None:
    with Session(worker=("/nonexistent/python",)) as session:
        answer = session.solve(knapsack(), "highs")
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message.startswith("the solver process could not be started: ")


@pytest.mark.parametrize("start", [None, np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])])
def test_without_time_no_solver_is_started(start: np.ndarray | None) -> None:
    model = knapsack()
    with Session(worker=("/nonexistent/python",)) as session:
        answer = session.solve(model, "highs", SolveOptions(time_limit=0.0, start=start))
    is_usable = start is not None and model.violation(start) == 0
    assert (answer.termination, answer.dual_bound, answer.version != "") == (Termination.TIME_LIMIT, -np.inf, True)
    assert (answer.x is None, answer.objective) == (not is_usable, -5.0 if is_usable else None)
    assert answer.message.startswith("the start was not used") == (start is not None and not is_usable)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("broken solution", "highs returned a solution that breaks the model"),
        ("bound above value", "highs claims a bound -1 above the value -13 of its own solution"),
        ("infeasible with solution", "highs claims that the model is infeasible, but it has a solution"),
    ],
)
def test_claims_that_contradict_themselves_are_not_passed_on(mode: str, message: str) -> None:
    answer = _solve_stub(mode)
    assert answer.termination is Termination.SOLVER_ERROR
    assert answer.message == message
    assert answer.dual_bound == -np.inf


def test_optimal_with_an_open_gap_is_a_gap_limit() -> None:
    answer = _solve_stub("open gap")
    assert answer.termination is Termination.GAP_LIMIT
    assert answer.objective == -13.0 and answer.dual_bound == -13.1


def test_death_by_an_unnamed_signal() -> None:
    assert explain_death("cbc", -200, ()) == (Termination.SOLVER_ERROR, "the cbc process was ended by signal 200")


def test_out_of_memory_while_reading_the_model() -> None:
    """A real limit on the process: numpy cannot allocate the arrays."""
    import resource

    with Session() as session:
        session.solve(knapsack(), "highs")
        assert session.process_id is not None
        resource.prlimit(session.process_id, resource.RLIMIT_AS, (10 * 2**20, 10 * 2**20))
        many = 500_000
        wide = milp(np.ones((1, many)), [1], [2], [0] * many, [1] * many, [0] * many, [1] * many)
        answer = session.solve(wide, "highs")
    assert answer.termination is Termination.MEMORY_LIMIT


def test_garbage_is_collected_between_jobs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector calls the library that destroys a model of python-mip, and must not do so inside another call."""
    events: list[str] = []

    class Cycle:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            events.append("destroyed")

    def solved(*job: object) -> RawResult:
        Cycle()
        for _ in range(10_000):
            made: list[object] = []
            made.append(made)  # what makes the collector run
        events.append("solved")
        return RawResult(Termination.INFEASIBLE, "highs", "")

    monkeypatch.setattr(worker, "_guarded_solve", solved)
    one = worker._Worker(io.BytesIO(), io.BytesIO())
    jobs = iter([({}, b"", None), ({}, b"", None)])

    def get() -> object:
        if (job := next(jobs, None)) is None:
            raise KeyboardInterrupt
        return job

    one._jobs = SimpleNamespace(get=get)  # type: ignore[assignment]
    try:
        with pytest.raises(KeyboardInterrupt):
            one.run()
    finally:
        gc.enable()
        gc.unfreeze()
    assert events == ["solved", "destroyed"] * 2
