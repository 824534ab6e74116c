"""What is said of a property."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from nnmip.hir.core import FloatArray
from nnmip.records import dataclass
from nnmip.verification.counterexamples import Broken


class Answer(StrEnum):
    """Whether a property holds."""

    VERIFIED = "verified"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work: what it was, its CPU seconds, and what it left or found, in words.

    boxes: how many it bounded, where it cut boxes. bound: what the conclusions are known to hold by after it.
    """

    name: str
    seconds: float
    said: str
    boxes: int | None = None
    bound: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in ("name", "seconds", "said", "boxes", "bound")}


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The answer to a property.

    by: the step that decided it, of `run.STAGES`; empty where it is open. proof: `certified`
    by bounds of ours, rounded outward; `solver` where the dual bound of a solver was needed; `replayed` for a
    counterexample; `none`. margin: what the conclusions are known to hold by, the least over all ways to break them;
    negative as long as it is open, None where there is none. counterexample: the input that breaks the property, by
    name. broken: the comparisons that fail there. reason: why it is open. notes: what else there is to know. of: the
    declaration of which this is the property of one member of its sets, empty where it has none.
    """

    name: str
    sentence: str | None
    answer: Answer
    by: str
    proof: str
    seconds: float
    margin: float | None = None
    counterexample: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    broken: tuple[Broken, ...] = ()
    of: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "property": self.name,
            "of": self.of,
            "sentence": self.sentence,
            "verdict": str(self.answer),
            "by": self.by,
            "proof": self.proof,
            "seconds": self.seconds,
            "margin": self.margin,
            "counterexample": {name: array.tolist() for name, array in self.counterexample.items()},
            "broken": [each.to_json() for each in self.broken],
            "reason": self.reason,
            "notes": list(self.notes),
            "steps": [s.to_json() for s in self.steps],
        }
