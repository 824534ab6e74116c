"""Random models of one convolution as source text and table: filters, activations, pools, a dense output."""

from __future__ import annotations

import numpy as np

from tests.meaning.generator import Model, NumpyChooser
from tests.meaning.tasks import BINARY, CLASSES, VALUES, Chooser, Task, chance, pick
from tests.search.models import CONVEX, MISTAKES

WEIGHTS = ("{-1, 0, 1}", "{0, 1}", "{-1, 1}", "{-1, 1}", "{1, 2}")
BIASES = ("", ", bias in {-1, 0, 1}", ", bias in {-1, 0}", ", bias in {0.5}")
OUTER = ("{-1, 0, 1}", "{-1, 0, 1}", "{-1, 1}", "{0, 1}", "{1, 2}")
SHIFTS = ("", ", bias in [-20, 20]", ", bias in [-20, 20]", ", bias in [-0.25, 0.25]", ", bias in {-1, 0, 1}")
CONVOLUTIONS = (
    ((1, 3, 3), "kernel: [2, 2]"),
    ((1, 3, 3), "kernel: [2, 2], padding: 1, stride: 2"),
    ((1, 2, 3), "kernel: [1, 2]"),
    ((1, 4, 4), "kernel: [2, 2], stride: 2"),
    ((1, 4, 4), "kernel: [2, 2], dilation: 2"),
    ((1, 2, 4), "kernel: [2, 2], padding: [1, 0], dilation: [1, 2]"),
    ((2, 2, 2), "kernel: [2, 1], padding: [1, 0], stride: [2, 1]"),
    ((2, 2, 2), "kernel: [1, 1]"),
)
"""Shapes of images and options; each leaves 2 x 2 positions or more."""
ACTIVATIONS = ("relu", "relu", "relu", "abs", "sign", "step", "clip")
OPTIONS = {"clip": ", low: -0.5, high: 1"}
POOLS = (
    ("maxpool2d", ", kernel: [2, 2]"),
    ("maxpool2d", ", kernel: [1, 2]"),
    ("maxpool2d", ", kernel: [2, 2], padding: 1"),
    ("avgpool2d", ", kernel: [2, 1]"),
    ("avgpool2d", ", kernel: [2, 2], padding: 1"),
    ("globalavgpool", ""),
)
PIXELS = (("0", "1"), ("0", "1"), ("-1", "0", "1"), ("0.25", "0.7", "1"))


def image_model(seed: int) -> Model:
    """A model with one convolution, from a seed."""
    choose = NumpyChooser(np.random.default_rng(seed))
    task = pick(choose, (BINARY, BINARY, BINARY, *CLASSES, *VALUES))
    shape, convolution = pick(choose, CONVOLUTIONS)
    names = [f"p{k}" for k in range(int(np.prod(shape)))]
    filters, bias = pick(choose, (1, 1, 2)), pick(choose, BIASES)
    chain, last = _chain(choose)
    text = [
        "nnm 0.1",
        'data train = csv("train.csv") {',
        f"  features {', '.join(names)}",
        *(f"  {field}" for field in task.fields),
        "}",
        f"network net(x: real[{', '.join(map(str, shape))}] in [-1, 1]) {{",
        f"  layer h = conv2d(x, filters: {filters}, {convolution}, weights in {pick(choose, WEIGHTS)}{bias})",
        *chain,
        f"  layer o = dense({last}, units: {task.outputs}, weights in {pick(choose, OUTER)}{pick(choose, SHIFTS)})",
        f"  return {task.result.format('o')}",
        "}",
        _goal(choose, task, bool(bias)),
        *_rules(choose, filters),
    ]
    cells = pick(choose, PIXELS)
    rows = [[pick(choose, cells) for _ in names] + task.row(choose, i == 0) for i in range(choose.integer(3, 5))]
    table = [",".join((*names, *task.names)), *(",".join(row) for row in rows)]
    return Model("\n".join(text) + "\n", {"train.csv": "\n".join(table) + "\n"})


def _chain(choose: Chooser) -> tuple[list[str], str]:
    """An activation `a` and mostly a pool `p`, in either order; and what the output layer reads."""
    word, prune = pick(choose, ACTIVATIONS), pick(choose, ("", "", ", prune: filters"))
    activation = f"  layer a = {word}({{}}{OPTIONS.get(word, '')}{prune})"
    if chance(choose, 25):
        return [activation.format("h")], "flatten(a)"
    word, options = pick(choose, POOLS)
    pool = f"  layer p = {word}({{}}{options})"
    if word == "globalavgpool":
        return [activation.format("h"), pool.format("a")], "p"
    if chance(choose, 30):
        return [pool.format("h"), activation.format("p")], "flatten(a)"
    return [activation.format("h"), pool.format("a")], "flatten(p)"


def _goal(choose: Chooser, task: Task, has_bias: bool) -> str:
    losses = CONVEX["label" if "label" in task.names else "t"]
    if task is BINARY and chance(choose, 30):
        losses = MISTAKES
    terms = [pick(choose, losses).format("train", "")]
    measures = ["l0(net.weights)", "l0(net.o.weights)", "norm_1(net.h.weights)", "sum(net.o.weights)"]
    measures += ["count(used(net.a))", "count(j in units(net.a): used(net.a[j]) and net.h.weights[j, 0, 0, 0] >= 0)"]
    measures += ["norm_1(net.h.bias)"] if has_bias else []
    for measure in measures:
        if chance(choose, 25):
            terms.append(f"{pick(choose, ('+', '+', '-'))} {pick(choose, ('0.01', '0.03', '0.1'))} * {measure}")
    return f"minimize {' '.join(terms)}"


def _rules(choose: Chooser, filters: int) -> list[str]:
    forms = (
        f"fan_in(net.a) <= {choose.integer(0, 3)}",
        f"forall j in units(net.a): l0(net.h.weights[j]) >= {choose.integer(0, 2)}",
        "forall j in units(net.a): used(net.a[j]) -> nonzero(net.h.weights[j, 0, 0, 0])",
        f"l0(net.weights) <= {choose.integer(2, 4 * filters)}",
        f"l0(net.o.weights) <= {choose.integer(0, 3)}",
        "net.o.weights <= 0",
        f"count(used(net.a)) {pick(choose, ('<=', '>=', '='))} {choose.integer(0, filters)}",
        "exactly(1, j in units(net.a): net.h.weights[j, 0, 0, 0] >= 1)",
        f"sum(net.h.weights) = {choose.integer(-1, 1)}",
        "used(net.x[0, 0, 0])",
        f"forall s in train: atmost({choose.integer(0, 2)}, active(net.a, s))",
    )
    return [f"constraint c{i}: {pick(choose, forms)}" for i in range(pick(choose, (0, 0, 1, 1, 2)))]
