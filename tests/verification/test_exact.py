"""Properties that hold with nothing to spare, against all vertices and kinks in rational arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Applied, Assignment, Network, Reference
from nnmip.hir.evaluate import forward
from nnmip.hir.known import KnownNetwork
from nnmip.hir.rational import rationals
from nnmip.verification import simplex
from nnmip.verification.claims import Row
from nnmip.verification.units import Units
from nnmip.verification.verdict import Answer, Verdict

ZERO = Fraction(0)
Line = tuple[Fraction, Fraction, Fraction]


def decide(folder: Path, net: dict[str, np.ndarray], text: str, **options: Any) -> Verdict:
    np.savez(folder / "net.npz", **net)  # type: ignore[arg-type]
    model = nnmip.loads(f'nnm 0.1\nnetwork net = npz("net.npz")\nverify p:\n{text}', directory=folder)
    return model.verify("p", time_limit=20.0, **options)


def tenths(array: np.ndarray) -> Any:
    """Numbers that were written with one digit, as they were written."""
    if array.ndim > 1:
        return [tenths(row) for row in array]
    return [Fraction(round(10 * number), 10) for number in array]


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def outputs(net: dict[str, np.ndarray], x: Sequence[Fraction]) -> Fraction:
    a = list(x)
    for name in sorted({key[0] for key in net}):
        weights, bias = tenths(net[f"{name}.weights"]), tenths(net[f"{name}.bias"])
        z = [dot(row, a) + b for row, b in zip(weights, bias, strict=True)]
        a = z if name == "c" else [max(ZERO, v) for v in z]
    return a[0]


def random_net(seed: int, *sizes: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = {}
    for name, (before, after) in zip("abc"[3 - len(sizes) + 1 :], pairwise(sizes), strict=True):
        found[f"{name}.weights"] = random.integers(-15, 16, (after, before)) / 10
        found[f"{name}.bias"] = random.integers(-9, 10, after) / 10
    return found


def vertices(lines: Sequence[Line]) -> list[tuple[Fraction, Fraction]]:
    """Where two lines `a x + b y + c = 0` meet."""
    found = []
    for (a, b, c), (d, e, f) in combinations(lines, 2):
        det = a * e - b * d
        if det:
            found.append(((b * f - c * e) / det, (c * d - a * f) / det))
    return found


def largest_in_plane(net: dict[str, np.ndarray]) -> Fraction:
    """Over [0, 1]^2 where x + y <= 1.3: a network of one hidden layer is largest where two lines meet."""
    one, limit = Fraction(1), Fraction(13, 10)
    lines: list[Line] = [(one, ZERO, ZERO), (one, ZERO, -one), (ZERO, one, ZERO), (ZERO, one, -one)]
    lines += [(one, one, -limit)]
    lines += [(w[0], w[1], b) for w, b in zip(tenths(net["b.weights"]), tenths(net["b.bias"]), strict=True)]
    inside = [p for p in vertices(lines) if all(0 <= v <= 1 for v in p) and sum(p) <= limit]
    return max(outputs(net, point) for point in inside)


def largest_on_line(net: dict[str, np.ndarray]) -> Fraction:
    """Over [0, 1]: a network is largest at an end, or where a unit of some layer turns."""
    ends = [ZERO, Fraction(1)]
    first = [-b / w[0] for w, b in zip(tenths(net["a.weights"]), tenths(net["a.bias"]), strict=True) if w[0]]
    ends = sorted({*ends, *(x for x in first if 0 < x < 1)})

    def second(x: Fraction) -> list[Fraction]:
        hidden = [max(ZERO, w[0] * x + b) for w, b in zip(tenths(net["a.weights"]), tenths(net["a.bias"]), strict=True)]
        return [dot(w, hidden) + b for w, b in zip(tenths(net["b.weights"]), tenths(net["b.bias"]), strict=True)]

    turns = set(ends)
    for left, right in pairwise(ends):
        for low, high in zip(second(left), second(right), strict=True):
            if low * high < 0:
                turns.add(left + (right - left) * low / (low - high))
    return max(outputs(net, [x]) for x in turns)


CASES = [("plane", seed) for seed in range(5)] + [("line", seed) for seed in range(5)]


@pytest.mark.parametrize(("where", "seed"), CASES)
def test_the_largest_value_itself_is_proved_and_nothing_below_it(where: str, seed: int, tmp_path: Path) -> None:
    if where == "plane":
        net = random_net(seed, 2, 5, 1)
        best, region = largest_in_plane(net), "  forall x : real[2] in [0, 1]\n  assume x[0] + x[1] <= 1.3\n"
    else:
        net = random_net(seed, 1, 4, 3, 1)
        best, region = largest_on_line(net), "  forall x : real[1] in [0, 1]\n"
    whole = 10**6 // best.denominator * best.denominator or best.denominator
    limit = best * whole
    assert limit.denominator == 1
    text = region + "  prove {whole} * net(x) <= {limit}\n"
    verdict = decide(tmp_path, net, text.format(whole=whole, limit=limit))
    assert verdict.answer is Answer.VERIFIED and verdict.proof == "certified"
    assert verdict.margin is None or verdict.margin <= 1e-6
    less = repr(float(limit) - 1e-9 * max(1.0, abs(float(limit))))
    below = decide(tmp_path, net, text.format(whole=whole, limit=less), stages=["bounds", "exact"])
    assert below.answer is Answer.UNKNOWN or below.answer is Answer.VIOLATED


def test_what_no_float_can_break_is_open_and_says_why(tmp_path: Path) -> None:
    net = {"c.weights": np.array([[0.3]]), "c.bias": np.array([0.1])}
    verdict = decide(tmp_path, net, "  forall x : real[1] in [0, 1]\n  prove net(x) <= 0.39999999999999997\n")
    assert verdict.answer is Answer.UNKNOWN
    assert verdict.reason == "it is broken by 3e-17, too little to see in 64-bit arithmetic"
    again = decide(tmp_path, net, "  forall x : real[1] in [0, 1]\n  prove net(x) <= 0.4\n")
    assert (again.answer, again.by, again.proof) == (Answer.VERIFIED, "exact", "certified")


def test_two_points_a_conjunction_and_whole_numbers(tmp_path: Path) -> None:
    net = {"b.weights": np.array([[1.0], [1.0]]), "b.bias": np.array([0.0, -0.4])}
    net |= {"c.weights": np.array([[1.0, -1.0]]), "c.bias": np.array([0.1])}
    rising = "  forall x : real[1] in [0, 1], y : real[1] in [0, 1]\n  assume x[0] <= y[0]\n"
    for claim, answer in (("net(x) <= net(y)", Answer.VERIFIED), ("net(x) >= net(y)", Answer.VIOLATED)):
        assert decide(tmp_path, net, f"{rising}  prove {claim}\n").answer is answer
    both = "  forall x : real[1] in [0, 1]\n  prove net(x) <= 0.5 and (net(x) >= 0.5 or x[0] <= 0.4)\n"
    assert decide(tmp_path, net, both).answer is Answer.VERIFIED
    assert decide(tmp_path, net, both.replace("0.4)", "0.3)")).answer is Answer.VIOLATED
    whole = "  forall x : int[1] in -2..3\n  prove net(x) <= 0.5\n"
    assert decide(tmp_path, net, whole).answer is Answer.VERIFIED


@pytest.mark.parametrize("seed", range(30))
def test_programs_against_their_vertices(seed: int) -> None:
    random = np.random.default_rng(seed)
    lo, hi = [Fraction(-1), Fraction(0)], [Fraction(1), Fraction(2)]
    planes = [[Fraction(int(k), 2) for k in random.integers(-4, 5, 3)] for _ in range(5)]
    plane, cuts = planes[0], planes[1:]
    sides: list[Line] = [(Fraction(1), ZERO, -end) for end in (lo[0], hi[0])]
    sides += [(ZERO, Fraction(1), -end) for end in (lo[1], hi[1])]
    sides += [(a, b, c) for c, a, b in cuts]

    def value(row: Sequence[Fraction], x: Sequence[Fraction]) -> Fraction:
        return row[0] + dot(row[1:], x)

    inside = [
        x
        for x in vertices(sides)
        if all(low <= v <= high for low, v, high in zip(lo, x, hi, strict=True)) and all(value(c, x) <= 0 for c in cuts)
    ]
    best = min((value(plane, x) for x in inside), default=None)
    found = simplex.least(plane, cuts, lo, hi, lambda reached: False)
    assert found.value == best
    if best is not None:
        assert found.is_optimal and value(plane, found.point) == best
        assert all(value(cut, found.point) <= 0 for cut in cuts)
        early = simplex.least(plane, cuts, lo, hi, lambda reached: reached >= best - 1)
        assert early.value is not None and best - 1 <= early.value <= best


LAYERS = """nnm 0.1
network f(x: real[1, 4, 4] in [-1, 1]) {
  layer c = conv2d(x, filters: 1, kernel: 3, padding: 1, weights in {-0.3, 0.2, 0.7}, bias in {0.1, -0.2})
  layer a = clip(c, low: -0.3, high: 0.4)
  layer p = avgpool2d(a, kernel: 2)
  layer v = flatten(p)
  layer l = leaky_relu(v, slope: 0.1)
  layer h = hard_sigmoid(v, slope: 0.2, shift: 0.45)
  layer s = add(l, h)
  layer j = concat(s, v)
  layer d = dense(j, units: 3, weights in {-0.3, 0.2, 0.7}, bias in {0.1, -0.2})
  layer b = abs(d)
  layer q = piecewise(b, points: [-1, 0.1, 0.6], values: [0.2, 0.3, -0.4], outside: [0.5, -1.5])
  layer o = dense(q, units: 2, weights in {-0.3, 0.2, 0.7})
  return o
}
var x : real[1, 4, 4] in [-1, 1]
satisfy
"""


def test_every_layer_is_what_the_language_means(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    program = nnmip.loads(LAYERS, directory=tmp_path).program
    (network,), (point,) = program.networks, program.variables
    units, rows = made(network, random, point)
    for _ in range(5):
        x = random.integers(-10, 11, network.input_shape) / 10
        at = [Fraction(1), *rationals(x).reshape(-1)]
        for read in units.read:
            at.append(max(ZERO, dot(list(read[: len(at)]), at)))
        exact = forward(network, units.program.known[0].assignment, rationals(x[None]))["o"]
        meant = np.asarray(rationals(exact)).reshape(-1)
        assert [dot(list(row[: len(at)]), at) for row in rows] == list(meant)


def made(network: Network, random: np.random.Generator, point: Reference) -> tuple[Units, list[Any]]:
    """A network with random weights of its domains at a point, as affine functions of units."""
    values = {d.path: random.choice(d.domain.values, d.shape) for d in network.decisions}
    exact = {path: rationals(array) for path, array in values.items()}
    known = KnownNetwork(network, Assignment(exact, {}), (), None, ())
    program = nnmip.loads("nnm 0.1\nvar y : real in [0, 1]\nminimize y\n").program
    program = type(program)(**{**{f: getattr(program, f) for f in program.__slots__}, "known": (known,)})
    units = Units(program, {point.decision.path: slice(0, point.decision.size)}, point.decision.size)
    applied = Applied(network.name, point, network.output_shape, point.origin)
    return units, units.rows_of([Row(applied, entry, 1.0, False) for entry in range(2)])


@pytest.mark.parametrize("seed", range(6))
def test_deeper_networks_are_proved_only_above_all_samples(seed: int, tmp_path: Path) -> None:
    """By the exact step alone, which branches on units of both layers in any order."""
    net = random_net(seed, 3, 6, 5, 1)
    x = np.random.default_rng(seed).random((20_000, 3))
    x[: 2**3] = [[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)]
    for name in "ab":
        x = np.maximum(x @ net[f"{name}.weights"].T + net[f"{name}.bias"], 0.0)
    best = float((x @ net["c.weights"].T + net["c.bias"]).max())
    text = "  forall x : real[3] in [0, 1]\n  prove net(x) <= {limit!r}\n"
    assert decide(tmp_path, net, text.format(limit=best - 1e-4), stages=["exact"]).answer is not Answer.VERIFIED
    verdict = decide(tmp_path, net, text.format(limit=best + 0.5), stages=["exact"])
    assert (verdict.answer, verdict.by) == (Answer.VERIFIED, "exact")
