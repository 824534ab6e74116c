"""Booleans as rows: what it takes to break a property, as cases of rows on numbers.

A row says `sign * value[entry] <= 0` (`< 0` where it is strict) for an entry of a numeric expression. The negation of
a conclusion is written as cases: an input breaks the property exactly where it satisfies the assumptions and all rows
of one of the cases (disjunctive normal form). Words that are a largest of affine functions, `abs`, `max`, `norm_inf`,
are taken apart on the way, so that what remains is affine wherever the property is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from functools import cache
from itertools import product
from math import prod
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
from nnmip.hir.same import Same
from nnmip.ops.places import SIGNS
from nnmip.records import dataclass
from nnmip.source import Origin

MOST_CASES = 4096
"""The most cases that a negation is written as."""
MOST_SIGNED = 8
"""A `norm_1` of more entries is not taken apart: it is the largest of 2 to their number."""


class Opaque(Exception):
    """A Boolean that is not written as rows; `node` is the part in the way, or where there are too many cases."""

    def __init__(self, node: Node, is_large: bool = False) -> None:
        self.node, self.is_large = node, is_large
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
            raise Opaque(next(row.value for case in part for row in case), is_large=True)
        found = tuple(one + other for one, other in product(found, part))
    return found


def _any(parts: Sequence[Cases]) -> Cases:
    found = tuple(case for part in parts for case in part)
    if len(found) > MOST_CASES:
        raise Opaque(next(row.value for case in found for row in case), is_large=True)
    return ALWAYS if () in found else found


def _entries(node: Node, holds: bool) -> Any:
    """The cases of every entry of a Boolean, an array of its shape."""
    match node:
        case Constant(value=value):
            return _mapped(value, lambda entry: ALWAYS if bool(entry) == holds else NEVER)
        case Gather(base=base, index=index):
            return _entries(base, holds).reshape(-1)[index.reshape(-1)].reshape(index.shape)
        case Join(parts=parts):
            return np.concatenate([_entries(part, holds).reshape(-1) for part in parts])
        case Junction(shape=()) | Not() if (ahead := _ahead(node)) is not None:
            return _mapped(np.zeros(node.shape), lambda _: ahead.cases(holds))
        case Not(operand=operand):
            return _entries(operand, not holds)
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
    difference = _difference(node)
    flat = np.arange(prod(node.shape)).reshape(node.shape)
    return _mapped(flat, lambda k: _at_most_0(difference, int(k), node.op, holds))


def _difference(node: Compare) -> Node:
    return Plus((node.left, _scaled(-1.0, node.right)), node.shape, node.origin)


def _at_most_0(difference: Node, entry: int, op: str, holds: bool) -> Cases:
    """`difference <= 0` and its like; where it must fail, `-difference < 0`.

    A place, `argmax(v)`, is a number in each of the cases in which it is that number.
    """
    terms = terms_of(difference, entry)
    place = next((place for term, factor in terms if factor and (place := _Place.of(term)) is not None), None)
    if place is None:
        signs = {"<=": (1.0,), ">=": (-1.0,), "=": (1.0, -1.0)}[op]
        parts = [rows_of(difference, entry, sign if holds else -sign, not holds) for sign in signs]
        return _all(parts) if holds else _any(parts)
    inside, found = set[int](), list[Cases]()
    for number in range(place.width):
        cases = _at_most_0(place.replaced(terms, number, difference.origin), 0, op, holds)
        if cases == ALWAYS:
            inside.add(number)
        elif cases != NEVER:
            found.append(_all([place.cases({number}), cases]))
    return _any([place.cases(inside), *found])


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """An entry of `argmax` or `argmin`: the place of the first of the largest of some numbers, times a sign."""

    numbers: tuple[Node, ...]
    sign: float
    key: tuple[int, ...]
    same: Same

    @staticmethod
    def of(term: Node, same: Same | None = None) -> _Place | None:
        """None for what is no such entry. same: which expressions are the same."""
        node, entry = _unpicked(term)
        if not isinstance(node, Apply) or node.word not in SIGNS:
            return None
        same = Same() if same is None else same
        own = tuple(_own(node, entry))
        return _Place(own, SIGNS[node.word], (int(SIGNS[node.word]), *map(same.number, own)), same)

    @property
    def width(self) -> int:
        return len(self.numbers)

    def is_at(self, term: Node) -> bool:
        """Whether a term is this place, however often it is written."""
        other = _Place.of(term, self.same)
        return other is not None and other.key == self.key

    def replaced(self, terms: Sequence[tuple[Node, float]], number: int, origin: Origin) -> Node:
        """A sum of terms times factors in which the place is a number."""
        made = [
            _constant(factor * number, origin) if self.is_at(term) else _scaled(factor, term) for term, factor in terms
        ]
        return Plus(tuple(made), (), origin)

    def cases(self, inside: AbstractSet[int]) -> Cases:
        """Those in which the place is one of some: an entry there is ahead of all elsewhere, larger than one that
        comes first, and at least as large as another."""
        others = [number for number in range(self.width) if number not in inside]
        return _any([_all([self._is_ahead(own, other) for other in others]) for own in sorted(inside)])

    def _is_ahead(self, own: int, other: int) -> Cases:
        origin = self.numbers[own].origin
        behind = Plus((self.numbers[other], _scaled(-1.0, self.numbers[own])), (), origin)
        return rows_of(behind, 0, self.sign, other < own)


@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """A Boolean that says that a place is one of some, as `argmax(v) in {1, 2}` and `not argmax(v) = 0` do."""

    place: _Place
    inside: frozenset[int]

    @property
    def outside(self) -> frozenset[int]:
        return frozenset(range(self.place.width)) - self.inside

    def cases(self, holds: bool) -> Cases:
        return self.place.cases(self.inside if holds else self.outside)


def _ahead(node: Node, same: Same | None = None) -> _Ahead | None:
    """The places of which a Boolean speaks, where it speaks of one `argmax` alone; else None."""
    same = Same() if same is None else same
    match node:
        case Compare(shape=(), op=op):
            terms = terms_of(_difference(node), 0)
            places = [place for term, factor in terms if factor and (place := _Place.of(term, same)) is not None]
            known = [term for term, _ in terms if isinstance(term, Constant)]
            if not places or len(places) + len(known) < len(terms) or len({place.key for place in places}) > 1:
                return None
            at = [places[0].replaced(terms, number, node.origin) for number in range(places[0].width)]
            return _Ahead(places[0], frozenset(k for k, value in enumerate(at) if _at_most_0(value, 0, op, True)))
        case Not(operand=operand):
            inner = _ahead(operand, same)
            return None if inner is None else _Ahead(inner.place, inner.outside)
        case Junction(op=op, terms=terms, shape=()):
            parts = list[_Ahead]()
            for term in terms:
                if (part := _ahead(term, same)) is None or (parts and part.place.key != parts[0].place.key):
                    return None
                parts.append(part)
            join = frozenset.intersection if op == "and" else frozenset.union
            return _Ahead(parts[0].place, join(*(part.inside for part in parts)))
    return None


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
    if (total := _known(terms)) is not None:
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


def _known(terms: Sequence[tuple[Node, float]]) -> Fraction | None:
    """The value of a sum of known numbers, such as a count whose Booleans have been chosen; None for any other."""
    total = Fraction(0)
    for term, factor in terms:
        if not isinstance(term, Constant):
            return None
        total += Fraction(float(term.value)) * Fraction(factor)
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
