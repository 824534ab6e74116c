"""What carries out independent pieces of work: this process, processes of this machine, or a Dask cluster.

An executor takes a function, what all pieces share, and the pieces; it gives the results as they come, each with the
number of its piece. A worker that dies loses no other piece: its own is tried once more, alone, and is then a failure.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from nnmip.records import dataclass

Work = Callable[[Any, Any, threading.Event], Any]
"""A function of a module, of what all pieces share, of a piece, and of what is set where the user wants to stop."""

DIED = "its worker died"
PAUSE = 0.2
"""Seconds between two looks at whether the user wants to stop."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a piece has no result, in words."""

    why: str


class Executor(Protocol):
    """Carries out pieces of work."""

    def run(
        self, work: Work, common: Any, pieces: Sequence[Any], stop: threading.Event
    ) -> Iterator[tuple[int, Any | Failure]]:
        """The number and the result of every piece, as they come; ends early where `stop` is set."""


def executor_of(text: str, jobs: int | None = None) -> Executor:
    """`in-process`, `processes` or `dask://host:port`; `jobs` processes, as many as there are processors without it.

    Raises ValueError for another text, ImportError with the command that installs Dask where that is missing.
    """
    if text == "in-process":
        return InProcess()
    if text == "processes":
        return Processes(jobs or len(os.sched_getaffinity(0)))
    if text.startswith("dask://"):
        try:
            import distributed  # noqa: F401
        except ImportError:
            raise ImportError("a cluster needs Dask; install it with  pip install 'nnmip[dask]'") from None
        return Dask("tcp://" + text.removeprefix("dask://"))
    raise ValueError(f"`{text}` is no executor; there are `in-process`, `processes` and `dask://host:port`")


class InProcess:
    """One piece after another, here; one that was stopped has no result."""

    def run(
        self, work: Work, common: Any, pieces: Sequence[Any], stop: threading.Event
    ) -> Iterator[tuple[int, Any | Failure]]:
        for number, piece in enumerate(pieces):
            if stop.is_set():
                return
            result = _tried(work, common, piece, stop)
            if stop.is_set():
                return
            yield number, result


def _tried(work: Work, common: Any, piece: Any, stop: threading.Event) -> Any:
    """The result of a piece, or why it has none: a defect that it meets loses no other piece."""
    try:
        return work(common, piece, stop)
    except Exception as error:
        return Failure(_why(error))


def _elsewhere(work: Work, common: Any, piece: Any) -> Any:
    """A piece in a worker, which is ended from outside."""
    return _tried(work, common, piece, threading.Event())


# ---- processes -----------------------------------------------------------------------------------------------------


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the user interrupts the process that waits for this one


class Processes:
    """So many pieces at once, each in a process that was started afresh."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(
        self, work: Work, common: Any, pieces: Sequence[Any], stop: threading.Event
    ) -> Iterator[tuple[int, Any | Failure]]:
        waiting = list(range(len(pieces)))
        while waiting and not stop.is_set():
            done, lost = set[int](), list[int]()
            for number, result in self._pool(work, common, pieces, waiting, self.jobs, lost, stop):
                done.add(number)
                yield number, result
            waiting = [number for number in waiting if number not in done and number not in lost]
            for number in lost:  # which of those that ran at once killed its worker is not known
                if stop.is_set():
                    return
                again: list[int] = []
                yield from self._pool(work, common, pieces, [number], 1, again, stop)
                if again:
                    yield number, Failure(DIED)

    def _pool(
        self,
        work: Work,
        common: Any,
        pieces: Sequence[Any],
        numbers: Sequence[int],
        jobs: int,
        lost: list[int],
        stop: threading.Event,
    ) -> Iterator[tuple[int, Any | Failure]]:
        """Results until all pieces are done, or a worker dies: then `lost` has the pieces that ran."""
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(jobs, len(numbers)), context, _begin)
        running: dict[Future[Any], int] = {}
        left = list(reversed(numbers))
        try:
            while (left or running) and not stop.is_set():
                while left and len(running) < jobs:
                    running[pool.submit(_elsewhere, work, common, pieces[left[-1]])] = left[-1]
                    left.pop()
                for future in wait(running, PAUSE, FIRST_COMPLETED).done:
                    yield running[future], future.result()
                    del running[future]
        except BrokenProcessPool:
            lost.extend(running.values())
        finally:
            for process in list((pool._processes or {}).values()):
                if left or running:
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


# ---- a cluster -----------------------------------------------------------------------------------------------------


class Dask:
    """A Dask cluster at an address; its workers have nnmip installed, and see the files of the model."""

    def __init__(self, address: str) -> None:
        self.address = address

    def run(
        self, work: Work, common: Any, pieces: Sequence[Any], stop: threading.Event
    ) -> Iterator[tuple[int, Any | Failure]]:
        from distributed import Client

        make: Any = Client
        with make(self.address, timeout=20) as client:
            lost: list[int] = []
            yield from self._results(client, work, common, pieces, range(len(pieces)), lost, stop)
            for number in lost:  # pieces that only waited where one killed its worker are among them
                again: list[int] = []
                yield from self._results(client, work, common, pieces, [number], again, stop)
                if again:
                    yield number, Failure(DIED)

    def _results(
        self,
        client: Any,
        work: Work,
        common: Any,
        pieces: Sequence[Any],
        numbers: Sequence[int],
        lost: list[int],
        stop: threading.Event,
    ) -> Iterator[tuple[int, Any | Failure]]:
        """Results of pieces; `lost` has those of workers that died."""
        from distributed import KilledWorker, as_completed

        futures = {client.submit(_elsewhere, work, common, pieces[number], pure=False): number for number in numbers}
        ready: Any = as_completed
        completed = ready(futures)
        try:
            while completed.count() and not stop.is_set():
                if not completed.has_ready():
                    stop.wait(PAUSE)
                    continue
                future = next(completed)
                error = future.exception()
                if isinstance(error, KilledWorker):
                    lost.append(futures[future])
                else:
                    yield futures[future], future.result() if error is None else Failure(_why(error))
        finally:
            client.cancel(list(futures))


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
