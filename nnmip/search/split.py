"""How a network with one score falls apart by its output weights: one pattern for each choice of them."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from math import comb, log2

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.alike import Alike
from nnmip.hir.core import Apply, Layer, Network, Program
from nnmip.ops.registry import LAYERS
from nnmip.passes.base import Analysed
from nnmip.passes.registry import analyse
from nnmip.records import dataclass
from nnmip.search.view import Refusal, only_network, reads_data
from nnmip.sizes import Estimate, solver_cost

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MOST_PATTERNS = 100
"""Most choices of the output weights: each has a MILP of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Output weights of all hidden units [units], and which of these are kept; None where none can be removed."""

    values: FloatArray
    kept: BoolArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A program whose last layer gives one score from a row of hidden units.

    known: the program with what passes found out. hidden: the layer before with weights; out: the last one. keeper: the
    layer whose units can be removed, None without one.
    """

    known: Analysed
    hidden: Layer
    out: Layer
    keeper: Layer | None
    patterns: tuple[Pattern, ...]

    @property
    def program(self) -> Program:
        return self.known.program

    @property
    def head(self) -> str:
        """The path of the output weights."""
        return f"{self.out.path}.weights"


def split_of(program: Program) -> Split:
    """How a program falls apart by its output weights; Refusal with the reason where it does not."""
    if program.goal is None:
        raise Refusal("there is no goal")
    network = only_network(program)
    hidden, chain, out = _layers(network)
    keepers = [layer for layer in (hidden, *chain) if layer.removes_units]
    if len(keepers) > 1:
        raise Refusal("two layers remove the same units")
    decision = out.decision("weights")
    assert decision is not None
    if not decision.domain.is_finite:
        raise Refusal(f"the domain of `{decision.path}` is not finite", decision.origin.span)
    for term in program.goal.terms:
        if isinstance(term.value, Apply) and reads_data(term.value) and term.value.word not in EXACT:
            raise Refusal(f"`{term.label}` has no exact encoding")
    known = analyse(program)
    keeper = keepers[0] if keepers else None
    values = decision.domain.values
    options = [(True, value) for value in values]
    options = [(False, 0.0), *options] if keeper is not None else options
    alike = any(_is_all(a, hidden) for a in known.interchangeable) or hidden.units == 1
    count = comb(hidden.units + len(options) - 1, hidden.units) if alike else len(options) ** hidden.units
    if count > MOST_PATTERNS:
        raise Refusal(f"the output weights can be chosen in {count} ways")
    chosen = combinations_with_replacement(options, hidden.units) if alike else product(options, repeat=hidden.units)
    return Split(known, hidden, out, keeper, tuple(_pattern(choice, keeper is not None) for choice in chosen))


def _pattern(choice: tuple[tuple[bool, float], ...], removes: bool) -> Pattern:
    kept = np.array([is_kept for is_kept, _ in choice])
    return Pattern(np.array([value for _, value in choice]), kept if removes else None)


def _is_all(alike: Alike, hidden: Layer) -> bool:
    return alike.producer is hidden and len(alike.units) == hidden.units


def _layers(network: Network) -> tuple[Layer, tuple[Layer, ...], Layer]:
    """The hidden layer, the layers that work on its units one by one, and the last layer."""
    out = network.layer(network.result_layer)
    if out.op != "dense" or out.units != 1 or network.layers[-1] is not out:
        raise Refusal("the result is not one score of a dense layer")
    chain: list[Layer] = []
    name = out.inputs[0]
    while name != network.input_name:
        layer = network.layer(name)
        if layer.skip is not None or len(layer.shape) != 1 or len(network.readers(name)) != 1:
            raise Refusal("the hidden units are no row of units with one reader")
        if layer.op == "dense":
            return layer, tuple(reversed(chain)), out
        if len(layer.inputs) != 1 or not LAYERS[layer.op].prune:
            raise Refusal("between the two layers stands more than activations")
        chain.append(layer)
        name = layer.inputs[0]
    raise Refusal("one layer has weights, and not two")


EXACT = frozenset({"hinge", "zero_one", "absolute", "eps_insensitive", "quantile", "max_error", "margin", "sat_margin"})
"""Losses that rows can say."""

EACH_PHASE = 1 / 20
"""By how much a phase raises the logarithm of the nodes of a pattern, where cuts between rows hold it."""

EACH_OTHER = 1 / 5
"""The same for a network whose phases no cut holds; every choice of a weight counts there, too."""


def estimate_split(split: Split) -> Estimate:
    """What the programs of all patterns would be together."""
    network, program = split.program.networks[0], split.program
    rows = sum(len(found.rows) for found in split.known.bounds.values())
    width = split.hidden.units * (int(np.prod(network.input_shape)) + 4)
    strong = _is_strong(split)
    phases = rows * split.hidden.units * (0.5 if strong else 1.0)
    each = rows * width
    integers = int(phases) + sum(decision.size for decision in program.decisions)
    nodes = phases * EACH_PHASE if strong else phases * EACH_OTHER + _choices(split)
    cost = len(split.patterns) * solver_cost(each, nodes)
    return Estimate(integers * len(split.patterns), each * len(split.patterns), cost)


def _choices(split: Split) -> float:
    """The logarithm of how often the weights from finite sets can be chosen, without those of the last layer."""
    free = [d for d in split.program.decisions if d.path != split.head and d.domain.is_finite]
    return sum(d.size * log2(len(d.domain.values)) for d in free)


def _is_strong(split: Split) -> bool:
    """Whether most phases are held by cuts: one ReLU layer that reads the data, and a hinge loss."""
    network, program = split.program.networks[0], split.program
    assert program.goal is not None
    losses = [term.value for term in program.goal.terms if reads_data(term.value)]
    plain = len(network.layers) == 3 and network.layers[1].op == "relu"
    return plain and all(isinstance(node, Apply) and node.word == "hinge" for node in losses)
