"""Five-input nets of 6x50 ReLUs for a boat that meets another one: a smooth control problem with a fixed recipe.

    python tests/benchmarks/verification/train.py FOLDER

needs scikit-learn and onnx, in an environment of its own; writes turn0.onnx, turn1.onnx and turn2.onnx, and prints what
they miss. A boat sees another at `distance` and `bearing`, which goes where `heading` points, and knows both speeds. It
may go on, or turn left or right, a little or much. The five outputs are what each choice costs: how near the two come
within 40 seconds (a soft least value over 16 moments), what the turn itself costs, and what a change from the turn that
the net stands for costs. All inputs are scaled to [-1, 1].
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

INPUTS = ("distance", "bearing", "heading", "own", "other")
LOW = np.array([50.0, -np.pi, -np.pi, 2.0, 0.0])
HIGH = np.array([1050.0, np.pi, np.pi, 12.0, 12.0])
TURNS = np.radians([0.0, 1.5, -1.5, 3.0, -3.0])
SAMPLES, EPOCHS = 12_000, 60


def costs(x: FloatArray, before: int) -> FloatArray:
    """What the five turns cost at scaled inputs [n, 5], where the turn `before` is going on."""
    distance, bearing, heading, own, other = (LOW + (HIGH - LOW) * (x + 1.0) / 2.0).T
    found = []
    for turn in TURNS:
        near = np.zeros(len(x))
        for t in np.linspace(2.5, 40.0, 16):
            angle = turn * t / 2.0
            ahead = own * t * np.sinc(angle / np.pi)
            dx = distance * np.cos(bearing) + other * t * np.cos(heading) - ahead * np.cos(angle)
            dy = distance * np.sin(bearing) + other * t * np.sin(heading) - ahead * np.sin(angle)
            near += np.exp(-(dx**2 + dy**2) / 150.0**2)
        change = 0.03 * abs(turn - TURNS[before]) / TURNS[3]
        found.append(np.log1p(near) + 0.04 * abs(turn) / TURNS[3] + change)
    return np.stack(found, axis=1)


def save(path: Path, weights: list[FloatArray], biases: list[FloatArray]) -> None:
    """Write a net as ONNX, in float64, layers by layers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, parts, at = [], [], "x"
    for k, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
        parts += [numpy_helper.from_array(matrix, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [at, f"w{k}", f"b{k}"], [f"z{k}"]))
        at = f"z{k}"
        if k < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [at], [f"a{k}"]))
            at = f"a{k}"
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [1, width])]
        for name, width in (("x", len(weights[0])), (at, len(biases[-1])))
    ]
    graph = helper.make_graph(nodes, path.stem, *ends, parts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


def main(folder: Path) -> None:
    from sklearn.neural_network import MLPRegressor

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for before in range(3):
        x, test = random.uniform(-1, 1, (SAMPLES, 5)), random.uniform(-1, 1, (4000, 5))
        options = {"alpha": 1e-5, "max_iter": EPOCHS, "batch_size": 100, "tol": 0.0}
        net = MLPRegressor(hidden_layer_sizes=(50,) * 6, random_state=before, **options)
        net.fit(x, costs(x, before))
        left = [np.sqrt(np.mean((net.predict(p) - costs(p, before)) ** 2)) for p in (x, test)]
        spread = costs(test, before).std()
        share = np.mean(net.predict(test).argmin(axis=1) == costs(test, before).argmin(axis=1))
        missed = f"root mean squares {left[0]:.4f} training, {left[1]:.4f} test, spread {spread:.3f}"
        print(f"turn{before}: {missed}; the cheapest turn is right in {share:.1%}")
        parts = ([np.asarray(part) for part in side] for side in (net.coefs_, net.intercepts_))
        save(folder / f"turn{before}.onnx", *parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
