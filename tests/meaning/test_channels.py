"""`prune: channels`: solvers against enumeration, two readings of the meaning, seeded faults, what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.bounds.table import propagate_intervals
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate, forward, removed
from nnmip.lowering.lower import lower_program
from nnmip.milp.builder import MilpBuilder
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model
from tests.meaning.harness import difference, disagreements, load, random_assignment, solve_highs
from tests.meaning.nets import with_channels
from tests.meaning.oracle import BatchMeaning, batches, enumerate_optimum
from tests.meaning.test_completion import check
from tests.meaning.test_layers import seeded_net

TWO = "layer i = reshape(x, shape: [2, 1, 2]); layer c = conv2d(i, filters: {f}, kernel: {k}, weights in {w}{rest});"
HEAD = " layer o = dense(flatten(c), units: 1, weights in {1}, bias in {-1, 0}); return o[0]"
BEHIND = (
    "layer i = reshape(x, shape: [1, 1, 2]); layer r = relu(conv2d(i, filters: 2, kernel: 1, weights in {-1, 1}),"
    " prune: filters); layer c = relu(conv2d(r, filters: 2, kernel: 1, weights in {-1, 1}, prune: channels),"
    " prune: filters); layer o = dense(flatten(c), units: 1, weights in {-1, 1}); return o[0]"
)
CHANNELS: dict[str, Model] = {
    "a channel that misleads": model(
        TWO.format(f=1, k=[1, 2], w="{1, 2}", rest=", prune: channels") + HEAD,
        "minimize hinge(net, train) + 0.01 * l0(net.weights)",
        rows="1,0,0,2,pos\n0,0,2,1,neg\n1,1,2,1,pos\n",
    ),
    "a channel that must be read": model(
        TWO.format(f=1, k=[1, 2], w="{1, 2}", rest=", prune: channels") + HEAD.replace("{1}", "{-1, 1}"),
        "minimize hinge(net, train)",
        "count(net.c.channels) <= 1",
        "net.c.channels[1] -> net.c.weights[0, 1, 0, 0] >= 1.5",
        rows="1,0,0,2,pos\n0,1,2,1,neg\n1,1,2,1,pos\n",
    ),
    "channels of groups": model(
        TWO.format(f=2, k=1, w="{-1, 1}", rest=", groups: 2, prune: channels") + HEAD,
        "minimize hinge(net, train) + 0.1 * count(net.c.channels)",
        rows="1,0,0,2,pos\n0,0,2,1,neg\n1,1,2,1,pos\n",
    ),
    "channels that are filters that can go": model(
        BEHIND, "minimize hinge(net, train) + 0.05 * count(net.c.conv2d.channels)", rows="1,0,pos\n0,1,neg\n1,2,pos\n"
    ),
    "many weights, few channels": model(
        BEHIND, "maximize l0(net.weights) - count(net.c.conv2d.channels)", rows="1,0,pos\n0,1,neg\n"
    ),
}


def seeded(seed: int) -> Model | None:
    return with_channels(seeded_net(seed))


SEEDS = [seed for seed in range(7000, 7090) if seeded(seed) is not None]


@pytest.mark.parametrize("name", CHANNELS)
def test_solvers_agree_by_hand(name: str, tmp_path: Path) -> None:
    assert disagreements(load(CHANNELS[name], tmp_path)) == []


def program_of(seed: int, folder: Path) -> Program:
    found = seeded(seed)
    assert found is not None
    return load(found, folder)


@pytest.mark.parametrize("seed", SEEDS[:15])
def test_solvers_agree_with_enumeration(seed: int, tmp_path: Path) -> None:
    assert disagreements(program_of(seed, tmp_path)) == []


@pytest.mark.parametrize("seed", SEEDS[15:30])
def test_the_oracle_means_what_the_language_means(seed: int, tmp_path: Path) -> None:
    program = program_of(seed, tmp_path)
    rng = np.random.default_rng(seed)
    for batch in batches(program):
        meaning = BatchMeaning(program, batch)
        goal, feasible = meaning.goal(), meaning.feasible()
        for index in rng.integers(0, batch.size, 4):
            found = evaluate(program, batch.assignment(int(index)), 1e-6)
            assert found.objectives[0] == pytest.approx(goal[index], abs=1e-9)
            assert (found.max_violation <= 1e-6) == feasible[index]


@pytest.mark.parametrize("seed", SEEDS[30:40])
def test_networks_come_back_unchanged(seed: int, tmp_path: Path) -> None:
    check(program_of(seed, tmp_path), seed, symmetry=True)


@pytest.mark.parametrize("seed", SEEDS[:15])
def test_values_stay_inside_their_bounds(seed: int, tmp_path: Path) -> None:
    program = program_of(seed, tmp_path)
    (network,) = program.networks
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, (20, *network.input_shape))
    bounds = propagate_intervals(network, rows).outputs
    for _ in range(10):
        for name, value in forward(network, random_assignment(program, rng), rows).items():
            assert (value >= bounds[name].lo).all() and (value <= bounds[name].hi).all(), name


def test_a_channel_goes_as_a_whole(tmp_path: Path) -> None:
    """A single 0 where the domain has none is a violation; a channel of them is not."""
    program = load(CHANNELS["a channel that misleads"], tmp_path)
    assignment = random_assignment(program, np.random.default_rng(0))
    weights = assignment.values["net.c.weights"]
    weights[:] = np.array([1.0, 0.0, 0.0, 0.0]).reshape(1, 2, 1, 2)
    assert removed(program.networks[0], assignment)["net.c.weights"].reshape(-1).tolist() == [False] * 2 + [True] * 2
    assert evaluate(program, assignment).domain_violation == 1.0
    weights[0, 0, 0, 1] = 2.0
    assert evaluate(program, assignment).domain_violation == 0.0


@pytest.mark.parametrize("fault", ["gate", "channel", "both", "groups"])
def test_faults_are_noticed(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = []
    for name, net in CHANNELS.items():
        (tmp_path / name).mkdir()
        program = load(net, tmp_path / name)
        known.append((program, enumerate_optimum(program).objective))
    rows = MilpBuilder.rows

    def dropped(self: MilpBuilder, path: str, *args: Any, **options: Any) -> None:
        if not path.endswith(f"weights.kept.{fault}"):
            rows(self, path, *args, **options)

    match fault:
        case "gate":
            monkeypatch.setattr("nnmip.lowering.decisions._channel_gate", lambda *args: None)
        case "groups":
            whole = property(lambda layer: np.zeros(layer.decision("weights").shape, dtype=np.int64))
            monkeypatch.setattr("nnmip.hir.core.Layer.channels", whole)
        case _:
            monkeypatch.setattr(MilpBuilder, "rows", dropped)
    found = []
    for program, truth in known:
        lowered = lower_program(program)
        found.append(difference(lowered, solve_highs(lowered.milp), truth))
    assert any(found)


def test_a_channel_that_nothing_reads_is_cut_out(tmp_path: Path) -> None:
    """The filter behind a removed channel goes with it; the solver's network and the saved one agree."""
    net = model(
        BEHIND, "minimize hinge(net, train) + 0.2 * count(net.c.conv2d.channels)", rows="1,0,pos\n0,1,neg\n1,2,pos\n"
    )
    for name, text in net.tables.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "model.nnm").write_text(net.text)
    trained = nnmip.load(tmp_path / "model.nnm").solve().networks["net"]
    small = trained.compact()
    read = trained.weights["c.conv2d"].any(axis=(0, 2, 3))
    assert [read.sum(), small.weights["r.conv2d"].shape[0], small.weights["c.conv2d"].shape[1]] == [1, 1, 1]
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    assert small.scores(rows) == pytest.approx(trained.scores(rows), abs=1e-12)
