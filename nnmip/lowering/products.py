"""Exact products of a decision with finitely many values and a bounded activation."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Shape
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.decisions import Encoding, IntegerEncoding, PiecesEncoding
from nnmip.milp.affine import Affine, combine
from nnmip.milp.model import FloatArray, IntArray
from nnmip.ops.base import Connections
from nnmip.source import Origin


def data_product(data: FloatArray, weights: Affine, connections: Connections) -> Affine:
    """Sum over k of W[u, k] x[n, source[o, k]] for known rows x [n, i], shape [n, outputs]."""
    source, units = connections.source, connections.units
    read = np.where(source >= 0, data[:, source], 0.0).reshape(len(data), units, connections.per_unit, -1)
    return combine(read, weights)


def activation_product(
    low: Lowering,
    path: str,
    weights: PiecesEncoding | IntegerEncoding,
    a: Signal,
    connections: Connections,
    outputs: Shape,
    origin: Origin,
) -> Affine:
    """Sum over k of W[u, k] a[n, source[o, k]] for finite-domain weights and activations [n, *], shape [n, outputs];
    `outputs` is their shape as a tensor, for names.

    Activations that are known numbers multiply the weights directly. For the others the form follows the encoding
    of the weights: `disaggregated` where every value has its binary (for two values it is the binary product, for
    {-1, 0, 1} the ternary one), `expanded` where many evenly spaced values are spelled in bits. A weight times an
    activation that occurs several times (equal rows and patches) is encoded once.
    """
    n, width = len(a.value.const), len(connections.source)
    lo, hi = a.bounds.lo.reshape(n, -1), a.bounds.hi.reshape(n, -1)
    total = data_product(np.where(lo == hi, lo, 0.0), weights.value, connections)
    cases = Cases(a, connections, (n, *outputs, *weights.decision.shape[1:]))
    if not len(cases.flat):
        return total
    lo, hi = lo.reshape(-1)[cases.activation], hi.reshape(-1)[cases.activation]
    factor = Signal(a.value.gather(cases.activation), Interval(lo, hi))
    form = disaggregated if isinstance(weights, PiecesEncoding) else expanded
    products = form(low, path, weights, factor, cases, origin).gather(cases.inverse)
    const = np.bincount(cases.result, weights=products.const, minlength=n * width).reshape(n, width)
    return total + Affine(const.astype(np.float64), cases.result[products.entry], products.column, products.coef)


class Cases:
    """The products of a weight and an activation that is not a known number, as index arrays, equal ones once.

    activation, weight: the flat positions of the factors of each case. flat: the position of its first occurrence in a
    tensor of `shape` [n, *outputs, *terms]. For every occurrence, result: the output that it belongs to, of all rows,
    and inverse: which case it is.
    """

    def __init__(self, a: Signal, connections: Connections, shape: tuple[int, ...]) -> None:
        n, (outputs, width) = len(a.value.const), connections.source.shape
        size = a.value.size // n
        unknown = (a.bounds.lo < a.bounds.hi).reshape(n, size)
        needed = (connections.source >= 0) & unknown[:, connections.source]
        sample, output, k = np.nonzero(needed)
        first, inverse = a.value.distinct()
        activation = first[inverse[sample * size + connections.source[output, k]]]
        weight = connections.unit[output] * width + k
        _, once, self.inverse = np.unique(weight * (n * size) + activation, return_index=True, return_inverse=True)
        order = np.argsort(once)
        once, self.inverse = once[order], np.argsort(order)[self.inverse.reshape(-1)]
        self.shape = shape
        self.flat = np.flatnonzero(needed)[once]
        self.activation, self.weight = activation[once], weight[once]
        self.result = sample * outputs + output

    def split(self, count: int) -> tuple[tuple[int, ...], IntArray]:
        """The shape with a further axis of `count`, and the flat positions of all cases in it."""
        return (*self.shape, count), (self.flat[:, None] * count + np.arange(count)).reshape(-1)


def _per_case(tensor: Affine, cases: Cases, index: IntArray) -> Affine:
    """From a tensor [k, i, m], entries `index` of the last axis for every case, shape [cases, len(index)]."""
    places = np.arange(tensor.size).reshape(-1, tensor.shape[-1])[:, index]
    return tensor.gather(places[cases.weight])


def disaggregated(low: Lowering, path: str, weights: Encoding, a: Signal, cases: Cases, origin: Origin) -> Affine:
    """w a = v_ref a + sum over the other levels of (v_m - v_ref) a_m, with a in [L, U] split over the levels:

        L pick_m <= a_m <= U pick_m        L rest <= a - sum a_m <= U rest        rest = 1 - sum pick_m

    The reference is 0 where the weight can be 0 or be removed, else the first level. Exact; the projection on
    (w, a, w a) is the convex hull of the product set (disaggregated one-hot form, after Balas 1979).
    """
    assert isinstance(weights, PiecesEncoding)
    levels = weights.levels()
    reference = 0.0 if weights.gate is not None or 0.0 in levels else float(levels[0])
    others = np.flatnonzero(levels != reference)
    pick = _per_case(weights.picks, cases, others)
    part = _switched(low, path, pick, a, cases, origin)
    rest = pick.sum(axis=1) * -1.0 + np.ones(len(cases.flat))
    left = a.value - part.sum(axis=1)
    rows = low.builder.rows
    for name, end, lb, ub in (("upper", a.bounds.hi, -np.inf, 0.0), ("lower", a.bounds.lo, 0.0, np.inf)):
        inside = left - rest * end
        rows(f"{path}.rest_{name}", inside, origin, lb=lb, ub=ub, shape=cases.shape, picked=cases.flat, big_m=end)
    return (part * (levels[others] - reference)).sum(axis=1) + a.value * reference


def expanded(low: Lowering, path: str, weights: Encoding, a: Signal, cases: Cases, origin: Origin) -> Affine:
    """w a = v (g a) + d sum_b 2^b q_b with q_b = bit_b a, each product of a binary u and a in [L, U] by

        L u <= q <= U u        a - U (1 - u) <= q <= a - L (1 - u)

    and the four McCormick rows on (w, a, w a), which close the root gap that the bits alone leave. g is the gate of
    a removable weight, itself a binary, else 1. Exact (binary expansion; McCormick 1976).
    """
    assert isinstance(weights, IntegerEncoding) and weights.bits is not None
    d = weights.decision
    first, step = d.domain.values[0], d.domain.step
    assert step is not None
    bits, scale = weights.bits, step * 2.0 ** np.arange(weights.bits.shape[-1])
    if weights.gate is not None:
        bits, scale = _with_last(bits, weights.gate), np.append(scale, first)
    u = _per_case(bits, cases, np.arange(len(scale)))
    q = _switched(low, path, u, a, cases, origin)
    lo, hi = a.bounds.lo[:, None], a.bounds.hi[:, None]
    shape, picked = cases.split(len(scale))
    rows = low.builder.rows
    left = (q * -1.0) + a.value.reshape((-1, 1))
    rows(f"{path}.off_upper", left + u * hi, origin, ub=hi, shape=shape, picked=picked, big_m=hi)
    rows(f"{path}.off_lower", left + u * lo, origin, lb=lo, shape=shape, picked=picked, big_m=lo)
    product = (q * scale).sum(axis=1)
    if weights.gate is None:
        product = product + a.value * first
    w = weights.value.reshape((-1,)).gather(cases.weight)
    ends = d.domain.with_zero() if weights.gate is not None else d.domain
    _mccormick(low, path, w, (ends.lo, ends.hi), a, product, cases, origin)
    return product


def _switched(low: Lowering, path: str, u: Affine, a: Signal, cases: Cases, origin: Origin) -> Affine:
    """New columns q for binaries u [cases, m] and a in [L, U] [cases] with L u <= q <= U u, which hold at q = u a."""
    lo, hi = a.bounds.lo[:, None], a.bounds.hi[:, None]
    shape, picked = cases.split(u.shape[1])
    q = low.builder.columns(
        path,
        shape,
        np.broadcast_to(np.minimum(lo, 0.0), u.shape).reshape(-1),
        np.broadcast_to(np.maximum(hi, 0.0), u.shape).reshape(-1),
        origin,
        lambda x, choice: (u.value(x) * a.value.value(x)[:, None]).reshape(-1),
        picked=picked,
    ).reshape(u.shape)
    low.builder.rows(f"{path}.upper", q - u * hi, origin, ub=0.0, shape=shape, picked=picked, big_m=hi)
    low.builder.rows(f"{path}.lower", q - u * lo, origin, lb=0.0, shape=shape, picked=picked, big_m=lo)
    return q


def _mccormick(
    low: Lowering,
    path: str,
    w: Affine,
    ends: tuple[float, float],
    a: Signal,
    product: Affine,
    cases: Cases,
    origin: Origin,
) -> None:
    """The four rows that bound w a by the corners of [wL, wU] x [L, U] (McCormick 1976)."""
    lower, upper = ends
    L, U = a.bounds.lo, a.bounds.hi
    for name, wc, ac, above in (
        ("corner_ll", lower, L, True),
        ("corner_uu", upper, U, True),
        ("corner_ul", upper, L, False),
        ("corner_lu", lower, U, False),
    ):
        difference = product - a.value * wc - w * ac
        bound = -wc * ac
        lb, ub = (bound, np.full_like(bound, np.inf)) if above else (np.full_like(bound, -np.inf), bound)
        low.builder.rows(f"{path}.{name}", difference, origin, lb=lb, ub=ub, shape=cases.shape, picked=cases.flat)


def _with_last(bits: Affine, gate: Affine) -> Affine:
    """Append `gate` [k, i] as a last entry to the last axis of `bits` [k, i, b]."""
    *lead, count = bits.shape
    shape = (*lead, count + 1)
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    wide = Affine(np.zeros(shape), places[..., :count].reshape(-1)[bits.entry], bits.column, bits.coef)
    last = Affine(np.zeros(shape), places[..., count].reshape(-1)[gate.entry], gate.column, gate.coef)
    return wide + last
