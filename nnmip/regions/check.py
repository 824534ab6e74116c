"""Whether networks with known weights keep rules over regions: a proof, or the points at which they are broken most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any

import numpy as np

from nnmip.hir.core import Assignment, Constant, FloatArray, Node, Program, Reference
from nnmip.hir.goals import Cell, Property
from nnmip.hir.known import KnownNetwork, known_of
from nnmip.hir.walk import mapped, once
from nnmip.records import dataclass
from nnmip.regions.instances import Instances, Point
from nnmip.regions.slopes import decide_slope
from nnmip.solution.network import trained_network
from nnmip.verification.composite import Composite, entries_of
from nnmip.verification.milp import Solve
from nnmip.verification.region import Region, is_inside, on_domains, regions_of
from nnmip.verification.run import Limits, verify
from nnmip.verification.verdict import Answer

SLOPES_SECONDS = 60.0
"""CPU seconds for the proof that a network is monotone in one feature."""

MOST_POINTS = 20
"""A round ends its look at more cells when so many are broken."""

SAMPLES, WALKS, STEPS = 400, 12, 30
"""How a point that breaks a rule is made worse: random points, the best of which walk downhill."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """The answer for one cell. point: where the networks break the rule, or come nearest to that where it is open;
    violation: by how much they break it there. proof: `certified` or `solver` where it is verified. note: that no
    point obeys the assumptions, where that is why."""

    rule: int
    answer: Answer
    by: str
    proof: str
    margin: float | None
    point: Point | None
    violation: float
    reason: str
    note: str = ""


@dataclass(slots=True, eq=False)
class Checker:
    """Decides the rules of a program for networks that are given. `solve` is asked where a MILP is needed."""

    instances: Instances
    solve: Solve
    stop: threading.Event
    seed: int = 0
    seconds: Callable[[], float | None] = field(default=lambda: None)

    @property
    def program(self) -> Program:
        return self.instances.program

    def findings(self, network: Assignment) -> list[Finding]:
        """An answer for every cell, as long as there is time and not too many are broken."""
        known = self._known(network)
        found: list[Finding] = []
        for place, rule in enumerate(self.program.regions):
            for number, cell in enumerate(rule.cells):
                if sum(f.answer is Answer.VIOLATED for f in found) >= MOST_POINTS:
                    return found
                found.append(self._decide(place, number, cell, network, known))
        return found

    def _known(self, network: Assignment) -> dict[str, KnownNetwork]:
        return {n.name: known_of(trained_network(self.program, n, network)) for n in self.program.networks}

    def _decide(
        self, place: int, number: int, cell: Cell, network: Assignment, known: Mapping[str, KnownNetwork]
    ) -> Finding:
        property = fixed_property(cell.property, network)
        program = with_known(self.program, known)
        left = self.seconds()
        if self.stop.is_set() or (left is not None and left <= 0):
            return Finding(place, Answer.UNKNOWN, "", "none", None, None, 0.0, "the run ended first")
        for slope in cell.slopes:
            limit = SLOPES_SECONDS if left is None else min(SLOPES_SECONDS, left)
            end = None if left is None else time.perf_counter() + left
            made = decide_slope(known[slope.network], slope, limit, partial(self._is_over, end))
            if made.is_proved:
                return Finding(place, Answer.VERIFIED, "slopes", "certified", None, None, 0.0, "")
            if made.pair is not None and cell.is_slope:
                point, other = (reference.decision for reference in property.points)
                values = {
                    point.path: made.pair[0].reshape(point.shape),
                    other.path: np.asarray(made.pair[1, slope.feature]),
                }
                return self._broken(Point(place, number, values), network, "slopes", "")
        verdict = verify(program, property, self.solve, Limits(self.seconds(), seed=self.seed), self.stop)
        if verdict.answer is Answer.VERIFIED:
            note = ", ".join(verdict.notes)
            return Finding(place, verdict.answer, verdict.by, verdict.proof, verdict.margin, None, 0.0, "", note)
        own = f"{property.name}."
        given = {own + name: np.asarray(array) for name, array in verdict.counterexample.items()}
        worst = self._worst(program, property, given)
        if worst is None:
            return Finding(place, Answer.UNKNOWN, "", "none", None, None, 0.0, verdict.reason)
        return self._broken(Point(place, number, worst), network, verdict.by, verdict.reason, verdict.answer)

    def _broken(
        self, point: Point, network: Assignment, by: str, reason: str, answer: Answer = Answer.VIOLATED
    ) -> Finding:
        violation = self.instances.violation(point, network)
        return Finding(point.rule, answer, by, "replayed", None, point, violation, reason)

    def _is_over(self, end: float | None) -> bool:
        return self.stop.is_set() or (end is not None and time.perf_counter() > end)

    # ---- the worst point ---------------------------------------------------------------------------------------

    def _worst(
        self, program: Program, property: Property, given: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray] | None:
        """The point of the region where a conclusion is farthest from holding, or nearest to failing, of all that a
        search finds that starts from random points and the given one."""
        composite = Composite(program, property.points)
        start = np.concatenate([given[p.decision.path].reshape(-1) for p in property.points]) if given else None
        best, depth = start, np.inf
        for region in regions_of(property, composite):
            for rows in (task.map for task in region.tasks):
                for x, value in _descents(composite, region, rows, property, start, self.seed):
                    if value < depth and is_inside(program, property, self._assignment(property, x)):
                        best, depth = x, value
                        break
        return None if best is None else dict(entries_of(property.points, best))

    def _assignment(self, property: Property, x: FloatArray) -> Assignment:
        return Assignment(entries_of(property.points, x), {})


def _descents(
    composite: Composite, region: Region, rows: Any, property: Property, start: FloatArray | None, seed: int
) -> list[tuple[FloatArray, float]]:
    """Points of a region with the largest row of a way to break a property there, the least first."""
    every, box = region.map.joined(rows), region.inside
    lo, hi, random = box.lo[0], box.hi[0], np.random.default_rng(seed)
    x = lo + (hi - lo) * random.random((SAMPLES, len(lo)))
    corners = random.integers(0, 2, (SAMPLES // 4, len(lo))).astype(np.float64)
    more = [x, lo + (hi - lo) * corners, *([] if start is None else [start[None]])]
    x = on_domains(property.points, np.clip(np.concatenate(more), lo, hi))
    x = x[composite.values(every, x).max(axis=1).argsort()[:WALKS]]
    if start is not None:
        x = np.concatenate([x, start[None]])
    seen, values = [x], [composite.values(every, x).max(axis=1)]
    for step in range(STEPS):
        _, slope = composite.largest(every, x, has_slope=True)
        length = 0.25 * 0.8**step
        x = on_domains(property.points, np.clip(x - length * (hi - lo) * np.sign(slope), lo, hi))
        seen.append(x)
        values.append(composite.values(every, x).max(axis=1))
    points, depths = np.concatenate(seen), np.concatenate(values)
    order = depths.argsort()[: 4 * WALKS]
    return [(points[k], float(depths[k])) for k in order]


def with_known(program: Program, known: Mapping[str, KnownNetwork]) -> Program:
    """The program of networks alone, those that were decided with their weights."""
    return replace(
        program,
        networks=(),
        datasets=(),
        bindings=(),
        stages=(),
        constraints=(),
        variables=(),
        lets=(),
        known=(*program.known, *known.values()),
        regions=(),
        properties=(),
        held=(),
    )


def fixed_property(property: Property, network: Assignment) -> Property:
    """A property with the values of the weights and variables that it reads."""
    own = {point.decision.path for point in property.points}

    def fixed(node: Node, inside: Callable[[Node], Node]) -> Node:
        if isinstance(node, Reference) and node.decision.path not in own:
            return Constant(network.values[node.decision.path], node.origin, node.boolean)
        return mapped(node, inside)

    value = once(fixed)
    return replace(
        property,
        assumptions=tuple(map(value, property.assumptions)),
        conclusions=tuple(map(value, property.conclusions)),
    )
