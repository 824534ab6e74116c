"""Sign-split: one MILP for each choice of the output weights of a network with one score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations_with_replacement, product
from math import comb

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.bounds.table import propagate_intervals
from nnmip.hir.alike import Alike
from nnmip.hir.core import Assignment, Layer, Network, Program
from nnmip.lowering.lower import Direct, Lowered, encoded, finished
from nnmip.lowering.phases import Bends, bends_of
from nnmip.milp.model import BoolArray, FloatArray
from nnmip.ops.registry import LAYERS
from nnmip.passes.base import Analysed, RowBounds
from nnmip.passes.registry import analyse
from nnmip.records import dataclass
from nnmip.search.view import Refusal

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

    def fits(self, pattern: Pattern, network: Assignment) -> bool:
        """Whether a network has these output weights, in this order."""
        same = np.array_equal(network.values[self.head].reshape(-1), pattern.values)
        if self.keeper is None or pattern.kept is None:
            return same
        return same and np.array_equal(network.kept[self.keeper.path], pattern.kept)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The MILP of a pattern, and where its rows bend."""

    pattern: Pattern
    lowered: Lowered
    bends: Bends


def split_of(program: Program) -> Split:
    """How a program falls apart by its output weights; Refusal with the reason where it does not."""
    if program.goal is None:
        raise Refusal("there is no goal")
    if len(program.networks) != 1:
        raise Refusal("there are several networks" if program.networks else "there is no network")
    network = program.networks[0]
    hidden, chain, out = _layers(network)
    keepers = [layer for layer in (hidden, *chain) if layer.removes_units]
    if len(keepers) > 1:
        raise Refusal("two layers remove the same units")
    decision = out.decision("weights")
    assert decision is not None
    if not decision.domain.is_finite:
        raise Refusal(f"the domain of `{decision.path}` is not finite", decision.origin.span)
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


def lower_pattern(split: Split, pattern: Pattern) -> Part:
    """The MILP of the networks with some output weights, which are constants in it: nothing is multiplied, and of most
    numbers only the side is encoded on which the loss relies (`asked`).

    Units with the same output weight are still put in order. With the MILPs of all patterns of interchangeable units,
    each up to their order, every network is in one of them; their least optimum is that of the program.
    """
    fixed = {split.head: pattern.values.reshape(1, -1)}
    if split.keeper is not None and pattern.kept is not None:
        fixed[split.keeper.path] = pattern.kept.astype(np.float64)
    known = replace(
        split.known,
        bounds=_bounds(split, pattern),
        interchangeable=tuple(part for alike in split.known.interchangeable for part in _same(split, alike, pattern)),
    )
    low = encoded(known, fixed)
    bends = bends_of(low, split.hidden, pattern.values)
    return Part(pattern, finished(low.builder, Direct(low), tuple(low.tangents)), bends)


def _same(split: Split, alike: Alike, pattern: Pattern) -> list[Alike]:
    """Of interchangeable units those that still are: with one output weight."""
    if alike.producer is not split.hidden:
        return [alike]
    kept = pattern.kept if pattern.kept is not None else np.ones(len(pattern.values), dtype=bool)
    keys = np.stack([pattern.values, kept], axis=1)[alike.decisions[split.head][:, 0]]
    groups = [np.flatnonzero((keys == key).all(axis=1)) for key in np.unique(keys, axis=0)]
    return [alike.only(group) for group in groups if len(group) > 1]


def _bounds(split: Split, pattern: Pattern) -> Mapping[tuple[str, str], RowBounds]:
    """The bounds of all layers with the output weights, and the removed units, of a pattern."""
    boxes = {split.head: Interval.point(pattern.values.reshape(1, -1))}
    if pattern.kept is not None:
        for decision in split.hidden.decisions:
            there = pattern.kept.reshape(-1, *(1,) * (len(decision.shape) - 1)) & np.ones(decision.shape, dtype=bool)
            ends = decision.domain.lo, decision.domain.hi
            boxes[decision.path] = Interval(*(np.where(there, end, 0.0) for end in ends))
    network = split.program.networks[0]
    return {
        key: replace(found, bounds=propagate_intervals(network, found.rows, boxes))
        for key, found in split.known.bounds.items()
    }
