"""Time and memory of writing a large model as MPS, against dumping the same arrays as plain text.

Run `python tests/benchmarks/write_mps.py [--model random|training] [--nonzeros N] [--repetitions R]`. `random` starts
from arrays with 20 entries a row; `training` starts from the HIR of a network, so that encoding is part of the time.
Prints the median of the ratios of the times, and the peak memory that the run adds as a multiple of the size of the
arrays. Targets: 2.5 and 3. Linux only.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nnmip.formats.files import write_model
from nnmip.milp.model import Milp
from tests.benchmarks.alternate import alternate, median, ratio
from tests.benchmarks.models import array_bytes, random_milp, training_model

ROUTES = ("plain", "nnmip")


def dump_plainly(milp: Milp, path: Path) -> None:
    """`row column value` for each entry, then the bounds of rows and columns: the least that any writer must do."""
    with path.open("w", encoding="ascii") as stream:
        for row in range(milp.num_rows):
            begin, end = int(milp.indptr[row]), int(milp.indptr[row + 1])
            pairs = zip(milp.indices[begin:end].tolist(), milp.data[begin:end].tolist(), strict=True)
            stream.write("".join([f"{row} {column} {value!r}\n" for column, value in pairs]))
        for low, high in ((milp.row_lb, milp.row_ub), (milp.col_lb, milp.col_ub)):
            stream.writelines(f"{a!r} {b!r}\n" for a, b in zip(low.tolist(), high.tolist(), strict=True))


def resident_bytes() -> int:
    """Memory in use now; the peak so far would hide what earlier temporaries left free."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def run_route(route: str, kind: str, nonzeros: int, folder: Path) -> None:
    """Write once and print seconds, added peak memory and the size of the arrays, both in bytes."""
    model = training_model(nonzeros, folder) if kind == "training" else None
    milp = random_milp(nonzeros) if model is None else None
    if model is not None:
        _ = model.program
        milp = model.lowered.milp if route == "plain" else None
    before = resident_bytes()
    began = time.perf_counter()
    if route == "plain":
        assert milp is not None
        dump_plainly(milp, folder / "out.txt")
    elif model is not None:
        model.write(folder / "out.mps")
    else:
        assert milp is not None
        write_model(milp, folder / "out.mps", fingerprint="random", sense="minimize", extra={})
    seconds = time.perf_counter() - began
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    written = milp if milp is not None else model.lowered.milp if model is not None else None
    assert written is not None
    print(json.dumps({"seconds": seconds, "added": added, "arrays": array_bytes(written)}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of the MPS writer.")
    parser.add_argument("--model", choices=("random", "training"), default="random")
    parser.add_argument("--nonzeros", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.route:
        with tempfile.TemporaryDirectory() as folder:
            run_route(options.route, options.model, options.nonzeros, Path(folder))
        return
    arguments = ["--model", options.model, "--nonzeros", str(options.nonzeros)]
    runs = alternate(__file__, ROUTES, arguments, options.repetitions)
    memory = max(run["added"] / run["arrays"] for _, run in runs)
    print(f"plain writer   {median(runs, 0):.2f} s (median of {len(runs)})")
    print(f"MPS and names  {median(runs, 1):.2f} s")
    print(f"ratio          {ratio(runs):.2f} (median of the pairs; target 2.5)")
    print(f"peak memory    {memory:.2f} times the {runs[0][1]['arrays'] / 1e6:.1f} MB of the arrays (target 3)")


if __name__ == "__main__":
    main()
