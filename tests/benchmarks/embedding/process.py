"""A process, and what it cost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def used(command: list[str | Path]) -> tuple[float, str]:
    """CPU seconds of a process, and what it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, text
