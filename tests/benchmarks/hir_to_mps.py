"""Time and memory from the HIR of a training model to an MPS file on disk, against dumping the same arrays as text.

Run `python tests/benchmarks/hir_to_mps.py [--rows N] [--repetitions R]`. The model is a 10-8-1 network on N random rows
(3300 rows give about 10^6 nonzeros). Encoding and writing are timed together. Each run is a process of its own, the two
kinds alternate. Prints the median of the ratios and the peak memory over the arrays. Targets: 2.5 and 3. Linux only.
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

import nnmip
from tests.benchmarks.write_mps import ARRAYS, dump_plainly, resident_bytes

FEATURES, UNITS = 10, 8


def training_model(rows: int, folder: Path) -> nnmip.Model:
    """A two-layer classifier with prunable units on random data."""
    generator = np.random.default_rng(0)
    names = [f"f{i}" for i in range(FEATURES)]
    cells = np.round(generator.uniform(-1, 1, (rows, FEATURES)), 3)
    labels = generator.choice(["a", "b"], rows)
    lines = [",".join([*map(repr, row), label]) for row, label in zip(cells.tolist(), labels, strict=True)]
    (folder / "table.csv").write_text("\n".join([",".join([*names, "y"]), *lines, ""]))
    text = f"""nnm 0.1
data table = csv("table.csv") {{
  features {", ".join(names)}
  label y as {{a: -1, b: +1}}
}}
network net(x: real[{FEATURES}] in [-1, 1]) {{
  layer h = dense(x, units: {UNITS}, weights in [-2, 2], bias in [-1, 1])
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in [-1, 1])
  return o[0]
}}
minimize hinge(net, table) + 0.01 * l0(net.weights)
"""
    return nnmip.loads(text, directory=folder)


def run_child(kind: str, rows: int, folder: Path) -> None:
    """Encode and write, or dump the arrays of an encoded model; print seconds, added peak memory and sizes."""
    model = training_model(rows, folder)
    _ = model.program
    if kind == "plain":
        milp = model.lowered.milp
    before = resident_bytes()
    start = time.perf_counter()
    if kind == "plain":
        dump_plainly(milp, folder / "out.txt")
    else:
        model.write(folder / "out.mps")
    seconds = time.perf_counter() - start
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    milp = model.lowered.milp
    size = sum(getattr(milp, name).nbytes for name in ARRAYS)
    lower = model.times["lower"]
    print(
        json.dumps({"seconds": seconds, "added": added, "arrays": size, "nonzeros": milp.num_nonzeros, "lower": lower})
    )


def measure(kind: str, rows: int) -> dict[str, float]:
    """The figures of one child process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", kind, "--folder", folder, "--rows", str(rows)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark from the HIR to an MPS file.")
    parser.add_argument("--rows", type=int, default=3300)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--child", choices=("plain", "mps"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.rows, options.folder)
        return
    runs = [(measure("plain", options.rows), measure("mps", options.rows)) for _ in range(options.repetitions)]
    ratio = statistics.median(mps["seconds"] / plain["seconds"] for plain, mps in runs)
    memory = max(mps["added"] / mps["arrays"] for _, mps in runs)
    megabytes = runs[0][1]["arrays"] / 1e6
    print(f"nonzeros       {runs[0][1]['nonzeros']:.0f}")
    print(f"plain writer   {statistics.median(plain['seconds'] for plain, _ in runs):.2f} s (median of {len(runs)})")
    print(f"HIR to MPS     {statistics.median(mps['seconds'] for _, mps in runs):.2f} s")
    print(f"of it encoding {statistics.median(mps['lower'] for _, mps in runs):.2f} s")
    print(f"ratio          {ratio:.2f} (median of the pairs)")
    print(f"peak memory    {memory:.2f} times the {megabytes:.1f} MB of the arrays (largest of the runs)")


if __name__ == "__main__":
    main()
