"""Networks with given output weights, to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nnmip.branching.node import Patterned
from nnmip.hir.core import Apply, Assignment, Decision, Layer
from nnmip.incumbents.gradient import Nets, descended
from nnmip.incumbents.polish import polished
from nnmip.milp.model import FloatArray
from nnmip.records import dataclass
from nnmip.search.loss import Shortfalls
from nnmip.search.pieces import PIECES, shortfalls
from nnmip.search.split import Pattern, Split

POLISHED = 2
"""How many networks of a descent are polished."""

SLOPES: Mapping[str, Callable[[Layer], float]] = {
    "relu": lambda layer: 0.0,
    "leaky_relu": lambda layer: float(layer.option("slope")),
}
"""The activations that a descent knows, with their slope below 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Starts:
    """Networks of one hidden layer by gradient descent; none for other networks, and for other losses."""

    split: Split

    def of(self, pattern: Pattern, patterned: Patterned) -> list[Assignment]:
        """Some with the output weights of a pattern, each the best with its phases."""
        slope, loss = self._slope(), self._loss()
        live = np.flatnonzero(pattern.values)
        if slope is None or loss is None or not len(live):
            return []
        rows, shortfall = loss
        boxes = [self._box(pattern, live, side) for side in (0, 1)]
        nets = descended(rows, shortfall, boxes[0], boxes[1], slope=slope)[:POLISHED]
        found = [self._network(pattern, live, net) for net in nets]
        return [polished(patterned.lowered, network, patterned.relaxation) for network in found]

    def _slope(self) -> float | None:
        """That of the only activation; None where there is another, or more."""
        layers = self.split.program.networks[0].layers
        if len(layers) != 3 or layers[0] is not self.split.hidden or layers[1].op not in SLOPES:
            return None
        return SLOPES[layers[1].op](layers[1])

    def _loss(self) -> tuple[FloatArray, Shortfalls] | None:
        """The rows and the loss of a goal with one that is convex in the scores."""
        program = self.split.program
        assert program.goal is not None
        for term in program.goal.terms:
            node = term.value
            if isinstance(node, Apply) and node.word in PIECES and node.data is not None:
                data = program.dataset(node.data)
                factor = abs(term.coefficient)
                if factor and len(data.features):
                    pieces = PIECES[node.word](node, data, 1)
                    rows = data.features.reshape(len(data.features), -1)
                    return rows, shortfalls(len(rows), [(factor, 0, pieces)])
        return None

    def _box(self, pattern: Pattern, live: np.ndarray, side: int) -> Nets:
        hidden, out = self.split.hidden, self.split.out

        def ends(decision: Decision | None, shape: tuple[int, ...]) -> FloatArray:
            if decision is None:
                return np.zeros(shape)
            return np.full(shape, (decision.domain.lo, decision.domain.hi)[side])

        weights = hidden.decision("weights")
        assert weights is not None
        width = weights.size // hidden.units
        return Nets(
            ends(weights, (len(live), width)),
            ends(hidden.decision("bias"), (len(live),)),
            pattern.values[live][:, None],
            ends(out.decision("bias"), (1,)),
        )

    def _network(self, pattern: Pattern, live: np.ndarray, net: Nets) -> Assignment:
        """The network in the shapes of the model, numbers in their domains; units that do not show are nearest to 0."""
        hidden, out, values = self.split.hidden, self.split.out, {}
        for layer, role, part in (
            (hidden, "weights", net.weights),
            (hidden, "bias", net.bias),
            (out, "bias", net.offset),
        ):
            decision = layer.decision(role)
            if decision is None:
                continue
            whole = np.zeros(decision.shape)
            whole[live if layer is hidden else slice(None)] = part.reshape(
                whole[live].shape if layer is hidden else whole.shape
            )
            values[decision.path] = decision.domain.project(whole)
        values[self.split.head] = pattern.values.reshape(1, -1)
        kept = (
            {self.split.keeper.path: pattern.kept} if self.split.keeper is not None and pattern.kept is not None else {}
        )
        return Assignment(values, kept)
