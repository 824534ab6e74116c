"""Verifiers that are asked the same: a network in an ONNX file, a query in a VNN-LIB file, a witness in its form.

Each query has a process of its own, whose CPU seconds are those of all that it started, its own start included: a
verifier is also asked nothing, to tell them apart. The other tool is Marabou, from PyPI, in an environment of its own
that is made where it is missing; it is asked as its documentation has it, on one thread.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.embedding.peers import python_of

FloatArray = NDArray[np.float64]

PACKAGES = ("maraboupy==2.0.0", "onnx", "onnxruntime")
MARABOU = """
import sys
from maraboupy import Marabou

if len(sys.argv) > 1:
    net, query, answer, seconds = sys.argv[1:]
    network = Marabou.read_onnx(net)
    options = Marabou.createOptions(verbosity=0, timeoutInSeconds=int(seconds))
    found, values, _ = network.solve(verbose=False, options=options, propertyFilename=query)
    x = [values[name] for name in network.inputVars[0].ravel()] if found == "sat" else []
    with open(answer, "w") as stream:
        print(found.lower(), *(f"(X_{k} {value!r})" for k, value in enumerate(x)), sep="\\n", file=stream)
"""

Ask = Callable[[Path, Path, Path, int], Sequence["str | Path"]]
"""The command that answers a query: network, query, where the answer goes, wall seconds."""


@dataclass(frozen=True)
class Verifier:
    """A tool: the command that answers a query, and the one that only starts it."""

    ask: Ask
    idle: Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Reply:
    """sat, unsat, or anything else for no answer; the input of `sat`; CPU seconds."""

    answer: str
    x: FloatArray | None
    seconds: float


def ours() -> Verifier:
    nnmip: list[str | Path] = [sys.executable, "-m", "nnmip"]

    def ask(net: Path, query: Path, answer: Path, seconds: int) -> Sequence[str | Path]:
        return [*nnmip, "verify", "--vnnlib", net, query, "--time-limit", str(seconds), "--witness", answer]

    return Verifier(ask, [sys.executable, "-c", "import nnmip.vnnlib.decide"])


def marabou(environment: Path) -> Verifier:
    run: list[str | Path] = [python_of(environment, PACKAGES), "-W", "ignore", "-c", MARABOU]

    def ask(net: Path, query: Path, answer: Path, seconds: int) -> Sequence[str | Path]:
        return [*run, net, query, answer, str(seconds)]

    return Verifier(ask, run)


def used(command: Sequence[str | Path], most: int) -> float:
    """The CPU seconds of a command and of what it waited for; it is ended where its own are more than `most`."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))

    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, preexec_fn=limit)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def asked(verifier: Verifier, net: Path, query: Path, limits: tuple[int, int]) -> Reply:
    """limits: CPU and wall seconds. An answer that took more CPU seconds is none."""
    answer = query.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    most, wall = limits
    seconds = used(verifier.ask(net, query, answer, wall), most)
    if not answer.exists():
        return Reply("none", None, seconds)
    text = answer.read_text(encoding="utf-8")
    found = {int(place): float(value) for place, value in re.findall(r"\(X_(\d+)\s+([^()\s]+)\)", text)}
    x = np.array([found[place] for place in sorted(found)]) if found else None
    return Reply(text.split()[0] if seconds <= most else "late", x, seconds)
