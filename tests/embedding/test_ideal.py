"""Ideal cuts at points: valid in exact arithmetic, the hull of one unit, and without an effect on the optimum."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.relaxation import Relaxation, Relaxed
from nnmip.build import Draft
from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import result as network_result
from nnmip.lowering.ideal import Cuts, OpenUnits
from nnmip.lowering.lower import Direct, Lowered, lower_program
from nnmip.milp.affine import Affine
from nnmip.solution.ideal import RootCuts, with_cuts
from nnmip.solution.network import trained_network
from tests.embedding.test_applied import dense, known, residual
from tests.meaning.harness import solve_backend

Fractions = list[Fraction]


def unit(chance: np.random.Generator, inputs: int) -> tuple[OpenUnits, np.ndarray, np.ndarray]:
    """Columns x, then h and s; with the bounds of x."""
    weights = chance.normal(size=inputs) * 10.0 ** chance.integers(-3, 3, inputs)
    lo = chance.normal(size=inputs)
    hi = lo + chance.uniform(0, 2, inputs)
    places = np.arange(inputs)
    middle = float(weights @ (lo + hi) / 2)
    inner = Affine(np.array([chance.normal() - middle]), np.zeros(inputs, np.int64), places, weights)
    ends = np.append(lo, [0.0, 0.0]), np.append(hi, [np.abs(weights).sum() * 9, 1.0])
    return OpenUnits("f", np.array([inputs]), np.array([inputs + 1]), inner), *ends


def left(cuts: Cuts, row: int, x: Fractions) -> Fraction:
    """What a point has more than the cut asks, exactly."""
    own = slice(int(cuts.starts[row]), int(cuts.starts[row + 1]))
    terms = (Fraction(v) * x[c] for v, c in zip(cuts.values[own].tolist(), cuts.columns[own].tolist(), strict=True))
    return sum(terms, Fraction(0)) - Fraction(float(cuts.least[row]))


def least_room(units: OpenUnits, cuts: Cuts, lo: np.ndarray, hi: np.ndarray, chance: np.random.Generator) -> Fraction:
    """The least room of corners, the hardest of them first, and of points inside, in rational numbers."""
    weights, d = units.inner.coef, len(units.inner.coef)
    x = [np.where(chance.random(d) < 0.5, lo[:d], hi[:d]) for _ in range(10)]
    x += [chance.uniform(lo[:d], hi[:d]) for _ in range(5)]
    x += [np.where(weights > 0, lo[:d], hi[:d]), np.where(weights > 0, hi[:d], lo[:d])]
    own = [set(cuts.columns[cuts.starts[r] : cuts.starts[r + 1]].tolist()) for r in range(cuts.count)]
    found = []
    for r in range(cuts.count):
        inside = np.array([k in own[r] for k in range(d)])
        tight = np.where(inside == (weights > 0), lo[:d], hi[:d])
        for point in [*x, tight]:
            values = [Fraction(v) for v in point.tolist()]
            z = sum((Fraction(w) * v for w, v in zip(weights.tolist(), values, strict=True)), Fraction(0))
            z += Fraction(float(units.inner.const[0]))
            for h, s in ([(Fraction(0), 0)] if z <= 0 else []) + ([(z, 1)] if z >= 0 else []):
                found.append(left(cuts, r, [*values, h, Fraction(s)]))
    return min(found)


def random_cuts(units: OpenUnits, lo: np.ndarray, hi: np.ndarray, chance: np.random.Generator) -> Cuts:
    d = len(units.inner.coef)
    points = []
    for _ in range(8):
        x = np.append(chance.uniform(lo[:d], hi[:d]), [hi[d], chance.uniform(0, 1)])
        points.append(units.violated(x, lo, hi))
    return Cuts.joined(points)


@pytest.mark.parametrize("seed", range(40))
def test_no_point_is_cut_off_in_exact_arithmetic(seed: int) -> None:
    chance = np.random.default_rng(seed)
    units, lo, hi = unit(chance, int(chance.integers(1, 30)))
    cuts = random_cuts(units, lo, hi, chance)
    assert cuts.count
    assert least_room(units, cuts, lo, hi, chance) >= 0


def test_cuts_that_are_rounded_to_nearest_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above sees the last bit: without the room for rounding some point is cut off."""
    monkeypatch.setattr("nnmip.lowering.ideal.UNIT_ROUNDOFF", 0.0)
    worst = Fraction(0)
    for seed in range(40):
        chance = np.random.default_rng(seed)
        units, lo, hi = unit(chance, int(chance.integers(1, 30)))
        worst = min(worst, least_room(units, random_cuts(units, lo, hi, chance), lo, hi, chance))
    assert worst < 0


def problem(make: object, seed: int, sense: str, values: set[float] | tuple[float, float]) -> Draft:
    draft = Draft("embed")
    f, x = draft.trained("f", known(make, seed)), draft.variable("x", 3, values)  # type: ignore[arg-type]
    draft.constraint("cap", x.sum() <= 0.5)
    y = f(x)
    getattr(draft, sense)(y[0] - 0.3 * y[1])
    return draft


def cut(lowered: Lowered, rounds: int = 10) -> tuple[Lowered, RootCuts | None]:
    assert isinstance(lowered.way, Direct)
    milp, done = with_cuts(lowered.milp, tuple(lowered.way.low.open_units), rounds)
    milp.verify()
    return replace(lowered, milp=milp), done


def test_one_unit_becomes_its_hull() -> None:
    """For every goal the relaxation with cuts has the value of the MILP."""
    draft = Draft("net")
    net = draft.network("f", 4, (-2, 2))
    net.returns(net.relu("a", net.dense("h", net.input, units=1, weights=(-3, 3), bias=(-3, 3))))
    draft.satisfy()
    program = draft.program()
    weights = {"f.h.weights": np.array([[1.0, -2.0, 0.5, 1.5]]), "f.h.bias": np.array([0.25])}
    one = trained_network(program, program.networks[0], Assignment(weights, {}))
    chance, loose = np.random.default_rng(3), 0
    for _ in range(10):
        draft = Draft("hull")
        f, x = draft.trained("f", one), draft.variable("x", 4, (-1, 1))
        draft.maximize(f(x)[0] - sum(float(c) * x[k] for k, c in enumerate(chance.normal(size=4).round(2))))
        lowered = lower_program(draft.program())
        tight, _ = cut(lowered, 50)
        with Session() as session:
            wanted = solve_backend(session, lowered.milp, "highs").objective
        before, after = (Relaxation(each.milp).solve() for each in (lowered, tight))
        assert isinstance(before, Relaxed) and isinstance(after, Relaxed) and wanted is not None
        loose += before.value < wanted - 1e-3
        assert after.value == pytest.approx(wanted, abs=2e-5)
    assert loose >= 3


@pytest.mark.parametrize("make", [dense, residual])
def test_cuts_change_no_optimum(make: object, session: Session) -> None:
    values, found = [-1.0, -0.5, 0.0, 0.5, 1.0], 0
    points = np.array(list(itertools.product(values, repeat=3)))
    allowed = points.sum(axis=1) <= 0.5
    for seed, sense in itertools.product(range(4), ("minimize", "maximize")):
        own = known(make, seed).compact()  # type: ignore[arg-type]
        scores = network_result(own.network, own.assignment, points)[allowed]
        worth = scores[:, 0] - 0.3 * scores[:, 1]
        lowered, done = cut(lower_program(problem(make, seed, sense, set(values)).program()))
        found += done.count if done is not None else 0
        for solver in ("highs", "cbc"):
            answer = solve_backend(session, lowered.milp, solver)
            assert answer.objective is not None
            wanted = worth.min() if sense == "minimize" else worth.max()
            assert lowered.sign * answer.objective == pytest.approx(wanted, abs=1e-6)
    assert make is residual or found > 5


def text(annotation: str) -> str:
    return f"""nnm 0.1
{annotation}
network f = npz("f.npz")
var x : real[3] in [-1, 1]
maximize f(x)[0] - 0.3 * f(x)[1]
"""


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_network_that_asks_for_ideal_cuts_has_them_in_files_and_answers(solver: str) -> None:
    net = known(dense, 1)
    plain, ideal = (nnmip.loads(text(a)).bind(f=net) for a in ('@formulation("big-m")', '@formulation("ideal")'))
    before, after = (each.lowered_for() for each in (plain, ideal))
    assert after.cuts is not None and after.milp.num_rows == before.milp.num_rows + after.cuts.count
    assert [block.path for block in after.milp.rows][-1] == "ideal" and "\nideal.0:" in ideal.compile("lp")
    assert ideal.fingerprint_of(after) == ideal.fingerprint
    assert after.cuts.after < after.cuts.before, "in the user's sense the bound of a maximum falls"
    results = [each.solve(solver=solver) for each in (plain, ideal)]
    assert results[0].objective == pytest.approx(results[1].objective, abs=1e-6)
    notes = [note for note in results[1].notes if note.startswith("cuts: ")]
    assert notes == [f"cuts: {after.cuts}"] and "in 1 round, root bound" in notes[0]


def test_ideal_cuts_stand_before_networks_from_files() -> None:
    layer = """nnm 0.1
network f(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 2, weights in [-2, 2])
  @formulation("ideal")
  layer a = relu(h)
  return a
}
satisfy
"""
    with pytest.raises(nnmip.DiagnosticError) as caught:
        _ = nnmip.loads(layer).program
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("NNM0204", '`@formulation("ideal")` stands before a network from a file')
