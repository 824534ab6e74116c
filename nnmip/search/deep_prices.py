"""What a goal says of every weight of a network and of its used units, where it says no more than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, Constant, Decision, Gather, Join, Network, Node, Plus, Reference, Scale, Units
from nnmip.hir.goals import Term
from nnmip.records import dataclass
from nnmip.search.view import Refusal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MEASURES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "l0": lambda values: (values != 0).astype(np.float64),
    "norm_1": np.abs,
    "norm_2sq": np.square,
}
"""Words that add up something of every entry that is least at 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """constant + for every entry of a decision the price of its value + for every used unit the price of its layer.

    entries: by the path of a decision [entries, values], in the order of its domain. used: by the name of a layer with
    weights. No price is below 0.
    """

    constant: float
    entries: Mapping[str, FloatArray]
    used: Mapping[str, float]

    def of_layer(self, decision: Decision) -> FloatArray:
        """The prices of the values of the entries that come into one unit, [entries, values], the same for every
        unit."""
        prices = self.entries[decision.path].reshape(decision.shape[0], -1, len(decision.domain.values))
        if (prices != prices[:1]).any():
            raise Refusal("the goal tells the hidden units apart")
        return np.asarray(prices[0])

    def alike(self, decision: Decision) -> FloatArray:
        """The prices of the values of any entry, [values], the same for every entry."""
        prices = self.entries[decision.path]
        if (prices != prices[:1]).any():
            raise Refusal("the goal tells the hidden units apart")
        return np.asarray(prices[0])


def prices_of(network: Network, chains: Mapping[str, tuple[str, ...]], terms: tuple[Term, ...], sign: float) -> Prices:
    """The prices of the terms of a goal that do not read data. chains: the names of the layers of each hidden layer's
    units, by that of the layer with weights. Raises Refusal where a term says more."""
    counter = _Counter(network, chains)
    for term in terms:
        for node, factor in _addends(term.value, sign * term.coefficient):
            if not counter.add(node, factor):
                raise Refusal(f"`{term.label}` is not a sum over weights and used units")
    return Prices(counter.constant, counter.entries, counter.used)


def _addends(node: Node, factor: float) -> Iterator[tuple[Node, float]]:
    match node:
        case Plus(terms=terms, shape=()):
            for term in terms:
                yield from _addends(term, factor)
        case Scale(operand=operand, factor=by) if by.size == 1 and operand.shape == ():
            yield from _addends(operand, factor * float(by.reshape(-1)[0]))
        case _:
            yield node, factor


class _Counter:
    def __init__(self, network: Network, chains: Mapping[str, tuple[str, ...]]) -> None:
        self._chains = chains
        self._units = {layer.name: layer.units for layer in network.layers if layer.name in chains}
        self._values = {d.path: np.array(d.domain.values) for d in network.decisions if d.domain.is_finite}
        self.entries = {d.path: np.zeros((d.size, len(d.domain.values))) for d in network.decisions}
        self.used = dict.fromkeys(chains, 0.0)
        self.constant = 0.0

    def add(self, node: Node, factor: float) -> bool:
        """Whether the node is one whose prices can be told, and none is below 0."""
        match node:
            case Constant(value=value, shape=()):
                self.constant += factor * float(value)
                return True
            case Apply(word="count", operands=(Apply(word="used", operands=(Units() as units,)),)):
                return factor >= 0 and self._add_used(units, factor)
            case Apply(word=word, operands=(operand,), batch=0) if word in MEASURES:
                entries = _entries(operand)
                return factor >= 0 and entries is not None and self._add_entries(word, entries, factor)
        return False

    def _add_used(self, units: Units, factor: float) -> bool:
        for name, chain in self._chains.items():
            if units.layer in chain and np.array_equal(np.sort(units.index, axis=None), np.arange(self._units[name])):
                self.used[name] += factor
                return True
        return False

    def _add_entries(self, word: str, entries: list[tuple[str, IntArray]], factor: float) -> bool:
        if any(path not in self._values for path, _ in entries):
            return False
        for path, index in entries:
            np.add.at(self.entries[path], index, factor * MEASURES[word](self._values[path]))
        return True


def _entries(node: Node) -> list[tuple[str, IntArray]] | None:
    """Which entries of decisions an expression reads, each as it is; None where it is made of anything else."""
    match node:
        case Reference(decision=decision):
            return [(decision.path, np.arange(decision.size))]
        case Gather(base=Reference(decision=decision), index=index):
            return [(decision.path, index.reshape(-1))]
        case Join(parts=parts):
            found = [_entries(part) for part in parts]
            return None if None in found else [entry for some in found if some is not None for entry in some]
    return None
