"""Small random models as source text and table, for numpy (in bulk) and for Hypothesis (which shrinks them).

Both draw from one description: a `Chooser` hands out integers, everything else is made from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb, prod

import numpy as np
from hypothesis import strategies as st

from tests.meaning.rules import Rules
from tests.meaning.sheets import Sheet, plain_sheet, random_sheet
from tests.meaning.tasks import ONE_SIDED, Chooser, Task, chance, pick, random_task

MOST_ASSIGNMENTS = 20_000
FILES = {"train": "rows.csv", "more": "more.csv"}

SMALL = ("{-1, 0, 1}", "{-1, 1}", "{0, 1}", "{1, 2}", "{-1, 0, 0.5}", "{-2, 1}", "{-1, 0}", "{0.5}", "{-0.5, 0.5, 1}")
EVEN = ("-2..2", "[-1, 1] step 1/2", "0..4", "1..5", "-4..0", "[-1, 2] step 1/2")
BIASES = ("{-1, 0, 1}", "{-1, 0}", "{0.5}", "{-1, 1}", "{0, 0.5}", "{1, 2}", "-2..2", "[-1, 1] step 1/2")
SIZES = {
    "{-1, 0, 1}": 3,
    "{-1, 1}": 2,
    "{0, 1}": 2,
    "{1, 2}": 2,
    "{-1, 0, 0.5}": 3,
    "{-2, 1}": 2,
    "{-1, 0}": 2,
    "{0.5}": 1,
    "{-0.5, 0.5, 1}": 3,
    "{0, 0.5}": 2,
    "-2..2": 5,
    "[-1, 1] step 1/2": 5,
    "0..4": 5,
    "1..5": 5,
    "-4..0": 5,
    "[-1, 2] step 1/2": 7,
}


@dataclass(frozen=True)
class NumpyChooser:
    rng: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))


@dataclass(frozen=True)
class HypothesisChooser:
    draw: Callable[[st.SearchStrategy[int]], int]

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))


@dataclass(frozen=True)
class Model:
    """A model file and the tables that it reads, by file name."""

    text: str
    tables: dict[str, str]


@dataclass(frozen=True)
class Dense:
    """One `dense` layer of the text, followed by `relu` (named `activation`) or not."""

    name: str
    units: int
    width: int
    weights: str
    bias: str | None
    activation: str | None
    prune: bool

    @property
    def assignments(self) -> int:
        return SIZES[self.weights] ** (self.units * self.width) * (SIZES[self.bias] ** self.units if self.bias else 1)

    def lines(self, source: str) -> list[str]:
        bias = f", bias in {self.bias}" if self.bias else ""
        first = f"  layer {self.name} = dense({source}, units: {self.units}, weights in {self.weights}{bias})"
        if self.activation is None:
            return [first]
        prune = ", prune: units" if self.prune else ""
        return [first, f"  layer {self.activation} = relu({self.name}{prune})"]

    @property
    def output(self) -> str:
        return self.activation or self.name


def random_model(choose: Chooser) -> Model:
    """A model with at most MOST_ASSIGNMENTS assignments of its weights."""
    features = choose.integer(1, 2)
    task = random_task(choose)
    if chance(choose, 20):
        sheets = [plain_sheet(choose, task, features, choose.integer(2, 6))]
        sheets.append(plain_sheet(choose, task, features, choose.integer(1, 3)))
    else:
        sheets = [random_sheet(choose, task, features, scaled=chance(choose, 30))]
    layers = _layers(choose, sheets[0].width, task.outputs)
    writer = _Writer(choose, tuple(layers), task, tuple(sheets))
    return Model(writer.text(), {file: sheet.text for file, sheet in zip(FILES.values(), sheets, strict=False)})


@st.composite
def models(draw: st.DrawFn) -> Model:
    """`random_model` as a strategy."""
    return random_model(HypothesisChooser(draw))


def seeded_model(seed: int) -> Model:
    """`random_model` from a seed."""
    return random_model(NumpyChooser(np.random.default_rng(seed)))


def _layers(choose: Chooser, features: int, outputs: int) -> list[Dense]:
    depth = choose.integer(0, 2)
    widths = [features, *(choose.integer(1, 2) for _ in range(depth)), outputs]
    layers = []
    for i in range(depth + 1):
        last = i == depth
        relu = chance(choose, 10 if last else 85)
        layers.append(
            Dense(
                name="o" if last else f"h{i}",
                units=widths[i + 1],
                width=widths[i],
                weights=pick(choose, SMALL + EVEN),
                bias=pick(choose, BIASES) if chance(choose, 60) else None,
                activation=("z" if last else f"a{i}") if relu else None,
                prune=relu and chance(choose, 60),
            )
        )
    return _small_enough(choose, layers)


def _small_enough(choose: Chooser, layers: list[Dense]) -> list[Dense]:
    """Shrink domains until the assignments, with every choice of removed units, can be enumerated."""
    while _assignments(layers) > MOST_ASSIGNMENTS:
        at = max(range(len(layers)), key=lambda i: (layers[i].assignments, layers[i].prune))
        layer = layers[at]
        if layer.bias is not None and SIZES[layer.bias] > 2:
            layers[at] = replace(layer, bias=pick(choose, ("{-1, 1}", "{0, 0.5}", "{-1, 0}")))
        elif SIZES[layer.weights] > 3:
            layers[at] = replace(layer, weights=pick(choose, ("{-1, 0, 1}", "{-1, 0, 0.5}", "{-0.5, 0.5, 1}")))
        elif SIZES[layer.weights] > 2:
            layers[at] = replace(layer, weights=pick(choose, ("{-1, 1}", "{0, 1}", "{-2, 1}", "{1, 2}", "{-1, 0}")))
        elif layer.bias is not None:
            layers[at] = replace(layer, bias=None)
        elif any(la.prune for la in layers):
            layers = [replace(la, prune=False) for la in layers]
        else:
            layers[at] = replace(layer, weights="{0.5}")
    return layers


def _assignments(layers: list[Dense]) -> int:
    """An upper bound on the number of assignments: removing a unit leaves at most as many as keeping it."""
    masks = prod(sum(comb(la.units, k) for k in range(la.units + 1)) if la.prune else 1 for la in layers)
    return masks * prod(la.assignments for la in layers)


@dataclass(frozen=True)
class _Writer:
    """Writes the text of a model around its layers."""

    choose: Chooser
    layers: tuple[Dense, ...]
    task: Task
    sheets: tuple[Sheet, ...]

    def text(self) -> str:
        goal, constraints = self._goal(), self._constraints()
        return "\n".join(["nnm 0.1", *self._data(), *self._network(), goal, *constraints]) + "\n"

    @property
    def width(self) -> int:
        return self.sheets[0].width

    def _data(self) -> list[str]:
        lines = []
        for (name, file), sheet in zip(FILES.items(), self.sheets, strict=False):
            declared = [f"  {line}" for line in (*sheet.lines, *self.task.fields)]
            lines += [f'data {name} = csv("{file}") {{', *declared, "}"]
        return lines

    def _network(self) -> list[str]:
        lines = [f"network net(x: real[{self.width}] in [-4, 4]) {{"]
        source = "x"
        for layer in self.layers:
            lines += layer.lines(source)
            source = layer.output
        return [*lines, f"  return {self.task.result.format(source)}", "}"]

    # ---- goals -------------------------------------------------------------------------------------------------

    def _goal(self) -> str:
        choose = self.choose
        meets = self.sheets[0].has_kinds  # A column can be named where a loss applies the network to its table.
        if not meets and chance(choose, 4):
            return "satisfy"
        maximise = chance(choose, 30)
        terms = []
        if meets or chance(choose, 85):
            terms.append(self._loss_term(maximise))
        for measure in self._measures():
            if chance(choose, 35):
                sign = pick(choose, ("+", "+", "-"))
                terms.append(f"{sign} {pick(choose, ('0.01', '0.1', '0.25', '1.5'))} * {measure}")
        if not terms:
            terms.append(self._loss_term(maximise))
        return f"{'maximize' if maximise else 'minimize'} {' '.join(terms).removeprefix('+ ')}"

    def _loss_term(self, maximise: bool) -> str:
        loss = self.task.loss(self.choose, self._data_name())
        signs = ("-", "-", "+") if maximise != loss.startswith("margin") else ("+", "+", "-")
        signs = signs[:1] if loss.startswith(ONE_SIDED) else signs
        return f"{pick(self.choose, signs)} {loss}"

    def _data_name(self) -> str:
        return pick(self.choose, tuple(FILES)[: len(self.sheets)])

    def _measures(self) -> list[str]:
        tensors = ["net.weights", f"net.{self.layers[0].name}.weights"]
        if any(layer.bias for layer in self.layers):
            tensors.append("net.biases")
        found = [f"l0({pick(self.choose, tensors)})", f"norm_1({pick(self.choose, tensors)})"]
        found.append(f"sum({pick(self.choose, tensors)})")
        found += [f"count(used(net.{layer.output}))" for layer in self.layers]
        found.append(pick(self.choose, ("features(net)", "count(used(net.x))")))
        return found

    # ---- constraints -------------------------------------------------------------------------------------------

    def _constraints(self) -> list[str]:
        count = pick(self.choose, (0, 1, 1, 2, 2, 3))
        has_signs = "label" in self.task.names and self.task.outputs == 1
        rules = Rules(self.choose, self.layers, has_signs, self.sheets[0])
        makers = (
            self._budget,
            self._norm,
            self._affine,
            self._usage,
            self._loss_bound,
            rules.rule,
            rules.rule,
            rules.rule,
        )
        return [f"constraint c{i}: {pick(self.choose, makers)()}" for i in range(count)]

    def _tensor(self) -> tuple[str, int]:
        """A tensor or a part of one, with its number of entries."""
        choose = self.choose
        layer = pick(choose, self.layers)
        name, k, i = f"net.{layer.name}.weights", layer.units, layer.width
        options = [
            ("net.weights", sum(la.units * la.width for la in self.layers)),
            (name, k * i),
            (f"{name}[0]", i),
            (f"{name}[:, {i - 1}]", k),
            (f"{name}[0:1]", i),
            (f"{name}[{k - 1}, 0]", 1),
        ]
        if layer.bias:
            options += [(f"net.{layer.name}.bias", k), (f"net.{layer.name}.bias[0]", 1)]
        return pick(choose, options)

    def _op(self) -> str:
        return pick(self.choose, ("<=", "<=", ">=", "="))

    def _budget(self) -> str:
        tensor, size = self._tensor()
        return f"l0({tensor}) {self._op()} {self.choose.integer(0, size)}"

    def _norm(self) -> str:
        tensor, size = self._tensor()
        return f"norm_1({tensor}) {self._op()} {self.choose.integer(0, 3 * size) / 2:g}"

    def _affine(self) -> str:
        choose = self.choose
        if chance(choose, 40):
            tensor, size = self._tensor()
            return f"sum({tensor}) {self._op()} {choose.integer(-size, size) / 2:g}"
        layer = pick(choose, self.layers)
        entries = [f"net.{layer.name}.weights[{j}, {i}]" for j in range(layer.units) for i in range(layer.width)]
        left, right = pick(choose, entries), pick(choose, entries)
        forms = (
            f"{left} {self._op()} {pick(choose, ('0', '1', '-1', '0.5'))}",
            f"{left} + 2 * {right} {self._op()} {choose.integer(-2, 3)}",
            f"{left} {pick(choose, ('<=', '>='))} {right}",
            f"-1 <= net.{layer.name}.weights[0] <= {pick(choose, ('0', '0.5', '1'))}",
            f"sum(net.{layer.name}.weights) <= norm_1(net.weights) - {pick(choose, ('0', '1'))}",
            f"l0(net.{layer.name}.weights) >= {pick(choose, ('1', '2'))} * l0(net.o.weights)",
        )
        return pick(choose, forms)

    def _usage(self) -> str:
        choose = self.choose
        layer = pick(choose, self.layers)
        unit = f"net.{layer.output}[{choose.integer(0, layer.units - 1)}]"
        forms = (
            f"used({unit})",
            f"count(used(net.{layer.output})) {self._op()} {choose.integer(0, layer.units)}",
            f"count(used({unit})) <= 0",
            f"count(used(net.{layer.output}[0:1])) {pick(choose, ('<=', '>='))} {choose.integer(0, 1)}",
            f"used(net.{layer.output})",
            f"features(net) {self._op()} {choose.integer(0, self.width)}",
            f"used(net.x[{choose.integer(0, self.width - 1)}])",
        )
        return pick(choose, forms)

    def _loss_bound(self) -> str:
        choose = self.choose
        bound = pick(choose, ("0", "0.2", "0.5", "0.75", "1", "1.6", "2.5", "-0.5"))
        loss = self.task.loss(choose, self._data_name())
        is_reached = loss.startswith("zero_one") and chance(choose, 20)
        if loss.startswith(ONE_SIDED):
            return f"{loss} <= {bound}"
        return f"{loss} {'=' if is_reached else pick(choose, ('<=', '<=', '>='))} {bound}"
