"""Stable units of a known network that are passed on as what they are of earlier columns, where that is shorter.

Behind a ReLU whose side is proved, a unit is an affine function of what its layer reads. In a narrow box nearly all
units are such, and what the rows of the few open ones say can be said of the input itself: a network of 784-512-512-10
with ten open units has eleven thousand coefficients then, and 400 thousand with a column for every unit. The relaxation
is the same: the bounds of a stable unit follow from its own function and those of the units in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.arrays import distinct
from nnmip.bounds.interval import Interval
from nnmip.hir.core import Network
from nnmip.lowering.asked import Asked
from nnmip.lowering.base import SMALLEST, Lowering
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import ROUNDING, Affine
from nnmip.milp.model import FloatArray
from nnmip.ops.base import Connections
from nnmip.source import Origin

NEGLIGIBLE = 1e-10
"""By how much terms that are left out may move a unit: a tenth of what solvers let rows be off."""
PASSING = frozenset({"dense", "conv2d", "relu", "flatten", "reshape"})
"""Layers that read each entry once in every row that they write."""
LEAST_SAVED = 100
"""Fewer coefficients are not worth that rows speak of the input and not of the layer before."""
LONG = 4
"""From how many terms an entry on, products are those of matrices."""


def rows_behind(network: Network, bounds: Mapping[str, Interval], asked: Mapping[str, Asked]) -> dict[str, int]:
    """By ReLU layer, how many expressions of a point are written behind it: those of open units and of the results that
    are asked for. Without layers that others than those of `PASSING` follow."""
    wanted = asked.get(network.result_layer)
    points = len(next(iter(bounds.values())).lo)
    shape = network.layer(network.result_layer).shape
    everything = points * int(np.prod(shape, dtype=np.int64))
    count = everything if wanted is None else int((wanted.upper | wanted.lower).sum())
    found: dict[str, int] = {}
    for layer in reversed(network.layers):
        if layer.op not in PASSING or len(network.readers(layer.name)) > 1:
            break
        if layer.op == "relu":
            found[layer.name] = -(-count // points)
            z = bounds[layer.inputs[0]]
            count += int(((z.lo < 0) & (z.hi > 0)).sum())
    return found


def passed_on(low: Lowering, path: str, z: Affine, bounds: Interval, behind: int, origin: Origin) -> Affine | None:
    """The entries of z [n, ...] with columns of their own for the open ones alone; None where columns for all of them
    take fewer coefficients.

    With m active entries of a point, which have k terms in c columns, and r expressions behind it: k + r m with
    columns, and at most r c without. Relation: column = entry. Exact.
    """
    n = len(z.const)
    is_open, is_on = (bounds.lo < 0) & (bounds.hi > 0), (bounds.lo >= 0) & (bounds.hi > 0)
    z = z.merged()
    active = z.where(is_on)
    with_columns = len(active.coef) + behind * int(is_on.sum())
    without = behind * n * -(-len(distinct(active.column)) // n)
    if with_columns - without < LEAST_SAVED:
        return None
    picked, rest = np.flatnonzero(is_open), np.flatnonzero(~is_open)
    inner = z.gather(picked)
    lo, hi = bounds.lo.reshape(-1)[picked], bounds.hi.reshape(-1)[picked]
    column = low.builder.columns(path, z.shape, lo, hi, origin, lambda x, choice: inner.value(x), picked=picked)
    low.builder.rows(f"{path}.is", column - inner, origin, lb=0.0, ub=0.0, shape=z.shape, picked=picked)
    return scattered([(picked, column), (rest, z.gather(rest))], z.shape)


def composed(low: Lowering, weights: FloatArray, value: Affine, connections: Connections) -> Affine:
    """Sum over k of W[u, k] a[n, source[o, k]] for entries with many terms, by matrices, shape [n, outputs]."""
    n, outputs = len(value.const), len(connections.source)
    size = value.size // n
    const, found = np.zeros((n, outputs)), []
    for point in range(n):
        part = value.reshape((-1,)).gather(point * size + np.arange(size))
        columns, place = np.unique(part.column, return_inverse=True)
        matrix = np.zeros((size + 1, len(columns) + 1))  # the last row is what padding reads, the last column constants
        np.add.at(matrix, (part.entry, place), part.coef)
        matrix[:-1, -1] = part.const
        product = _product(weights.reshape(connections.units, -1), matrix, connections)
        box = bounds_of(
            low.builder, Affine(np.zeros(len(columns)), np.arange(len(columns)), columns, np.ones(len(columns)))
        )
        const[point] = product[:, -1]
        factors = without_dust(product[:, :-1], np.maximum(box.magnitude, 1.0))
        entry, column = np.nonzero(factors)
        found.append((point * outputs + entry, columns[column], factors[entry, column]))
    terms = (np.concatenate(each) for each in zip(*found, strict=True))
    return Affine(const, *terms)


def _product(weights: FloatArray, matrix: FloatArray, connections: Connections) -> FloatArray:
    """Rows of weights times the rows of a matrix that every output reads, without what is rounding, [outputs, c]."""
    units, width = weights.shape
    source = connections.source.reshape(units, connections.per_unit, width)
    found = np.zeros((units, connections.per_unit, matrix.shape[1]))
    is_shared = bool((source == source[:1]).all())
    groups = [slice(None)] if is_shared else [slice(unit, unit + 1) for unit in range(units)]
    for group in groups:
        own, size = weights[group], np.abs(weights[group])
        for place in range(connections.per_unit):
            read = matrix[source[group][0, place]]
            product = own @ read
            noise = ROUNDING * width * (size @ np.abs(read))
            found[group, place] = np.where(np.abs(product) > noise, product, 0.0)
    return found.reshape(-1, matrix.shape[1])


def without_dust(values: FloatArray, magnitude: FloatArray | float) -> FloatArray:
    """Rows of factors of entries of at most some magnitude, with 0 for those that solvers would not keep and that
    together move their row by less than solvers can tell, the smallest first."""
    size = np.abs(values)
    if not ((values != 0) & (size <= SMALLEST)).any():
        return values
    moved = np.where(size <= SMALLEST, size * magnitude, np.inf)
    order = moved.argsort(axis=1, kind="stable")
    sums = np.take_along_axis(moved, order, axis=1).cumsum(axis=1)
    is_nothing = np.zeros(moved.shape, dtype=bool)
    np.put_along_axis(is_nothing, order, sums <= NEGLIGIBLE, axis=1)
    return np.where(is_nothing, 0.0, values)
