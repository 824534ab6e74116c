"""Random ONNX graphs: operators with random attributes behind each other, branches that are added and joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.evaluate import result
from tests.networks.nets import Net
from tests.networks.test_import import read, returning, run


class Draw:
    """A graph that grows node by node; `shapes` has every value that is there, without the rows."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        is_image = self.rng.random() < 0.7
        shape = tuple(int(n) for n in self.rng.integers(2, 7, 2)) if is_image else ()
        self.shapes: dict[str, tuple[int, ...]] = {"x": (int(self.rng.integers(1, 4)), *shape)}
        self.nodes: list[tuple[Any, ...]] = []
        self.stored: dict[str, Any] = {}

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: Any) -> Any:
        return choices[self.whole(0, len(choices) - 1)]

    def number(self, *shape: int) -> str:
        return self.store(self.rng.normal(size=shape))

    def store(self, array: Any) -> str:
        self.stored[f"c{len(self.stored)}"] = np.asarray(array)
        return f"c{len(self.stored) - 1}"

    def node(self, op: str, *inputs: str, **attributes: Any) -> None:
        """Add a node where the operator accepts what it gets."""
        name = f"v{len(self.nodes)}"
        nodes = [*self.nodes, (op, " ".join(inputs), name, attributes)]
        model = Net(("N", *self.shapes["x"]), nodes, self.stored, opset=19).model()
        try:
            inferred = onnx.shape_inference.infer_shapes(returning(model, name), strict_mode=True, data_prop=True)
        except Exception:  # this choice of attributes does not fit
            return
        shape = [int(d.dim_value) for d in inferred.graph.output[0].type.tensor_type.shape.dim]
        if len(shape) > 1 and min(shape[1:]) > 0 and np.prod(shape[1:]) <= 400:
            self.nodes, self.shapes[name] = nodes, tuple(shape[1:])

    def grow(self) -> None:
        name = self.pick(*list(self.shapes)[-3:])
        shape = self.shapes[name]
        {3: self.image, 1: self.vector}.get(len(shape), self.any)(name, shape)
        if self.rng.random() < 0.5:
            last = list(self.shapes)[-1]
            self.bend(last, self.shapes[last])

    def window(self, kernel: list[int]) -> dict[str, Any]:
        """Strides and pads that ONNX Runtime takes: pads are smaller than the kernel, `auto_pad` has no gaps."""
        options: dict[str, Any] = {}
        if self.rng.random() < 0.5:
            options["strides"] = [self.whole(1, 3), self.whole(1, 3)]
        match self.whole(0, 3):
            case 0:
                options["pads"] = [self.whole(0, k - 1) for k in (*kernel, *kernel)]
            case 1:
                options["strides"] = [self.whole(1, k) for k in kernel]
                options["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
        return options

    def image(self, name: str, shape: tuple[int, ...]) -> None:
        kernel = [self.whole(1, min(3, size)) for size in shape[1:]]
        match self.whole(0, 9):
            case 0 | 1 | 2:
                groups = shape[0] if self.rng.random() < 0.3 else 1
                filters = groups * self.whole(1, 3)
                weights = self.number(filters, shape[0] // groups, *kernel)
                options = self.window(kernel)
                if "auto_pad" not in options:
                    sizes = zip(kernel, shape[1:], strict=True)
                    options["dilations"] = [self.whole(1, 2) if 2 * k <= n else 1 for k, n in sizes]
                self.node("Conv", name, weights, self.number(filters), group=groups, **options)
            case 3:
                options = self.window(kernel)
                if "auto_pad" not in options:
                    options["ceil_mode"] = self.whole(0, 1)
                self.node("MaxPool", name, kernel_shape=kernel, **options)
            case 4:
                more = {"count_include_pad": self.whole(0, 1)}
                self.node("AveragePool", name, kernel_shape=kernel, **self.window(kernel), **more)
            case 5:
                parts = [self.number(shape[0]) for _ in range(3)]
                spread = self.store(self.rng.uniform(0.1, 2, shape[0]))
                self.node("BatchNormalization", name, *parts, spread)
            case 6:
                self.node("Transpose", name, perm=[0, *(1 + self.rng.permutation(3)).tolist()])
            case 7:
                pads = [0, 0, *(self.whole(0, 1) for _ in range(2)), 0, 0, *(self.whole(0, 1) for _ in range(2))]
                self.node(
                    "Pad", name, self.store(pads), mode=self.pick("constant", "edge", *["reflect"] * (min(shape) > 1))
                )
            case 8:
                self.node(self.pick("GlobalAveragePool", "GlobalMaxPool"), name)
            case _:
                self.any(name, shape)

    def vector(self, name: str, shape: tuple[int, ...]) -> None:
        units = self.whole(1, 5)
        match self.whole(0, 3):
            case 0:
                self.node("Gemm", name, self.number(units, shape[0]), self.number(units), transB=1, alpha=0.5, beta=2.0)
            case 1:
                self.node("MatMul", name, self.number(shape[0], units))
            case 2:
                self.node("Gather", name, self.store(self.rng.integers(0, shape[0], self.whole(1, 4))), axis=1)
            case _:
                self.any(name, shape)

    def any(self, name: str, shape: tuple[int, ...]) -> None:
        axis = self.whole(1, len(shape)) if shape else 0
        same = [other for other, size in self.shapes.items() if size == shape]
        rest = shape[: axis - 1] + shape[axis:]
        near = [o for o, s in self.shapes.items() if len(s) == len(shape) and s[: axis - 1] + s[axis:] == rest]
        match self.whole(0, 9):
            case 0:
                self.node("Flatten", name)
            case 1:
                self.node(self.pick("Add", "Sub", "Max", "Min"), name, self.pick(*same))
            case 2:
                self.node("Concat", name, self.pick(*near), axis=axis)
            case 3:
                op, keeps = self.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), self.whole(0, 1)
                self.node(op, name, self.store(np.array([axis])), keepdims=keeps)
            case 4:
                ends = sorted(self.whole(-6, 6) for _ in range(2))
                step = self.pick(1, 1, 2, -1)
                places = (ends if step > 0 else ends[::-1], axis, step)
                self.node("Slice", name, *(self.store(np.array([each])) for each in (*places[0], *places[1:])))
            case 5:
                op, wide = self.pick("Add", "Sub", "Mul", "Div"), self.pick(shape, (shape[-1],) if shape else (1,), ())
                number = self.number(*wide) if op != "Div" else self.store(self.rng.uniform(0.5, 2, wide))
                self.node(op, *((name, number) if op == "Div" or self.rng.random() < 0.5 else (number, name)))
            case 6:
                self.node("Reshape", name, self.store([0, -1, *((shape[0],) if shape else ())]))
            case 7:
                self.node("Neg", name)
            case 8 if len(shape) > 1:
                self.node("MatMul", name, self.number(shape[-1], self.whole(1, 3)))
            case _:
                self.node("Unsqueeze" if len(shape) < 3 else "Squeeze", name, self.store(np.array([axis])))

    def bend(self, name: str, shape: tuple[int, ...]) -> None:
        low, high = sorted(self.rng.normal(size=2))
        match self.whole(0, 7):
            case 0 | 1 | 2:
                self.node("Relu", name)
            case 3:
                self.node("LeakyRelu", name, alpha=float(self.rng.normal()))
            case 4:
                ends = self.pick((self.store(low), self.store(high)), (self.store(low),), ("", self.store(high)))
                self.nodes_with_gaps(name, ends)
            case 5:
                self.node("PRelu", name, self.number(*self.pick(shape, (1,) * len(shape))))
            case 6:
                self.node(self.pick("Abs", "HardSigmoid"), name)
            case _:
                self.node("Sign", name)

    def nodes_with_gaps(self, name: str, ends: tuple[str, ...]) -> None:
        if ends[0]:
            self.node("Clip", name, *ends)
        else:
            self.node("Min", name, ends[1])


def drawn(seed: int) -> Net:
    draw = Draw(seed)
    for _ in range(draw.whole(2, 9)):
        draw.grow()
    last = list(draw.shapes)[-1]
    nodes = [*draw.nodes, ("Identity", last, "y")]
    return Net(("N", *draw.shapes["x"]), nodes, draw.stored, opset=19)


def compare(seed: int) -> str:
    """How the import went: `agrees`, `not run` where neither ONNX Runtime nor onnx can run the model, or a text."""
    net = drawn(seed)
    model = net.model()
    try:
        known = read(model)
    except DiagnosticError as error:
        (found,) = error.diagnostics
        return "not run" if "nothing vouches for it" in found.message else f"{found.code} {found.message}"
    x = np.random.default_rng(seed).normal(size=(3, *net.shape[1:])) * 2
    x = x.astype(np.float32).astype(np.float64)
    ours = result(known.network, known.assignment, x).reshape(3, -1)
    single, double = (_run(net, kind, each, x) for kind, each in ((None, np.float32), (TensorProto.DOUBLE, np.float64)))
    if single is None or not _near(ours, single, 1e-4):
        return "not run" if single is None else "differs in single precision"
    if double is None or not _near(single, double, 1e-4):
        return "not run"  # the evaluator of onnx has no such pool, or contradicts ONNX Runtime
    return "agrees" if _near(ours, double, 1e-9) else "differs in double precision"


def _run(net: Net, type: int | None, kind: type, x: np.ndarray) -> np.ndarray | None:
    try:
        return run(returning(net.model(type), "y"), x, (1, *net.shape[1:]), kind)
    except ValueError:
        return None


def _near(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= tolerance * max(np.abs(other).max(), 1e-6))


@pytest.mark.parametrize("first", range(0, 80, 10))
def test_random_graphs_are_imported_and_agree(first: int) -> None:
    found = [compare(seed) for seed in range(first, first + 10)]
    assert set(found) <= {"agrees", "not run"} and found.count("agrees") >= 7
