"""Goals one after the other: what it means to hold a goal at the value that was proved for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import gcd, isfinite

import numpy as np

from nnmip.arrays import distinct
from nnmip.data import decimal_grid
from nnmip.hir.core import (
    Apply,
    Choose,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    Join,
    Junction,
    Node,
    Not,
    Plus,
    Program,
    Reference,
    Scale,
    Xor,
    children,
)
from nnmip.hir.goals import Held, Stage
from nnmip.hir.walk import once
from nnmip.ops.registry import WORDS

LEAST_STEP = 1e-5
"""A goal whose values lie closer together than this, relative to values above 1, is held like a continuous one."""

MOST_PARTS = 1000
"""The largest denominator of a factor that is no decimal, as in `l0(net.weights) / 3`."""

TYPED = 1e-6
"""How far a value that a user typed may be from one that the goal can take, relative to values above 1."""


def held_at(program: Program, value: float, bound: float | None = None, tolerance: float = 0.0) -> Program:
    """The program whose present goal is held at `value`, which was proved for it; its goal is the next stage.

    A goal whose values lie on a grid is held exactly (slack 0), any other to within max(1e-7, 1e-7 |value|). Where the
    proof is that no value is better than `bound`, every network counts that is within the tolerance of it.
    """
    assert program.goal is not None
    step = goal_step(program, program.goal)
    room = max(1e-7, 1e-7 * abs(value))
    if bound is not None:
        room = max(room, tolerance - program.goal.sign * (value - bound))
    if step is None or 0 < step < LEAST_STEP * abs(value):
        return replace(program, held=(*program.held, Held(value, room, room, bound)))
    return replace(program, held=(*program.held, Held(value, 0.0, float(step) / 2 or room, bound)))


def goal_step(program: Program, stage: Stage) -> Fraction | None:
    """A step of which all differences between values of a goal are multiples, None if there is none of 1e-5 or more.

    It is 0 for a goal with a single value.
    """
    total, step_of = Fraction(0), once(partial(_step, program))
    for term in stage.terms:
        if isinstance(term.value, Constant):
            continue
        step, factor = step_of(term.value), _grid(np.asarray(term.coefficient))
        if step is None or factor is None:
            return None
        total = _common(total, step * factor)
    return total if total == 0 or total >= LEAST_STEP else None


def nearest_values(program: Program, value: float) -> tuple[float, ...]:
    """The values on both sides of `value` that the grid of the present goal has; none where `value` is one of them.

    None either where there is no grid. A typed value counts as one of the grid when it is that of a report.
    """
    stage = program.goal
    assert stage is not None
    step = goal_step(program, stage)
    if step is None:
        return ()
    fixed = sum(t.coefficient * float(t.value.value) for t in stage.terms if isinstance(t.value, Constant))
    width = float(step)
    below = fixed + (np.floor((value - fixed) / width) * width if width else 0.0)
    sides = (float(below), float(below) + width) if width else (float(below),)
    noise = TYPED * max(1.0, abs(value))
    near = min(noise, width / 4) if width else noise
    return () if any(abs(value - side) <= near for side in sides) else sides


def _step(program: Program, node: Node, step_of: Callable[[Node], Fraction | None]) -> Fraction | None:
    """A step of which every value of an expression is a multiple; 0 where all values are 0."""
    match node:
        case Constant(value=value):
            return _grid(value)
        case Reference(decision=decision):
            return _grid(np.array(decision.domain.with_zero().values)) if decision.domain.is_finite else None
        case Scale(factor=factor, operand=operand):
            step, grid = step_of(operand), _grid(factor)
            return step * grid if step is not None and grid is not None else None
        case Apply(word=word, operands=operands, boolean=boolean, data=data):
            rule = WORDS[word].step
            if boolean or rule is None:
                return Fraction(1) if boolean else None
            steps = tuple(step_of(operand) for operand in operands)
            return rule(node, steps, program.dataset(data) if data is not None else None)
        case Compare() | Junction() | Fold() | Not() | Xor():
            return Fraction(1)
        case Gather() | Join() | Plus() | Choose():
            total = Fraction(0)
            for child in (node.then, node.otherwise) if isinstance(node, Choose) else children(node):
                step = step_of(child)
                if step is None:
                    return None
                total = _common(total, step)
            return total
    return None


def _grid(values: FloatArray) -> Fraction | None:
    """The largest step of which all values are multiples, 0 if all are 0.

    The values are decimals or fractions such as 1/3, read as what the float64 nearest to them was written for.
    """
    if not values.any():
        return Fraction(0)
    decimal = decimal_grid(values)
    if decimal is not None:
        return decimal
    total = Fraction(0)
    for value in distinct(values).tolist():
        simple = Fraction(value).limit_denominator(MOST_PARTS)
        if float(simple) != value:
            return None
        total = _common(total, simple)
    return abs(total)


def _common(a: Fraction, b: Fraction) -> Fraction:
    numerator = gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)


def at_stage(program: Program, stage: int, fixed: Mapping[int, float]) -> Program:
    """The program with the stages before number `stage` held at the values in `fixed`, by number.

    Raises ValueError for a stage that the goal does not have, for values that are missing or too many, and for a
    value that the goal of its stage cannot take.
    """
    most = max(1, len(program.stages))
    if not 1 <= stage <= most:
        raise ValueError(f"the goal has {most} stage{'s' if most > 1 else ''}, and no stage {stage}")
    if strange := [number for number in fixed if not 1 <= number <= most]:
        raise ValueError(f"the goal has {most} stage{'s' if most > 1 else ''}, and no stage {strange[0]} to fix")
    missing, extra = set(range(1, stage)) - set(fixed), set(fixed) - set(range(1, stage))
    if missing:
        raise ValueError(f"stage {stage} needs the value of stage {min(missing)}: --fix stage{min(missing)}=VALUE")
    if extra:
        raise ValueError(f"stage {min(extra)} does not come before stage {stage}, so it has no value to fix")
    for number in range(1, stage):
        if not isfinite(fixed[number]):
            raise ValueError(f"the value of stage {number} must be finite, not {fixed[number]!r}")
        if near := nearest_values(program, fixed[number]):
            values = " and ".join(f"{value:.12g}" for value in near)
            raise ValueError(f"stage {number} cannot have the value {fixed[number]:.12g}; it can have {values}")
        program = held_at(program, fixed[number])
    return program
