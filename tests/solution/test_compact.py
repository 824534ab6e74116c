"""What does nothing is cut out: the function stays the same, arrays shrink, files and ONNX hold what is left."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnmip
from nnmip.hir.core import Assignment, FloatArray, Network, Program
from nnmip.hir.evaluate import Evaluator, forward, without_removed
from nnmip.ops.registry import LAYERS
from nnmip.pipeline import loads
from nnmip.solution.compact import compacted
from nnmip.solution.network import TrainedNetwork, trained_network
from nnmip.solution.onnx import NODES
from nnmip.solution.store import RunFolder
from tests.meaning.generator import Model, NumpyChooser
from tests.meaning.harness import load
from tests.meaning.nets import random_net

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def random_assignment(program: Program, rng: np.random.Generator) -> Assignment:
    """Weights from their domains, half of the prunable units removed."""
    values, kept = {}, {}
    for network in program.networks:
        for d in network.decisions:
            values[d.path] = rng.choice(np.array(d.domain.values), d.shape)
        kept |= {
            la.path: np.asarray(rng.random(la.kept_shape) < 0.5) for la in network.layers if la.kept_shape is not None
        }
    return without_removed(program, Assignment(values, kept))


def random_trained(seed: int, folder: Path) -> TrainedNetwork:
    rng = np.random.default_rng(seed)
    program = load(random_net(NumpyChooser(rng)), folder)
    return trained_network(program, program.networks[0], random_assignment(program, rng))


def inputs_of(network: Network, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([-1.0, -0.5, 0.0, 0.25, 1.0]), (20, int(np.prod(network.input_shape))))


def run_onnx(trained: TrainedNetwork, path: Path, rows: FloatArray) -> list[np.ndarray]:
    """What ONNX Runtime makes of rows in the user's units."""
    trained.to_onnx(path)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    shape = trained.network.input_shape
    return list(session.run(None, {trained.network.input_name: rows.reshape(len(rows), *shape)}))


def sizes(trained: TrainedNetwork) -> int:
    return sum(array.size for array in trained.assignment.values.values())


@FEW
@given(st.integers(0, 10**6))
def test_the_function_stays_the_same(tmp_path: Path, seed: int) -> None:
    trained = random_trained(seed, tmp_path)
    smaller = compacted(trained)
    rows = inputs_of(trained.network, seed)
    np.testing.assert_allclose(smaller.scores(rows), trained.scores(rows), rtol=1e-12, atol=1e-12)
    assert sizes(smaller) <= sizes(trained)
    assert sizes(compacted(smaller)) == sizes(smaller)


@FEW
@given(st.integers(0, 10**6))
def test_a_network_comes_back_from_its_folder(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = load(random_net(NumpyChooser(rng)), tmp_path)
    assignment = random_assignment(program, rng)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.save_networks(program, assignment, None, "")
    (read,) = folder.load_networks()
    trained = trained_network(program, program.networks[0], assignment)
    rows = inputs_of(trained.network)
    np.testing.assert_allclose(read.scores(rows), trained.scores(rows), rtol=1e-12, atol=1e-12)
    again = folder.load_assignment(program)
    assert all(np.array_equal(again.values[path], array) for path, array in assignment.values.items())
    assert all(np.array_equal(again.kept[path], array) for path, array in assignment.kept.items())


@FEW
@given(st.integers(0, 10**6))
def test_onnx_runtime_agrees(tmp_path: Path, seed: int) -> None:
    trained = random_trained(seed, tmp_path)
    rows = inputs_of(trained.network)
    score, prediction = run_onnx(trained, tmp_path / "net.onnx", rows)
    assert score.dtype == np.float64
    scores = trained.scores(rows)
    np.testing.assert_allclose(score, scores, rtol=1e-5, atol=1e-5)
    clear = np.abs(scores) > 1e-5
    assert (prediction[clear] == trained.predict(rows)[clear]).all()


@FEW
@given(st.integers(0, 10**6))
def test_what_is_written_can_be_read(tmp_path: Path, seed: int) -> None:
    """Steps, signs, gates and slopes are written as comparisons and choices, and are layers again."""
    trained = random_trained(seed, tmp_path)
    trained.to_onnx(tmp_path / "net.onnx")
    rows = inputs_of(trained.network)
    try:
        again = nnmip.load_onnx(tmp_path / "net.onnx")
    except nnmip.DiagnosticError as error:  # all units are removed, and none of the output's weights is left
        assert "does not depend on the input" in str(error) and np.ptp(trained.scores(rows)) == 0
        return
    np.testing.assert_allclose(again.scores(rows), trained.scores(rows), rtol=1e-5, atol=1e-5)


def test_every_layer_has_its_nodes() -> None:
    assert set(NODES) == set(LAYERS)


LAYERS_CASES = {
    "moved": """
  layer s = rescale(x, weights in {-1, 2}, bias in {-1, 1})
  layer c = conv2d(s, filters: 3, kernel: [3, 2], weights in {-1, 0, 1}, bias in {-1, 1})
  layer a = relu(c, prune: filters)
  layer t = rescale(a, weights in {-1, 0, 2})
  layer m = select(t, entries: [4, 5, 0, 0, 2], shape: [5])
  layer h = dense(m, units: 4, weights in {-1, 0, 1}, bias in {-1, 1})
  layer b = relu(h, prune: units)
  layer u = rescale(b, weights in {-1, 0, 2}, bias in {0, 1})
  layer f = select(u, entries: [3, 1, 0])""",
    "windows": """
  layer c = conv2d(x, filters: 4, kernel: [3, 2], weights in {-1, 0, 1}, bias in {-1, 1}, stride: [1, 2],
    padding: [2, 1], dilation: [2, 1], groups: 2)
  layer a = hard_sigmoid(c, prune: filters)
  layer b = avgpool2d(a, kernel: [2, 2], stride: 1, padding: 1)
  layer d = maxpool2d(b, kernel: [3, 3], stride: 2, padding: [1, 1])
  layer p = pad(d, border: [0, 1, 2, 0], value: 0.5)
  layer f = flatten(p)""",
    "skips": """
  layer c = conv2d(x, filters: 2, kernel: 1, weights in {-1, 0, 1}, bias in {-1, 1})
  layer a = leaky_relu(c, prune: filters)
  layer e = conv2d(x, filters: 2, kernel: 1, weights in {-1, 0, 1}, bias in {-1, 1})
  layer s = sign(e)
  layer t = add(a, x, s)
  layer u = concat(t, a, axis: 0)
  layer g = globalavgpool(u)
  layer q = step(g)
  layer h = gate(g, q)
  layer f = reshape(h, shape: [4])""",
    "gated": """
  layer c = conv2d(x, filters: 2, kernel: 2, weights in {-1, 0, 1}, bias in {-1, 1})
  layer a = clip(c, low: 0.5, high: 2, prune: filters)
  layer v = flatten(x)
  layer o = dense(v, units: 1, weights in {-1, 1}, bias in {0})
  layer q = step(o)
  layer g = gate(a, q)
  layer b = abs(g)
  layer r = relu6(b)
  layer h = hard_tanh(r)
  layer f = flatten(h)""",
}


@pytest.mark.parametrize("name", LAYERS_CASES)
@pytest.mark.parametrize("seed", range(6))
def test_layers_by_hand(tmp_path: Path, name: str, seed: int) -> None:
    columns = [f"f{i}" for i in range(18)]
    table = ",".join([*columns, "y"]) + "\n" + ",".join(["1"] * 18 + ["p"]) + "\n" + ",".join(["0"] * 18 + ["m"])
    text = f"""nnm 0.1
data train = csv("rows.csv") {{
  features {", ".join(columns)}
  label y as {{p: +1, m: -1}}
}}
network net(x: real[2, 3, 3] in [-1, 1]) {{{LAYERS_CASES[name]}
  layer out = dense(f, units: 2, weights in {{-1, 0, 1}}, bias in {{-1, 0}})
  return out[0]
}}
minimize hinge(net, train)
"""
    rng = np.random.default_rng(seed)
    program = load(Model(text, {"rows.csv": table + "\n"}), tmp_path)
    trained = trained_network(program, program.networks[0], random_assignment(program, rng))
    rows, smaller = inputs_of(trained.network, seed), compacted(trained)
    assert sizes(smaller) <= sizes(trained)
    np.testing.assert_allclose(smaller.scores(rows), trained.scores(rows), rtol=1e-12, atol=1e-12)
    score, _ = run_onnx(trained, tmp_path / "net.onnx", rows)
    np.testing.assert_allclose(score, trained.scores(rows), rtol=1e-5, atol=1e-5)


def _conv(tmp_path: Path) -> tuple[Program, TrainedNetwork]:
    """Two filters, the first removed, and a dense layer behind a flatten."""
    table = "a,b,c,d,y\n" + "1,0,0,1,p\n0,1,1,0,m\n"
    text = """nnm 0.1
data train = csv("rows.csv") {
  features a, b, c, d
  label y as {p: +1, m: -1}
}
network net(x: real[1, 2, 2] in [0, 1]) {
  layer c = conv2d(x, filters: 2, kernel: [1, 2], weights in {-1, 0, 1}, bias in {-1, 1})
  layer a = relu(c, prune: filters)
  layer f = flatten(a)
  layer o = dense(f, units: 1, weights in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
"""
    program = load(Model(text, {"rows.csv": table}), tmp_path)
    values = {
        "net.c.weights": np.array([[[[0.0, 0.0]]], [[[1.0, -1.0]]]]),
        "net.c.bias": np.array([0.0, 1.0]),
        "net.o.weights": np.array([[0.0, 0.0, 1.0, -1.0]]),
    }
    assignment = Assignment(values, {"net.a": np.array([False, True])})
    return program, trained_network(program, program.networks[0], assignment)


def test_a_removed_filter_is_gone_from_all_that_reads_it(tmp_path: Path) -> None:
    _, trained = _conv(tmp_path)
    smaller = compacted(trained)
    assert {name: w.tolist() for name, w in smaller.weights.items()} == {"c": [[[[1, -1]]]], "o": [[1, -1]]}
    assert smaller.biases["c"].tolist() == [1]
    assert [layer.shape for layer in smaller.network.layers] == [(1, 2, 1), (1, 2, 1), (2,), (1,)]
    assert smaller.network.layer("c").option("filters") == 1


def test_the_folder_holds_the_smaller_network_and_what_resume_needs(tmp_path: Path) -> None:
    program, trained = _conv(tmp_path)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.save_networks(program, trained.assignment, None, "")
    layers = json.loads((folder.path / "network.json").read_text())["networks"][0]["layers"]
    assert [layer["shape"] for layer in layers] == [[1, 2, 1], [1, 2, 1], [2], [1]]
    with np.load(folder.path / "weights.npz") as arrays:
        assert arrays["net.c.weights"].shape == (1, 1, 1, 2)
        assert arrays["resume/net.c.weights"].shape == (2, 1, 1, 2)
    assert folder.load_assignment(program).kept["net.a"].tolist() == [False, True]


def test_what_another_unit_is_added_to_stays(tmp_path: Path) -> None:
    table = "a,b,y\n1,0,p\n0,1,m\n"
    text = """nnm 0.1
data train = csv("rows.csv") {
  features a, b
  label y as {p: +1, m: -1}
}
network net(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {1})
  layer a = relu(h, prune: units)
  layer s = add(a, x)
  layer o = dense(s, units: 1, weights in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
"""
    program = load(Model(text, {"rows.csv": table}), tmp_path)
    values = {
        "net.h.weights": np.array([[0.0, 0.0], [1.0, 1.0]]),
        "net.h.bias": np.array([0.0, 1.0]),
        "net.o.weights": np.array([[1.0, -1.0]]),
    }
    trained = trained_network(program, program.networks[0], Assignment(values, {"net.a": np.array([False, True])}))
    smaller = compacted(trained)
    assert smaller.weights["h"].shape == (2, 2)
    rows = np.array([[1.0, 0.0], [0.25, 1.0]])
    assert forward(smaller.network, smaller.assignment, rows)["a"][:, 0].tolist() == [0, 0]
    assert smaller.scores(rows).tolist() == trained.scores(rows).tolist()
    assert run_onnx(trained, tmp_path / "net.onnx", rows)[0].tolist() == trained.scores(rows).tolist()


def test_a_folder_is_read_from_python(tmp_path: Path) -> None:
    program, trained = _conv(tmp_path)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.save_networks(program, trained.assignment, None, "")
    network = nnmip.load_network(tmp_path / "run")
    assert network.predict([[1, 0, 0, 1]]).tolist() == trained.predict([[1, 0, 0, 1]]).tolist()
    assert nnmip.load_network(str(tmp_path / "run"), "net").name == "net"
    with pytest.raises(ValueError, match="no network `other`; it has net"):
        nnmip.load_network(tmp_path / "run", "other")


def test_without_the_package_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, trained = _conv(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'nnmip\[onnx\]'"):
        trained.to_onnx(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_a_solved_model_runs_in_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the training data in the user's units: the predictions and the loss that the report says."""
    monkeypatch.chdir(tmp_path)
    rows = [(3.1, 7.0), (4.7, 8.5), (1.2, 9.3), (2.2, 7.5)]
    lines = [f"{a},{b},{'yes' if a > 2.5 else 'no'}" for a, b in rows]
    Path("rows.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    text = """nnm 0.1
data train = csv("rows.csv") {
  features a, b scale minmax
  label y as {yes: +1, no: -1}
}
network net(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 2, weights in [-4, 4], bias in [-4, 4])
  layer r = relu(h, prune: units)
  layer o = dense(r, units: 1, weights in {-1, 0, 1}, bias in [-1, 1])
  return o[0]
}
minimize hinge(net, train) + 0.1 * count(used(net.r))
"""
    model = loads(text)
    result = model.solve(save="run")
    trained = result.networks["net"]
    X, data = np.array(rows), model.program.dataset("train")
    session = onnxruntime.InferenceSession("run/net.onnx", providers=["CPUExecutionProvider"])
    score, prediction = session.run(None, {"x": X})
    np.testing.assert_allclose(score, trained.scores(X), atol=1e-12)
    assert prediction.tolist() == trained.predict(X).tolist() == ["yes" if a > 2.5 else "no" for a, _ in rows]
    loss = np.maximum(0.0, 1.0 - data.labels * score).mean()
    assert loss == pytest.approx(result.terms[0].value, abs=1e-9)
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["nnmip.features"]) == ["a", "b"]
    assert json.loads(properties["nnmip.labels"]) == [["yes", 1.0], ["no", -1.0]]
    assert result.replay is not None
    scores = Evaluator(model.program, result.replay.assignment).scores("net", "train")
    np.testing.assert_allclose(score, scores, atol=1e-9)
