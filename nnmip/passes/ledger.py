"""Proved bounds of a network at points, with the step that gave each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from time import process_time

import numpy as np

from nnmip.bounds.crown import undecided
from nnmip.bounds.interval import IntArray, Interval
from nnmip.bounds.known import met
from nnmip.bounds.table import Bounds
from nnmip.hir.known import KnownNetwork
from nnmip.records import dataclass
from nnmip.source import Origin

STEPS = ("interval", "fbbt", "crown", "lp", "milp")
"""What gives bounds: interval propagation, affine constraints, backward lines, linear programs, MILPs."""

Sides = tuple[IntArray, IntArray]


@dataclass(slots=True, eq=False)
class Ledger:
    """A known network at points [n, *input], as it reads them, with bounds of every layer (and the input, by name).

    Bounds are only ever met with others, so they shrink; of two that are equal the earlier step keeps the credit.
    givers: for every tensor the position in STEPS of what gave each lower and each upper bound. seconds: CPU seconds of
    every step that ran. label: what its columns and rows are called after, once they are there.
    """

    known: KnownNetwork
    origin: Origin
    outputs: dict[str, Interval] = field(default_factory=dict)
    givers: dict[str, Sides] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    label: str = ""

    def meet(self, step: str, outputs: Mapping[str, Interval]) -> None:
        """Take what a step has proved; raises Contradiction, and takes nothing, where it fits to no point."""
        code = STEPS.index(step)
        found = {name: met(name, self.outputs.get(name, new), new) for name, new in outputs.items()}
        for name, new in found.items():
            old = self.outputs.get(name)
            if old is None:
                self.givers[name] = np.full(new.shape, code), np.full(new.shape, code)
            else:
                lo, hi = self.givers[name]
                self.givers[name] = np.where(new.lo > old.lo, code, lo), np.where(new.hi < old.hi, code, hi)
            self.outputs[name] = new

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the CPU seconds of what is done inside for a step."""
        start = process_time()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + process_time() - start

    @property
    def box(self) -> Interval:
        """The bounds of the points themselves."""
        return self.outputs[self.known.network.input_name]

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.outputs, ", ".join(self.seconds))

    @property
    def result(self) -> Interval:
        """The bounds of the results, [n, *output]."""
        network = self.known.network
        return self.outputs[network.result_layer].take(network.result_index)

    def given_by(self, name: str) -> dict[str, int]:
        """How many bounds of a tensor each step gave, of those that gave any."""
        counts = np.bincount(np.concatenate([side.ravel() for side in self.givers[name]]), minlength=len(STEPS))
        return {step: int(count) for step, count in zip(STEPS, counts, strict=True) if count}

    def phases(self) -> dict[str, dict[str, int]]:
        """For every layer that works entry by entry and has a kink or a jump: for how many entries (of all points) it
        is outside their bounds, all above or all below 0, and for how many it is inside."""
        open_ = undecided(self.known.network, self.known.assignment, self.bounds)
        found = {}
        for layer in self.known.network.layers:
            if layer.name in open_:
                stable = self.outputs[layer.inputs[0]].lo[~open_[layer.name]] >= 0.0
                found[layer.name] = {
                    "stable_active": int(stable.sum()),
                    "stable_inactive": int((~stable).sum()),
                    "unstable": int(open_[layer.name].sum()),
                }
        return found
