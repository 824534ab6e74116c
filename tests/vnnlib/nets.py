"""Small networks as ONNX files, and what they give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from tests.networks.nets import Net

FloatArray = NDArray[np.float64]


def perceptron(seed: int, outputs: int = 2, type: int = TensorProto.FLOAT) -> Net:
    """Two inputs, two layers of five ReLU units called `h` and `g` in the file, and the outputs `y`."""
    random = np.random.default_rng(seed)
    stored = {}
    for name, before, after in (("w", 2, 5), ("v", 5, 5), ("u", 5, outputs)):
        stored[name] = np.round(random.normal(size=(before, after)), 2)
        stored[name + "b"] = np.round(random.normal(size=after), 2)
    nodes = [
        ("Gemm", "x w wb", "a"),
        ("Relu", "a", "h"),
        ("Gemm", "h v vb", "b"),
        ("Relu", "b", "g"),
        ("Gemm", "g u ub", "y"),
    ]
    return Net(("N", 2), nodes, stored, type=type)


def save(net: Net, path: Path) -> Path:
    path.write_bytes(net.model().SerializeToString())
    return path


def outputs(net: Net, x: FloatArray, last: str = "y") -> FloatArray:
    """The plain forward pass, with the numbers as the file stores them."""
    kind = np.float32 if net.type == TensorProto.FLOAT else np.float64
    stored = {name: np.asarray(array).astype(kind).astype(np.float64) for name, array in net.stored.items()}
    h = np.maximum(x @ stored["w"] + stored["wb"], 0.0)
    g = np.maximum(h @ stored["v"] + stored["vb"], 0.0)
    return {"h": h, "g": g, "y": g @ stored["u"] + stored["ub"]}[last]
