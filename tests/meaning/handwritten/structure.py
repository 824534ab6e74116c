"""Layers, units that are left out, features, and rows."""

from __future__ import annotations

from tests.meaning.generator import Model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, PRUNE, TWO, XOR, model, one_hot

STRUCTURE: dict[str, Model] = {
    "l0 of integers without a negative value, maximised": model(
        LINEAR.format(w="0..4"), "maximize l0(net.weights) - hinge(net, train)", "sum(net.o.weights) <= 0"
    ),
    "l0 of integers without a positive value, at least": model(
        LINEAR.format(w="-4..0"), "minimize hinge(net, train)", "l0(net.weights) >= 1"
    ),
    "stable unit whose bound is exactly 0": model(
        "layer h = dense(x, units: 2, weights in {0, 1}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in {0, 1}); return o[0]",
        "minimize hinge(net, train)",
    ),
    "coefficients that nearly cancel": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize hinge(net, train)",
        "0.1 * net.o.weights[0, 0] + 0.2 * net.o.weights[0, 0] - 0.3 * net.o.weights[0, 0] + net.o.bias[0] <= 0",
    ),
    "unit named by a slice that starts the layer": model(
        "layer h = dense(x, units: 2, weights in {0, 1}); layer o = dense(h, units: 1, weights in {0, 1}); return o[0]",
        "maximize count(used(net.h)) - 0.25 * l0(net.weights)",
        "count(used(net.h[0:1])) <= 0",
    ),
    "unit named alone": model(
        "layer h = dense(x, units: 2, weights in {0, 1}); layer o = dense(h, units: 1, weights in {0, 1}); return o[0]",
        "maximize count(used(net.h)) - 0.25 * l0(net.weights)",
        "count(used(net.h[0])) <= 0",
    ),
    "units pruned below another activation": model(
        "layer h = dense(x, units: 2, weights in {-1, 1}, bias in {-1, 1}); layer a = relu(h, prune: units);"
        "layer b = relu(a); layer o = dense(b, units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train) + 0.1 * norm_1(net.weights)",
    ),
    "pruned units with weights that cannot be 0": model(
        HIDDEN.format(w="{1, 2}", v="{-2, -1}", prune=PRUNE), "minimize hinge(net, train) + 0.2 * l0(net.weights)"
    ),
    "both layers pruned, weights between them without 0": model(
        "layer h = dense(x, units: 2, weights in {-1, 1}); layer a = relu(h, prune: units);"
        "layer k = dense(a, units: 2, weights in {1, 2}); layer b = relu(k, prune: units);"
        "layer o = dense(b, units: 1, weights in {-1, 1}, bias in {-1, 1}); return o[0]",
        "minimize hinge(net, train) + 0.05 * norm_1(net.weights)",
    ),
    "weights into a removed unit, which cannot be 0, as large as possible": model(
        "layer h = dense(x, units: 1, weights in {-1, 1}); layer a = relu(h, prune: units);"
        "layer k = dense(a, units: 1, weights in {1, 2}); layer b = relu(k, prune: units);"
        "layer o = dense(b, units: 1, weights in {-1, 1}, bias in {-1, 1}); return o[0]",
        "maximize norm_1(net.k.weights) - hinge(net, train)",
        "count(used(net.b)) <= 0",
    ),
    "weights out of a removed unit, which cannot be 0, as large as possible": model(
        "layer h = dense(x, units: 1, weights in {-1, 1}); layer a = relu(h, prune: units);"
        "layer k = dense(a, units: 1, weights in {1, 2}, bias in {1}); layer b = relu(k, prune: units);"
        "layer o = dense(b, units: 1, weights in {-1, 1}, bias in {-1, 1}); return o[0]",
        "maximize norm_1(net.k.weights) - hinge(net, train)",
        "count(used(net.a)) <= 0",
    ),
    "pruned result": model(
        "layer h = dense(x, units: 1, weights in {-1, 1}, bias in {1, 2}); layer a = relu(h, prune: units);return a[0]",
        "minimize hinge(net, train) + 0.01 * count(used(net.a))",
    ),
    "exclusive or": model(
        "layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {-1, 0}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in {-2, 2}, bias in {-1}); return o[0]",
        "minimize hinge(net, train) + 0.001 * l0(net.weights)",
        rows=XOR,
    ),
    "scores on the threshold": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize zero_one(net, train)", rows="0,pos\n0,neg\n1,neg\n-1,pos\n"
    ),
    "hinge maximised": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""), "maximize hinge(net, train)", "norm_1(net.weights) <= 3"
    ),
    "bits in a deep layer, pruned": model(
        HIDDEN.format(w="{-1, 1}", v="1..5", prune=PRUNE), "minimize hinge(net, train, margin: 3)"
    ),
    "bits in a deep layer with a last value below a power of two": model(
        HIDDEN.format(w="{-1, 1}", v="-2..2", prune=""), "minimize hinge(net, train, margin: 9) - 0.1 * l0(net.weights)"
    ),
    "a hidden layer of linear units": model(
        "layer h = dense(x, units: 2, weights in {-1, 0, 1}); layer o = dense(h, units: 1, weights in {-1, 0, 0.5},"
        " bias in {-1, 1}); return o[0]",
        "minimize hinge(net, train) + 0.1 * count(used(net.h))",
        rows="-1,neg\n1,pos\n0,neg\n0,pos\n",
    ),
    "sparsity as a floor": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 0, 1}", prune=PRUNE),
        "minimize norm_1(net.weights) + hinge(net, train)",
        "count(used(net.a)) >= 1",
        "l0(net.h.weights) = 1",
    ),
    "few features, as much weight as can be": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize norm_1(net.h.weights) - hinge(net, train)",
        "features(net) <= 1",
        rows=TWO,
    ),
    "a feature that must be read, as little weight as can be": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "minimize norm_1(net.h.weights) + 0.1 * norm_1(net.o.weights) + 0.01 * hinge(net, train)",
        "used(net.x[f1])",
        rows=TWO,
    ),
    "one feature only with the other": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize hinge(net, train)",
        "used(net.x[f0]) -> used(net.x[f1])",
        "not used(net.x[f1])",
        rows=TWO,
    ),
    "features of pruned units, which have weights that cannot be 0": model(
        HIDDEN.format(w="{-1, 1}", v="{-1, 1}", prune=PRUNE),
        "minimize hinge(net, train) + 0.3 * features(net)",
        rows=TWO,
    ),
    "a one-hot column counts once, from above": one_hot(
        LINEAR.format(w="{-1, 0, 1}"), "maximize norm_1(net.weights) - hinge(net, train)", "features(net) <= 1"
    ),
    "a one-hot column counts once, from below": one_hot(
        LINEAR.format(w="{-1, 0, 1}"), "minimize norm_1(net.weights) + 0.01 * hinge(net, train)", "features(net) >= 2"
    ),
    "a one-hot column in a rule": one_hot(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize features(net) - hinge(net, train) - 0.1 * l0(net.weights)",
        "used(net.x[f1]) -> not used(net.x[f0])",
        'used(net.x["f1_blue"])',
    ),
    "units told apart by a number": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize sum(net.h.bias) + 0.1 * hinge(net, train)",
        "forall j in units(net.a): net.h.bias[j] >= j",
    ),
    "a bias named alone": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.bias) - 0.1 * hinge(net, train)",
        "net.h.bias[0] <= -1",
    ),
    "a unit that is told apart at rows": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.bias) - 0.1 * hinge(net, train)",
        "forall s in train: not active(net.a[0], s)",
    ),
    "units treated alike": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "minimize hinge(net, train) + 0.1 * norm_1(net.weights)",
        "forall j in units(net.a): used(net.a[j]) -> net.h.bias[j] >= 0 or exists s in train: active(net.a[j], s)",
        "forall s in train: atmost(1, active(net.a, s))",
        rows="0,pos\n1,neg\n2,neg\n",
    ),
    "a single value": model(LINEAR.format(w="{0.5}"), "minimize hinge(net, train) + l0(net.weights)"),
    "rows that contradict each other": model(
        LINEAR.format(w="{-1, 1}"), "minimize hinge(net, train)", rows="1,neg\n1,pos\n1,pos\n-1,pos\n"
    ),
    "infeasible": model(LINEAR.format(w="{-1, 1}"), "minimize hinge(net, train)", "l0(net.weights) <= 0"),
    "infeasible without a decision": model(
        LINEAR.format(w="{0.5}"), "minimize hinge(net, train)", "2 * net.o.weights[0, 0] >= 2"
    ),
    "infeasible in one entry of two": model(
        "layer o = dense(x, units: 2, weights in {0.5}, bias in {-1, 1}); return o[0]",
        "minimize hinge(net, train)",
        "[2, 0] * net.o.weights[:, 0] + [0, 1] * net.o.bias >= [2, -1]",
    ),
    "bits of weights that multiply nothing": model(
        "layer h = dense(x, units: 1, weights in {-2, -1}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in 0..4); return o[0]",
        "maximize sum(net.weights) - hinge(net, train)",
    ),
    "a lower limit written as an upper one": model(
        LINEAR.format(w="-2..2"), "minimize 3 * l0(net.weights) + hinge(net, train)", "3 - norm_1(net.weights) <= 1"
    ),
    "units on a line whose inputs coincide": model(
        "layer k = dense(x, units: 1, weights in {1}); layer b = relu(k);"
        "layer h = dense(b, units: 1, weights in {-1, 1}, bias in {-1, 0, 1}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in {-1, 1}); return o[0]",
        "minimize hinge(net, train)",
        rows="-3,pos\n-2,neg\n-1,pos\n1,neg\n2,pos\n",
    ),
    "rows on a line that almost coincide": model(
        HIDDEN.format(w="{-1, 1}", v="{-1, 1}", prune=""),
        "minimize hinge(net, train)",
        rows="0.5,pos\n0.5000000001,neg\n1,pos\n-1,neg\n",
    ),
    "an order of rows that no unit has": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-2, 2}", prune=PRUNE),
        "minimize hinge(net, train)",
        rows="-1,pos\n0,neg\n1,pos\n2,neg\n",
    ),
}
