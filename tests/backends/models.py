"""Small models with known answers, and families of models that solvers find hard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nnmip.backends.channel import Channel
from nnmip.milp.model import Block, Milp
from nnmip.source import Origin, SourceFile, Span

INF = np.inf
_ORIGIN = Origin(Span(SourceFile("test", ""), 0, 0), "test")


def milp(
    matrix: ArrayLike,
    row_lb: ArrayLike,
    row_ub: ArrayLike,
    col_lb: ArrayLike,
    col_ub: ArrayLike,
    integer: ArrayLike,
    cost: ArrayLike,
    offset: float = 0.0,
) -> Milp:
    """A model from a dense matrix; columns are called x[0], x[1], ..., rows r[0], r[1], ..."""
    bounds = [np.array(b, dtype=np.float64) for b in (row_lb, row_ub, col_lb, col_ub)]
    dense = np.array(matrix, dtype=np.float64).reshape(len(bounds[0]), len(bounds[2]))
    used = dense != 0
    rows, columns = dense.shape
    return Milp(
        indptr=np.concatenate(([0], np.cumsum(used.sum(axis=1)))).astype(np.int64),
        indices=np.nonzero(used)[1].astype(np.int64),
        data=dense[used],
        row_lb=bounds[0],
        row_ub=bounds[1],
        col_lb=bounds[2],
        col_ub=bounds[3],
        integer=np.array(integer, dtype=np.bool_),
        cost=np.array(cost, dtype=np.float64),
        offset=offset,
        columns=(Block("x", (columns,), 0, _ORIGIN),) if columns else (),
        rows=(Block("r", (rows,), 0, _ORIGIN),) if rows else (),
    )


def knapsack(offset: float = 0.0) -> Milp:
    """max 5a + 4b + 3c, 2a + 3b + c <= 5, 4a + b + 2c <= 11, 3a + 4b + 2c <= 8, integers in 0..3: 13 at (2, 0, 1)."""
    matrix = [[2, 3, 1], [4, 1, 2], [3, 4, 2]]
    return milp(matrix, [-INF] * 3, [5, 11, 8], [0] * 3, [3] * 3, [True] * 3, [-5, -4, -3], offset)


def small_lp(offset: float = 0.0) -> Milp:
    """min x + 2y  s.t.  1 <= x + y <= 3, x - y = 0.25: 1.375 at (0.625, 0.375)."""
    return milp([[1, 1], [1, -1]], [1, 0.25], [3, 0.25], [0, 0], [4, 4], [False, False], [1, 2], offset)


def market_split(seed: int, rows: int, binaries: int) -> Milp:
    """Split `rows` goods into halves at the least deviation: solutions at once, a proof only after hours."""
    rng = np.random.default_rng(seed)
    shares = rng.integers(0, 100, (rows, binaries)).astype(float)
    half = shares.sum(axis=1) // 2
    matrix = np.hstack([shares, np.eye(rows), -np.eye(rows)])
    integer = np.arange(binaries + 2 * rows) < binaries
    upper = np.where(integer, 1.0, 1e4)
    return milp(matrix, half, half, np.zeros(len(integer)), upper, integer, np.where(integer, 0.0, 1.0), 0.5)


def planted_split(seed: int, rows: int, binaries: int) -> tuple[Milp, np.ndarray]:
    """An exact split that exists but is hopeless to find, and that split."""
    rng = np.random.default_rng(seed)
    shares = rng.integers(0, 1000, (rows, binaries)).astype(float)
    split = rng.integers(0, 2, binaries).astype(float)
    target = shares @ split
    cost = np.round(rng.normal(size=binaries), 3)
    return milp(shares, target, target, [0] * binaries, [1] * binaries, [True] * binaries, cost), split


def random_milp(seed: int) -> Milp:
    """A bounded model with a few integer and continuous columns; about one in five is infeasible."""
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2, 7)), int(rng.integers(2, 9))
    matrix = np.round(rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.7), 3)
    matrix[np.arange(rows), rng.integers(0, columns, rows)] = 1.0
    middle = np.round(rng.normal(size=rows) * 2, 3)
    kind = rng.integers(0, 4, rows)
    row_lb = np.where(kind == 0, -INF, middle - np.where(kind == 1, 0.0, 0.5))
    row_ub = np.where(kind == 2, INF, middle + np.where(kind == 1, 0.0, 0.5))
    integer = rng.random(columns) < 0.6
    bound = rng.integers(1, 6, columns)
    cost = np.round(rng.normal(size=columns), 3)
    return milp(matrix, row_lb, row_ub, -bound, bound + 1, integer, cost, float(np.round(rng.normal(), 2)))


def relu_net(seed: int, sizes: Sequence[int], scale: float) -> Milp:
    """The least value of a weighted sum of outputs of a random ReLU net over the unit box, by interval big-M."""
    rng = np.random.default_rng(seed)
    low, high = -np.ones(sizes[0]), np.ones(sizes[0])
    columns: list[tuple[float, float, bool]] = [(-1.0, 1.0, False)] * sizes[0]
    previous = list(range(sizes[0]))
    rows: list[tuple[dict[int, float], float, float]] = []
    for size in sizes[1:]:
        weights = rng.normal(size=(size, len(previous))) * scale
        bias = rng.normal(size=size) * scale * 0.3
        lower = np.minimum(weights * low, weights * high).sum(axis=1) + bias
        upper = np.maximum(weights * low, weights * high).sum(axis=1) + bias
        current = []
        for unit in range(size):
            a, s = len(columns), len(columns) + 1
            columns += [(0.0, max(upper[unit], 0.0), False), (0.0, 1.0, True)]
            current.append(a)
            gap = {a: 1.0, **{j: -w for j, w in zip(previous, weights[unit], strict=True)}}
            least = min(lower[unit], 0.0)
            rows.append((gap, bias[unit], INF))
            rows.append(({**gap, s: -least}, -INF, bias[unit] - least))
            rows.append(({a: 1.0, s: -max(upper[unit], 0.0)}, -INF, 0.0))
        low, high, previous = np.maximum(lower, 0), np.maximum(upper, 0), current
    cost = np.zeros(len(columns))
    cost[previous] = rng.normal(size=len(previous))
    return _from_rows(rows, columns, cost)


def pattern_training(seed: int, samples: int, units: int) -> Milp:
    """Least absolute error of a one-input ReLU net trained on random data, with one-hot activation patterns."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.uniform(-1, 1, samples), 2)
    y = np.round(np.sin(3 * x) + 0.2 * rng.normal(size=samples), 2)
    patterns = _patterns(x)
    count, bound = len(patterns), 2.0
    width = 3 * count
    columns: list[tuple[float, float, bool]] = []
    rows: list[tuple[dict[int, float], float, float]] = []
    output: list[dict[int, float]] = [{} for _ in range(samples)]
    for unit in range(units):
        base = unit * width
        columns += [(0.0, 1.0, True)] * count + [(-bound, bound, False)] * (2 * count)
        rows.append(({base + q: 1.0 for q in range(count)}, 1.0, 1.0))
        for q, pattern in enumerate(patterns):
            theta, weight, bias = base + q, base + count + q, base + 2 * count + q
            for part in (weight, bias):
                rows += [({part: 1.0, theta: -bound}, -INF, 0.0), ({part: 1.0, theta: bound}, 0.0, INF)]
            for n in range(samples):
                side = 2.0 * pattern[n] - 1.0
                rows.append(({weight: side * x[n], bias: side}, 0.0, INF))
                if pattern[n]:
                    sign = 1.0 if unit % 2 == 0 else -1.0
                    output[n] |= {weight: sign * x[n], bias: sign}
    shift = len(columns)
    columns += [(-bound, bound, False)] + [(0.0, 10.0, False)] * samples
    for n in range(samples):
        error = shift + 1 + n
        rows.append(({**output[n], shift: 1.0, error: -1.0}, -INF, y[n]))
        rows.append(({**output[n], shift: 1.0, error: 1.0}, y[n], INF))
    cost = np.zeros(len(columns))
    cost[shift + 1 :] = 1.0
    return _from_rows(rows, columns, cost)


def silent_channel(deadline: float | None = None) -> Channel:
    """A channel for calling an adapter in this process: nothing goes out."""
    return Channel(lambda header, payload: None, deadline)


def _patterns(x: np.ndarray) -> list[tuple[int, ...]]:
    """Every way in which a threshold on the line activates the points `x`."""
    ordered = np.sort(x)
    cuts = np.concatenate(([ordered[0] - 1], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1]))
    both = [tuple((x > cut).astype(int)) for cut in cuts] + [tuple((x < cut).astype(int)) for cut in cuts]
    return sorted(set(both))


def _from_rows(
    rows: list[tuple[dict[int, float], float, float]], columns: list[tuple[float, float, bool]], cost: np.ndarray
) -> Milp:
    matrix = np.zeros((len(rows), len(columns)))
    for r, (entries, _, _) in enumerate(rows):
        matrix[r, list(entries)] = list(entries.values())
    low, high, integer = zip(*columns, strict=True)
    return milp(matrix, [row[1] for row in rows], [row[2] for row in rows], low, high, integer, cost)
