"""What every tool is asked: the most of one output of a network over a box. The cases, and the files of every tool."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.embedding.peers import PEERS

Array = NDArray[np.float64]

SINGLE = "control"
"""The network that has one output only."""
OURS = "nnmip"


@dataclass(frozen=True)
class Task:
    """The most of one output of a network over a box; low, high: of the shape of its input, without a batch.

    output: None where there is but one.
    """

    net: Path
    low: Array
    high: Array
    output: int | None

    def save(self, path: Path) -> None:
        """What the scripts of the peers read."""
        text = {"net": str(self.net.resolve()), "shape": self.low.shape, "output": self.output}
        path.write_text(json.dumps({**text, "low": self.low.tolist(), "high": self.high.tolist()}))

    def write_model(self, path: Path, bounds: str | None = None) -> None:
        """The model for nnmip, with the box in files beside it; bounds: how they are found, else that is up to it."""
        shape = ", ".join(map(str, self.low.shape))
        for name, end in (("low", self.low), ("high", self.high)):
            np.save(path.with_suffix(f".{name}.npy"), end)
        lines = (
            "nnm 0.1",
            *([] if bounds is None else [f'@bounds("{bounds}")']),
            f'network f = onnx("{self.net.resolve()}")',
            *(f'data {name} : real[{shape}] = npy("{path.stem}.{name}.npy")' for name in ("low", "high")),
            f"var x : real[{shape}] in [{float(self.low.min())}, {float(self.high.max())}]",
            "constraint box: low <= x <= high",
            f"maximize f(x){'' if self.output is None else f'[{self.output}]'}",
        )
        path.write_text("\n".join((*lines, "")))


@dataclass(frozen=True)
class Case:
    """A task by the name of its network and the number of the point in the middle of its box."""

    net: str
    radius: float
    point: int = 0
    output: int = 3

    @property
    def name(self) -> str:
        return f"{self.net} {self.radius:g} p{self.point}" + ("" if self.net == SINGLE else f" y{self.output}")

    @property
    def file(self) -> str:
        """The name without what files cannot be called."""
        return self.name.replace(" ", "_").replace(".", "")

    def task(self, nets: Path) -> Task:
        """Inputs stay between 0 and 1, as those of images do."""
        center = np.load(nets / "points.npz")[self.net][self.point]
        low, high = (np.clip(center + sign * self.radius, 0.0, 1.0) for sign in (-1, 1))
        return Task(nets / f"{self.net}.onnx", low, high, None if self.net == SINGLE else self.output)


CASES = (
    Case("digits_50x2", 0.05),
    Case("digits_50x2", 0.05, point=1, output=7),
    Case("digits_50x2", 0.1, point=2),
    Case("digits_50x2", 0.1, point=3, output=8),
    Case("digits_100x3", 0.01, point=1),
    Case("digits_100x3", 0.02),
    Case("digits_100x3", 0.02, point=2, output=1),
    Case("digits_100x3", 0.04, point=3, output=8),
    Case("control", 0.02),
    Case("control", 0.05, point=1),
    Case("control", 0.05, point=2),
    Case("control", 0.1, point=3),
    Case("cnn", 0.002),
    Case("cnn", 0.005, point=1, output=7),
    Case("cnn", 0.01, point=2),
    Case("dense_512x2", 0.0005),
    Case("dense_512x2", 0.001, point=1, output=5),
)
"""The fixed set of `solve.py`."""


def written(task: Task, path: Path, tool: str, environments: Path, bounds: str | None = None) -> Path | None:
    """What a tool writes of a task, at `path` with an ending of its own; None where it cannot."""
    if tool == OURS:
        given, found = path.with_suffix(".nnm"), path.with_suffix(".mps")
        task.write_model(given, bounds)
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "nnmip",
            "compile",
            given,
            "-o",
            found,
            "--allow-size",
            "8GB",
        ]
    else:
        peer = PEERS[tool]
        given, found = path.with_suffix(".json"), path.with_suffix(f".{tool}.{peer.ending}")
        task.save(given)
        command = [peer.python(environments / tool), "-c", peer.script, given, found]
    found.unlink(missing_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not found.exists():
        print(f"{path.name}: {tool} writes no file: {(done.stderr.splitlines() or ['no word'])[-1]}", file=sys.stderr)
        return None
    return found


def arguments(about: str | None, tools: list[str]) -> argparse.ArgumentParser:
    """The command line of a measurement of files: where networks and files are, and whose files are measured."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("nets", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--environments", type=Path, default=Path("environments"), help="a folder for the other tools")
    parser.add_argument("--tools", nargs="+", default=[OURS, *tools])
    return parser


def chosen(names: list[str] | None) -> Iterator[Case]:
    """Cases whose names begin with one of some texts; all where there are none."""
    return (case for case in CASES if names is None or case.name.startswith(tuple(names)))
