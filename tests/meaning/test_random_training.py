"""Random networks of every kind for every task, on tables with odd names and gaps: optima, and what is saved."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate, result, without_removed
from nnmip.solution.network import trained_network
from nnmip.solution.onnx import onnx_bytes
from nnmip.solution.prediction import predict_table
from nnmip.solution.store import RunFolder
from tests.meaning.generator import Model, NumpyChooser
from tests.meaning.harness import disagreements, load, random_assignment
from tests.meaning.nets import Net, grown
from tests.meaning.tasks import BINARY, CLASSES, ONE_SIDED, VALUES, Chooser, Task, chance, pick

NAMES = (
    "a b",
    "x[0]",
    "min",
    "forall",
    "1e3",
    "score",
    "prediction",
    "net.h",
    "-x",
    "a,b",
    'q"t',
    "where",
    "NaN",
    "l0",
)
CELLS = (("0", "1"), ("-1", "0", "1"), ("0", "0.5", "1"), ("-0.5", "0.25", "1"))
TASKS = (BINARY, BINARY, *CLASSES[:2], *VALUES)


def training(seed: int) -> Model:
    """A model whose weights can be enumerated."""
    choose = NumpyChooser(np.random.default_rng(seed))
    task = pick(choose, TASKS)
    net = Net(choose, task.outputs)
    shape, last = grown(net)
    table, fields = _table(choose, task, prod(shape))
    text = [
        "nnm 0.1",
        'data train = csv("rows.csv") {',
        *(f"  {line}" for line in fields),
        "}",
        f"network net(x: real[{', '.join(map(str, shape))}] in [-1, 1]) {{",
        *net.lines,
        f"  return {task.result.format(last)}",
        "}",
        _goal(choose, task, net),
        *(f"constraint r{i}: {pick(choose, _rules(choose, task, net))}" for i in range(choose.integer(0, 2))),
    ]
    return Model("\n".join(text) + "\n", {"rows.csv": table})


def _table(choose: Chooser, task: Task, width: int) -> tuple[str, list[str]]:
    """Some rows, the last one with a gap now and then, and the lines that declare them."""
    first = choose.integer(0, len(NAMES) - 1)
    names = [NAMES[(first + i) % len(NAMES)] for i in range(width)]
    values = pick(choose, CELLS)
    cells = [[str(pick(choose, values)) for _ in names] for _ in range(choose.integer(3, 5))]
    cells[0], cells[1] = [values[0]] * width, [values[-1]] * width
    scale = pick(choose, ("", "", " scale minmax", " scale minmax [-1, 1]"))
    has_gap = not scale and chance(choose, 40)
    if has_gap:
        cells[-1][choose.integer(0, width - 1)] = pick(choose, ("", "NA", "?"))
    rows = [[*line, *task.row(choose, False)] for line in cells]
    rows += rows[:1] if chance(choose, 40) else []
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[*names, *task.names], *rows])
    quoted = ['"' + name.replace('"', '\\"') + '"' for name in names]
    lines = [f"features {', '.join(quoted)}{scale}", *task.fields]
    return stream.getvalue(), lines + ([f"missing fill {pick(choose, ('0', 'median'))}"] if has_gap else [])


def _goal(choose: Chooser, task: Task, net: Net) -> str:
    """A goal with a loss that is linear in pieces, and another term now and then."""
    loss = task.loss(choose, "train")
    while loss.startswith(ONE_SIDED):
        loss = task.loss(choose, "train")
    term = f" + {pick(choose, ('0.1', '-0.1', '0.02'))} * {pick(choose, _measures(net))}" if chance(choose, 60) else ""
    return f"{pick(choose, ('minimize', 'minimize', 'maximize'))} {loss}{term}"


def _measures(net: Net) -> list[str]:
    found = ["l0(net.weights)", "norm_1(net.weights)", "parameters(net)", "norm_inf(net.weights)", "count(used(net.x))"]
    return found + [f"count(used(net.{name}))" for name in (*net.hidden, *net.optional)]


def _rules(choose: Chooser, task: Task, net: Net) -> list[str]:
    score = "net(s)" if task.result == "{}[0]" else "net(s)[0]"
    number = pick(choose, ("0", "1", "2"))
    found = [
        f"forall s in train: {score} <= {number}",
        f"exists s in train: {score} >= {number}",
        f"exactly({number}, s in train: {score} >= 0.5)",
        f"features(net) <= {number}",
    ]
    for name in net.weighted:
        found += [f"norm_1(net.{name}.weights) in {{0, 1, 2}}", f"fan_in(net.{name}[0]) >= {number}"]
    for name in net.hidden:
        found += [f"exclusive(used(net.{name}))", f"exists s in train: atleast(1, active(net.{name}, s))"]
    return found


REMOVED_BEHIND_A_BEND = (82, 218)
"""Units whose removal was impossible, because what they read is not 0 without them."""


@pytest.mark.parametrize("seeds", [*(range(k, k + 10) for k in range(0, 40, 10)), REMOVED_BEHIND_A_BEND])
def test_optima_are_those_of_enumeration(seeds: Sequence[int], tmp_path: Path) -> None:
    for seed in seeds:
        assert disagreements(load(training(seed), tmp_path)) == [], seed


@pytest.mark.parametrize("block", range(4))
def test_what_is_saved_computes_the_same(block: int, tmp_path: Path) -> None:
    for seed in range(100 + 8 * block, 108 + 8 * block):
        _check_saved(load(training(seed), tmp_path), tmp_path, np.random.default_rng(seed))


def _check_saved(program: Program, folder: Path, rng: np.random.Generator) -> None:
    """The folder, the table read with it, the arrays to resume and the ONNX file, for a network with random weights."""
    import onnxruntime

    (network,) = program.networks
    assignment = without_removed(program, random_assignment(program, rng))
    trained = trained_network(program, network, assignment)
    run = RunFolder(folder / "run")
    run.create()
    run.save_networks(program, assignment, None, "")
    (loaded,) = run.load_networks()
    points = rng.integers(-4, 5, (6, prod(network.input_shape))) / 4
    scores = trained.scores(points)
    np.testing.assert_allclose(loaded.scores(points), scores, atol=1e-9)
    assert loaded.predict(points).tolist() == trained.predict(points).tolist()
    features = program.dataset("train").features.reshape(-1, *network.input_shape)
    read = predict_table(loaded, folder / "rows.csv")
    np.testing.assert_allclose(read.scores, result(network, assignment, features), atol=1e-9)
    resumed = evaluate(program, run.load_assignment(program), 1e-6)
    assert resumed.objectives == pytest.approx(evaluate(program, assignment, 1e-6).objectives)
    session = onnxruntime.InferenceSession(onnx_bytes(trained))
    (name,) = (argument.name for argument in session.get_inputs())
    (found, *_) = session.run(["score"], {name: points.reshape(-1, *network.input_shape)})
    np.testing.assert_allclose(found, scores, atol=2e-5)
