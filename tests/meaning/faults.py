"""Seeded faults: models whose optima are known, faults of rows by the end of their path, and whether one is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from nnmip.hir.core import Program
from nnmip.lowering.lower import lower_program
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import Milp
from tests.meaning.harness import difference, solve_in_rounds
from tests.meaning.oracle import enumerate_optimum

ROWS = MilpBuilder.rows


@dataclass(frozen=True)
class Known:
    """A model with its true optimum, and without a fault its MILP, the paths of the rows, and what is wrong with it."""

    name: str
    program: Program
    truth: float | None
    milp: Milp
    paths: frozenset[str]
    problem: str

    @staticmethod
    def of(name: str, program: Program) -> Known:
        paths, truth = set[str](), enumerate_optimum(program).objective

        def rows(self: MilpBuilder, path: str, *args: Any, **options: Any) -> None:
            paths.add(path)
            ROWS(self, path, *args, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(MilpBuilder, "rows", rows)
            lowered = lower_program(program)
            problem = difference(*solve_in_rounds(lowered), truth)
        return Known(name, program, truth, lowered.milp, frozenset(paths), problem)


def problems(known: Sequence[Known]) -> dict[str, str]:
    """What is wrong without a fault, by model."""
    return {each.name: each.problem for each in known if each.problem}


def first_disagreement(known: Sequence[Known]) -> str | None:
    """The name of a model on which the MILP and the enumeration differ; those whose MILP a fault changes come first."""
    unchanged = []
    for each in known:
        lowered = lower_program(each.program)
        if _is_same(lowered.milp, each.milp):
            unchanged.append((each, lowered))
        elif difference(*solve_in_rounds(lowered), each.truth):
            return each.name
    return next((each.name for each, lowered in unchanged if difference(*solve_in_rounds(lowered), each.truth)), None)


def _is_same(one: Milp, other: Milp) -> bool:
    arrays = "cost", "col_lb", "col_ub", "integer", "row_lb", "row_ub", "indptr", "indices", "data"
    return one.offset == other.offset and all(np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays)


def with_rows(known: Sequence[Known], end: str) -> list[Known]:
    """The models that have rows with this end of their path; the MILPs of others do not see a fault of such rows."""
    return [each for each in known if any(path.endswith(end) for path in each.paths)]


def dropping(end: str) -> Callable[..., None]:
    def rows(self: MilpBuilder, path: str, expression: Affine, *args: Any, **options: Any) -> None:
        if not path.endswith(end):
            ROWS(self, path, expression, *args, **options)

    return rows


def turning(end: str) -> Callable[..., None]:
    def rows(self: MilpBuilder, path: str, expression: Affine, *args: Any, **options: Any) -> None:
        ROWS(self, path, -expression if path.endswith(end) else expression, *args, **options)

    return rows
