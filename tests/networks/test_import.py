"""Networks from ONNX models: they compute what the models compute, and what cannot be read is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

import nnmip
from nnmip.hir.evaluate import result
from nnmip.hir.known import KnownNetwork
from nnmip.onnx import package
from nnmip.onnx.read import read_onnx
from nnmip.sizes import UNASKED, Allowance
from nnmip.source import Origin, SourceFile, Span
from tests.networks.nets import NETS, Net, normal, transposed

ORIGIN = Origin(Span(SourceFile("model.nnm", ""), 0, 0), "f")


def read(model: object, output: str | None = None, allowance: Allowance = UNASKED) -> KnownNetwork:
    return read_onnx(model, output, "f", ORIGIN, allowance)


def run(model: onnx.ModelProto, rows: np.ndarray, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """What a model gives for rows, flat: by ONNX Runtime, or by onnx itself, which has double precision everywhere."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    is_batch = len(rows) == shape[0] > 1
    feeds = [{"x": part} for part in rows.astype(kind).reshape(1 if is_batch else len(rows), *shape)]
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        found = [session.run(None, feed)[0] for feed in feeds]
    except Exception:  # ONNX Runtime has no kernel for it
        found = [ReferenceEvaluator(model).run(None, feed)[0] for feed in feeds]
    return np.concatenate([array.reshape(len(rows) if is_batch else 1, -1) for array in found])


def returning(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with one value as its output."""
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model


@pytest.mark.parametrize("name", NETS)
def test_it_computes_what_the_model_computes(name: str) -> None:
    """In single precision as the file to 1e-4, in double precision to 1e-9 of the largest output."""
    net = NETS[name]()
    known = read(net.model())
    value = net.nodes[-1][1].split()[0] if known.network.squashed_by else "y"
    shape = tuple(1 if isinstance(size, str) else size for size in net.shape)
    is_batch = len(shape) > 1 and known.network.input_shape == shape[1:]
    count = shape[0] if is_batch and shape[0] > 1 else 2 if shape[0] == 3 else 3
    x = np.random.default_rng(5).normal(size=(count, *known.network.input_shape)) * 2
    x = x.astype(np.float32).astype(np.float64)
    ours = result(known.network, known.assignment, x).reshape(count, -1)
    kind = np.float64 if net.type == TensorProto.DOUBLE else np.float32
    for each, given, tolerance in ((None, kind, 1e-4), (TensorProto.DOUBLE, np.float64, 1e-9)):
        theirs = run(returning(net.model(each), value), x, shape, given)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-6)


@pytest.mark.parametrize(
    "net",
    [
        Net(("N", 2, 3, 4), [("Resize", "x s", "y")], {"s": np.array([1, 1, 2, 1.5])}, opset=10),
        transposed((2, 3), 4, group=2, dilations=[2, 1]),
    ],
)
def test_what_has_no_evaluator_in_double_precision(net: Net) -> None:
    """The import itself compares with ONNX Runtime."""
    read(net.model())


@pytest.mark.parametrize("opset", [9, 13, 17])
def test_a_batch_normalisation_without_onnx_runtime(opset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of old operator sets the evaluator of onnx takes the one in training."""
    monkeypatch.setattr(package, "runtime", lambda: None)
    stored = {name: np.abs(normal(3)) + 0.1 for name in "somv"}
    read(Net(("N", 3), [("BatchNormalization", "x s o m v", "h"), ("Relu", "h", "y")], stored, opset=opset).model())


def test_the_sign_of_zero_is_zero() -> None:
    known = read(Net(("N", 3), [("Sign", "x", "y")]).model())
    assert result(known.network, known.assignment, np.array([[-2.0, 0.0, 0.5]])).tolist() == [[-1, 0, 1]]


def test_weights_are_the_doubles_of_the_stored_floats() -> None:
    """Also where a normalisation or a shift is not there to change them."""
    net = Net(
        ("N", 3),
        [("MatMul", "x w", "h"), ("Add", "h b", "a"), ("Relu", "a", "r"), ("Gemm", "r v c", "y", {"transB": 1})],
        {"w": np.full((3, 2), 0.1), "b": np.full(2, 0.3), "v": np.full((1, 2), 1 / 3), "c": np.full(1, 0.7)},
    )
    values = read(net.model()).assignment.values
    assert {path: set(array.reshape(-1)) for path, array in values.items()} == {
        "f.dense1.weights": {float(np.float32(0.1))},
        "f.dense1.bias": {float(np.float32(0.3))},
        "f.dense2.weights": {float(np.float32(1 / 3))},
        "f.dense2.bias": {float(np.float32(0.7))},
    }


def test_few_layers_are_made() -> None:
    """Scales, shifts and moves go into weights: a layer of its own only where there are none to take them."""
    kinds = {name: [layer.op for layer in read(NETS[name]().model()).network.layers] for name in NETS}
    assert kinds["cnn"] == ["conv2d", "relu", "maxpool2d", "flatten", "dense"]
    assert kinds["channels_last"] == ["select", "conv2d", "relu", "flatten", "dense"]
    assert kinds["batch_norm_input"] == ["dense"]
    assert kinds["batch_norm_images"] == ["relu", "rescale", "relu"]
    assert kinds["flatten"] == ["flatten", "dense"] and kinds["transpose_relu"] == ["relu", "flatten", "dense"]
    assert kinds["clip_low"] == ["dense", "relu", "rescale"] and kinds["squeeze"] == ["dense"]
    assert kinds["relu_then_min"] == kinds["min_then_relu"] == ["dense", "clip", "dense"]
    assert kinds["nearest"] == ["relu", "select", "abs"] and kinds["where_raised"] == ["dense", "leaky_relu", "rescale"]
    assert kinds["twins"].count("dense") == 2  # the one without its bias, and the other with it
    assert kinds["same_twice"] == ["rescale", "relu"]


@pytest.mark.parametrize(
    "name", ["arithmetic", "cnn", "channels_last", "concat", "max_tensors", "pad_channels", "gather_one"]
)
def test_an_imported_network_can_be_written_and_read_again(name: str, tmp_path: Path) -> None:
    first = nnmip.load_onnx(NETS[name]().model())
    first.to_onnx(tmp_path / "f.onnx")
    again = nnmip.load_onnx(tmp_path / "f.onnx")
    x = np.random.default_rng(3).normal(size=(5, *first.network.input_shape)).reshape(5, -1)
    scores = first.scores(x)
    assert np.abs(again.scores(x) - scores).max() <= 1e-6 * np.abs(scores).max()
    assert not first.outside(x).any()


@pytest.mark.parametrize(
    "name", ["residual", "cnn", "max_tensors", "prelu", "hard_sigmoid", "batch_norm_images", "split"]
)
def test_it_stands_in_a_program(name: str, tmp_path: Path) -> None:
    """The largest sum of its scores over a box, not below the best of many points."""
    net = NETS[name]()
    (tmp_path / "f.onnx").write_bytes(net.model().SerializeToString())
    network = nnmip.load_onnx(tmp_path / "f.onnx")
    shape = list(network.network.input_shape)
    text = f'nnm 0.1\nnetwork f = onnx("f.onnx")\nvar x : real{shape} in [-0.2, 0.3]\nmaximize sum(f(x))\n'
    found = nnmip.loads(text, directory=tmp_path).solve()
    points = np.random.default_rng(2).uniform(-0.2, 0.3, size=(5000, *shape)).reshape(5000, -1)
    assert found.solution == "optimal" and found.replay is not None and found.replay.status == "passed"
    assert found.objective >= network.scores(points).reshape(5000, -1).sum(axis=1).max() - 1e-6
