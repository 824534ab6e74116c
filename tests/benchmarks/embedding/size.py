"""How large the file of every tool is for the most of one output over a box, and how many binaries it has.

    python tests/benchmarks/embedding/size.py NETS FOLDER [--environments ENVIRONMENTS] [--only NET ...]
        [--tools nnmip omlt scip gurobi] [--point P]

NETS holds the files of `nets.py`; the models go to FOLDER. Of every network a narrow and a wide box are taken. nnmip
has a row for the bounds by intervals, by lines (CROWN), and as it takes them by itself. `unstable` counts the units
whose side the bounds leave open; the file has fewer binaries, since only one side of the output is asked for. `left`
are the binaries after the presolve of HiGHS; gurobi-machinelearning has no binaries but as many general constraints,
of which Gurobi's presolve makes binaries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.benchmarks.embedding.tasks import OURS, Case, arguments, written

BOXES = {
    "digits_50x2": (0.02, 0.1),
    "digits_100x3": (0.01, 0.05),
    "control": (0.01, 0.1),
    "cnn": (0.002, 0.02),
    "cnn_large": (0.002, 0.02),
    "dense_512x2": (0.0005, 0.005),
}
"""The radius of a narrow and of a wide box for every network."""
BOUNDS = {"interval": "interval", "crown": "crown", "auto": None}
"""What nnmip is asked to bound by."""


@dataclass(frozen=True)
class Size:
    """Counts of a file; None where there is none, or where it was not counted."""

    columns: int
    rows: int
    binaries: int
    left: int
    nonzeros: int | None = None
    unstable: int | None = None

    @property
    def cells(self) -> str:
        numbers = (self.unstable, self.binaries, self.left, self.columns, self.rows, self.nonzeros)
        return " ".join(f"{'-' if number is None else number:>9}" for number in numbers)


def of_file(path: Path, unstable: int | None = None) -> Size:
    """The size of an MPS file, before and after the presolve of HiGHS."""
    import highspy

    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(path))
    given = highs.getLp()
    highs.presolve()
    left = sum(kind == highspy.HighsVarType.kInteger for kind in highs.getPresolvedLp().integrality_)
    binaries = sum(kind == highspy.HighsVarType.kInteger for kind in given.integrality_)
    return Size(given.num_col_, given.num_row_, binaries, left, len(given.a_matrix_.value_), unstable)


def unstable_units(model: Path) -> int:
    """Units with a kink inside their bounds, as `nnmip show` counts them."""
    command: list[str | Path] = [sys.executable, "-m", "nnmip", "show", model, "--json", "--allow-size", "8GB"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return sum(layer.get("unstable", 0) for point in found["points"] for layer in point["layers"])


def sizes(case: Case, given: argparse.Namespace, tool: str) -> dict[str, Size]:
    """The sizes of what a tool writes, by what the row is called."""
    task, path = case.task(given.nets), given.folder / case.file
    if tool != OURS:
        found = written(task, path, tool, given.environments)
        if found is None:
            return {}
        return {tool: Size(**json.loads(found.read_text())) if found.suffix == ".json" else of_file(found)}
    rows = {}
    for name, bounds in BOUNDS.items():
        found = written(task, path, tool, given.environments, bounds)
        if found is not None:
            rows[f"{tool} {name}"] = of_file(found, unstable_units(found.with_suffix(".nnm")))
    return rows


def main() -> None:
    parser = arguments(__doc__, ["omlt", "scip", "gurobi"])
    parser.add_argument("--only", nargs="+", choices=BOXES, metavar="NET", default=list(BOXES))
    parser.add_argument("--point", type=int, default=0, help="the number of the point in the middle of the boxes")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    names = ("unstable", "binaries", "left", "columns", "rows", "nonzeros")
    print(f"{'network':14} {'radius':>7} {'file of':15} " + " ".join(f"{name:>9}" for name in names))
    for net in given.only:
        for radius in BOXES[net]:
            for tool in given.tools:
                for name, size in sizes(Case(net, radius, given.point), given, tool).items():
                    print(f"{net:14} {radius:7g} {name:15} {size.cells}", flush=True)


if __name__ == "__main__":
    main()
