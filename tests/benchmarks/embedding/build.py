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
import venv
from pathlib import Path

OMLT = ("omlt", "onnx", "pyomo")
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

PEER = """
import itertools, sys
import onnx, pyomo.environ as pyo
from omlt import OmltBlock
from omlt.io.onnx import load_onnx_neural_network
from omlt.neuralnet import ReluBigMFormulation

path, target, shape, low, high = sys.argv[1], sys.argv[2], eval(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
keys = list(itertools.product(*map(range, shape))) if len(shape) > 1 else range(shape[0])
net = load_onnx_neural_network(onnx.load(path), input_bounds={key: (low, high) for key in keys})
model = pyo.ConcreteModel()
model.net = OmltBlock()
model.net.build_formulation(ReluBigMFormulation(net))
outputs = list(model.net.outputs.values())
model.goal = pyo.Objective(expr=-outputs[min(3, len(outputs) - 1)])
model.write(target)
"""


def text_of(path: Path, shape: str, output: str) -> str:
    """The model for nnmip: the largest value of one output over the box."""
    lines = ("nnm 0.1", f'network f = onnx("{path.resolve()}")', f"var x : real[{shape}] in [{LOW}, {HIGH}]")
    return "\n".join((*lines, f"maximize f(x){output}", ""))


def environment(folder: Path) -> Path:
    """The Python of an environment with OMLT."""
    python = folder / "omlt" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "omlt", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *OMLT], check=True)
    return python


def measured(command: list[str | Path]) -> tuple[int, float, float, float]:
    """Exit code, CPU seconds, wall seconds and the largest memory in MB of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = usage.ru_maxrss / 1024  # Linux counts in kB
    return process.returncode, usage.ru_utime + usage.ru_stime, time.perf_counter() - began, memory


def commands(net: Path, folder: Path, python: Path | None) -> dict[str, tuple[list[str | Path], Path]]:
    """The commands of the tools, each with the file that it writes."""
    shape, name = SHAPES[net.stem], net.stem
    model, ours = folder / f"{name}.nnm", folder / f"{name}.nnmip.mps"
    model.write_text(text_of(net, shape, "" if name == "control" else "[3]"))
    found: dict[str, tuple[list[str | Path], Path]] = {
        "nnmip": ([sys.executable, "-m", "nnmip", "compile", model, "-o", ours, "--allow-size", "8GB"], ours)
    }
    if python is not None:
        theirs = folder / f"{name}.omlt.mps"
        found["omlt"] = ([python, "-c", PEER, net, theirs, f"({shape},)", str(LOW), str(HIGH)], theirs)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=Path, help="a folder for the environment of OMLT")
    parser.add_argument("--only", nargs="+", choices=SHAPES, metavar="NAME", default=list(SHAPES))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    python = None if given.environments is None else environment(given.environments)
    print(f"{'network':14} {'tool':8} {'CPU s':>7} {'wall s':>7} {'MB':>7} {'file MB':>8}   CPU and memory over nnmip")
    for name in given.only:
        first: tuple[float, float] | None = None
        for tool, (command, path) in commands(given.nets / f"{name}.onnx", given.folder, python).items():
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
