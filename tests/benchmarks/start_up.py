"""CPU time of short commands against an empty Python process.

Run `python tests/benchmarks/start_up.py [--repetitions R]`. Prints the median CPU time of each command and its ratio to
`python -c pass`, measured in turn. The first run of each, which fills caches, is not counted. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import numpy'": ["-c", "import numpy"],
    "nnmip --help": ["-m", "nnmip", "--help"],
    "nnmip check iris.nnm": ["-m", "nnmip", "check", "examples/iris.nnm"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one Python process."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of start-up.")
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    for arguments in COMMANDS.values():
        cpu_seconds(arguments)
    rounds = [[cpu_seconds(arguments) for arguments in COMMANDS.values()] for _ in range(repetitions)]
    for position, name in enumerate(COMMANDS):
        seconds = statistics.median(round_[position] for round_ in rounds)
        ratio = statistics.median(round_[position] / round_[0] for round_ in rounds)
        print(f"{name:<26} {1000 * seconds:6.0f} ms  {ratio:5.1f} x")


if __name__ == "__main__":
    main()
