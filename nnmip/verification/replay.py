"""Whether a point breaks a property where the networks come from: in their files, in the precision of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Assignment, FloatArray, Program
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.goals import Property
from nnmip.hir.known import KnownNetwork
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass
from nnmip.verification.claims import Case
from nnmip.verification.composite import entries_of
from nnmip.verification.counterexamples import Broken, broken_at, shorter
from nnmip.verification.region import is_inside
from nnmip.verification.smooth import Meant
from nnmip.verification.ties import Tie, tied, ties_of

NOT_CONFIRMED = "a point was found that breaks it in 64-bit arithmetic, but not as ONNX Runtime runs the file"

BELOW_ROUNDING = "it is broken by {:.2g}, too little to see in 64-bit arithmetic"


FEW, MISSED = 3, 1e-6
"""A point is moved into so many regions, which it misses by so little of the size of its numbers."""


class FromFiles(Meant):
    """Values of expressions in which networks are run from their files, where these can be run."""

    def _applied(self, known: KnownNetwork, points: FloatArray) -> FloatArray:
        if known.file is None:
            return super()._applied(known, points)
        inputs = points.reshape(-1, *known.network.input_shape)
        return np.stack([known.file.run(x).reshape(known.network.output_shape) for x in inputs])


@dataclass(slots=True, eq=False)
class Replayed:
    """Points that may break a property, by the meaning of the language and as the files of its networks are run.

    boxes, cases: of its regions, and what is assumed there. has_point: whether a point of the regions is known. point:
    the last one that breaks it. is_doubted: whether one was found that the files do not confirm. ties, ends: the
    equations that are assumed in a region, and the ends of all boxes, once they are needed.
    """

    program: Program
    property: Property
    boxes: tuple[Interval, ...] = ()
    cases: tuple[Case, ...] = ()
    has_point: bool = False
    point: FloatArray | None = None
    is_doubted: bool = False
    ties: dict[int, tuple[Tie, ...]] = field(default_factory=dict)
    ends: FloatArray | None = None

    def breaks(self, point: FloatArray) -> bool:
        """Whether a point [entries] is in the region and breaks a conclusion; `point` is then the input next to it that
        the files can hold."""
        # Assumptions may be many, and the points that are asked for break the conclusions more often than not.
        if self.has_point and not self._is_broken(point):
            return False
        inside = self._inside(point)
        if inside is None:
            return False
        point = inside
        self.has_point = True
        if not self._is_broken(point):
            return False
        for moved in stored(self.program, point, self._box_of(point)):
            if not np.array_equal(moved, point) and not (self.is_inside(moved) and self._is_broken(moved)):
                continue
            if not has_files(self.program) or self._is_broken(moved, FromFiles):
                self.point = moved
                return True
        self.is_doubted = True
        return False

    def _inside(self, point: FloatArray) -> FloatArray | None:
        """The point, or one beside it where it only fails equations that are assumed, by its rounding."""
        if self.is_inside(point):
            return point
        for region in self._near(point):
            if region not in self.ties:
                self.ties[region] = ties_of(self.cases[region], self.property.points)
            box = self.boxes[region]
            for moved in tied(self.ties[region], point, box.lo[0], box.hi[0]):
                if self.is_inside(moved):
                    return moved
        return None

    def _near(self, point: FloatArray) -> list[int]:
        """A few regions whose boxes a point is in, or misses by a solver's tolerance."""
        if not self.boxes:
            return []
        if self.ends is None:
            self.ends = np.stack([[box.lo[0], box.hi[0]] for box in self.boxes], axis=1)
        lo, hi = self.ends
        away = np.maximum(lo - point, point - hi).max(axis=1)
        return [int(k) for k in np.argsort(away, kind="stable")[:FEW] if away[k] <= MISSED * (1 + np.abs(point).max())]

    def is_inside(self, point: FloatArray) -> bool:
        return is_inside(self.program, self.property, self._assignment(point))

    def shown(self, is_short: bool) -> tuple[FloatArray, tuple[Broken, ...]]:
        """The point that breaks the property, made easy to read where that is asked for, and what fails there."""
        assert self.point is not None
        if is_short:
            # What is found last is at `point`, as the files hold it.
            shorter(self.point, self._box_of(self.point), self.breaks)
        by = FromFiles if has_files(self.program) else Meant
        return self.point, broken_at(self.property, by(self.program, self._assignment(self.point)))

    def _is_broken(self, point: FloatArray, by: type[Evaluator] = Meant) -> bool:
        rounded = by(self.program, self._assignment(point), 0.0 if self.property.is_exact else ROUNDING)
        return not all(bool(np.all(rounded.value(part) > 0.5)) for part in self.property.conclusions)

    def _box_of(self, point: FloatArray) -> Interval | None:
        """The box of a region that a point is in."""
        inside = (box for box in self.boxes if ((box.lo[0] <= point) & (point <= box.hi[0])).all())
        return next(inside, None)

    def _assignment(self, point: FloatArray) -> Assignment:
        return Assignment(entries_of(self.property.points, point), {})


def has_files(program: Program) -> bool:
    """Whether a network can be run from its file."""
    return any(known.file is not None for known in program.known)


def stored(program: Program, point: FloatArray, box: Interval | None) -> Iterator[FloatArray]:
    """A point [entries] in single precision, where a file reads that, moved into a box; then as it is."""
    if any(known.file is not None and known.file.type is np.float32 for known in program.known):
        with np.errstate(over="ignore"):
            single = point.astype(np.float32)
        if box is not None:
            lo, hi = box.lo.reshape(-1), box.hi.reshape(-1)
            down, up = np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))
            single = np.where(single > hi, down, np.where(single < lo, up, single))
        yield single.astype(np.float64)
    yield point
