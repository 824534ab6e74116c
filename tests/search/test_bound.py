"""What multipliers prove is true in exact arithmetic, although it is computed in floats."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from nnmip.search.bound import Bounds
from nnmip.search.choices import Everything
from nnmip.search.loss import FloatArray, Shortfalls
from nnmip.search.master import DualProgram
from nnmip.search.pool import Heads, Pool
from nnmip.search.problem import Members, Problem
from tests.search.instances import LOSSES, corners

MOST_NETWORKS = 5
SCALES = (1.0, 1e3, 1e6)


def problem(rng: np.random.Generator, name: str) -> Problem:
    """Numbers of many digits, so that nearly every operation is rounded."""
    coarse = LOSSES[name](rng, 4)
    scale = float(rng.choice(SCALES))
    weight = coarse.weight * rng.uniform(0.2, 3.0, len(coarse.weight))
    target = coarse.target * scale + rng.uniform(-1.0, 1.0, len(coarse.row))
    loss = Shortfalls(coarse.rows, coarse.row, coarse.slope, target, coarse.group, weight)
    none = np.zeros((3, 1))
    positions = int(rng.integers(1, 4))
    pool = Pool(
        rng.uniform(-scale, scale, (3, positions, 4)),
        np.zeros((3, positions)),
        rng.uniform(0.0, 0.1, 3),
        none,
        none[:, 0],
    )
    heads = Heads(rng.uniform(-1.0, 1.0, (2, positions, loss.outputs)), rng.uniform(0.0, 0.1, 2))
    reach = np.full(loss.outputs, 10.0 * scale)
    listed = None
    if loss.outputs == 1 and rng.random() < 0.3:
        listed = ((rng.uniform(-scale, scale, 4), rng.uniform(0.0, 0.2, 4)),)
    return Problem(pool, heads, loss, -reach, reach, 2, listed=listed)


def exact(number: float) -> Fraction:
    return Fraction(float(number))


def exact_score(given: Problem, member: tuple[int, int], row: int, score: int) -> Fraction:
    """What one unit adds to a score."""
    unit, head = member
    activations, vector = given.pool.activations[unit][:, row], given.heads.vectors[head][:, score]
    return sum((exact(a) * exact(v) for a, v in zip(activations, vector, strict=True)), Fraction(0))


def exact_at(given: Problem, members: Members, biases: list[Fraction]) -> Fraction:
    """The loss of a network at its biases and the costs of its members."""
    loss, pool, heads = given.loss, given.pool, given.heads
    worst = [Fraction(0)] * len(loss.weight)
    for r, (row, group) in enumerate(zip(loss.row, loss.group, strict=True)):
        inner = Fraction(0)
        for c in range(loss.outputs):
            score = biases[c] + sum(exact_score(given, member, row, c) for member in members)
            inner += exact(loss.slope[r][c]) * score
        worst[group] = max(worst[group], exact(loss.target[r]) - inner)
    paid = sum((exact(pool.cost[k]) + exact(heads.cost[v]) for k, v in members), Fraction(0))
    return paid + sum((exact(w) * most for w, most in zip(loss.weight, worst, strict=True)), Fraction(0))


def exact_optimum(given: Problem, members: Members) -> Fraction:
    """An upper bound of the best value over the biases, exact for one score: every kink is tried as a fraction."""
    loss, biases = given.loss, given.biases
    if biases.listed:
        options = zip(biases.points[0], biases.cost[0], strict=True)
        return min(exact_at(given, members, [exact(point)]) + exact(cost) for point, cost in options)
    scores = given.scores(members)
    points = [[exact(b) for b in point] for point in corners(loss, scores, given.low, given.high)]
    if loss.outputs == 1:
        points += [[kink] for kink in exact_kinks(given, members)]
    return min(exact_at(given, members, point) for point in points)


def exact_kinks(given: Problem, members: Members) -> list[Fraction]:
    loss = given.loss
    low, high = exact(given.low[0]), exact(given.high[0])
    lines = []
    for r, row in enumerate(loss.row):
        score = sum((exact_score(given, member, row, 0) for member in members), Fraction(0))
        slope = exact(loss.slope[r][0])
        lines.append((slope, exact(loss.target[r]) - slope * score))
    kinks = [level / slope for slope, level in lines]
    for (slope, level), (other, height) in itertools.combinations(lines, 2):
        if slope != other:
            kinks.append((level - height) / (slope - other))
    return [min(max(kink, low), high) for kink in kinks]


def multipliers(rng: np.random.Generator, given: Problem, members: Members) -> FloatArray:
    """Random ones, those that are best for one network, or a mixture: the best ones leave no room for roundings."""
    loss = given.loss
    answer = DualProgram(loss, given.biases, 0, 0.0).solve(given.scores(members), np.zeros(0, dtype=np.int64))
    assert answer is not None
    random = rng.uniform(-0.5, 1.5, len(loss.row)) * loss.limit
    share = float(rng.choice([0.0, 0.5, 1.0, 1.0, 1.0]))
    return np.asarray(share * answer.x[: len(loss.row)] + (1.0 - share) * random)


def excess(rng: np.random.Generator, given: Problem) -> Fraction:
    """By how much base + the sum of the reduced costs is above the exact value of some network, at most."""
    bounds = Bounds(given.pool, given.heads, given.loss, given.biases, given.units)
    every = list(itertools.product(range(given.pool.size), range(len(given.heads.cost))))
    most = Fraction(-1, 1) * 10**30
    for count in (0, 1, 2):
        networks = list(itertools.combinations_with_replacement(every, count))
        for members in (networks[i] for i in rng.permutation(len(networks))[:MOST_NETWORKS]):
            fixed = members[: int(rng.integers(0, count + 1))]
            free = members[len(fixed) :]
            u = multipliers(rng, given, members)
            paid = float(sum(given.pool.cost[k] + given.heads.cost[v] for k, v in fixed))
            bound = bounds.of(u, given.scores(fixed), paid, len(free))
            reduced = Everything(given.pool, given.heads).priced(bound.slopes)
            total = bound.base
            for unit, head in free:
                total += reduced[unit * len(given.heads.cost) + head]
            most = max(most, exact(total) - exact_optimum(given, members))
    return most


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("loss", LOSSES)
def test_no_bound_is_above_the_exact_optimum(loss: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *loss.encode()])
    assert excess(rng, problem(rng, loss)) <= 0


def test_the_allowance_for_roundings_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bounds, "_error", lambda self, u, fixed_cost, count: 0.0)
    monkeypatch.setattr(Shortfalls, "feasible", lambda self, u: np.clip(u, 0.0, self.limit))
    cases = [np.random.default_rng([seed, *b"hinge"]) for seed in range(20)]
    assert sum(excess(rng, problem(rng, "hinge")) > 0 for rng in cases) >= 6


@pytest.mark.parametrize("loss", ["hinge", "largest", "three classes"])
def test_multipliers_of_a_group_are_within_its_weight_exactly(loss: str) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        shortfalls = problem(rng, loss).loss
        u = shortfalls.feasible(rng.uniform(-0.5, 2.0, len(shortfalls.row)) * shortfalls.limit)
        assert (u >= 0).all()
        for group, weight in enumerate(shortfalls.weight):
            assert sum((exact(x) for x in u[shortfalls.group == group]), Fraction(0)) <= exact(weight)
