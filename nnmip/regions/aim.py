"""A goal of a model with rules over regions in its turn, and what may be concluded from its rounds.

A network is *allowed* where it keeps the rules, and *firm* where it keeps them with delta to spare. A round solves the
rules at finitely many points, as they are (*relaxed*) or tightened there by at most delta (*tightened*). So every
allowed network is one of a relaxed round, and every firm one is one of either kind.

**One goal.** The best value of a relaxed round bounds that of every allowed network. If its network is verified, it is
allowed, and so the best of them. The best value of a tightened round bounds that of every firm network. If its network
is verified, no firm one is better; allowed ones may be, down to the bound of the relaxed rounds.

**Goals in stages.** The next goal has its turn when a network of the one before is proved the best in one of these two
ways. Call h the value of the verified network that is kept then; the goal is held at h, within its slack. All rounds
that follow have it as a row.

- *Feasible.* The network that is kept must stay possible, or the next goal had no network at all. Relaxed rounds have
  it, since it is allowed. At a point of a tightened round the rule is tightened only by as much as this network has to
  spare there, at most by delta: that is still a relaxation for the firm ones. Where it has nothing to spare, the rule
  is tightened by what a solver leaves open (`NUDGE`), for which the slack of the goals before mostly pays; where it
  does not, the rounds end without a proof, and with the network that is kept.
- *Optimal.* If every goal is proved by relaxed rounds, each value h is that of the best allowed network: those of the
  relaxed rounds include all allowed ones that keep the goals before at h. The last network is then the best in the
  order of the goals. The values need no second look when later rounds add points: these leave out no allowed network.
- *Tightened.* Let a firm network be given. In the first goal it is not better than h, but for the slack. If it is
  worse by more, it is worse in the order of the goals. If not, it keeps the first goal at h, so it is one of the
  rounds of the second goal, and not better than h there; and so on. So no firm network is better in the order of the
  goals. It may be that no firm network is as good as h in an earlier goal: then the claim says nothing of later ones.
- *Bounds.* Let v be the value of the first goal of the best allowed network. The network that is kept is allowed, so
  that v is not worse than h: the allowed networks that keep the first goal at v keep it at h, and the bound of relaxed
  rounds of the second goal holds for the best one. For the third this is no longer so unless h is v. Where v is
  better than h, what that costs in the second goal is unknown: its best value may be worse than the one that is held,
  and then the rounds of the third goal leave out networks that count. So the bound of a goal is reported where all
  goals before it but the last one are proved for the rules themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Assignment, Program
from nnmip.records import dataclass
from nnmip.regions.instances import Instances, Point
from nnmip.solution.replay import Replay
from nnmip.solution.result import Proof, Result

DELTA = 1e-5
"""By how much a rule is tightened, in units of its scores; for `monotone` per width of the input domain."""

NUDGE = 2e-8
"""By how much a rule is tightened at least: a solver keeps rows within 1e-8. A point at which a network misses what a
tightened rule asks for by less is not added: there is no end to these."""


@dataclass(slots=True, eq=False)
class Aim:
    """A goal in its turn. program: the model without its rules, the goals before held; spare: the network that keeps
    them, None for the first goal. tightened: the rules, by number, that are tightened. bound: that of the relaxed
    rounds; last: what the last round said. is_proved: whether a verified network is proved the best; is_tight: whether
    for tightened rules. message: why the rounds ended."""

    program: Program
    spare: Assignment | None = None
    tightened: set[int] = field(default_factory=set)
    bound: float | None = None
    bound_proof: Proof = Proof.NONE
    last: Result | None = None
    is_proved: bool = False
    is_tight: bool = False
    message: str = ""

    @property
    def number(self) -> int:
        """The number of the goal, from 1 on."""
        return len(self.program.held) + 1

    @property
    def is_last(self) -> bool:
        return self.number >= len(self.program.stages)

    def is_closed(self, best: Replay | None) -> bool:
        """Whether a network is as good as the bound of the relaxed rounds."""
        value = None if best is None else best.objective
        return value is not None and self.bound is not None and abs(value - self.bound) <= proof_tolerance(value)

    def keep_bound(self, result: Result) -> None:
        """Keep the bound of a relaxed round where it is better."""
        goal, bound = self.program.goal, result.dual_bound
        if goal is None or bound is None:
            return
        if self.bound is None or goal.sign * (bound - self.bound) > 0:
            self.bound = bound
            self.bound_proof = result.proof if result.is_proved else Proof.SOLVER

    def delta(self, instances: Instances, point: Point) -> float:
        """By how much its rule is tightened at a point once it is."""
        return DELTA if self.spare is None else min(DELTA, max(NUDGE, instances.spare(point, self.spare)))

    def deltas(self, instances: Instances, points: Sequence[Point], is_tightened: bool) -> list[float]:
        """The same for points of a round."""
        rules = self.tightened if is_tightened else ()
        return [self.delta(instances, point) if point.rule in rules else 0.0 for point in points]
