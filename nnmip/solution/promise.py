"""What is said of constraints over regions: round after round, and at the end."""

from __future__ import annotations

from typing import Any

from nnmip.records import dataclass

TIGHTENED, RELAXED, START = "tightened", "relaxed", "start"


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the best network for the rules at `points` points, and what came of its verification. stage: the
    number of the goal, from 1 on.

    kind: `relaxed` for the rules as they are, `tightened` for rules tightened by delta, `start` for a network that was
    known before. verdict: of the worst rule; violation: the largest by which the network breaks a rule at a point that
    was found, in units of the rule.
    """

    kind: str
    stage: int
    points: int
    objective: float | None
    bound: float | None
    verdict: str
    rule: str
    violation: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "stage": self.stage,
            "points": self.points,
            "objective": self.objective,
            "bound": self.bound,
            "verdict": self.verdict,
            "rule": self.rule or None,
            "violation": self.violation,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """How a rule is proved for the network that is reported: by which steps, `certified` or by a `solver`, and what it
    holds by at least, where that is known."""

    name: str
    sentence: str | None
    by: str
    proof: str
    margin: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sentence": self.sentence,
            "verdict": "verified",
            "by": self.by,
            "proof": self.proof,
            "margin": self.margin,
        }


@dataclass(frozen=True, slots=True)
class Promise:
    """What is known of the constraints over regions of a model.

    rules: how each is proved for the network that is reported; empty where none is reported. delta: by how much the
    rules named in `tightened` were tightened, as far as that was needed. is_tight: whether the network is the best with
    these tightened at the points that were met, and so at least as good as every network that keeps the others and the
    tightened ones; by less than `tolerance` where losses are solved within one.
    """

    rules: tuple[Kept, ...]
    rounds: tuple[Round, ...]
    delta: float
    tightened: tuple[str, ...]
    is_tight: bool
    tolerance: float = 0.0

    @property
    def proof(self) -> str:
        """The weakest proof of a rule."""
        found = {rule.proof for rule in self.rules}
        return next((proof for proof in ("solver", "confirmed") if proof in found), "certified")

    @property
    def points(self) -> int:
        return self.rounds[-1].points if self.rounds else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "rules": [rule.to_json() for rule in self.rules],
            "delta": self.delta,
            "tightened": list(self.tightened),
            "optimal_for_tightened": self.is_tight,
            "tolerance": self.tolerance,
            "rounds": [each.to_json() for each in self.rounds],
        }
