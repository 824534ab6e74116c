"""Handwritten digits: nets by a fixed recipe, and what no change of a pixel by less than eps makes another digit.

    python -m tests.benchmarks.verification.digits train FOLDER
    python -m tests.benchmarks.verification.digits run FOLDER --nets n32 n50 n100 --eps 0.5 1 1.5 2 --time-limit 60
    python -m tests.benchmarks.verification.digits peer FOLDER --environment ENV [--images 10] [--wall 120]

`train` needs scikit-learn, in an environment of its own: `MLPClassifier` with 32, 50-50 and 100-100-100 units on
`load_digits`, scaled to [0, 1]; it prints the test accuracies and writes each net with the images among the first 40 of
the test half that it reads right. `run` decides with `nnmip verify --over` whether they stay right; eps counts
sixteenths, the steps of a pixel. Each line has a net and an eps, and how many images have which verdict; the answers
stand in FOLDER.

`peer` asks nnmip and Marabou the same of the same ONNX and VNN-LIB files, one after the other: how many are decided
within so many CPU seconds, and what they took. An input that breaks a property counts where ONNX Runtime confirms it.
Ends with 1 where the two contradict each other, or an input is not confirmed. FOLDER/peer.csv keeps the answers; what
is in it is not asked again.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.verification.train import save
from tests.benchmarks.verification.verifiers import Reply, Verifier, asked, marabou, ours, used

FloatArray = NDArray[np.float64]

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


# ---- beside another tool -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Question:
    """Whether all images within eps sixteenths of one are read as its digit; lo, hi: what images are asked about."""

    net: str
    eps: float
    row: int
    lo: FloatArray
    hi: FloatArray
    digit: int

    def write(self, path: Path) -> None:
        """The images that are read as another digit, as a query: every number of it is one of the file's doubles."""
        lines = [f"(declare-const X_{k} Real)" for k in range(len(self.lo))]
        lines += [f"(declare-const Y_{k} Real)" for k in range(10)]
        for k, (low, high) in enumerate(zip(self.lo.tolist(), self.hi.tolist(), strict=True)):
            lines += [f"(assert (>= X_{k} {low!r}))", f"(assert (<= X_{k} {high!r}))"]
        others = " ".join(f"(and (>= Y_{k} Y_{self.digit}))" for k in range(10) if k != self.digit)
        path.write_text("\n".join([*lines, f"(assert (or {others}))", ""]), encoding="utf-8")

    def is_broken_by(self, x: FloatArray, folder: Path) -> bool:
        """Whether ONNX Runtime reads an image as another digit; one that tolerances left outside is moved inside."""
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / f"{self.net}.onnx"))
        (scores,) = session.run(None, {"x": np.clip(x, self.lo, self.hi)[None]})
        return bool(np.delete(scores[0], self.digit).max() >= scores[0][self.digit])


def questions(folder: Path, nets: list[str], steps: list[float], images: int) -> Iterator[Question]:
    for name in nets:
        with np.load(folder / f"{name}.npz") as arrays:
            layers = range(len(arrays.files) // 2)
            weights = [arrays[f"l{k}.weights"].T for k in layers]
            save(folder / f"{name}.onnx", weights, [arrays[f"l{k}.bias"] for k in layers])
        with np.load(folder / f"{name}.rows.npz") as arrays:
            rows = list(zip(arrays["image"], arrays["digit"].tolist(), strict=True))[:images]
        for eps in steps:
            for row, (image, digit) in enumerate(rows):
                ends = (np.clip(image + sign * eps / 16, 0.0, 1.0) for sign in (-1, 1))
                yield Question(name, eps, row, *ends, digit)


def answered(question: Question, verifier: Verifier, folder: Path, limits: tuple[int, int]) -> Reply:
    """The reply of a tool; `sat` only with an image that breaks the property."""
    query = folder / "query.vnnlib"
    question.write(query)
    reply = asked(verifier, folder / f"{question.net}.onnx", query, limits)
    if reply.answer == "sat" and (reply.x is None or not question.is_broken_by(reply.x, folder)):
        return Reply("not confirmed", None, reply.seconds)
    return reply


def line(name: str, found: list[tuple[str, float]]) -> str:
    count, seconds = Counter(answer for answer, _ in found), [spent for _, spent in found]
    decided = count["sat"] + count["unsat"]
    times = f"median {statistics.median(seconds):.2f}, slowest {max(seconds):.1f}, sum {sum(seconds):.0f}"
    return f"  {name:<8} {decided:>3} of {len(found)} decided: {dict(sorted(count.items()))}; CPU seconds {times}"


def beside(folder: Path, asked_of: list[Question], tools: Mapping[str, Verifier], limits: tuple[int, int]) -> int:
    """Ask all tools all questions, and count what does not go together."""
    kept = folder / "peer.csv"
    kept.touch()
    with kept.open(newline="") as stream:
        known = {tuple(key): (answer, float(spent)) for *key, answer, spent in csv.reader(stream)}
    wrong = 0
    for tool, verifier in tools.items():
        print(f"{tool}: its start alone takes {used(verifier.idle, limits[0]):.2f} CPU seconds", flush=True)
    for name, eps in dict.fromkeys((each.net, each.eps) for each in asked_of):
        own = [each for each in asked_of if (each.net, each.eps) == (name, eps)]
        for question in own:
            for tool, verifier in tools.items():
                key = (name, f"{eps:g}", str(question.row), tool)
                if key not in known:
                    reply = answered(question, verifier, folder, limits)
                    known[key] = reply.answer, reply.seconds
                    with kept.open("a", newline="") as stream:
                        csv.writer(stream).writerow([*key, reply.answer, f"{reply.seconds:.3f}"])
        found = {tool: [known[name, f"{eps:g}", str(each.row), tool] for each in own] for tool in tools}
        clashes = sum({"sat", "unsat"} <= {answer for answer, _ in row} for row in zip(*found.values(), strict=True))
        false = sum(answer == "not confirmed" for row in found.values() for answer, _ in row)
        wrong += clashes + false
        print(f"{name} eps {eps:g}: {clashes} contradictions, {false} inputs not confirmed")
        print(*(line(tool, row) for tool, row in found.items()), sep="\n", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "run", "peer"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", choices=list(LAYERS), default=list(LAYERS))
    parser.add_argument("--eps", nargs="+", type=float, default=[0.5, 1.0, 1.5, 2.0])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--images", type=int, default=IMAGES, help="of peer: how many of those that a net reads right")
    parser.add_argument("--wall", type=int, help="of peer: wall seconds for what may take --time-limit CPU seconds")
    parser.add_argument("--environment", type=Path, help="of peer: the environment of Marabou; without, ours alone")
    arguments = parser.parse_args()
    folder, nets, steps, limit = arguments.folder, arguments.nets, arguments.eps, arguments.time_limit
    if arguments.what == "train":
        train(folder)
    elif arguments.what == "run":
        run(folder, nets, steps, limit)
    else:
        others = {} if arguments.environment is None else {"marabou": marabou(arguments.environment)}
        limits = int(limit), arguments.wall or int(limit)
        wanted = list(questions(folder, nets, steps, arguments.images))
        return int(beside(folder, wanted, {"nnmip": ours(), **others}, limits) > 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
