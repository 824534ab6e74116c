"""What a backend may do while it solves: let progress and solutions out, and hear a request to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from nnmip.backends.protocol import RawResult, SolveOptions
from nnmip.backends.wire import pack_vector
from nnmip.milp.model import FloatArray, Milp

NO_LIMIT = 1e9
"""Seconds that stand for "no limit", as solvers keep an earlier limit when none is given."""


class Channel:
    """The way out of the solver process for one job. Its methods may be called from any thread of the solver."""

    def __init__(self, send: Callable[[dict[str, object], bytes], None], deadline: float | None) -> None:
        self._send = send
        self._deadline = deadline
        self._began = time.time()
        self._stop = threading.Event()

    def quiet(self) -> Channel:
        """A channel with the same limit and stop request that lets nothing out: for auxiliary solves."""
        channel = Channel(_discard, self._deadline)
        channel._stop = self._stop
        return channel

    @property
    def seconds(self) -> float:
        """Seconds since the job began."""
        return time.time() - self._began

    @property
    def seconds_left(self) -> float:
        """Seconds until the time limit; a small positive number once it has passed."""
        return NO_LIMIT if self._deadline is None else max(0.01, self._deadline - time.time())

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def request_stop(self) -> None:
        self._stop.set()

    def progress(
        self,
        phase: str,
        incumbent: float | None = None,
        dual_bound: float | None = None,
        nodes: int | None = None,
    ) -> None:
        """Report where the search stands. Objectives include the offset; values of 1e19 and more mean "none yet"."""
        header: dict[str, object] = {
            "kind": "progress",
            "phase": phase,
            "incumbent": _known(incumbent),
            "dual_bound": _known(dual_bound),
            "nodes": nodes,
            "seconds": self.seconds,
        }
        self._send(header, b"")

    def incumbent(self, x: FloatArray) -> None:
        """Hand out a better solution, shape (columns,)."""
        self._send({"kind": "incumbent", "seconds": self.seconds}, pack_vector(x))


class Adapter(Protocol):
    """The function `solve` of a backend module; it runs inside the solver process."""

    def __call__(self, milp: Milp, options: SolveOptions, channel: Channel, /) -> RawResult: ...


def _discard(header: dict[str, object], payload: bytes) -> None:
    """Send nothing."""


def _known(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e19 else None
