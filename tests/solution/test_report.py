"""Results as text: whole reports, and formulas that compute what the network computes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnmip.backends.protocol import Termination
from nnmip.hir.core import Assignment
from nnmip.lowering.lower import Lowered
from nnmip.pipeline import load, loads
from nnmip.report.rules import describe, linear, number, picture
from nnmip.report.text import describe_networks, render_result
from nnmip.solution.answer import make_result
from nnmip.solution.network import TrainedNetwork, trained_network
from nnmip.solution.replay import ReplayStatus, replay
from nnmip.solution.result import Proof, Result, SolutionStatus
from tests.solution.test_replay import lowered_and_answer, result_of
from tests.workbench import write_model


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(tmp_path)
    lowered, raw = lowered_and_answer(Path())
    sizes = {"rows": 10, "columns": 9, "binaries": 8, "integers": 0, "nonzeros": 7, "largest_big_m": 6.5}
    found = result_of(lowered, raw)
    return replace(found, sizes=sizes, times={"parse": 0.011, "solve": 1.5}, notes=("one remark",), message="another")


GOLDEN = """\
model.nnm: globally optimal, proved with highs 9

  net: x0, x1 -> h (dense, 2) -> a (relu, 2) -> o (dense, 1)
    score = a[0] + a[1] - 1
    a[0] = max(0, x0 - x1)
    a[1] = max(0, -x0 + x1)
    predicts odd where the score is at least 0, else even
    6 of 6 weights nonzero, 2 of 2 units of a used

  goal      minimize 0.0066
            loss      hinge(net, points)   1 x 0 = 0
            sparsity  l0(net.weights)      0.001 x 6 = 0.006
            sparsity  norm_1(net.weights)  0.0001 x 6 = 0.0006
  accuracy  net on points: 4 of 4 rows right (100.0 %); always even: 2 (50.0 %)
  bound     0.0066, gap 0 %
  proof     the solver's bound, at tolerances of at most 1e-8
  replay    passed: recomputed from the weights alone, in rational arithmetic, largest violation 0
  model     10 rows, 9 columns, 8 binaries, 7 nonzeros, largest big-M 6.5
  time      parse 0.01 s, solve 1.50 s
  note      one remark
  note      another
"""


def test_the_whole_report(result: Result) -> None:
    assert render_result(result) == GOLDEN
    assert describe_networks(result) == (
        "model.nnm: globally optimal, proved with highs 9\n\n"
        "net: x0, x1 -> h (dense, 2) -> a (relu, 2) -> o (dense, 1)\n"
        "  score = a[0] + a[1] - 1\n"
        "  a[0] = max(0, x0 - x1)\n"
        "  a[1] = max(0, -x0 + x1)\n"
        "  predicts odd where the score is at least 0, else even\n"
        "  6 of 6 weights nonzero, 2 of 2 units of a used\n"
    )


ENDINGS = {
    Termination.TIME_LIMIT: "stopped at the time limit",
    Termination.NODE_LIMIT: "stopped at the node limit",
    Termination.GAP_LIMIT: "stopped at the gap that was asked for",
    Termination.MEMORY_LIMIT: "stopped for lack of memory",
    Termination.INTERRUPTED: "interrupted",
    Termination.SOLVER_ERROR: "the solver failed",
    Termination.BACKEND_MISSING: "the solver is not installed",
    Termination.LICENCE_ERROR: "the solver's licence does not allow this model",
    Termination.UNBOUNDED: "the goal is unbounded",
}


@pytest.mark.parametrize("termination", list(Termination))
def test_headlines(termination: Termination, result: Result) -> None:
    if termination is Termination.OPTIMAL:
        return
    nothing = replace(result, termination=termination, solution=SolutionStatus.NONE, replay=None, networks={})
    something = replace(result, termination=termination, solution=SolutionStatus.FEASIBLE)
    if termination is Termination.INFEASIBLE:
        assert headline(nothing) == "infeasible: no network satisfies the model, proved with highs 9"
        return
    assert headline(nothing) == f"no answer: {ENDINGS[termination]} (highs 9)"
    assert headline(something) == f"a feasible network, not proved optimal: {ENDINGS[termination]} (highs 9)"


def headline(result: Result) -> str:
    return render_result(result).splitlines()[0].removeprefix("model.nnm: ")


def test_proof_lines(result: Result) -> None:
    def line(changed: Result, word: str) -> str:
        return next(text for text in render_result(changed).splitlines() if text.startswith(f"  {word} "))

    assert line(replace(result, proof=Proof.CONFIRMED), "proof") == "  proof     confirmed by a second solver"
    assert line(replace(result, proof=Proof.NONE), "proof") == "  proof     none"
    assert line(replace(result, dual_bound=0.0033), "bound") == "  bound     0.0033, gap 50 %"
    for bound, shown in ((-3.7e-15, "0"), (-3.7e-9, "-3.7e-09")):
        assert line(replace(result, dual_bound=bound), "bound").startswith(f"  bound     {shown}, gap ")
    assert line(replace(result, dual_bound=0.0066 - 1e-13), "bound") == "  bound     0.0066, gap below 1e-6 %"
    near_zero = replace(result, objective=0.0, dual_bound=-0.25)
    assert line(near_zero, "bound") == "  bound     -0.25, gap 0.25 (absolute)"
    assert result.replay is not None
    failed = replace(result.replay, status=ReplayStatus.FAILED, message="it does not add up")
    assert line(replace(result, replay=failed), "replay") == "  replay    failed: it does not add up"
    assert line(replace(result, replay=None), "replay") == "  replay    not run: there is no network to check"
    assert "  bound " not in render_result(replace(result, dual_bound=None))


@pytest.mark.parametrize(
    ("weights", "bias", "text"),
    [
        ([1, -1], 0, "a - b"),
        ([-1, 1], -0.5, "-a + b - 0.5"),
        ([0, 2.5], 1, "2.5 * b + 1"),
        ([-0.5, 0], 0, "-0.5 * a"),
        ([0, 0], -3, "-3"),
        ([0, 0], 0, "0"),
        ([0, 0], -0.0, "0"),
        ([1e-7, 123456789], 0, "1e-07 * a + 1.23457e+08 * b"),
    ],
)
def test_linear_functions(weights: list[float], bias: float, text: str) -> None:
    assert linear(np.array(weights, float), ["a", "b"], bias) == text


def test_numbers() -> None:
    assert [number(v) for v in (1.0, -0.0, 1 / 3, 1e-12, 1234567.0)] == ["1", "0", "0.333333", "1e-12", "1.23457e+06"]


# ---- formulas --------------------------------------------------------------------------------------------------

SCALINGS = ["none", "minmax", "minmax [-1, 1]", "standard"]

TWO_LAYERS = """nnm 0.1
data table = csv("table.csv") {{
  features year, "width (cm)" as width, mass scale {scaling}
  label    kind as {{no: -1, yes: +1}}
}}
network net(x: real[3] in [-3000, 3000]) {{
  layer h = dense(x, units: 3, weights in [-9, 9], bias in [-9, 9])
  layer a = relu(h, prune: units)
  layer o = dense(a, units: {outputs}, weights in {{-2, -1, 0, 1, 2}}, bias in [-9, 9])
  return {result}
}}
{goal}
"""

HINGE = "minimize hinge(net, table)"


def lowered_table(folder: Path, scaling: str) -> Lowered:
    random = np.random.default_rng(3)
    columns = np.column_stack([random.integers(1990, 2020, 20), random.uniform(-2, 3, 20), random.uniform(0, 1e-3, 20)])
    rows = [f"{y:.0f},{w:.4f},{m:.8f},{'yes' if i % 2 else 'no'}" for i, (y, w, m) in enumerate(columns.tolist())]
    (folder / "table.csv").write_text("year,width (cm),mass,kind\n" + "\n".join(rows) + "\n")
    text = TWO_LAYERS.format(scaling=scaling, outputs=1, result="o[0]", goal=HINGE)
    return load(write_model(folder, text, "table.nnm")).lowered


def evaluate_printed(lines: list[str], row: dict[str, float]) -> float:
    """Compute the score from the printed formulas alone."""
    formulas = dict(line.strip().split(" = ", 1) for line in lines if " = " in line)

    def value(name: str) -> float:
        text = formulas[name].partition("  (constant")[0]
        text = re.sub(r"\b(\w+\[\d+\])", lambda match: repr(value(match[1])), text)
        return float(eval(text, {"__builtins__": {}, "max": max}, dict(row)))

    return value("score")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_printed_formulas_compute_the_scores(scaling: str, tmp_path: Path) -> None:
    """On raw rows, for every scaling, with removed and constant units and a column far from 0."""
    lowered = lowered_table(tmp_path, scaling)
    (network,) = lowered.program.networks
    random = np.random.default_rng(8)
    for _ in range(10):
        weights = random.uniform(-2, 2, (3, 3)) * (random.random((3, 3)) < 0.6)
        values = {
            "net.h.weights": weights,
            "net.h.bias": random.uniform(-1, 1, 3),
            "net.o.weights": random.integers(-2, 3, (1, 3)).astype(float),
            "net.o.bias": random.uniform(-1, 1, 1),
        }
        kept = random.random(3) < 0.8
        values["net.h.weights"][~kept], values["net.h.bias"][~kept], values["net.o.weights"][:, ~kept] = 0, 0, 0
        trained = trained_network(lowered.program, network, Assignment(values, {"net.a": kept}))
        lines = describe(trained, {})
        rows = lowered.program.datasets[0].raw
        printed = [evaluate_printed(lines, dict(zip(trained.features, row, strict=True))) for row in rows.tolist()]
        scores = trained.scores(rows)
        assert printed == pytest.approx(scores, abs=1e-5 * max(1.0, float(np.abs(scores).max())))


def trained(lowered: Lowered, weights: object, bias: object, out: object, kept: object) -> TrainedNetwork:
    values = {
        "net.h.weights": np.array(weights, float),
        "net.h.bias": np.array(bias, float),
        "net.o.weights": np.array(out, float),
        "net.o.bias": np.array([0.5]),
    }
    (network,) = lowered.program.networks
    return trained_network(lowered.program, network, Assignment(values, {"net.a": np.array(kept)}))


def test_what_groups_get(tmp_path: Path) -> None:
    """By predicted class for labels, by the mean output for targets; in the report and in the JSON."""
    (tmp_path / "points.csv").write_text("x,y,kind,g\n0,0,no,b\n1,1,yes,b\n2,2,yes,a\n3,5,no,a\n3,5,no,a\n")
    text = """nnm 0.1
    data t = csv("points.csv") { features x %s group g as ward }
    network net(x: real[1] in [0, 3]) { layer o = dense(x, units: 1, weights in {1}, bias in {-1}) return o[0] }
    minimize %s(net, t)
    """
    model = loads(text % ("label kind as {no: -1, yes: +1}", "hinge"), directory=tmp_path)
    result = model.solve()
    expected = [
        "  groups    net on t, ward b: 1 of 2 rows yes (50.0 %)",
        "                      ward a: 3 of 3 rows yes (100.0 %)",
    ]
    assert [line for line in render_result(result).splitlines() if "ward" in line] == expected
    by_ward = result.to_json()["metrics"]["net"]["t"]["by ward"]
    assert by_ward["b"] == {"rows": 2, "predicted": {"no": 1, "yes": 1}}
    result = loads(text % ("target y", "absolute"), directory=tmp_path).solve()
    assert "ward a: mean y 1.66667 of 3 rows" in render_result(result)
    assert result.to_json()["metrics"]["net"]["t"]["by ward"]["b"] == {"rows": 2, "mean": {"y": -0.5}}


def test_constant_and_removed_units(tmp_path: Path) -> None:
    lowered = lowered_table(tmp_path, "none")
    found = describe(
        trained(lowered, [[1, 0, 0], [0, 0, 0], [0, 0, 0]], [0, 2, 0], [[1, -1, 0]], [True, True, False]),
        {"a": (0, 1)},
    )
    assert found == [
        "net: year, width, mass -> h (dense, 3) -> a (relu, 3) -> o (dense, 1)",
        "  score = a[0] - a[1] + 0.5",
        "  a[0] = max(0, year)",
        "  a[1] = max(0, 2)  (constant: no incoming weight)",
        "  predicts yes where the score is at least 0, else no",
        "  3 of 12 weights nonzero, 2 of 3 units of a used",
    ]
    every = describe(trained(lowered, np.zeros((3, 3)), [0, 0, 0], [[0, 0, 0]], [False, False, False]), {})
    assert "  a[2] = 0 (removed)  (constant: no incoming weight)" in every


def test_a_column_far_from_zero_gets_the_digits_it_needs(tmp_path: Path) -> None:
    """2000 years away from 0 on a range of 30 costs two digits; a column near 0 costs none."""
    lowered = lowered_table(tmp_path, "minmax")
    year = describe(trained(lowered, [[1, 0, 0]] * 3, [0, 0, 0], [[1, 0, 0]], [True] * 3), {"a": (0,)})
    assert year[2] == "  a[0] = max(0, 0.038461538 * year - 76.538462)"
    mass = describe(trained(lowered, [[0, 0, 1]] * 3, [0, 0, 0], [[1, 0, 0]], [True] * 3), {"a": (0,)})
    assert len(re.findall(r"\d+(?:\.\d+)?", mass[2].split("max(0, ")[1])[0].replace(".", "")) == 6


def test_several_outputs(tmp_path: Path) -> None:
    text = TWO_LAYERS.format(
        scaling="none", outputs=2, result="o", goal="satisfy\nconstraint some: l0(net.weights) <= 9"
    )
    lowered_table(tmp_path, "none")
    lowered = load(write_model(tmp_path, text, "several.nnm")).lowered
    (network,) = lowered.program.networks
    values = {
        "net.h.weights": np.eye(3),
        "net.h.bias": np.zeros(3),
        "net.o.weights": np.array([[1.0, 0, 0], [0, 2, -1]]),
        "net.o.bias": np.array([0.0, 1.0]),
    }
    assignment = Assignment(values, {"net.a": np.array([True, True, True])})
    lines = describe(trained_network(lowered.program, network, assignment), {"a": (0, 1, 2)})
    assert lines[:3] == [
        "net: x -> h (dense, 3) -> a (relu, 3) -> o (dense, 2)",
        "  score[0] = a[0]",
        "  score[1] = 2 * a[1] - a[2] + 1",
    ]
    assert lines[3] == "  a[0] = max(0, x[0])"
    found = trained_network(lowered.program, network, assignment)
    assert found.scores([[1, 2, 3]]).tolist() == [[1, 2]]
    assert found.predict([[1, 2, 3], [9, 0, 0]]).tolist() == [1, 0]
    checked = replay(lowered.program, assignment, None, None)
    raw = lowered_and_answer(tmp_path)[1]
    report = render_result(make_result(lowered, raw, checked, Proof.SOLVER, _facts()))
    assert "  accuracy" not in report


def _facts() -> object:
    from tests.solution.test_replay import FACTS

    return replace(FACTS, sizes={"rows": 1, "columns": 1, "binaries": 0, "nonzeros": 1, "largest_big_m": 0.0})


def test_kernels_are_drawn() -> None:
    ternary = np.array([[[1.0, 0, -1], [0, 1, 0]]])
    assert picture(ternary) == ["+ . -", ". + ."]
    sizes = np.array([[[2.0, 1], [-2, -1]], [[0, 0], [0.5, 0]]])
    assert picture(sizes) == ["# +   . .", "= -   + ."]
    assert picture(ternary[:, :1]) == picture(0 * ternary) == picture(np.ones((9, 2, 2))) == []


IMAGES = """nnm 0.1
data train = csv("img.csv") {
  features p0, p1, p2, p3, p4, p5, p6, p7, p8
  label    y as {m: -1, p: +1}
}
network net(x: real[1, 3, 3] in [0, 1]) {
  layer c = relu(conv2d(x, filters: 2, kernel: 2, weights in {-1, 0, 1}, bias in {-1}), prune: filters)
  layer m = maxpool2d(c, kernel: 2)
  layer o = dense(flatten(m), units: 1, weights in {-1, 0, 1}, bias in {0})
  return o[0]
}
minimize hinge(net, train) + 0.1 * count(used(net.c))
constraint one: count(used(net.c)) <= 1
"""


def test_a_filter_is_drawn_below_its_formula(tmp_path: Path) -> None:
    table = "p0,p1,p2,p3,p4,p5,p6,p7,p8,y\n1,0,0,0,1,0,0,0,1,p\n0,0,1,0,1,0,1,0,0,m\n"
    (tmp_path / "img.csv").write_text(table)
    result = load(write_model(tmp_path, IMAGES)).solve()
    assert result.objective == pytest.approx(0.6)
    text = render_result(result)
    drawn = re.search(r"c\[\d\] = max\(0, conv\(x, \[(.*)\]\) - 1\)\n *(.*)\n *(.*)\n", text)
    assert drawn is not None
    marks = {"1": "+", "-1": "-", "0": "."}
    rows = [" ".join(marks[entry] for entry in row.split()) for row in drawn[1].split("; ")]
    assert [drawn[2].strip(), drawn[3].strip()] == rows
    assert text.count("0 (removed)") <= 1
