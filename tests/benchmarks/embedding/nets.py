"""Writes the networks of the comparison with other tools as ONNX files, by a fixed recipe, and points for boxes.

    python tests/benchmarks/embedding/nets.py FOLDER [--only NAME ...]

`digits_50x2` and `digits_100x3` are trained by scikit-learn on its digits, `control` on a smooth function of five
inputs; the others have random weights. `points.npz` has a few inputs of each: digits, and what is drawn. Every
attribute is spelt out and every node has a name, because some readers do not know the defaults. Needs the packages onnx
and, for the trained ones, scikit-learn.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class File:
    """An ONNX model of layers one after the other, batch first."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.nodes: list[Any] = []
        self.numbers: list[Any] = []
        self.last = "x"

    def add(self, op: str, *numbers: Any, **attributes: Any) -> None:
        """A node that reads the last value and stored numbers."""
        from onnx import helper, numpy_helper

        name = f"{op.lower()}_{len(self.nodes) + 1}"
        stored = [f"{name}_{place}" for place in range(len(numbers))]
        self.numbers += [numpy_helper.from_array(value, key) for key, value in zip(stored, numbers, strict=True)]
        self.nodes.append(helper.make_node(op, [self.last, *stored], [f"{name}_out"], name=name, **attributes))
        self.last = f"{name}_out"

    def dense(self, weights: Array, bias: Array) -> None:
        """weights: [outputs, inputs]."""
        numbers = (weights.astype(np.float32), bias.astype(np.float32))
        self.add("Gemm", *numbers, alpha=1.0, beta=1.0, transA=0, transB=1)

    def conv(self, weights: Array, stride: int) -> None:
        """Without a bias: OMLT 1.2 leaves it out without a word, and answers for another network."""
        kernel = list(weights.shape[2:])
        steps = {"strides": [stride, stride], "dilations": [1, 1], "pads": [0, 0, 0, 0]}
        self.add("Conv", weights.astype(np.float32), kernel_shape=kernel, group=1, **steps)

    def reshape(self, *shape: int) -> None:
        """The new shape comes from a node, where more readers look for it."""
        from onnx import helper, numpy_helper

        sizes = numpy_helper.from_array(np.array(shape, dtype=np.int64), "sizes")
        self.nodes.append(helper.make_node("Constant", [], ["sizes"], name="sizes", value=sizes))
        self.nodes.append(helper.make_node("Reshape", [self.last, "sizes"], ["flat"], name="flat"))
        self.last = "flat"

    def save(self, path: Path, outputs: int) -> None:
        import onnx
        from onnx import TensorProto, helper

        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
            for name, shape in (("x", self.shape), (self.last, (outputs,)))
        ]
        graph = helper.make_graph(self.nodes, path.stem, ends[:1], ends[1:], self.numbers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def drawn(rng: np.random.Generator, *shape: int) -> tuple[Array, Array]:
    """Weights and biases of a layer, as they are before training."""
    return rng.normal(size=shape) * np.sqrt(2.0 / np.prod(shape[1:])), 0.1 * rng.normal(size=shape[0])


def chain(file: File, layers: list[tuple[Array, Array]]) -> File:
    """Dense layers with a ReLU between them."""
    for place, layer in enumerate(layers):
        if place:
            file.add("Relu")
        file.dense(*layer)
    return file


def random_dense(*sizes: int) -> File:
    rng = np.random.default_rng(0)
    return chain(File(sizes[0]), [drawn(rng, after, before) for before, after in pairwise(sizes)])


def trained(model: Any, rows: Array, targets: NDArray[Any]) -> File:
    """What a model of scikit-learn computes before its last function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the steps are fixed, so that training stops before it has converged
        model.fit(rows, targets)
    return chain(File(rows.shape[1]), [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)])


def digits(*hidden: int) -> File:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    return trained(MLPClassifier(hidden, max_iter=60, random_state=0), data.data / 16.0, data.target)


def control() -> File:
    from sklearn.neural_network import MLPRegressor

    rows = np.random.default_rng(0).uniform(-1.0, 1.0, (4000, 5))
    targets = np.sin(3 * rows[:, 0]) * rows[:, 1] + rows[:, 2] ** 2 - rows[:, 3] * rows[:, 4]
    return trained(MLPRegressor(hidden_layer_sizes=(50,) * 6, max_iter=60, random_state=0), rows, targets)


def convolutions(first: int, second: int, width: int) -> File:
    """Two convolutions with stride 2 over 28 x 28 pixels, and two dense layers."""
    rng, file = np.random.default_rng(0), File(1, 28, 28)
    file.conv(drawn(rng, first, 1, 4, 4)[0], stride=2)
    file.add("Relu")
    file.conv(drawn(rng, second, first, 3, 3)[0], stride=2)
    file.add("Relu")
    flat = second * 36
    file.reshape(-1, flat)
    return chain(file, [drawn(rng, width, flat), drawn(rng, 10, width)])


NETS: dict[str, tuple[Callable[[], File], int]] = {
    "digits_50x2": (lambda: digits(50, 50), 10),
    "digits_100x3": (lambda: digits(100, 100, 100), 10),
    "control": (control, 1),
    "dense_512x2": (lambda: random_dense(784, 512, 512, 10), 10),
    "cnn": (lambda: convolutions(8, 16, 100), 10),
    "cnn_large": (lambda: convolutions(32, 64, 200), 10),
}
"""Every network with the number of its outputs."""


POINTS = 4
"""How many points every network has."""


def points(shape: tuple[int, ...], is_of_digits: bool) -> Array:
    """Digits of four kinds, or uniform numbers."""
    if is_of_digits:
        from sklearn.datasets import load_digits

        return np.asarray(load_digits().data[:POINTS] / 16.0)
    return np.random.default_rng(0).random((POINTS, *shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=NETS, metavar="NAME", default=list(NETS))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in given.only:
        make, outputs = NETS[name]
        file = make()
        file.save(given.folder / f"{name}.onnx", outputs)
        found[name] = points(file.shape, name.startswith("digits"))
    np.savez(given.folder / "points.npz", **found)


if __name__ == "__main__":
    main()
