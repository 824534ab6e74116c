"""Domains of decisions and inputs from Python values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnmip.build.places import here
from nnmip.hir.domain import Domain
from nnmip.sema.domains import LARGEST_BOUND
from nnmip.sema.values import fail

DomainLike = Domain | tuple[float, float] | set[float] | frozenset[float] | range


def interval(low: float, high: float) -> Domain:
    """All numbers from `low` to `high`: `[low, high]`. Raises DiagnosticError NNM0303 or NNM0401."""
    return domain_of((low, high), "the domain")


def values(*numbers: float) -> Domain:
    """Finitely many numbers: `{...}`. Raises DiagnosticError NNM0303 or NNM0401."""
    return domain_of(set(numbers), "the domain")


def grid(low: float, high: float, step: float) -> Domain:
    """`[low, high] step step`: low, low + step, ... up to high. Raises DiagnosticError NNM0303 or NNM0401."""
    if not step > 0:
        raise fail("NNM0303", f"a step must be positive, this one is {step:g}", here(f"grid({low}, {high}, {step})"))
    domain_of((low, high), "the domain")
    count = math.floor((high - low) / step + 1e-9) + 1
    return domain_of({float(low + step * k) for k in range(count)}, "the domain")


def domain_of(value: Any, what: str) -> Domain:
    """The domain that a pair of ends, a set of numbers, a `range` or a domain is.

    Raises DiagnosticError: NNM0303 for anything else, an empty set and ends in the wrong order, NNM0401 for ends that
    bound nothing.
    """
    if isinstance(value, Domain):
        return value
    span = here(f"{what} {value!r}")
    help = "give two ends `(-1, 1)`, a set `{-1, 0, 1}`, `range(-2, 3)`, or join domains with `|`"
    is_interval = isinstance(value, tuple | list) and len(value) == 2
    if not (is_interval or isinstance(value, set | frozenset | range)):
        raise fail("NNM0303", f"{what} is a set of numbers, not {value!r}", span, help=help)
    if not len(value):
        raise fail("NNM0303", f"{what} has no members", span, help=help)
    try:
        numbers = np.array(list(value), dtype=np.float64)
    except (TypeError, ValueError):
        raise fail("NNM0303", f"{what} is a set of numbers, not {value!r}", span, help=help) from None
    if not (np.abs(numbers) <= LARGEST_BOUND).all():
        raise fail("NNM0401", f"{what} is not bounded: {value!r}", span, help="write finite ends, such as `(-1, 1)`")
    if not is_interval:
        return Domain.of(values=numbers.tolist())
    low, high = numbers.tolist()
    if low > high:
        raise fail("NNM0303", f"{what} ends before it starts: {value!r}", span, help=f"write `({high:g}, {low:g})`")
    return Domain.of(intervals=[(low, high)])
