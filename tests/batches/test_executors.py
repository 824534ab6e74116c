"""Executors give every result once, whatever becomes of their workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from nnmip.batches.executors import DIED, Failure, Processes, executor_of
from tests.batches.work import broken, deadly, slow, squared


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two Dask workers, each a process."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:  # type: ignore[no-untyped-call]
        yield made.scheduler_address.replace("tcp://", "dask://")


@pytest.fixture(params=["in-process", "processes", "dask"])
def text(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("cluster") if request.param == "dask" else request.param


def test_every_piece_has_its_result(text: str) -> None:
    found = list(executor_of(text, 2).run(squared, 100, list(range(7)), threading.Event()))
    assert sorted(found) == [(k, 100 + k * k) for k in range(7)]
    assert list(executor_of(text, 2).run(squared, 0, [], threading.Event())) == []


def test_a_defect_loses_no_other_piece(text: str) -> None:
    found = dict(executor_of(text, 2).run(broken, None, [1, 0, 3], threading.Event()))
    assert found == {0: 6.0, 1: Failure("ZeroDivisionError: division by zero"), 2: 2.0}


def test_processes_outlive_a_worker(tmp_path: Path) -> None:
    found = dict(Processes(2).run(deadly, str(tmp_path), list(range(6)), threading.Event()))
    assert found == {0: 0, 1: 1, 2: Failure(DIED), 3: 3, 4: 4, 5: 5}


def test_a_cluster_outlives_a_worker(cluster: str, tmp_path: Path) -> None:
    found = dict(executor_of(cluster).run(deadly, str(tmp_path), list(range(6)), threading.Event()))
    assert found == {0: 0, 1: 1, 2: Failure(DIED), 3: 3, 4: 4, 5: 5}


def test_stopping_keeps_what_is_there() -> None:
    stop, begun, found = threading.Event(), time.monotonic(), []
    for number, result in Processes(2).run(slow, None, [0, 1, 2], stop):
        found.append((number, result))
        stop.set()
    assert found == [(0, 0)] and time.monotonic() - begun < 40


def test_what_is_no_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is no executor; there are"):
        executor_of("threads")
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'nnmip\[dask\]'"):
        executor_of("dask://localhost:1")
