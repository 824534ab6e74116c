"""All that one unit of a row's hidden layer can show the data, listed in whole numbers.

Features, weights and biases are decimals, so every activation is a whole number of ten-thousandths: equal columns are
found exactly. Written without a look at `nnmip.search`, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.training.instances import Instance
from tests.benchmarks.training.tables import Table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNIT = 10_000
"""What 1 is among the whole numbers."""

WEIGHT_COST, UNIT_COST = 0.001, 0.01
BIASES = np.arange(-4, 5) * UNIT // 2
KERNEL, POOL = 3, 2
BATCH = 2000


@dataclass(frozen=True, eq=False)
class Pool:
    """Units. activations [K, P, n]: what each gives at each of P places for each row, in ten-thousandths; cost [K]
    without output weights. weights [K, d], and bias [K] in ten-thousandths."""

    activations: IntArray
    weights: IntArray
    bias: IntArray

    @cached_property
    def cost(self) -> FloatArray:
        return np.asarray(WEIGHT_COST * (self.weights != 0).sum(axis=1) + UNIT_COST)

    @property
    def size(self) -> int:
        return len(self.bias)

    @property
    def places(self) -> int:
        return self.activations.shape[1]

    def take(self, chosen: NDArray[np.bool_] | IntArray) -> Pool:
        return Pool(self.activations[chosen], self.weights[chosen], self.bias[chosen])

    def within(self, features: tuple[int, ...], apart: Iterable[tuple[int, int]] = ()) -> Pool:
        """The units whose weights read these features alone, and no two that are to stay apart."""
        others = np.delete(np.arange(self.weights.shape[1]), features)
        kept = (self.weights[:, others] == 0).all(axis=1)
        for first, second in apart:
            kept &= (self.weights[:, first] == 0) | (self.weights[:, second] == 0)
        return self.take(kept)

    def distinct(self, *attributes: IntArray) -> Pool:
        """One unit of those that give the same and agree in all attributes [K]: one with fewest weights, the first."""
        order = np.argsort((self.weights != 0).sum(axis=1), kind="stable")
        flat = np.column_stack([self.activations.reshape(self.size, -1), *attributes])[order].astype(np.int32)
        keys = np.ascontiguousarray(flat).view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
        _, first = np.unique(keys, return_index=True)
        return self.take(order[np.sort(first)])


def units_of(instance: Instance) -> Pool:
    """Every unit of a row with ReLU units and weights of small sets, but those that give 0 everywhere."""
    table = instance.read()
    listed = _filters(table) if table.is_image else _units(table, instance)
    pool = Pool(*(np.concatenate(part) for part in zip(*listed, strict=True)))
    return pool.take(pool.activations.any(axis=(1, 2)))


def _units(table: Table, instance: Instance) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Units of a dense layer: every support, every weight that is not 0 on it, every bias; supports grow."""
    features = np.round(table.features * UNIT).astype(np.int64)
    inputs = features.shape[1]
    largest, fan = instance.parameters.get("largest", 1), instance.parameters.get("fan", inputs)
    values = [value for value in range(-largest, largest + 1) if value]
    for size in range(fan + 1):
        signs = np.array(list(product(values, repeat=size)), dtype=np.int64).reshape(-1 if size else 1, size)
        for supports in _batches(combinations(range(inputs), size), max(1, BATCH // len(signs))):
            weights = np.zeros((len(supports), len(signs), inputs), np.int64)
            for number, support in enumerate(supports):
                weights[number][:, support] = signs
            yield _with_biases(weights.reshape(-1, inputs), features.T[None])


def _filters(table: Table) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Filters of 3 x 3 pixels, with ReLU and 2 x 2 max pooling behind them."""
    images = np.round(table.features[:, 0] * UNIT).astype(np.int64)
    patches = np.lib.stride_tricks.sliding_window_view(images, (KERNEL, KERNEL), axis=(1, 2))
    places = (patches.shape[1] // POOL, patches.shape[2] // POOL)
    # A pool's four patches of every image, first by pool: [pools, 4, pixels, images].
    corners = [
        patches[:, POOL * i + a, POOL * j + b].reshape(len(images), -1).T
        for i, j in np.ndindex(places)
        for a, b in np.ndindex(POOL, POOL)
    ]
    grouped = np.array(corners).reshape(-1, POOL * POOL, KERNEL * KERNEL, len(images))
    for kernels in _batches(product((0, 1, -1), repeat=KERNEL * KERNEL), BATCH):
        yield _with_biases(np.array(kernels, dtype=np.int64), grouped)


def _with_biases(weights: IntArray, inputs: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Activations [K, P, n], weights and biases of all units with these weights; inputs [P, (members,) d, n].

    The largest of the members of a place comes before the bias and the ReLU, which change no order.
    """
    sums = np.einsum("kd,p...dn->kp...n", weights, inputs)
    best = sums.max(axis=2) if sums.ndim == 4 else sums
    activations = np.maximum(best[:, None] + BIASES[None, :, None, None], 0).reshape(-1, *best.shape[1:])
    return activations, np.repeat(weights, len(BIASES), axis=0), np.tile(BIASES, len(weights))


def _batches(items: Iterator[tuple[int, ...]], size: int) -> Iterator[list[tuple[int, ...]]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
