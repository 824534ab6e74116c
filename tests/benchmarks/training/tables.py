"""The tables of the training benchmark, made from their sources with NumPy alone.

A table has a name such as `moons-40`, and a draw: the seed of its random part.

- `moons-N`: N points of two half circles with noise 0.1, point for point those of scikit-learn's
  `make_moons(N, noise=0.1, random_state=draw)`; the two classes are -1 and +1.
- `iris-N`, `iris2-N` (versicolor and virginica alone), `bc-N`, `wine-N`: N rows, of each class its share, drawn by
  `default_rng(draw)` class after class; all rows in the order of the source where N is their number.
- `digits01-SxS`: ten zeros and ten ones drawn likewise, as images of S x S pixels from 0 to 1: the whole picture of
  8 x 8, its middle of 6 x 6, or the means of 2 x 2 pixels.
- `xor`: the four points (±1, ±1), +1 where the signs differ.
- `signs-16`: 80 rows of sixteen numbers from {-1, 0, 1}, and what a teacher with four sign units says of them; the
  labels of the first twelve rows are turned round.

Features lie between -1 and 1, their least and greatest value over all rows of these classes, and have four decimals;
pixels have three. Run `python tests/benchmarks/training/tables.py FOLDER [NAME...]` to write tables as NPZ files
for `nnmip solve MODEL -D rows=FILE`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[2] / "examples" / "data"
NOISE = 0.1
SPECIES = ("setosa", "versicolor", "virginica")
DIAGNOSES = ("malignant", "benign")
CULTIVARS = ("0", "1", "2")
DIGITS_EACH = 10
TURNED = 12


@dataclass(frozen=True, eq=False)
class Table:
    """features [rows, columns] or images [rows, 1, side, side]; labels -1 and +1, or 0, 1, 2 for three classes."""

    features: NDArray[np.float64]
    labels: NDArray[np.int64]

    @property
    def is_image(self) -> bool:
        return self.features.ndim > 2

    def save(self, path: Path) -> None:
        np.savez(path, **{"images" if self.is_image else "X": self.features, "y": self.labels})

    def permuted(self, seed: int) -> tuple[Table, NDArray[np.int64]]:
        """The table with its rows, and the columns unless they are pixels, in a random order; and that of the columns.

        The order has at each place the number of the column that is there now.
        """
        chance = np.random.default_rng(seed)
        rows = chance.permutation(len(self.labels))
        columns = np.arange(self.features.shape[1]) if self.is_image else chance.permutation(self.features.shape[1])
        return Table(self.features[rows][:, columns], self.labels[rows]), columns


def table(name: str, draw: int = 0) -> Table:
    """The table of a name and a draw."""
    family, _, size = name.partition("-")
    return FAMILIES[family](size, draw)


def _moons(size: str, draw: int) -> Table:
    count = int(size)
    outer = np.linspace(0, np.pi, count // 2)
    inner = np.linspace(0, np.pi, count - count // 2)
    points = np.vstack(
        [np.append(np.cos(outer), 1 - np.cos(inner)), np.append(np.sin(outer), 1 - np.sin(inner) - 0.5)]
    ).T
    labels = np.repeat([-1, 1], [len(outer), len(inner)])
    # The older generator of NumPy, because the points are to be those of scikit-learn.
    chance = np.random.RandomState(draw)
    order = np.arange(count)
    chance.shuffle(order)
    points = points[order]
    points += chance.normal(scale=NOISE, size=points.shape)
    return Table(_scaled(points, points), labels[order])


def _drawn(path: Path, classes: tuple[str, ...]) -> Callable[[str, int], Table]:
    """A family of tables whose source is a CSV file with the class in its last column."""

    def make(size: str, draw: int) -> Table:
        cells = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
        cells = cells[np.isin(cells[:, -1], classes)]
        everything = cells[:, :-1].astype(np.float64)
        labels = (cells[:, -1:] == np.array(classes)).argmax(axis=1)
        rows = _rows(labels, int(size), draw)
        codes = 2 * labels - 1 if len(classes) == 2 else labels
        return Table(_scaled(everything[rows], everything), codes[rows])

    return make


def _digits(size: str, draw: int) -> Table:
    with np.load(HERE / "data" / "digits01.npz") as source:
        images, labels = source["images"] / 16, source["labels"].astype(np.int64)
    made = {
        "4x4": images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)),
        "6x6": images[:, 1:7, 1:7],
        "8x8": images,
    }[size]
    rows = _rows(labels, 2 * DIGITS_EACH, draw, even=True)
    return Table(np.round(made[rows][:, None], 3), 2 * labels[rows] - 1)


def _xor(size: str, draw: int) -> Table:
    points = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=np.float64)
    return Table(points, np.where(points[:, 0] == points[:, 1], -1, 1))


def _signs(size: str, draw: int) -> Table:
    chance = np.random.default_rng(draw)
    rows = chance.integers(-1, 2, (80, int(size)))
    hidden, output = chance.integers(-1, 2, (4, int(size))), chance.integers(-1, 2, 4)
    labels = _sign(_sign(rows @ hidden.T) @ output)
    labels[:TURNED] *= -1
    return Table(rows.astype(np.float64), labels)


def _sign(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(values >= 0, 1, -1)


def _rows(labels: NDArray[np.int64], count: int, draw: int, even: bool = False) -> NDArray[np.int64]:
    """The rows of a draw: of each class its share of them, or the same number of each."""
    if count == len(labels):
        return np.arange(count)
    chance = np.random.default_rng(draw)
    classes, sizes = np.unique(labels, return_counts=True)
    wanted = [count // len(classes) if even else round(count * int(size) / len(labels)) for size in sizes]
    parts = zip(classes, wanted, strict=True)
    return np.concatenate([chance.permutation(np.flatnonzero(labels == each))[:size] for each, size in parts])


def _scaled(values: NDArray[np.float64], everything: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = everything.min(axis=0), everything.max(axis=0)
    return np.round(2 * (values - low) / (high - low) - 1, 4)


FAMILIES: dict[str, Callable[[str, int], Table]] = {
    "moons": _moons,
    "iris": _drawn(EXAMPLES / "iris.csv", SPECIES),
    "iris2": _drawn(EXAMPLES / "iris.csv", SPECIES[1:]),
    "bc": _drawn(EXAMPLES / "breast_cancer.csv", DIAGNOSES),
    "wine": _drawn(HERE / "data" / "wine.csv", CULTIVARS),
    "digits01": _digits,
    "xor": _xor,
    "signs": _signs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes tables of the training benchmark as NPZ files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", metavar="NAME", help="such as moons-400, iris-60, digits01-4x4")
    parser.add_argument("--draw", type=int, default=0, help="the seed of the random part")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        table(name, options.draw).save(options.folder / f"{name}.npz")


if __name__ == "__main__":
    main()
