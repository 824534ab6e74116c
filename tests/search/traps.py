"""Models in which a search over columns can go wrong, by what is easily overlooked."""

from __future__ import annotations

from tests.meaning.generator import Model

BINARY = "f0,f1,label\n-1,1,neg\n0,1,pos\n1,0,neg\n1,1,pos\n0,0,pos\n"
TARGETS = "f0,f1,t\n-1,1,0\n0,1,1.5\n1,0,-1\n1,1,2\n"
CLASSES = "f0,f1,label\n-1,1,a\n0,1,b\n1,0,a\n1,1,c\n0,0,b\n"
LEVEL = "f0,f1,t\n0,0,3\n1,1,3\n"
APART = "f0,f1,t\n0,0,3\n9,9,3\n"
"""A unit that gives a constant fits it; any other is off by 9."""
FIELDS = {
    BINARY: "label label as {neg: -1, pos: +1}",
    TARGETS: "target t",
    CLASSES: "label label as {a, b, c}",
    LEVEL: "target t",
    APART: "target t",
}


def trap(
    goal: str,
    *rules: str,
    table: str = BINARY,
    hidden: str = "units: 2, weights in {-1, 0, 1}, bias in {-1, 0, 1}",
    activation: str = "relu(h)",
    out: str = "weights in {-1, 0, 1}, bias in [-20, 20]",
    field: str = "",
    result: str = "",
) -> Model:
    """A model of two features and one hidden layer."""
    outputs = 3 if table == CLASSES else 1
    lines = [
        "nnm 0.1",
        'data train = csv("train.csv") {',
        "  features f0, f1",
        f"  {FIELDS[table]}",
        f"  {field}",
        "}",
        "network net(x: real[2] in [-9, 9]) {",
        f"  layer h = dense(x, {hidden})",
        f"  layer a = {activation}",
        f"  layer o = dense(a, units: {outputs}, {out})",
        f"  return {result or ('o' if table == CLASSES else 'o[0]')}",
        "}",
        goal,
        *(f"constraint c{i}: {rule}" for i, rule in enumerate(rules)),
    ]
    return Model("\n".join(lines) + "\n", {"train.csv": table})


NARROW = "weights in {-1, 0, 1}, bias in [-0.25, 0.25]"

TRAPS = {
    # A narrow box of output biases: a column stands for others that differ by a constant only as far as biases reach.
    "constant columns": trap(
        "minimize hinge(net, train) + 0.01 * l0(net.weights)",
        hidden="units: 2, weights in {-1, 0, 1}, bias in {1, 2}",
        activation="step(h)",
        out=NARROW,
    ),
    "the cheapest of columns equal up to a constant": trap(
        "minimize absolute(net, train) + 0.01 * norm_1(net.h.bias)",
        table=TARGETS,
        hidden="units: 2, weights in {0, 1}, bias in {1, 2, 3}",
        out=NARROW,
    ),
    "a constant that only a unit gives": trap(
        "minimize absolute(net, train)",
        table=LEVEL,
        hidden="units: 1, weights in {0, 1}, bias in {1, 2, 3}",
        out=NARROW,
    ),
    "a constant, or rows far apart": trap(
        "minimize absolute(net, train)",
        table=APART,
        hidden="units: 1, weights in {0, 1}, bias in {1, 2, 3}",
        out=NARROW,
    ),
    "classes in a narrow box": trap(
        "minimize hinge(net, train) + 0.02 * l0(net.weights) + 0.01 * sum(net.h.bias)",
        table=CLASSES,
        hidden="units: 2, weights in {-1, 0, 1}, bias in {1, 2}",
        activation="step(h)",
        out=NARROW,
    ),
    "output weights that shift all scores alike": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights) - 0.2 * sum(net.h.weights[:, 0])",
        table=CLASSES,
        activation="relu(h, prune: units)",
        out="weights in {1}, bias in [-20, 20]",
    ),
    # Units that do nothing for the scores, and are needed by a rule on several units.
    "an idle unit reads a feature": trap(
        "minimize hinge(net, train) + 0.05 * l0(net.weights)", "used(net.x[0])", "count(used(net.a)) <= 1"
    ),
    "a feature that is not read": trap("minimize hinge(net, train)", "not used(net.x[0])", "l0(net.weights) <= 3"),
    "features that are read": trap("minimize hinge(net, train) - 0.1 * l0(net.h.weights)", "features(net) <= 1"),
    "an idle unit has weights": trap("minimize hinge(net, train) + 0.05 * l0(net.weights)", "l0(net.h.weights) >= 4"),
    "an idle unit has to have weights": trap(
        "minimize hinge(net, train) + l0(net.o.weights)", "l0(net.h.weights) >= 2"
    ),
    "an idle unit has to have as many": trap(
        "minimize hinge(net, train) + l0(net.o.weights)", "3 <= l0(net.h.weights)"
    ),
    "an idle unit has to have one": trap("minimize hinge(net, train) + l0(net.o.weights)", "l0(net.h.weights) = 1"),
    "idle units under a budget": trap("minimize hinge(net, train) - 0.3 * l0(net.h.weights)", "l0(net.h.weights) <= 3"),
    "an idle unit is active": trap(
        "minimize hinge(net, train) + 0.2 * norm_1(net.weights)",
        "forall s in train where s.f0 >= 0: atleast(1, active(net.a, s))",
    ),
    "an idle unit balances a sum": trap(
        "minimize hinge(net, train) + 0.05 * l0(net.weights)", "sum(net.h.weights) = 0", "l0(net.o.weights) <= 1"
    ),
    "idle units of several scores": trap(
        "minimize hinge(net, train) + 0.1 * count(j in units(net.a): used(net.a[j]) and net.h.weights[j, 0] >= 0)",
        "used(net.x[0])",
        table=CLASSES,
        hidden="units: 1, weights in {0, 1}, bias in {-1, 0, 1}",
    ),
    # Removed units: everything of theirs counts 0, whatever the domains.
    "a start whose removed units have weights": trap(
        "minimize hinge(net, train) - 0.4 * l0(net.h.weights)",
        hidden="units: 2, weights in {-1, 1}",
        activation="relu(h, prune: units)",
        out="weights in {-1, 1}, bias in [-20, 20]",
    ),
    "a start that is removed and has weights": trap(
        "minimize hinge(net, train) - 0.4 * l0(net.h.weights) - 3 * count(not used(net.a))",
        hidden="units: 2, weights in {-1, 1}",
        activation="relu(h, prune: units)",
        out="weights in {-1, 1}, bias in [-20, 20]",
    ),
    "conditions on removed units": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights)",
        "forall j in units(net.a): sum(net.h.weights[j]) >= 1",
        activation="relu(h, prune: units)",
        out="weights in {-1, 1}, bias in [-20, 20]",
    ),
    "a reward for removed units": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights) - 0.5 * count(not used(net.a))",
        hidden="units: 2, weights in {-1, 1}, bias in {1, 2}",
        activation="step(h, prune: units)",
        out="weights in {1, 2}, bias in [-20, 20]",
    ),
    "a removed unit shows 0": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights)",
        "forall s in train: sum(j in units(net.a): net.o.weights[0, j]) <= 1",
        activation="step(h, prune: units)",
    ),
    "a unit with a bias only is used": trap(
        "minimize hinge(net, train) - 0.3 * count(used(net.a)) + 0.2 * l0(net.h.weights)",
        hidden="units: 2, weights in {-1, 0, 1}, bias in {-1, 0}",
    ),
    # Thresholds, sample weights, several tables, outputs in order.
    "steps at 0": trap("minimize hinge(net, train) + 0.01 * l0(net.weights)", activation="step(h)"),
    "signs at 0": trap("maximize 3 - hinge(net, train) - 0.01 * l0(net.weights)", activation="sign(h)"),
    "listed output biases": trap(
        "minimize hinge(net, train) + 0.1 * l0(net.weights)", out="weights in {-1, 0, 1}, bias in {-0.5, 2}"
    ),
    "fewest mistakes in a narrow box": trap(
        "minimize zero_one(net, train) + 0.01 * l0(net.weights) + 0.01 * sum(net.h.bias)",
        hidden="units: 2, weights in {-1, 0, 1}, bias in {1, 2}",
        activation="step(h)",
        out="weights in {-1, 0, 1}, bias in [-0.25, 0.25]",
    ),
    "fewest mistakes with a rule": trap(
        "maximize 1 - zero_one(net, train, margin: 0.5) - 0.05 * l0(net.weights)",
        "used(net.x[1])",
        "l0(net.weights) <= 4",
    ),
    "no output bias": trap("minimize hinge(net, train)", out="weights in {-1, 0, 1}"),
    "only rising": trap("minimize quantile(net, train, level: 0)", table=TARGETS, out=NARROW),
    "only falling": trap("minimize quantile(net, train, level: 1)", table=TARGETS),
    "some rows only": trap("minimize hinge(net, train)", field="where f0 >= 0"),
    "scaled features": trap("minimize hinge(net, train)", hidden="units: 2, weights in {-1, 0, 1}, bias in {-0.5, 0}"),
    "one weight only": trap("minimize hinge(net, train) + 0.1 * l0(net.weights)", hidden="units: 2, weights in {0}"),
    "weights of 0 and a bias": trap(
        "minimize hinge(net, train)", hidden="units: 1, weights in {0}, bias in {0, 1}", out="weights in {1}"
    ),
    "nothing is allowed": trap("minimize hinge(net, train)", "l0(net.h.weights) <= 0", "used(net.x[1])"),
    "no unit is allowed": trap(
        "minimize hinge(net, train)", "forall j in units(net.a): net.h.weights[j, 0] + net.h.weights[j, 1] >= 2.5"
    ),
    "no head is allowed": trap(
        "minimize hinge(net, train)", "forall j in units(net.a): net.o.weights[0, j] >= 2", out="weights in {-1, 1}"
    ),
    "a limit between whole numbers": trap("minimize hinge(net, train)", "fan_in(net.a) <= 1.5"),
    "a limit on some weights": trap(
        "minimize hinge(net, train) - 0.1 * l0(net.h.weights)",
        "forall j in units(net.a): l0(net.h.weights[j, 0:1]) <= 0",
    ),
    "a limit for one unit of one": trap(
        "minimize hinge(net, train)",
        "l0(net.h.weights) <= 1",
        hidden="units: 1, weights in {-1, 0, 1}, bias in {-1, 0, 1}",
    ),
    "two goals": trap("minimize hinge(net, train)\n  then l0(net.weights)"),
}
"""All of them can be searched."""

REFUSED = {
    "a loss in a rule": (
        trap("minimize l0(net.weights) + hinge(net, train)", "hinge(net, train) <= 0.5"),
        "a constraint, or another term of the goal, reads the scores or the output bias",
    ),
    "a score in a rule": (
        trap("minimize hinge(net, train)", "forall s in train: net(s) <= 1"),
        "a constraint, or another term of the goal, reads the scores or the output bias",
    ),
    "an output bias in a rule": (
        trap("minimize hinge(net, train)", "net.o.bias[0] = sum(net.o.weights)"),
        "a constraint, or another term of the goal, reads the scores or the output bias",
    ),
    "outputs that are used": (
        trap("minimize hinge(net, train) + l0(net.weights)", "used(net.o)"),
        "a constraint, or another term of the goal, reads the scores or the output bias",
    ),
    "all biases in the goal": (
        trap("minimize hinge(net, train) + 0.1 * norm_1(net.biases)"),
        "a constraint, or another term of the goal, reads the scores or the output bias",
    ),
    "units told apart": (
        trap("minimize hinge(net, train)", "net.h.weights[0, 0] >= net.h.weights[1, 0]"),
        "the model tells the hidden units apart",
    ),
    "a rewarded loss": (trap("maximize hinge(net, train)"), r"the goal rewards `hinge\(net, train\)`"),
    "a loss with steps of classes": (
        trap("minimize zero_one(net, train)", table=CLASSES),
        r"`zero_one\(net, train\)` has no columns of its own",
    ),
    "features in the goal": (
        trap("minimize hinge(net, train) + 0.1 * features(net)"),
        r"`features\(net\)` is not a sum over the units",
    ),
    "a largest weight in the goal": (
        trap("minimize hinge(net, train) + 0.1 * norm_inf(net.h.weights)"),
        r"`norm_inf\(net.h.weights\)` is not a sum over the units",
    ),
    "no rows count": (
        trap("minimize 0 * hinge(net, train) + 0.1 * l0(net.weights) - 0.25 * count(used(net.a))"),
        "the losses count no row",
    ),
    "no output weights": (
        trap("minimize hinge(net, train)", out="weights in {0}, bias in [-1, 1]"),
        "every output weight is 0",
    ),
    "continuous weights": (
        trap("minimize hinge(net, train)", hidden="units: 2, weights in [-1, 1]"),
        "the domain of `net.h.weights` is not finite",
    ),
    "no loss": (trap("minimize l0(net.weights)"), "the goal has no loss"),
    "no goal": (trap("satisfy"), "there is no goal"),
}
