"""Properties of a model as VNN-LIB queries, with their networks as ONNX files.

A query asks for what breaks the property: its assumptions hold, and its conclusions do not. Each place at which a
network is applied is a network of the query; what it reads is tied to the point of the property by equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from decimal import Decimal
from math import prod

from nnmip.hir.core import Applied, Constant, Gather, Node, Program, Reference
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Property
from nnmip.hir.known import KnownNetwork
from nnmip.hir.same import Same
from nnmip.records import dataclass
from nnmip.verification.claims import Case, Opaque, Row, cases_of, terms_of
from nnmip.vnnlib.query import index_text

Terms = list[tuple[str, float]]
"""Names of entries with their factors; the empty name stands for 1."""


@dataclass(frozen=True, slots=True)
class Written:
    """A property as a text; networks: the names in the text and those in the model, in the order of the text."""

    text: str
    version: tuple[int, int]
    networks: tuple[tuple[str, str], ...]


class Unwritten(Exception):
    """A property that VNN-LIB cannot say; `why` in words."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def written(program: Program, property: Property, version: tuple[int, int] | None = None) -> Written:
    """The query that has no answer exactly where a property holds.

    version: (1, 0) or (2, 0); None takes 1.0 where that can say it, for one network at the point itself. Version 1.0
    has no strict comparisons: where the property breaks only beyond a bound, the query counts the bound itself, too,
    and the text says so. Raises Unwritten.
    """
    writer = _Writer(program, property)
    try:
        claims = writer.claims()
    except Opaque:
        raise Unwritten("it is no combination of comparisons") from None
    writer.check()
    chosen = version or ((1, 0) if writer.is_plain else (2, 0))
    if chosen == (1, 0) and not writer.is_plain:
        raise Unwritten("it speaks of more than one network at one point, which version 1.0 cannot say")
    return writer.first(claims) if chosen == (1, 0) else writer.second(claims)


@dataclass(slots=True, eq=False)
class _Place:
    """A network where it is applied: what each entry of its input is."""

    number: int
    known: KnownNetwork
    reads: list[Terms]


@dataclass(slots=True, eq=False)
class _Writer:
    """Entries are called `x:path:k` for the point and `y:number:k` for what a network gives until all are known."""

    program: Program
    stated: Property
    places: list[_Place] = field(default_factory=list)
    _same: Same = field(default_factory=Same)
    _numbers: dict[tuple[int, int], int] = field(default_factory=dict)

    def claims(self) -> list[list[list[tuple[Terms, bool]]]]:
        """Claims that all hold, each as cases of rows `terms <= 0`, or `< 0` where it is strict."""
        found = []
        for point in self.stated.points:
            for k in range(point.decision.size):
                found.extend(_within(f"x:{point.decision.path}:{k}", point.decision.domain))
        for part in self.stated.assumptions:
            found.append(self._cases(cases_of([part])))
        found.append(self._cases(cases_of(self.stated.conclusions, holds=False)))
        return found

    def _cases(self, cases: Iterable[Case]) -> list[list[tuple[Terms, bool]]]:
        return [[(self._terms(row), row.is_strict) for row in case] for case in cases]

    def _terms(self, row: Row) -> Terms:
        return _summed((name, row.sign * factor) for name, factor in self._sum(row.value, row.entry))

    def _sum(self, value: Node, entry: int) -> Terms:
        found: Terms = []
        for term, factor in terms_of(value, entry):
            base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
            match base:
                case Constant(value=numbers):
                    found.append(("", factor * float(numbers.reshape(-1)[at])))
                case Reference(decision=decision):
                    found.append((f"x:{decision.path}:{at}", factor))
                case Applied():
                    width = prod(self.program.known_network(base.network).network.output_shape)
                    found.append((f"y:{self._place(base, at // width)}:{at % width}", factor))
                case _:
                    raise Opaque(base)
        return found

    def _place(self, node: Applied, number: int) -> int:
        key = (self._same.number(node), number)
        if key not in self._numbers:
            known = self.program.known_network(node.network)
            width = prod(known.network.input_shape)
            reads = [_summed(self._sum(node.operand, number * width + k)) for k in range(width)]
            self._numbers[key] = len(self.places)
            self.places.append(_Place(len(self.places), known, reads))
        return self._numbers[key]

    # ---- names -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise Unwritten where an entry of the point is not what a network reads: VNN-LIB has no other inputs."""
        held = {terms[0][0] for place in self.places for terms in place.reads if _is_entry(terms)}
        for point in self.stated.points:
            for k in range(point.decision.size):
                if f"x:{point.decision.path}:{k}" not in held:
                    raise Unwritten(f"entry {k} of `{point.decision.path}` is not, as it is, an input of a network")

    @property
    def is_plain(self) -> bool:
        """Whether one network reads the point as it is."""
        if len(self.places) != 1:
            return False
        reads = self.places[0].reads
        return all(map(_is_entry, reads)) and len({terms[0][0] for terms in reads}) == len(reads)

    def first(self, claims: list[list[list[tuple[Terms, bool]]]]) -> Written:
        """Version 1.0."""
        (place,) = self.places
        names = {terms[0][0]: f"X_{k}" for k, terms in enumerate(place.reads)}
        size = prod(place.known.network.output_shape)
        names |= {f"y:0:{k}": f"Y_{k}" for k in range(size)}
        is_closed = any(is_strict for cases in claims for case in cases for _, is_strict in case)
        lines = self._head("1.0", is_closed)
        lines += [f"(declare-const {name} Real)" for name in names.values()]
        lines += ["", *(_asserted(cases, names, False) for cases in claims)]
        return Written("\n".join(lines) + "\n", (1, 0), (("f", place.known.name),))

    def second(self, claims: list[list[list[tuple[Terms, bool]]]]) -> Written:
        """Version 2.0."""
        names: dict[str, str] = {}
        lines, ties = [*self._head("2.0", False), "(vnnlib-version <2.0>)", ""], []
        networks: list[tuple[str, str]] = []
        for place in self.places:
            own = place.known.network
            first = next((name for name, model in networks if model == own.name), "")
            name, suffix = f"f{place.number}", str(place.number)
            lines += [
                f"(declare-network {name}" + (f" (equal-to {first})" if first else ""),
                f"  (declare-input X{suffix} Real [{', '.join(map(str, own.input_shape))}])",
                f"  (declare-output Y{suffix} Real [{', '.join(map(str, own.output_shape))}]))",
            ]
            networks.append((name, own.name))
            for k, terms in enumerate(place.reads):
                entry = f"X{suffix}{index_text(k, own.input_shape)}"
                if _is_entry(terms) and terms[0][0] not in names:
                    names[terms[0][0]] = entry
                else:
                    ties.append((entry, terms))
            for k in range(prod(own.output_shape)):
                names[f"y:{place.number}:{k}"] = f"Y{suffix}{index_text(k, own.output_shape)}"
        lines += ["", *(f"(assert (== {entry} {_value(terms, names)}))" for entry, terms in ties)]
        lines += [_asserted(cases, names, True) for cases in claims]
        return Written("\n".join(lines) + "\n", (2, 0), tuple(networks))

    def _head(self, version: str, is_closed: bool) -> list[str]:
        lines = [f"; VNN-LIB {version}: what breaks `{self.stated.name}`; unsat where the property holds"]
        lines += [f"; {line}" for line in (self.stated.sentence or "").splitlines()]
        if is_closed:
            lines.append("; strict comparisons are closed: an answer may lie on a bound that the property allows")
        return lines


# ---- texts ---------------------------------------------------------------------------------------------------------


def _summed(terms: Iterable[tuple[str, float]]) -> Terms:
    total: dict[str, float] = {}
    for name, factor in terms:
        total[name] = total.get(name, 0.0) + factor
    return [(name, factor) for name, factor in total.items() if factor]


def _is_entry(terms: Terms) -> bool:
    """Whether terms are one entry of the point."""
    return len(terms) == 1 and terms[0][1] == 1.0 and terms[0][0].startswith("x:")


def _within(name: str, domain: Domain) -> list[list[list[tuple[Terms, bool]]]]:
    """What says that an entry lies in its domain: bounds alone where that is an interval."""
    pieces = [*domain.intervals, *((value, value) for value in domain.values)]
    cases = [
        [(_summed([("", lo), (name, -1.0)]), False), (_summed([(name, 1.0), ("", -hi)]), False)] for lo, hi in pieces
    ]
    return [[[row]] for row in cases[0]] if len(cases) == 1 else [cases]


def _is_value(case: Sequence[tuple[Terms, bool]]) -> bool:
    """Whether a case says that an entry is a number: `lo - x <= 0` and `x - lo <= 0`."""
    if len(case) != 2 or any(is_strict for _, is_strict in case):
        return False
    first, second = (dict(terms) for terms, _ in case)
    return len(second) - ("" in second) == 1 and first == {name: -factor for name, factor in second.items()}


def _asserted(cases: Sequence[Sequence[tuple[Terms, bool]]], names: dict[str, str], has_strict: bool) -> str:
    texts = []
    for case in cases:
        if has_strict and _is_value(case):
            ((name, factor), *others) = sorted(case[1][0], reverse=True)
            value = -others[0][1] / factor if others else 0.0
            texts.append(f"(== {names[name]} {_number(value)})")
            continue
        rows = [_comparison(terms, is_strict and has_strict, names) for terms, is_strict in case]
        texts.append(rows[0] if len(rows) == 1 else f"(and {' '.join(rows)})" if rows else "(<= 0.0 0.0)")
    if not texts:
        return "(assert (<= 1.0 0.0))"
    if len(texts) == 1:
        return f"(assert {texts[0]})"
    return "(assert (or\n  " + "\n  ".join(texts) + "\n))"


def _comparison(terms: Terms, is_strict: bool, names: dict[str, str]) -> str:
    """`terms <= 0` in the shortest form: an entry against a number or another entry where that says it."""
    constant = sum(factor for name, factor in terms if not name)
    entries = [(names[name], factor) for name, factor in terms if name]
    less, more = ("<", ">") if is_strict else ("<=", ">=")
    match entries:
        case [(name, factor)] if factor in (1.0, -1.0):
            return f"({less if factor > 0 else more} {name} {_number(-factor * constant)})"
        case [(left, 1.0), (right, -1.0)] if constant == 0:
            return f"({less} {left} {right})"
        case [(left, -1.0), (right, 1.0)] if constant == 0:
            return f"({more} {left} {right})"
    return f"({less} {_value(terms, names)} 0.0)"


def _value(terms: Terms, names: dict[str, str]) -> str:
    parts = []
    for name, factor in terms:
        entry = names.get(name, "")
        parts.append(entry if name and factor == 1.0 else f"(* {_number(factor)} {entry})" if name else _number(factor))
    return parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})" if parts else "0.0"


def _number(value: float) -> str:
    """All digits of a double, without an exponent, which the format does not have."""
    text = format(Decimal(repr(float(value) + 0.0)), "f")
    return text if "." in text else f"{text}.0"
