"""How fast a long model is parsed, and what the first parse of a process costs.

Run `python tests/benchmarks/parse_speed.py [--declarations N] [--repetitions R]`. Prints the lines per second of CPU
time for N declarations of every kind (best of R), of which the goal is 4000, and the CPU time from the start of
`import nnmip.syntax.parser` to the tree of a small model in a new process (best and median of 2 R), of which the goal
is 0.12 s; the modules are compiled before and the tables of the grammar kept, as after any first run. Other work on the
machine adds to both. The time of the interpreter itself is not counted. What importing Lark would take is a measure of
the machine: packages that it loads only where developers' tools brought them are hidden.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from nnmip.sizes import Allowance
from nnmip.source import SourceFile
from nnmip.syntax.parser import parse

ROOT = Path(__file__).resolve().parents[2]
LINES_PER_SECOND = 4000
ALLOWANCE = Allowance.of("4 GB")
FIRST_SECONDS = 0.12
FIRST_PARSE = """
import time
began = time.process_time()
from nnmip.sizes import Allowance
from nnmip.source import SourceFile
from nnmip.syntax.parser import parse
text = open("examples/iris.nnm").read()
assert not parse(SourceFile("iris.nnm", text)).diagnostics
print(time.process_time() - began)
"""

IMPORT_LARK = """
import sys, time
sys.modules.update(dict.fromkeys(["interegular", "atomicwrites"]))
began = time.process_time()
import lark
print(time.process_time() - began)
"""

BLOCK = """
param budget_{n} : int in 0..9 = 2 * {n} + 1
data train_{n} = csv("train_{n}.csv") {{
  features petal_length, petal_width scale minmax
  label    species as {{setosa: -1, versicolor: +1}}
}}
network clf_{n}(x: real[2] in [0, 1]) {{
  layer h = dense(x, units: 4, weights in [-2, -0.05] | {{0}} | [0.05, 2], bias in [-1, 1])
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in [-1, 1])
  return o[0]
}}
let size_{n} = l0(clf_{n}.weights) + 0.1 * count(used(clf_{n}.a))
constraint sparse_{n} "weight budget":
  l0(clf_{n}.weights) <= budget_{n}
constraint reads_{n} "a unit that is used must read petal_width":
  forall j in units(clf_{n}.a): used(clf_{n}.a[j]) -> nonzero(clf_{n}.h.weights[j, petal_width])
"""
PER_BLOCK = 6


def long_model(declarations: int) -> str:
    """A text of about as many declarations, in the proportion that models have."""
    blocks = -(-declarations // PER_BLOCK)
    return "nnm 0.1\n" + "".join(BLOCK.format(n=n) for n in range(blocks)) + "satisfy\n"


def lines_per_second(text: str) -> float:
    source = SourceFile("long.nnm", text)
    began = time.process_time()
    assert not parse(source, ALLOWANCE).diagnostics
    return text.count("\n") / (time.process_time() - began)


def first_seconds(compiled: str, script: str = FIRST_PARSE) -> float:
    """The seconds that a script prints, run with compiled modules from a folder."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of parsing.")
    parser.add_argument("--declarations", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    text = long_model(options.declarations)
    with TemporaryDirectory() as compiled:
        first_seconds(compiled)
        seconds = sorted(first_seconds(compiled) for _ in range(2 * options.repetitions))
        lark = min(first_seconds(compiled, IMPORT_LARK) for _ in range(options.repetitions))
    rate = max(lines_per_second(text) for _ in range(options.repetitions))
    size = f"{options.declarations} declarations, {text.count(chr(10))} lines, {len(text) / 1e6:.1f} MB"
    print(f"{size}: {rate:.0f} lines/s (goal {LINES_PER_SECOND})")
    median = statistics.median(seconds)
    print(f"first parse of a process: {seconds[0]:.3f} s of CPU, median {median:.3f} (goal below {FIRST_SECONDS})")
    print(f"importing Lark, which it does not do: {lark:.3f} s")


if __name__ == "__main__":
    main()
