"""Booleans as rows: what it takes to break a property, as cases of rows on numbers.

A row says `sign * value[entry] <= 0` (`< 0` where it is strict) for an entry of a numeric expression. The negation of
a conclusion is written as cases: an input breaks the property exactly where it satisfies the assumptions and all rows
of one of the cases (disjunctive normal form). Words that are a largest of affine functions, `abs`, `max`, `norm_inf`,
are taken apart on the way, so that what remains is affine wherever the property is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from nnmip.hir.core import (
    Apply,
    Choose,
    Compare,
    Constant,
    Fold,
    Gather,
    Join,
    Junction,
    Node,
    Not,
    Plus,
    Reference,
    Scale,
    Xor,
)
from nnmip.ops.places import SIGNS
from nnmip.records import dataclass
from nnmip.source import Origin

MOST_CASES = 4096
"""The most cases that a negation is written as."""
MOST_SIGNED = 8
"""A `norm_1` of more entries is not taken apart: it is the largest of 2 to their number."""


class Opaque(Exception):
    """A Boolean that is not written as rows; `node` is the part in the way."""

    def __init__(self, node: Node) -> None:
        self.node = node
        super().__init__("not a combination of comparisons")


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """`sign * value[entry] <= 0`, or `< 0`; `entry` is a flat position."""

    value: Node
    entry: int
    sign: float
    is_strict: bool


Case = tuple[Row, ...]
Cases = tuple[Case, ...]

ALWAYS: Cases = ((),)
NEVER: Cases = ()


def cases_of(parts: Sequence[Node], holds: bool = True) -> Cases:
    """The cases in which every entry of all parts holds; with `holds` False, those in which some entry does not.

    Raises Opaque.
    """
    found = [_entries(part, holds).reshape(-1).tolist() for part in parts]
    flat = [cases for entries in found for cases in entries]
    return _all(flat) if holds else _any(flat)


def _all(parts: Sequence[Cases]) -> Cases:
    """The cases in which all parts hold."""
    found: Cases = ALWAYS
    for part in parts:
        if len(found) * len(part) > MOST_CASES:
            raise Opaque(next(row.value for case in part for row in case))
        found = tuple(one + other for one, other in product(found, part))
    return found


def _any(parts: Sequence[Cases]) -> Cases:
    found = tuple(case for part in parts for case in part)
    if len(found) > MOST_CASES:
        raise Opaque(next(row.value for case in found for row in case))
    return ALWAYS if () in found else found


def _entries(node: Node, holds: bool) -> Any:
    """The cases of every entry of a Boolean, an array of its shape."""
    match node:
        case Constant(value=value):
            return _mapped(value, lambda entry: ALWAYS if bool(entry) == holds else NEVER)
        case Not(operand=operand):
            return _entries(operand, not holds)
        case Gather(base=base, index=index):
            return _entries(base, holds).reshape(-1)[index.reshape(-1)].reshape(index.shape)
        case Join(parts=parts):
            return np.concatenate([_entries(part, holds).reshape(-1) for part in parts])
        case Junction(op=op, terms=terms, shape=shape):
            wide = [np.broadcast_to(_entries(term, holds), shape) for term in terms]
            return _joined(wide, (op == "and") == holds)
        case Fold(op=op, operand=operand, batch=batch):
            inner = _entries(operand, holds)
            flat = inner.reshape(*operand.shape[:batch], int(np.prod(operand.shape[batch:], dtype=np.int64)))
            return _joined(
                [flat[..., k] for k in range(flat.shape[-1])] or [_empty(flat.shape[:-1])], (op == "and") == holds
            )
        case Xor(left=left, right=right):
            both = [_entries(left, True), _entries(right, not holds)]
            neither = [_entries(left, False), _entries(right, holds)]
            shape = node.shape
            pairs = [_joined([np.broadcast_to(each, shape) for each in pair], True) for pair in (both, neither)]
            return _joined(pairs, False)
        case Reference(decision=decision):
            half = Plus((node, _constant(-0.5, node.origin)), decision.shape, node.origin)
            sign = -1.0 if holds else 1.0
            return _mapped(
                np.arange(decision.size).reshape(decision.shape), lambda k: ((Row(half, int(k), sign, False),),)
            )
        case Compare(op="=", left=Apply(word=word) as place, right=Constant(shape=(), value=number)) if word in SIGNS:
            return _mapped(np.zeros(node.shape), lambda _: _placed(place, int(number), SIGNS[word], holds))
        case Compare():
            return _compared(node, holds)
    raise Opaque(node)


def _mapped(values: Any, make: Callable[[Any], Cases]) -> Any:
    array = np.empty(np.shape(values), dtype=object)
    for place, value in np.ndenumerate(values):
        array[place] = make(value)
    return array


def _empty(shape: tuple[int, ...]) -> Any:
    return _mapped(np.zeros(shape), lambda _: ALWAYS)


def _joined(parts: Sequence[Any], together: bool) -> Any:
    """Entry by entry, the cases in which all parts hold, or any of them."""
    join = _all if together else _any
    array = np.empty(parts[0].shape, dtype=object)
    for place in np.ndindex(array.shape):
        array[place] = join([part[place] for part in parts])
    return array


def _compared(node: Compare, holds: bool) -> Any:
    """`left - right <= 0` and its like; where it must fail, `right - left < 0`."""
    minus = _scaled(-1.0, node.right)
    difference = Plus((node.left, minus), node.shape, node.origin)
    signs = {"<=": (1.0,), ">=": (-1.0,), "=": (1.0, -1.0)}[node.op]
    flat = np.arange(int(np.prod(node.shape, dtype=np.int64))).reshape(node.shape)

    def entry(k: int) -> Cases:
        parts = [rows_of(difference, k, sign if holds else -sign, not holds) for sign in signs]
        return _all(parts) if holds else _any(parts)

    return _mapped(flat, lambda k: entry(int(k)))


def _placed(place: Apply, wanted: int, sign: float, holds: bool) -> Cases:
    """The cases in which the largest entry of a vector (for sign -1 the least) is the `wanted` one, or is not: of equal
    entries the first is meant."""
    entries = _own(place, 0)
    if not 0 <= wanted < len(entries):
        return NEVER if holds else ALWAYS
    own, parts = entries[wanted], []
    for number, other in enumerate(entries):
        if number != wanted:
            ahead = Plus((other, _scaled(-1.0, own)), (), place.origin)
            is_strict = (number < wanted) == holds
            parts.append(rows_of(ahead, 0, sign if holds else -sign, is_strict))
    return _all(parts) if holds else _any(parts)


def rows_of(value: Node, entry: int, sign: float, is_strict: bool) -> Cases:
    """The cases in which `sign * value[entry] <= 0`, or `< 0`.

    Words that are a largest of pieces are taken apart: where one is added, all its pieces must obey, and where it is
    subtracted, one of them. A choice, `if p then a else b`, is either side with its condition, and a Boolean in a sum 1
    or 0. What else is not affine stays as it is.
    """
    terms = terms_of(value, entry)
    if not all(factor for _, factor in terms):
        counted = [_scaled(factor, term) for term, factor in terms if factor]
        return rows_of(Plus((*counted, _constant(0.0, value.origin)), (), value.origin), 0, sign, is_strict)
    if (total := _whole(terms)) is not None:
        return ALWAYS if sign * total < 0 or (total == 0 and not is_strict) else NEVER
    for place, (term, factor) in enumerate(terms):
        rest = [_scaled(f, t) for k, (t, f) in enumerate(terms) if k != place]

        def with_part(own: float, part: Node, rest: Sequence[Node] = rest) -> Cases:
            return rows_of(Plus((*rest, _scaled(own, part)), (), value.origin), 0, sign, is_strict)

        if (switch := _switch(term, sign * factor)) is not None:
            return _any([_all([cases, with_part(factor, part)]) for cases, part in switch])
        for join, own in ((_all, 1.0), (_any, -1.0)):
            if (pieces := _pieces(term, own * sign * factor)) is not None:
                return join([with_part(factor * s, piece) for piece, s in pieces])
    if is_strict and all(map(_is_whole, terms)):
        # Of whole numbers, less is at least one less: nothing is left for which a solver would need a margin.
        value, entry = Plus((_entry(value, entry), _constant(sign, value.origin)), (), value.origin), 0
        is_strict = False
    return ((Row(value, entry, sign, is_strict),),)


def _is_whole(term: tuple[Node, float]) -> bool:
    """Whether a scalar times a factor is a whole number at every point."""
    (node, _), factor = _unpicked(term[0]), term[1]
    match node:
        case Constant(value=value):
            return bool((value == np.floor(value)).all()) and factor.is_integer()
        case Reference(decision=decision):
            values = decision.domain.values
            return decision.domain.is_finite and all(v.is_integer() for v in values) and factor.is_integer()
    return False


def _whole(terms: Sequence[tuple[Node, float]]) -> int | None:
    """The value of a sum of whole numbers, such as a count whose Booleans have been chosen; None for any other."""
    total = 0
    for term, factor in terms:
        if not isinstance(term, Constant) or not (float(term.value).is_integer() and float(factor).is_integer()):
            return None
        total += int(term.value) * int(factor)
    return total


def _switch(term: Node, sign: float) -> list[tuple[Cases, Node]] | None:
    """What a number is in which cases, where a condition says so; None for any other.

    Of a Boolean that does harm where it holds (its `sign` is positive), 1 needs no case: what obeys with 1 obeys with
    0. So it is for one that helps, and 0. That leaves a count one case for each subset that is large enough.
    """
    node, entry = _unpicked(term)
    match node:
        case Choose(condition=condition, then=then, otherwise=otherwise, shape=shape):
            at = _place(condition.shape, shape, entry)
            sides = [_entry(side, _place(side.shape, shape, entry)) for side in (then, otherwise)]
            return [(_case(condition, at, holds), side) for holds, side in zip((True, False), sides, strict=True)]
        case Compare() | Junction() | Fold() | Not() | Xor():
            one, zero = (_constant(number, node.origin) for number in (1.0, 0.0))
            if sign > 0:
                return [(ALWAYS, one), (_case(node, entry, False), zero)]
            return [(_case(node, entry, True), one), (ALWAYS, zero)]
    return None


def _case(node: Node, entry: int, holds: bool) -> Cases:
    found: Cases = _entries(node, holds).reshape(-1)[entry]
    return found


def _unpicked(term: Node) -> tuple[Node, int]:
    """The tensor of which a scalar is an entry, and which."""
    return (term.base, int(term.index)) if isinstance(term, Gather) and term.shape == () else (term, 0)


def terms_of(value: Node, entry: int, number: Callable[[float], Any] = float) -> list[tuple[Node, Any]]:
    """Scalars with their factors, whose sum an entry of an expression is; `number` says what the factors are."""
    match value:
        case Plus(terms=terms, shape=shape):
            return [pair for term in terms for pair in terms_of(term, _place(term.shape, shape, entry), number)]
        case Scale(factor=factor, operand=operand, shape=shape):
            own = number(float(np.broadcast_to(factor, shape).reshape(-1)[entry]))
            inner = terms_of(operand, _place(operand.shape, shape, entry), number)
            return [(term, own * f) for term, f in inner]
        case Gather(base=base, index=index):
            return terms_of(base, int(index.reshape(-1)[entry]), number)
        case Join(parts=parts):
            for part in parts:
                size = int(np.prod(part.shape, dtype=np.int64))
                if entry < size:
                    return terms_of(part, entry, number)
                entry -= size
        case Apply(word="sum" | "count"):
            return [pair for each in _own(value, entry) for pair in terms_of(each, 0, number)]
    return [(value if value.shape == () else Gather(value, np.asarray(entry), value.origin), number(1.0))]


def _place(inner: tuple[int, ...], outer: tuple[int, ...], entry: int) -> int:
    """The flat position in a tensor of shape `inner` that an entry of its broadcast to `outer` is."""
    if inner == outer:
        return entry
    return int(np.broadcast_to(_positions(inner), outer).reshape(-1)[entry])


@cache
def _positions(shape: tuple[int, ...]) -> Any:
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def _pieces(term: Node, sign: float) -> list[tuple[Node, float]] | None:
    """Expressions with factors, of which a word times `sign` is the largest; None for what is no such word."""
    node, entry = _unpicked(term)
    if not isinstance(node, Apply) or node.network is not None or sign == 0:
        return None
    both = (1.0, -1.0)
    match node.word:
        case "abs" if sign > 0:
            operand = node.operands[0]
            return [(_entry(operand, _place(operand.shape, node.shape, entry)), s) for s in both]
        case "norm_inf" if sign > 0:
            return [(each, s) for each in _own(node, entry) for s in both]
        case "norm_1" if sign > 0 and len(own := _own(node, entry)) <= MOST_SIGNED:
            return [
                (Plus(tuple(map(_scaled, signs, own)), (), node.origin), 1.0)
                for signs in product(both, repeat=len(own))
            ]
        case "max" if sign > 0:
            return [(each, 1.0) for each in _own(node, entry)]
        case "min" if sign < 0:
            return [(each, 1.0) for each in _own(node, entry)]
    return None


def _own(node: Apply, entry: int) -> list[Node]:
    """The entries of the operand that a word reduces to its entry."""
    (operand,) = node.operands
    width = int(np.prod(operand.shape[node.batch :], dtype=np.int64))
    return [_entry(operand, entry * width + k) for k in range(width)]


def _entry(node: Node, entry: int) -> Node:
    return node if node.shape == () else Gather(node, np.asarray(entry), node.origin)


def _scaled(factor: float, node: Node) -> Node:
    return node if factor == 1.0 else Scale(np.asarray(factor), node, node.shape, node.origin)


def _constant(value: float, origin: Origin) -> Constant:
    return Constant(np.asarray(value), origin)
