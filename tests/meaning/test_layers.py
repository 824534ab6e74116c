"""Every kind of layer: solvers against enumeration, two readings of the meaning, equivalent models, bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnmip.backends.process import Session
from nnmip.bounds.table import propagate_intervals
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate, forward
from nnmip.hir.wiring import wiring_of
from nnmip.lowering.lower import lower_program
from tests.meaning.generator import HypothesisChooser, Model, NumpyChooser
from tests.meaning.handwritten.model import SIGNS, model
from tests.meaning.harness import disagreements, load, random_assignment, solve_highs
from tests.meaning.nets import random_net
from tests.meaning.oracle import BatchMeaning, Origins, batches
from tests.meaning.test_completion import check

PERSISTENT_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SHARES = ("f0,f1,f2,f3,f4,f5,y", "1,0,1,0,1,0,p", "0,1,0,1,0,1,m", "1,1,0,0,1,1,p", "0,0,1,1,0,0,m")


def seeded_net(seed: int) -> Model:
    return random_net(NumpyChooser(np.random.default_rng(seed)))


@st.composite
def nets(draw: st.DrawFn) -> Model:
    return random_net(HypothesisChooser(draw))


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_solvers_agree_with_enumeration(seed: int, tmp_path: Path, session: Session) -> None:
    assert disagreements(load(seeded_net(seed), tmp_path), session, ("highs", "cbc")) == []


@settings(max_examples=15, deadline=None, suppress_health_check=PERSISTENT_FOLDER, derandomize=True)
@given(model=nets())
def test_highs_agrees_with_enumeration(model: Model, tmp_path: Path) -> None:
    assert disagreements(load(model, tmp_path)) == []


@pytest.mark.parametrize("seed", range(1020, 1045))
def test_the_oracle_means_what_the_language_means(seed: int, tmp_path: Path) -> None:
    program = load(seeded_net(seed), tmp_path)
    rng = np.random.default_rng(seed)
    for batch in batches(program):
        meaning = BatchMeaning(program, batch)
        goal, feasible = meaning.goal(), meaning.feasible()
        for index in rng.integers(0, batch.size, 4):
            found = evaluate(program, batch.assignment(int(index)), 1e-6)
            assert found.objectives[0] == pytest.approx(goal[index], abs=1e-9)
            assert (found.max_violation <= 1e-6) == feasible[index]


@pytest.mark.parametrize("seed", range(1045, 1065))
def test_networks_come_back_unchanged(seed: int, tmp_path: Path) -> None:
    check(load(seeded_net(seed), tmp_path), seed, symmetry=True)


@pytest.mark.parametrize("seed", range(1065, 1095))
def test_values_stay_inside_their_bounds(seed: int, tmp_path: Path) -> None:
    """For any weights, any removed units, any inputs of the domain."""
    program = load(seeded_net(seed), tmp_path)
    (network,) = program.networks
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, (20, *network.input_shape))
    bounds = propagate_intervals(network, rows).outputs
    for _ in range(20):
        values = forward(network, random_assignment(program, rng), rows)
        for name, value in values.items():
            assert (value >= bounds[name].lo).all() and (value <= bounds[name].hi).all(), name


@pytest.mark.parametrize("seed", range(1095, 1125))
def test_units_are_followed_through_the_layers(seed: int, tmp_path: Path) -> None:
    """The owners of entries and weights are those that following every single entry finds."""
    (network,) = load(seeded_net(seed), tmp_path).networks
    wiring, origins = wiring_of(network), Origins(network)
    numbers = {("", 0): -3}
    numbers |= {(name, row): first + row for name, first in wiring.first.items() for row in range(network.width(name))}
    for name, owner in wiring.owner.items():
        for place in np.ndindex(owner.shape):
            units = sorted(numbers[unit] for unit in origins.of[name][place])
            assert owner[place] == (-1 if not units else units[0] if len(units) == 1 else -2)
    for layer in network.layers:
        if layer.decisions:
            for read, sets in zip(
                wiring.reads[f"{layer.path}.weights"].reshape(-1), origins.read[layer.name].reshape(-1), strict=True
            ):
                assert read == (-1 if not sets else numbers[next(iter(sets))] if len(sets) == 1 else -2)


DIPPED = "piecewise({}, points: [-1, 0, 1], values: [1, -0.5, 1], outside: [0, 0])"
BENT_TWICE = {
    "a step up, then relu": ("sign(h)", "relu(b, prune: units)"),
    "a step up, then a fold": ("sign(h)", "abs(b, prune: units)"),
    "a slope, then a cut": ("hard_sigmoid(h)", "clip(b, low: 0.25, high: 0.75, prune: units)"),
    "a dip, then a step": (DIPPED.format("h"), "step(b, prune: units)"),
    "a dip, then relu": (DIPPED.format("h"), "relu(b, prune: units)"),
    "a dip, then a dip": (DIPPED.format("h"), DIPPED.format("b")[:-1] + ", prune: units)"),
}
"""Units that are removed behind an activation that is not 0 at 0."""


@pytest.mark.parametrize("end", ["a[0]", "o[0]", "o[0:2]"])
@pytest.mark.parametrize("name", BENT_TWICE)
def test_a_unit_behind_two_activations_can_be_removed(name: str, end: str, tmp_path: Path) -> None:
    first, second = BENT_TWICE[name]
    layers = f"layer h = dense(x, units: 1, weights in {{1, 2}}); layer b = {first}; layer a = {second}"
    layers += "" if end == "a[0]" else f"; layer o = dense(a, units: {2 if ':' in end else 1}, weights in {{-1, 1}})"
    truth = "label label as {neg: 0, pos: 1}" if ":" in end else SIGNS
    for goal in ("minimize hinge(net, train) + norm_1(net.h.weights)", "minimize hinge(net, train)"):
        made = model(f"{layers}; return {end}", goal, rows="-1,pos\n-0.25,neg\n1,neg\n", truth=truth)
        assert disagreements(load(made, tmp_path)) == []


# ---- equivalent models ---------------------------------------------------------------------------------------------


def optimum(layers: str, folder: Path, goal: str = "minimize hinge(net, train) + 0.1 * l0(net.weights)") -> float:
    """The optimum of a model over images of 2 x 3 pixels."""
    answer = solve_highs(lower_program(program(layers, folder, goal)).milp)
    assert answer.objective is not None
    return answer.objective


def program(layers: str, folder: Path, goal: str = "minimize hinge(net, train)") -> Program:
    text = (
        'nnm 0.1\ndata train = csv("rows.csv") { features f0, f1, f2, f3, f4, f5\n label y as {p: +1, m: -1} }\n'
        f"network net(x: real[1, 2, 3] in [0, 1]) {{ {layers} }}\n{goal}\n"
    )
    return load(Model(text, {"rows.csv": "\n".join(SHARES) + "\n"}), folder)


HEAD = "layer o = dense({}, units: 1, weights in {{-1, 0, 1}}, bias in [-1, 1]) return o[0]"


def test_a_kernel_of_full_size_is_a_dense_unit(tmp_path: Path) -> None:
    conv = "layer r = relu(conv2d(x, filters: 2, kernel: [2, 3], weights in {-1, 0, 1})) " + HEAD.format("flatten(r)")
    dense = "layer r = relu(dense(flatten(x), units: 2, weights in {-1, 0, 1})) " + HEAD.format("r")
    assert optimum(conv, tmp_path) == pytest.approx(optimum(dense, tmp_path), abs=1e-7)


def test_filters_forced_off_are_not_there(tmp_path: Path) -> None:
    layer = "layer r = relu(conv2d(x, filters: {}, kernel: [2, 2], weights in {{-1, 1}}){}) "
    head = HEAD.format("flatten(maxpool2d(r, kernel: [1, 2]))")
    goal = "minimize hinge(net, train) + 0.1 * l0(net.weights)"
    pruned = layer.format(3, ", prune: filters") + head
    one = optimum(pruned, tmp_path, f"{goal} constraint c: count(used(net.r)) <= 1")
    assert one == pytest.approx(optimum(layer.format(1, ", prune: filters") + head, tmp_path, goal), abs=1e-7)


def test_a_maximum_of_relus_is_fused_only_where_nothing_else_reads_them(tmp_path: Path) -> None:
    """The fused form has no phases; both have the optimum of the model."""
    layers = "layer c = conv2d(x, filters: 2, kernel: [1, 2], weights in {{-1, 1}}) layer r = relu(c) {} "
    pooled = "layer p = maxpool2d(r, kernel: [1, 2])"
    fused = layers.format(pooled) + HEAD.format("flatten(p)")
    apart = layers.format(f"{pooled} layer q = globalavgpool(r) layer z = dense(q, units: 1, weights in {{0}})")
    apart += HEAD.format("concat(flatten(p), z)")
    models = [lower_program(program(text, tmp_path)).milp for text in (fused, apart)]
    has_phase = [any(block.path == "net.r.phase" for block in milp.columns) for milp in models]
    assert has_phase == [False, True]
    first, second = (solve_highs(milp).objective for milp in models)
    assert first == pytest.approx(second, abs=1e-7)


def test_equal_patches_are_encoded_once(tmp_path: Path) -> None:
    """A constant image has one patch, however many places the kernel has."""
    text = (
        'nnm 0.1\ndata train = csv("rows.csv") { features a, b, c, d, e, f\n label y as {p: +1, m: -1} }\n'
        "network net(x: real[1, 2, 3] in [0, 1]) {\n"
        "  layer r = relu(conv2d(x, filters: 1, kernel: [1, 2], weights in {-1, 0, 1}, bias in [-1, 1]))\n"
        f"  {HEAD.format('flatten(r)')} }}\nminimize hinge(net, train)\n"
    )
    rows = "a,b,c,d,e,f,y\n1,1,1,1,1,1,p\n0,0,0,0,0,0,m\n1,1,1,0,0,0,m\n"
    milp = lower_program(load(Model(text, {"rows.csv": rows}), tmp_path)).milp
    (phases,) = (block for block in milp.columns if block.path == "net.r.phase")
    assert phases.size == 2  # patches [1, 1] and [0, 0] of twelve places


def test_an_activation_may_skip_and_pass_its_units_on(tmp_path: Path) -> None:
    """A unit that is added to another counts as read."""
    layers = (
        "layer a = relu(dense(flatten(x), units: 1, weights in {-1, 0, 1})) "
        "layer b = dense(flatten(x), units: 1, weights in {-1, 0, 1}) layer s = add(a, b) "
    )
    model = program(layers + HEAD.format("s"), tmp_path, "minimize count(used(net.a)) constraint c: used(net.a[0])")
    answer = solve_highs(lower_program(model).milp)
    assert answer.objective == pytest.approx(1.0)
