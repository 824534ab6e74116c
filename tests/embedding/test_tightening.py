"""Bounds of networks at points that constraints make tighter: sound for every answer, and without an effect on it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.bounds import branched
from nnmip.bounds.interval import Interval
from nnmip.build import Draft
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate, forward
from nnmip.lowering.lower import lower_analysed
from nnmip.passes import tightening
from nnmip.passes.affine import Form
from nnmip.passes.ledger import Ledger
from nnmip.passes.registry import analyse
from tests.bounds.test_rounding import exact_forward
from tests.embedding.test_applied import KINDS, Make, _reader, dense, known
from tests.embedding.test_points import ledger
from tests.meaning.harness import solve_backend


def constrained(make: Make, seed: int, sense: str = "maximize") -> Draft:
    """Rows on the point, an absolute value, and rows on results beside other variables."""
    draft = Draft("tight")
    f, x = draft.trained("f", known(make, seed)), draft.variable("x", 3, (-1, 1))
    y = draft.variable("y", (), (0, 4))
    draft.constraint("cap", x.sum() <= -0.5)
    draft.constraint("near", draft.word("norm_inf", x - np.array([-0.2, 0.1, 0.0])) <= 0.6)
    draft.constraint("more", f(x)[1] >= 0.5 * y - 1.0)
    draft.constraint("least", f(x)[0] + y >= 0.3)
    getattr(draft, sense)(f(x)[0] - 0.25 * y)
    return draft


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_answer_stays_in_every_bound(make: Make, seed: int) -> None:
    program = constrained(make, seed).program()
    found = ledger(program)
    assert "fbbt" in found.seconds
    assert found.box.hi.max() <= 0.7 + 1e-6 and found.box.lo.min() >= -0.8 - 1e-6
    points = np.random.default_rng(seed).uniform(found.box.lo[0] - 0.1, found.box.hi[0] + 0.1, size=(10_000, 3))
    points = points[(points.sum(axis=1) <= -0.5) & (np.abs(points - [-0.2, 0.1, 0.0]).max(axis=1) <= 0.6)]
    scores = forward(found.known.network, found.known.assignment, points)["o"]
    points = points[(scores[:, 1] >= -1.0) & (scores[:, 0] + np.minimum(4.0, 2 * scores[:, 1] + 2) >= 0.3)]
    outputs = forward(found.known.network, found.known.assignment, points)
    for name, bounds in found.outputs.items():
        assert (outputs[name] >= bounds.lo - 1e-9).all() and (outputs[name] <= bounds.hi + 1e-9).all(), name


def mixed(seed: int) -> Program:
    """Rows, a distance, and logic over a point, whole numbers, a Boolean, and results at one or two points."""
    chance, draft = np.random.default_rng(seed), Draft("mixed")
    f, x = draft.trained("f", known(KINDS[seed % 4], seed)), draft.variable("x", 3, (-1, 1))
    k, b = draft.variable("k", 2, range(-2, 3), kind="int"), draft.variable("b", (), kind="bool")
    y = f(x)
    z = f(x[[2, 1, 0]]) if seed % 3 == 0 else y
    draft.constraint("row", (x * chance.integers(-2, 3, size=3).astype(float)).sum() <= float(chance.normal()))
    draft.constraint("whole", y[1] >= 0.5 * k[0] - 1.0)
    draft.constraint("either", b | (y[0] <= float(chance.normal())))
    draft.constraint("other", z[0] + k[1] <= 2.0)
    draft.constraint("near", draft.word("norm_inf", x[:2] - k * 0.25) <= 0.5)
    (draft.maximize if seed % 2 else draft.minimize)(y[0] - 0.3 * z[1] + 0.1 * k[0] - 0.2 * k[1])
    return draft.program()


@pytest.mark.parametrize("program", [*(constrained(make, 2).program() for make in KINDS), *map(mixed, range(12))])
def test_a_model_with_and_without_the_pass_has_one_optimum(program: Program) -> None:
    found = analyse(program)
    optima = []
    with Session() as session:
        for way, solver in ((found, "highs"), (found, "cbc"), (replace(found, points=None), "highs")):
            lowered = lower_analysed(way)
            answer = solve_backend(session, lowered.milp, solver)
            if answer.x is None:
                optima.append(None)
                continue
            checked = evaluate(program, lowered.lift(answer.x), 1e-6)
            assert checked.max_violation <= 1e-6
            optima.append(checked.objectives[0])
    assert optima == [optima[0] if optima[0] is None else pytest.approx(optima[0], abs=1e-5)] * 3


def test_a_bound_of_a_result_cuts_the_box_of_the_point() -> None:
    """The network is lowest in one corner, and a plane below it shows that only points near it come down there."""

    def bounded(most: float) -> Ledger:
        draft = Draft("back")
        f, x = draft.trained("f", _reader()), draft.variable("x", 2, (-2, 2))
        draft.constraint("low", f(x)[0] <= most)
        draft.maximize(x[0])
        return ledger(draft.program())

    whole = bounded(1e3)
    cut = bounded(float(whole.result.lo.min()) + 0.1)
    assert (whole.box.hi - whole.box.lo).tolist() == [[4.0, 4.0]]
    assert (cut.box.hi - cut.box.lo).max() < 2.0
    assert cut.given_by("x")["fbbt"] >= 2


def test_bounds_only_shrink() -> None:
    program = constrained(dense, 1).program()
    plain = Draft("plain")
    f, x = plain.trained("f", known(dense, 1)), plain.variable("x", 3, (-1, 1))
    plain.maximize(f(x)[0])
    wide, tight = ledger(plain.program()), ledger(program)
    for name, bounds in wide.outputs.items():
        assert (tight.outputs[name].lo >= bounds.lo - 1e-9).all() and (tight.outputs[name].hi <= bounds.hi + 1e-9).all()


def test_a_record_never_takes_a_looser_bound() -> None:
    program = constrained(dense, 1).program()
    found = ledger(program)
    before = dict(found.outputs)
    found.meet("crown", {name: Interval(b.lo - 1.0, b.hi + 1.0) for name, b in before.items()})
    assert all((found.outputs[n].lo == b.lo).all() and (found.outputs[n].hi == b.hi).all() for n, b in before.items())


def test_a_model_that_cannot_hold_names_its_constraints() -> None:
    """Bounds that contradict each other are left to the solver and the search for a conflict."""
    draft = Draft("never")
    f, x = draft.trained("f", known(dense, 1)), draft.variable("x", 3, (-1, 1))
    draft.constraint("idle", x[0] <= 0.9)
    draft.constraint("low", x.sum() <= -1.0)
    draft.constraint("high", x.sum() >= 1.0)
    draft.maximize(f(x)[0])
    result = draft.model().solve()
    assert result.termination == "infeasible"
    assert result.conflict is not None
    assert [name for name, *_ in result.conflict.members] == ["low", "high"]


def test_a_plane_that_is_too_high_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded fault: what is seen through a network is 1 too high."""
    right = tightening._below

    def wrong(*given: object) -> Form:
        found = right(*given)  # type: ignore[arg-type]
        return Form(found.factors, found.constants + 2.0)

    monkeypatch.setattr(tightening, "_below", wrong)
    with pytest.raises(AssertionError):
        for seed in range(3):
            test_every_answer_stays_in_every_bound(dense, seed)
            test_a_bound_of_a_result_cuts_the_box_of_the_point()


def bounded(way: str | None, seed: int = 4) -> Draft:
    draft = Draft("ways")
    f, x = draft.trained("f", known(dense, seed), bounds=way), draft.variable("x", 3, (-1, 1))
    draft.maximize(f(x)[0])
    return draft


def test_linear_programs_give_bounds_that_hold_and_are_tighter() -> None:
    lines, programs = ledger(bounded("crown").program()), ledger(bounded("lp").program())
    points = np.random.default_rng(0).uniform(-1, 1, size=(10_000, 3))
    outputs = forward(programs.known.network, programs.known.assignment, points)
    for name, bounds in programs.outputs.items():
        assert (outputs[name] >= bounds.lo - 1e-12).all() and (outputs[name] <= bounds.hi + 1e-12).all(), name
    assert programs.given_by("o")["lp"] > 0 and "lp" not in lines.seconds
    wide, tight = (found.result.hi - found.result.lo for found in (lines, programs))
    assert (tight <= wide).all() and tight.sum() < 0.99 * wide.sum()


def test_milps_give_bounds_that_hold_and_are_tighter_still() -> None:
    programs, milps = ledger(bounded("lp").program()), ledger(bounded("milp").program())
    points = np.random.default_rng(0).uniform(-1, 1, size=(10_000, 3))
    outputs = forward(milps.known.network, milps.known.assignment, points)
    for name, bounds in milps.outputs.items():
        assert (outputs[name] >= bounds.lo - 1e-12).all() and (outputs[name] <= bounds.hi + 1e-12).all(), name
        assert (bounds.lo >= programs.outputs[name].lo).all() and (bounds.hi <= programs.outputs[name].hi).all()
    assert list(milps.seconds) == ["interval", "crown", "lp", "milp"] and milps.given_by("o")["milp"] > 0
    wide, tight = (found.result.hi - found.result.lo for found in (programs, milps))
    seen = outputs["o"].max(axis=0) - outputs["o"].min(axis=0)
    assert (seen <= tight).all() and tight.sum() < 0.95 * wide.sum()


def test_how_many_programs_milps_may_take_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def programs() -> list[int]:
        asked: list[int] = []
        right = branched.branched
        monkeypatch.setattr(branched, "branched", lambda make, most: asked.append(most) or right(make, most))
        ledger(bounded("milp").program())
        monkeypatch.undo()
        return asked

    assert programs() == [100]
    monkeypatch.setattr(tightening, "MOST_BRANCHING", 10)
    assert programs() == [3]


def test_the_annotation_chooses_what_runs() -> None:
    assert set(ledger(bounded("interval").program()).seconds) == {"interval"}
    assert set(ledger(bounded("crown").program()).seconds) == {"interval", "crown"}
    assert set(ledger(bounded(None).program()).seconds) == {"interval", "crown"}, "too few units for programs"
    with pytest.raises(ValueError, match="not 'ibp'"):
        bounded("ibp")


def test_linear_programs_run_unasked_where_they_are_small_and_many_units_are_unstable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tightening, "LEAST_UNITS", 4)
    assert "lp" in ledger(bounded(None).program()).seconds
    monkeypatch.setattr(tightening, "MOST_WORK", 10)
    assert "lp" not in ledger(bounded(None).program()).seconds


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_all_ways_of_bounds_have_one_optimum(solver: str) -> None:
    optima = [bounded(way).model().solve(solver=solver).objective for way in ("interval", "crown", "lp", "milp", None)]
    assert optima == [pytest.approx(optima[0], abs=1e-6)] * 5


def text(annotation: str) -> str:
    return f"""nnm 0.1
{annotation}
network f = npz("f.npz")
var x : real[3] in [-1, 1]
maximize f(x)[0]
"""


def test_a_file_says_how_a_network_is_bounded() -> None:
    model = nnmip.loads(text('@bounds("lp")')).bind(f=known(dense, 4))
    assert "lp" in ledger(model.program).seconds
    few, many = (
        ledger(nnmip.loads(text(f'@bounds("milp", programs: {count})')).bind(f=known(dense, 4)).program)
        for count in (3, 500)
    )
    assert (many.result.hi - many.result.lo).sum() < (few.result.hi - few.result.lo).sum()


@pytest.mark.parametrize(
    ("annotation", "code"),
    [('@bounds("lp", programs: 9)', "NNM0204"), ('@bounds("ibp")', "NNM0204"), ("@bounds", "NNM0204")],
)
def test_bounds_that_there_are_not_are_refused(annotation: str, code: str) -> None:
    model = nnmip.loads(text(annotation)).bind(f=known(dense, 4))
    with pytest.raises(nnmip.DiagnosticError) as caught:
        _ = model.program
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("way", ["interval", "crown", "lp", "milp"])
def test_rational_arithmetic_stays_in_every_bound(make: Make, way: str) -> None:
    """No tolerance: every tensor at points of the box, computed without rounding."""
    draft = Draft("exact")
    f, x = draft.trained("f", known(make, 6), bounds=way), draft.variable("x", 3, (-1, 1))
    draft.maximize(f(x)[0])
    found = ledger(draft.program())
    chance = np.random.default_rng(6)
    points = [chance.integers(-16, 17, size=3) / 16.0 for _ in range(8)]
    points += [np.where(chance.random(3) < 0.5, -1.0, 1.0) for _ in range(8)]
    for point in points:
        exact = exact_forward(found.known.network, found.known.assignment, point[None])
        for name, bounds in found.outputs.items():
            for lo, value, hi in zip(bounds.lo.ravel(), exact[name].ravel(), bounds.hi.ravel(), strict=True):
                assert Fraction(lo) <= value <= Fraction(hi), name
