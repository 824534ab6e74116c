"""How long something may take: CPU time of a thread, so that a busy machine sees the same networks, and a last end."""

from __future__ import annotations

import time

from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """An end in CPU seconds of the thread, and one of the clock."""

    cpu: float
    clock: float

    @staticmethod
    def of(seconds: float, limit: float) -> Budget:
        """`seconds` of CPU time from now on, within `limit` seconds of the clock."""
        return Budget(time.thread_time() + seconds, time.monotonic() + limit)

    @property
    def is_over(self) -> bool:
        return time.thread_time() >= self.cpu or time.monotonic() >= self.clock
