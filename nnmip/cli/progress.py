"""Live progress on stderr: a line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from nnmip.cli.common import print_json, wants_colour

if TYPE_CHECKING:
    from rich.status import Status

    from nnmip.backends.protocol import Progress

PAUSE = 5.0
"""Seconds between plain lines."""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def gap_of(progress: Progress) -> float | None:
    """Absolute gap, relative where the incumbent is not near 0."""
    if progress.incumbent is None or progress.dual_bound is None:
        return None
    distance = abs(progress.incumbent - progress.dual_bound)
    return distance / abs(progress.incumbent) if abs(progress.incumbent) >= 1e-6 else distance


def progress_line(progress: Progress) -> str:
    """Phase, incumbent, dual bound, gap, nodes and time in one line."""
    gap = gap_of(progress)
    shown = "-" if gap is None else f"{100 * gap:.3g} %"
    nodes = "" if progress.nodes is None else f"  nodes {progress.nodes}"
    return (
        f"{progress.phase}  incumbent {_number(progress.incumbent)}  bound {_number(progress.dual_bound)}  gap {shown}"
        f"{nodes}  {progress.seconds:.1f} s"
    )


class LiveProgress:
    """A context manager whose `update` shows the latest progress."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._last = time.monotonic()

    def __enter__(self) -> LiveProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.status import Status

            console = Console(stderr=True, no_color=not wants_colour(sys.stderr))
            self._status = Status("solving", console=console)
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, progress: Progress) -> None:
        if self._status is not None:
            if progress.is_milestone:
                self._status.console.print(progress_line(progress), markup=False, highlight=False)
            self._status.update(progress_line(progress))
        elif progress.is_milestone or time.monotonic() - self._last >= PAUSE:
            self._last = time.monotonic()
            sys.stderr.write(progress_line(progress) + "\n")
            sys.stderr.flush()


def stream_progress(progress: Progress) -> None:
    """One typed JSON line on stdout."""
    print_json(
        {
            "type": "progress",
            "phase": progress.phase,
            "seconds": progress.seconds,
            "incumbent": progress.incumbent,
            "dual_bound": progress.dual_bound,
            "gap": gap_of(progress),
            "nodes": progress.nodes,
        },
        indent=None,
    )
