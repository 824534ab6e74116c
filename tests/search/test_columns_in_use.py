"""The MILP of columns as users meet it: in files for other solvers, in `solve`, and as a second opinion."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult
from nnmip.diagnostics import DiagnosticError
from nnmip.formats.files import read_model
from nnmip.lowering.columns import lower_columns
from nnmip.milp.model import Milp
from nnmip.search.solve import Found
from nnmip.search.view import Refusal, View, view_of
from nnmip.sizes import Allowance
from nnmip.solution import searching
from tests.cli.test_exchange import solve_with_cbc, solve_with_highs
from tests.meaning.generator import Model
from tests.search.traps import CLASSES, TARGETS, trap

MODELS = {
    "hinge": trap("minimize hinge(net, train) + 0.01 * l0(net.weights) + 0.02 * count(used(net.a))"),
    "maximised": trap("maximize -2 * hinge(net, train, margin: 0.5) - 0.05 * l0(net.weights) + 1.5"),
    "a rule for each unit": trap(
        "minimize hinge(net, train) + 0.01 * norm_1(net.weights)",
        "fan_in(net.a) <= 1",
        "forall j in units(net.a): net.h.weights[j, 0] >= 0",
    ),
    "classes": trap("minimize hinge(net, train) + 0.01 * l0(net.weights)", table=CLASSES),
    "values": trap(
        "minimize absolute(net, train) + 0.01 * norm_1(net.h.bias)",
        table=TARGETS,
        out="weights in {-1, 0, 1}, bias in {-1, 0, 1}",
    ),
    "tied": trap(
        "minimize hinge(net, train) + 0.05 * l0(net.weights)",
        "l0(net.h.weights) <= 2",
        "features(net) <= 1 or count(used(net.a)) <= 1",
    ),
    "mistakes": trap("minimize zero_one(net, train, margin: 0.5) + 0.01 * l0(net.weights)"),
    "pruned": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights)",
        activation="relu(h, prune: units)",
        out="weights in {-1, 1}, bias in [-20, 20]",
    ),
}
SOLVERS: dict[str, Callable[[str, str], None]] = {"highs": solve_with_highs, "cbc": solve_with_cbc}
TIED = trap("minimize hinge(net, train) + 0.05 * l0(net.weights)", "l0(net.h.weights) <= 2")
UNSUMMED = trap("minimize hinge(net, train) + 0.05 * l0(net.weights)", "norm_inf(net.h.weights) <= 1")
HINGE = MODELS["hinge"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(model: Model) -> nnmip.Model:
    for name, text in {"model.nnm": model.text, **model.tables}.items():
        Path(name).write_text(text)
    return nnmip.load("model.nnm")


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name: str, solver: str, suffix: str) -> None:
    """A file of columns, solved by another solver, is a network with the goal that the search and the weights have."""
    model = loaded(MODELS[name])
    written = model.write(f"model.{suffix}", formulation="columns")
    SOLVERS[solver](f"model.{suffix}", "model.sol")
    found = nnmip.load("model.nnm").import_solution("model.sol")
    assert (found.termination, found.solution, found.proof) == (None, "feasible", "none")
    assert found.replay.status == "passed"
    assert not [note for note in found.notes if "the file states" in note or "break" in note]
    for formulation in ("search", "direct"):
        assert found.objective == pytest.approx(model.solve(formulation=formulation).objective, abs=1e-7)
    assert json.loads(written.names.read_text())["kind"] == "equivalent"


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("name", MODELS)
def test_solved_in_columns(name: str, solver: str) -> None:
    model = loaded(MODELS[name])
    found = model.solve(formulation="columns", solver=solver)
    assert (found.solution, found.proof) == ("optimal", "solver")
    assert found.solver == ("highs" if solver == "auto" else solver)
    assert found.how.to_json() == {"name": "columns", "why": None}
    assert found.sizes["columns"] == model.encoded("columns").milp.num_columns
    assert found.objective == pytest.approx(model.solve(formulation="search").objective, abs=1e-7)


def test_names_say_what_is_counted() -> None:
    written = loaded(HINGE).write("model.lp", formulation="columns")
    names = json.loads(written.names.read_text())
    units = names["extra"]["units"]
    assert names["extra"]["formulation"] == "columns"
    assert units["outputs"] == [[-1.0], [1.0]]
    place = next(i for i, w in enumerate(units["weights"]) if w == {"0": -1.0} and units["bias"][i] == 0)
    assert names["columns"][f"net.h.units.{place}.1"] == f"net.h.units[{place}, 1]"
    # Such a unit is above 0, at 1, for the first row alone.
    milp = read_model(written.model)
    (unit,) = (i for i in range(milp.num_columns) if milp.column_name(i) == f"net.h.units.{place}.1")
    entries = np.flatnonzero(milp.indices == unit)
    reads = {milp.row_name(int(milp.row_of_entry[entry])): float(milp.data[entry]) for entry in entries}
    assert reads == {"net.h.count": 1.0, "loss.shortfall.0": -1.0}
    assert milp.cost[unit] == pytest.approx(0.02 + 0.02)


def test_the_default_is_direct() -> None:
    model = loaded(HINGE)
    direct, columns = (model.compile("lp", formulation=formulation) for formulation in ("direct", "columns"))
    assert model.compile("lp") == direct != columns
    assert "formulation" not in json.loads(model.write("model.lp").names.read_text())["extra"]
    with pytest.raises(ValueError, match="formulation must be one of direct, columns, composite, not 'search'"):
        model.compile("lp", formulation="search")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("0.01 * l0", "0.03 * l0"), "has another fingerprint"),
        (("bias in {-1, 0, 1}", "bias in {-1, 0}"), "has another fingerprint"),
        (("units: 2, weights in {-1, 0, 1}", "units: 2, weights in {0}"), "has another fingerprint"),
        (("hinge(net, train)", "norm_1(net.h.bias)"), "counts columns, and this model has none"),
    ],
)
def test_a_file_of_columns_belongs_to_one_model(change: tuple[str, str], why: str) -> None:
    loaded(HINGE).write("model.mps", formulation="columns")
    solve_with_highs("model.mps", "model.sol")
    other = loaded(Model(HINGE.text.replace(*change), HINGE.tables))
    with pytest.raises(DiagnosticError) as caught:
        other.import_solution("model.sol")
    (found,) = caught.value.diagnostics
    assert found.code == "NNM0612"
    assert found.message == f"`model.sol` belongs to another model: `model.names.json` {why}"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (UNSUMMED, "a rule or a later goal is no sum over units, and no count of them"),
        (
            trap("minimize hinge(net, train)", hidden="units: 2, weights in [-1, 1]"),
            "the domain of `net.h.weights` is not finite",
        ),
        (trap("satisfy"), "there is no goal"),
    ],
)
def test_what_has_no_columns(model: Model, reason: str) -> None:
    given = loaded(model)
    for use in (given.solve, lambda formulation: given.compile("lp", formulation=formulation)):
        with pytest.raises(DiagnosticError) as caught:
            use(formulation="columns")
        (found,) = caught.value.diagnostics
        assert (found.code, found.message) == ("NNM0406", f"the MILP of columns does not fit this model: {reason}")
        assert found.help == "take the MILP of the weights with `--formulation direct`"


def test_a_file_that_is_too_large_is_refused() -> None:
    view = view_of(loaded(HINGE).program)
    with pytest.raises(Refusal, match=r"^the MILP of its columns has \d+ coefficients, which is larger than is"):
        lower_columns(view, Allowance(3000))


def test_later_goals_are_solved_directly() -> None:
    model = loaded(trap("minimize hinge(net, train) then l0(net.weights)"))
    found, known = model.solve(formulation="columns"), model.solve(formulation="direct")
    assert [s.objective for s in found.stages] == pytest.approx([s.objective for s in known.stages], abs=1e-6)
    assert found.how.to_json()["name"] == "direct"
    with pytest.raises(DiagnosticError, match="an earlier goal is held"):
        model.compile("lp", 2, {1: found.stages[0].objective}, formulation="columns")


def test_the_second_opinion_on_a_search_is_that_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    solve = Session.solve

    def noting(self: Session, milp: Milp, *rest: Any) -> RawResult:
        rows.append(milp.num_rows)
        return solve(self, milp, *rest)

    monkeypatch.setattr(Session, "solve", noting)
    for model, is_direct in ((HINGE, False), (TIED, False), (UNSUMMED, True)):
        given, rows[:] = loaded(model), []
        found = given.solve(confirm=True)
        assert (found.proof, found.message) == ("confirmed", "highs confirms the optimum that search claims")
        assert found.how.formulation == "search"
        assert rows == [given.lowered.milp.num_rows if is_direct else given.encoded("columns").milp.num_rows]


def test_a_false_optimum_of_the_search_is_refuted_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(HINGE)
    best = model.solve().objective
    search = searching.search

    def hasty(view: View, allowance: Allowance, stop: Any, *rest: Any) -> Found:
        """Stops at once, and claims to have seen everything."""
        found = search(view, allowance, lambda: True, *rest)
        return replace(found, bound=found.value, is_complete=True)

    monkeypatch.setattr(searching, "search", hasty)
    assert model.solve().objective > best + 0.01
    found = model.solve(confirm=True)
    assert found.message.startswith("highs refutes search: it found a solution of value ")
    assert (found.termination, found.proof) == ("solver_error", "none")
    assert found.objective == pytest.approx(best, abs=1e-7)


def test_a_run_starts_from_the_network_of_another() -> None:
    model = loaded(MODELS["classes"])
    best = model.solve(formulation="search", save="run").objective
    late = model.solve(formulation="columns", resume="run", time_limit=0)
    assert (late.termination, late.proof) == ("time_limit", "none")
    assert late.objective == pytest.approx(best, abs=1e-9)
