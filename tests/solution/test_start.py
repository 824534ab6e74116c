"""Networks that users start from: read, checked, rounded and completed, and never of any weight in the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.cli.main import run
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment
from nnmip.incumbents.given import read_start
from nnmip.lowering.lower import lower_program
from nnmip.search.solve import Report, search
from nnmip.search.view import view_of
from nnmip.sizes import UNASKED
from nnmip.solution.options import RunOptions
from nnmip.solution.replay import replay
from nnmip.solution.users import UsersNetworks
from tests.meaning.harness import load
from tests.search.traps import trap
from tests.workbench import LINEAR, XOR, XOR_MAXIMISED, write_model

BEST = {
    "net.h.weights": [[1, -1], [-1, 1]],
    "net.h.bias": [0, 0],
    "net.o.weights": [[1, 1]],
    "net.o.bias": [-1],
}
"""The optimum of XOR, 0.0066."""

STARTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "the optimum": (BEST, ()),
    "a poor one": ({**BEST, "net.o.weights": [[-1, -1]], "net.o.bias": [2]}, ()),
    "one to round": (
        {**BEST, "net.h.weights": [[1.3, -0.8], [-1, 1]]},
        ("the start: 2 of 4 numbers were rounded to the domain {-1, 0, 1} of `net.h.weights`, by at most 0.3",),
    ),
    "a removed unit with weights": ({**BEST, "net.a.kept": [True, False]}, ()),
    "all units removed, with weights": ({**BEST, "net.a.kept": [False, False]}, ()),
    "a unit of zeros": ({**BEST, "net.h.weights": [[1, -1], [0, 0]], "net.o.weights": [[1, 0]]}, ()),
    "the first layer": (
        {"net.h.weights": [[1, -1], [-1, 1]], "net.h.bias": [0, 0]},
        ("the start: `net.o.weights`, `net.o.bias` not given, and found with the rest fixed",),
    ),
    "the weights of a removed layer": (
        {"net.h.weights": [[1, -1], [-1, 1]], "net.a.kept": [False, False]},
        ("the start: `net.h.bias`, `net.o.weights`, `net.o.bias` not given, and found with the rest fixed",),
    ),
}
"""By what they are: the arrays, and what is said about them."""

WAYS = (("search", "auto"), ("columns", "highs"), ("columns", "cbc"), ("direct", "highs"), ("direct", "cbc"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starts")
    write_model(folder, XOR)
    write_model(folder, LINEAR, "linear.nnm")
    return folder


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.mark.parametrize("solver", ["auto", "highs", "cbc"])
@pytest.mark.parametrize("name", STARTS)
def test_a_start_changes_nothing(name: str, solver: str, folder: Path) -> None:
    arrays, remarks = STARTS[name]
    found = nnmip.load(folder / "xor.nnm").solve(start=arrays, solver=solver)
    assert (found.solution, found.proof) == ("optimal", "certified" if solver == "auto" else "solver")
    assert found.objective == pytest.approx(0.0066, abs=1e-9)
    assert tuple(note for note in found.notes if note.startswith("the start")) == remarks


FREE = XOR.replace('constraint few "weight budget":\n  l0(net.weights) <= most\n', "")
"""XOR without its budget, which ties units; it has a MILP of columns."""


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("name", STARTS)
def test_a_start_changes_nothing_in_columns(name: str, solver: str, tmp_path: Path) -> None:
    model = nnmip.load(write_model(tmp_path, FREE))
    found = model.solve(start=STARTS[name][0], solver=solver, formulation="columns")
    assert (found.solution, found.proof, found.how.formulation) == ("optimal", "solver", "columns")
    assert found.objective == pytest.approx(0.0066, abs=1e-9)


@pytest.mark.parametrize(("formulation", "solver"), WAYS)
@pytest.mark.parametrize("text", [FREE, XOR_MAXIMISED], ids=["least", "most"])
def test_no_time_leaves_the_start(formulation: str, solver: str, text: str, tmp_path: Path) -> None:
    """Every column has a value of its own: without it the answer would be the constant network."""
    if "few" in text and formulation == "columns":
        pytest.skip("the budget ties units, so that there is no MILP of columns")
    model = nnmip.load(write_model(tmp_path, text))
    found = model.solve(start=BEST, formulation=formulation, solver=solver, time_limit=0)
    assert (found.termination, found.solution, found.proof) == ("time_limit", "feasible", "none")
    assert found.objective == pytest.approx(0.0066 if text == FREE else 1.94, abs=1e-9)


@pytest.mark.parametrize("name", STARTS)
def test_a_start_is_a_whole_solution_of_the_milp(name: str, folder: Path) -> None:
    program = nnmip.load(folder / "xor.nnm").program
    lowered = lower_program(program)
    for network in read_start(STARTS[name][0], program, UNASKED).networks():
        checked = replay(program, network, None, None)
        x = lowered.complete(network)
        assert np.isfinite(x).all()
        if checked.max_violation == 0:
            assert lowered.milp.violation(x) <= 1e-9
            assert lowered.milp.objective(x) == pytest.approx(checked.objective, abs=1e-9)


# ---- removed weights -----------------------------------------------------------------------------------------------

REMOVED = trap(
    "minimize hinge(net, train) - 0.4 * l0(net.h.weights)",
    hidden="units: 2, weights in {-1, 1}, bias in {3}",
    activation="relu(h, prune: units)",
    out="weights in {20}, bias in [-20, 20]",
)
"""Units are always on, and spoil every row of a class; the best network, of value 0.8, has none of them, though weights
are rewarded."""

LOADED = {
    "net.h.weights": np.ones((2, 2)),
    "net.h.bias": np.full(2, 3.0),
    "net.o.weights": np.full((1, 2), 20.0),
    "net.o.bias": np.ones(1),
}
"""With its units removed the best network; with their weights counted all the same its value would be -0.8."""


def test_removed_weights_of_a_start_count_nothing(tmp_path: Path) -> None:
    """The search must not take the value of a start from weights that it does not have."""
    view = view_of(load(REMOVED, tmp_path))
    report = Report(lambda value, bound: None, lambda network, value: None)
    start = Assignment({k: v.copy() for k, v in LOADED.items()}, {"net.a": np.array([False, False])})
    for is_stopped in (False, True):
        found = search(view, UNASKED, lambda done=is_stopped: done, report, start)
        assert found.value == pytest.approx(0.8)
        assert found.bound <= 0.8


@pytest.mark.parametrize("how", ["start", "resume"])
@pytest.mark.parametrize(("formulation", "solver"), WAYS)
def test_removed_weights_are_gone_from_the_answer(how: str, formulation: str, solver: str, tmp_path: Path) -> None:
    for name, table in REMOVED.tables.items():
        (tmp_path / name).write_text(table)
    model = nnmip.loads(REMOVED.text, directory=tmp_path)
    arrays = {**LOADED, "net.a.kept": np.array([False, False])}
    (tmp_path / "run").mkdir()
    np.savez(tmp_path / "run" / "weights.npz", **arrays)
    given: dict[str, Any] = {"start": arrays} if how == "start" else {"resume": tmp_path / "run"}
    for limit in (0, None):
        found = model.solve(formulation=formulation, solver=solver, time_limit=limit, **given)
        assert found.replay is not None and found.replay.status == "passed"
        assert found.objective == pytest.approx(0.8, abs=1e-9)
        assert not found.networks["net"].weights["h"].any()
        assert not found.networks["net"].biases["h"].any()
    assert found.solution == "optimal"


# ---- what does not fit ---------------------------------------------------------------------------------------------


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "another name": (
        {**BEST, "net.h.weight": [[1, -1], [-1, 1]]},
        "the model has no array `net.h.weight`",
        "did you mean `net.h.weights`?",
    ),
    "another network": (
        {"fc1": [[1.0]]},
        "the model has no array `fc1`",
        "the model has `net.h.weights`, `net.h.bias`, `net.o.weights`, `net.o.bias`, `net.a.kept`",
    ),
    "transposed": (
        {"net.o.weights": [[1], [1]]},
        "`net.o.weights` has shape [2, 1] and not [1, 2]",
        "transpose it: outputs come first",
    ),
    "another shape": (
        {"net.h.weights": [[1, -1]]},
        "`net.h.weights` has shape [1, 2] and not [2, 2]",
        "give a weight for every output, and in it for every input",
    ),
    "a bias of another shape": (
        {"net.h.bias": [1, 2, 3]},
        "`net.h.bias` has shape [3] and not [2]",
        "give one number for each unit",
    ),
    "not a number": (
        {"net.h.weights": [[1, -1], [np.nan, 1]]},
        "`net.h.weights[1, 0]` is nan",
        "give finite numbers",
    ),
    "infinite": ({"net.h.bias": [0, -np.inf]}, "`net.h.bias[1]` is -inf", "give finite numbers"),
    "texts": (
        {"net.h.bias": ["0", "1"]},
        "`net.h.bias` does not hold real numbers",
        "give it as an array of numbers",
    ),
    "complex": (
        {"net.h.bias": [1j, 0]},
        "`net.h.bias` does not hold real numbers",
        "give it as an array of numbers",
    ),
    "ragged": ({"net.h.weights": [[1], [1, 2]]}, "`net.h.weights` has rows of different lengths", "save the arrays"),
    "a mask of numbers": (
        {**BEST, "net.a.kept": [1, 0]},
        "`net.a.kept` is not a Boolean for each of 2 units",
        "leave it out where everything is kept",
    ),
    "nothing": (
        {},
        "it has no array of this model",
        "the model has `net.h.weights`, `net.h.bias`, `net.o.weights`, `net.o.bias`",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name: str, folder: Path) -> None:
    arrays, message, help = BAD[name]
    with pytest.raises(DiagnosticError) as caught:
        nnmip.load(folder / "xor.nnm").solve(start=arrays)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NNM0615"
    assert diagnostic.message == f"the network to start from cannot be used: {message}"
    assert diagnostic.help.startswith(help)


def test_everything_that_does_not_fit_is_said_at_once(folder: Path) -> None:
    wrong = {"net.h.weights": [[1]], "net.h.bias": [np.nan, 0], "net.q": 1}
    with pytest.raises(DiagnosticError) as caught:
        nnmip.load(folder / "xor.nnm").solve(start=wrong)
    assert len(caught.value.diagnostics) == 3


@pytest.mark.parametrize("start", [3, [1, 2], {1: [2]}])
def test_what_is_no_start(start: Any, folder: Path) -> None:
    with pytest.raises(TypeError, match="start is the path of an NPZ file or a mapping from names to arrays"):
        nnmip.load(folder / "xor.nnm").solve(start=start)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 5])
def test_files_that_are_no_archive(
    content: bytes, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "start.npz").write_bytes(content)
    assert run(["solve", str(folder / "xor.nnm"), "--start", str(tmp_path / "start.npz")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[NNM0615]: the network to start from cannot be used: it is not an NPZ archive")


def test_pickled_arrays_are_not_read(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "start.npz", **{"net.h.bias": np.array([0, None], dtype=object)})
    with pytest.raises(DiagnosticError, match="it is not an NPZ archive of plain arrays"):
        nnmip.load(folder / "xor.nnm").solve(start=tmp_path / "start.npz")


# ---- constraints, files, partial starts ----------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["auto", "highs", "cbc"])
def test_a_start_that_breaks_a_constraint_is_not_used(solver: str, folder: Path) -> None:
    found = nnmip.load(folder / "xor.nnm", {"most": 4}).solve(start=BEST, solver=solver)
    assert found.solution == "optimal" and found.objective == pytest.approx(0.5033, abs=1e-9)
    assert "the start was not used: `few` is violated by 2" in found.notes


def test_the_weights_that_a_run_saved(folder: Path, tmp_path: Path) -> None:
    """Also where a unit of it is removed, and cut out of the arrays that other programs read."""
    model = nnmip.load(folder / "xor.nnm", {"most": 4})
    saved = model.solve(save=tmp_path / "run")
    assert saved.used_units["net"]["a"] in ((0,), (1,))
    again = model.solve(start=tmp_path / "run" / "weights.npz", time_limit=0)
    assert again.objective == pytest.approx(saved.objective, abs=1e-9)


def test_a_partial_start_keeps_what_is_given(folder: Path, session: Session) -> None:
    """The rest is the best for the weights that are given, whatever their order."""
    program = nnmip.load(folder / "xor.nnm").program
    stop = threading.Event()
    for first in ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], [[1, 1], [-1, -1]]):
        users = UsersNetworks(program, RunOptions(start={"net.h.weights": first}))
        (network,) = users.networks(program, session, SolveOptions(), stop)
        assert network.values["net.h.weights"].tolist() == first
        assert replay(program, network, None, None).objective == pytest.approx(0.0066)


def test_a_start_of_a_continuous_network(folder: Path) -> None:
    model = nnmip.load(folder / "linear.nnm")
    found = model.solve(start={"clf.o.weights": [[-4.5, 0]]})
    assert found.objective == pytest.approx(0.01, abs=1e-7)
    assert found.notes[:1] == (
        "the start: 1 of 2 numbers was rounded to the domain [-4, 4] of `clf.o.weights`, by at most 0.5",
    )


def test_a_start_of_a_front(folder: Path) -> None:
    front = nnmip.load(folder / "xor.nnm").pareto("l0", start=BEST, time_limit=0)
    assert front.undecided is not None and front.undecided.best is not None
    assert front.undecided.best.stages[0].objective == pytest.approx(0.0006)
