"""Measures two routes in turn, each run in a process of its own, so that a drift of the machine hits both."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Figures = dict[str, float]


def alternate(
    script: str, routes: tuple[str, str], arguments: list[str], repetitions: int
) -> list[tuple[Figures, Figures]]:
    """Run `script --route ROUTE arguments` for both routes `repetitions` times; each prints its figures as JSON."""

    def figures(route: str) -> Figures:
        command = [sys.executable, script, "--route", route, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
        return dict(json.loads(answer.stdout.splitlines()[-1]))

    return [(figures(routes[0]), figures(routes[1])) for _ in range(repetitions)]


def timed(work: Callable[[], object], more: Mapping[str, float]) -> None:
    """Do the work once and print its seconds with `more` figures."""
    began = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - began
    del result
    print(json.dumps({"seconds": seconds, **more}))


def median(runs: list[tuple[Figures, Figures]], position: int, figure: str = "seconds") -> float:
    """The median of a figure of one route."""
    return statistics.median(run[position][figure] for run in runs)


def ratio(runs: list[tuple[Figures, Figures]]) -> float:
    """The median over the pairs of the second route's seconds by the first's."""
    return statistics.median(second["seconds"] / first["seconds"] for first, second in runs)
