"""`rescale` and `select`: solvers against enumeration, two readings of the meaning, and what can be said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.backends.process import Session
from nnmip.hir.evaluate import evaluate
from nnmip.hir.wiring import wiring_of
from nnmip.pipeline import loads
from tests.meaning.generator import Model
from tests.meaning.harness import disagreements, load
from tests.meaning.oracle import BatchMeaning, Origins, batches

LAYERS = {
    "inputs": "layer s = rescale(x, weights in {-1, 1, 2}, bias in {-1, 0}) layer r = relu(s, prune: units)"
    " layer o = dense(r, units: 1, weights in {-1, 1})",
    "without a bias": "layer s = rescale(x, weights in {-0.5, 1}) layer r = abs(s)"
    " layer o = dense(r, units: 1, weights in {-1, 1}, bias in {-1, 0, 1})",
    "behind units": "layer h = dense(x, units: 2, weights in {-1, 1}) layer r = relu(h, prune: units)"
    " layer s = rescale(r, weights in {-1, 0, 2}) layer o = dense(s, units: 1, weights in {1})",
    "channels": "layer i = reshape(x, shape: [2, 1, 2]) layer s = rescale(i, weights in {-1, 1}, bias in {0, 1})"
    " layer r = relu(s, prune: filters) layer o = dense(flatten(r), units: 1, weights in {-1, 1})",
    "channels behind a filter": "layer i = reshape(x, shape: [1, 2, 2])"
    " layer c = conv2d(i, filters: 2, kernel: [2, 1], weights in {-1, 1}) layer r = relu(c, prune: filters)"
    " layer s = rescale(r, weights in {1, 2}, bias in {-1, 0}) layer o = dense(flatten(s), units: 1, weights in {1})",
    "optional": "layer h = dense(x, units: 4, weights in {1}) layer s = rescale(h, weights in {-1, 2}, optional: true)"
    " layer o = dense(relu(s), units: 1, weights in {-1, 1})",
    "picked inputs": "layer m = select(x, entries: [3, 1]) layer h = dense(m, units: 2, weights in {-1, 1})"
    " layer r = relu(h, prune: units) layer o = dense(r, units: 1, weights in {-1, 1}, bias in {-1, 0, 1})",
    "picked twice": "layer h = dense(x, units: 2, weights in {-1, 1}) layer r = relu(h, prune: units)"
    " layer m = select(r, entries: [1, 0, 1]) layer o = dense(m, units: 1, weights in {-1, 1})",
    "picked out": "layer h = dense(x, units: 2, weights in {-1, 1}) layer r = relu(h, prune: units)"
    " layer m = select(r, entries: [1]) layer o = dense(m, units: 1, weights in {-1, 1}, bias in {-1, 0, 1})",
    "an image of picked entries": "layer m = select(x, entries: [0, 2, 1, 3, 3, 2], shape: [1, 2, 3])"
    " layer c = conv2d(m, filters: 2, kernel: 2, weights in {-1, 1}) layer p = maxpool2d(relu(c), kernel: [1, 2])"
    " layer o = dense(flatten(p), units: 1, weights in {-1, 1})",
}
ROWS = ("1,0,0.5,-1,p", "0,1,-1,0.5,m", "0.5,0.5,1,1,p", "-1,0,0,1,m")
GOAL = {
    "": "minimize hinge(net, train) + 0.01 * l0(net.weights)",
    "used": "minimize hinge(net, train) + 0.1 * count(used(net.{0})) + 0.01 * norm_1(net.weights)",
}


def model(name: str, goal: str) -> Model:
    layers = LAYERS[name].replace(" layer ", "\n  layer ")
    last = "s" if "layer s" in layers and name != "optional" else "r" if "layer r" in layers else "c"
    text = f"""nnm 0.1
data train = csv("rows.csv") {{
  features a, b, c, d
  label y as {{p: +1, m: -1}}
}}
network net(x: real[4] in [-1, 1]) {{
  {layers}
  return o[0]
}}
{GOAL[goal].format(last)}
"""
    return Model(text, {"rows.csv": "\n".join(["a,b,c,d,y", *ROWS]) + "\n"})


@pytest.mark.parametrize("goal", GOAL)
@pytest.mark.parametrize("name", LAYERS)
def test_solvers_agree_with_enumeration(name: str, goal: str, tmp_path: Path, session: Session) -> None:
    if goal and name == "optional":
        pytest.skip("a block without units of its own")
    assert disagreements(load(model(name, goal), tmp_path), session, ("highs", "cbc")) == []


@pytest.mark.parametrize("name", LAYERS)
def test_the_oracle_means_what_the_language_means(name: str, tmp_path: Path) -> None:
    program = load(model(name, ""), tmp_path)
    rng = np.random.default_rng(len(name))
    for batch in batches(program):
        goal = BatchMeaning(program, batch).goal()
        for index in rng.integers(0, batch.size, 4):
            assert evaluate(program, batch.assignment(int(index)), 1e-6).objectives[0] == pytest.approx(goal[index])
    (network,) = program.networks
    wiring, origins = wiring_of(network), Origins(network)
    for layer in network.layers:
        if layer.name not in wiring.first:
            continue
        for place, owner in np.ndenumerate(wiring.owner[layer.name]):
            own = {(layer.name, int(owner) - wiring.first[layer.name])}
            assert owner < 0 or origins.of[layer.name][place] == own


@pytest.mark.parametrize("name", LAYERS)
def test_a_whole_solve_finds_the_same(name: str, tmp_path: Path) -> None:
    """By the formulation that the model gets unasked, with symmetry and replay."""
    drawn = model(name, "")
    for file, content in drawn.tables.items():
        (tmp_path / file).write_text(content)
    read = loads(drawn.text, directory=tmp_path)
    whole, direct = (read.solve(save=tmp_path / kind, formulation=kind) for kind in ("auto", "direct"))
    assert whole.solution == "optimal" and whole.objective == pytest.approx(direct.objective, abs=1e-9)
    assert whole.replay is not None and whole.replay.status == "passed"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("select(x, entries: [4])", "`select` needs at least 5 entries here"),
        ("select(x, entries: [0, 1], shape: [3])", "`select` to [3] needs 3 entries"),
    ],
)
def test_what_does_not_fit(layer: str, message: str, tmp_path: Path) -> None:
    drawn = model("picked inputs", "")
    (tmp_path / "rows.csv").write_text(drawn.tables["rows.csv"])
    (found,) = loads(drawn.text.replace("select(x, entries: [3, 1])", layer), directory=tmp_path).check()
    assert found.code == "NNM0301" and found.message.startswith(message)
