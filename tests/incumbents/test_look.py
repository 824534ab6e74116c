"""A network is looked for before a MILP's solver begins: gradients, small changes, and what the answer keeps of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, SolveOptions
from nnmip.hir.core import Apply, Assignment
from nnmip.hir.evaluate import Evaluator, evaluate
from nnmip.hir.walk import roots, walk
from nnmip.incumbents import look as looks
from nnmip.incumbents.backprop import Backprop
from nnmip.incumbents.budget import Budget
from nnmip.incumbents.climb import climbed, standing
from nnmip.incumbents.descent import everything_kept
from nnmip.incumbents.look import Look, is_worth_it
from nnmip.incumbents.losses import SLOPES, slope_of
from nnmip.ops.registry import WORDS
from tests.workbench import XOR, hard, write_model

FOREVER = Budget(math.inf, math.inf)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models get a look, too, and time for it."""
    monkeypatch.setattr(looks, "LEAST_INTEGERS", 1)
    monkeypatch.setattr(looks, "SECONDS_EACH", 0.1)


# ---- gradients -----------------------------------------------------------------------------------------------------

LAYERS = """nnm 0.1
data rows {{
  features X
  target   y
}}
network net(x: real[1, 3, 3] in [-2, 2]) {{
  layer c = conv2d(x, filters: 2, kernel: [2, 2], padding: [1, 1], weights in [-1, 1], bias in [-1, 1])
  {body}
  layer o = dense(flat, units: 1, weights in [-2, 2] step 1/4, bias in [-1, 1])
  return o[0]
}}
minimize squared(net, rows)
"""

BODIES = {
    "relu and pools": "layer r = relu(c)\n  layer p = maxpool2d(r, kernel: [2, 2])\n  layer flat = flatten(p)",
    "means": "layer r = leaky_relu(c, slope: 1/4)\n  layer p = avgpool2d(r, kernel: [2, 2])\n  layer flat = flatten(p)",
    "whole means": "layer r = abs(c)\n  layer p = globalavgpool(r)\n  layer flat = flatten(p)",
    "sums": "layer r = relu(c)\n  layer s = add(r, c)\n  layer flat = flatten(s)",
    "joined": "layer f = flatten(c)\n  layer g = clip(f, low: -0.5, high: 0.75)\n  layer flat = concat(f, g)",
    "groups": "layer q = conv2d(c, filters: 4, kernel: [2, 2], groups: 2, weights in [-1, 1] step 1/4)\n"
    "  layer flat = flatten(q)",
    "padded": "layer q = pad(c, border: 1)\n  layer flat = flatten(q)",
}


@pytest.mark.parametrize("name", BODIES)
def test_slopes_of_layers(name: str) -> None:
    """Those of every layer, by differences of the loss."""
    chance = np.random.default_rng(3)
    X, y = chance.uniform(-1, 1, (5, 1, 3, 3)), chance.uniform(-1, 1, 5)
    program = nnmip.loads(LAYERS.format(body=BODIES[name])).bind(rows=(X, y)).program
    values = {d.path: chance.uniform(-0.9, 0.9, d.shape) for d in program.decisions}
    back, network = Backprop(program.networks[0], X), everything_kept(program, values)
    scores = back.result(network)
    slopes = back.slopes(network, 2 * (scores - y) / len(y))
    for path, array in values.items():
        for place in range(array.size):
            moved = [dict(values), dict(values)]
            for changed, step in zip(moved, (-1e-6, 1e-6), strict=True):
                changed[path] = array.copy()
                changed[path].reshape(-1)[place] += step
            low, high = (float(((back.result(everything_kept(program, v)) - y) ** 2).mean()) for v in moved)
            assert slopes[path].reshape(-1)[place] == pytest.approx((high - low) / 2e-6, abs=1e-5), path
    into = back.of_inputs(network, np.ones_like(scores))
    for place in range(9):
        step = 1e-6 * (np.arange(9) == place).reshape(1, 3, 3)
        low, high = (Backprop(program.networks[0], X + s).result(network) for s in (-step, step))
        assert into[:, place] == pytest.approx((high - low) / 2e-6, abs=1e-5)


LOSSES = {
    "hinge(net, rows, margin: 0.7)": "label y",
    "logistic(net, rows)": "label y",
    "absolute(net, rows)": "target y",
    "squared(net, rows, reduce: sum)": "target y",
    "quantile(net, rows, level: 0.3)": "target y",
    "eps_insensitive(net, rows, eps: 0.1)": "target y",
}

ONE = """nnm 0.1
data rows {{
  features X
  {field}
}}
network net(x: real[2] in [-2, 2]) {{
  layer o = dense(x, units: {units}, weights in [-1, 1], bias in [-1, 1])
  return {result}
}}
minimize {loss}
"""


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_of_losses(loss: str, outputs: int) -> None:
    chance = np.random.default_rng(5)
    field, X = LOSSES[loss], chance.uniform(-1, 1, (6, 2))
    y: Any = chance.uniform(-1, 1, (6, outputs)) if "target" in field else np.arange(6) % outputs
    if outputs == 1:
        y = y[:, 0] if "target" in field else np.array([-1, 1, 1, -1, 1, -1])
    elif "target" in field:
        field = "target y0, y1, y2"
        data: Any = {"x0": X[:, 0], "x1": X[:, 1], **{f"y{k}": y[:, k] for k in range(3)}}
    else:
        field = "label y as {0, 1, 2}"
    text = ONE.format(field=field, units=outputs, result="o[0]" if outputs == 1 else "o", loss=loss)
    if outputs > 1 and "target" in field:
        program = nnmip.loads(text.replace("features X", "features x0, x1")).bind(rows=data).program
    else:
        program = nnmip.loads(text).bind(rows=(X, y)).program
    (node,) = [n for root in roots(program) for n in walk(root) if isinstance(n, Apply) and n.word in SLOPES]
    rows = program.dataset("rows")
    scores = chance.uniform(-1, 1, (6, outputs))
    scores = scores[:, 0] if outputs == 1 else scores
    slopes = slope_of(node, scores, rows)
    evaluator = Evaluator(program, everything_kept(program, {d.path: np.zeros(d.shape) for d in program.decisions}))

    def value(scores: np.ndarray[Any, Any]) -> float:
        evaluator._outputs["net", "rows"] = {"o": scores.reshape(6, -1)}
        return float(WORDS[node.word].evaluate(node, (), evaluator))

    for place in range(scores.size):
        low, high = scores.copy(), scores.copy()
        low.reshape(-1)[place] -= 1e-6
        high.reshape(-1)[place] += 1e-6
        difference = (value(high) - value(low)) / 2e-6
        assert slopes.reshape(-1)[place] == pytest.approx(difference, abs=1e-5)


# ---- small changes -------------------------------------------------------------------------------------------------


def test_changes_make_a_network_better_and_mend_it(tmp_path: Path) -> None:
    values = {
        "net.h.weights": np.array([[1.0, -1.0], [-1.0, 1.0]]),
        "net.h.bias": np.zeros(2),
        "net.o.weights": np.ones((1, 2)),
        "net.o.bias": np.zeros(1),
    }
    path = write_model(tmp_path, XOR)
    for most, broken, least in ((6, 0.0, 0.0066), (3, 3.0, 0.5033)):
        program = nnmip.load(path, {"most": most}).program
        start = everything_kept(program, values)
        assert standing(program, start)[0] == broken
        found = climbed(program, start, FOREVER)
        rest, (goal,) = standing(program, found)
        assert rest == 0 and least - 1e-9 <= goal <= (least + 1e-9 if most == 6 else 1.0)
        for network in (start, found):
            kept = climbed(program, network, Budget(0.0, 0.0))
            assert standing(program, kept) == standing(program, network)


# ---- the look ------------------------------------------------------------------------------------------------------


@pytest.fixture
def endless(tmp_path: Path) -> nnmip.Model:
    return nnmip.load(hard(tmp_path))


def test_a_look_finds_a_network_of_the_model(endless: nnmip.Model, session: Session) -> None:
    lowered, limits = endless.lowered, SolveOptions(seed=3)
    assert is_worth_it(lowered, limits)
    assert not is_worth_it(lowered, SolveOptions(time_limit=2))
    found = Look(lowered, session, limits, threading.Event()).best([])
    assert found is not None
    evaluation = evaluate(endless.program, found)
    assert evaluation.max_violation <= 1e-6
    assert evaluation.objectives[0] < 0.6
    assert lowered.milp.violation(lowered.complete(found)) <= 1e-6


def test_descents_with_one_seed_are_the_same(endless: nnmip.Model) -> None:
    from nnmip.incumbents.descent import Descent

    def values(seed: int) -> list[float]:
        seen: list[Assignment] = []
        Descent(endless.program, seed, seen.append)._restart(1.0, 0.0, FOREVER)
        return [evaluate(endless.program, network).objectives[0] for network in seen]

    assert values(1) == values(1)
    assert values(1) != values(2)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_answer_says_where_its_start_is_from(eager: None, solver: str, tmp_path: Path) -> None:
    model, seen = nnmip.load(write_model(tmp_path, XOR)), list[Progress]()
    found = model.solve(solver=solver, progress=seen.append)
    assert (found.solution, found.objective) == ("optimal", pytest.approx(0.0066))
    assert found.start is not None and found.start.source == "found"
    assert found.start.objective is not None and 0.0066 - 1e-9 <= found.start.objective < 1.0
    assert found.to_json()["start"]["source"] == "found"
    (event,) = [event for event in seen if event.phase == "a network to start from"]
    assert event.incumbent == found.start.objective
    known = model.solve(solver=solver, time_limit=0)
    assert known.start is not None and known.start.source == "known"


BROKEN = {
    "net.h.weights": np.array([[1.0, -1.0], [-1.0, 1.0]]),
    "net.h.bias": np.zeros(2),
    "net.o.weights": np.ones((1, 2)),
    "net.o.bias": np.array([-1.0]),
}


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_network_that_breaks_the_model_changes_nothing(
    eager: None, solver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a look gives: its network is no answer by itself, and no bound."""
    model = nnmip.load(write_model(tmp_path, XOR), {"most": 4})
    broken = everything_kept(model.program, BROKEN)
    monkeypatch.setattr(Look, "best", lambda look, known: broken)
    found = model.solve(solver=solver)
    assert (found.solution, found.objective) == ("optimal", pytest.approx(0.5033, abs=1e-9))


def test_a_stopped_look_ends_at_once(endless: nnmip.Model, session: Session) -> None:
    stop = threading.Event()
    stop.set()
    look = Look(endless.lowered, session, SolveOptions(), stop)
    found = look.best([])
    assert found is None or evaluate(endless.program, found).max_violation <= 1e-6


@pytest.mark.parametrize("place", ["descent", "part"])
def test_ctrl_c_during_a_look_leaves_what_is_known(
    eager: None, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the session takes it, which turns it into a termination."""

    def interrupted(*given: Any) -> Any:
        raise KeyboardInterrupt

    if place == "descent":
        monkeypatch.setattr(looks, "climbed", interrupted)
    else:
        monkeypatch.setattr("nnmip.backends.process._Run._step", interrupted)
    model = nnmip.load(write_model(tmp_path, XOR))
    found = model.solve(solver="highs")
    assert (found.termination, found.solution, found.proof) == ("interrupted", "feasible", "none")
    assert found.objective is not None and found.objective <= 1.0


def test_ctrl_c_right_after_a_look_keeps_its_network(eager: None, tmp_path: Path) -> None:
    def show(event: Progress) -> None:
        raise KeyboardInterrupt

    found = nnmip.load(write_model(tmp_path, XOR)).solve(solver="highs", progress=show)
    assert (found.termination, found.solution, found.proof) == ("interrupted", "feasible", "none")
    assert found.start is not None and found.start.source == "found"
    assert found.objective == pytest.approx(found.start.objective)
