"""The answer to a query: none (`unsat`), one that the networks themselves confirm (`sat`), or none known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from fractions import Fraction

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.hir.evaluate import forward, returned
from nnmip.pipeline.model import Model
from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.verification.run import INTERRUPTED
from nnmip.verification.verdict import Answer, Verdict
from nnmip.vnnlib.posed import POINT, Part, Posed
from nnmip.vnnlib.query import Atom, Claim

FIRST_SHARE, LEAST_SECONDS = 0.1, 0.5
"""With several cases, each gets a part of this share of the time first, but at least so many seconds."""


class Found(StrEnum):
    """The answers of the competition."""

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The answer to a query. witness: every tensor of the query by name, flat, where the answer is `sat`; outputs are
    those that the file gives. reason: why there is no answer. is_certified: whether `unsat` rests on bounds of ours
    alone, and not on those of a solver. notes: what else there is to know."""

    found: Found
    seconds: float
    witness: Mapping[str, FloatArray]
    reason: str
    is_certified: bool
    notes: tuple[str, ...] = ()


def decide(
    posed: Posed,
    *,
    time_limit: float | None = None,
    solver: str = "auto",
    seed: int = 0,
    stop: threading.Event | None = None,
    allowance: Allowance,
) -> Outcome:
    """Look for inputs for which the assertions of a query hold, case by case, until one is found or none is left.

    `unsat` needs a proof of every case; `sat` a point inside the region that NumPy, in double precision, and ONNX
    Runtime, in that of the file, both confirm.
    """
    run = _Run(posed, time_limit, solver, seed, stop or threading.Event(), allowance)
    return run.outcome()


class _Run:
    def __init__(
        self,
        posed: Posed,
        time_limit: float | None,
        solver: str,
        seed: int,
        stop: threading.Event,
        allowance: Allowance,
    ) -> None:
        self.posed, self.limit, self.solver, self.seed, self.stop = posed, time_limit, solver, seed, stop
        self.model = Model.of_program(posed.program, allowance=allowance)
        self.begun = time.perf_counter()
        self.is_certified, self.reasons = True, dict[str, str]()

    def outcome(self) -> Outcome:
        if self.posed.is_empty:
            note = "no input is within the bounds that are asserted"
            return self._made(Found.UNSAT, notes=(note,))
        open_ = list(self.posed.parts)
        for seconds in self._rounds(len(open_)):
            left = []
            for part in open_:
                if self._left() <= 0 or self.stop.is_set():
                    left.append(part)
                    continue
                verdict = self._verdict(part, seconds)
                if verdict.answer is Answer.VIOLATED:
                    witness = self._witness(part, verdict)
                    if witness is not None:
                        return self._made(Found.SAT, witness)
                    self.reasons[part.property.name] = NOT_CONFIRMED
                    left.append(part)
                elif verdict.answer is Answer.UNKNOWN:
                    self.reasons[part.property.name] = verdict.reason
                    left.append(part)
                else:
                    self.is_certified &= verdict.proof == "certified"
            open_ = left
            if not open_:
                return self._made(Found.UNSAT)
        return self._open(open_)

    def _rounds(self, count: int) -> Iterator[float]:
        """The seconds for each case, first few and then all that are left."""
        if count > 1 and self.limit is not None:
            yield max(LEAST_SECONDS, FIRST_SHARE * self.limit / count)
        yield np.inf

    def _verdict(self, part: Part, seconds: float) -> Verdict:
        limit = min(seconds, self._left())
        return self.model.verify(
            part.property.name,
            time_limit=None if np.isinf(limit) else limit,
            solver=self.solver,
            seed=self.seed,
            stop=self.stop,
            short=False,
        )

    def _left(self) -> float:
        return np.inf if self.limit is None else self.limit - (time.perf_counter() - self.begun)

    def _open(self, parts: list[Part]) -> Outcome:
        reasons = [self.reasons[part.property.name] for part in parts if part.property.name in self.reasons]
        if self.stop.is_set():
            return self._made(Found.UNKNOWN, reason=INTERRUPTED)
        if NOT_CONFIRMED in reasons:
            return self._made(Found.UNKNOWN, reason=NOT_CONFIRMED)
        if self._left() <= 0:
            return self._made(Found.TIMEOUT, reason=f"{len(parts)} of {len(self.posed.parts)} cases are open")
        return self._made(Found.UNKNOWN, reason=reasons[0] if reasons else "")

    def _made(
        self,
        found: Found,
        witness: Mapping[str, FloatArray] | None = None,
        reason: str = "",
        notes: tuple[str, ...] = (),
    ) -> Outcome:
        seconds = time.perf_counter() - self.begun
        return Outcome(found, seconds, witness or {}, reason, found is Found.UNSAT and self.is_certified, notes)

    # ---- what a point has to pass ------------------------------------------------------------------------------

    def _witness(self, part: Part, verdict: Verdict) -> dict[str, FloatArray] | None:
        """All tensors at a point that breaks a property, None where one of the two ways to run the networks differs."""
        point = verdict.counterexample[POINT].reshape(-1)
        for moved in self._stored(part, point):
            inputs = {name: moved[places] for name, places in self.posed.places.items()}
            if not _holds(self.posed.query.claim, {**inputs, **self._in_double(inputs)}):
                continue
            given = {**inputs, **self._in_file(inputs)}
            if _holds(self.posed.query.claim, given):
                return given
        return None

    def _stored(self, part: Part, point: FloatArray) -> Iterator[FloatArray]:
        """The point in the type that the files read, inside the region, and as it is."""
        lo, hi = part.nearest
        inside = np.clip(point, lo, hi)
        if any(net.type is np.float32 for net in self.posed.nets):
            with np.errstate(over="ignore"):  # what is no number in the file is no answer
                single = inside.astype(np.float32)
            down = np.nextafter(single, np.float32(-np.inf))
            up = np.nextafter(single, np.float32(np.inf))
            stored = np.where(single > hi, down, np.where(single < lo, up, single)).astype(np.float64)
            yield np.where((lo <= stored) & (stored <= hi), stored, inside)
        yield inside

    def _in_double(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        found = {}
        for net in self.posed.nets:
            x = inputs[net.interface.of_kind("input")[0].name]
            for name, known in net.known.items():
                shaped = x.reshape(1, *known.network.input_shape)
                found[name] = returned(known.network, forward(known.network, known.assignment, shaped, 0.0)).reshape(-1)
        return found

    def _in_file(self, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        for net in self.posed.nets:
            found |= net.run(inputs[net.interface.of_kind("input")[0].name])
        return found


NOT_CONFIRMED = "a point was found that only one of NumPy and ONNX Runtime confirms"


def _holds(claim: Claim, values: Mapping[str, FloatArray]) -> bool:
    """Whether a claim holds for doubles, in exact arithmetic; none does of what is infinite or no number."""
    if isinstance(claim, Atom):
        if not all(np.isfinite(values[name][place]) for name, place in claim.left.terms):
            return False
        left = Fraction(float(claim.left.constant))
        for (name, place), factor in claim.left.terms.items():
            left += Fraction(float(factor)) * Fraction(float(values[name][place]))
        return left < 0 if claim.is_strict else left <= 0
    parts = (_holds(part, values) for part in claim.parts)
    return all(parts) if claim.op == "and" else any(parts)
