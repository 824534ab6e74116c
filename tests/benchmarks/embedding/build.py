"""From an ONNX file and a box to a portable MPS file on disk: CPU seconds, wall seconds and memory, by tool.

    python tests/benchmarks/embedding/build.py NETS FOLDER [--environments ENVIRONMENTS] [--only NAME ...] [--runs N]

NETS holds the files of `nets.py`; the MPS files go to FOLDER. nnmip is run as `nnmip compile`, with bounds by lines as
it finds them by itself. With `--environments` the peers that write portable files are run, too (`peers.py`). A run is a
process of its own: imports count, all have their bytecode like installed ones, and one thread for NumPy. The tools
take turns; what is told are the medians of the runs. The box is [0.48, 0.52] in every input.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

import nnmip
from tests.benchmarks.embedding.peers import PEERS
from tests.benchmarks.embedding.tasks import OURS, SINGLE, Task

LOW, HIGH = 0.48, 0.52
SHAPES: Mapping[str, tuple[int, ...]] = {
    "digits_50x2": (64,),
    "digits_100x3": (64,),
    SINGLE: (5,),
    "dense_512x2": (784,),
    "cnn": (1, 28, 28),
    "cnn_large": (1, 28, 28),
}
"""Every network with the shape of its input."""

PORTABLE = ("omlt", "scip")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Run:
    """What a process took: CPU seconds, wall seconds, and the largest memory in MB."""

    cpu: float
    wall: float
    memory: float


def text_of(net: Path) -> str:
    """The model for nnmip: the largest value of one output over the box."""
    shape = ", ".join(map(str, SHAPES[net.stem]))
    lines = ("nnm 0.1", f'network f = onnx("{net.resolve()}")', f"var x : real[{shape}] in [{LOW}, {HIGH}]")
    return "\n".join((*lines, f"maximize f(x){'' if net.stem == SINGLE else '[3]'}", ""))


def command(tool: str, net: Path, folder: Path, environments: Path | None) -> tuple[list[str | Path], Path]:
    """How a tool is run, and the file that it writes."""
    target = folder / f"{net.stem}.{tool}.mps"
    if tool == OURS:
        model = folder / f"{net.stem}.nnm"
        model.write_text(text_of(net))
        return [sys.executable, "-m", "nnmip", "compile", model, "-o", target, "--allow-size", "8GB"], target
    assert environments is not None
    task, shape = folder / f"{net.stem}.json", SHAPES[net.stem]
    Task(net, np.full(shape, LOW), np.full(shape, HIGH), None if net.stem == SINGLE else 3).save(task)
    return [PEERS[tool].python(environments / tool), "-c", PEERS[tool].script, task, target], target


def measured(command: list[str | Path], target: Path) -> Run | None:
    """One run; None where it fails or writes nothing."""
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not target.exists():
        return None
    memory = usage.ru_maxrss / 1024  # Linux counts in kB
    return Run(usage.ru_utime + usage.ru_stime, time.perf_counter() - began, memory)


def middle(runs: list[Run | None]) -> Run | None:
    """The medians of some runs; None where one failed."""
    done = [run for run in runs if run is not None]
    if len(done) < len(runs):
        return None
    return Run(*(median(getattr(run, name) for run in done) for name in ("cpu", "wall", "memory")))


def compared(net: Path, folder: Path, environments: Path | None, count: int) -> None:
    """A line for every tool, with what it takes over what nnmip does."""
    tools = (OURS, *(PORTABLE if environments is not None else ()))
    commands = {tool: command(tool, net, folder, environments) for tool in tools}
    runs: dict[str, list[Run | None]] = {tool: [] for tool in tools}
    for _ in range(count):
        for tool, given in commands.items():
            if None not in runs[tool]:
                runs[tool].append(measured(*given))
    ours = middle(runs[OURS])
    for tool, (_, target) in commands.items():
        found = middle(runs[tool])
        if found is None:
            print(f"{net.stem:14} {tool:6} writes nothing")
            continue
        ratios = "" if ours is None else f"{found.cpu / ours.cpu:6.2f} {found.memory / ours.memory:6.2f}"
        took = f"{found.cpu:7.2f} {found.wall:7.2f} {found.memory:7.0f} {target.stat().st_size / 1e6:8.1f}"
        print(f"{net.stem:14} {tool:6} {took}   {ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=Path, help="a folder for the environments of the peers")
    parser.add_argument("--only", nargs="+", choices=SHAPES, metavar="NAME", default=list(SHAPES))
    parser.add_argument("--runs", type=int, default=3, help="how often each tool is run (3)")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    compileall.compile_dir(Path(nnmip.__file__).parent, quiet=1)
    print(f"{'network':14} {'tool':6} {'CPU s':>7} {'wall s':>7} {'MB':>7} {'file MB':>8}   CPU and memory over nnmip")
    for name in given.only:
        compared(given.nets / f"{name}.onnx", given.folder, given.environments, given.runs)


if __name__ == "__main__":
    main()
