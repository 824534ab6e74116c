"""CPU seconds of HiGHS and CBC on the files of every tool: the most of one output of a network over a box.

    python tests/benchmarks/embedding/solve.py NETS FOLDER [--environments ENVIRONMENTS] [--only NAME ...]
        [--tools nnmip omlt scip] [--solvers highs cbc] [--seconds S] [--whole] [--orders N]

NETS holds the files of `nets.py`, FOLDER gets the models and `runs.jsonl`, the results so far: a run that stands there
with the same limit is not repeated (`--again` does). The solver is the same for all: HiGHS as the package highspy has
it, CBC as the program that comes with python-mip, both with one thread, a relative gap of 1e-7, and else their own
defaults. What is limited and compared is CPU seconds from reading the file to the end, without the start of Python.
A proof of CBC counts where it holds (`proofs.py`); doubting it is not in the seconds.
`--whole` adds `nnmip solve`, from its start to its end; its limit is of elapsed seconds. `--orders` solves both files
of a case where ours is slower again, with rows and columns in so many random orders, and prints the medians: what a
solver takes for one order is chance in part.

Prints the runs, the geometric mean of the ratios to OMLT (a run that reaches the limit counts as that), the
cases where our file is slower than the best other one by more than 10 % and 0.1 s, and the answers that differ. Ends
with 1 where a proved answer of ours differs from another, or is less than what another tool found, by more than 1e-6.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.benchmarks.embedding.orders import reordered
from tests.benchmarks.embedding.process import used
from tests.benchmarks.embedding.proofs import holds
from tests.benchmarks.embedding.tasks import OURS, Case, arguments, chosen, written

GAP, TOLERANCE = 1e-7, 1e-6
SLOWER, LEAST = 1.1, 0.1
PROVED, REFUTED = "optimal", "its proof does not hold"
LONGER = 3.0
"""How often the seconds of a run its proof is doubted for, each time."""
WHOLE = "whole"
"""What `nnmip solve` is called in the tables."""

HIGHS = """
import json, sys, time
import highspy

path, seconds, gap = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
start = time.process_time()

def stop(event):
    if time.process_time() - start > seconds:
        event.interrupt()

highs = highspy.Highs()
highs.cbMipInterrupt.subscribe(stop)
highs.cbSimplexInterrupt.subscribe(stop)
options = {"output_flag": False, "threads": 1, "time_limit": 1000 * seconds, "mip_rel_gap": gap, "mip_abs_gap": 1e-9}
for name, value in options.items():
    highs.setOptionValue(name, value)
highs.readModel(path)
highs.run()
info = highs.getInfo()
found = {"seconds": time.process_time() - start, "status": highs.modelStatusToString(highs.getModelStatus()).lower()}
print(json.dumps({**found, "objective": info.objective_function_value, "bound": info.mip_dual_bound}))
"""


@dataclass(frozen=True)
class Run:
    """What a solver made of the file of a tool; objective and bound of the greatest value, None where there is none."""

    case: str
    solver: str
    tool: str
    limit: float
    status: str
    seconds: float
    objective: float | None = None
    bound: float | None = None

    @property
    def is_proved(self) -> bool:
        return self.status == PROVED

    @property
    def cell(self) -> str:
        return f"{'' if self.is_proved else '>'}{self.seconds:.2f}"


def turned(value: float | None) -> float | None:
    """A value of the minimised file as one of the output; None for an infinite one."""
    return None if value is None or not np.isfinite(value) or abs(value) >= 1e20 else -value


def by_highs(path: Path, seconds: float) -> dict[str, Any]:
    _, text = used([sys.executable, "-c", HIGHS, path, str(seconds), str(GAP)])
    found = json.loads(text)
    return {**found, "objective": turned(found["objective"]), "bound": turned(found["bound"])}


def by_cbc(path: Path, seconds: float) -> dict[str, Any]:
    import cbcbox

    limits = (
        "-timeMode",
        "cpu",
        "-sec",
        str(seconds),
        "-ratioGap",
        str(GAP),
        "-allowableGap",
        "1e-9",
        "-increment",
        "1e-9",
    )
    cpu, text = used([cbcbox.cbc_bin_path(), path, *limits, "-solve"])

    def number(label: str) -> float | None:
        found = re.search(rf"^{label}:\s+(\S+)", text, re.MULTILINE)
        return None if found is None else turned(float(found[1]))

    result = re.search(r"^Result - (.*?)(?: solution found.*)?$", text, re.MULTILINE)
    status = "no answer" if result is None else result[1].lower()
    objective = number("Objective value")
    if status == PROVED and objective is not None and not holds(path, -objective, LONGER * (cpu + 1.0)):
        return {"status": REFUTED, "seconds": cpu, "objective": objective, "bound": None}
    bound = objective if status == PROVED else number("Lower bound")
    return {"status": status, "seconds": cpu, "objective": objective, "bound": bound}


def by_nnmip(path: Path, solver: str, seconds: float) -> dict[str, Any]:
    limits = ("--solver", solver, "--time-limit", str(seconds), "--gap", str(GAP), "--json")
    cpu, text = used([sys.executable, "-m", "nnmip", "solve", path, *limits])
    found = json.loads(text)
    values = {"objective": found["objective"], "bound": found["dual_bound"]}
    return {"status": found["solution"], "seconds": cpu, **values}


SOLVERS = {"highs": by_highs, "cbc": by_cbc}


class Record:
    """The runs so far, in a file with one of them a line."""

    def __init__(self, path: Path, is_new: bool) -> None:
        self.path = path
        self.runs: dict[tuple[str, str, str, float], Run] = {}
        if path.exists() and not is_new:
            for line in path.read_text().splitlines():
                self._take(Run(**json.loads(line)))

    def _take(self, run: Run) -> None:
        self.runs[run.case, run.solver, run.tool, run.limit] = run

    def add(self, run: Run) -> Run:
        self._take(run)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(run)) + "\n")
        return run


def runs_of(case: Case, given: argparse.Namespace, record: Record) -> Iterator[Run]:
    """The runs of a case, made where they are not on record."""
    path = given.folder / case.file
    files: dict[str, Path | None] = {}
    for solver in given.solvers:
        for tool in (*given.tools, *([WHOLE] if given.whole else [])):
            known = record.runs.get((case.name, solver, tool, given.seconds))
            if known is not None:
                yield known
                continue
            writer = OURS if tool == WHOLE else tool
            if writer not in files:
                files[writer] = written(case.task(given.nets), path, writer, given.environments)
            file = files[writer]
            if file is not None:
                whole = tool == WHOLE
                found = (
                    by_nnmip(path.with_suffix(".nnm"), solver, given.seconds)
                    if whole
                    else SOLVERS[solver](file, given.seconds)
                )
                yield record.add(Run(case.name, solver, tool, given.seconds, **found))


def shown(runs: list[Run]) -> None:
    """The rows of a case."""
    for run in runs:
        numbers = (f"{'-' if n is None else f'{n:.8f}':>14}" for n in (run.objective, run.bound))
        print(f"{run.case:24} {run.solver:6} {run.tool:8} {run.cell:>8} {' '.join(numbers)}  {run.status}", flush=True)


def compared(groups: list[list[Run]]) -> list[tuple[Run, Run]]:
    """What the runs of every case and solver say side by side; those of ours that are slower, with the best other."""
    ratios: dict[str, list[float]] = {}
    slow: list[tuple[Run, Run]] = []
    for group in groups:
        by_tool = {run.tool: run for run in group}
        ours = by_tool.get(OURS)
        peers = [run for run in group if run.tool not in (OURS, WHOLE)]
        if ours is not None and "omlt" in by_tool:
            ratios.setdefault(ours.solver, []).append(
                min(by_tool["omlt"].seconds, by_tool["omlt"].limit) / ours.seconds
            )
        best = min(peers, key=lambda run: (not run.is_proved, run.seconds), default=None)
        if ours is not None and best is not None and best.is_proved:
            much = ours.seconds > max(SLOWER * best.seconds, best.seconds + LEAST)
            if much or not ours.is_proved:
                slow.append((ours, best))
    for solver, found in ratios.items():
        mean = float(np.exp(np.mean(np.log(found))))
        print(f"{solver}: OMLT's file takes {mean:.2f} times as long as ours (geometric mean of {len(found)} cases)")
    print(f"slower than the best other file: {len(slow)}")
    for ours, best in slow:
        print(f"  {ours.case} {ours.solver}: {ours.cell} s, {best.tool} {best.cell} s")
    return slow


def in_orders(run: Run, path: Path, count: int) -> float:
    """The median of the seconds of a run with the rows and columns of its file in random orders."""
    target = path.with_suffix(".order.mps")
    seconds = []
    for seed in range(count):
        reordered(path, seed, target)
        seconds.append(SOLVERS[run.solver](target, run.limit)["seconds"])
    return float(np.median(seconds))


def differing(runs: list[Run]) -> int:
    """How many values of the runs of a case, with any solver, our proved answers do not allow; each is printed."""
    count = 0
    for mine in (run for run in runs if run.tool in (OURS, WHOLE) and run.is_proved):
        for other in (run for run in runs if run.tool not in (OURS, WHOLE) and run.objective is not None):
            assert mine.objective is not None and other.objective is not None
            more = (other.objective - mine.objective) / max(1.0, abs(mine.objective))
            if more > TOLERANCE or (other.is_proved and more < -TOLERANCE):
                print(f"{mine.case}: {mine.tool} {mine.solver} {mine.objective!r}", end=", ")
                print(f"{other.tool} {other.solver} {other.objective!r} ({other.status})")
                count += 1
    return count


def main() -> int:
    parser = arguments(__doc__, ["omlt", "scip"])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases whose names begin so")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one run")
    parser.add_argument("--whole", action="store_true", help="`nnmip solve` too")
    parser.add_argument("--orders", type=int, default=0, metavar="N", help="of the files where ours is slower")
    parser.add_argument("--again", action="store_true", help="repeat what is on record")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    record = Record(given.folder / "runs.jsonl", given.again)
    print(f"{'case':24} {'solver':6} {'file of':8} {'CPU s':>8} {'objective':>14} {'bound':>14}  answer")
    groups: list[list[Run]] = []
    wrong = 0
    for case in chosen(given.only):
        found = list(runs_of(case, given, record))
        shown(found)
        wrong += differing(found)
        groups += [[run for run in found if run.solver == solver] for solver in given.solvers]
    files = {case.name: given.folder / case.file for case in chosen(given.only)}
    slow = compared([group for group in groups if group])
    for pair in slow if given.orders else ():
        for run in pair:
            path = files[run.case].with_suffix(".mps" if run.tool == OURS else f".{run.tool}.mps")
            text = f"{in_orders(run, path, given.orders):.2f} s" if path.exists() else "its file is gone"
            print(f"  {run.case} {run.solver} {run.tool}: median of {given.orders} orders {text}")
    print(f"values that our proved answers do not allow: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
