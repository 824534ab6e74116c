"""A child process that lives for many commands, and what every answer to hostile input has in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTED = frozenset({0, 1, 2, 3, 4})
"""The exit codes of the manual, without internal errors and interrupts."""


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Sandbox:
    """Starts the worker when it is first needed, and again when it has died."""

    def __init__(self) -> None:
        self._worker: subprocess.Popen[str] | None = None

    def run(self, folder: Path, *arguments: str) -> Answer:
        """The answer to a command, after checking what must hold of every one."""
        found = self._ask(folder, arguments)
        what = f"nnmip {' '.join(arguments)}\n{found.text[-3000:]}"
        assert found.code in DOCUMENTED, what
        assert "Traceback" not in found.text and "internal error" not in found.text, what
        if found.code == 1 and arguments[0] != "solve":
            assert "error[NNM" in found.text or arguments[0] == "fmt", what
        return found

    def close(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def _ask(self, folder: Path, arguments: tuple[str, ...]) -> Answer:
        if self._worker is None or self._worker.poll() is not None:
            self._worker = self._start()
        assert self._worker.stdin is not None and self._worker.stdout is not None
        self._worker.stdin.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        if not line:
            self.close()
            return Answer(-2, "", "the process died")
        return Answer(**json.loads(line))

    @staticmethod
    def _start() -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
