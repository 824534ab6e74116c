"""CPU seconds to proved optima of training problems; every answer is compared with the known optimum.

Run `python tests/benchmarks/training/run.py [ROW...]`, where ROW is a name or a pattern such as `moons-*` (`--list`
shows them; without one, all rows of draw 0). Each run is a cold process of `nnmip solve`, measured with its children,
without a start and without a cache. `--permute SEED` gives each repetition the rows and the columns of its table in
another random order; `--formulation F` may be repeated, and each has a line of its own; `--beside F` has one run more
of each row in that formulation, for a comparison that would not end five times. The table has the median and the worst
of the runs, the figures of the model and the bound at the root from the last one, and a verdict:

- `proved`: optimal within 0.000001 of the known optimum, and replayed; `proved, no reference` where none is known;
- `open`: a limit came first;
- `wrong`, `failed`: what must not be. They alone end the run with exit code 1; no time does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from rich.console import Console
from rich.table import Table as Grid

from tests.benchmarks.training.instances import Instance, chosen, instances
from tests.benchmarks.training.measure import Options, Row, measure

PIPE_WIDTH = 240
HEADER = (
    "instance",
    "formulation",
    "solver, proof",
    "rows",
    "columns",
    "binaries",
    "root bound",
    "nodes",
    "CPU median",
    "CPU worst",
    "must / aim",
    "objective",
    "bound",
    "verdict",
)


def cells(row: Row) -> list[str]:
    """A line of the table."""
    last = row.runs[-1]
    sizes = last.result.get("sizes") or last.result.get("formulation") or {}
    return [
        row.instance.name,
        row.formulation or "-",
        last.authority,
        *(_number(sizes.get(name)) for name in ("rows", "columns", "binaries")),
        _number(last.root_bound),
        _number(last.nodes),
        f"{row.median:.2f}",
        f"{row.worst:.2f}",
        f"{_number(row.instance.must)} / {_number(row.instance.aim)}",
        _number(last.figure("objective")),
        _number(last.figure("dual_bound")),
        row.verdict,
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.9g}"


def show(rows: list[Row], is_markdown: bool) -> None:
    if is_markdown:
        lines = [HEADER, ["---"] * len(HEADER), *map(cells, rows)]
        print("\n".join("| " + " | ".join(line) + " |" for line in lines))
        return
    grid = Grid(*HEADER)
    for row in rows:
        grid.add_row(*cells(row))
    # Into a pipe, lines are as long as they must be.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of exact training.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--list", action="store_true", help="show the names of the rows")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--permute", type=int, metavar="SEED")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="of each run")
    parser.add_argument("--formulation", action="append", help="passed on; may be repeated")
    parser.add_argument("--beside", action="append", default=[], metavar="FORMULATION", help="one run in it as well")
    parser.add_argument("--solver", help="passed on")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(instance.name for instance in instances()))
        return
    try:
        selected = chosen(options.rows)
    except ValueError as error:
        parser.error(f"{error}; --list shows the names")
    runs = [(name, options.repetitions) for name in options.formulation or [None]]
    runs += [(name, 1) for name in options.beside]
    rows = [measured(instance, *run, options) for instance in selected for run in runs]
    show(rows, options.markdown)
    sys.exit(0 if all(row.is_right for row in rows) else 1)


def measured(instance: Instance, formulation: str | None, repetitions: int, options: argparse.Namespace) -> Row:
    """A row, with a line on stderr as soon as it is done."""
    row = measure(
        instance,
        Options(repetitions, options.time_limit, formulation, options.solver, options.permute),
    )
    name = f"{instance.name} {formulation}" if formulation else instance.name
    print(f"{name}: {row.median:.2f} s, {row.verdict}", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
