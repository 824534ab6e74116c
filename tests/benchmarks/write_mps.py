"""Time and memory of writing a large model as MPS, against dumping the same arrays as plain text.

Run `python tests/benchmarks/write_mps.py [--nonzeros N] [--repetitions R]`. Each run is a process of its own, the two
kinds alternate. Prints the median of the ratios of the times, and the peak memory that writing adds as a multiple of
the size of the arrays. Target: a ratio of at most 2.5 and at most 3 times the arrays. Linux only.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nnmip.formats import write_model
from nnmip.milp.model import Block, Milp
from nnmip.source import Origin, SourceFile, Span

ENTRIES_PER_ROW = 20
ARRAYS = ("indptr", "indices", "data", "row_lb", "row_ub", "col_lb", "col_ub", "integer", "cost")


def random_milp(nonzeros: int) -> Milp:
    """Rows of 20 entries at random columns, as many columns as rows, a third of them binary."""
    generator = np.random.default_rng(0)
    rows = columns = nonzeros // ENTRIES_PER_ROW
    step = columns // ENTRIES_PER_ROW
    first = np.arange(ENTRIES_PER_ROW) * step
    indices = (first + generator.integers(0, step, size=(rows, ENTRIES_PER_ROW))).ravel()
    integer = np.arange(columns) % 3 == 0
    origin = Origin(Span(SourceFile("random.nnm", ""), 0, 0), "random")
    return Milp(
        indptr=np.arange(rows + 1) * ENTRIES_PER_ROW,
        indices=indices,
        data=generator.normal(size=rows * ENTRIES_PER_ROW),
        row_lb=np.full(rows, -np.inf),
        row_ub=generator.normal(size=rows),
        col_lb=np.where(integer, 0.0, -generator.uniform(1, 2, size=columns)),
        col_ub=np.where(integer, 1.0, generator.uniform(1, 2, size=columns)),
        integer=integer,
        cost=generator.normal(size=columns),
        offset=0.5,
        columns=(Block("net.h.weights", (columns // 100, 100), 0, origin),),
        rows=(Block("net.h", (rows // 100, 100), 0, origin),),
    )


def dump_plainly(milp: Milp, path: Path) -> None:
    """`row column value` for each entry, then the bounds of rows and columns: the least that any writer must do."""
    with path.open("w", encoding="ascii") as stream:
        for row in range(milp.num_rows):
            begin, end = int(milp.indptr[row]), int(milp.indptr[row + 1])
            pairs = zip(milp.indices[begin:end].tolist(), milp.data[begin:end].tolist(), strict=True)
            stream.write("".join([f"{row} {column} {value!r}\n" for column, value in pairs]))
        for low, high in ((milp.row_lb, milp.row_ub), (milp.col_lb, milp.col_ub)):
            stream.writelines(f"{a!r} {b!r}\n" for a, b in zip(low.tolist(), high.tolist(), strict=True))


def run_child(kind: str, nonzeros: int, folder: Path) -> None:
    """Write once and print seconds, added peak memory and the size of the arrays, both in bytes."""
    milp = random_milp(nonzeros)
    size = sum(getattr(milp, name).nbytes for name in ARRAYS)
    before = resident_bytes()
    start = time.perf_counter()
    if kind == "plain":
        dump_plainly(milp, folder / "out.txt")
    else:
        write_model(milp, folder / "out.mps", fingerprint="random", sense="minimize", extra={})
    seconds = time.perf_counter() - start
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(json.dumps({"seconds": seconds, "added": added, "arrays": size}))


def resident_bytes() -> int:
    """Memory in use now; the peak so far would hide what the temporaries of `random_milp` left free."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def measure(kind: str, nonzeros: int) -> dict[str, float]:
    """The figures of one child process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", kind, "--folder", folder, "--nonzeros", str(nonzeros)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of the MPS writer.")
    parser.add_argument("--nonzeros", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--child", choices=("plain", "mps"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.nonzeros, options.folder)
        return
    runs = [(measure("plain", options.nonzeros), measure("mps", options.nonzeros)) for _ in range(options.repetitions)]
    ratio = statistics.median(mps["seconds"] / plain["seconds"] for plain, mps in runs)
    memory = max(mps["added"] / mps["arrays"] for _, mps in runs)
    megabytes = runs[0][1]["arrays"] / 1e6
    print(f"plain writer   {statistics.median(plain['seconds'] for plain, _ in runs):.2f} s (median of {len(runs)})")
    print(f"MPS and names  {statistics.median(mps['seconds'] for _, mps in runs):.2f} s")
    print(f"ratio          {ratio:.2f} (median of the pairs)")
    print(f"peak memory    {memory:.2f} times the {megabytes:.1f} MB of the arrays (largest of the runs)")


if __name__ == "__main__":
    main()
