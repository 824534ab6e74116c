"""ONNX models built node by node, with every default attribute left out; each becomes a network that agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(20240601)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


@dataclass
class Net:
    """Nodes from `x` to `y`, as (operator, inputs, outputs, attributes); arrays by name, floats stored as the model's
    type; `shape` of the input, `None` for an open size."""

    shape: tuple[int | str | None, ...]
    nodes: list[tuple[Any, ...]]
    stored: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    type: int = TensorProto.FLOAT
    output: tuple[int | str | None, ...] | None = None

    def model(self, type: int | None = None) -> onnx.ModelProto:
        """The model; in double precision where `type` says so, with the numbers of the model in single."""
        stated = self.type if type is None else type
        stored = [
            numpy_helper.from_array(_typed(array, self.type, stated), name) for name, array in self.stored.items()
        ]
        nodes = []
        for op, inputs, outputs, *rest in self.nodes:
            attributes = {k: _typed_attribute(v, self.type, stated) for k, v in (rest[0] if rest else {}).items()}
            domain = attributes.pop("domain", "")
            nodes.append(helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attributes))
        entry = helper.make_tensor_value_info("x", stated, self.shape)
        exit_ = helper.make_tensor_value_info("y", stated, self.output)
        graph = helper.make_graph(nodes, "net", [entry], [exit_], stored)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _typed(array: Any, own: int, stated: int) -> np.ndarray:
    """Floats as the net has them, in the type that is stated."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array
    kinds = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
    return array.astype(kinds.get(own, np.float32)).astype(kinds.get(stated, np.float32))


def _typed_attribute(value: Any, own: int, stated: int) -> Any:
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(_typed(value, own, stated))
    return stated if value == "TYPE" else value


def mlp(**changes: Any) -> Net:
    """Gemm, Relu, Gemm with all defaults."""
    stored = {"w": normal(3, 5), "b": normal(5), "v": normal(5, 2), "c": normal(2)}
    nodes = [("Gemm", "x w b", "h"), ("Relu", "h", "r"), ("Gemm", "r v c", "y")]
    return Net(**{"shape": ("N", 3), "nodes": nodes, "stored": stored, **changes})


def one(
    op: str, shape: tuple[Any, ...], stored: dict[str, Any] | None = None, more: str = "", **attributes: Any
) -> Net:
    """A dense layer, one operator that reads it and what is stored, and a dense layer behind it."""
    size = int(np.prod([s for s in shape if isinstance(s, int)]))
    options = {name: attributes.pop(name) for name in ("opset", "type") if name in attributes}
    stored = {"w": normal(3, size), "to": np.array([-1, *(s for s in shape if isinstance(s, int))]), **(stored or {})}
    nodes = [("MatMul", "x w", "h"), ("Reshape", "h to", "g"), (op, f"g {more}", "y", attributes)]
    return Net(("N", 3), nodes, stored, **options)


def image(op: str, channels: int = 2, size: tuple[int, ...] = (6, 7), **attributes: Any) -> Net:
    """An operator on an image."""
    options = {name: attributes.pop(name) for name in ("opset", "type") if name in attributes}
    return Net(("N", channels, *size), [(op, "x", "y", attributes)], **options)


def resized(scales: tuple[float, ...] = (1, 1, 2, 2), **attributes: Any) -> Net:
    """A small image, larger or smaller, and what reads it."""
    stored = {"e": np.zeros(0, np.float32), "s": np.array(scales, np.float32)}
    nodes = [("Relu", "x", "r"), ("Resize", "r e s", "m", attributes), ("Abs", "m", "y")]
    return Net(("N", 2, 3, 4), nodes, stored, opset=17)


def transposed(size: tuple[int, ...], filters: int = 3, **attributes: Any) -> Net:
    groups = attributes.get("group", 1)
    kernel = (3, 2)[: len(size)]
    stored = {"w": normal(4, filters // groups, *kernel), "b": normal(filters)}
    return Net(
        ("N", 4, *size), [("Abs", "x", "a"), ("ConvTranspose", "a w b", "c", attributes), ("Relu", "c", "y")], stored
    )


def conv(filters: int, channels: int, kernel: tuple[int, ...], size: tuple[int, ...], **attributes: Any) -> Net:
    options = {name: attributes.pop(name) for name in ("opset", "type") if name in attributes}
    groups = attributes.get("group", 1)
    stored = {"w": normal(filters, channels // groups, *kernel), "b": normal(filters)}
    return Net(("N", channels, *size), [("Conv", "x w b", "y", attributes)], stored, **options)


def bn(channels: int) -> dict[str, np.ndarray]:
    return {"s": normal(channels), "o": normal(channels), "m": normal(channels), "v": np.abs(normal(channels)) + 0.1}


def _residual() -> Net:
    stored = {"w": normal(3, 4), "v": normal(4, 4), "u": normal(4, 2)}
    nodes = [("MatMul", "x w", "h"), ("Relu", "h", "r"), ("MatMul", "r v", "z"), ("Add", "z h", "a")]
    nodes += [("Relu", "a", "p"), ("MatMul", "p u", "y")]
    return Net(("N", 3), nodes, stored)


def _cnn() -> Net:
    stored = {"w": normal(4, 1, 3, 3), "b": normal(4), **bn(4), "d": normal(16, 3), "e": normal(3)}
    nodes = [
        ("Conv", "x w b", "c", {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ("BatchNormalization", "c s o m v", "n"),
        ("Relu", "n", "r"),
        ("MaxPool", "r", "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Flatten", "p", "f"),
        ("Gemm", "f d e", "z"),
        ("Softmax", "z", "y"),
    ]
    return Net(("N", 1, 8, 8), nodes, stored)


def _dynamic_flatten() -> Net:
    """`x.view(x.size(0), -1)` as exporters write it."""
    nodes = [
        ("Shape", "x", "sh"),
        ("Gather", "sh zero", "n", {"axis": 0}),
        ("Unsqueeze", "n ax", "nn"),
        ("Concat", "nn rest", "to", {"axis": 0}),
        ("Reshape", "x to", "f"),
        ("MatMul", "f w", "y"),
    ]
    stored = {"zero": np.array(0), "ax": np.array([0]), "rest": np.array([-1]), "w": normal(12, 2)}
    return Net(("N", 3, 4), nodes, stored)


def _branches() -> Net:
    nodes = [
        ("Conv", "x w", "a"),
        ("Conv", "x v", "b", {"pads": [1, 1, 1, 1]}),
        ("Concat", "a b", "c", {"axis": 1}),
        ("Relu", "c", "r"),
        ("GlobalAveragePool", "r", "g"),
        ("Flatten", "g", "y"),
    ]
    return Net(("N", 2, 4, 4), nodes, {"w": normal(2, 2, 1, 1), "v": normal(3, 2, 3, 3)})


def _channels_last() -> Net:
    """A network of TensorFlow: images with the channels last."""
    nodes = [
        ("Transpose", "x", "t", {"perm": [0, 3, 1, 2]}),
        ("Conv", "t w b", "c"),
        ("Transpose", "c", "l", {"perm": [0, 2, 3, 1]}),
        ("Relu", "l", "r"),
        ("Reshape", "r s", "f"),
        ("MatMul", "f d", "z"),
        ("Add", "z e", "y"),
    ]
    stored = {"w": normal(2, 3, 2, 2), "b": normal(2), "s": np.array([-1, 24]), "d": normal(24, 2), "e": normal(2)}
    return Net(("N", 4, 5, 3), nodes, stored)


def _chosen(*nodes: Any) -> Net:
    """Nodes that read `h`, made from the input, and numbers: q is 0, s and t are not."""
    stored = {"w": normal(3, 3), "q": np.array(0.0), "s": np.array([0.1, -0.3, 2.0]), "t": np.array([0.2, -0.1, 0.5])}
    ends = {"b": np.array([1]), "e": np.array([2]), "a": np.array([1])}
    return Net(("N", 3), [("MatMul", "x w", "h"), *nodes], {**stored, **ends})


NETS: Mapping[str, Callable[[], Net]] = {
    "mlp": mlp,
    "mlp_double": lambda: mlp(type=TensorProto.DOUBLE),
    "mlp_batch_1": lambda: mlp(shape=(1, 3)),
    "mlp_batch_7": lambda: mlp(shape=(7, 3)),
    "mlp_opset_7": lambda: mlp(opset=7),
    "mlp_opset_21": lambda: mlp(opset=21),
    "no_batch": lambda: Net(
        (3,), [("MatMul", "x w", "h"), ("Relu", "h", "r"), ("Add", "r b", "y")], {"w": normal(3, 2), "b": normal(2)}
    ),
    "gemm_without_c": lambda: Net(("N", 3), [("Gemm", "x w", "y")], {"w": normal(3, 2)}),
    "gemm_attributes": lambda: Net(
        ("N", 3),
        [("Gemm", "x w b", "y", {"alpha": 0.5, "beta": -2.0, "transB": 1})],
        {"w": normal(2, 3), "b": normal(2)},
    ),
    "gemm_scalar_c": lambda: Net(("N", 3), [("Gemm", "x w b", "y")], {"w": normal(3, 2), "b": normal(1)}),
    "gemm_trans_a": lambda: Net(
        (3, 1), [("Gemm", "x w b", "y", {"transA": 1})], {"w": normal(3, 2), "b": normal(1, 2)}
    ),
    "matmul_left": lambda: Net((1, 3, 4), [("MatMul", "w x", "y")], {"w": normal(2, 3)}),
    "matmul_rows": lambda: Net(
        ("N", 5, 3),
        [("MatMul", "x w", "h"), ("Add", "h b", "a"), ("Relu", "a", "y")],
        {"w": normal(3, 2), "b": normal(2)},
    ),
    "arithmetic": lambda: Net(
        ("N", 3),
        [
            *(("Sub", "one x", "a"), ("Mul", "a s", "b"), ("Div", "b t", "c"), ("Neg", "c", "d"), ("Add", "o d", "e")),
            *(("Relu", "e", "f"), ("Sub", "f o", "g"), ("Sum", "g g x", "y")),
        ],
        {"one": np.array(1.0), "s": normal(3), "t": normal(1, 3) + 4, "o": normal(3)},
    ),
    "residual": _residual,
    "residual_sub": lambda: Net(
        ("N", 3), [("MatMul", "x w", "h"), ("Relu", "h", "r"), ("Sub", "x r", "y")], {"w": normal(3, 3)}
    ),
    "same_twice": lambda: Net(("N", 3), [("Add", "x x", "h"), ("Relu", "h", "y")]),
    "broadcast_add": lambda: one("Add", ("N", 2, 3), {"q": normal(2, 1)}, "q"),
    "leaky_relu": lambda: one("LeakyRelu", ("N", 4)),
    "leaky_relu_steep": lambda: one("LeakyRelu", ("N", 4), alpha=1.5),
    "leaky_relu_falling": lambda: one("LeakyRelu", ("N", 4), alpha=-0.5),
    "prelu": lambda: one("PRelu", ("N", 4), {"q": np.array([0.1, -0.2, 0.3, 2.0])}, "q"),
    "prelu_one": lambda: one("PRelu", ("N", 2, 3), {"q": np.array([0.25])}, "q"),
    "prelu_channels": lambda: one("PRelu", ("N", 2, 2, 2), {"q": normal(2, 1, 1)}, "q"),
    "clip": lambda: one("Clip", ("N", 4), {"lo": np.array(-0.5), "hi": np.array(0.7)}, "lo hi"),
    "clip_low": lambda: one("Clip", ("N", 4), {"lo": np.array(-0.5)}, "lo"),
    "clip_nothing": lambda: one("Clip", ("N", 4)),
    "clip_attributes": lambda: one("Clip", ("N", 4), min=-0.5, max=1.5, opset=10),
    "clip_attribute_high": lambda: one("Clip", ("N", 4), max=0.5, opset=7),
    "relu6": lambda: one("Clip", ("N", 4), {"lo": np.array(0.0), "hi": np.array(6.0)}, "lo hi"),
    "abs": lambda: one("Abs", ("N", 4)),
    "neg": lambda: one("Neg", ("N", 4)),
    "sign": lambda: one("Sign", ("N", 4)),
    "hard_sigmoid": lambda: one("HardSigmoid", ("N", 4)),
    "hard_sigmoid_falling": lambda: one("HardSigmoid", ("N", 4), alpha=-0.4, beta=0.3),
    "max_constant": lambda: one("Max", ("N", 4), {"q": normal(4)}, "q"),
    "min_constant": lambda: one("Min", ("N", 4), {"q": np.array(0.3)}, "q"),
    "max_tensors": lambda: Net(
        ("N", 3),
        [("MatMul", "x w", "a"), ("MatMul", "x v", "b"), ("Max", "a b c", "y")],
        {"w": normal(3, 4), "v": normal(3, 4), "c": normal(4)},
    ),
    "min_tensors": lambda: Net(
        ("N", 3), [("MatMul", "x w", "a"), ("Min", "a x q", "y")], {"w": normal(3, 3), "q": np.array(0.5)}
    ),
    "conv": lambda: conv(3, 2, (3, 3), (5, 6)),
    "conv_no_bias": lambda: Net(("N", 2, 5, 5), [("Conv", "x w", "y")], {"w": normal(3, 2, 3, 2)}),
    "conv_pads": lambda: conv(2, 1, (3, 3), (5, 6), pads=[1, 0, 2, 1], strides=[2, 1]),
    "conv_dilated": lambda: conv(2, 1, (2, 3), (6, 7), dilations=[2, 2], pads=[1, 1, 1, 1]),
    "conv_pixels": lambda: Net(
        ("N", 1, 3, 3),
        [("Conv", "x w", "c"), ("Mul", "c q", "m"), ("Add", "m p", "a"), ("Relu", "a", "y")],
        {"w": normal(2, 1, 2, 2), "q": normal(2, 2, 2), "p": normal(2, 1)},
    ),
    "conv_groups": lambda: conv(4, 4, (3, 3), (4, 4), group=2),
    "conv_depthwise": lambda: conv(3, 3, (2, 2), (4, 4), group=3),
    "conv_same_upper": lambda: conv(2, 1, (2, 3), (5, 6), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv_same_lower": lambda: conv(2, 1, (2, 2), (5, 6), auto_pad="SAME_LOWER"),
    "conv_valid": lambda: conv(2, 1, (2, 2), (5, 6), auto_pad="VALID"),
    "conv_1d": lambda: conv(3, 2, (3,), (7,), pads=[1, 2], strides=[2]),
    "conv_wide_pad": lambda: conv(1, 1, (1, 1), (3, 3), pads=[1, 1, 1, 1]),
    "batch_norm": lambda: one("BatchNormalization", ("N", 4), bn(4), "s o m v"),
    "batch_norm_images": lambda: Net(
        ("N", 2, 3, 3),
        [("Relu", "x", "r"), ("BatchNormalization", "r s o m v", "n", {"epsilon": 0.01}), ("Relu", "n", "y")],
        bn(2),
    ),
    "batch_norm_input": lambda: Net(
        ("N", 3), [("BatchNormalization", "x s o m v", "n"), ("MatMul", "n w", "y")], {**bn(3), "w": normal(3, 2)}
    ),
    "max_pool": lambda: image("MaxPool", kernel_shape=[2, 3]),
    "max_pool_pads": lambda: image("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max_pool_uneven": lambda: image("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[0, 1, 1, 0]),
    "max_pool_ceil": lambda: image("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "max_pool_beyond": lambda: image("MaxPool", size=(3, 6), kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1),
    "max_pool_dilated": lambda: image("MaxPool", kernel_shape=[2, 2], dilations=[2, 3]),
    "max_pool_same": lambda: image("MaxPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "max_pool_1d": lambda: image("MaxPool", size=(7,), kernel_shape=[3], strides=[2]),
    "average_pool": lambda: image("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "average_pool_pads": lambda: image("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average_pool_counted": lambda: image("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "average_pool_uneven": lambda: image("AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[0, 1, 1, 0]),
    "average_pool_ceil": lambda: image("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, opset=19),
    "average_pool_ceil_counted": lambda: image(
        "AveragePool",
        size=(5, 5),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[0, 1, 1, 0],
        ceil_mode=1,
        count_include_pad=1,
        opset=19,
    ),
    "average_pool_1d": lambda: image("AveragePool", size=(7,), kernel_shape=[3], strides=[2]),
    "global_average_pool": lambda: image("GlobalAveragePool"),
    "global_max_pool": lambda: image("GlobalMaxPool", size=(3, 2)),
    "flatten": lambda: Net(("N", 2, 3), [("Flatten", "x", "f"), ("MatMul", "f w", "y")], {"w": normal(6, 2)}),
    "flatten_axis": lambda: Net(
        (2, 3, 2), [("Flatten", "x", "f", {"axis": 0}), ("MatMul", "f w", "y")], {"w": normal(12, 2)}
    ),
    "reshape_zero": lambda: Net(("N", 2, 3), [("Reshape", "x s", "f"), ("Relu", "f", "y")], {"s": np.array([0, -1])}),
    "dynamic_flatten": _dynamic_flatten,
    "squeeze": lambda: one("Squeeze", ("N", 1, 4), {"a": np.array([1])}, "a"),
    "squeeze_attribute": lambda: one("Squeeze", ("N", 1, 4), axes=[1], opset=11),
    "unsqueeze": lambda: one("Unsqueeze", ("N", 4), {"a": np.array([-1, 1])}, "a"),
    "unsqueeze_attribute": lambda: one("Unsqueeze", ("N", 4), axes=[2], opset=11),
    "transpose": lambda: one("Transpose", ("N", 2, 3), perm=[0, 2, 1]),
    "transpose_relu": lambda: Net(
        ("N", 2, 3),
        [
            ("Transpose", "x", "t", {"perm": [0, 2, 1]}),
            ("Relu", "t", "r"),
            ("Flatten", "r", "f"),
            ("MatMul", "f w", "y"),
        ],
        {"w": normal(6, 2)},
    ),
    "relu_then_min": lambda: Net(
        ("N", 3),
        [("MatMul", "x w", "h"), ("Relu", "h", "r"), ("Min", "r six", "m"), ("MatMul", "m v", "y")],
        {"w": normal(3, 4), "six": np.array(1.5), "v": normal(4, 2)},
    ),
    "min_then_relu": lambda: Net(
        ("N", 3),
        [("MatMul", "x w", "h"), ("Min", "h six", "m"), ("Relu", "m", "r"), ("MatMul", "r v", "y")],
        {"w": normal(3, 4), "six": np.array(1.5), "v": normal(4, 2)},
    ),
    "twins": lambda: Net(
        ("N", 3),
        [("Gemm", "x w b", "h"), ("MatMul", "x w", "g"), ("Relu", "g", "r"), ("Abs", "h", "a"), ("Add", "a r", "y")],
        {"w": normal(3, 4), "b": normal(4)},
    ),
    "cumulated": lambda: one("CumSum", ("N", 2, 4), {"i": np.array(2)}, "i"),
    "cumulated_back": lambda: one("CumSum", ("N", 4, 2), {"i": np.array(-2)}, "i", reverse=1, exclusive=1),
    "einsum": lambda: Net(
        ("N", 2, 3), [("Einsum", "x w", "e", {"equation": "bij,kj->bki"}), ("Relu", "e", "y")], {"w": normal(4, 3)}
    ),
    "einsum_diagonal": lambda: Net((1, 3, 3), [("Einsum", "x", "y", {"equation": "bii->bi"})]),
    "nearest": lambda: resized(nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
    "nearest_smaller": lambda: resized((1, 1, 0.7, 0.5)),
    "nearest_ceil": lambda: resized(
        (1, 1, 1.4, 2), nearest_mode="round_prefer_ceil", coordinate_transformation_mode="align_corners"
    ),
    "upsample": lambda: Net(
        ("N", 1, 3, 2), [("Upsample", "x s", "y")], {"s": np.array([1, 1, 2, 3], np.float32)}, opset=9
    ),
    "bilinear": lambda: resized(mode="linear"),
    "bilinear_corners": lambda: resized((1, 1, 2, 0.5), mode="linear", coordinate_transformation_mode="align_corners"),
    "bilinear_sizes": lambda: Net(
        (1, 2, 3, 4),
        [("Resize", "x e e s", "y", {"mode": "linear"})],
        {"e": np.zeros(0, np.float32), "s": np.array([1, 2, 5, 7])},
    ),
    "transposed": lambda: transposed((3, 4)),
    "transposed_strided": lambda: transposed((3, 4), strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 0]),
    "transposed_cut": lambda: transposed((3, 3), strides=[2, 2], pads=[2, 2, 2, 2]),
    "transposed_1d": lambda: transposed((5,), strides=[2]),
    "where_raised": lambda: _chosen(("Greater", "h t", "c"), ("Where", "c h t", "y")),
    "imputer": lambda: Net(
        ("N", 3),
        [
            (
                "Imputer",
                "x",
                "i",
                {"domain": "ai.onnx.ml", "imputed_value_floats": [0.5], "replaced_value_float": float("nan")},
            ),
            ("Relu", "i", "y"),
        ],
    ),
    "thresholded_relu": lambda: one("ThresholdedRelu", ("N", 4)),
    "identity": lambda: Net(("N", 3), [("Identity", "x", "y")]),
    "dropout": lambda: one("Dropout", ("N", 4)),
    "dropout_ratio": lambda: one("Dropout", ("N", 4), {"q": np.array(0.5)}, "q"),
    "dropout_opset_7": lambda: one("Dropout", ("N", 4), ratio=0.3, opset=7),
    "cast": lambda: one("Cast", ("N", 4), to="TYPE"),
    "constant_node": lambda: Net(("N", 3), [("Constant", "", "w", {"value": np.eye(3) * 2}), ("MatMul", "x w", "y")]),
    "constant_of_shape": lambda: Net(
        ("N", 3), [("ConstantOfShape", "s", "o", {"value": np.array([1.5])}), ("Add", "x o", "y")], {"s": np.array([3])}
    ),
    "folded_weights": lambda: Net(
        ("N", 3),
        [("Transpose", "w", "t"), ("Mul", "t q", "u"), ("Sqrt", "q", "z"), ("MatMul", "x u", "h"), ("Add", "h z", "y")],
        {"w": normal(2, 3), "q": np.abs(normal(2))},
    ),
    "concat": _branches,
    "concat_constant": lambda: Net(
        (1, 3),
        [("Concat", "x q", "c", {"axis": 1}), ("Relu", "c", "r"), ("MatMul", "r w", "y")],
        {"q": normal(1, 2), "w": normal(5, 2)},
    ),
    "concat_vectors": lambda: Net(
        ("N", 3),
        [("MatMul", "x w", "a"), ("Relu", "a", "r"), ("Concat", "x r a", "c", {"axis": -1}), ("MatMul", "c v", "y")],
        {"w": normal(3, 2), "v": normal(7, 2)},
    ),
    "slice": lambda: one(
        "Slice", ("N", 6), {"b": np.array([1]), "e": np.array([-1]), "a": np.array([1]), "t": np.array([2])}, "b e a t"
    ),
    "slice_back": lambda: one(
        "Slice",
        ("N", 6),
        {"b": np.array([-2]), "e": np.array([-100]), "a": np.array([1]), "t": np.array([-2])},
        "b e a t",
    ),
    "slice_attributes": lambda: one("Slice", ("N", 6), starts=[2], ends=[1000], axes=[1], opset=9),
    "split": lambda: Net(
        ("N", 5),
        [("Split", "x s", "a b", {"axis": 1}), ("Relu", "a", "c"), ("Concat", "b c", "y", {"axis": 1})],
        {"s": np.array([2, 3])},
    ),
    "split_even": lambda: Net(("N", 4), [("Split", "x", "a b", {"axis": 1}), ("Add", "a b", "y")]),
    "split_attribute": lambda: Net(
        ("N", 5), [("Split", "x", "a b", {"axis": 1, "split": [3, 2]}), ("Abs", "a", "y")], opset=11
    ),
    "split_outputs": lambda: Net(
        ("N", 5), [("Split", "x", "a b", {"axis": 1, "num_outputs": 2}), ("Abs", "b", "y")], opset=18
    ),
    "gather": lambda: Net(
        ("N", 5), [("Gather", "x i", "g", {"axis": 1}), ("Relu", "g", "y")], {"i": np.array([3, 0, 3])}
    ),
    "gather_nd": lambda: Net(
        (3, 4, 2), [("GatherND", "x i", "g"), ("Relu", "g", "y")], {"i": np.array([[2, 1], [0, 3], [-1, 1]])}
    ),
    "gather_one": lambda: Net(
        ("N", 2, 5), [("Gather", "x i", "g", {"axis": 1}), ("Relu", "g", "y")], {"i": np.array(1)}
    ),
    "pad_image": lambda: Net(
        ("N", 1, 3, 3),
        [("Pad", "x p", "a"), ("Conv", "a w", "y")],
        {"p": np.array([0, 0, 1, 2, 0, 0, 0, 1]), "w": normal(2, 1, 2, 2)},
    ),
    "pad_value": lambda: one("Pad", ("N", 4), {"p": np.array([0, 1, 0, 2]), "v": np.array(1.5)}, "p v"),
    "pad_reflect": lambda: one("Pad", ("N", 1, 3, 3), {"p": np.array([0, 0, 1, 1, 0, 0, 2, 1])}, "p", mode="reflect"),
    "pad_edge_attribute": lambda: one("Pad", ("N", 4), pads=[0, 1, 0, 2], mode="edge", opset=10),
    "pad_cuts": lambda: one("Pad", ("N", 5), {"p": np.array([0, -1, 0, 1])}, "p"),
    "pad_channels": lambda: Net(
        ("N", 2, 2, 2), [("Pad", "x p", "a"), ("Relu", "a", "y")], {"p": np.array([0, 1, 0, 0, 0, 0, 0, 0])}
    ),
    "reduce_mean": lambda: one("ReduceMean", ("N", 3, 4), axes=[1], keepdims=0),
    "reduce_mean_input": lambda: one("ReduceMean", ("N", 3, 4), {"a": np.array([-1])}, "a", opset=18),
    "reduce_sum": lambda: one("ReduceSum", ("N", 3, 4), {"a": np.array([1])}, "a", keepdims=0),
    "reduce_sum_attribute": lambda: one("ReduceSum", ("N", 3, 4), axes=[2], opset=11),
    "reduce_max": lambda: one("ReduceMax", ("N", 3, 4), axes=[2]),
    "reduce_min": lambda: one("ReduceMin", ("N", 3, 4), axes=[1], keepdims=0),
    "expand": lambda: one("Expand", ("N", 1, 3), {"q": np.array([1, 2, 1])}, "q"),
    "tile": lambda: one("Tile", ("N", 3), {"q": np.array([1, 2])}, "q"),
    "depth_to_space": lambda: image("DepthToSpace", channels=4, size=(2, 3), blocksize=2),
    "space_to_depth": lambda: image("SpaceToDepth", size=(4, 2), blocksize=2),
    "batch_7_reshape": lambda: Net(
        (7, 2, 3), [("Reshape", "x s", "f"), ("MatMul", "f w", "y")], {"s": np.array([7, 6]), "w": normal(6, 2)}
    ),
    "where_bend": lambda: _chosen(("Greater", "h q", "c"), ("Mul", "h s", "m"), ("Where", "c h m", "y")),
    "where_positive": lambda: _chosen(("Less", "h q", "c"), ("Where", "c q h", "y")),
    "where_bend_shifted": lambda: _chosen(
        ("Sub", "h t", "z"),
        ("GreaterOrEqual", "h t", "c"),
        ("Mul", "z s", "m"),
        ("Neg", "z", "n"),
        ("Where", "c n m", "y"),
    ),
    "where_levels": lambda: _chosen(("LessOrEqual", "h t", "c"), ("Where", "c s t", "y")),
    "comparison_cast": lambda: _chosen(
        ("Less", "h t", "c"), ("Not", "c", "n"), ("Cast", "n", "m", {"to": "TYPE"}), ("Sub", "m t", "y")
    ),
    "gated": lambda: _chosen(("Greater", "h t", "c"), ("Cast", "c", "m", {"to": "TYPE"}), ("Mul", "m x", "y")),
    "gated_by_one": lambda: _chosen(
        ("Slice", "h b e a", "g"), ("Greater", "g q", "c"), ("Where", "c s t", "m"), ("Mul", "x m", "y")
    ),
    "softmax_last": lambda: one("Softmax", ("N", 1, 4)),
    "softmax": lambda: one("Softmax", ("N", 4)),
    "log_softmax": lambda: one("LogSoftmax", ("N", 4), opset=11),
    "sigmoid": lambda: one("Sigmoid", ("N", 1)),
    "tanh": lambda: one("Tanh", ("N", 2)),
    "cnn": _cnn,
    "channels_last": _channels_last,
}
