"""Solving in a process of its own, so that a crash, a limit or an interrupt ends in a status with the best answer."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import IO

import numpy as np

from nnmip.backends.cutoff import ceiling, with_cutoff
from nnmip.backends.protocol import EventHandler, RawResult, SolveOptions, Termination
from nnmip.backends.registry import Backend, backend, installed_version
from nnmip.backends.review import review
from nnmip.backends.tracker import ACCEPTED_VIOLATION, Tracker
from nnmip.backends.trivial import solve_without_rows
from nnmip.backends.validate import contradiction, normalise, validate
from nnmip.backends.wire import END_OF_JOB, MUTE, Header, pack_problem, read_frame, unpack_vector, write_frame
from nnmip.milp.model import FloatArray, Milp

DEFAULTS = SolveOptions()
WORKER = (sys.executable, "-m", "nnmip.backends.worker")
QUIET_NUMPY = {"OPENBLAS_NUM_THREADS": "1"}
"""What a solver process is told unless the user says otherwise: threads that wait for large products burn CPU time."""

GRACE = 5.0
"""Seconds that a solver may run past its limit, or past a request to stop, before its process is killed."""

_POLL = 0.05
_Message = tuple[Header, bytes] | str | None


def solve(
    milp: Milp,
    solver: str,
    options: SolveOptions = DEFAULTS,
    on_event: EventHandler | None = None,
    stop: threading.Event | None = None,
) -> RawResult:
    """Solve one model in a fresh process; see `Session.solve`."""
    with Session() as session:
        return session.solve(milp, solver, options, on_event, stop)


class Session:
    """A solver process that solves several models one after another. It is started when first needed.

    A context manager; after `close` no process remains. worker and grace are for tests: the command to run, and the
    seconds of grace before a kill.
    """

    def __init__(self, worker: Sequence[str] = WORKER, grace: float = GRACE) -> None:
        self._command = worker
        self._grace = grace
        self._child: _Child | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process_id(self) -> int | None:
        """The id of the running solver process, None if there is none."""
        return self._child.process.pid if self._child is not None else None

    def close(self) -> None:
        """End the solver process, at once."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def solve(
        self,
        milp: Milp,
        solver: str,
        options: SolveOptions = DEFAULTS,
        on_event: EventHandler | None = None,
        stop: threading.Event | None = None,
    ) -> RawResult:
        """Solve `milp` with the backend named `solver` (`auto`, `highs`, `cbc`, `gurobi`) and return its answer.

        Without any time no solver is started, and the answer is the start. on_event is called in this thread with
        Progress and Incumbent; an exception in it ends the solve and is passed on. Setting `stop`, or Ctrl-C, ends the
        solve with INTERRUPTED and the best solution and bound so far. Whatever happens to the process is a
        termination, never an exception. Raises AssertionError for a malformed model, and KeyError for an unknown name.
        """
        began = time.monotonic()
        chosen = backend(solver)
        validate(milp)
        assert options.start is None or options.start.shape == (milp.num_columns,), "a start gives every column"
        prepared = _prepare(milp, chosen.name, options)
        if isinstance(prepared, RawResult):
            return review(replace(prepared, version=installed_version(chosen.name)), options)
        start, remark = _usable_start(prepared, options)
        tracker = Tracker(prepared, chosen.name, on_event, start, ceiling(options))
        if options.time_limit is not None and options.time_limit <= 0:
            # Solvers look at the clock only now and then, and may be done before they do.
            result = tracker.result(Termination.TIME_LIMIT, installed_version(chosen.name), 0.0, "")
        else:
            result = self._run(_Run(self, chosen, tracker, replace(options, start=start), began, stop), prepared)
        message = "; ".join(part for part in (result.message, remark) if part)
        seconds = time.monotonic() - began
        return review(replace(result, message=message, seconds=seconds), options)

    def _run(self, run: _Run, milp: Milp) -> RawResult:
        """The result of a run; whatever is raised in it ends the process."""
        try:
            return run.solve(milp)
        except BaseException:
            self.close()
            raise

    def _started(self) -> _Child:
        if self._child is None or self._child.process.poll() is not None:
            self.close()
            self._child = _Child(self._command)
        return self._child


def _prepare(milp: Milp, solver: str, options: SolveOptions) -> Milp | RawResult:
    """The model as solvers are given it, or the answer if none is needed."""
    message = contradiction(milp)
    if message is not None:
        return RawResult(Termination.INFEASIBLE, solver, "", message=message)
    prepared = normalise(milp)
    if prepared.num_rows == 0:
        answer = solve_without_rows(prepared, solver)
        missed = answer.objective is not None and answer.objective > ceiling(options)
        return RawResult(Termination.INFEASIBLE, solver, "") if missed else answer
    if options.cutoff is None:
        return prepared
    bounded = with_cutoff(prepared, options)
    return bounded if bounded is not None else RawResult(Termination.INFEASIBLE, solver, "")


def _usable_start(milp: Milp, options: SolveOptions) -> tuple[FloatArray | None, str]:
    """The start if it satisfies the model, and a remark if it does not.

    An infeasible start is worse than none: HiGHS spends up to the whole time limit on completing it.
    """
    if options.start is None:
        return None, ""
    start = np.array(options.start, dtype=np.float64)
    start[milp.integer] = np.round(start[milp.integer])
    if not np.isfinite(start).all():
        return None, "the start was not used: it has a value that is not a number"
    if milp.objective(start) > ceiling(options):
        return None, "the start was not used: it lies above the cutoff"
    violation = milp.violation(start)
    if violation > ACCEPTED_VIOLATION:
        return None, f"the start was not used: it violates the model by {violation:.3g}"
    return start, ""


class _Run:
    """One solve in the process of a session: feeds the tracker, and watches the clock and the stop request."""

    def __init__(
        self,
        session: Session,
        chosen: Backend,
        tracker: Tracker,
        options: SolveOptions,
        began: float,
        stop: threading.Event | None,
    ) -> None:
        self._session = session
        self._backend = chosen
        self._tracker = tracker
        self._options = options
        self._began = began
        self._stop = stop
        self._interrupted_at: float | None = None
        self._printed_all = False

    def solve(self, milp: Milp) -> RawResult:
        try:
            child = self._session._started()
        except OSError as error:
            return self._give_up(Termination.SOLVER_ERROR, f"the solver process could not be started: {error}")
        try:
            child.send(*self._job(milp))
        except KeyboardInterrupt:
            return self._give_up(Termination.INTERRUPTED, "")
        while True:
            try:
                result = self._step(child)
            except KeyboardInterrupt:
                result = self._interrupt(child)
            if result is not None:
                return result

    def _job(self, milp: Milp) -> tuple[Header, bytes]:
        options = self._options
        limit = options.time_limit
        header = {
            "kind": "solve",
            "solver": self._backend.name,
            "deadline": None if limit is None else time.time() + limit - (time.monotonic() - self._began),
            "options": {
                "time_limit": limit,
                "gap": options.gap,
                "threads": options.threads,
                "seed": options.seed,
                "save_every": options.save_every,
            },
        }
        return header, pack_problem(milp, options.start)

    def _step(self, child: _Child) -> RawResult | None:
        """Handle one message, or the clock when there is none."""
        try:
            message = child.messages.get(timeout=_POLL)
        except queue.Empty:
            return self._check_clock(child)
        if message is None:
            return self._died(child)
        if isinstance(message, str):
            self._line(message)
        elif message[0]["kind"] == "incumbent":
            x = unpack_vector(message[1])
            if x is not None:
                self._tracker.incumbent(x, message[0]["seconds"])
        elif message[0]["kind"] == "progress":
            self._tracker.progress(message[0])
        elif message[0]["kind"] == "result":
            return self._finish(child, *message)
        return self._check_clock(child)

    def _line(self, text: str) -> None:
        if text == MUTE:
            self._tracker.mute()
        elif text == END_OF_JOB:
            self._printed_all = True
        else:
            self._tracker.line(text, time.monotonic() - self._began)

    def _check_clock(self, child: _Child) -> RawResult | None:
        if self._interrupted_at is None and self._stop is not None and self._stop.is_set():
            return self._interrupt(child)
        now = time.monotonic()
        if self._interrupted_at is not None and now > self._interrupted_at + self._session._grace:
            return self._give_up(Termination.INTERRUPTED, "")
        limit = self._options.time_limit
        if limit is not None and now > self._began + limit + self._session._grace:
            return self._give_up(Termination.TIME_LIMIT, f"{self._backend.name} overran its time limit and was ended")
        return None

    def _interrupt(self, child: _Child) -> RawResult | None:
        """Ask the solver to stop, or kill it if it does not listen or has been asked before."""
        if self._interrupted_at is not None or not self._backend.stops_on_request:
            return self._give_up(Termination.INTERRUPTED, "")
        self._interrupted_at = time.monotonic()
        child.send({"kind": "stop"}, b"")
        return None

    def _finish(self, child: _Child, header: Header, payload: bytes) -> RawResult:
        self._drain(child)
        answer = RawResult(
            termination=Termination(header["termination"]),
            solver=header["solver"],
            version=header["version"] or installed_version(self._backend.name),
            x=unpack_vector(payload),
            dual_bound=header["dual_bound"],
            nodes=header["nodes"],
            seconds=header["seconds"],
            message=header["message"],
        )
        return self._tracker.complete(answer)

    def _drain(self, child: _Child) -> None:
        """Take what the solver printed before its result, which comes by another pipe."""
        deadline = time.monotonic() + 1.0
        while not self._printed_all and time.monotonic() < deadline:
            try:
                message = child.messages.get(timeout=_POLL)
            except queue.Empty:
                continue
            if message is None:
                return
            if isinstance(message, str):
                self._line(message)

    def _died(self, child: _Child) -> RawResult:
        """The result of a solver process that ended by itself."""
        child.process.wait()
        termination, text = explain_death(self._backend.name, child.process.returncode, tuple(self._tracker.log))
        return self._give_up(termination, text)

    def _give_up(self, termination: Termination, message: str) -> RawResult:
        self._session.close()
        version = installed_version(self._backend.name)
        return self._tracker.result(termination, version, time.monotonic() - self._began, message)


def explain_death(solver: str, returncode: int, log: Sequence[str]) -> tuple[Termination, str]:
    """The termination and a one-line message for a solver process that ended without a result."""
    if any("bad_alloc" in line or "MemoryError" in line or "out of memory" in line.lower() for line in log):
        return Termination.MEMORY_LIMIT, f"the {solver} process ran out of memory"
    if returncode >= 0:
        return Termination.SOLVER_ERROR, f"the {solver} process ended unexpectedly with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = "; perhaps the machine ran out of memory" if name == "SIGKILL" else ""
    return Termination.SOLVER_ERROR, f"the {solver} process was ended by {name}{hint}"


class _Child:
    """The solver process with two threads that read what it sends and what its solver prints into one queue.

    None in the queue marks the end of both streams. The process has a session of its own, so that Ctrl-C on the
    terminal reaches only nnmip.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=QUIET_NUMPY | os.environ,
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._stdin: IO[bytes] = self.process.stdin
        frames = threading.Thread(target=self._read_frames, args=(self.process.stdout,), daemon=True)
        self._readers = (frames, threading.Thread(target=self._read_lines, args=(self.process.stderr,), daemon=True))
        self._closing = threading.Thread(target=self._announce_end, daemon=True)
        for thread in (*self._readers, self._closing):
            thread.start()

    def send(self, header: Header, payload: bytes) -> None:
        """Send a frame. If the process has gone nothing is sent: the end of its streams tells."""
        with contextlib.suppress(OSError):
            write_frame(self._stdin, header, payload)

    def kill(self) -> None:
        """End the process if it still runs, and wait until it and its pipes are gone."""
        self.process.kill()
        self.process.wait()
        self._closing.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            _close(stream)

    def _read_frames(self, stream: IO[bytes]) -> None:
        try:
            while (frame := read_frame(stream)) is not None:
                self.messages.put(frame)
        except ValueError:
            self.process.kill()

    def _read_lines(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.messages.put(line.decode("utf-8", errors="replace").rstrip("\r\n"))

    def _announce_end(self) -> None:
        for reader in self._readers:
            reader.join()
        self.process.wait()
        self.messages.put(None)


def _close(stream: IO[bytes] | None) -> None:
    """Close a pipe whose other end has gone; bytes that could not be sent do not matter."""
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()
