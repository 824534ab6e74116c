"""The composite MILP: it has the optimum of the model, whatever is left out, and its solutions are networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Program
from nnmip.incumbents.known import trivial_assignment
from nnmip.lowering import composite
from nnmip.lowering.composite import lower_composite
from nnmip.lowering.lower import Lowered
from nnmip.search.solve import Roots
from nnmip.search.view import Refusal, View, view_of
from nnmip.sizes import UNASKED
from tests.cli.test_exchange import solve_with_cbc, solve_with_highs
from tests.meaning.generator import Model
from tests.meaning.harness import load
from tests.search.compare import searched
from tests.search.models import seeded_model
from tests.search.test_columns import CLOSE, optimum
from tests.search.traps import CLASSES, TRAPS, trap

MODELS, EACH = 100, 20
HINGE = trap("minimize hinge(net, train) + 0.01 * l0(net.weights) + 0.02 * count(used(net.a))")
THREE = trap("minimize hinge(net, train) + 0.01 * l0(net.weights)", table=CLASSES)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def composite_of(program: Program) -> Lowered | None:
    try:
        return lower_composite(view_of(program), UNASKED)
    except Refusal:
        return None


def differs(model: Model, folder: Path, session: Session, solver: str = "highs") -> bool | None:
    """Whether the optimum of the MILP is not that of the search; None where there is no such MILP."""
    program = load(model, folder)
    lowered = composite_of(program)
    if lowered is None:
        return None
    found = searched(program).checked
    value = optimum(lowered, session, solver)
    if found is None or value is None:
        return (found is None) != (value is None)
    # What is known to be best is a solution, and worth what it is.
    x = lowered.complete(found.assignment)
    assert lowered.milp.violation(x) <= CLOSE
    assert lowered.sign * lowered.milp.objective(x) == pytest.approx(found.objective, abs=CLOSE, rel=CLOSE)
    return bool(value != pytest.approx(found.objective, abs=CLOSE, rel=CLOSE))


@pytest.mark.parametrize("first", range(0, MODELS, EACH))
def test_random_models(first: int, tmp_path: Path, session: Session) -> None:
    answers = []
    for seed in range(first, first + EACH):
        (folder := tmp_path / str(seed)).mkdir()
        answers.append(differs(seeded_model(seed), folder, session, "cbc" if seed % 4 == 0 else "highs"))
    assert not any(answers)
    assert answers.count(False) >= EACH // 6


@pytest.mark.parametrize("name", TRAPS)
def test_traps(name: str, tmp_path: Path, session: Session) -> None:
    assert not differs(TRAPS[name], tmp_path, session)


def test_a_fixing_that_leaves_too_much_out_is_seen(tmp_path: Path, session: Session) -> None:
    """Seeded fault: bounds of columns that are too high."""
    honest = composite.roots_of

    def high(view: View, columns: Any) -> Roots:
        found = honest(view, columns)
        return replace(found, roots=tuple(replace(r, least=r.least + 0.4 * abs(found.value)) for r in found.roots))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composite, "roots_of", high)
        seen = False
        for seed in range(40):
            (folder := tmp_path / str(seed)).mkdir()
            try:
                seen = seen or bool(differs(seeded_model(seed), folder, session))
            except AssertionError:
                seen = True
        assert seen


def loaded(model: Model, folder: Path) -> nnmip.Model:
    for name, text in {"model.nnm": model.text, **model.tables}.items():
        (folder / name).write_text(text)
    return nnmip.load(folder / "model.nnm")


@pytest.mark.parametrize("solve", [solve_with_highs, solve_with_cbc])
@pytest.mark.parametrize("model", [HINGE, THREE])
def test_there_and_back(model: Model, solve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = loaded(model, tmp_path)
    written = given.write("model.mps", formulation="composite")
    solve("model.mps", "model.sol")
    found = given.import_solution("model.sol")
    best = given.solve(formulation="direct").objective
    assert found.replay.status == "passed" and found.objective == pytest.approx(best, abs=1e-7)
    extra = json.loads(written.names.read_text())["extra"]
    assert extra["formulation"] == "composite"
    assert extra["left_out"].startswith("networks whose goal is above ")
    assert float(extra["left_out"].split()[-1]) >= best
    answer = given.solve(formulation="composite")
    assert (answer.solution, answer.proof) == ("optimal", "solver")
    assert answer.objective == pytest.approx(best, abs=1e-7)


def test_output_weights_of_the_same_leads_are_one(tmp_path: Path) -> None:
    lowered = composite_of(load(THREE, tmp_path))
    assert lowered is not None
    outputs = np.array(lowered.way.legend["units"]["outputs"])  # type: ignore[index]
    leads = outputs - outputs[:, :1]
    assert len(np.unique(leads, axis=0)) == len(outputs) < 26


def test_a_network_that_is_left_out_starts_from_the_better_one(tmp_path: Path) -> None:
    program = load(HINGE, tmp_path)
    lowered, start = composite_of(program), trivial_assignment(program)
    assert lowered is not None and start is not None
    assert lowered.milp.violation(lowered.complete(start)) <= CLOSE


def test_what_has_no_composite_milp(tmp_path: Path) -> None:
    model = trap("minimize zero_one(net, train, margin: 0.5) + 0.01 * l0(net.weights)")
    with pytest.raises(DiagnosticError) as caught:
        loaded(model, tmp_path).compile("lp", formulation="composite")
    (found,) = caught.value.diagnostics
    why = "`zero_one` has no relaxation that leaves columns out"
    assert (found.code, found.message) == ("NNM0406", f"the composite MILP does not fit this model: {why}")
