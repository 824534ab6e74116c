"""Hand-written models, each for one corner of the language that a random model meets seldom."""

from __future__ import annotations

from pathlib import Path

from tests.meaning.generator import Model

SIGNS = "label label as {neg: -1, pos: +1}"


def model(layers: str, goal: str, *constraints: str, rows: str = "0,neg\n1,pos\n2,pos\n", truth: str = SIGNS) -> Model:
    """A model of one network `net` on the columns of `rows`; `;` ends a layer.

    `truth` declares the last columns, one or more separated by `;`, each under the second word of its declaration.
    """
    declared = truth.split("; ")
    names = [name for line in declared for name in line.split(" as ")[0].split(" ", 1)[1].split(", ")]
    columns = rows.splitlines()[0].count(",") + 1 - len(names)
    features = ", ".join(f"f{i}" for i in range(columns))
    lines = [
        "nnm 0.1",
        'data train = csv("rows.csv") {',
        f"  features {features}",
        *(f"  {line}" for line in declared),
        "}",
        f"network net(x: real[{columns}] in [-4, 4]) {{",
        *(f"  {line.strip()}" for line in layers.split(";")),
        "}",
        goal,
        *(f"constraint c{i}: {text}" for i, text in enumerate(constraints)),
    ]
    return Model("\n".join(lines) + "\n", {"rows.csv": f"{features.replace(' ', '')},{','.join(names)}\n{rows}"})


def stored() -> dict[str, Model]:
    """Random models that single faults of the encodings were found with, from the folder `models`."""
    folders = sorted((Path(__file__).parent / "models").iterdir())
    return {
        f"stored {folder.name}": Model(
            (folder / "model.nnm").read_text(encoding="utf-8"),
            {table.name: table.read_text(encoding="utf-8") for table in sorted(folder.glob("*.csv"))},
        )
        for folder in folders
    }


LINEAR = "layer o = dense(x, units: 1, weights in {w}, bias in {{-1, 0, 1}}); return o[0]"
HIDDEN = (
    "layer h = dense(x, units: 2, weights in {w}, bias in {{-1, 0, 1}}); layer a = relu(h{prune});"
    "layer o = dense(a, units: 1, weights in {v}); return o[0]"
)
PRUNE = ", prune: units"
SCORES = "layer o = dense(x, units: {k}, weights in {w}, bias in {b}); return o"
CLASSES = "label label as {a, b, c}"
ABC = "0,a\n1,b\n2,c\n1,c\n1,b\n"
TARGETS = "0,0\n1,2\n2,1\n1,0.5\n1,2\n"
XOR = "0,0,neg\n1,0,pos\n0,1,pos\n1,1,neg\n"

TWO = "0,1,neg\n1,0,pos\n2,1,pos\n1,2,neg\n"
KINDS = "0,red,neg\n1,blue,pos\n2,green,pos\n1,red,neg\n"


def one_hot(layers: str, goal: str, *constraints: str) -> Model:
    """A model whose second column has three kinds, so that the input has four entries."""
    plain = model(layers, goal, *constraints, rows=KINDS)
    text = plain.text.replace("features f0, f1", "features f0\n  features f1 as onehot").replace("real[2]", "real[4]")
    return Model(text, plain.tables)


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
"""Models in which units, filters above all, can change places or only seem so."""

CORNERS: dict[str, Model] = {
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
    "a rule between two weights": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) - hinge(net, train)",
        "net.o.weights[0, 0] >= 1 -> net.o.bias[0] <= -1",
    ),
    "a comparison that must fail": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize sum(net.weights)", "not (net.o.weights[0, 0] <= -1)"
    ),
    "one of two things must fail": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) + sum(net.biases)",
        "not (net.o.weights[0, 0] >= 1 and net.o.bias[0] >= 1)",
    ),
    "exactly one of two comparisons": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) + 0.5 * sum(net.biases)",
        "net.o.weights[0, 0] >= 1 xor net.o.bias[0] >= 1",
    ),
    "neither or both, at their worst": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize sum(net.weights) - 0.5 * sum(net.biases)",
        "net.o.weights[0, 0] >= 0 <-> net.o.bias[0] >= 1",
    ),
    "how many comparisons hold, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.weights)",
        "atmost(1, i in 0..1: net.h.weights[i, 0] >= 1)",
    ),
    "how many comparisons hold, from below": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize sum(net.h.weights) + hinge(net, train)",
        "atleast(1, i in 0..1: net.h.weights[i, 0] >= 1 and net.h.bias[i] >= 0)",
    ),
    "how many conjunctions hold, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.weights) + sum(net.h.bias)",
        "atmost(1, i in 0..1: net.h.weights[i, 0] >= 1 and net.h.bias[i] >= 1)",
    ),
    "how many exclusive choices hold": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.weights) - 0.5 * sum(net.h.bias)",
        "atmost(0, i in 0..1: net.h.weights[i, 0] >= 1 xor net.h.bias[i] >= 0)",
    ),
    **{
        f"a choice between numbers, {sense} where the condition {'holds' if held else 'fails'}": model(
            LINEAR.format(w="-2..2"),
            f"{sense} (if net.o.bias[0] >= 1 then net.o.weights[0, 0] else -1 * net.o.weights[0, 0])",
            f"net.o.bias[0] {'>= 1' if held else '<= 0'}",
        )
        for sense in ("minimize", "maximize")
        for held in (True, False)
    },
    "units that are active together": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "maximize count(used(net.a)) + sum(net.h.weights)",
        "forall s in train: atmost(1, active(net.a, s))",
    ),
    "a unit that is active somewhere": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "minimize sum(net.h.weights) + sum(net.h.bias)",
        "exists s in train: active(net.a[0], s)",
    ),
    "scores at rows": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize hinge(net, train)",
        'forall s in train where s.label = "pos": net(s) <= 0.5',
    ),
    "the largest weight, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 2}", prune=""), "minimize hinge(net, train)", "norm_inf(net.weights) <= 1"
    ),
    "the largest weight, from below": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{0, 1}", prune=""), "minimize l0(net.weights)", "norm_inf(net.h.weights) >= 1"
    ),
    "squares of integers": model(
        LINEAR.format(w="-4..4"), "minimize norm_2sq(net.weights) + 9 * hinge(net, train)", "sum(net.weights) >= 2"
    ),
    "squares of integers, from below": model(
        LINEAR.format(w="-4..4"), "minimize norm_1(net.weights)", "norm_2sq(net.weights) >= 5"
    ),
    "three classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"), "minimize hinge(net, train)", rows=ABC, truth=CLASSES
    ),
    "three classes with a hidden layer": model(
        "layer h = dense(x, units: 1, weights in {-1, 1}, bias in {-1, 0}); layer a = relu(h, prune: units);"
        "layer o = dense(a, units: 3, weights in {-1, 1}, bias in {0, 1}); return o",
        "minimize hinge(net, train, reduce: sum) + 0.1 * count(used(net.a))",
        rows=ABC,
        truth=CLASSES,
    ),
    "hinge of three classes maximised": model(
        SCORES.format(k=3, w="{-1, 1}", b="{0, 1}"),
        "maximize hinge(net, train) - 0.5 * norm_1(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes that tie": model(
        SCORES.format(k=3, w="{0, 1}", b="{0}"),
        "minimize zero_one(net, train) + 0.01 * l0(net.weights)",
        rows="0,a\n0,b\n1,c\n1,b\n1,c\n",
        truth=CLASSES,
    ),
    "a tie with a class before": model(
        SCORES.format(k=2, w="{0, 1}", b="{0}"),
        "minimize zero_one(net, train)",
        rows="0,b\n1,b\n",
        truth="label label as {a, b}",
    ),
    "a tie with a class after": model(
        SCORES.format(k=2, w="{0, 1}", b="{0}"),
        "maximize zero_one(net, train)",
        rows="0,a\n1,a\n",
        truth="label label as {a, b}",
    ),
    "classes, as wrong as can be": model(
        SCORES.format(k=3, w="{-1, 1}", b="{0, 1}"),
        "maximize zero_one(net, train, reduce: sum) - 0.25 * norm_1(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes, with an exact number of errors": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0}"),
        "maximize sum(net.weights)",
        "zero_one(net, train, reduce: sum) = 2",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes, with a margin of errors": model(
        SCORES.format(k=3, w="{-2, 1}", b="{0}"),
        "maximize zero_one(net, train, margin: 0.5)",
        rows=ABC,
        truth=CLASSES,
    ),
    "signs, as wrong as can be": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize zero_one(net, train) - 0.1 * norm_1(net.weights)",
        rows="0,pos\n0,neg\n1,neg\n-1,pos\n",
    ),
    "signs, wrong with a margin": model(
        LINEAR.format(w="{-1, 0, 1}"), "maximize zero_one(net, train, margin: 1)", rows="0,pos\n1,neg\n-1,pos\n"
    ),
    "a margin for signs": model(LINEAR.format(w="{-1, 0, 1}"), "maximize margin(net, train)"),
    "a margin for classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"),
        "maximize margin(net, train) - 0.01 * norm_1(net.weights)",
        rows="0,a\n1,b\n3,c\n",
        truth=CLASSES,
    ),
    "the worst margin": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 1}"),
        "minimize margin(net, train) + 0.5 * norm_1(net.weights)",
        rows="0,a\n1,b\n2,a\n",
        truth="label label as {b, a}",
    ),
    "a margin that is reached": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize l0(net.weights)", "margin(net, train) = -1"
    ),
    "targets that contradict each other": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize absolute(net, train)", rows=TARGETS, truth="target t"
    ),
    "errors as large as can be": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize absolute(net, train) - 0.5 * norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "two targets with weights": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize absolute(net, train, reduce: sum) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "the largest of several errors": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize max_error(net, train)",
        rows="0,1,2\n1,2,0\n1,2,-1\n",
        truth="target t, u",
    ),
    "the largest error made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize max_error(net, train) - norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "a row without weight": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize max_error(net, train) + absolute(net, train)",
        rows="0,0,1\n1,1,2\n1,7,0\n2,2,1\n",
        truth="target t; weight v",
    ),
    "weights of the rows": model(
        LINEAR.format(w="{-1, 1}"),
        "minimize zero_one(net, train) + 0.25 * hinge(net, train, reduce: sum)",
        rows="1,neg,5\n1,pos,1\n-1,pos,2\n-1,neg,1\n",
        truth=f"{SIGNS}; weight v",
    ),
    "a quantile below the middle": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize quantile(net, train, level: 0.2)", rows=TARGETS, truth="target t"
    ),
    "a quantile as bad as can be": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "maximize quantile(net, train, level: 0.9, reduce: sum) - 0.5 * norm_1(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "errors beyond a tube": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize eps_insensitive(net, train, eps: 0.5) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "errors beyond a tube, made large": model(
        LINEAR.format(w="-2..2"),
        "maximize eps_insensitive(net, train, eps: 0.75) - norm_1(net.weights)",
        rows="-2,2\n1,-2\n1,0\n",
        truth="target t",
    ),
    "errors on both sides of a tube": model(
        LINEAR.format(w="{-1, 1}"),
        "minimize eps_insensitive(net, train, eps: 0.5)",
        rows="0,2\n0,-2\n1,0\n",
        truth="target t",
    ),
    "errors on both sides of a tube, made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize eps_insensitive(net, train, eps: 1.5) - 0.1 * norm_1(net.weights)",
        rows="0,1\n0,-1\n1,0\n-2,0.5\n",
        truth="target t",
    ),
    "errors below a tube, made large": model(
        LINEAR.format(w="{-1, 0}"), "maximize eps_insensitive(net, train, eps: 2)", rows="1,4\n2,1\n", truth="target t"
    ),
    "outputs clearly on their sides": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{-1, 0, 1}"),
        "minimize sat_margin(net, train, margin: 0.2) + 0.01 * l0(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "outputs that are on no side": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{-1, 1}"),
        "maximize sat_margin(net, train, margin: 0.1, reduce: sum) - 0.5 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,b,0\n",
        truth="label label as {a, b}; weight v",
    ),
    "one output on its side": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize sat_margin(net, train, margin: 0.4) + 0.01 * norm_1(net.weights)"
    ),
    **FILTERS,
    "squares of few errors": model(
        LINEAR.format(w="-2..2"),
        "minimize squared(net, train) + 0.1 * norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "squares of errors, made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize squared(net, train, reduce: sum) - 2 * norm_1(net.weights)",
        rows="-2,2,1\n1,-2,2\n1,0,1\n1,1,0\n",
        truth="target t; weight v",
    ),
    "squares of errors of two outputs": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize squared(net, train) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "squares of a given size": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) - 0.3 * sum(net.biases)",
        "squared(net, train) = 0.75",
        rows="0,1\n1,1\n2,0\n-1,1\n",
        truth="target t",
    ),
    "squares of many errors": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=PRUNE),
        "minimize squared(net, train) + 0.01 * l0(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "squares of many errors, not too large": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=""),
        "minimize norm_1(net.weights)",
        "squared(net, train) <= 0.6",
        rows=TARGETS,
        truth="target t",
    ),
    "an elastic net with factors for each layer": model(
        HIDDEN.format(w="{-1, 0, 0.5, 1}", v="{-1, 0, 2}", prune=""),
        "minimize squared(net, train) + 0.1 * norm_1(net.h.weights) + 0.05 * norm_2sq(net.h.weights)"
        " + 0.02 * l0(net.o.weights) + 0.03 * norm_2sq(net.o.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "probabilities of few scores": model(
        LINEAR.format(w="-2..2"),
        "minimize logistic(net, train) + 0.05 * norm_1(net.weights)",
        rows="0,neg,1\n1,pos,2\n2,pos,1\n1,neg,1\n-1,pos,0\n",
        truth=f"{SIGNS}; weight v",
    ),
    "probabilities, made small": model(
        LINEAR.format(w="-2..2"), "maximize logistic(net, train, reduce: sum) - 0.6 * norm_1(net.weights)"
    ),
    "probabilities of three classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"),
        "minimize logistic(net, train) + 0.05 * l0(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "probabilities of three classes with few scores": model(
        SCORES.format(k=3, w="{0, 1}", b="{0, 1}"),
        "minimize logistic(net, train) + 0.02 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n0,c,1\n1,c,1\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of three classes, made small": model(
        SCORES.format(k=3, w="{0, 1}", b="{0}"),
        "maximize logistic(net, train) - 0.2 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,c,0\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of many scores": model(
        SCORES.format(k=3, w="{-1, 0, 0.3}", b="{0, 0.7}"),
        "minimize logistic(net, train, reduce: sum) + 0.1 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,c,3\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of many scores, large enough or no weights": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=PRUNE),
        "minimize l0(net.weights)",
        "logistic(net, train) <= 0.55 or norm_1(net.weights) >= 5",
    ),
    **stored(),
}

STAGED: dict[str, Model] = {
    "few weights, then large ones": model(
        LINEAR.format(w="-2..2"), "minimize l0(net.weights) then maximize sum(net.biases) then sum(net.weights)"
    ),
    "large weights, then few errors": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "maximize sum(net.weights) then minimize hinge(net, train) then norm_1(net.biases)",
    ),
    "small weights, then large ones": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize zero_one(net, train) then maximize norm_1(net.weights) then minimize l0(net.weights)",
    ),
    "a goal whose best values lie close together": model(
        LINEAR.format(w="-4..4"),
        "minimize hinge(net, train) + 0.001 * norm_1(net.weights) then maximize sum(net.weights)",
    ),
    "a goal whose greatest values lie close together": model(
        LINEAR.format(w="-2..2"),
        "maximize 0.001 * norm_1(net.weights) - hinge(net, train) / 7 then minimize sum(net.weights) + sum(net.biases)",
    ),
    "the same goal twice": model(
        LINEAR.format(w="-2..2"), "minimize l0(net.weights) then l0(net.weights) then maximize norm_1(net.biases)"
    ),
    "a goal with a single value": model(
        LINEAR.format(w="-2..2"), "minimize 3 + 0 * sum(net.weights) then maximize sum(net.weights)"
    ),
    "a choice, then a comparison": model(
        LINEAR.format(w="-2..2"),
        "maximize (if net.o.weights[0, 0] >= 1 then 2 else norm_1(net.weights)) then minimize sum(net.weights)"
        " then maximize (if net.o.bias[0] = 0 then 1 else 0)",
    ),
}
"""Models with goals in order of importance."""
