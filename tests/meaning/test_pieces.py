"""Each formulation alone: the optimum of random linear objectives over it equals brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from nnmip.bounds.interval import Interval
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Decision, FloatArray, Program
from nnmip.hir.domain import Domain
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.decisions import Encoding, IntegerEncoding, PiecesEncoding, encode_decision
from nnmip.lowering.piecewise import largest, positive_part
from nnmip.lowering.products import activation_product
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.ops.layers import dense
from nnmip.source import Origin, SourceFile, Span
from tests.meaning.harness import solve_highs

SOURCE = SourceFile("model.nnm", "nnm 0.1\n")
ORIGIN = Origin(Span(SOURCE, 0, 0), "model")


def lowering() -> Lowering:
    program = Program(SOURCE, (), (), (), (), ())
    return Lowering(program, MilpBuilder(ORIGIN))


def best(low: Lowering, objective: Affine, relaxed: bool = False) -> float | None:
    """The least value of the objective over the MILP, or over its LP relaxation."""
    low.builder.minimise(objective)
    milp = low.builder.build()
    milp.verify()
    if relaxed:
        milp = replace(milp, integer=np.zeros(milp.num_columns, dtype=bool))
    return solve_highs(milp).objective


def free(low: Lowering, path: str, lo: float, hi: float) -> Affine:
    return low.builder.columns(path, (1, 1), lo, hi, ORIGIN, lambda x, choice: np.zeros((1, 1)))


# ---- positive part -----------------------------------------------------------------------------------------------

BOXES = [(-2.0, 3.0), (-1.0, 0.0), (0.0, 2.0), (-3.0, -1.0), (1.0, 2.0), (-0.5, 4.0)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("seed", range(4))
def test_positive_part_is_exact(box: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, d = rng.normal(size=2)
    low = lowering()
    z = free(low, "z", *box)
    h = positive_part(low, "h", z, Interval.box((1, 1), *box), Polarity.EXACT, ORIGIN).value
    points = [box[0], box[1], min(max(0.0, box[0]), box[1])]
    expected = min(c * p + d * max(p, 0.0) for p in points)
    assert best(low, (z * c + h * d).sum()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("box", BOXES)
def test_positive_part_bounds_the_side_that_is_asked_for(box: tuple[float, float]) -> None:
    for polarity, sign in ((Polarity.UPPER, 1.0), (Polarity.LOWER, -1.0)):
        for fixed in np.linspace(*box, 5):
            low = lowering()
            z = free(low, "z", *box)
            low.builder.rows("fixed", z, ORIGIN, lb=fixed, ub=fixed)
            h = positive_part(low, "h", z, Interval.box((1, 1), *box), polarity, ORIGIN).value
            found = best(low, (h * sign).sum())
            assert found is not None
            # A binary of a solver may be 1e-8 from a whole number.
            assert sign * found == pytest.approx(max(fixed, 0.0), abs=1e-7)


def test_an_upper_positive_part_has_no_binary() -> None:
    low = lowering()
    positive_part(low, "h", free(low, "z", -1.0, 1.0), Interval.box((1, 1), -1.0, 1.0), Polarity.UPPER, ORIGIN)
    assert not low.builder.build().integer.any()


def test_the_relaxation_of_a_positive_part_is_the_triangle() -> None:
    low = lowering()
    z = free(low, "z", -1.0, 3.0)
    h = positive_part(low, "h", z, Interval.box((1, 1), -1.0, 3.0), Polarity.EXACT, ORIGIN).value
    low.builder.rows("fixed", z, ORIGIN, lb=1.0, ub=1.0)
    assert best(low, (h * -1.0).sum(), relaxed=True) == pytest.approx(-3.0 * (1.0 + 1.0) / 4.0)


@pytest.mark.parametrize(("price", "expected"), [(1.5, -0.5), (2.5, 0.0)])
def test_a_gate_switches_the_phase_off(price: float, expected: float) -> None:
    low = lowering()
    gate = low.builder.binaries("gate", (1, 1), ORIGIN, lambda x, choice: np.zeros((1, 1)))
    z = free(low, "z", -2.0, 2.0)
    low.builder.rows("kept", z - gate * 2.0, ORIGIN, ub=0.0)
    low.builder.rows("kept.lower", z + gate * 2.0, ORIGIN, lb=0.0)
    h = positive_part(low, "h", z, Interval.box((1, 1), -2.0, 2.0), Polarity.EXACT, ORIGIN, gate).value
    assert best(low, (h * -1.0 + gate * price).sum()) == pytest.approx(expected)


# ---- decisions ---------------------------------------------------------------------------------------------------

DOMAINS = {
    "two": Domain.of(values=(-1, 1)),
    "zero and one": Domain.of(values=(0, 1)),
    "zero and minus two": Domain.of(values=(-2, 0)),
    "ternary": Domain.of(values=(-1, 0, 1)),
    "uneven": Domain.of(values=(-1, 0, 0.5)),
    "no zero": Domain.of(values=(1, 2, 4)),
    "four": Domain.of(values=(-2, -1, 1, 3)),
    "five": Domain.of(values=(-2, -1, 0, 1, 2)),
    "halves": Domain.of(values=(-1, -0.5, 0, 0.5, 1, 1.5)),
    "positive integers": Domain.of(values=(1, 2, 3, 4, 5)),
    "from zero": Domain.of(values=(0, 1, 2, 3, 4)),
    "up to zero": Domain.of(values=(-4, -3, -2, -1, 0)),
    "one value": Domain.of(values=(0.5,)),
}
MIXED = {
    "interval": Domain.of([(-2, 2)]),
    "interval from zero": Domain.of([(0, 2)]),
    "positive interval": Domain.of([(1, 2)]),
    "least magnitude": Domain.of([(-2, -0.5), (0.5, 2)], [0]),
    "interval and value": Domain.of([(-1, 1)], [3]),
    "interval that ends at zero": Domain.of([(-1, 0)], [2]),
    "two intervals": Domain.of([(1, 2), (4, 5)]),
    "value below an interval": Domain.of([(0.5, 1)], [-1]),
}


def encode(low: Lowering, domain: Domain, gated: bool, multiplies: bool = False) -> tuple[Encoding, Affine | None]:
    decision = Decision("w", "weights", (1, 1), domain, ORIGIN)
    gate = low.builder.binaries("gate", (1, 1), ORIGIN, lambda x, choice: choice["gate"]) if gated else None
    return encode_decision(low, decision, gate, multiplies), gate


def members(domain: Domain) -> list[float]:
    """Enough members to contain the optimum of a function that is linear between 0 and the ends."""
    found = [*domain.values, *(end for ends in domain.intervals for end in ends)]
    return [*found, *([0.0] if domain.has_zero else [])]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", [*DOMAINS, *MIXED])
def test_encodings_hold_exactly_the_domain(name: str, gated: bool) -> None:
    domain = {**DOMAINS, **MIXED}[name]
    for goal in np.linspace(domain.lo - 1, domain.hi + 1, 13):
        low = lowering()
        encoding, gate = encode(low, domain, gated)
        distance = positive_part(
            low, "d", encoding.value - goal, Interval.box((1, 1), -20, 20), Polarity.UPPER, ORIGIN
        ).value
        total = distance * 2.0 - (encoding.value - goal)
        if gate is not None:
            total = total - gate * 30.0
        expected = float(domain.distance(np.asarray(goal))) - (30.0 if gated else 0.0)
        assert best(low, total.sum()) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("name", [*DOMAINS, *MIXED])
def test_a_closed_gate_makes_a_weight_0(name: str) -> None:
    for sign in (1.0, -1.0):
        low = lowering()
        encoding, gate = encode(low, {**DOMAINS, **MIXED}[name], True)
        assert gate is not None
        low.builder.rows("closed", gate, ORIGIN, ub=0.0)
        assert best(low, (encoding.value * sign).sum()) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", [*DOMAINS, *MIXED])
def test_nonzero_counts_from_above(name: str, gated: bool) -> None:
    """The least of `a [w != 0] + b w` over members and, where there is a gate, removal."""
    domain = {**DOMAINS, **MIXED}[name]
    for slope in (-0.4, 0.0, 0.4, 2.0, -2.0):
        low = lowering()
        encoding, _ = encode(low, domain, gated)
        t = encoding.nonzero(low, Polarity.UPPER, ORIGIN)
        choices = [(w != 0) + slope * w for w in members(domain)] + ([0.0] if gated else [])
        assert best(low, (t + encoding.value * slope).sum()) == pytest.approx(min(choices), abs=1e-7)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", [*DOMAINS, "positive interval", "least magnitude", "two intervals"])
def test_nonzero_counts_from_below(name: str, gated: bool) -> None:
    domain = {**DOMAINS, **MIXED}[name]
    for polarity in (Polarity.LOWER, Polarity.EXACT):
        for slope in (-0.4, 0.0, 0.4, 2.0, -2.0):
            low = lowering()
            encoding, _ = encode(low, domain, gated)
            t = encoding.nonzero(low, polarity, ORIGIN)
            choices = [-(w != 0) + slope * w for w in members(domain)] + ([0.0] if gated else [])
            assert best(low, (encoding.value * slope - t).sum()) == pytest.approx(min(choices), abs=1e-7)


@pytest.mark.parametrize("name", ["interval", "interval from zero", "interval and value", "interval that ends at zero"])
def test_a_weight_that_can_be_arbitrarily_small_is_not_provably_nonzero(name: str) -> None:
    low = lowering()
    encoding, _ = encode(low, MIXED[name], False)
    with pytest.raises(DiagnosticError) as caught:
        encoding.nonzero(low, Polarity.LOWER, ORIGIN)
    assert [d.code for d in caught.value.diagnostics] == ["NNM0314"]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", [*DOMAINS, *MIXED])
def test_absolute_values(name: str, gated: bool) -> None:
    domain = {**DOMAINS, **MIXED}[name]
    for polarity, sign in (
        (Polarity.UPPER, 1.0),
        (Polarity.LOWER, -1.0),
        (Polarity.EXACT, 1.0),
        (Polarity.EXACT, -1.0),
    ):
        for slope in (-0.5, 0.0, 0.5, 2.0):
            low = lowering()
            encoding, _ = encode(low, domain, gated)
            a = encoding.absolute(low, polarity)
            choices = [sign * abs(w) + slope * w for w in members(domain)] + ([0.0] if gated else [])
            assert best(low, (a * sign + encoding.value * slope).sum()) == pytest.approx(min(choices), abs=1e-7)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("name", [*DOMAINS, *MIXED])
def test_values_come_back_exactly(name: str, gated: bool) -> None:
    domain = {**DOMAINS, **MIXED}[name]
    rng = np.random.default_rng(0)
    low = lowering()
    encoding, gate = encode(low, domain, gated)
    encoding.nonzero(low, Polarity.UPPER, ORIGIN)
    for _ in range(20):
        w = domain.project(rng.uniform(domain.lo - 1, domain.hi + 1, (1, 1)))
        x = low.builder.complete({"w": w, "gate": np.ones((1, 1))})
        assert encoding.lift(x + rng.uniform(-1e-7, 1e-7, len(x))) == pytest.approx(w, abs=1e-6)
        assert domain.distance(encoding.lift(x + rng.uniform(-1e-7, 1e-7, len(x)))).item() == 0.0
    if gate is not None:
        x = low.builder.complete({"w": np.zeros((1, 1)), "gate": np.zeros((1, 1))})
        assert encoding.lift(x + 1e-7).item() == 0.0


# ---- products ----------------------------------------------------------------------------------------------------

ACTIVATIONS = [(0.0, 2.0), (-1.0, 3.0), (-2.0, -0.5), (0.5, 2.0), (-1.5, 0.0)]
FINITE = [name for name in DOMAINS if name != "one value"]


def multiply(low: Lowering, weights: PiecesEncoding | IntegerEncoding, a: Affine, bounds: Interval) -> Affine:
    """Dense products [n, units] of weights [units, i] and activations [n, i]."""
    units, width = weights.decision.shape
    connections = dense.connect((width,), {"units": units})
    return activation_product(low, "p", weights, Signal(a, bounds), connections, (units,), ORIGIN)


def product(
    low: Lowering, domain: Domain, ends: tuple[float, float], gated: bool
) -> tuple[Affine, Affine, Affine, Affine | None]:
    encoding, gate = encode(low, domain, gated, multiplies=True)
    assert isinstance(encoding, PiecesEncoding | IntegerEncoding)
    a = free(low, "a", *ends)
    p = multiply(low, encoding, a, Interval.box((1, 1), *ends))
    return encoding.value, a, p, gate


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("ends", ACTIVATIONS)
@pytest.mark.parametrize("name", FINITE)
def test_products_are_exact(name: str, ends: tuple[float, float], gated: bool) -> None:
    """A random linear objective over (w, a, w a, gate) attains its optimum at a level and an end of the interval."""
    rng = np.random.default_rng(len(name) + gated)
    for _ in range(3):
        cw, ca, cp, cg = rng.normal(size=4)
        low = lowering()
        w, a, p, gate = product(low, DOMAINS[name], ends, gated)
        total = w * cw + a * ca + p * cp
        levels = [(level, 1.0) for level in DOMAINS[name].values]
        if gate is not None:
            total = total + gate * cg
            levels.append((0.0, 0.0))
        expected = min(
            cw * v + ca * end + cp * v * end + (cg * g if gated else 0.0)
            for (v, g), end in itertools.product(levels, ends)
        )
        assert best(low, total.sum()) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("ends", ACTIVATIONS)
@pytest.mark.parametrize("name", FINITE)
def test_the_relaxation_of_one_product_has_no_gap(name: str, ends: tuple[float, float]) -> None:
    """Disaggregation, and bits with McCormick rows, project to the convex hull of (w, a, w a)."""
    rng = np.random.default_rng(len(name))
    for _ in range(5):
        cw, ca, cp = rng.normal(size=3)
        low = lowering()
        w, a, p, _ = product(low, DOMAINS[name], ends, False)
        total = (w * cw + a * ca + p * cp).sum()
        levels = DOMAINS[name].values
        expected = min(cw * v + ca * end + cp * v * end for v, end in itertools.product(levels, ends))
        assert best(low, total, relaxed=True) == pytest.approx(expected, abs=1e-7)


def test_known_activations_need_no_product() -> None:
    low = lowering()
    encoding, _ = encode(low, DOMAINS["ternary"], False, multiplies=True)
    assert isinstance(encoding, PiecesEncoding)
    before = low.builder.num_columns
    a = Affine.constant(np.full((1, 1), 2.0))
    p = multiply(low, encoding, a, Interval.box((1, 1), 2.0, 2.0))
    assert low.builder.num_columns == before
    assert best(low, p.sum()) == pytest.approx(-2.0)


def test_products_add_up_over_the_sources() -> None:
    """z[n, k] = sum over i of w[k, i] a[n, i], with other weights for each k and other activations for each n."""
    low = lowering()
    domain = DOMAINS["ternary"]
    decision = Decision("w", "weights", (2, 2), domain, ORIGIN)
    encoding = encode_decision(low, decision, None, True)
    assert isinstance(encoding, PiecesEncoding)
    a = low.builder.columns("a", (3, 2), -1.0, 2.0, ORIGIN, lambda x, choice: choice["a"])
    p = multiply(low, encoding, a, Interval.box((3, 2), -1.0, 2.0))
    rng = np.random.default_rng(0)
    milp = low.builder.build()
    for _ in range(20):
        chosen: dict[str, FloatArray] = {
            "w": domain.project(rng.uniform(-1, 1, (2, 2))),
            "a": rng.uniform(-1, 2, (3, 2)),
        }
        x = low.builder.complete(chosen)
        assert milp.violation(x) <= 1e-12
        assert p.value(x) == pytest.approx(chosen["a"] @ chosen["w"].T)


# ---- the largest of several ----------------------------------------------------------------------------------------

CANDIDATES = [
    ((-1.0, -2.0, 0.0), (1.0, 3.0, 0.5)),
    ((0.0, 0.0), (2.0, 2.0)),
    ((-1.0, 2.0, -3.0), (1.0, 4.0, 1.5)),
    ((-1.0, -1.0, -4.0), (0.0, 2.0, -2.0)),
    ((0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0)),
    ((-2.0,), (1.0,)),
]


def among(lo: tuple[float, ...], hi: tuple[float, ...], polarity: Polarity) -> tuple[Lowering, Affine, Affine]:
    """Free candidates e in [lo, hi], and the column for the largest of them."""
    low = lowering()
    shape = (1, len(lo))
    e = low.builder.columns("e", shape, np.array(lo), np.array(hi), ORIGIN, lambda x, choice: np.zeros(shape))
    bounds = Interval(np.array([lo]), np.array([hi]))
    return low, e, largest(low, "y", e, bounds, polarity, ORIGIN)


@pytest.mark.parametrize(("lo", "hi"), CANDIDATES)
@pytest.mark.parametrize("seed", range(4))
def test_the_largest_is_exact(lo: tuple[float, ...], hi: tuple[float, ...], seed: int) -> None:
    """A linear objective over the pieces on which one candidate is the largest has its optimum where every candidate is
    at an end of its range or at the end of another that lies in it."""
    rng = np.random.default_rng(seed)
    c, d = rng.normal(size=len(lo)), float(rng.normal())
    low, e, y = among(lo, hi, Polarity.EXACT)
    ends = sorted({*lo, *hi})
    grid = [[v for v in ends if a <= v <= b] for a, b in zip(lo, hi, strict=True)]
    expected = min(float(np.dot(c, point)) + d * max(point) for point in itertools.product(*grid))
    assert best(low, (e * c).sum() + (y * d).sum()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("lo", "hi"), CANDIDATES)
@pytest.mark.parametrize("polarity", [Polarity.UPPER, Polarity.LOWER])
def test_the_largest_bounds_the_side_that_is_asked_for(
    lo: tuple[float, ...], hi: tuple[float, ...], polarity: Polarity
) -> None:
    sign = 1.0 if polarity is Polarity.UPPER else -1.0
    rng = np.random.default_rng(0)
    for _ in range(4):
        point = rng.uniform(lo, hi)
        low, e, y = among(lo, hi, polarity)
        low.builder.rows("fixed", e, ORIGIN, lb=point[None], ub=point[None])
        found = best(low, (y * sign).sum())
        assert found is not None and sign * found == pytest.approx(point.max(), abs=1e-9)


def test_an_upper_largest_has_no_binary() -> None:
    low, _, _ = among((-1.0, -2.0), (1.0, 3.0), Polarity.UPPER)
    assert not low.builder.build().integer.any()


def test_candidates_that_cannot_be_the_largest_get_no_pick() -> None:
    low, _, _ = among((-1.0, 2.0, -3.0, 1.0), (1.0, 4.0, 1.5, 3.0), Polarity.EXACT)
    assert low.builder.build().integer.sum() == 1
