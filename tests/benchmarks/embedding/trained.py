"""The recipe of the trained networks in `examples/data`: `python -m tests.benchmarks.embedding.trained [FOLDER]`.

Every network is a perceptron with one or two hidden layers of ReLU or of tanh units, trained by Adam (Kingma and
Ba, 2015) on the whole table, from a fixed seed. The scaling of inputs stands inside the file, as nodes Sub and Div in
front, so that the network reads the units of the table. Weights are rounded, so that what decayed to nothing is 0. The
last digits depend on the machine: the tests read the files that are kept.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.float64]
Layers = list[tuple[Array, Array]]
FOLDER = Path(__file__).parents[3] / "examples" / "data"

Activation = tuple[Callable[[Array], Array], Callable[[Array], Array]]
ACTIVATIONS: dict[str, Activation] = {
    "Relu": (lambda sums: np.maximum(sums, 0), lambda values: 1.0 * (values > 0)),
    "Tanh": (np.tanh, lambda values: 1 - values**2),
}
"""By operator: the function, and its slope by the value that it gives."""

STEPS = 3000
RATE = 0.01
DECAY = 1e-3
DECIMALS = 4


def fit(rows: Array, targets: Array, hidden: tuple[int, ...], logistic: bool, seed: int, by: str = "Relu") -> Layers:
    """The weights `[inputs, units]` and biases after training, by squared or by logistic loss, with weight decay."""
    random = np.random.default_rng(seed)
    sizes = (rows.shape[1], *hidden, targets.shape[1])
    layers = [(random.normal(0, np.sqrt(2 / a), (a, b)), np.zeros(b)) for a, b in pairwise(sizes)]
    numbers = [number for layer in layers for number in layer]
    first = [np.zeros_like(number) for number in numbers]
    second = [np.zeros_like(number) for number in numbers]
    for step in range(1, STEPS + 1):
        for index, slope in enumerate(_slopes(rows, targets, layers, logistic, ACTIVATIONS[by])):
            whole = slope + DECAY * numbers[index]
            first[index] += 0.1 * (whole - first[index])
            second[index] += 0.001 * (whole**2 - second[index])
            size = np.sqrt(second[index] / (1 - 0.999**step)) + 1e-8
            numbers[index] -= RATE * first[index] / (1 - 0.9**step) / size
    return layers


def _slopes(rows: Array, targets: Array, layers: Layers, logistic: bool, activation: Activation) -> list[Array]:
    """The derivatives of the mean loss by every weight and bias, in the order of the layers."""
    values = [rows]
    for index, (weights, bias) in enumerate(layers):
        sums = values[-1] @ weights + bias
        values.append(activation[0](sums) if index < len(layers) - 1 else sums)
    guess = (1 + np.tanh(values[-1] / 2)) / 2 if logistic else values[-1]
    back = (guess - targets) / len(rows)
    slopes: list[Array] = []
    for index in reversed(range(len(layers))):
        slopes = [values[index].T @ back, back.sum(axis=0), *slopes]
        back = (back @ layers[index][0].T) * activation[1](values[index])
    return slopes


def write(
    path: Path, centre: Array, spread: Array, layers: Layers, shape: tuple[int, ...] = (), by: str = "Relu"
) -> None:
    """The network as an ONNX file in single precision: the input of a shape made flat, (x - centre) / spread, then
    Gemm and the activation in turn."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Sub", ["flat", "centre"], ["moved"]),
        helper.make_node("Div", ["moved", "spread"], ["h0"]),
    ]
    numbers = {"centre": centre, "spread": spread}
    for index, (weights, bias) in enumerate(layers, start=1):
        numbers |= {f"w{index}": weights, f"b{index}": bias}
        last = index == len(layers)
        to = "y" if last else f"z{index}"
        nodes.append(helper.make_node("Gemm", [f"h{index - 1}", f"w{index}", f"b{index}"], [to], f"fc{index}"))
        if not last:
            nodes.append(helper.make_node(by, [to], [f"h{index}"], f"{by.lower()}{index}"))
    shapes = {"x": ["rows", *(shape or centre.shape)], "y": ["rows", layers[-1][0].shape[1]]}
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    known = [numpy_helper.from_array(value.round(DECIMALS).astype(np.float32), name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, path.stem, [x], [y], known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def demand(path: Path) -> None:
    """Demand for three products by their prices: less for a higher price of its own, more for dearer others."""
    random = np.random.default_rng(1)
    prices = random.uniform(5, 20, (400, 3))
    cross = np.array([[-1.2, 0.3, 0.2], [0.25, -0.9, 0.3], [0.1, 0.35, -0.7]])
    sold = np.maximum(0, np.array([22.0, 18.0, 16.0]) + prices @ cross.T) + random.normal(0, 0.3, (400, 3))
    centre, spread = np.full(3, 12.5), np.full(3, 7.5)
    write(path, centre, spread, _in_units(fit((prices - centre) / spread, sold / 10, (10,), False, 1), 10))


def reactor(path: Path) -> None:
    """Yield and purity (in per cent) of a reactor by temperature, pressure, flow and number of stages."""
    random = np.random.default_rng(2)
    low, high = np.array([300.0, 1.0, 1.0, 1.0]), np.array([400.0, 10.0, 5.0, 6.0])
    points = random.uniform(low, high, (500, 4))
    heat, press, flow, stages = ((points - low) / (high - low)).T
    gained = 55 + 30 * heat + 12 * press - 25 * heat**2 - 15 * flow + 18 * stages - 8 * stages**2
    pure = 80 - 12 * heat + 4 * press - 8 * flow + 22 * stages - 7 * stages**2
    centre, spread = (low + high) / 2, (high - low) / 2
    targets = np.stack([gained, pure], axis=1) / 20
    write(path, centre, spread, _in_units(fit((points - centre) / spread, targets, (8, 6), False, 2), 20))


def course(path: Path) -> None:
    """The course of diabetes, by age, sex, body mass index, blood pressure and `s5`: above 0 means worse."""
    table = list(csv.DictReader((FOLDER / "diabetes.csv").read_text().splitlines()))
    rows = np.array([[float(row[name]) for name in ("age", "sex", "bmi", "bp", "s5")] for row in table])
    worse = np.array([[float(row["course"] == "worse")] for row in table])
    centre, spread = rows.mean(axis=0).round(2), rows.std(axis=0).round(2)
    write(path, centre, spread, fit((rows - centre) / spread, worse, (8,), True, 3))


def zero_or_one(path: Path) -> None:
    """The scores of zero and one for a picture of 4 x 4 pixels."""
    table = list(csv.DictReader((FOLDER / "digits.csv").read_text().splitlines()))
    rows = np.array([[float(row[f"p{i}{j}"]) for i in range(4) for j in range(4)] for row in table])
    is_one = np.array([row["digit"] == "one" for row in table])
    targets = np.stack([~is_one, is_one], axis=1).astype(float)
    write(path, np.full(16, 0.5), np.full(16, 0.5), fit(2 * rows - 1, targets, (8, 6), True, 4), (4, 4))


def kiln(path: Path) -> None:
    """The strength of a tile and the share that cracks, in per cent, by heat (C), hours and thickness (mm)."""
    random = np.random.default_rng(5)
    low, high = np.array([900.0, 1.0, 5.0]), np.array([1200.0, 8.0, 15.0])
    points = random.uniform(low, high, (500, 3))
    heat, hours, thick = ((points - low) / (high - low)).T
    strength = 60 / (1 + np.exp(4 - 6 * heat - 3 * hours + 2 * thick)) + 10 * thick
    cracks = 12 / (1 + np.exp(7 - 5 * heat - 4 * thick + 2 * hours))
    centre, spread = (low + high) / 2, (high - low) / 2
    layers = fit((points - centre) / spread, np.stack([strength, cracks], axis=1) / 20, (5,), False, 5, "Tanh")
    write(path, centre, spread, _in_units(layers, 20), by="Tanh")


def _in_units(layers: Layers, unit: float) -> Layers:
    """The same network with its outputs times a unit."""
    return [*layers[:-1], (layers[-1][0] * unit, layers[-1][1] * unit)]


RECIPES: dict[str, Callable[[Path], None]] = {
    "demand.onnx": demand,
    "reactor.onnx": reactor,
    "course.onnx": course,
    "zero_or_one.onnx": zero_or_one,
    "kiln.onnx": kiln,
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, recipe in RECIPES.items():
        recipe(folder / name)
        print(f"{folder / name}: {(folder / name).stat().st_size} bytes")
