"""The step between the values that an expression can have: how far apart two sides are when they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial
from math import gcd
from typing import Protocol

import numpy as np

from nnmip.data import Dataset, decimal_grid
from nnmip.hir.core import Apply, Compare, Constant, Gather, Join, LayerOutput, Network, Node, Plus, Reference, Scale
from nnmip.hir.domain import Domain
from nnmip.hir.grids import LEAST, STATED, score_grid
from nnmip.hir.walk import once
from nnmip.sema.values import Value
from nnmip.source import Span

COUNTS = frozenset({"l0", "count", "argmax", "argmin"})
"""Words whose values are whole numbers."""
_OF_ENTRIES = frozenset({"sum", "norm_1", "norm_inf", "abs", "max", "min"})
_ZERO = Fraction(0)


class Names(Protocol):
    """What networks and data sets are called."""

    def resolve(self, name: str, span: Span) -> Value:
        """The value of a name; `span` is what reads it."""


def is_whole(node: Node) -> bool:
    """Whether a numeric tensor has only whole numbers, whatever the solver decides."""
    return once(_is_whole)(node)


def _is_whole(node: Node, inside: Callable[[Node], bool]) -> bool:
    match node:
        case Constant(value=value) | Scale(factor=value) if not (value == np.floor(value)).all():
            return False
        case Constant():
            return True
        case Scale(operand=inner) | Gather(base=inner):
            return inside(inner)
        case Reference(decision=decision):
            return decision.domain.is_finite and all(value == np.floor(value) for value in decision.domain.values)
        case Plus(terms=terms):
            return all(inside(term) for term in terms)
        case Apply(word=word):
            return word in COUNTS
    return False


def with_strictness(names: Names, node: Compare) -> Compare:
    """The comparison with the distance that its sides keep where it must not hold.

    Their exact step where they have one that solvers can tell from 0, else a stated one, between which and 0 nothing is
    allowed (formulation: reified rows with a lossless strictness).
    """
    strictness, is_exact = strictness_of(names, node.left, node.right)
    return replace(node, strictness=strictness, is_exact=is_exact)


def strictness_of(names: Names, *nodes: Node) -> tuple[float, bool]:
    """How far entries of some tensors are apart at least where they differ, and whether that is exact."""
    step_of = once(partial(_step, names))
    exact: Fraction | None = _ZERO
    for step in map(step_of, nodes):
        exact = None if exact is None or step is None else _common(exact, step)
    if exact is None or exact < LEAST:
        return STATED, False
    return float(exact), True


def _step(names: Names, node: Node, step_of: Callable[[Node], Fraction | None]) -> Fraction | None:
    """A number of which every possible entry is a multiple: 0 for zeros alone, None where there is none."""
    match node:
        case Constant(value=value):
            return _step_of_numbers(value)
        case Reference(decision=decision):
            return _step_of_domain(decision.domain)
        case Gather(base=inner):
            return step_of(inner)
        case Scale(factor=factor, operand=operand):
            return _times(_step_of_numbers(factor), step_of(operand))
        case Plus(terms=parts) | Join(parts=parts):
            total: Fraction | None = _ZERO
            for part in parts:
                step = step_of(part)
                total = None if total is None or step is None else _common(total, step)
            return total
        case Apply(word=word, operands=operands):
            if word in COUNTS:
                return Fraction(1)
            return step_of(operands[0]) if word in _OF_ENTRIES else None
        case LayerOutput(network=name, layer=layer, data=data_name, origin=origin):
            network = names.resolve(name, origin.span)
            data = names.resolve(data_name.partition(".")[0], origin.span)
            assert isinstance(network, Network) and isinstance(data, Dataset)
            read = next(table for table in data.parts if table.name == data_name)
            return score_grid(network, read, layer)
    return None


@lru_cache(maxsize=256)
def _step_of_domain(domain: Domain) -> Fraction | None:
    return _step_of_numbers(np.array([*domain.values, 0.0])) if domain.is_finite else None


def _step_of_numbers(values: np.ndarray) -> Fraction | None:
    if not values.any():
        return _ZERO
    return Fraction(1) if (values == np.rint(values)).all() else decimal_grid(values.reshape(-1))


def _times(a: Fraction | None, b: Fraction | None) -> Fraction | None:
    return None if a is None or b is None else a * b


def _common(a: Fraction, b: Fraction) -> Fraction:
    """The largest number of which both are multiples."""
    if not a or not b:
        return a or b
    numerator = gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)
