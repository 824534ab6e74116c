"""ONNX files that are refused: what is wrong with each is told in a text of our own, with its node."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnmip.diagnostics import DiagnosticError
from nnmip.onnx import check as checking
from nnmip.onnx import package
from nnmip.sizes import Allowance
from tests.networks.nets import NETS, Net, bn, mlp, normal
from tests.networks.test_import import read


def refusal(source: Any, **options: Any) -> tuple[str, str, str]:
    """The code, the message and the help of the one diagnostic."""
    with pytest.raises(DiagnosticError) as caught:
        read(source, **options)
    (found,) = caught.value.diagnostics
    return found.code, found.message.removeprefix("the model: "), found.help


W = {"w": normal(3, 3)}

UNSUPPORTED: dict[str, tuple[Net, str]] = {
    "operator": (
        Net(("N", 3), [("MatMul", "x w", "h"), ("Atan", "h", "y")], W),
        "the operator `Atan` (node 2) cannot be imported",
    ),
    "domain": (
        Net(("N", 3), [("TreeEnsembleRegressor", "x", "y", {"domain": "ai.onnx.ml"})]),
        "the operator `TreeEnsembleRegressor` of `ai.onnx.ml` (node 1) cannot be imported",
    ),
    "powers without an end": (
        Net(("N", 3), [("MatMul", "x w", "h"), ("Exp", "h", "y")], W),
        "`Exp` (node 2) grows without an end, so that no curve of lines is near it everywhere",
    ),
    "logarithms without an end": (
        Net(("N", 3), [("Relu", "x", "h"), ("Log", "h", "y")], W),
        "`Log` (node 2) falls without an end, so that no curve of lines is near it everywhere",
    ),
    "a jump behind a softmax": (
        Net(("N", 3), [("Softmax", "x", "h"), ("MatMul", "h w", "z"), ("Sign", "z", "y")], W),
        "the layer `sign1` (`sign`) jumps behind the `Softmax` (node 1), so that no error of its curve",
    ),
    "a jump behind a curve": (
        Net(("N", 3), [("Tanh", "x", "h"), ("MatMul", "h w", "z"), ("Sign", "z", "y")], W),
        "the layer `sign1` (`sign`) jumps behind the `Tanh` (node 1), so that no error of its curve can be certified",
    ),
    "product": (
        Net(("N", 3), [("MatMul", "x w", "h"), ("Mul", "h x", "y")], W),
        "`Mul` (node 2) multiplies two values that are both made from the input",
    ),
    "quotient": (Net(("N", 3), [("Div", "w x", "y")], {"w": np.array(1.0)}), "`Div` (node 1) divides by a value that"),
    "product of entries": (
        Net(("N", 3), [("ReduceProd", "x", "y", {"axes": [1]})]),
        "`ReduceProd` (node 1) multiplies values that are made from the input",
    ),
    "imputed numbers": (
        Net(("N", 3), [("Imputer", "x", "y", {"domain": "ai.onnx.ml", "replaced_value_float": 0.0})]),
        "`Imputer` (node 1) replaces a number that may be an input",
    ),
    "cubic": (
        Net(
            (1, 1, 2, 2),
            [("Resize", "x e s", "y", {"mode": "cubic"})],
            {"e": np.zeros(0), "s": np.array([1, 1, 2.0, 2])},
        ),
        "`Resize` (node 1) has the mode `cubic` with `half_pixel`",
    ),
    "two factors": (
        Net((1, 2, 2), [("Einsum", "x x", "y", {"equation": "bij,bjk->bik"})]),
        "`Einsum` (node 1) multiplies values that are made from the input",
    ),
    "matrix product": (
        Net((3, 3), [("MatMul", "x x", "y")]),
        "`MatMul` (node 1) multiplies two values that are both made from the input",
    ),
    "square root": (Net(("N", 3), [("Sqrt", "x", "y")]), "`Sqrt` (node 1) is not a piecewise-linear function"),
    "rounding": (
        Net(("N", 3), [("Cast", "x", "h", {"to": 7}), ("Cast", "h", "y", {"to": 1})]),
        "`Cast` (node 1) rounds",
    ),
    "training": (
        Net(("N", 3), [("BatchNormalization", "x s o m v", "y p q", {"training_mode": 1})], bn(3)),
        "`BatchNormalization` (node 1) normalises over the rows it is given",
    ),
    "places": (
        Net(("N", 1, 4, 4), [("MaxPool", "x", "y i", {"kernel_shape": [2, 2]})]),
        "`MaxPool` (node 1) gives the places of the largest entries",
    ),
    "volumes": (
        Net(("N", 1, 3, 3, 3), [("Conv", "x w", "y")], {"w": normal(1, 1, 2, 2, 2)}),
        "`Conv` (node 1) works on images with 3 axes",
    ),
    "stack": (
        Net(("N", 2, 3), [("MatMul", "x w", "y")], {"w": normal(2, 3, 3)}),
        "`MatMul` (node 1) multiplies by a stack",
    ),
    "jump": (
        Net(("N", 3), [("Greater", "x q", "c"), ("Where", "c x r", "y")], {"q": np.array(1.0), "r": np.array(0.5)}),
        "`Where` (node 2) chooses between values that are not known to meet where its condition changes",
    ),
    "comparison read": (
        Net(("N", 3), [("Greater", "x q", "c"), ("Relu", "c", "y")], {"q": np.array(1.0)}),
        "`Relu` (node 2) reads a comparison",
    ),
    "names": (
        Net(("N", 3), [("Greater", "x q", "c"), ("Where", "c a b", "y")], {"q": 1.0, "a": ["yes"], "b": ["no"]}),
        "`Where` (node 2) gives a label, and not scores",
    ),
    "truth values": (
        Net(("N", 3), [("Greater", "x q", "y")], {"q": np.array(1.0)}),
        "its output `y` holds truth values",
    ),
    "open size": (Net(("N", "M"), [("Relu", "x", "y")]), "the shape of its input `x` is [N, M]"),
    "label": (Net(("N", 3), [("ArgMax", "x", "y", {"axis": 1})]), "`ArgMax` (node 1) gives a label, and not scores"),
    "opset": (mlp(opset=6), "the model is of operator set 6, and 7 is the oldest that is read"),
    "constant output": (Net(("N", 3), [("Identity", "w", "y")], W), "its output `y` is made from no input"),
    "nothing left": (
        Net(("N", 3), [("Shape", "x", "s"), ("Cast", "s", "y", {"to": 1})]),
        "its output `y` does not depend on the input",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_imported(name: str) -> None:
    net, message = UNSUPPORTED[name]
    code, found, help = refusal(net.model())
    assert code == "NNM0617" and found.startswith(message)
    assert help or name in {"places", "nothing left", "constant output", "open size"}


def test_the_help_lists_what_is_supported() -> None:
    help = refusal(UNSUPPORTED["operator"][0].model())[2]
    assert (
        help.startswith("supported operators: Abs, Add, ")
        and "LeakyRelu" in help
        and "Erf, Exp, " in help
        and "Atan" not in help
        and "Sqrt" not in help
    )


@pytest.mark.parametrize(
    ("op", "domain", "said"),
    [
        ("LayerNormalization", "", "it divides by the spread of the numbers that it reads"),
        ("GRU", "", "it runs over steps"),
        ("TreeEnsembleClassifier", "ai.onnx.ml", "trees are no networks; a `MLPRegressor`"),
        ("Erfc", "", "ONNX has no such operator: the exporter could not translate it"),
    ],
)
def test_the_help_says_why(op: str, domain: str, said: str) -> None:
    code, message, help = refusal(Net(("N", 3), [(op, "x", "y", {"domain": domain})]).model())
    assert code == "NNM0617" and message.endswith("(node 1) cannot be imported")
    assert help.startswith(said) and "; supported operators: Abs, " in help


def test_a_node_is_called_by_its_name() -> None:
    model = UNSUPPORTED["operator"][0].model()
    model.graph.node[1].name = "/net/act/Atan"
    assert refusal(model)[1] == "the operator `Atan` (node `/net/act/Atan`) cannot be imported"


def test_several_inputs_and_outputs() -> None:
    entry = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xz"]
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("y", "b")]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["x", "z"], ["b"])]
    model = helper.make_model(helper.make_graph(nodes, "g", entry, out), opset_imports=[helper.make_opsetid("", 17)])
    assert [layer.op for layer in read(model).network.layers] == ["relu"]
    assert refusal(model, output="b")[:2] == ("NNM0617", "it reads several inputs: `x`, `z`")
    assert refusal(model, output="c")[1:] == ("it has no output `c`", "its outputs are `y`, `b`")


# ---- damaged and hostile files -------------------------------------------------------------------------------------


def changed(change: Callable[[Any], object], net: Net | None = None) -> Any:
    model = (net or mlp()).model()
    change(model)
    return model


def _stored(model: Any, name: str) -> Any:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _external(place: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor = _stored(model, "w")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return change


DAMAGED: dict[str, tuple[Any, str, str]] = {
    "empty": (b"", "NNM0616", "it is not an ONNX model"),
    "text": (b"nnm 0.1\n" * 40, "NNM0616", "it is not an ONNX model"),
    "no such value": (
        changed(lambda m: m.graph.node[0].input.__setitem__(1, "nowhere")),
        "NNM0616",
        "`Gemm` (node 1) reads `nowhere`, which no input, stored tensor or earlier node gives",
    ),
    "circle": (
        changed(lambda m: m.graph.node[0].input.__setitem__(0, "r")),
        "NNM0616",
        "`Gemm` (node 1) reads `r`, which no input, stored tensor or earlier node gives",
    ),
    "late": (
        changed(lambda m: m.graph.node.append(m.graph.node.pop(0))),
        "NNM0616",
        "`Relu` (node 1) reads `h`, which no input, stored tensor or earlier node gives",
    ),
    "twice": (changed(lambda m: m.graph.node[1].output.__setitem__(0, "h")), "NNM0616", "node 2 gives `h`, which is"),
    "shapes": (
        changed(lambda m: _stored(m, "w").dims.__setitem__(0, 5) or _stored(m, "w").dims.__setitem__(1, 3)),
        "NNM0616",
        "the inputs and attributes of `Gemm` (node 1) do not fit together",
    ),
    "cut off": (
        changed(lambda m: setattr(_stored(m, "w"), "raw_data", b"123")),
        "NNM0616",
        "the numbers of `w` cannot",
    ),
    "negative size": (
        changed(lambda m: _stored(m, "w").dims.__setitem__(0, -3)),
        "NNM0616",
        "`w` has the shape [-3, 5]",
    ),
    "huge": (changed(lambda m: _stored(m, "w").dims.__setitem__(0, 2**40)), "NNM0310", "`w` is too large to build"),
    "type": (
        changed(lambda m: setattr(_stored(m, "w"), "data_type", 77)),
        "NNM0616",
        "the numbers of `w` cannot be read",
    ),
    "texts": (
        changed(lambda m: _stored(m, "w").CopyFrom(numpy_helper.from_array(np.array([["a"] * 5] * 3, object), "w"))),
        "NNM0616",
        "the inputs and attributes of `Gemm` (node 1) do not fit together",
    ),
    "not finite": (
        changed(lambda m: _stored(m, "w").CopyFrom(numpy_helper.from_array(np.full((3, 5), np.nan, np.float32), "w"))),
        "NNM0616",
        "its weights are not all finite numbers",
    ),
    "attribute": (
        changed(lambda m: m.graph.node[0].attribute.append(helper.make_attribute("alpha", "much"))),
        "NNM0616",
        "the attribute `alpha` of `Gemm` (node 1) is of another type than its operator says",
    ),
    "no input left": (
        changed(lambda m: m.graph.node[0].input.__delitem__(slice(None))),
        "NNM0617",
        "its output `y` is made from no input",
    ),
    "external without a folder": (
        changed(_external("w.bin")),
        "NNM0617",
        "the numbers of `w` are in a file of their own",
    ),
    "repeated": (
        changed(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        "NNM0616",
        "the model stores `w` twice",
    ),
    "grows": (
        Net(("N", 3), [("Expand", "x s", "h"), ("Relu", "h", "y")], {"s": np.array([10**9, 1])}).model(),
        "NNM0310",
        "what a node of the network gives is too large to build",
    ),
    "grows by doubling": (
        Net(
            ("N", 3),
            [("Concat", f"{'x' if k == 0 else k} {'x' if k == 0 else k}", f"{k + 1}", {"axis": 1}) for k in range(60)]
            + [("Relu", "60", "y")],
        ).model(),
        "NNM0310",
        "what a node of the network gives is too large to build",
    ),
    "a range without end": (
        Net(
            ("N", 3),
            [("Range", "a b c", "r"), ("Add", "x r", "y")],
            {"a": np.array(0), "b": np.array(2**60), "c": np.array(1)},
        ).model(),
        "NNM0310",
        "what a node of the network gives is too large to build",
    ),
    "a step of 0": (
        Net(
            ("N", 3),
            [("Range", "a b c", "r"), ("Add", "x r", "y")],
            {"a": np.array(0), "b": np.array(5), "c": np.array(0)},
        ).model(),
        "NNM0616",
        "the inputs and attributes of `Range` (node 1) do not fit together",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file(name: str) -> None:
    source, code, message = DAMAGED[name]
    found = refusal(source)
    assert found[0] == code and found[1].startswith(message)


def test_external_numbers(tmp_path: Path) -> None:
    """They are read from files next to the model, and from nowhere else."""
    path = tmp_path / "net" / "f.onnx"
    path.parent.mkdir()
    model = mlp().model()
    plain = read(model)
    onnx.save_model(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    apart = read(path)
    assert all((plain.assignment.values[k] == apart.assignment.values[k]).all() for k in plain.assignment.values)
    (path.parent / "w.bin").rename(tmp_path / "w.bin")
    for place in ("w.bin", "../w.bin", str(tmp_path / "w.bin"), ""):
        path.write_bytes(changed(_external(place)).SerializeToString())
        found = refusal(path)
        assert found[:2] == ("NNM0616", f"`f.onnx`: the numbers of `w` are in `{place}`, which is not there")


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "channels_last"])
def test_any_damage_is_told_in_words(name: str) -> None:
    """Bytes that are changed, left out or doubled: a network that agrees, or a diagnostic."""
    whole = NETS[name]().model().SerializeToString()
    draw = random.Random(3)
    for _ in range(40):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 8])):
            at = draw.randrange(len(content))
            match draw.randrange(3):
                case 0:
                    content[at] = draw.randrange(256)
                case 1:
                    del content[at : at + draw.randrange(1, 9)]
                case 2:
                    content[at:at] = content[at : at + draw.randrange(1, 9)]
        try:
            read(bytes(content))
        except DiagnosticError as error:
            assert {d.code for d in error.diagnostics} <= {"NNM0616", "NNM0617", "NNM0618", "NNM0310"}


def test_a_larger_file_than_is_allowed() -> None:
    assert refusal(mlp().model().SerializeToString(), allowance=Allowance(100))[0] == "NNM0310"


# ---- the check -----------------------------------------------------------------------------------------------------


def test_rows_that_depend_on_each_other() -> None:
    net = Net(("N", 3), [("ReduceMean", "x", "m", {"axes": [0]}), ("Sub", "x m", "y")])
    code, message, _ = refusal(net.model())
    assert code == "NNM0618"
    assert message.startswith(
        "the imported network does not compute what the file computes: at a random point they differ"
    )


@pytest.mark.parametrize("has_runtime", [True, False])
def test_a_wrong_weight_is_found(has_runtime: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ONNX Runtime, and with the evaluator of onnx alone."""
    if not has_runtime:
        monkeypatch.setattr(package, "runtime", lambda: None)
    true, wrong = checking.smooth_result, []

    def slightly_off(known: Any, inputs: Any) -> Any:
        wrong.append(1)
        return true(known, inputs) * (1 + 3e-4)

    read(mlp().model())
    monkeypatch.setattr(checking, "smooth_result", slightly_off)
    assert refusal(mlp().model())[0] == "NNM0618" and wrong


def _messages(value: Any, kind: int) -> Iterator[Any]:
    yield numpy_helper.from_array(value)
    yield helper.make_tensor("", kind, value.shape, value.ravel().tolist())


@pytest.mark.parametrize("kind", [1, 6, 7, 9, 10, 11, 16])
def test_numbers_of_tensors_are_those_of_the_package(kind: int) -> None:
    """With the numbers in bytes and in lists; those of types that NumPy does not have come from the package itself."""
    for shape in ((2, 3), (0, 2), ()):
        array = np.asarray(normal(*shape) * 3).astype(helper.tensor_dtype_to_np_dtype(kind))
        for message in _messages(array, kind):
            found, true = package.numbers(message), numpy_helper.to_array(message)
            assert found.dtype == true.dtype and found.shape == true.shape
            assert np.array_equal(found, true)
    short = numpy_helper.from_array(np.zeros(3, np.float32))
    short.raw_data = short.raw_data[:-2]
    with pytest.raises(ValueError, match="buffer size"):
        package.numbers(short)
    short.segment.begin = 1
    with pytest.raises(ValueError, match="segments"):
        package.numbers(short)


@pytest.mark.parametrize("order", ["messages, whole", "whole, messages"])
def test_the_classes_of_messages_are_those_of_the_package(order: str) -> None:
    """Loaded before the package, or after it."""
    code = (
        "from nnmip.onnx.package import messages, package as whole\n"
        f"first, second = [load() for load in ({order})]\n"
        "assert first.ModelProto is second.ModelProto\n"
        "whole().checker.check_tensor(whole().numpy_helper.from_array(__import__('numpy').zeros(2), 'w'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_whole_package_is_used_where_its_classes_are_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MESSAGES", "onnx.of_another_name")
    assert package.messages() is onnx


def test_without_the_package_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    content = mlp().model().SerializeToString()
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, message, help = refusal(content)
    assert (code, message) == ("NNM0617", "it needs the package onnx")
    assert help == "install it with  pip install 'nnmip[onnx]'"
