"""Networks of other tools in models: `onnx`, `npz`, and networks that are bound from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import nnmip
from nnmip.diagnostics import DiagnosticError
from nnmip.diagnostics.model import Severity
from nnmip.pipeline import Model, load, loads
from tests.networks.nets import NETS, Net, mlp, normal
from tests.workbench import XOR, write_model

TABLE = 'data points = csv("points.csv") {\n  features a, b, c\n  label y as {no: -1, yes: +1}\n}\n'
ROWS = np.round(np.random.default_rng(1).normal(size=(9, 3)) * 2, 2)


def one_score(**changes: object) -> Net:
    """A perceptron with one score, behind a sigmoid."""
    stored = {"w": normal(3, 4), "b": normal(4), "v": normal(4, 1), "c": normal(1)}
    nodes = [("Gemm", "x w b", "h"), ("Relu", "h", "r"), ("Gemm", "r v c", "z"), ("Sigmoid", "z", "y")]
    return Net(("N", 3), nodes, stored, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [f"{a},{b},{c},{'yes' if k % 2 else 'no'}" for k, (a, b, c) in enumerate(ROWS)]
    (tmp_path / "points.csv").write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    return tmp_path


def value(text: str, folder: Path, **bound: object) -> float:
    model = loads(f"nnm 0.1\n{TABLE}{text}", directory=folder)
    result = (model.bind(**bound) if bound else model).solve()
    assert result.solution == "optimal" and result.objective is not None
    return result.objective


def scores_of(model: onnx.ModelProto, rows: np.ndarray, name: str = "z") -> np.ndarray:
    """The scores by ONNX Runtime."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([name], {"x": rows.astype(np.float32)})[0]


def test_losses_weights_and_scores(folder: Path) -> None:
    net = one_score()
    model = net.model()
    onnx.save_model(model, folder / "f.onnx")
    head = 'network f = onnx("f.onnx")\n'
    scores, labels = scores_of(model, ROWS)[:, 0], np.where(np.arange(9) % 2, 1, -1)
    assert value(head + "minimize hinge(f, points)", folder) == pytest.approx(
        np.maximum(0, 1 - labels * scores).mean(), rel=1e-5
    )
    assert value(head + "minimize zero_one(f, points)", folder) == pytest.approx(np.mean((scores >= 0) != (labels > 0)))
    assert value(head + "minimize sum(s in points: f(s))", folder) == pytest.approx(scores.sum(), rel=1e-5)
    exact = np.float32(net.stored["w"]).astype(float).T
    assert value(head + "minimize norm_1(f.dense1.weights)", folder) == pytest.approx(np.abs(exact).sum(), rel=1e-15)
    assert value(head + "minimize count(s in points: active(f.relu1[2], s))", folder) == np.sum(
        scores_of(model, ROWS, "h")[:, 2] > 0
    )


def test_layers_are_called_by_their_nodes(folder: Path) -> None:
    model = one_score().model()
    for node, name in zip(model.graph.node, ("/fc1/Gemm", "/act/Relu", "/0/out.2/Gemm", "/s/Sigmoid"), strict=True):
        node.name = name
    onnx.save_model(model, folder / "f.onnx")
    program = loads(f'nnm 0.1\n{TABLE}network f = onnx("f.onnx")\nminimize hinge(f, points)', directory=folder).program
    assert [layer.path for layer in program.known[0].network.layers] == ["f.fc1", "f.act", "f.out_2"]
    assert program.known[0].network.squashed_by == "Sigmoid" and program.known[0].network.output_shape == ()


def test_an_output_by_name(folder: Path) -> None:
    model = mlp().model()
    model.graph.output.append(onnx.helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, ["N", 5]))
    onnx.save_model(model, folder / "f.onnx")
    for option, name in (("", "y"), (', output: "h"', "h"), (', "h"', "h")):
        text = f'network f = onnx("f.onnx"{option})\nminimize sum(s in points: sum(f(s)))'
        assert value(text, folder) == pytest.approx(scores_of(model, ROWS, name).sum(), rel=1e-5)


def test_scores_before_a_sigmoid_are_told(folder: Path) -> None:
    """Until the text names them: then there is nothing to say."""
    onnx.save_model(one_score().model(), folder / "f.onnx")
    text = f'nnm 0.1\n{TABLE}network f = onnx("f.onnx")\nminimize sum(s in points: f(s))'
    (found,) = loads(text, directory=folder).check()
    assert (found.code, found.severity) == ("NNM0619", Severity.WARNING)
    assert found.message == "`f` returns the scores before the `Sigmoid` at the end of its file"
    help = 'name them, to say that they are meant: `output: "z"`; `ending: "values"` takes what it gives'
    assert found.help == help
    named = loads(text.replace('onnx("f.onnx")', 'onnx("f.onnx", output: "z")'), directory=folder)
    assert named.check() == () and named.solve().objective == loads(text, directory=folder).solve().objective
    assert "the scores before a Sigmoid" in repr(nnmip.load_onnx(folder / "f.onnx"))


def test_another_file_for_a_run(folder: Path) -> None:
    first, second = one_score().model(), one_score().model()
    onnx.save_model(first, folder / "f.onnx")
    onnx.save_model(second, folder / "g.onnx")
    text = f'nnm 0.1\n{TABLE}network f = onnx("f.onnx")\nminimize sum(s in points: f(s))'
    for parameters, model in (({}, first), ({"f": str(folder / "g.onnx")}, second)):
        found = loads(text, parameters, directory=folder).solve().objective
        assert found == pytest.approx(scores_of(model, ROWS).sum(), rel=1e-5)


def test_another_number_of_features(folder: Path) -> None:
    onnx.save_model(NETS["flatten"]().model(), folder / "f.onnx")
    found = loads(f'nnm 0.1\n{TABLE}network f = onnx("f.onnx")\nminimize sum(s in points: sum(f(s)))', directory=folder)
    assert [d.code for d in found.check()] == ["NNM0301"]


# ---- from Python ---------------------------------------------------------------------------------------------------


def test_a_model_from_bytes_from_a_path_and_from_a_message(folder: Path) -> None:
    model = one_score().model()
    path = folder / "f.onnx"
    onnx.save_model(model, path)
    for source in (model, model.SerializeToString(), path, str(path)):
        network = nnmip.load_onnx(source)
        assert network.name == "net"
        assert network.scores(ROWS) == pytest.approx(scores_of(model, ROWS)[:, 0], rel=1e-4)
        assert set(network.predict(ROWS)) <= {-1.0, 1.0}


def test_a_network_is_bound_in_the_place_of_a_file(folder: Path) -> None:
    model = one_score().model()
    text = 'network f = onnx("nowhere.onnx")\nminimize sum(s in points: f(s))'
    found = value(text, folder, f=nnmip.load_onnx(model))
    assert found == pytest.approx(scores_of(model, ROWS).sum(), rel=1e-5)
    bound = loads(f"nnm 0.1\n{TABLE}{text}", directory=folder).bind(f=3)
    (wrong,) = bound.check()
    assert wrong.code == "NNM0205" and wrong.message == "what is bound to `f` is no network"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(DiagnosticError) as caught:
        nnmip.load_onnx("nowhere.onnx")
    assert caught.value.diagnostics[0].message == "`nowhere.onnx`: no such file or directory"


def test_what_was_trained_here_comes_back(tmp_path: Path) -> None:
    """A network that `--save` wrote as ONNX, with its scaling, gives the scores that it had."""
    model = load(write_model(tmp_path, XOR))
    trained = model.solve(save=tmp_path / "run").networks["net"]
    again = nnmip.load_onnx(tmp_path / "run" / "net.onnx", "score")
    rows = np.random.default_rng(0).normal(size=(20, 2))
    assert again.scores(rows) == pytest.approx(trained.scores(rows), rel=1e-12)
    assert again.compact().scores(rows) == pytest.approx(trained.scores(rows), rel=1e-12)


# ---- arrays --------------------------------------------------------------------------------------------------------


def arrays(folder: Path, **named: np.ndarray) -> Path:
    np.savez(folder / "f.npz", **{name.replace("__", "."): array for name, array in named.items()})
    return folder


def test_a_perceptron_from_arrays(folder: Path) -> None:
    w, b, v = normal(4, 3), normal(4), normal(1, 4)
    arrays(folder, h__weights=w, h__bias=b, o__weights=v)
    for option, bend in (("", lambda z: np.maximum(z, 0)), (', activation: "abs"', np.abs), (', "leaky_relu"', None)):
        bend = bend or (lambda z: np.where(z > 0, z, 0.01 * z))
        scores = bend(ROWS @ w.T + b) @ v[0]
        text = f'network f = npz("f.npz"{option})\nminimize sum(s in points: f(s)) + norm_1(f.h.weights)'
        assert value(text, folder) == pytest.approx(scores.sum() + np.abs(w).sum(), rel=1e-12)


def test_the_arrays_of_a_saved_run(tmp_path: Path) -> None:
    """`weights.npz` of a run without pruning and scaling is a perceptron as it is."""
    text = XOR.replace(", prune: units", "")
    model = load(write_model(tmp_path, text))
    trained = model.solve(save=tmp_path / "run").networks["net"]
    head = text[: text.index("network net")].replace("param most : int = 6\n", "")
    found = loads(
        head + 'network f = npz("run/weights.npz")\nminimize sum(s in points: f(s))', directory=tmp_path
    ).solve()
    rows = [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert found.objective == pytest.approx(trained.scores(rows).sum(), abs=1e-12)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"h": normal(2, 3)}, "the array `h` is neither `LAYER.weights` nor `LAYER.bias`"),
        ({"h__weights": normal(3)}, "layer `h` has no matrix `h.weights` [units, inputs]"),
        ({"h__bias": normal(3)}, "layer `h` has no matrix `h.weights` [units, inputs]"),
        ({"h__weights": normal(2, 3), "o__weights": normal(1, 3)}, "`o.weights` reads 3 entries, and `h_relu` has 2"),
        ({"h__weights": normal(2, 3), "h__bias": normal(3)}, "`h.bias` has the shape [3], and `h` has 2 units"),
        ({"h__weights": np.array([["a"]])}, "`h.weights` has entries that are not finite numbers"),
        ({}, "it has no arrays"),
    ],
)
def test_arrays_that_are_no_perceptron(named: dict[str, np.ndarray], message: str, folder: Path) -> None:
    arrays(folder, **named)
    model: Model = loads(f'nnm 0.1\n{TABLE}network f = npz("f.npz")\nminimize hinge(f, points)', directory=folder)
    (found,) = model.check()
    assert (found.code, found.message) == ("NNM0616", f"`f.npz`: {message}")
