"""Goals one after the other: what it means to hold a goal at the value that was proved for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import gcd

import numpy as np

from nnmip.data import decimal_grid
from nnmip.hir.core import (
    Apply,
    Compare,
    Constant,
    FloatArray,
    Gather,
    Held,
    Join,
    Node,
    Plus,
    Program,
    Reference,
    Scale,
    Stage,
    children,
)
from nnmip.ops.registry import WORDS

LEAST_STEP = 1e-5
"""A goal whose values lie closer together is held like a continuous one."""


def held_at(program: Program, value: float) -> Program:
    """The program whose present goal is held at `value`, which was proved for it; its goal is the next stage.

    A goal whose values lie on a grid is held exactly (slack 0), any other to within max(1e-7, 1e-7 |value|).
    """
    assert program.goal is not None
    step = goal_step(program, program.goal)
    slack = 0.0 if step is not None else max(1e-7, 1e-7 * abs(value))
    room = float(step) / 2 if step is not None else slack
    return replace(program, held=(*program.held, Held(value, slack, room)))


def goal_step(program: Program, stage: Stage) -> Fraction | None:
    """A step of which all differences between values of a goal are multiples, None if there is none of 1e-5 or more."""
    total = Fraction(0)
    for term in stage.terms:
        if isinstance(term.value, Constant):
            continue
        step, factor = _step(program, term.value), _grid(np.asarray(term.coefficient))
        if step is None or factor is None:
            return None
        total = _common(total, step * factor)
    return total if total >= LEAST_STEP else None


def _step(program: Program, node: Node) -> Fraction | None:
    """A step of which every value of an expression is a multiple; 0 where all values are 0."""
    match node:
        case Constant(value=value):
            return _grid(value)
        case Reference(decision=decision):
            return _grid(np.array(decision.domain.with_zero().values)) if decision.domain.is_finite else None
        case Scale(factor=factor, operand=operand):
            step, grid = _step(program, operand), _grid(factor)
            return step * grid if step is not None and grid is not None else None
        case Apply(word=word, operands=operands, boolean=boolean, data=data):
            rule = WORDS[word].step
            if boolean or rule is None:
                return Fraction(1) if boolean else None
            steps = tuple(_step(program, operand) for operand in operands)
            return rule(node, steps, program.dataset(data) if data is not None else None)
        case Compare():
            return Fraction(1)
        case Gather() | Join() | Plus():
            total = Fraction(0)
            for child in children(node):
                step = _step(program, child)
                if step is None:
                    return None
                total = _common(total, step)
            return total
    return None


def _grid(values: FloatArray) -> Fraction | None:
    """The largest step of which all values are multiples, 0 if all are 0."""
    return decimal_grid(values) if values.any() else Fraction(0)


def _common(a: Fraction, b: Fraction) -> Fraction:
    numerator = gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)
