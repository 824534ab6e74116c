"""Random models of two hidden layers as source text and table, small enough to look at every network."""

from __future__ import annotations

import numpy as np

from tests.meaning.generator import Model, NumpyChooser
from tests.meaning.tasks import Chooser, chance, pick

SIGNS = ("{-1, 0, 1}", "{-1, 1}", "{0, 1}", "{1}", "{-0.5, 1}", "{0, 2}")
FIRST_BIASES = ("", "", ", bias in {0, 1}", ", bias in {-1, 0.5}")
SECOND_BIASES = ("", ", bias in {-1, 0}", ", bias in {-1, 1}", ", bias in {0.5}")
SHIFTS = ("", ", bias in [-20, 20]", ", bias in [-20, 20]", ", bias in [-0.25, 0.25]", ", bias in {-1, 0, 0.5}")
ACTIVATIONS = ("relu", "relu", "relu", "leaky_relu", "clip", "relu6", "sign", "step", "hard_sigmoid", "hard_tanh")
OPTIONS = {"clip": ", low: -0.5, high: 1", "leaky_relu": ", slope: 0.1"}
CELLS = (("-1", "0", "1"), ("0", "1"), ("0.1", "0.25", "0.7", "-0.3"), ("0.5", "1.5", "-2", "3"))
LOSSES = {
    "label": ("hinge(net, train)", "hinge(net, train, margin: 0.5)", "zero_one(net, train)", "zero_one(net, train)"),
    "t": ("absolute(net, train)", "quantile(net, train, level: 0.25)", "eps_insensitive(net, train, eps: 0.3)"),
}
TERMS = (
    "0.01 * l0(net.weights)",
    "0.03 * l0(net.g.weights)",
    "0.02 * norm_1(net.h.weights)",
    "0.05 * norm_2sq(net.weights)",
    "0.01 * norm_1(net.h.weights[:, :])",
    "0.02 * l0(net.o.weights)",
    "0.03 * count(used(net.a))",
    "0.05 * count(used(net.b))",
    "0.02 * (count(used(net.a)) + 2 * count(used(net.h)))",
    "1.5",
)


def deep_model(seed: int) -> Model:
    """A model of at most two inputs, two units in the first hidden layer and two in the second."""
    choose = NumpyChooser(np.random.default_rng([seed, 2]))
    target = pick(choose, ("label", "label", "t"))
    features, wide, narrow = pick(choose, ((1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (1, 2, 2), (2, 2, 1)))
    sizes = features * wide + wide * narrow + narrow
    weights = [pick(choose, SIGNS if sizes < 6 else SIGNS[1:]) for _ in range(3)]
    biases = [pick(choose, FIRST_BIASES), pick(choose, SECOND_BIASES)] if sizes < 6 else ["", ""]
    weighted = chance(choose, 20)
    words = [pick(choose, ACTIVATIONS) for _ in range(2)]
    terms = [term for term in TERMS if chance(choose, 20)]
    loss = pick(choose, LOSSES[target])
    goal = " + ".join([pick(choose, ("", "", "0.3 * ")) + loss, *terms])
    if chance(choose, 20):
        goal = " - ".join([f"-{loss}", *terms])
    text = [
        "nnm 0.1",
        'data train = csv("train.csv") {',
        f"  features {', '.join(f'f{j}' for j in range(features))}",
        f"  {'label y' if target == 'label' else 'target y'}",
        *(["  weight w"] if weighted else []),
        "}",
        f"network net(x: real[{features}] in [-9, 9]) {{",
        f"  layer g = dense(x, units: {wide}, weights in {weights[0]}{biases[0]})",
        f"  layer a = {words[0]}(g{OPTIONS.get(words[0], '')})",
        f"  layer h = dense(a, units: {narrow}, weights in {weights[1]}{biases[1]})",
        f"  layer b = {words[1]}(h{OPTIONS.get(words[1], '')})",
        f"  layer o = dense(b, units: 1, weights in {weights[2]}{pick(choose, SHIFTS)})",
        "  return o[0]",
        "}",
        f"{'maximize' if goal.startswith('-') else 'minimize'} {goal}",
    ]
    return Model("\n".join(text) + "\n", {"train.csv": _table(choose, features, target, weighted)})


def _table(choose: Chooser, features: int, target: str, weighted: bool) -> str:
    columns = [pick(choose, CELLS) for _ in range(features)]
    answers = ("-1", "1") if target == "label" else ("-1", "0.3", "2", "1")
    header = ",".join([*(f"f{j}" for j in range(features)), "y", *(["w"] if weighted else [])])
    rows = []
    for row in range(choose.integer(3, 7)):
        answer = answers[row] if row < 2 else pick(choose, answers)
        cells = [*(pick(choose, cells) for cells in columns), answer]
        rows.append(",".join([*cells, *([pick(choose, ("1", "2", "0.5"))] if weighted else [])]))
    return "\n".join([header, *rows]) + "\n"
