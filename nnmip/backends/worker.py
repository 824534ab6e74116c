"""The solver process, `python -m nnmip.backends.worker`: solves one model after another until its input ends.

Frames come in on stdin and go out on a copy of stdout. Whatever a solver prints goes to stderr, where nnmip reads it,
so that the last words of a crash are kept. The end of stdin means that nnmip has gone: the process ends at once,
whatever the solver is doing, so no solver is ever left behind.
"""

from __future__ import annotations

import gc
import importlib
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import replace
from typing import IO, Any

from nnmip.backends.channel import Adapter, Channel
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.backends.unbounded import settle_unbounded
from nnmip.backends.wire import END_OF_JOB, MUTE, pack_vector, read_frame, unpack_problem, write_frame

Job = tuple[dict[str, Any], bytes, Channel]


class _Worker:
    """Reads commands in a thread of its own, so that a request to stop is heard while a solver runs."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._write_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def listen(self) -> None:
        """Take commands until the input ends. The process ends with it, and when a command cannot be read."""
        code = 1
        try:
            self._take_commands()
            code = 0
        except MemoryError:
            os.write(2, b"MemoryError while a model was being read\n")
        finally:
            os._exit(code)

    def _take_commands(self) -> None:
        current: Channel | None = None
        while (frame := read_frame(self._source)) is not None:
            header, payload = frame
            if header["kind"] == "solve":
                current = Channel(self._send, header["deadline"])
                self._jobs.put((header, payload, current))
            elif header["kind"] == "stop" and current is not None:
                current.request_stop()

    def run(self) -> None:
        """Solve the jobs in turn, for ever.

        Garbage is collected between jobs only. A model of python-mip lies in a cycle, and the collector calls its
        library to destroy it; where that came while another call to the library was being looked up, which is under a
        lock that a thread cannot take twice, the process waited for itself, for ever.
        """
        gc.disable()
        while True:
            header, payload, channel = self._jobs.get()
            result = _guarded_solve(header, payload, channel)
            _print_marker(END_OF_JOB)
            self._send(_result_header(result), pack_vector(result.x))
            del header, payload, channel, result
            gc.collect()
            gc.freeze()  # what is left stays, and is not looked at again

    def _send(self, header: dict[str, object], payload: bytes) -> None:
        with self._write_lock:
            write_frame(self._sink, header, payload)


def _print_marker(marker: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(2, f"\n{marker}\n".encode())


def _guarded_solve(header: dict[str, Any], payload: bytes, channel: Channel) -> RawResult:
    """Solve, and turn whatever escapes from an adapter into a result. The traceback goes to the log."""
    try:
        return _solve(header, payload, channel)
    except MemoryError:
        termination, message = Termination.MEMORY_LIMIT, f"out of memory while {header['solver']} was running"
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or ["no message"]
        termination, message = Termination.SOLVER_ERROR, f"{header['solver']} failed: {lines[0]}"
    return RawResult(termination, header["solver"], "", message=message)


def _solve(header: dict[str, Any], payload: bytes, channel: Channel) -> RawResult:
    milp, start = unpack_problem(payload)
    options = SolveOptions(start=start, **header["options"])
    adapter: Adapter = importlib.import_module(f"nnmip.backends.{header['solver']}").solve
    result = adapter(milp, options, channel)
    if result.termination is Termination.UNBOUNDED:
        _print_marker(MUTE)
        result = settle_unbounded(milp, options, channel.quiet(), adapter)
    return replace(result, seconds=channel.seconds)


def _result_header(result: RawResult) -> dict[str, object]:
    return {
        "kind": "result",
        "termination": result.termination.value,
        "solver": result.solver,
        "version": result.version,
        "dual_bound": result.dual_bound,
        "nodes": result.nodes,
        "seconds": result.seconds,
        "message": result.message,
    }


def main() -> None:
    """Serve until stdin ends. Ctrl-C on the terminal is nnmip's to handle, so it is ignored here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = _Worker(sys.stdin.buffer, sink)
    threading.Thread(target=worker.listen, daemon=True).start()
    worker.run()


if __name__ == "__main__":
    main()
