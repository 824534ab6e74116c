"""Boolean tensors as 0/1 tensors, with only the rows that the polarity needs, and rows for what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnmip.hir.core import Apply, Choose, Compare, Constant, Fold, Gather, Junction, LayerOutput, Node, Not, Xor
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression, scaled
from nnmip.lowering.networks import apply_network
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.places import asked_places, lower_asked, require_asked
from nnmip.lowering.predictions import Predictions, predictions
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.source import Origin

BELOW = 1.0 - 1e-6
"""A lower bound that is this near to the strictness comes from rounding, and decides as if it were there."""

SAME = 1e-9
"""Sides of a comparison that differ by no more than this are equal where a solution is completed."""


# ---- literals ------------------------------------------------------------------------------------------------------


def lower_junction(low: Lowering, node: Junction, polarity: Polarity) -> Affine:
    """`and` or `or` entry by entry."""
    terms = [lower_expression(low, term, polarity) for term in node.terms]
    wide = [term + np.zeros(node.shape) for term in terms]
    return _combined(low, node.op, wide, polarity, node.origin)


def lower_fold(low: Lowering, node: Fold, polarity: Polarity) -> Affine:
    """`and` or `or` over the axes behind the kept ones."""
    operand = lower_expression(low, node.operand, polarity)
    flat = operand.reshape((*node.shape, -1) if operand.size else (*node.shape, 0))
    if not flat.size:
        return Affine.constant(np.full(node.shape, float(node.op == "and")))
    width = flat.shape[-1]
    places = np.arange(flat.size).reshape(flat.shape)
    if width == 1:
        return flat.gather(np.asarray(places[..., 0]))
    return _over_axis(low, node.op, flat, polarity, node.origin)


def _combined(low: Lowering, op: str, terms: Sequence[Affine], polarity: Polarity, origin: Origin) -> Affine:
    """`and` or `or` of several 0/1 tensors of one shape."""
    if len(terms) == 1:
        return terms[0]
    shape = terms[0].shape
    places = np.arange(terms[0].size)
    parts = [(places * len(terms) + k, term.reshape((-1,))) for k, term in enumerate(terms)]
    return _over_axis(low, op, scattered(parts, (*shape, len(terms))), polarity, origin)


def _over_axis(low: Lowering, op: str, terms: Affine, polarity: Polarity, origin: Origin) -> Affine:
    """y = and or or of the 0/1 entries t_1 .. t_k along the last axis.

        and:  LOWER  y <= t_i             UPPER  y >= sum t_i - (k - 1)
        or:   LOWER  y <= sum t_i         UPPER  y >= t_i

    y may be continuous in [0, 1], because it is used only on the sides that are asked for and the t_i are 0 or 1
    there. Exact for those sides.
    """
    if op == "or":
        return _over_axis(low, "and", terms * -1.0 + 1.0, polarity.flipped, origin) * -1.0 + 1.0
    if terms.is_constant:
        return Affine.constant(terms.const.min(axis=-1))
    shape, width = terms.shape[:-1], terms.shape[-1]
    total = terms.sum(axis=-1)
    path = low.label("and")
    y = low.builder.columns(
        path, shape, 0.0, 1.0, origin, lambda x, choice: np.round(terms.value(x)).min(axis=-1).clip(0.0, 1.0)
    )
    if Polarity.LOWER in polarity:
        wide = _repeated(y, width)
        low.builder.rows(f"{path}.each", wide - terms, origin, ub=0.0)
    if Polarity.UPPER in polarity:
        low.builder.rows(f"{path}.all", total - y, origin, ub=width - 1.0)
    return y


def _repeated(y: Affine, width: int) -> Affine:
    """Every entry `width` times on a new last axis."""
    places = np.arange(y.size).reshape((*y.shape, 1))
    return y.gather(np.ascontiguousarray(np.broadcast_to(places, (*y.shape, width))))


def lower_xor(low: Lowering, node: Xor, polarity: Polarity) -> Affine:
    """y = a xor b with both sides exact (formulation: the convex hull, four rows).

    LOWER  y <= a + b, y <= 2 - a - b        UPPER  y >= a - b, y >= b - a
    """
    a = lower_expression(low, node.left, Polarity.EXACT) + np.zeros(node.shape)
    b = lower_expression(low, node.right, Polarity.EXACT) + np.zeros(node.shape)
    origin, path, rows = node.origin, low.label("xor"), low.builder.rows
    y = low.builder.columns(
        path, node.shape, 0.0, 1.0, origin, lambda x, choice: np.abs(np.round(a.value(x)) - np.round(b.value(x)))
    )
    if Polarity.LOWER in polarity:
        rows(f"{path}.some", y - a - b, origin, ub=0.0)
        rows(f"{path}.not_both", y + a + b, origin, ub=2.0)
    if Polarity.UPPER in polarity:
        rows(f"{path}.left", y - a + b, origin, lb=0.0)
        rows(f"{path}.right", y - b + a, origin, lb=0.0)
    return y


def lower_compare(low: Lowering, node: Compare, polarity: Polarity) -> Affine:
    """d for `left <= right` entry by entry, with e = left - right in [L, U] and the strictness s:

        LOWER  e <= U (1 - d)        UPPER  e >= s + (L - s) d

    (formulation: reified rows with proved big-M, one direction where that is all the context needs). No binary where
    the bounds decide, or where a ReLU has one that says enough. `=` is the conjunction of both orders.
    """
    if (asked := asked_places(node)) is not None:
        return lower_asked(low, asked, polarity, node.origin)
    if node.op == "=":
        orders = [lower_compare(low, replace(node, op=op), polarity) for op in ("<=", ">=")]
        return _combined(low, "and", orders, polarity, node.origin)
    if (predicted := _prediction(low, node)) is not None:
        if Polarity.UPPER in polarity:
            _note_strictness(low, node)
        entries, places = predicted
        return entries.entry(places.reshape(-1), polarity, node.origin).reshape(node.shape)
    e = _excess(low, node, polarity)
    bounds, strict, origin = bounds_of(low.builder, e).without_tiny(), node.strictness, node.origin
    undecided = (bounds.hi > 0) & (bounds.lo < strict * BELOW)
    phase = _phase(low, node)
    if phase is not None and polarity is Polarity.LOWER:
        undecided &= ~phase[1]
    open_ = np.flatnonzero(undecided)
    inner, lo, hi = e.gather(open_), bounds.lo.reshape(-1)[open_], bounds.hi.reshape(-1)[open_]
    path, shape, rows = low.label("holds"), e.shape, low.builder.rows

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return (inner.value(x) <= SAME).astype(np.float64)

    d = low.builder.binaries(path, shape, origin, fill, picked=open_)
    if Polarity.LOWER in polarity:
        rows(f"{path}.if", inner + d * hi, origin, ub=hi, shape=shape, picked=open_, big_m=hi)
    if Polarity.UPPER in polarity:
        reach = strict - lo
        rows(f"{path}.only_if", inner + d * reach, origin, lb=strict, shape=shape, picked=open_, big_m=reach)
        _note_strictness(low, node)
    known = np.flatnonzero(~undecided)
    holds = Affine.constant((bounds.hi <= 0).astype(np.float64).reshape(-1)[known])
    found = scattered([(known, holds), (open_, d)], shape)
    return found if phase is None else _with_phase(low, path, found, phase, polarity, origin)


def _note_strictness(low: Lowering, node: Compare) -> None:
    if not node.is_exact:
        low.note_strictness(node.origin, "counts as false", node.strictness)


def _prediction(low: Lowering, node: Compare) -> tuple[Predictions, IntArray] | None:
    """For `f >= 0` with f the one score of a network: its predictions, and the entries of +1 of the rows."""
    left, right = (node.left, node.right) if node.op == ">=" else (node.right, node.left)
    match left, right:
        case Gather(base=LayerOutput() as output, index=index), Constant(value=value):
            pass
        case _:
            return None
    network = low.program.network(output.network)
    is_score = network.output_shape == () and output.layer == network.result_layer
    if not is_score or value.any() or index.shape != node.shape:
        return None
    rows, at = np.divmod(index, int(np.prod(output.shape[1:], dtype=np.int64)))
    if (at != network.result_index).any():
        return None
    found = predictions(low, output.network, output.data, node.strictness, node.is_exact)
    inverse = apply_network(low, output.network, output.data).inverse
    return found, found.place(inverse[rows], np.ones(rows.shape))


def _phase(low: Lowering, node: Compare) -> tuple[Affine, BoolArray] | None:
    """For `z <= 0` with z what a ReLU reads: its binaries s, which are 1 wherever z > 0, and which entries have one."""
    match node:
        case Compare(op="<=", left=Gather(base=LayerOutput() as output, index=index), right=Constant(value=value)):
            pass
        case _:
            return None
    if value.any() or index.shape != node.shape:
        return None
    passed = apply_network(low, output.network, output.data)
    readers = low.program.network(output.network).readers(output.layer)
    phases = [passed.outputs[reader.name].phase for reader in readers]
    phase = next((p for p in phases if p is not None), None)
    if phase is None:
        return None
    rows, at = np.divmod(index, phase[0].size // phase[0].shape[0])
    places = passed.inverse[rows] * (phase[0].size // phase[0].shape[0]) + at
    return phase[0].gather(places), phase[1].reshape(-1)[places]


def _with_phase(
    low: Lowering, path: str, d: Affine, phase: tuple[Affine, BoolArray], polarity: Polarity, origin: Origin
) -> Affine:
    """d for z <= 0 with the help of a binary s that is 1 wherever z > 0.

    To say that z <= 0, 1 - s is enough. Otherwise d >= 1 - s holds, because d = 0 means z > 0 (a valid inequality).
    """
    s, has = phase
    picked = np.flatnonzero(has)
    if polarity is Polarity.LOWER:
        rest = np.flatnonzero(~has)
        return scattered([(rest, d.gather(rest)), (picked, s.gather(picked) * -1.0 + 1.0)], d.shape)
    rows = d.gather(picked) + s.gather(picked)
    low.builder.rows(f"{path}.phase", rows, origin, lb=1.0, shape=d.shape, picked=picked)
    return d


def _excess(low: Lowering, node: Compare, polarity: Polarity) -> Affine:
    """By how much the comparison fails: at most 0 where it holds. To say that it holds one needs the upper value."""
    side = polarity.flipped
    more, less = (node.left, node.right) if node.op == "<=" else (node.right, node.left)
    return lower_expression(low, more, side) - lower_expression(low, less, side.flipped) + np.zeros(node.shape)


def lower_choice(low: Lowering, node: Choose, polarity: Polarity) -> Affine:
    """`if c then a else b` as b + p with p = c w, w = a - b in [L, U]:

        L c <= p <= U c        w - U (1 - c) <= p <= w - L (1 - c)

    Exact (formulation: binary times bounded variable). No rows where the branches are known numbers.
    """
    if isinstance(node.then, Constant) and isinstance(node.otherwise, Constant):
        difference = node.then.value - node.otherwise.value + np.zeros(node.shape)
        c = lower_expression(low, node.condition, scaled(polarity, difference)) + np.zeros(node.shape)
        return c * difference + node.otherwise.value
    c = lower_expression(low, node.condition, Polarity.EXACT) + np.zeros(node.shape)
    then = lower_expression(low, node.then, Polarity.EXACT) + np.zeros(node.shape)
    otherwise = lower_expression(low, node.otherwise, Polarity.EXACT) + np.zeros(node.shape)
    w = then - otherwise
    bounds, origin, path, rows = (
        bounds_of(low.builder, w).without_tiny(),
        node.origin,
        low.label("if"),
        low.builder.rows,
    )
    lo, hi = bounds.lo, bounds.hi
    p = low.builder.columns(
        path,
        node.shape,
        np.minimum(lo, 0.0),
        np.maximum(hi, 0.0),
        origin,
        lambda x, choice: np.round(c.value(x)) * w.value(x),
    )
    rows(f"{path}.off_upper", p - c * hi, origin, ub=0.0, big_m=hi)
    rows(f"{path}.off_lower", p - c * lo, origin, lb=0.0, big_m=lo)
    rows(f"{path}.on_upper", p - w - c * lo, origin, ub=-lo, big_m=lo)
    rows(f"{path}.on_lower", p - w - c * hi, origin, lb=-hi, big_m=hi)
    return otherwise + p


# ---- rows ----------------------------------------------------------------------------------------------------------


def require(low: Lowering, path: str, node: Node) -> None:
    """Rows that make a Boolean hold in every entry."""
    from nnmip.lowering.registry import rules_of

    match node:
        case Compare():
            require_comparison(low, path, node)
        case Junction(op="and", terms=terms):
            for number, term in enumerate(terms):
                require(low, f"{path}.{number}", term)
        case Fold(op="and", operand=operand):
            require(low, path, operand)
        case Junction(op="or", terms=terms, shape=shape):
            _require_one_of(low, path, terms, shape, node.origin)
        case Fold(op="or", operand=operand):
            literal = lower_expression(low, operand, Polarity.LOWER).reshape((*node.shape, -1))
            low.builder.rows(path, literal.sum(axis=-1), node.origin, lb=1.0)
        case Not(operand=operand):
            _forbid(low, path, operand, node.origin)
        case Apply(word=word) if (rules := rules_of(word)) is not None:
            require(low, path, rules(low, node))
        case _:
            low.builder.rows(path, lower_expression(low, node, Polarity.LOWER), node.origin, lb=1.0)


def require_comparison(low: Lowering, path: str, node: Compare) -> None:
    """Rows for `left op right` in every entry; each side needs only the bound that the comparison uses."""
    if (asked := asked_places(node)) is not None:
        require_asked(low, path, asked, node.origin)
        return
    left_side = {"<=": Polarity.UPPER, ">=": Polarity.LOWER, "=": Polarity.EXACT}[node.op]
    left = lower_expression(low, node.left, left_side)
    right = lower_expression(low, node.right, left_side.flipped)
    lb = 0.0 if node.op in (">=", "=") else -np.inf
    ub = 0.0 if node.op in ("<=", "=") else np.inf
    low.builder.rows(path, left - right, node.origin, lb=lb, ub=ub)


def _forbid(low: Lowering, path: str, node: Node, origin: Origin) -> None:
    """Rows that make a Boolean fail in every entry."""
    match node:
        case Compare() if (asked := asked_places(node)) is not None:
            require_asked(low, path, asked.negated, node.origin)
        case Compare(op="<=" | ">=", strictness=strictness):
            _note_strictness(low, node)
            low.builder.rows(path, _excess(low, node, Polarity.UPPER), origin, lb=strictness)
        case Junction(op="or", terms=terms):
            for number, term in enumerate(terms):
                _forbid(low, f"{path}.{number}", term, origin)
        case Fold(op="or", operand=operand):
            _forbid(low, path, operand, origin)
        case _:
            low.builder.rows(path, lower_expression(low, node, Polarity.UPPER), origin, ub=0.0)


def _require_one_of(low: Lowering, path: str, terms: Sequence[Node], shape: tuple[int, ...], origin: Origin) -> None:
    """At least one of several Booleans in every entry: sum of literals >= 1.

    Where one of them is an order e <= 0 or an equality e = 0 with e in [L, U], the others stand for its binaries:
    e <= U * sum of the others and, for an equality, e >= L * sum of the others (formulation: conditional rows).
    """
    comparisons = [t for t in terms if isinstance(t, Compare) and asked_places(t) is None]
    # An equality would cost two binaries, an order one.
    conditional = max(comparisons, key=lambda t: t.op == "=", default=None)
    others = [lower_expression(low, t, Polarity.LOWER) for t in terms if t is not conditional]
    total = add_up(others, shape)
    if conditional is None:
        low.builder.rows(path, total, origin, lb=1.0)
        return
    is_equality = conditional.op == "="
    e = _excess(low, conditional, Polarity.EXACT if is_equality else Polarity.LOWER) + np.zeros(shape)
    bounds = bounds_of(low.builder, e).without_tiny()
    hi, lo = np.maximum(bounds.hi, 0.0), np.minimum(bounds.lo, 0.0)
    low.builder.rows(path, e - total * hi, origin, ub=0.0, big_m=hi)
    if is_equality:
        low.builder.rows(f"{path}.at_least", e - total * lo, origin, lb=0.0, big_m=lo)
