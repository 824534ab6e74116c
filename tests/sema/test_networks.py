"""Networks: layers, shapes, decisions, results."""

from __future__ import annotations

import numpy as np
import pytest

from nnmip.diagnostics import Severity
from nnmip.hir.core import Network
from tests.sema.models import NETWORK, build, messages, read


def network(body: str, input_type: str = "real[2]") -> Network:
    return build(f"network n(x: {input_type} in [0, 1]) {{ {body} }} satisfy").network("n")


def test_layers_shapes_and_decisions() -> None:
    net = build(f"{NETWORK} satisfy").network("clf")
    assert [(layer.name, layer.path, layer.op, layer.inputs, layer.shape) for layer in net.layers] == [
        ("h", "clf.h", "dense", ("x",), (3,)),
        ("a", "clf.a", "relu", ("h",), (3,)),
        ("o", "clf.o", "dense", ("a",), (1,)),
    ]
    assert [(d.path, d.role, d.shape, str(d.domain)) for d in net.decisions] == [
        ("clf.h.weights", "weights", (3, 2), "[-2, 2]"),
        ("clf.h.bias", "bias", (3,), "[-1, 1]"),
        ("clf.o.weights", "weights", (1, 3), "{-1, 0, 1}"),
        ("clf.o.bias", "bias", (1,), "[-1, 1]"),
    ]
    assert [layer.prune for layer in net.layers] == [None, "units", None]
    assert (net.input_name, net.input_shape, str(net.input_domain)) == ("x", (2,), "[0, 1]")
    assert (net.result_layer, net.output_shape, int(net.result_index)) == ("o", (), 0)


def test_origins_point_at_the_declaration() -> None:
    net = build(f"{NETWORK} satisfy").network("clf")
    assert net.origin.span.text == "clf"
    assert net.layer("a").origin.span.text == "a = relu(h, prune: units)"
    assert net.decisions[2].origin.span.text == "weights in {-1, 0, 1}"


def test_layer_written_as_an_argument_is_a_layer_of_its_own() -> None:
    net = network("layer a = relu(dense((x), units: 2, weights in [-1, 1]), prune: units) return a")
    assert [(layer.name, layer.path, layer.inputs) for layer in net.layers] == [
        ("a.dense", "n.a.dense", ("x",)),
        ("a", "n.a", ("a.dense",)),
    ]
    assert [d.path for d in net.decisions] == ["n.a.dense.weights"]


@pytest.mark.parametrize("name", ["n.a.dense", "n.a"])
def test_attributes_reach_a_layer_written_as_an_argument(name: str) -> None:
    """The only weights of a line can go by its name."""
    text = (
        "network n(x: real[2] in [0, 1]) { layer a = relu(dense(x, units: 3, weights in [-1, 1])) return a }\n"
        f"satisfy constraint c: {name}.weights[2, 1] >= 0"
    )
    (part,) = build(text).constraints[0].parts
    assert part.left.shape == () and part.left.base.decision.path == "n.a.dense.weights"
    assert int(part.left.index) == 5


def test_a_layer_with_weights_has_its_own_and_not_those_of_its_argument() -> None:
    text = (
        "network n(x: real[2] in [0, 1]) {\n"
        "  layer a = dense(relu(dense(x, units: 3, weights in [-1, 1], bias in {0})), units: 1, weights in {1})\n"
        "  return a }\nsatisfy constraint c: n.a.weights[0, 2] >= 0\n"
    )
    (part,) = build(text).constraints[0].parts
    assert part.left.base.decision.path == "n.a.weights"
    assert messages(text + "constraint d: n.a.bias[0] >= 0") == ["NNM0201 layer `a` has no `bias`"]


def test_bias_is_left_out_where_it_has_no_domain() -> None:
    assert [d.role for d in network("layer o = dense(x, units: 1, weights in [-1, 1]) return o").decisions] == [
        "weights"
    ]


@pytest.mark.parametrize(
    ("result", "index"),
    [("o", [0, 1, 2]), ("o[1]", 1), ("(o[0:2])", [0, 1]), ("o[:]", [0, 1, 2]), ("o[0:3:2]", [0, 2])],
)
def test_results(result: str, index: int | list[int]) -> None:
    net = network(f"layer o = dense(x, units: 3, weights in [-1, 1]) return {result}")
    assert net.result_index.tolist() == index
    assert net.output_shape == np.shape(index)


def test_sizes_may_be_parameters() -> None:
    program = build(
        "param n : int = 2 param units : int = n + 1\n"
        "network net(x: real[n] in [0, n]) { layer o = dense(x, units: units, weights in -n..n) return o } satisfy"
    )
    net = program.network("net")
    assert net.decisions[0].shape == (3, 2)
    assert net.decisions[0].domain.values == (-2.0, -1.0, 0.0, 1.0, 2.0)
    assert net.input_domain.hi == 2.0


def test_free_weights_after_known_numbers_are_no_product() -> None:
    net = network("layer r = relu(x) layer o = dense(r, units: 1, weights in [-1, 1]) return o[0]")
    assert [layer.name for layer in net.layers] == ["r", "o"]


def test_product_of_free_weights_names_both_places() -> None:
    _, (found,) = read(
        "network n(x: real[2] in [0, 1]) {\n"
        "  layer h = dense(x, units: 1, weights in {0, 1}, bias in [-1, 1])\n"
        "  layer o = dense(relu(h), units: 1, weights in [-1, 1])\n"
        "  return o }\nsatisfy"
    )
    assert found.code == "NNM0312"
    assert found.span.text == "weights in [-1, 1]"
    assert [(label.span.text, label.text) for label in found.secondary] == [
        ("weights in {0, 1}", "`o.relu` depends on these")
    ]


def test_unread_layer_is_a_warning() -> None:
    program, (found,) = read(
        "network n(x: real[2] in [0, 1]) {\n"
        "  layer o = dense(x, units: 1, weights in [-1, 1])\n"
        "  layer p = relu(o)\n"
        "  return o }\nsatisfy"
    )
    assert program is not None
    assert (found.code, found.severity, found.span.text) == ("NNM0208", Severity.WARNING, "p = relu(o)")
    assert found.message == "nothing reads layer `p`"
    assert found.help == "`o` is returned; remove `p`, or read it"


def test_every_broken_layer_is_reported_once() -> None:
    text = (
        "network n(x: real[2] in [0, 1]) {\n"
        "  layer a = dense(x, unit: 2)\n"
        "  layer b = relu(a)\n"
        "  layer c = tanh(b)\n"
        "  layer d = dense(c, units: 0, weights in [-1, 1])\n"
        "  return d[7] }\nsatisfy constraint z: n.a.weights[0, 0] <= n.q"
    )
    assert messages(text) == [
        "NNM0204 `dense` has no option `unit`",
        "NNM0203 no layer is called `tanh`",
        "NNM0205 `units` must be at least 1, not 0",
    ]
