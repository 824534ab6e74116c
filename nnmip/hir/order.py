"""Which of two networks is better: goals compared in the order of the stages."""

from __future__ import annotations

from nnmip.hir.core import Program
from nnmip.hir.evaluate import Evaluation

Rank = tuple[float, ...]


def rank(program: Program, evaluation: Evaluation) -> Rank:
    """The goals that are not held yet, each so that smaller is better; empty for `satisfy`."""
    signed = (s.sign * value for s, value in zip(program.stages, evaluation.objectives, strict=True))
    return tuple(signed)[len(program.held) :]


def is_better(first: Rank, second: Rank) -> bool:
    """Whether the first network is better in the first goal in which they differ.

    A difference of 1e-9 (1 + |v|) says nothing; before the last goal one within the slack of a held stage neither.
    """
    for number, (a, b) in enumerate(zip(first, second, strict=True), 1):
        noise = 1e-9 * (1.0 + abs(b)) + (0.0 if number == len(second) else max(1e-7, 1e-7 * abs(b)))
        if abs(a - b) > noise:
            return a < b
    return False
