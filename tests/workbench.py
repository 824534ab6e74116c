"""Small models, and commands run the way a user runs them, for the tests of the outer layers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

POINTS = "x0,x1,parity\n-1,-1,even\n-1,1,odd\n1,-1,odd\n1,1,even\n"

_HEAD = """nnm 0.1

param most : int = 6

data points = csv("points.csv") {
  features x0, x1
  label    parity as {even: -1, odd: +1}
}

network net(x: real[2] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in -1..1, bias in -1..1)
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in -2..2)
  return o[0]
}

constraint few "weight budget":
  l0(net.weights) <= most
"""

XOR = _HEAD + "\nminimize hinge(net, points) + 0.001 * l0(net.weights) + 0.0001 * norm_1(net.weights)\n"
"""Optimum 0.0066: all six weights are 1 or -1."""

XOR_MAXIMISED = _HEAD + "\nmaximize 2 - hinge(net, points) - 0.01 * l0(net.weights)\n"
"""Optimum 1.94."""

SATISFIED = _HEAD + "\nsatisfy\n\nconstraint some: l0(net.weights) >= 2\n"

INFEASIBLE = _HEAD + "\nminimize hinge(net, points)\n\nconstraint many: l0(net.weights) >= 7\n"

BROKEN = XOR.replace("hinge(net, points)", "hinge(net, pionts)").replace("<= most", "<= most(1)")

LINEAR = """nnm 0.1

data cars = csv("cars.csv") {
  features weight, "top speed" as speed scale minmax
  label    kind as {truck: -1, sport: +1}
}

network clf(x: real[2] in [0, 1]) {
  layer o = dense(x, units: 1, weights in [-4, 4], bias in [-4, 4])
  return o[0]
}

minimize hinge(clf, cars) + 0.01 * l0(clf.weights)
"""
"""Optimum 0.01: the score -4 * x0 + 2 has hinge 0 with one weight (top speed alone serves as well)."""

CARS = "weight,top speed,kind\n1000,250,sport\n1200,240,sport\n2600,120,truck\n3000,100,truck\n"


def hard(folder: Path) -> Path:
    """A model whose proof takes far longer than any test; good networks are found within a second."""
    chance = random.Random(4)
    rows = ["a,b,c,kind"]
    for _ in range(40):
        a, b, c = (chance.randint(-5, 5) / 5 for _ in range(3))
        rows.append(f"{a},{b},{c},{'yes' if (a * b + c * a > 0.1) ^ (chance.random() < 0.15) else 'no'}")
    (folder / "hard.csv").write_text("\n".join(rows) + "\n")
    model = folder / "hard.nnm"
    model.write_text(
        """nnm 0.1
data points = csv("hard.csv") {
  features a, b, c
  label    kind as {no: -1, yes: +1}
}
network net(x: real[3] in [-1, 1]) {
  layer h = dense(x, units: 3, weights in -2..2, bias in [-2, 2])
  layer r = relu(h, prune: units)
  layer o = dense(r, units: 1, weights in {-1, 0, 1}, bias in [-2, 2])
  return o[0]
}
minimize zero_one(net, points, margin: 0.5) + 0.01 * l0(net.weights)
"""
    )
    return model


def write_model(folder: Path, text: str, name: str = "xor.nnm") -> Path:
    """The model, with the tables that the models of this module read next to it."""
    (folder / "points.csv").write_text(POINTS)
    (folder / "cars.csv").write_text(CARS)
    path = folder / name
    path.write_text(text)
    return path


def environment(**extra: str) -> dict[str, str]:
    """The environment of a command: this nnmip, whether it is installed or not."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}


def nnmip(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """`nnmip arguments...` in a process of its own, run in `folder`; `extra` are environment variables."""
    command = [sys.executable, "-m", "nnmip", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**extra), capture_output=True, text=True, timeout=120, check=False
    )


def start_nnmip(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`nnmip arguments...` running in `folder`, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nnmip", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def standard_json(text: str) -> Any:
    """One JSON value; NaN and Infinity, which are no JSON, fail."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def solvers_below(process: int) -> list[int]:
    """The children of a process, which are solver processes."""
    listed = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    return [int(number) for numbers in listed for number in numbers.split()]


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(map(is_running, processes)):
            return
        time.sleep(0.05)
    raise AssertionError(f"still running: {processes}")
