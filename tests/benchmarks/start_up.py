"""CPU time of short commands against an empty Python process.

Run `python tests/benchmarks/start_up.py [--repetitions R] [--against FOLDER]`. Prints the median CPU time of each
command and its ratio to `python -c pass`, measured in turn. FOLDER is another checkout, such as that of the commit
before: then each command runs in both in turn, and its line ends with the ratio of this tree to that one. The first
run of each, which fills caches, is not counted. POSIX only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import cold

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import numpy'": ["-c", "import numpy"],
    "nnmip --help": ["-m", "nnmip", "--help"],
    "nnmip check iris.nnm": ["-m", "nnmip", "check", "examples/iris.nnm"],
    "nnmip solve xor.nnm (search)": ["-m", "nnmip", "solve", "examples/xor.nnm"],
    "nnmip solve xor.nnm (direct)": ["-m", "nnmip", "solve", "examples/xor.nnm", "--formulation", "direct"],
}


def cpu_seconds(name: str, root: Path) -> float:
    seconds, done = cold.run(COMMANDS[name], root)
    done.check_returncode()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of start-up.")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    options = parser.parse_args()
    trees = [cold.ROOT, *([options.against.resolve()] if options.against is not None else [])]
    rounds = [
        {(name, tree): cpu_seconds(name, tree) for name in COMMANDS for tree in trees}
        for _ in range(1 + options.repetitions)
    ][1:]
    empty = next(iter(COMMANDS))
    for name in COMMANDS:
        seconds = statistics.median(times[name, cold.ROOT] for times in rounds)
        line = f"{name:<28} {1000 * seconds:6.0f} ms  {ratio(rounds, (name, cold.ROOT), (empty, cold.ROOT)):5.1f} x"
        for other in trees[1:]:
            line += f"  {ratio(rounds, (name, cold.ROOT), (name, other)):5.2f} of the other tree"
        print(line)


def ratio(rounds: list[dict[tuple[str, Path], float]], one: tuple[str, Path], other: tuple[str, Path]) -> float:
    """The median over the rounds of what `one` takes by what `other` does."""
    return statistics.median(times[one] / times[other] for times in rounds)


if __name__ == "__main__":
    main()
