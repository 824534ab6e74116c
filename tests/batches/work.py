"""Pieces of work for workers, which import them by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any


def squared(common: int, piece: int, stop: threading.Event) -> int:
    return common + piece * piece


def deadly(common: str, piece: int, stop: threading.Event) -> int:
    """Piece 2 kills its worker every time, piece 4 the first time."""
    first = Path(common) / "first"
    if piece == 2 or (piece == 4 and not first.exists()):
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def slow(common: Any, piece: int, stop: threading.Event) -> int:
    time.sleep(0.05 if piece == 0 else 60)
    return piece


def broken(common: Any, piece: int, stop: threading.Event) -> float:
    return 6 / piece
