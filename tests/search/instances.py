"""Small random problems, and their optima by trying every network at every bias where its loss can be least."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nnmip.search.loss import FloatArray, Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.pool import Heads, Pool
from nnmip.search.problem import Members, Problem

Generator = np.random.Generator


# ---- losses -------------------------------------------------------------------------------------------------------


def weights(rng: Generator, rows: int) -> FloatArray:
    """Equal or not."""
    return np.full(rows, 1.0 / rows) if rng.random() < 0.5 else rng.integers(1, 5, rows) / 8.0


def hinge(rng: Generator, rows: int) -> Shortfalls:
    sign = rng.choice([-1.0, 1.0], rows)
    each = np.arange(rows)
    return Shortfalls(rows, each, sign[:, None], np.full(rows, 0.5), each, weights(rng, rows))


def two_sided(rng: Generator, rows: int, up: float, down: float, free: float) -> Shortfalls:
    """max(0, up (y - f - free)) + max(0, down (f - y - free))."""
    labels = rng.integers(-4, 5, rows) / 2.0
    row, sides = np.tile(np.arange(rows), 2), np.repeat([up, -down], rows)
    target = np.concatenate([up * (labels - free), down * (-labels - free)])
    return Shortfalls(rows, row, sides[:, None], target, np.arange(2 * rows), np.tile(weights(rng, rows), 2))


def absolute(rng: Generator, rows: int) -> Shortfalls:
    return two_sided(rng, rows, 1.0, 1.0, 0.0)


def quantile(rng: Generator, rows: int) -> Shortfalls:
    return two_sided(rng, rows, 0.3, 0.7, 0.0)


def insensitive(rng: Generator, rows: int) -> Shortfalls:
    return two_sided(rng, rows, 1.0, 1.0, 0.25)


def largest(rng: Generator, rows: int) -> Shortfalls:
    """The largest absolute error: one group."""
    each = absolute(rng, rows)
    return Shortfalls(rows, each.row, each.slope, each.target, np.zeros(2 * rows, dtype=np.int64), np.array([0.75]))


def lopsided(rng: Generator, rows: int) -> Shortfalls:
    """One group whose pieces are not equally steep: no closed form."""
    each = quantile(rng, rows)
    return Shortfalls(rows, each.row, each.slope, each.target, np.zeros(2 * rows, dtype=np.int64), np.array([0.75]))


def classes(count: int) -> Callable[[Generator, int], Shortfalls]:
    """The largest shortfall of the lead over a wrong class."""

    def make(rng: Generator, rows: int) -> Shortfalls:
        labels = rng.integers(0, count, rows)
        pairs = [(i, j) for i in range(rows) for j in range(count) if j != labels[i]]
        row = np.array([i for i, _ in pairs])
        slope = np.eye(count)[labels[row]] - np.eye(count)[[j for _, j in pairs]]
        return Shortfalls(rows, row, slope, np.full(len(row), 0.5), row, weights(rng, rows))

    return make


LOSSES: dict[str, Callable[[Generator, int], Shortfalls]] = {
    "hinge": hinge,
    "absolute": absolute,
    "quantile": quantile,
    "insensitive": insensitive,
    "largest": largest,
    "lopsided": lopsided,
    "two classes": classes(2),
    "three classes": classes(3),
}


# ---- problems -----------------------------------------------------------------------------------------------------


def even(members: Members) -> bool:
    """A rule that ties units: none twice, and their numbers add up to an even one."""
    units = [unit for unit, _ in members]
    return len(set(units)) == len(units) and sum(units) % 2 == 0


def mistakes(rng: Generator, rows: int) -> Mistakes:
    return Mistakes(rows, rng.choice([-1.0, 1.0], rows), np.full(rows, rng.choice([0.5, 1.0])), weights(rng, rows))


def problem(rng: Generator, loss: Callable[[Generator, int], Shortfalls | Mistakes]) -> Problem:
    shortfalls = loss(rng, int(rng.integers(3, 6)))
    outputs = shortfalls.outputs
    units = int(rng.integers(1, 4 if outputs < 3 else 3))
    size = int(rng.integers(2, 6 if outputs == 1 else 4))
    positions = int(rng.integers(1, 3))
    activations = np.maximum(0.0, rng.integers(-4, 7, (size, positions, shortfalls.rows)) / 2.0)
    none = np.zeros((size, 1))
    pool = Pool(activations, np.zeros((size, positions)), rng.integers(1, 6, size) / 50.0, none, none[:, 0])
    vectors = np.array([v for v in itertools.product([-1.0, 0.0, 1.0], repeat=positions * outputs) if any(v)])
    vectors = vectors[rng.permutation(len(vectors))[:5]]
    heads = Heads(vectors.reshape(-1, positions, outputs), 0.01 * np.abs(vectors).sum(axis=1))
    reach = float(rng.choice([0.25, 1.0, 10.0]))
    low, high = np.full(outputs, -reach), np.full(outputs, reach + 0.25)
    listed = None
    if rng.random() < 0.3:
        listed = tuple((np.arange(-2.0, 3.0), rng.integers(0, 4, 5) / 40.0) for _ in range(outputs))
    idle = (None, 0.0, 0.03)[int(rng.integers(3))]
    admits = even if rng.random() < 0.3 else None
    return Problem(pool, heads, shortfalls, low, high, units, idle, admits, listed)


# ---- by trying everything -----------------------------------------------------------------------------------------


def loss_at(loss: Shortfalls, scores: FloatArray, biases: FloatArray) -> FloatArray:
    """By definition, for vectors of biases [P, C]."""
    total = np.zeros(len(biases))
    for group, weight in enumerate(loss.weight):
        worst = np.zeros(len(biases))
        for r in np.flatnonzero(loss.group == group):
            given = (scores[loss.row[r]] + biases) @ loss.slope[r]
            worst = np.maximum(worst, loss.target[r] - given)
        total += weight * worst
    return total


def at(loss: Shortfalls | Mistakes, scores: FloatArray, biases: FloatArray) -> FloatArray:
    return mistakes_at(loss, scores, biases) if isinstance(loss, Mistakes) else loss_at(loss, scores, biases)


def corners(loss: Shortfalls, scores: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Where the planes meet at which the loss turns: [P, C], inside the box; the ends of the box are planes, too."""
    outputs = loss.outputs
    planes = [(loss.slope[r], loss.target[r] - loss.slope[r] @ scores[loss.row[r]]) for r in range(len(loss.row))]
    for r, s in itertools.combinations(range(len(loss.row)), 2):
        if loss.group[r] == loss.group[s]:
            planes.append((planes[r][0] - planes[s][0], planes[r][1] - planes[s][1]))
    planes += [(axis, end[c]) for c, axis in enumerate(np.eye(outputs)) for end in (low, high)]
    unique = {(*slope, level): None for slope, level in planes if slope.any()}
    table = np.array(list(unique))
    chosen = np.array(list(itertools.combinations(range(len(table)), outputs)))
    matrices = table[chosen][:, :, :-1]
    meet = np.abs(np.linalg.det(matrices)) > 1e-9
    points = np.linalg.solve(matrices[meet], table[chosen][meet][:, :, -1:])[:, :, 0]
    inside = ((points >= low - 1e-12) & (points <= high + 1e-12)).all(axis=1)
    return np.asarray(np.unique(np.clip(points[inside], low, high), axis=0))


def mistakes_at(loss: Mistakes, scores: FloatArray, biases: FloatArray) -> FloatArray:
    given = loss.sign * (scores[:, 0] + biases)
    return np.asarray((given < loss.margin - 1e-9) @ loss.weight)


def turns(loss: Mistakes, scores: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The biases at which some row becomes right or wrong, [P, 1]."""
    ends = np.concatenate([loss.sign * loss.margin - scores[:, 0], low, high])
    return np.asarray(ends[(ends >= low) & (ends <= high)][:, None])


def networks(problem: Problem) -> Iterator[Members]:
    every = list(itertools.product(range(problem.pool.size), range(len(problem.heads.cost))))
    for count in range(problem.units if problem.idle is None else 0, problem.units + 1):
        yield from itertools.combinations_with_replacement(every, count)


def value(problem: Problem, members: Members) -> float:
    scores = np.zeros((problem.loss.rows, problem.loss.outputs))
    paid = (problem.units - len(members)) * (problem.idle or 0.0)
    for unit, head in members:
        scores += np.einsum("pn,pc->nc", problem.pool.activations[unit], problem.heads.vectors[head])
        paid += problem.pool.cost[unit] + problem.heads.cost[head]
    if problem.listed is None:
        find = turns if isinstance(problem.loss, Mistakes) else corners
        biases, cost = find(problem.loss, scores, problem.low, problem.high), 0.0
    else:
        biases = np.array(list(itertools.product(*[values for values, _ in problem.listed])))
        cost = np.array(list(itertools.product(*[cost for _, cost in problem.listed]))).sum(axis=1)
    return float((at(problem.loss, scores, biases) + cost).min()) + paid


@dataclass(frozen=True)
class Answer:
    value: float
    members: Members | None


def optimum(problem: Problem) -> Answer:
    best = Answer(np.inf, None)
    for members in networks(problem):
        if problem.admits is None or problem.admits(members):
            found = value(problem, members)
            best = Answer(found, members) if found < best.value else best
    return best
