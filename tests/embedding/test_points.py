"""Bounds of networks at points as a pass: what they hold, who gave them, and that they cost no answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nnmip.build import Draft
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate, forward
from nnmip.hir.evaluate import result as network_result
from nnmip.lowering import demand
from nnmip.lowering.asked import Asked
from nnmip.lowering.lower import lower_program
from nnmip.passes.ledger import Ledger
from nnmip.passes.registry import analyse
from nnmip.report.model import model_facts, render_model
from nnmip.report.passes import print_ir
from tests.embedding.test_applied import KINDS, Make, dense, known

Best = Callable[[Program, str], float | None]


def ledger(program: Program) -> Ledger:
    table = analyse(program).points
    assert table is not None
    (found,) = table.ledgers.values()
    return found


def one_sided(make: Make, seed: int, sense: str) -> Draft:
    """A goal that asks a side of one result, and a constraint that asks one of the other."""
    draft = Draft("asked")
    f, x = draft.trained("f", known(make, seed)), draft.variable("x", 3, {-1.0, -0.5, 0.0, 0.5, 1.0})
    draft.constraint("enough", f(x)[1] >= 0.2)
    getattr(draft, sense)(f(x)[0])
    return draft


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_asked_from_one_side_has_the_optimum_of_enumeration(make: Make, seed: int, best: Best) -> None:
    cut = known(make, seed).compact()
    points = np.array(list(itertools.product([-1.0, -0.5, 0.0, 0.5, 1.0], repeat=3)))
    scores = network_result(cut.network, cut.assignment, points)
    allowed = scores[scores[:, 1] >= 0.2, 0]
    for sense, solver in (("maximize", "highs"), ("minimize", "cbc")):
        wanted = None if not len(allowed) else allowed.max() if sense == "maximize" else allowed.min()
        found = best(one_sided(make, seed, sense).program(), solver)
        assert found == (wanted if wanted is None else pytest.approx(wanted, abs=2e-6))


def test_a_network_that_is_written_twice_is_encoded_once() -> None:
    program = one_sided(dense, 3, "maximize").program()
    paths = [block.path for block in lower_program(program).milp.columns]
    assert [path for path in paths if path.endswith(".phase")] == ["f.a.phase", "f.b.phase"]


def binaries(draft: Draft) -> int:
    milp = lower_program(draft.program()).milp
    return int(milp.integer.sum())


def test_sides_that_nobody_asks_for_have_no_binaries() -> None:
    """To maximise one output, units behind a negative weight need no binary: nothing makes them too large."""

    def build(both: bool) -> Draft:
        draft = Draft("sides")
        f, x = draft.trained("f", known(dense, 3)), draft.variable("x", 3, (-1, 1))
        if both:
            draft.constraint("tied", f(x)[0] == draft.variable("y", (), (-50, 50)))
        draft.maximize(f(x)[0])
        return draft

    assert binaries(build(both=False)) < binaries(build(both=True))


def test_a_side_that_is_wrongly_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch, best: Best) -> None:
    """The seeded fault: orders ask for the wrong side."""
    right = demand.demanded

    def wrong(*given: object) -> dict[int, Asked]:
        return {n: Asked(a.lower, a.upper) for n, a in right(*given).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(demand, "demanded", wrong)
    failures = 0
    for seed in range(4):
        try:
            best(one_sided(dense, seed, "maximize").program(), "highs")
        except AssertionError:
            failures += 1
    assert failures >= 2


@pytest.mark.parametrize("make", KINDS)
def test_sampled_points_stay_in_every_bound(make: Make) -> None:
    draft = Draft("bounds")
    trained = known(make, 1)
    f, x = draft.trained("f", trained), draft.variable("x", 3, (-1, 1))
    draft.maximize(f(x)[0])
    found = ledger(draft.program())
    points = np.random.default_rng(0).uniform(-1, 1, size=(10_000, 3))
    check_inside(found, points)
    for name, (lo, hi) in found.givers.items():
        assert lo.shape == hi.shape == found.outputs[name].shape
    assert set(found.seconds) >= {"interval", "crown"}


def check_inside(found: Ledger, points: np.ndarray) -> None:
    """Every layer at every point is within its bounds."""
    outputs = forward(found.known.network, found.known.assignment, points)
    for name, bounds in found.outputs.items():
        values = outputs[name]
        assert (values >= bounds.lo - 1e-12).all() and (values <= bounds.hi + 1e-12).all(), name


def test_the_answer_is_replayed_with_the_true_results() -> None:
    draft = one_sided(dense, 3, "maximize")
    result = draft.model().solve()
    program = draft.program()
    checked = evaluate(program, Assignment({"x": result.variables["x"]}, {}), 1e-9)
    assert checked.max_violation <= 1e-9
    assert result.objective == pytest.approx(checked.objectives[0], abs=1e-9)


def test_show_says_of_every_layer_what_is_stable_and_who_proved_it() -> None:
    model = one_sided(dense, 3, "maximize").model()
    facts = model_facts(model.lowered, model.fingerprint)
    (at,) = facts["points"]
    assert (at["network"], at["text"], at["points"]) == ("f", "f(x)", 1)
    layers = {layer["name"]: layer for layer in at["layers"]}
    assert [layers["b"][key] for key in ("width", "stable_active", "stable_inactive", "unstable")] == [4, 0, 0, 4]
    assert "unstable" not in layers["h"]
    assert 0.0 < layers["b"]["largest_big_m"] <= 12.0
    assert layers["b"]["bounds_by"] == {"interval": 4, "crown": 4}
    assert set(at["seconds"]) >= {"interval", "crown"} and all(seconds >= 0.0 for seconds in at["seconds"].values())
    text = render_model(facts)
    assert "bounds proved by interval 0." in text and "  b      relu   4 " in text
    assert "at f(x)" in print_ir(model.after("points"))
