"""From an ONNX file and a box to a portable MPS file on disk: CPU seconds, wall seconds and memory, by tool.

    python tests/benchmarks/embedding/build.py NETS FOLDER [--environments ENVIRONMENTS] [--only NAME ...]

NETS holds the files of `nets.py`; the MPS files go to FOLDER. nnmip is run as `nnmip compile`, with bounds by lines as
it finds them by itself. With `--environments`, OMLT (big-M) is run too, from PyPI in an environment of its own that is
made there. A tool is a process of its own: imports count. The box is [0.48, 0.52] in every input.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.benchmarks.embedding.peers import PEERS
from tests.benchmarks.embedding.tasks import SINGLE, Task

PEER = "omlt"

LOW, HIGH = 0.48, 0.52
SHAPES = {
    "digits_50x2": "64",
    "digits_100x3": "64",
    "control": "5",
    "dense_512x2": "784",
    "cnn": "1, 28, 28",
    "cnn_large": "1, 28, 28",
}
"""Every network with the shape of its input."""


def text_of(path: Path, shape: str, output: str) -> str:
    """The model for nnmip: the largest value of one output over the box."""
    lines = ("nnm 0.1", f'network f = onnx("{path.resolve()}")', f"var x : real[{shape}] in [{LOW}, {HIGH}]")
    return "\n".join((*lines, f"maximize f(x){output}", ""))


def measured(command: list[str | Path]) -> tuple[int, float, float, float]:
    """Exit code, CPU seconds, wall seconds and the largest memory in MB of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = usage.ru_maxrss / 1024  # Linux counts in kB
    return process.returncode, usage.ru_utime + usage.ru_stime, time.perf_counter() - began, memory


def commands(net: Path, folder: Path, environments: Path | None) -> dict[str, tuple[list[str | Path], Path]]:
    """The commands of the tools, each with the file that it writes."""
    shape, name = SHAPES[net.stem], net.stem
    model, ours = folder / f"{name}.nnm", folder / f"{name}.nnmip.mps"
    model.write_text(text_of(net, shape, "" if name == SINGLE else "[3]"))
    found: dict[str, tuple[list[str | Path], Path]] = {
        "nnmip": ([sys.executable, "-m", "nnmip", "compile", model, "-o", ours, "--allow-size", "8GB"], ours)
    }
    if environments is not None:
        given, theirs = folder / f"{name}.json", folder / f"{name}.{PEER}.mps"
        low, high = (np.full(tuple(map(int, shape.split(","))), end) for end in (LOW, HIGH))
        Task(net, low, high, None if name == SINGLE else 3).save(given)
        found[PEER] = ([PEERS[PEER].python(environments / PEER), "-c", PEERS[PEER].script, given, theirs], theirs)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=Path, help="a folder for the environment of OMLT")
    parser.add_argument("--only", nargs="+", choices=SHAPES, metavar="NAME", default=list(SHAPES))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'network':14} {'tool':8} {'CPU s':>7} {'wall s':>7} {'MB':>7} {'file MB':>8}   CPU and memory over nnmip")
    for name in given.only:
        first: tuple[float, float] | None = None
        for tool, (command, path) in commands(given.nets / f"{name}.onnx", given.folder, given.environments).items():
            path.unlink(missing_ok=True)
            code, cpu, wall, memory = measured(command)
            if code or not path.exists():
                print(f"{name:14} {tool:8} failed with exit code {code}")
                continue
            size = path.stat().st_size / 1e6
            first = first or ((cpu, memory) if tool == "nnmip" else None)
            ratios = f"{cpu / first[0]:6.2f} {memory / first[1]:6.2f}" if first else "no answer of nnmip"
            print(f"{name:14} {tool:8} {cpu:7.2f} {wall:7.2f} {memory:7.0f} {size:8.1f}   {ratios}")


if __name__ == "__main__":
    main()
