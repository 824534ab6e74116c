"""Processes of `nnmip` in the state in which a package is installed: with its modules compiled, as pip leaves them."""

from __future__ import annotations

import compileall
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def environment(root: Path = ROOT) -> dict[str, str]:
    """The variables with which Python takes `nnmip` from the tree at `root`, which is compiled by now."""
    compileall.compile_dir(root / "nnmip", quiet=1)
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path) != ROOT]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *given])}


def run(arguments: Sequence[str], root: Path = ROOT) -> tuple[float, subprocess.CompletedProcess[str]]:
    """One Python process from its cold start to its end: CPU seconds of it and its children, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment(root), capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done
