"""Verification: the steps, from the cheapest, until a property is proved or broken."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from functools import partial

import numpy as np

from nnmip.bounds.crown import STEPS
from nnmip.hir.core import FloatArray, Program
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Property
from nnmip.records import dataclass
from nnmip.verification.absolute import with_networks
from nnmip.verification.attack import QUICK, THOROUGH, Attack, Effort
from nnmip.verification.boxes import Walks
from nnmip.verification.claims import Opaque
from nnmip.verification.closing import Ways
from nnmip.verification.composite import Composite, Map, entries_of
from nnmip.verification.layered import walks_of
from nnmip.verification.milp import MARGIN, Solve, Solved, least_of
from nnmip.verification.readable import refused
from nnmip.verification.region import Region, Task, on_domains, regions_of
from nnmip.verification.replay import BELOW_ROUNDING, NOT_CONFIRMED, Replayed
from nnmip.verification.smooth import NEAR_CURVES, check_read, largest_error
from nnmip.verification.splitting import USUAL, Recipe, Tree, split
from nnmip.verification.verdict import Answer, Step, Verdict

INTERRUPTED = "interrupted"
STAGES = ("bounds", "attack", "exact", "splitting", "programs", "milp")
"""What is done to decide a property, in this order; what is left in the end has `exact` once more."""
FEW = 12
"""Up to so many entries of a point are cut into boxes."""
ROUNDS = 3
"""Rounds of the attack on each way to break a property, before anything is cut."""
FLAT_SECONDS = 1.0
"""For regions that boxes cover badly: an equation between entries makes them flat, or a norm bounds them."""

CLOSE = 1e-6
"""What comes so near to being broken, of the size of its numbers, is tried exactly before boxes are cut."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a property may cost, and what is done for it.

    time_limit: wall seconds, None for no limit. boxes: how many are bounded at most. splitting: the part of what is
    left of the time limit that cutting boxes may take where a MILP may follow, and its CPU seconds without a limit.
    programs: the part of what is left that linear programs may take, and their wall seconds without a limit. stages:
    those of `STAGES` to go through. is_short: whether a counterexample is rounded to few decimals where that breaks the
    property too.
    """

    time_limit: float | None = None
    boxes: int = 10_000_000
    splitting: tuple[float, float] = (0.7, 60.0)
    programs: tuple[float, float] = (0.3, 30.0)
    seed: int = 0
    stages: tuple[str, ...] = STAGES
    recipe: Recipe = USUAL
    is_short: bool = True


UNLIMITED = Limits()


def verify(
    program: Program,
    property: Property,
    solve: Solve,
    limits: Limits = UNLIMITED,
    stop: threading.Event | None = None,
) -> Verdict:
    """Decide a property of networks with known weights; `solve` is asked where a MILP is needed.

    Setting `stop`, or Ctrl-C, which sets it, ends the run with what is known.

    Raises DiagnosticError NNM0104 for a property that is not a combination of comparisons of affine expressions,
    NNM0621 for one that asks a network with curves in a way for which their error is not known.
    """
    replayed = Replayed(program, property)
    program, made = with_networks(program, property)
    check_read(program, made)
    has_sums = made is not property
    return _Run(program, made, solve, limits, stop or threading.Event(), replayed, has_sums).verdict()


class _Decided(Exception):
    """A property is broken at a point, `replayed.point`, which a step found, or part of one."""

    def __init__(self, by: str) -> None:
        self.by = by
        super().__init__()


@dataclass(slots=True)
class _Run:
    """One property on its way through the steps; `regions` are what is open."""

    program: Program
    property: Property
    solve: Solve
    limits: Limits
    stop: threading.Event
    replayed: Replayed
    has_sums: bool
    steps: list[Step] = field(default_factory=list)
    margin: float = np.inf
    is_certified: bool = True
    reason: str = ""
    is_close: bool = False
    below_rounding: str = ""
    begun: float = field(default_factory=time.perf_counter)
    _walks: dict[int, tuple[Ways, Walks]] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        try:
            composite = Composite(self.program, self.property.points)
            regions = regions_of(self.property, composite)
        except Opaque as error:
            raise refused(error) from None
        self.replayed.boxes = tuple(region.box for region in regions)
        self.replayed.cases = tuple(region.case for region in regions)
        try:
            by = self._decide(composite, regions)
        except KeyboardInterrupt:
            self.stop.set()
            self.reason = INTERRUPTED
            return self._made(Answer.UNKNOWN, "", "none")
        except _Decided as found:
            return self._violated(found.by)
        if by is None:
            return self._made(Answer.UNKNOWN, "", "none")
        made = self._made(Answer.VERIFIED, by, "certified" if self.is_certified else "solver")
        return self._with_vacuity(made, composite)

    def _decide(self, composite: Composite, regions: list[Region]) -> str | None:
        """The step that proved the property, None where it is open; raises _Decided where it is broken."""
        last = "bounds"
        work = (self._bounds, self._attack, self._exact_if_close, self._split, self._programs, self._milp)
        for name, step in (*zip(STAGES, work, strict=True), ("exact", self._exact_at_last)):
            if not _are_open(regions):
                break
            if name not in self.limits.stages:
                continue
            if self._is_over():
                self.reason = self.reason or self._over()
                return None
            begun = _cpu()
            self.steps.append(Step(name, 0.0, ""))
            try:
                said = step(composite, regions)
                self.steps[-1] = replace(self.steps[-1], said=said)
            finally:
                self.steps[-1] = replace(self.steps[-1], seconds=_cpu() - begun)
            last = name
        return None if _are_open(regions) else last

    # ---- steps -------------------------------------------------------------------------------------------------

    def _attack(self, composite: Composite, regions: list[Region]) -> str:
        attacks = [each for region in regions for each in self._attacks(composite, region, QUICK)]
        for attack in self._turns(composite, attacks):
            if self._is_over():
                break
            for point in attack.round():
                if self.replayed.breaks(point):
                    raise _Decided("attack")
        nearest = min((attack.best for attack in attacks), default=np.inf)
        sizes = [task.size for region in regions for task in region.tasks]
        self.is_close = nearest <= CLOSE * max(sizes, default=1.0)
        return f"nothing found; the nearest point keeps it by {nearest:.6g}"

    def _turns(self, composite: Composite, attacks: list[Attack]) -> Iterator[Attack]:
        """The attacks in the order of their rounds. Where boxes are cut next, with attacks in between, all of them have
        one round, and the one that is nearest then has the others."""
        if not (self._can_cut(composite) and "splitting" in self.limits.stages):
            yield from (attack for attack in attacks for _ in range(ROUNDS))
            return
        yield from attacks
        for _ in range(ROUNDS - 1 if attacks else 0):
            yield min(attacks, key=lambda attack: attack.best)

    def _attacks(self, composite: Composite, region: Region, effort: Effort) -> list[Attack]:
        """An attack for every way to break the property in a region."""
        random, move = np.random.default_rng(self.limits.seed), self._move(region)
        ways, walks = self._prepared(composite, region)
        elites = self.limits.recipe.has_elites
        return [
            Attack(partial(walks.largest, rows=own), region.inside, move, random, effort, elites) for own in ways.own
        ]

    def _prepared(self, composite: Composite, region: Region) -> tuple[Ways, Walks]:
        """The rows of what is open in a region, and how they are bounded."""
        found = self._walks.get(id(region))
        if found is None or found[0].tasks != tuple(region.tasks):
            ways = Ways.of(region, composite)
            found = self._walks[id(region)] = ways, walks_of(composite, ways.rows, region.box)
        return found

    def _bounds(self, composite: Composite, regions: list[Region]) -> str:
        before, reach = sum(len(region.tasks) for region in regions), np.inf
        for region in regions:
            rows = _everything(composite, region)
            if not len(rows.constant):
                continue
            # Where boxes can be cut, better slopes are not worth their time.
            steps = 0 if self._can_cut(composite) and "splitting" in self.limits.stages else STEPS
            least = composite.walk(rows, region.box, steps).least(rows)[0]
            reach = min(reach, self._excluded(region, least))
        after = sum(len(region.tasks) for region in regions)
        self._note("", bound=float(reach) if np.isfinite(reach) else None)
        return f"{before - after} of {before} ways to break it are excluded"

    def _excluded(self, region: Region, least: FloatArray) -> float:
        """Take out the tasks that lower bounds of their rows, and then of those assumed, exclude; the least of the
        largest bounds of a task."""
        count = sum(len(task.rows) for task in region.tasks)
        if (least[count:] > 0).any():
            region.tasks.clear()
            return np.inf
        start, left, reach = 0, [], np.inf
        for task in region.tasks:
            own = task.excesses(least[start : start + len(task.rows)])
            start += len(task.rows)
            reach = min(reach, float(own.max(initial=-np.inf)))
            if (own > 0).any():
                self.margin = min(self.margin, float(own.max()))
            else:
                known = np.abs(own[np.isfinite(own)])
                left.append(replace(task, size=max(1.0, float(known.max(initial=0.0)))))
        region.tasks[:] = left
        return reach

    def _programs(self, composite: Composite, regions: list[Region]) -> str:
        """Linear programs, within a part of the time that is left."""
        from nnmip.verification.programs import Programs

        before, reach, is_used = sum(len(region.tasks) for region in regions), np.inf, False
        share, most = self.limits.programs
        end = time.perf_counter() + (most if self.limits.time_limit is None else share * self._left())

        def is_over() -> bool:
            return self._is_over() or time.perf_counter() > end

        for region in regions:
            rows = _everything(composite, region)
            if not region.tasks or is_over() or not len(rows.constant):
                continue
            made = Programs.of(composite, region, rows, is_over)
            if made is None:
                continue
            is_used = True
            self._excluded(region, made.walk.least(rows)[0])
            if region.tasks and not is_over():
                rows = _everything(composite, region)
                made.rows = rows
                reach = min(reach, self._excluded(region, made.least(list(range(len(rows.constant))))))
        if not is_used:
            return "left out: few unstable units"
        after = sum(len(region.tasks) for region in regions)
        self._note("", bound=float(reach) if np.isfinite(reach) else None)
        return f"{before - after} of {before} ways to break it are excluded"

    def _exact_if_close(self, composite: Composite, regions: list[Region]) -> str:
        return self._exact(composite, regions) if self.is_close else "left out: no point comes near to breaking it"

    def _exact_at_last(self, composite: Composite, regions: list[Region]) -> str:
        return "left out: it was tried" if self.is_close else self._exact(composite, regions)

    def _exact(self, composite: Composite, regions: list[Region]) -> str:
        """Rational arithmetic, for properties that hold with nothing to spare."""
        from nnmip.verification.exact import tried

        nodes, before = 0, sum(len(region.tasks) for region in regions)
        for region in regions:
            made = tried(self.program, self.property, composite, region, self._is_over)
            nodes += made.nodes
            if len(made.left) < len(region.tasks):
                self.margin = min(self.margin, 0.0)
            region.tasks[:] = made.left
            for point, depth in made.points:
                self._try(region, point, "exact")
                if depth <= CLOSE:
                    self.below_rounding = BELOW_ROUNDING.format(float(depth))
        after = sum(len(region.tasks) for region in regions)
        return f"{before - after} of {before} ways to break it are excluded, by {nodes} branches"

    def _split(self, composite: Composite, regions: list[Region]) -> str:
        if not self._can_cut(composite):
            return "left out: " + (f"{composite.size} inputs" if composite.size > FEW else "whole numbers")
        boxes, open_ = 0, 0
        for region in regions:
            if not region.tasks:
                continue
            ways, walks = self._prepared(composite, region)
            if not all(map(len, ways.own)):
                return "left out: a conclusion that never holds"
            tree = Tree.of(walks, ways, region, self.limits.recipe)
            attacks = self._attacks(composite, region, THOROUGH)
            made = split(tree, attacks, self.replayed.breaks, self._splitting(region), self.limits.boxes, self._is_over)
            boxes, open_ = boxes + made.boxes, open_ + made.open
            self._note(f"{open_} boxes are open" if open_ else "no box is open", boxes)
            if made.point is not None:
                raise _Decided(made.by)
            if not made.open:
                region.tasks.clear()
                self.margin = min(self.margin, made.least)
                self._note(self.steps[-1].said, boxes, made.least if made.least > 0.0 else None)
        if open_:
            self.reason = "the boxes that are open became too many, or too small"
        return self.steps[-1].said

    def _can_cut(self, composite: Composite) -> bool:
        """Whether the point has few entries, all of them real."""
        return composite.size <= FEW and all(domain.is_interval for domain in self._domains())

    def _splitting(self, region: Region) -> float:
        """The seconds that cutting may take: few where a region has no inside, or is bounded by a norm, which boxes
        cover badly."""
        share, most = self.limits.splitting
        if (region.is_flat or self.has_sums) and "milp" in self.limits.stages:
            return min(FLAT_SECONDS, self._left())
        if self.limits.time_limit is None:
            return most
        return self._left() * (share if "milp" in self.limits.stages else 1.0)

    def _note(self, said: str, boxes: int | None = None, bound: float | None = None) -> None:
        self.steps[-1] = replace(self.steps[-1], said=said, boxes=boxes, bound=bound)

    def _milp(self, composite: Composite, regions: list[Region]) -> str:
        solved, first = 0, Counter[str]()
        for region in regions:
            left: list[Task] = []
            for task in region.tasks:
                if self._is_over():
                    left.append(task)
                    continue
                made = self._least(region, task)
                solved += 1
                first.update([made.first] if made.first else [])
                self._note(f"{solved} models" + "".join(f"; {name} decided {n}" for name, n in first.most_common()))
                if made.point is not None:
                    self._try(region, made.point)
                if made.bound > MARGIN * task.size:
                    self.is_certified = False
                    self.margin = min(self.margin, made.bound)
                    continue
                left.append(task)
                self.margin = min(self.margin, made.bound)
                self.reason = self._open_because(made.bound, MARGIN * task.size, made.message)
            region.tasks[:] = left
        said = self.steps[-1].said or "0 models"
        self._note(said, bound=float(self.margin) if np.isfinite(self.margin) else None)
        return said

    def _least(self, region: Region, task: Task) -> Solved:
        """The MILP of a task; an interrupt ends the whole run."""
        made = least_of(self.program, self.property, region, task, self.solve, self._limit(), self._is_over)
        if made.is_interrupted:
            self.stop.set()
        return made

    def _try(self, region: Region, point: FloatArray, by: str = "milp") -> None:
        """Raise _Decided where a solver's point breaks the property, as it is or pulled inside by its tolerances."""
        box = region.inside
        middle = 0.5 * (box.lo + box.hi)
        move = self._move(region)
        for pull in (0.0, 1e-9, 1e-8, 1e-7, 1e-6):
            moved = move(np.clip(point[None] + pull * (middle - point), box.lo, box.hi))[0]
            if self.replayed.breaks(moved):
                raise _Decided(by)

    def _open_because(self, bound: float, margin: float, message: str) -> str:
        if self._is_over():
            return self._over()
        if abs(bound) <= margin:
            return f"it holds or fails by less than {margin:.2g}, which a solver cannot tell"
        return message or "the solver gave no bound and no point"

    # ---- what is asked on the way ------------------------------------------------------------------------------

    def _move(self, region: Region) -> Callable[[FloatArray], FloatArray]:
        if all(domain.is_interval for domain in self._domains()):
            return lambda x: x
        return lambda x: on_domains(self.property.points, x)

    def _domains(self) -> list[Domain]:
        return [point.decision.domain for point in self.property.points]

    def _left(self) -> float:
        limit = self.limits.time_limit
        return np.inf if limit is None else limit - (time.perf_counter() - self.begun)

    def _limit(self) -> float | None:
        return None if self.limits.time_limit is None else max(0.1, self._left())

    def _over(self) -> str:
        return INTERRUPTED if self.stop.is_set() else "the time limit came first"

    def _is_over(self) -> bool:
        return self.stop.is_set() or self._left() <= 0

    # ---- the answer --------------------------------------------------------------------------------------------

    def _made(self, answer: Answer, by: str, proof: str, point: FloatArray | None = None) -> Verdict:
        own = self.property.name + "."
        found = {} if point is None else entries_of(self.property.points, point)
        return Verdict(
            self.property.name,
            self.property.sentence,
            answer,
            by,
            proof,
            time.perf_counter() - self.begun,
            float(self.margin) if self._has_margin(answer) else None,
            {path.removeprefix(own): array for path, array in found.items()},
            self._why() if answer is Answer.UNKNOWN else "",
            steps=tuple(self.steps),
            of=self.property.of,
        )

    def _violated(self, by: str) -> Verdict:
        point, broken = self.replayed.shown(self.limits.is_short)
        return replace(self._made(Answer.VIOLATED, by, "replayed", point), broken=broken)

    def _has_margin(self, answer: Answer) -> bool:
        """Whether more is known of the margin than its sign."""
        return bool(np.isfinite(self.margin)) and self.margin != 0.0 and answer is not Answer.VIOLATED

    def _why(self) -> str:
        """Why the property is open."""
        if self.stop.is_set():
            return self.reason
        error = 0.0 if self._is_over() else largest_error(self.program, self.property)
        open_ = self.below_rounding or (NEAR_CURVES.format(error) if error else self.reason)
        return NOT_CONFIRMED if self.replayed.is_doubted else open_

    def _with_vacuity(self, verdict: Verdict, composite: Composite) -> Verdict:
        """Say so where no input satisfies the assumptions: the property then says nothing."""
        if self.replayed.has_point or not self.property.assumptions:
            return verdict
        note = "no input satisfies its assumptions: it says nothing"
        regions = regions_of(self.property, composite)
        for region in regions:
            middle = 0.5 * (region.box.lo + region.box.hi)
            if self.replayed.is_inside(self._move(region)(middle)[0]):
                return verdict
            empty = Task((), region.map)
            made = self._least(region, empty)
            if made.point is not None:
                return verdict
            if not np.isposinf(made.bound):
                note = "no input is known that satisfies its assumptions"
        return replace(verdict, notes=(note,))


def _cpu() -> float:
    """CPU seconds of this process and of those that it waited for, such as solvers."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _everything(composite: Composite, region: Region) -> Map:
    """All rows of the tasks that are open, and then those assumed."""
    return composite.map_of([row for task in region.tasks for row in task.rows]).joined(region.map)


def _are_open(regions: list[Region]) -> bool:
    return any(region.tasks for region in regions)
