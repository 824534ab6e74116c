"""Runs commands of nnmip in this process, one for each line of JSON on standard input, under limits.

A command may use 1 GB of address space more than the process has after all imports, and 5 seconds of processor time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType

GIGABYTE = 10**9
SECONDS = 8.0
"""Of CPU time. The longest texts take up to 5 on an idle machine, and more beside other tests."""


class Hang(BaseException):
    """A command that takes too long."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Hang


def limit_memory() -> None:
    """Let the process grow by no more than a gigabyte from now on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + GIGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def answer(job: dict[str, object]) -> dict[str, object]:
    from nnmip.cli.main import run

    os.chdir(str(job["folder"]))
    arguments = [str(argument) for argument in job["arguments"]]  # type: ignore[attr-defined]
    out, err = io.StringIO(), io.StringIO()
    code = -1
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
    except Hang:
        err.write("hang")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {"code": code, "out": out.getvalue()[-20_000:], "err": err.getvalue()[-20_000:]}


def main() -> None:
    import nnmip.pipeline
    from nnmip.cli import check, compile, fmt, import_solution, predict, show, solve  # noqa: F401
    from nnmip.lowering import lower  # noqa: F401

    nnmip.pipeline.loads("nnm 0.1\n").check()
    signal.signal(signal.SIGPROF, stop)
    limit_memory()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
