"""Handwritten digits: nets by a fixed recipe, and what no change of a pixel by less than eps makes another digit.

    python tests/benchmarks/verification/digits.py train FOLDER
    python tests/benchmarks/verification/digits.py run FOLDER --nets n32 n50 n100 --eps 0.5 1 1.5 2 --time-limit 60

`train` needs scikit-learn, in an environment of its own: `MLPClassifier` with 32, 50-50 and 100-100-100 units on
`load_digits`, scaled to [0, 1]; it prints the test accuracies and writes each net with the images among the first 40 of
the test half that it reads right. `run` decides with `nnmip verify --over` whether they stay right; eps counts
sixteenths, the steps of a pixel. Each line has a net and an eps, and how many images have which verdict; the answers
stand in FOLDER.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

LAYERS = {"n32": (32,), "n50": (50, 50), "n100": (100, 100, 100)}
IMAGES = 40

MODEL = """nnm 0.1
network net = npz("NAME.npz")
data image : real[64] = npy("any.npy")
param digit : int = 0
param eps : real = 1
verify robust:
  forall x : real[64] in [0, 1]
  assume norm_inf(x - image) <= eps / 16
  prove  argmax(net(x)) = digit
"""


def train(folder: Path) -> None:
    from sklearn.datasets import load_digits  # type: ignore[import-not-found]
    from sklearn.model_selection import train_test_split  # type: ignore[import-not-found]
    from sklearn.neural_network import MLPClassifier  # type: ignore[import-not-found]

    images, digits = load_digits(return_X_y=True)
    own, test, own_digits, test_digits = train_test_split(images / 16, digits, random_state=0)
    np.save(folder / "any.npy", np.zeros(64))
    for name, layers in LAYERS.items():
        net = MLPClassifier(layers, alpha=1e-4, random_state=0, max_iter=400).fit(own, own_digits)
        print(f"{name}: test accuracy {net.score(test, test_digits):.4f}")
        arrays = {}
        for k, (weights, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
            arrays |= {f"l{k}.weights": weights.T, f"l{k}.bias": bias}
        np.savez(folder / f"{name}.npz", **arrays)
        right = np.flatnonzero(net.predict(test[:IMAGES]) == test_digits[:IMAGES])
        np.savez(folder / f"{name}.rows.npz", image=test[right], digit=test_digits[right])
        (folder / f"{name}.nnm").write_text(MODEL.replace("NAME", name))


def run(folder: Path, nets: list[str], steps: list[float], limit: float) -> None:
    for name in nets:
        for eps in steps:
            answers, begun = folder / f"{name}.{eps:g}.csv", time.perf_counter()
            command = [sys.executable, "-m", "nnmip", "verify", f"{name}.nnm", "--over", f"{name}.rows.npz"]
            options = ["-D", f"eps={eps:g}", "--time-limit", f"{limit:g}", "--results", answers.name]
            subprocess.run([*command, *options], cwd=folder, stdout=subprocess.DEVNULL, check=False)
            with answers.open() as stream:
                rows = list(csv.DictReader(stream))
            verdicts = Counter(row["verdict"] for row in rows)
            by = Counter(row["by"] for row in rows if row["by"])
            seconds = sorted(float(row["seconds"]) for row in rows)
            print(
                f"{name} eps {eps:g}: {dict(sorted(verdicts.items()))} by {dict(sorted(by.items()))}, "
                f"slowest {seconds[-1]:.1f} s, {time.perf_counter() - begun:.0f} s in all",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", choices=list(LAYERS), default=list(LAYERS))
    parser.add_argument("--eps", nargs="+", type=float, default=[0.5, 1.0, 1.5, 2.0])
    parser.add_argument("--time-limit", type=float, default=60.0)
    arguments = parser.parse_args()
    if arguments.what == "train":
        train(arguments.folder)
    else:
        run(arguments.folder, arguments.nets, arguments.eps, arguments.time_limit)
