"""`@sufficient` for networks with hidden layers: the condition entry by entry, what it implies, and its optimum."""

from __future__ import annotations

import json
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.hir.core import Assignment, FloatArray, Program
from nnmip.hir.evaluate import ROUNDING, evaluate, result, without_removed
from nnmip.hir.rational import rational_evaluation
from nnmip.hir.walk import strengthened
from nnmip.lowering.lower import lower_program
from nnmip.report.front import render_front
from nnmip.report.model import model_facts, render_model
from nnmip.report.text import render_result
from nnmip.solution.store import RunFolder
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import disagreements, load, random_assignment, solve_backend, solve_highs
from tests.meaning.oracle import Batch, BatchMeaning

TERNARY = "weights in {-1, 0, 1}"
HIDDEN = (
    "layer h = dense(x, units: 2, {w}, bias in {{-1, 0}}); layer a = {act}; layer o = dense(a, units: {k}, {v});"
    " return o{part}"
)
LAYERS_OF: dict[str, str] = {
    "relu": HIDDEN.format(w=TERNARY, act="relu(h)", k=1, v=TERNARY, part="[0]"),
    "pruned units": HIDDEN.format(
        w="weights in {-1, 1}", act="relu(h, prune: units)", k=1, v="weights in {-1, 1, 2}", part="[0]"
    ),
    "many values": HIDDEN.format(w=TERNARY, act="relu(h)", k=1, v="weights in -2..2", part="[0]"),
    "leaky_relu": HIDDEN.format(w=TERNARY, act="leaky_relu(h, slope: 0.5)", k=1, v=TERNARY, part="[0]"),
    "clip": HIDDEN.format(w=TERNARY, act="clip(h, low: -1, high: 1)", k=1, v=TERNARY, part="[0]"),
    "abs": HIDDEN.format(w=TERNARY, act="abs(h)", k=1, v=TERNARY, part="[0]"),
    "hard_sigmoid": HIDDEN.format(w=TERNARY, act="hard_sigmoid(h, slope: 0.5)", k=1, v=TERNARY, part="[0]"),
    "two scores": HIDDEN.format(w="weights in {0, 1}", act="relu(h)", k=2, v="weights in {-1, 0}", part=""),
    "two hidden layers": (
        "layer a = relu(dense(x, units: 1, weights in {-1, 0, 1}, bias in {-1, 0, 1}));"
        " layer b = relu(dense(a, units: 2, weights in {-1, 0, 1}));"
        " layer o = dense(b, units: 1, weights in {-1, 0, 1}); return o[0]"
    ),
    "an optional layer": (
        "layer a = relu(dense(x, units: 2, weights in {-1, 1})); layer b = dense(a, units: 2, weights in {0, 1});"
        " layer c = relu(b, optional: true, skip: a); layer o = dense(c, units: 1, weights in {-1, 1}); return o[0]"
    ),
    "a block that is nothing but an activation": (
        "layer h = dense(x, units: 2, weights in {-1, 0, 1}); layer c = abs(h, optional: true);"
        " layer o = dense(c, units: 1, weights in {-1, 1}); return o[0]"
    ),
    "a skip connection": (
        "layer a = relu(dense(x, units: 2, weights in {-1, 0, 1}));"
        " layer b = dense(a, units: 2, weights in {-1, 0, 1}); layer s = add(a, b, a); return s"
    ),
    "a concatenation with the input": (
        "layer a = relu(dense(x, units: 1, weights in {-1, 0, 1}, bias in {-1, 0})); layer s = concat(a, x);"
        " layer o = dense(s, units: 1, weights in {-1, 0, 1}); return o[0]"
    ),
    "a convolution and the largest of two": (
        "layer i = reshape(x, shape: [1, 1, 2]); layer c = relu(conv2d(i, filters: 2, kernel: [1, 2], padding: [0, 1],"
        " weights in {-1, 0, 1}), prune: filters); layer p = maxpool2d(c, kernel: [1, 2], stride: 1);"
        " layer o = dense(flatten(p), units: 1, weights in {-1, 1}, prune: weights); return o[0]"
    ),
    "a convolution and means": (
        "layer i = reshape(x, shape: [1, 1, 2]);"
        " layer c = relu(conv2d(i, filters: 1, kernel: [1, 1], weights in {-1, 1}));"
        " layer q = pad(c, border: [0, 0, 1, 1], value: 2); layer p = avgpool2d(q, kernel: [1, 3], stride: 1);"
        " layer g = globalavgpool(c); layer s = concat(flatten(p), g);"
        " layer o = dense(s, units: 1, weights in {-1, 0, 1}); return o[0]"
    ),
}
JUMPS: dict[str, str] = {
    "sign": HIDDEN.format(w=TERNARY, act="sign(h)", k=1, v=TERNARY, part="[0]"),
    "free weights behind a step": HIDDEN.format(
        w="weights in {-1, 0, 1}", act="step(h)", k=1, v="weights in {-1, 0, 2}", part="[0]"
    ),
    "a gate": (
        "layer h = dense(x, units: 2, weights in {-1, 0, 1});"
        " layer g = step(dense(x, units: 1, weights in {-1, 0, 1}));"
        " layer s = gate(h, g); layer o = dense(s, units: 1, weights in {-1, 1}); return o[0]"
    ),
}
GOAL = "minimize zero_one(net, train) + 0.01 * l0(net.weights)"
RULES = (
    "monotone(net, f0, decreasing)",
    "monotone(net, 1, increasing)",
    "monotone(net, net.x[0:2], increasing)",
    "lipschitz(net, 1)",
    "lipschitz(net, 0.5, norm: norm_1)",
)
DIRECTIONS = RULES[:3]
TWO = "0,1,neg\n1,0,pos\n2,1,pos\n1,2,neg\n"


def built(layers: str, *rules: str, goal: str = GOAL) -> Model:
    """A model with every rule under `@sufficient`; a network without a single score is trained on two targets."""
    if "return o[0]" in layers:
        text = model(layers, goal, *rules, rows=TWO)
    else:
        goal = goal.replace("zero_one", "absolute")
        text = model(layers, goal, *rules, rows="0,1,1,2\n1,0,0,1\n2,1,0,0\n", truth="target a, b")
    return Model(text.text.replace("\nconstraint", "\n@sufficient\nconstraint"), text.tables)


# ---- the condition -------------------------------------------------------------------------------------------------


def by_the_oracle(program: Program, assignment: Assignment) -> list[bool]:
    """Which of the constraints hold, as the oracle says it."""
    clean = without_removed(program, assignment)
    batch = Batch({path: values[None] for path, values in clean.values.items()}, dict(clean.kept), 1)
    meaning = BatchMeaning(program, batch)
    return [bool((meaning.value(constraint.parts[0]) > 0.5).all()) for constraint in program.constraints]


@pytest.mark.parametrize("layers", [*LAYERS_OF, *JUMPS])
def test_the_condition_and_what_it_implies(layers: str, tmp_path: Path) -> None:
    """The condition is that of the oracle; a network that meets it has the property, between neighbours on a grid."""
    rules = RULES if layers in LAYERS_OF else DIRECTIONS
    program = load(built({**LAYERS_OF, **JUMPS}[layers], *rules), tmp_path)
    assert strengthened(program) == {f"c{i}": (rule.split("(")[0],) for i, rule in enumerate(rules)}
    (network,) = program.networks
    axis = np.linspace(-4, 4, 13)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    seen = np.zeros((2, len(rules)), dtype=bool)
    for seed in range(150):
        assignment = random_assignment(program, np.random.default_rng(seed))
        found = [v <= 1e-9 for v in evaluate(program, assignment).constraints.values()]
        assert found == by_the_oracle(program, assignment)
        seen[np.array(found, dtype=int), np.arange(len(rules))] = True
        outputs = result(network, assignment, points.reshape(-1, *network.input_shape)).reshape(13, 13, -1)
        for name, holds in zip(rules, found, strict=True):
            assert not holds or has(name, outputs, axis[1] - axis[0]), (name, seed)
    assert seen[1].all() and seen[0].sum() >= len(rules) - 1


def has(rule: str, outputs: FloatArray, step: float) -> bool:
    """Whether outputs on a grid [i, j, outputs], points `step` apart, have a property between all neighbours: along the
    axes, and for `norm_inf` along the diagonals as well."""
    moves = [np.diff(outputs, axis=0), np.diff(outputs, axis=1)]
    diagonals = [outputs[1:, 1:] - outputs[:-1, :-1], outputs[1:, :-1] - outputs[:-1, 1:]]
    match rule.split("(")[0], rule:
        case "monotone", "monotone(net, f0, decreasing)":
            return bool((moves[0] <= 1e-9).all())
        case "monotone", "monotone(net, 1, increasing)":
            return bool((moves[1] >= -1e-9).all())
        case "monotone", _:
            return all(bool((move >= -1e-9).all()) for move in moves)
        case _, "lipschitz(net, 1)":
            return all(bool((np.abs(move) <= step + 1e-9).all()) for move in (*moves, *diagonals))
    return all(bool((np.abs(move) <= 0.5 * step + 1e-9).all()) for move in moves)


# ---- the encoding --------------------------------------------------------------------------------------------------


AGAINST = {"monotone": GOAL, "lipschitz": "maximize norm_1(net.weights) + sum(net.weights) / 3"}
"""Goals that are best where the conditions do not hold."""


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layers", LAYERS_OF)
def test_the_best_network_with_the_condition(layers: str, rule: str, tmp_path: Path, session: Session) -> None:
    """By enumeration of all networks."""
    program = load(built(LAYERS_OF[layers], rule, goal=AGAINST[rule.split("(")[0]]), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


@pytest.mark.parametrize("rule", DIRECTIONS)
@pytest.mark.parametrize("layers", JUMPS)
def test_the_best_network_that_jumps_in_one_direction(layers: str, rule: str, tmp_path: Path, session: Session) -> None:
    goal = "maximize sum(net.weights) - 0.3 * l0(net.weights)"
    program = load(built(JUMPS[layers], rule.replace("f0", "0"), goal=goal), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


PLACES = (
    "monotone(net, f0, decreasing) or monotone(net, f1, increasing)",
    "used(net.a[0]) -> monotone(net, f0, decreasing)",
    "l0(net.weights) >= 3 -> lipschitz(net, 1) or monotone(net, f0, decreasing)",
    "forall j in 0..1: monotone(net, net.x[j], increasing)",
    "exists j in 0..1: monotone(net, net.x[j], decreasing)",
    "not (used(net.a[1]) and not lipschitz(net, 1, norm: norm_1))",
    "if used(net.a[1]) then lipschitz(net, 0) else monotone(net, f1, increasing)",
)


@pytest.mark.parametrize("rule", PLACES)
def test_a_condition_that_is_one_of_several(rule: str, tmp_path: Path, session: Session) -> None:
    goal = "maximize norm_1(net.weights) + sum(net.o.weights) - zero_one(net, train)"
    program = load(built(LAYERS_OF["relu"], rule, goal=goal), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


@pytest.mark.parametrize("domain", ["[-1, 1]", "[-1, -0.25] | [0, 1]", "[-1, -0.5] | {0} | [0.5, 1]"])
def test_weights_in_an_interval(domain: str, tmp_path: Path, session: Session) -> None:
    """Against the best of all choices of the signs of later weights, each with the signs that it asks for written out;
    what comes back keeps them exactly."""
    layers = HIDDEN.format(w=f"weights in {domain}", act="relu(h)", k=1, v=TERNARY, part="[0]")
    goal = "minimize absolute(net, train) + 0.01 * norm_1(net.h.weights)"
    data = {"rows": "0,1,-1\n1,0,1\n2,0,2\n3,1,1\n", "truth": "target t"}
    text = model(layers, goal, "monotone(net, f0, decreasing)", **data)
    program = load(Model(text.text.replace("\nconstraint", "\n@sufficient\nconstraint"), text.tables), tmp_path)
    best = np.inf
    for signs in product((1, -1), repeat=2):
        rules = [f"{sign} * net.o.weights[0, {j}] >= 0" for j, sign in enumerate(signs)]
        rules += [f"{sign} * net.h.weights[{j}, f0] <= 0" for j, sign in enumerate(signs)]
        best = min(best, optimum(load(model(layers, goal, *rules, **data), tmp_path)))
    assert optimum(load(model(layers, goal, **data), tmp_path)) < best - 0.01
    for solver in (solve_highs, partial(solve_backend, session, solver="cbc")):
        lowered = lower_program(program)
        answer = solver(lowered.milp)
        assert answer.objective == pytest.approx(best, abs=1e-6) and answer.x is not None
        noise = 1e-8 * np.cos(np.arange(len(answer.x)))
        assert evaluate(program, lowered.lift(answer.x + noise), 0.0).constraints == {"c0": 0.0}


def optimum(program: Program) -> float:
    found = solve_highs(lower_program(program).milp).objective
    assert found is not None
    return found


def test_a_zero_inside_an_interval_has_no_sign(tmp_path: Path) -> None:
    layers = (
        "layer h = relu(dense(x, units: 1, weights in [0, 1] | {2})); layer o = dense(h, units: 1, weights in {1});"
        " return o[0]"
    )
    rule, goal = "monotone(net, 0, decreasing)", "maximize sum(net.h.dense.weights)"
    lowered = lower_program(load(built(layers, rule, goal=goal), tmp_path))
    answer = solve_highs(lowered.milp)
    assert answer.x is not None
    assert lowered.lift(answer.x).values["net.h.dense.weights"].tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("pool", "rule", "most"),
    [
        ("maxpool2d(c, kernel: [1, 2])", "lipschitz(net, 3)", 3),
        ("maxpool2d(c, kernel: [1, 2])", "lipschitz(net, 3, norm: norm_1)", 3),
        ("avgpool2d(c, kernel: [1, 2])", "lipschitz(net, 3)", 3),
        ("avgpool2d(c, kernel: [1, 2])", "lipschitz(net, 3, norm: norm_1)", 6),
        ("add(c, c)", "lipschitz(net, 4)", 2),
        ("add(c, c)", "lipschitz(net, 4, norm: norm_1)", 4),
        ("hard_sigmoid(c, slope: 1/4)", "lipschitz(net, 2)", 8),
        ("hard_sigmoid(c, slope: 1/4)", "lipschitz(net, 2, norm: norm_1)", 16),
    ],
)
def test_slopes_of_a_pool(pool: str, rule: str, most: int, tmp_path: Path) -> None:
    """The largest sum of weights behind two entries of slope 1, each from its own feature."""
    layers = (
        "layer i = reshape(x, shape: [1, 1, 2]); layer c = conv2d(i, filters: 1, kernel: [1, 1], weights in {1});"
        f" layer p = {pool}; layer o = dense(flatten(p), units: 1, weights in 0..8); return o[0]"
    )
    text = built(layers, rule, goal="maximize sum(net.o.weights)")
    program = load(text, tmp_path)
    assert optimum(program) == pytest.approx(-most)


def test_slopes_of_first_weights_in_an_interval(tmp_path: Path, session: Session) -> None:
    """The limit is met exactly: two paths of slope 1 and a factor of 2 leave a quarter for each weight."""
    layers = HIDDEN.format(w="weights in [-1, 1]", act="relu(h)", k=1, v="weights in {2}", part="[0]")
    program = load(built(layers, "lipschitz(net, 1)", goal="maximize sum(net.h.weights)"), tmp_path)
    for solver in (solve_highs, partial(solve_backend, session, solver="cbc")):
        lowered = lower_program(program)
        answer = solver(lowered.milp)
        assert answer.objective == pytest.approx(-0.5, abs=1e-6) and answer.x is not None
        assert evaluate(program, lowered.lift(answer.x), 1e-6).max_violation == 0.0


# ---- what it is not ------------------------------------------------------------------------------------------------


def test_the_condition_is_not_the_property(tmp_path: Path) -> None:
    """relu(x) - relu(x - 9) never falls on [-4, 4], where the second unit is 0; the condition does not see that."""
    program = load(built(LAYERS_OF["relu"].replace("{-1, 0}", "{-9, 0}"), RULES[2], "lipschitz(net, 1)"), tmp_path)
    weights = {"net.h.weights": [[1.0, 0.0], [1.0, 0.0]], "net.h.bias": [0.0, -9.0], "net.o.weights": [[1.0, -1.0]]}
    assignment = Assignment({path: np.array(values) for path, values in weights.items()}, {})
    points = np.stack([np.linspace(-4, 4, 101), np.zeros(101)], axis=1)
    change = np.diff(result(program.networks[0], assignment, points))
    assert (change >= 0).all() and (change <= 0.08 + 1e-9).all()
    assert evaluate(program, assignment).constraints == {"c0": 1.0, "c1": 1.0}


def test_a_network_that_is_affine_keeps_the_exact_form(tmp_path: Path) -> None:
    layers = "layer o = dense(x, units: 1, weights in {-1, 0, 1}); return o[0]"
    program = load(built(layers, "monotone(net, f0, increasing)", "lipschitz(net, 1)"), tmp_path)
    assert strengthened(program) == {}


def test_the_condition_in_rational_arithmetic(tmp_path: Path) -> None:
    for layers in LAYERS_OF.values():
        program = load(built(layers, *RULES, goal="minimize l0(net.weights) + 0 * zero_one(net, train)"), tmp_path)
        for seed in range(20):
            assignment = random_assignment(program, np.random.default_rng(seed))
            exact = rational_evaluation(program, assignment, ROUNDING)
            if exact is None:  # thirds of a mean
                continue
            assert exact.violation == max(evaluate(program, assignment).constraints.values())


# ---- what is said of it --------------------------------------------------------------------------------------------


TEXT = """nnm 0.1
data train = csv("rows.csv") {
  features f0, f1
  target   t
}
network net(x: real[2] in [-4, 4]) {
  layer a = relu(dense(x, units: 1, weights in {-1, 0, 1}, bias in {-1, 0}))
  layer o = dense(a, units: 1, weights in {-1, 0, 1})
  return o[0]
}
minimize GOAL
@sufficient
constraint rises "more of it never lowers the answer": monotone(net, f0, increasing)
"""
CLAIM = "the networks that satisfy the sufficient condition of `rises`"


def solved(tmp_path: Path, *more: str, goal: str = "absolute(net, train)") -> nnmip.Result:
    (tmp_path / "rows.csv").write_text("f0,f1,t\n0,1,2\n1,0,0\n2,1,1\n1,2,-1\n")
    path = tmp_path / "model.nnm"
    path.write_text(TEXT.replace("GOAL", goal) + "".join(f"{line}\n" for line in more))
    return nnmip.load(path).solve()


def test_what_an_optimum_says(tmp_path: Path) -> None:
    result = solved(tmp_path)
    assert result.solution == "optimal" and result.among == CLAIM
    report = render_result(result)
    assert f": optimal among {CLAIM}, proved with highs" in report and "global" not in report
    assert "  note      rises: the condition is sufficient for `monotone`, not necessary; networks that" in report
    found = result.to_json()
    assert found["among"] == CLAIM and found["sufficient"] == {"rises": ["monotone"]}
    assert ("among", CLAIM) in result._facts()


def test_what_a_certified_optimum_says(tmp_path: Path) -> None:
    report = render_result(solved(tmp_path, goal="squared(net, train, tolerance: 0.3) + 0.1 * norm_1(net.weights)"))
    assert f"certified within 0.3 of the optimum among {CLAIM}" in report or f"optimal among {CLAIM}" in report
    assert "global" not in report


def test_two_conditions_are_named_together(tmp_path: Path) -> None:
    result = solved(tmp_path, "@sufficient", "constraint calm: lipschitz(net, 1)")
    assert result.among == "the networks that satisfy the sufficient conditions of `rises` and `calm`"


def test_infeasible_for_the_condition_only(tmp_path: Path) -> None:
    """A falling unit that is never on: the property holds, the condition does not."""
    result = solved(tmp_path, "constraint down: net.a.dense.weights[0, f0] = -1 and net.o.weights[0, 0] = 1")
    report = render_result(result)
    assert f": infeasible: none of {CLAIM} satisfies the rest of the model, proved with" in report
    assert "              @sufficient monotone(net, f0, increasing)\n" in report
    assert "no proof that no network has what `rises` says: the condition is only sufficient\n" in report
    assert result.conflict is not None
    members = result.conflict.to_json()["constraints"]
    assert [(member["name"], member["sufficient"]) for member in members] == [("rises", True), ("down", False)]


def test_infeasible_without_the_condition(tmp_path: Path) -> None:
    report = render_result(solved(tmp_path, "constraint many: l0(net.weights) >= 4"))
    assert ": infeasible: no network satisfies the model, proved with" in report
    assert "only sufficient" not in report


def test_what_show_and_files_say(tmp_path: Path) -> None:
    solved(tmp_path)
    model = nnmip.load(tmp_path / "model.nnm")
    facts = model_facts(model.lowered, model.fingerprint)
    assert facts["sufficient"] == {"rises": ["monotone"]} and model.among == CLAIM
    said = render_model(facts).splitlines()[-2]
    assert said == "  more than the model says: rises holds a condition that is only sufficient for `monotone`"
    written = model.write(tmp_path / "out.lp")
    assert json.loads(Path(written.names).read_text())["extra"]["sufficient"] == {"rises": ["monotone"]}


def test_what_a_front_says(tmp_path: Path) -> None:
    solved(tmp_path)
    (tmp_path / "front.nnm").write_text(TEXT.replace("GOAL", "absolute(net, train) + 0.1 * l0(net.weights)"))
    front = nnmip.load(tmp_path / "front.nnm").pareto("l0(net.weights)")
    report = render_front(front)
    assert f"front among {CLAIM}, " in report and f"each of {CLAIM} is matched or beaten" in report
    assert front.to_json()["among"] == CLAIM


def test_what_a_saved_run_says(tmp_path: Path) -> None:
    solved(tmp_path)
    nnmip.load(tmp_path / "model.nnm").solve(save=tmp_path / "run")
    assert RunFolder(tmp_path / "run").proved() == f"optimal among {CLAIM}"
