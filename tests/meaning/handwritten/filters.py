"""Models in which units, filters above all, can change places or only seem so."""

from __future__ import annotations

from tests.meaning.generator import Model
from tests.meaning.handwritten.model import model

FILTERS: dict[str, Model] = {
    "filters that read different channels": model(
        "layer i = reshape(x, shape: [2, 1, 1]); layer r = relu(conv2d(i, filters: 2, kernel: 1, groups: 2,"
        " weights in {-1, 0, 1})); layer o = dense(flatten(r), units: 1, weights in {1}, bias in {-1}); return o[0]",
        "minimize hinge(net, train)",
        rows="-2,0,pos\n0,2,pos\n2,-2,neg\n",
    ),
    "filters that different filters read": model(
        "layer i = reshape(x, shape: [1, 1, 1]); layer c = conv2d(i, filters: 2, kernel: 1, weights in {-1, 0, 1});"
        " layer r = relu(c); layer s = relu(conv2d(r, filters: 2, kernel: 1, groups: 2, weights in {1}));"
        " layer o = dense(flatten(s), units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train)",
        "net.o.weights[0, 0] >= 1",
        "net.o.weights[0, 1] <= -1",
        rows="-1,pos\n1,neg\n",
    ),
    "units that are added to others": model(
        "layer a = relu(dense(x, units: 2, weights in {-1, 1})); layer k = dense(x, units: 2, weights in {-1, 1});"
        " layer s = relu(add(a, k)); layer o = dense(s, units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train, margin: 2)",
        "net.k.weights[0, 0] <= -1",
        "net.k.weights[1, 0] >= 1",
        rows="-1,pos\n1,neg\n",
    ),
    "filters that a pool and a rule read": model(
        "layer i = reshape(x, shape: [1, 2, 2]); layer c = conv2d(i, filters: 2, kernel: [1, 2], weights in {-1, 0, 1},"
        " bias in {-1, 0}); layer r = relu(c, prune: filters); layer p = maxpool2d(r, kernel: [2, 1]);"
        " layer o = dense(flatten(p), units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train) + 0.1 * l0(net.weights) + 0.2 * net.c.weights[0, 0, 0, 1]",
        "forall f in 0..1: used(net.r[f]) -> net.c.bias[f] <= 0",
        rows="1,0,0,1,pos\n0,1,1,0,neg\n1,1,0,0,pos\n",
    ),
    "units inside a block that can be left out": model(
        "layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {-1, 0.5}); layer a = relu(h, prune: units);"
        " layer b = dense(a, units: 1, weights in {-1, 1}, bias in {0, 1}, optional: true, skip: x);"
        " layer o = dense(b, units: 1, weights in {-1, 1}, bias in {-1, 0}); return o[0]",
        "minimize hinge(net, train) + 0.1 * l0(net.weights) + 0.2 * count(used(net.b))",
        rows="-1,pos\n0,neg\n1,pos\n",
    ),
    "filters inside a block that must be left out": model(
        "layer i = reshape(x, shape: [1, 1, 2]); layer r = relu(conv2d(i, filters: 2, kernel: 1, weights in {1, 2},"
        " bias in {1}), prune: filters); layer k = conv2d(r, filters: 1, kernel: 1, weights in {-1, 1});"
        " layer b = relu(k, optional: true, skip: i);"
        " layer o = dense(flatten(b), units: 1, weights in {-1, 1}); return o[0]",
        "maximize l0(net.weights) - hinge(net, train)",
        "not used(net.b)",
        rows="0,1,neg\n1,0,pos\n",
    ),
    "units that stand in for a block": model(
        "layer a = relu(dense(x, units: 2, weights in {-1, 1})); layer k = dense(a, units: 2, weights in {0, 1});"
        " layer b = relu(k, optional: true, skip: a); layer o = dense(b, units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train) + 0.1 * count(used(net.b))",
        "net.k.weights[0, 0] >= 1",
        "net.k.weights[1, 1] <= 0",
        "net.o.weights[0, 0] >= 1",
        "net.o.weights[0, 1] <= -1",
        rows="-1,pos\n1,neg\n",
    ),
}
