"""Random models of one hidden layer as source text and table: most of what the search over columns can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests.meaning.generator import HypothesisChooser, Model, NumpyChooser
from tests.meaning.tasks import BINARY, CLASSES, VALUES, Chooser, Task, chance, pick

COLUMNS = ("f0", "f1", "f2")
WEIGHTS = ("{-1, 0, 1}", "{-1, 0, 1}", "{-1, 1}", "{0, 1}", "-2..2", "{1}", "{-0.5, 0, 1}", "{1, 2}", "{0, 0.3}")
BIASES = ("", ", bias in {-1, 0, 1}", ", bias in {-1, 1}", ", bias in {0.5}", ", bias in {0, 0.5}", ", bias in {1, 2}")
OUTER = ("{-1, 0, 1}", "{-1, 0, 1}", "{-1, 1}", "{0, 1}", "{-2, -1, 0, 1, 2}", "{1}", "{1, 2}", "{-1, 0, 2}")
SHIFTS = (
    "",
    ", bias in [-20, 20]",
    ", bias in [-20, 20]",
    ", bias in [-0.25, 0.25]",
    ", bias in [0.1, 0.5]",
    ", bias in [-1, 0]",
    ", bias in {-1, 0, 1}",
    ", bias in {0.3}",
    ", bias in {0.25, 2}",
)
ACTIVATIONS = (
    "relu",
    "relu",
    "relu",
    "leaky_relu",
    "clip",
    "relu6",
    "abs",
    "sign",
    "step",
    "hard_sigmoid",
    "hard_tanh",
)
OPTIONS = {"clip": ", low: -0.5, high: 1", "leaky_relu": ", slope: 0.1"}
CELLS = (
    ("-1", "0", "1"),
    ("0", "1"),
    ("0.1", "0.25", "0.7", "-0.3"),
    ("0.5", "1.5", "-2", "3"),
    ("0.12345678", "-0.7182818284", "0.57721566490153"),
)


@dataclass(frozen=True)
class Shape:
    """The names and sizes that terms and rules speak of."""

    features: int
    units: int
    outputs: int
    has_bias: bool
    has_shift: bool


def random_model(choose: Chooser) -> Model:
    """A model with a hidden layer, which the search can mostly do."""
    task = pick(choose, (BINARY, BINARY, *CLASSES, *VALUES))
    if chance(choose, 20):
        weights = pick(choose, (("1", "2"), ("0.5", "1", "3"), ("0w", "1", "2")))
        task = Task((*task.names, "w"), (*task.cells, weights), (*task.fields, "weight w"), *_rest(task))
    features, units = choose.integer(1, 3), pick(choose, (1, 2, 2, 3))
    bias, shift = pick(choose, BIASES), pick(choose, SHIFTS)
    shape = Shape(features, units, task.outputs, bool(bias), bool(shift))
    tables, lines = _tables(choose, task, features, units)
    chain, last = _activations(choose)
    weights = "{-1, 0, 1}" if units * features > 4 else pick(choose, WEIGHTS)
    text = [
        "nnm 0.1",
        *lines,
        f"network net(x: real[{features}] in [-9, 9]) {{",
        f"  layer h = dense(x, units: {units}, weights in {weights}{bias})",
        *chain,
        f"  layer o = dense({last}, units: {task.outputs}, weights in {pick(choose, OUTER)}{shift})",
        f"  return {task.result.format('o')}",
        "}",
        _goal(choose, task, shape, len(tables), last),
        *_rules(choose, shape, last),
    ]
    return Model("\n".join(text) + "\n", tables)


def _rest(task: Task) -> tuple[int, str, tuple[str, ...]]:
    return task.outputs, task.result, task.losses


@st.composite
def models(draw: st.DrawFn) -> Model:
    """`random_model` as a strategy."""
    return random_model(HypothesisChooser(draw))


def seeded_model(seed: int) -> Model:
    """`random_model` from a seed."""
    return random_model(NumpyChooser(np.random.default_rng(seed)))


def _tables(choose: Chooser, task: Task, features: int, units: int) -> tuple[dict[str, str], list[str]]:
    """One or two tables with the lines that declare them: scaled, split and with repeated rows now and then."""
    tables, lines = {}, []
    names = ("train", "more")[: 2 if chance(choose, 15) else 1]
    for name in names:
        columns = [pick(choose, CELLS) for _ in range(features)]
        rows = [
            [pick(choose, cells) for cells in columns] + task.row(choose, i == 0)
            for i in range(choose.integer(3, 8 if units == 1 else 5))
        ]
        scale = (
            pick(choose, (" scale minmax", " scale standard", " scale minmax [-1, 2]"))
            if len(names) == 1 and chance(choose, 20)
            else ""
        )
        for row in range(2 if scale else 0):
            rows[row][:features] = [str(row)] * features
        rows += rows[-1:] if chance(choose, 25) else []
        declared = [f"features {', '.join(COLUMNS[:features])}{scale}", *task.fields]
        if name == "train" and not scale and "weight w" not in task.fields and chance(choose, 15):
            declared.append(f"split test 0.3 seed {choose.integer(0, 9)}")
        header = ",".join((*COLUMNS[:features], *task.names))
        tables[f"{name}.csv"] = "\n".join([header, *(",".join(row) for row in rows)]) + "\n"
        lines += [f'data {name} = csv("{name}.csv") {{', *(f"  {line}" for line in declared), "}"]
    return tables, lines


PRUNED = (("a", 0), ("a", 1), ("b", 2))
"""Which layer prunes units, by a number drawn; units are pruned once."""


def _activations(choose: Chooser) -> tuple[list[str], str]:
    """One activation or two, units pruned or not, and the name of the last."""
    lines, source, pruned = [], "h", choose.integer(0, 3)
    for name in ("b", "a")[0 if chance(choose, 15) else 1 :]:
        word = pick(choose, ACTIVATIONS)
        prune = ", prune: units" if (name, pruned) in PRUNED else ""
        lines.append(f"  layer {name} = {word}({source}{OPTIONS.get(word, '')}{prune})")
        source = name
    return lines, source


# ---- goals -----------------------------------------------------------------------------------------------------

CONVEX = {
    "label": ("hinge(net, {}{})", "hinge(net, {}, margin: 0.5{})", "hinge(net, {}, margin: 2{})"),
    "t": (
        "absolute(net, {}{})",
        "quantile(net, {}, level: 0.25{})",
        "quantile(net, {}, level: 1{})",
        "eps_insensitive(net, {}, eps: 0.3{})",
    ),
}
MISTAKES = ("zero_one(net, {}{})", "zero_one(net, {}, margin: 0.5{})", "zero_one(net, {}, margin: 1{})")


def _goal(choose: Chooser, task: Task, shape: Shape, tables: int, last: str) -> str:
    maximise = chance(choose, 25)
    sign = "-" if maximise else "+"
    losses = CONVEX["label" if "label" in task.names else "t"]
    if task is BINARY and tables == 1 and chance(choose, 40):
        losses = MISTAKES
    terms = []
    for data in ("train", "more")[:tables]:
        reduce = pick(choose, ("", "", ", reduce: sum", ", reduce: mean"))
        terms.append(f"{sign} {pick(choose, ('', '', '2 * ', '0.3 * '))}{pick(choose, losses).format(data, reduce)}")
    for measure in _measures(shape, last):
        if chance(choose, 18):
            factor = pick(choose, ("0.01", "0.03", "0.1", "0.25", "1.5"))
            other = pick(choose, ("+", "+", "-")) if not maximise else pick(choose, ("-", "-", "+"))
            terms.append(f"{other} {factor} * {measure}")
    if chance(choose, 10):
        terms.append("+ 1.5")
    return f"{'maximize' if maximise else 'minimize'} {' '.join(terms).removeprefix('+ ')}"


def _measures(shape: Shape, last: str) -> list[str]:
    inner, outer = "net.h.weights", "net.o.weights"
    found = [f"l0({inner})", f"l0({outer})", "l0(net.weights)", "norm_1(net.weights)", f"norm_1({inner})"]
    found += [f"norm_2sq({inner})", f"norm_2sq({outer})", f"sum({inner})", f"sum({outer})", f"sum({inner}[:, 0])"]
    found += [f"count(used(net.{last}))", f"count(not used(net.{last}))", f"count({inner}[:, 0] >= 1)"]
    found += [f"count(j in units(net.{last}): used(net.{last}[j]) and {inner}[j, 0] >= 0)"]
    return found + (["l0(net.h.bias)", "norm_1(net.h.bias)", "sum(net.h.bias)"] if shape.has_bias else [])


# ---- rules -----------------------------------------------------------------------------------------------------


def _rules(choose: Chooser, shape: Shape, last: str) -> list[str]:
    count = pick(choose, (0, 0, 1, 1, 2))
    rules = [
        pick(choose, (_of_units, _of_units, _of_all, _of_features, _of_rows))(choose, shape, last) for _ in range(count)
    ]
    return [f"constraint c{i}: {rule}" for i, rule in enumerate(rules)]


def _number(choose: Chooser) -> str:
    return pick(choose, ("0", "0", "1", "-1", "0.5"))


def _of_units(choose: Chooser, shape: Shape, last: str) -> str:
    """The same for every unit: on what comes in, on what goes out, and on both."""
    weight = f"net.h.weights[j, {choose.integer(0, shape.features - 1)}]"
    head = f"net.o.weights[{choose.integer(0, shape.outputs - 1)}, j]"
    used = f"used(net.{last}[j])"
    row = "net.h.weights[j]"
    bodies = [
        f"fan_in(net.{last}[j]) <= {choose.integer(0, 2)}",
        f"l0({row}) <= {choose.integer(0, 3)}",
        f"l0({row}) >= 1",
        f"{weight} >= {_number(choose)}",
        f"{weight} <= {_number(choose)}",
        f"{used} -> nonzero({weight})",
        f"not {used} or {weight} >= {_number(choose)}",
        f"sum({row}) <= {_number(choose)}",
        f"norm_1({row}) <= 2",
        f"{head} >= {_number(choose)}",
        f"nonzero({head})",
        f"norm_1(net.o.weights[:, j]) <= {choose.integer(1, 2)}",
        f"{weight} >= {head}",
        f"nonzero({weight}) -> {head} <= {_number(choose)}",
        f"{head} >= 0 or {weight} <= 0",
        f"l0({row}) + l0(net.o.weights[:, j]) <= {choose.integer(1, 4)}",
    ]
    if shape.has_bias:
        bodies += [f"net.h.bias[j] <= {_number(choose)}", f"{weight} + net.h.bias[j] <= {_number(choose)}"]
    return f"{pick(choose, ('forall', 'forall', 'forall', 'exists'))} j in units(net.{last}): {pick(choose, bodies)}"


def _of_all(choose: Chooser, shape: Shape, last: str) -> str:
    """Totals over the units."""
    op = pick(choose, ("<=", "<=", ">=", "="))
    most = shape.units * shape.features
    forms = (
        f"l0(net.weights) {op} {choose.integer(0, most + shape.units)}",
        f"l0(net.h.weights) {op} {choose.integer(0, most)}",
        f"norm_1(net.h.weights) {op} {choose.integer(0, most)}",
        f"sum(net.h.weights) {op} {choose.integer(-2, 2)}",
        f"sum(net.o.weights) {op} {choose.integer(-2, 2)}",
        f"l0(net.o.weights) {op} {choose.integer(0, shape.units)}",
        f"count(used(net.{last})) {op} {choose.integer(0, shape.units)}",
        f"atmost({choose.integer(0, 2)}, used(net.{last}))",
        f"exactly(1, j in units(net.{last}): net.h.weights[j, 0] >= 1)",
        f"count(used(net.{last})) <= l0(net.h.weights) - 1",
        "net.h.weights >= 0",
        f"norm_inf(net.h.weights) {op} 1",
    )
    return pick(choose, forms)


def _of_features(choose: Chooser, shape: Shape, last: str) -> str:
    column = choose.integer(0, shape.features - 1)
    op = pick(choose, ("<=", "<=", ">=", "="))
    forms = (
        f"features(net) {op} {choose.integer(0, shape.features)}",
        f"used(net.x[{column}])",
        f"not used(net.x[{column}])",
        f"used(net.x[{column}]) -> count(used(net.{last})) <= 1",
        f"sum(net.h.weights[:, {column}]) {op} {_number(choose)}",
        f"atmost(1, nonzero(net.h.weights[:, {column}]))",
        f"tied(net.h.weights[:, 0], net.h.weights[:, {column}])" if column else "l0(net.h.weights[:, 0]) <= 1",
    )
    return pick(choose, forms)


def _of_rows(choose: Chooser, shape: Shape, last: str) -> str:
    k = choose.integer(0, 2)
    forms = (
        f"forall s in train: atmost({k}, active(net.{last}, s))",
        f"forall s in train: atleast(1, active(net.{last}, s))",
        f"exists s in train: atleast({k}, active(net.{last}, s))",
        f"forall s in train, j in units(net.{last}): active(net.{last}[j], s) -> used(net.{last}[j])",
    )
    return pick(choose, forms)
