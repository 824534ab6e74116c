"""Networks from files: what a model says of them is what it says of the same network while it is trained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nnmip.diagnostics import DiagnosticError
from nnmip.diagnostics.model import Severity
from nnmip.hir.core import Assignment, Constant, Program
from nnmip.hir.evaluate import evaluate, without_removed
from nnmip.pipeline import Model, load, loads
from nnmip.solution.store import RunFolder, load_network
from tests.meaning.generator import Model as Text
from tests.meaning.generator import seeded_model
from tests.meaning.harness import load as read
from tests.meaning.harness import random_assignment
from tests.workbench import XOR, write_model

NETWORK = re.compile(r"^network net\(.*?^\}$", re.MULTILINE | re.DOTALL)
UNPRUNED = re.compile(r", prune: units")


def saved(program: Program, assignment: Assignment, folder: Path) -> None:
    target = RunFolder(folder)
    target.create()
    target.save_networks(program, assignment, None, "")


def from_file(text: Text) -> str:
    """The model with its network read from the folder `run`."""
    return NETWORK.sub('network net = saved("run")', text.text)


def known_values(model: Model) -> tuple[list[float], dict[str, float]]:
    """The goals, and by how much the constraints of a model without decisions are violated."""
    program = model.program
    assert not program.networks and [known.name for known in program.known] == ["net"]
    assert all(isinstance(term.value, Constant) for stage in program.stages for term in stage.terms)
    found = evaluate(program, Assignment({}, {}))
    return list(found.objectives), found.constraints


@pytest.mark.parametrize("seed", range(700, 730))
def test_a_saved_network_means_what_it_meant(seed: int, tmp_path: Path) -> None:
    """Every loss, word and rule of a random model, for random weights: the same numbers from the saved folder."""
    drawn = seeded_model(seed)
    text = Text(UNPRUNED.sub("", drawn.text), drawn.tables)  # A unit that is cut out cannot be named any more.
    program, rng = read(text, tmp_path), np.random.default_rng(seed)
    for _ in range(3):
        assignment = without_removed(program, random_assignment(program, rng))
        saved(program, assignment, tmp_path / "run")
        if _is_cut(program, tmp_path / "run"):
            continue  # Units that nothing reads are cut out, too.
        try:
            goals, constraints = known_values(loads(from_file(text), directory=tmp_path))
        except DiagnosticError as error:
            # A column of weights is named by the table, which says nothing of numbers.
            errors = {d.code for d in error.diagnostics if d.severity is Severity.ERROR}
            assert errors <= {"NNM0104", "NNM0201"}, str(error)
            continue
        truth = evaluate(program, assignment)
        assert goals == pytest.approx(list(truth.objectives), abs=1e-12)
        broken = {name for name, violation in truth.constraints.items() if violation > 1e-9}
        assert {name for name, violation in constraints.items() if violation > 1e-9} == broken


def _is_cut(program: Program, folder: Path) -> bool:
    """Whether the saved network has fewer units than that of the model."""
    (network,), (trained,) = program.networks, RunFolder(folder).load_networks()
    return any(a.units != b.units for a, b in zip(network.layers, trained.network.layers, strict=True))


# ---- whole runs ----------------------------------------------------------------------------------------------------

TABLE = 'data points = csv("points.csv") {\n  features x0, x1\n  label parity as {even: -1, odd: +1}\n}\n'
HEAD = f'nnm 0.1\n{TABLE}network teacher = saved("run")\n'


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder with a solved model in `run`."""
    load(write_model(tmp_path, XOR)).solve(save=tmp_path / "run")
    return tmp_path


def test_the_loss_that_was_reported(trained: Path) -> None:
    loss = next(t.value for t in load(trained / "xor.nnm").solve().terms if t.role == "loss")
    result = loads(HEAD + "minimize hinge(teacher, points) + 3", directory=trained).solve()
    assert result.solution == "optimal" and result.objective == loss + 3
    assert result.replay is not None and result.replay.status == "passed" and not result.networks


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_smaller_network_that_agrees(trained: Path, solver: str) -> None:
    text = HEAD + (
        "network net(x: real[2] in [-1, 1]) {\n  layer h = dense(x, units: 2, weights in -1..1, bias in -1..1)\n"
        "  layer a = relu(h)\n  layer o = dense(a, units: 1, weights in -2..2, bias in -2..2)\n  return o[0]\n}\n"
        "minimize norm_1(net.biases) + l0(net.weights)\n"
        "constraint agrees: forall s in points: teacher(s) >= 0 <-> net(s) >= 0\n"
        "constraint near: forall s in points: -1 <= net(s) - 2 * teacher(s) <= 1\n"
    )
    result = loads(text, directory=trained).solve(solver=solver)
    assert result.solution == "optimal"
    teacher, rows = load_network(trained / "run"), [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert list(result.networks["net"].predict(rows)) == list(teacher.predict(rows))
    assert (np.abs(result.networks["net"].scores(rows) - 2 * teacher.scores(rows)) <= 1 + 1e-6).all()


def test_another_table_in_another_order_and_scaling(trained: Path) -> None:
    """Columns are found by name and read in the units of the file, as `predict` does."""
    (trained / "other.csv").write_text("x1,extra,x0,parity\n0.5,7,-1,odd\n-1,9,1,odd\n0,8,1,even\n")
    text = HEAD.replace("points.csv", "other.csv").replace("x0, x1", "x1, extra, x0 scale minmax")
    text += "let right = zero_one(teacher, points)\nminimize 1 - right - 0.5 * sum(s in points: teacher(s))"
    result = loads(text, directory=trained).solve()
    scores = load_network(trained / "run").scores([[-1, 0.5], [1, -1], [1, 0]])
    wrong = np.mean((scores >= 0) != np.array([True, True, False]))
    assert result.objective == pytest.approx(1 - wrong - 0.5 * scores.sum(), abs=1e-12)


def test_words_about_its_weights_and_units(trained: Path) -> None:
    text = HEAD + (
        "minimize l0(teacher.weights) + norm_1(teacher.h.weights) + count(used(teacher.a)) + features(teacher)\n"
        "constraint c: exists s in points: active(teacher.a[0], s)\n"
        "constraint d: forall j in units(teacher.a): fan_in(teacher.a[j]) <= 2\n"
    )
    network = load_network(trained / "run")
    values = network.weights
    wanted = sum(np.count_nonzero(w) for w in values.values()) + np.abs(values["h"]).sum() + len(values["h"]) + 2
    assert loads(text, directory=trained).solve().objective == wanted


def test_a_score_that_rounding_moved_counts_as_predicted(trained: Path) -> None:
    program = load(trained / "xor.nnm").program
    values = {d.path: np.zeros(d.shape) for d in program.decisions}
    for dust, is_at_zero in ((-1e-12, True), (-1e-6, False)):
        values["net.o.bias"] = np.array([dust])
        saved(program, Assignment(values, {"net.a": np.ones(2, dtype=bool)}), trained / "run")
        text = HEAD + "minimize count(s in points: teacher(s) >= 0) + 10 * zero_one(teacher, points)"
        assert loads(text, directory=trained).solve().objective == (4 if is_at_zero else 0) + 5
        rows = [[-1, -1], [-1, 1]]
        assert list(load_network(trained / "run").predict(rows)) == ["odd" if is_at_zero else "even"] * 2


def test_a_constraint_that_it_breaks_leaves_nothing(trained: Path) -> None:
    result = loads(HEAD + "satisfy\nconstraint c: l0(teacher.weights) <= 1", directory=trained).solve()
    assert result.termination == "infeasible"


def test_one_of_several_networks(trained: Path) -> None:
    second = XOR[XOR.index("network net(") : XOR.index("constraint few")].replace("net(", "other(")
    text = XOR.replace("minimize", f"{second}minimize l0(other.weights) +")
    loads(text, directory=trained).solve(save=trained / "two")
    pick = HEAD.replace('"run"', '"two", "other"') + "minimize l0(teacher.weights)"
    assert loads(pick, directory=trained).solve().objective == 0
    with pytest.raises(DiagnosticError, match="several networks"):
        _ = loads(HEAD.replace('"run"', '"two"') + "satisfy", directory=trained).program
    with pytest.raises(DiagnosticError, match="no network `third`"):
        _ = loads(HEAD.replace('"run"', '"two", "third"') + "satisfy", directory=trained).program


def test_another_folder_from_the_command_line(trained: Path) -> None:
    load(trained / "xor.nnm", {"most": 2}).solve(save=trained / "small")
    model = loads(HEAD + "minimize l0(teacher.weights)", {"teacher": str(trained / "small")}, directory=trained)
    assert model.solve().objective is not None and model.solve().objective <= 2  # type: ignore[operator]


def test_headers_alone_say_nothing_of_numbers(trained: Path) -> None:
    model = loads(HEAD + "minimize hinge(teacher, points)", directory=trained)
    assert model.check(data=False) == () and model.check() == ()


def test_the_fingerprint_tells_networks_apart(trained: Path) -> None:
    goal = "minimize 0 * l0(teacher.weights)"
    one = loads(HEAD + goal, directory=trained).fingerprint
    load(trained / "xor.nnm", {"most": 2}).solve(save=trained / "small")
    other = loads(HEAD + goal, {"teacher": str(trained / "small")}, directory=trained).fingerprint
    assert one != other


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ('saved("nowhere")', "NNM0613"),
        ('saved("run", "other")', "NNM0613"),
        ("saved(run)", "NNM0204"),
        ('saved("run", "net", "x")', "NNM0204"),
        ('saved("run", name: net)', "NNM0204"),
        ('save("run")', "NNM0203"),
        ('onnx("nowhere.onnx")', "NNM0616"),
        ('onnx("run/network.json")', "NNM0616"),
        ('onnx("run/net.onnx", outputs: "score")', "NNM0204"),
        ('onnx("run/net.onnx", output: score)', "NNM0204"),
        ('onnx("run/net.onnx", "nothing")', "NNM0617"),
        ('npz("nowhere.npz")', "NNM0501"),
        ('npz("run/weights.npz", activation: "tanh")', "NNM0203"),
        ('npz("run/weights.npz", "relu", activation: "relu")', "NNM0204"),
        ("3", "NNM0204"),
    ],
)
def test_declarations_that_do_not_fit(declared: str, code: str, trained: Path) -> None:
    text = HEAD.replace('saved("run")', declared) + "minimize hinge(teacher, points)"
    assert [d.code for d in loads(text, directory=trained).check()] == [code]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("features x0, x1", "features x0", "NNM0502"),
        ("{even: -1, odd: +1}", "{even: +1, odd: -1}", "NNM0504"),
        ("hinge(teacher", "sat_margin(teacher", "NNM0104"),
        ("hinge(teacher", "absolute(teacher", "NNM0204"),
        ("label parity as {even: -1, odd: +1}", "label parity as {even, odd}", "NNM0504"),
    ],
)
def test_tables_and_losses_that_do_not_fit(old: str, new: str, code: str, trained: Path) -> None:
    text = (HEAD + "minimize hinge(teacher, points)").replace(old, new)
    found = loads(text, directory=trained).check()
    assert [d.code for d in found] == [code], [str(d) for d in found]


def test_a_network_whose_numbers_overflow(trained: Path) -> None:
    program = load(trained / "xor.nnm").program
    huge = Assignment({d.path: np.full(d.shape, 1e300) for d in program.decisions}, {"net.a": np.ones(2, dtype=bool)})
    saved(program, huge, trained / "run")
    found = loads(HEAD + "minimize hinge(teacher, points)", directory=trained).check()
    assert [d.code for d in found] == ["NNM0613"]


def test_outputs_that_are_too_large(trained: Path) -> None:
    found = loads(HEAD + "minimize hinge(teacher, points)", directory=trained, allow_size=390_000).check()
    assert "NNM0310" not in {d.code for d in found}
    rows = "".join(f"{i % 3 - 1},{i % 2},even\n" for i in range(2000))
    (trained / "points.csv").write_text("x0,x1,parity\n" + rows + "0,0,odd\n")
    found = loads(HEAD + "minimize hinge(teacher, points)", directory=trained, allow_size=390_000).check()
    assert {d.code for d in found} == {"NNM0310"}


def test_a_trained_network_in_a_program_built_in_python(trained: Path) -> None:
    from nnmip.build import Draft, hinge, iff, l0

    result = load(trained / "xor.nnm").solve()
    draft = Draft("student")
    rows = [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    table = (np.array(rows), ["even", "odd", "odd", "even"])
    points = draft.table("points", table, ["x0", "x1"], label="parity", codes={"even": -1, "odd": +1})
    teacher = draft.trained("teacher", result.networks["net"])
    net = draft.network("net", shape=2, domain=(-1, 1))
    h = net.dense("h", net.input, units=2, weights=range(-1, 2), bias=range(-1, 2))
    o = net.dense("o", net.relu("a", h), units=1, weights={-1, 0, 1}, bias=range(-2, 3))
    net.returns(o[0])
    draft.minimize(l0(net.weights) + hinge(teacher, points) + l0(teacher.weights))
    draft.constraint("agrees", iff(teacher(points) >= 0, net(points) >= 0))
    solved = draft.model().solve()
    assert solved.solution == "optimal" and set(solved.networks) == {"net"}
    assert list(solved.networks["net"].predict(rows)) == list(result.networks["net"].predict(rows))
    with pytest.raises(TypeError, match="trained network"):
        draft.trained("other", 3)
    with pytest.raises(DiagnosticError, match="twice"):
        draft.trained("teacher", result.networks["net"])
