"""The registry of formulations: complete, and `auto` takes what is estimated to cost least."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import nnmip
from nnmip.cli.compile import FORMULATIONS as WRITTEN
from nnmip.cli.solve import FORMULATIONS as SOLVED
from nnmip.hir.core import Program
from nnmip.search.view import View, view_of
from nnmip.sizes import MOST_COST, Estimate, solver_cost
from nnmip.solution import formulations
from nnmip.solution.formulations import ENTRIES, IN_FILES, Given
from nnmip.solution.result import ASKED_FOR, Formulation
from tests.search.traps import trap

FINITE = trap("minimize hinge(net, train) + 0.05 * l0(net.weights)")
CONTINUOUS = trap("minimize hinge(net, train)", hidden="units: 2, weights in [-1, 1]")


def loaded(model: object, folder: Path) -> nnmip.Model:
    for name, text in model.tables.items():  # type: ignore[attr-defined]
        (folder / name).write_text(text)
    return nnmip.loads(model.text, directory=folder)  # type: ignore[attr-defined]


def test_every_formulation_has_one_entry_and_the_commands_know_it() -> None:
    names = [entry.name for entry in ENTRIES]
    assert sorted([Formulation.AUTO, *names]) == sorted(ASKED_FOR)
    assert sorted(SOLVED) == sorted(ASKED_FOR)
    assert sorted(WRITTEN) == sorted(IN_FILES)


def test_offers_are_estimates_or_reasons(tmp_path: Path) -> None:
    found = {offer.name: offer for offer in loaded(FINITE, tmp_path).offers()}
    search, direct = found[Formulation.SEARCH].estimate, found[Formulation.DIRECT].estimate
    assert search is not None and direct is not None
    assert 0 < search.cost < direct.cost
    unfit = {offer.name: offer for offer in loaded(CONTINUOUS, tmp_path).offers()}
    assert str(unfit[Formulation.SEARCH].refusal) == "the domain of `net.h.weights` is not finite"
    assert unfit[Formulation.SEARCH].estimate is None
    assert unfit[Formulation.DIRECT].estimate is not None


def test_a_rule_that_leaves_a_unit_no_weights(tmp_path: Path) -> None:
    """There is nothing to count, and the model is infeasible in every formulation that fits it."""
    text = trap("minimize hinge(net, train)", "fan_in(net.h) <= 1", hidden="units: 2, weights in {-1, 1}")
    model = loaded(text, tmp_path)
    fitting = [offer for offer in model.offers() if offer.estimate is not None]
    assert {Formulation.SEARCH, Formulation.COLUMNS, Formulation.COMPOSITE} <= {offer.name for offer in fitting}
    for offer in fitting:
        assert model.solve(formulation=offer.name).termination == "infeasible", offer.name


def test_auto_takes_the_cheapest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(FINITE, tmp_path).formulation().formulation is Formulation.SEARCH

    def dear(given: Given) -> Estimate:
        return Estimate(1, 1, MOST_COST)

    changed = [replace(entry, estimate=dear) if entry.lower is None else entry for entry in ENTRIES]
    monkeypatch.setattr(formulations, "ENTRIES", tuple(changed))
    model = loaded(FINITE, tmp_path)
    how = model.formulation()
    assert how.formulation is not Formulation.SEARCH
    costs = [offer.estimate.cost for offer in model.offers() if offer.estimate is not None]
    taken = next(offer for offer in model.offers() if offer.name is how.formulation).estimate
    assert taken is not None and taken.cost == min(costs)


def test_costs_grow_with_the_nodes_up_to_a_limit() -> None:
    assert solver_cost(1000, 3) - solver_cost(1000, 2) == pytest.approx(1000 * 100 * 4)
    assert solver_cost(10**6, 1e9) == MOST_COST


def test_a_model_decides_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(FINITE, tmp_path)
    asked: list[Program] = []

    def counted(program: Program) -> View:
        asked.append(program)
        return view_of(program)

    monkeypatch.setattr(formulations, "view_of", counted)
    model.prepare()
    assert model.solve().how.formulation is Formulation.SEARCH
    assert len(asked) == 1
