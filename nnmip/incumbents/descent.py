"""Networks of any layers by gradient descent on the losses of a program, their weights members of their domains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.hir.core import Apply, Assignment, Decision, FloatArray, Program
from nnmip.hir.walk import roots, walk
from nnmip.incumbents.adam import Adam, length_at
from nnmip.incumbents.backprop import Backprop
from nnmip.incumbents.budget import Budget
from nnmip.incumbents.losses import SLOPES, slope_of

RESTARTS, STEPS, LOOK = 16, 160, 20
"""Networks to begin with, steps of each, and after how many of them the goal is looked at."""

FASTEST, SLOWEST = 0.1, 0.004
"""The first and the last length of a step, as shares of the width of a domain."""

WIDEST = 4.0
"""Where the width of a domain counts as this one at most: it may be far wider than weights need."""

BEGINNINGS = ((1.0, 0.0), (0.3, 0.0), (0.6, 0.0), (1.0, 0.005), (0.5, 0.05))
"""How far from 0 the weights of a beginning are, as shares of their domains, and by how much its steps pull weights to
0, as shares of the largest gradient; in turn."""


class Descent:
    """Descends from random networks; `seen` gets every network worth a look.

    Steps are those of Adam on numbers between the ends of each domain; losses and gradients are those of the members
    nearest to them (Courbariaux, Bengio and David, NeurIPS 2015).
    """

    def __init__(self, program: Program, seed: int, seen: Callable[[Assignment], None]) -> None:
        self.program, self.seen = program, seen
        self.chance = np.random.default_rng(seed)
        self.losses = _losses(program)
        self.passes = [self._pass(node) for node in self.losses]

    def _pass(self, node: Apply) -> Backprop:
        network, data = self.program.network(node.network or ""), self.program.dataset(node.data or "")
        return Backprop(network, data.features.reshape(data.row_count, *network.input_shape))

    def run(self, budget: Budget) -> None:
        """All restarts, or as many as there is time for; nothing without a loss to descend on."""
        for number in range(RESTARTS if self.losses else 0):
            if budget.is_over:
                break
            self._restart(*BEGINNINGS[number % len(BEGINNINGS)], budget)

    def _restart(self, share: float, pull: float, budget: Budget) -> None:
        now = {d.path: self._beginning(d, share) for d in self.program.decisions}
        movers = {path: Adam(array) for path, array in now.items()}
        for step in range(1, STEPS + 1):
            network = self._rounded(now)
            gradients = self._gradients(network)
            length = length_at(step, STEPS, FASTEST, SLOWEST)
            for decision in self.program.decisions:
                path, domain = decision.path, decision.domain
                gradient = gradients.get(path)
                if gradient is None:
                    continue
                if pull and decision.role == "weights":
                    gradient = gradient + pull * np.abs(gradient).max() * np.sign(now[path])
                stride = length * min(domain.hi - domain.lo, WIDEST)
                now[path] = np.clip(movers[path].moved(now[path], gradient, step, stride), domain.lo, domain.hi)
            if step % LOOK == 0:
                self.seen(self._rounded(now))
                if budget.is_over:
                    break

    def _beginning(self, decision: Decision, share: float) -> FloatArray:
        domain = decision.domain
        drawn = self.chance.uniform(max(domain.lo, -WIDEST), min(domain.hi, WIDEST), decision.shape)
        return np.clip(share * drawn, domain.lo, domain.hi)

    def _rounded(self, now: dict[str, FloatArray]) -> Assignment:
        values = {d.path: d.domain.project(now[d.path]) for d in self.program.decisions}
        return everything_kept(self.program, values)

    def _gradients(self, network: Assignment) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        for node, back in zip(self.losses, self.passes, strict=True):
            slope = slope_of(node, back.result(network), self.program.dataset(node.data or ""))
            for path, gradient in back.slopes(network, slope).items():
                found[path] = found[path] + gradient if path in found else gradient
        return found


def everything_kept(program: Program, values: dict[str, FloatArray]) -> Assignment:
    """A network with all its units and layers."""
    layers = [layer for network in program.networks for layer in network.layers]
    kept = {la.path: np.ones(la.kept_shape, dtype=bool) for la in layers if la.kept_shape is not None}
    return Assignment(values, kept)


def _losses(program: Program) -> list[Apply]:
    """The losses of the goal and of the constraints, each once."""
    nodes = [node for root in roots(program) for node in walk(root) if isinstance(node, Apply)]
    found = {id(node): node for node in nodes if node.word in SLOPES and node.network and node.data}
    trained = {network.name for network in program.networks}
    return [node for node in found.values() if node.network in trained]
