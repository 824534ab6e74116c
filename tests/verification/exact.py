"""Chains, planes and linear programs in rational arithmetic: the second derivation that floats are held against."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from nnmip.verification.chain import Chain, Stage

Vector = list[Fraction]
ZERO = Fraction(0)


def exact(array: Any) -> Any:
    """Floats as the rational numbers that they are."""
    return [exact(part) for part in array] if np.ndim(array) else Fraction(float(array))


def dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def neurons(chain: Chain, x: Vector) -> tuple[Vector, Vector]:
    """What all neurons read at a point, the stages one after the other, and the rows."""
    read: Vector = []
    a = x
    for stage in chain.stages:
        z = [dot(row, a) + b for row, b in zip(exact(stage.weights), exact(stage.bias), strict=True)]
        read += z
        a = [max(v, ZERO) if is_relu else v for v, is_relu in zip(z, stage.is_relu, strict=True)]
    rows = [
        dot(last, a) + dot(direct, x) + c
        for last, direct, c in zip(exact(chain.last), exact(chain.direct), exact(chain.constant), strict=True)
    ]
    return read, rows


def crown(
    chain: Chain, lo: Vector, hi: Vector
) -> tuple[list[tuple[Fraction, Fraction]], list[tuple[Vector, Fraction]]]:
    """Bounds of all neurons over a box and planes below the rows, by the recursion of `backward` without rounding: each
    neuron's line is looked up as it is met, from the definitions."""
    bounds: list[list[tuple[Fraction, Fraction]]] = []
    for number, stage in enumerate(chain.stages):
        own = []
        for row, b in zip(exact(stage.weights), exact(stage.bias), strict=True):
            low, up = (least(*back(chain.stages, number, [s * w for w in row], s * b, bounds), lo, hi) for s in (1, -1))
            own.append((low, -up))
        bounds.append(own)
    planes = []
    for last, direct, c in zip(exact(chain.last), exact(chain.direct), exact(chain.constant), strict=True):
        slope, shift = back(chain.stages, len(chain.stages), last, c, bounds)
        planes.append(([s + d for s, d in zip(slope, direct, strict=True)], shift))
    return [pair for own in bounds for pair in own], planes


def back(
    stages: Sequence[Stage], number: int, row: Vector, shift: Fraction, bounds: list[list[tuple[Fraction, Fraction]]]
) -> tuple[Vector, Fraction]:
    for stage, own in zip(reversed(stages[:number]), reversed(bounds[:number]), strict=True):
        found = []
        for a, (low, up), is_relu in zip(row, own, stage.is_relu, strict=True):
            if not is_relu or low >= 0:
                found.append(a)
            elif up <= 0:
                found.append(ZERO)
            elif a >= 0:
                found.append(a if up > -low else ZERO)
            else:
                found.append(a * up / (up - low))
                shift -= a * up * low / (up - low)
        shift += dot(found, exact(stage.bias))
        row = [dot(found, column) for column in zip(*exact(stage.weights), strict=True)]
    return row, shift


def least(slope: Vector, shift: Fraction, lo: Vector, hi: Vector) -> Fraction:
    return shift + sum((min(s * a, s * b) for s, a, b in zip(slope, lo, hi, strict=True)), ZERO)


def least_cut(slope: Vector, shift: Fraction, lo: Vector, hi: Vector, g: Vector, h: Fraction) -> Fraction | None:
    """The least value where `g . x + h <= 0`, among the vertices of what is left of the box; None where nothing is."""
    found = []
    for vertex in product(*zip(lo, hi, strict=True)):
        if dot(g, vertex) + h <= 0:
            found.append(dot(slope, vertex))
        for i, across in enumerate(g):
            if across:
                x = list(vertex)
                x[i] = ZERO
                x[i] = -(dot(g, x) + h) / across
                if lo[i] <= x[i] <= hi[i]:
                    found.append(dot(slope, x))
    return min(found) + shift if found else None


Affine = tuple[Vector, Fraction]
"""`slope . x + shift`."""
Polygon = list[Vector]
"""The corners of a convex part of the plane, one after the other around it."""


def rectangle(lo: Vector, hi: Vector) -> Polygon:
    return [[lo[0], lo[1]], [hi[0], lo[1]], [hi[0], hi[1]], [lo[0], hi[1]]]


def clipped(polygon: Polygon, slope: Vector, shift: Fraction) -> Polygon:
    """The part where `slope . x + shift <= 0`; nothing where that has no inside."""
    found: Polygon = []
    for a, b in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        at_a, at_b = dot(slope, a) + shift, dot(slope, b) + shift
        if at_a <= 0:
            found.append(a)
        if (at_a < 0 < at_b) or (at_b < 0 < at_a):
            found.append([u + (v - u) * at_a / (at_a - at_b) for u, v in zip(a, b, strict=True)])
    return found if len(found) > 2 else []


def cells(chain: Chain, region: Polygon) -> list[tuple[Polygon, list[Affine]]]:
    """The parts of a region in the plane where no neuron turns, with what the last stage gives there: a polygon is cut
    in two by every neuron that turns in it, stage by stage."""
    found = [(region, [([Fraction(1), ZERO], ZERO), ([ZERO, Fraction(1)], ZERO)])]
    for stage in chain.stages:
        weights, bias = exact(stage.weights), exact(stage.bias)
        after = []
        for polygon, given in found:
            parts: list[tuple[Polygon, list[Affine]]] = [(polygon, [])]
            for row, b, is_relu in zip(weights, bias, stage.is_relu, strict=True):
                read = combined(row, b, given)
                parts = [(half, [*own, out]) for part, own in parts for half, out in _halves(part, read, is_relu)]
            after += parts
        found = after
    return found


def combined(row: Sequence[Fraction], shift: Fraction, given: Sequence[Affine]) -> Affine:
    slope = [dot(row, [own[0][i] for own in given]) for i in range(2)]
    return slope, dot(row, [own[1] for own in given]) + shift


def _halves(polygon: Polygon, read: Affine, is_relu: bool) -> list[tuple[Polygon, Affine]]:
    if not is_relu:
        return [(polygon, read)]
    slope, shift = read
    sides = [
        (clipped(polygon, [-a for a in slope], -shift), read),
        (clipped(polygon, slope, shift), ([ZERO] * 2, ZERO)),
    ]
    found = [(side, out) for side, out in sides if side]
    return found[:1] if not any(slope) else found


def largest(chain: Chain, row: int, region: Polygon) -> Fraction:
    """The largest value of a row over a region in the plane: at a corner of a cell."""
    last, direct, constant = exact(chain.last[row]), exact(chain.direct[row]), exact(chain.constant[row])
    best: Fraction | None = None
    for polygon, given in cells(chain, region):
        slope, shift = combined(last, constant, given)
        here = max(dot([s + d for s, d in zip(slope, direct, strict=True)], corner) for corner in polygon) + shift
        best = here if best is None else max(best, here)
    assert best is not None
    return best
