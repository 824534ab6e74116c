"""A query over networks as properties: it has no answer exactly where all of them hold.

A file asks for inputs for which its assertions hold; a property says that there are none. Each case of the assertions
(`cases`) is a property: for all points in its region, what it says of the outputs does not hold.

Every decimal of a file stands for itself and for the double nearest to it: regions are rounded outward, so that both
are in them, and what is proved holds for both; a point that is given as an answer obeys the doubles, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import numpy as np

from nnmip.hir.core import (
    Applied,
    Compare,
    Constant,
    Decision,
    FloatArray,
    Gather,
    IntArray,
    Junction,
    Node,
    Not,
    Plus,
    Program,
    Reference,
    Scale,
)
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Property
from nnmip.records import dataclass
from nnmip.source import Origin, Span
from nnmip.vnnlib.cases import MOST_CASES, Case, TooMany, cases_of
from nnmip.vnnlib.ends import ends_of
from nnmip.vnnlib.nets import Bound, fail
from nnmip.vnnlib.query import Atom, Claim, Entry, Query, atoms_of, index_text

POINT = "x"
ORDERED = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "Tanh"})
"""Functions at the end of a network that keep the order of its scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A case as a property; nearest: the ends [2, entries] of the region as the file has them."""

    property: Property
    nearest: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A query as properties of one point, the vector of all entries of the inputs that are free.

    places: the position in this vector of each entry of an input; entries that are asserted to be equal share one.
    is_empty: whether every case was left out because a bound of an input lies above the other.
    """

    query: Query
    nets: tuple[Bound, ...]
    program: Program
    parts: tuple[Part, ...]
    places: Mapping[str, IntArray]
    is_empty: bool


def posed(query: Query, nets: list[Bound]) -> Posed:
    """The properties of a query.

    Raises DiagnosticError NNM0632: for an input without bounds, too many cases, and comparisons that a function at the
    end of a network does not keep.
    """
    _check_squashed(query, nets)
    writer = _Writer(query, nets)
    try:
        cases = cases_of(query.claim, {v.name for v in query.variables if v.kind == "input"})
    except TooMany:
        message = f"the assertions fall into more than {MOST_CASES} cases"
        raise fail(message, nets[0].interface.span, "split the file by its regions") from None
    parts = [part for number, case in enumerate(cases) if (part := writer.part(number, case)) is not None]
    program = Program(
        source=query.source,
        parameters=(),
        datasets=(),
        networks=(),
        stages=(),
        constraints=(),
        known=tuple({known.name: known for net in nets for known in net.known.values()}.values()),
        properties=tuple(part.property for part in parts),
    )
    return Posed(query, tuple(nets), program, tuple(parts), writer.places, not parts)


def _check_squashed(query: Query, nets: list[Bound]) -> None:
    """A network returns the scores before a softmax: only which one is larger means the same for them."""
    squashed = {
        name: known.network.squashed_by
        for net in nets
        for name, known in net.known.items()
        if known.network.squashed_by
    }
    for atom in atoms_of(query.claim):
        terms = [(name, factor) for (name, _), factor in atom.left.terms.items()]
        names = {name for name, _ in terms if name in squashed}
        if not names:
            continue
        total = sum((factor for _, factor in terms), Fraction(0))
        if len(terms) != 2 or total or atom.left.constant or len({name for name, _ in terms}) > 1:
            function = squashed[names.pop()]
            message = f"the network ends in a `{function}`, and this is not a comparison of two of its outputs"
            raise fail(message, atom.span, "state the property for the scores before it")


class _Writer:
    """Claims as nodes over one point."""

    def __init__(self, query: Query, nets: list[Bound]) -> None:
        self.query = query
        self.inputs = [variable for variable in query.variables if variable.kind == "input"]
        self.places, self.size = self._places()
        self.nets = nets
        self.values: dict[str, Node] = {}
        self.point = self._reference("", -1.0, 1.0)

    # ---- the point ---------------------------------------------------------------------------------------------

    def _places(self) -> tuple[dict[str, IntArray], int]:
        """Where each entry of an input is in the point."""
        leader: dict[Entry, Entry] = {}

        def lead(entry: Entry) -> Entry:
            while entry in leader:
                entry = leader[entry]
            return entry

        for first, second in self._equal():
            a, b = lead(first), lead(second)
            if a != b:
                leader[max(a, b)] = min(a, b)
        positions: dict[Entry, int] = {}
        places = {}
        for variable in self.inputs:
            own = [lead((variable.name, k)) for k in range(variable.size)]
            places[variable.name] = np.array([positions.setdefault(entry, len(positions)) for entry in own], dtype=int)
        return places, len(positions)

    def _equal(self) -> Iterable[tuple[Entry, Entry]]:
        """Entries of inputs that are asserted to be equal."""
        names = {variable.name for variable in self.inputs}
        seen: dict[tuple[tuple[Entry, Fraction], ...], bool] = {}
        for claim in self._asserted(self.query.claim):
            terms = tuple(sorted(claim.left.terms.items()))
            if len(terms) != 2 or claim.left.constant or claim.is_strict or {t[0][0] for t in terms} - names:
                continue
            (first, a), (second, b) = terms
            if a + b == 0:
                if ((first, b), (second, a)) in seen:
                    yield first, second
                seen[terms] = True

    def _asserted(self, claim: Claim) -> Iterable[Atom]:
        """The comparisons that hold in every case."""
        if isinstance(claim, Atom):
            yield claim
        elif claim.op == "and":
            for part in claim.parts:
                yield from self._asserted(part)

    def _reference(self, name: str, lo: float, hi: float) -> Reference:
        origin = Origin(self.inputs[0].span, f"{name}.{POINT}")
        decision = Decision(origin.path, "variable", (self.size,), Domain.of([(lo, hi)]), origin)
        return Reference(decision, origin)

    # ---- a case ------------------------------------------------------------------------------------------------

    def part(self, number: int, case: Case) -> Part | None:
        """The property that a case has no answer, None for one whose bounds leave nothing."""
        name = f"case{number}"
        ends, rest = ends_of(case.inputs, self.places, self.size)
        if ends.is_empty:
            return None
        self._check_finite(ends.outward)
        lo, hi = ends.outward
        self.point = self._reference(name, float(lo.min()) - 1.0, float(hi.max()) + 1.0)
        self.values = {}
        span = self.inputs[0].span
        origin = Origin(span, name)
        unsafe = self._all([self._claim(claim) for claim in case.others], span)
        found = Property(
            name,
            None,
            (self.point,),
            tuple(self._claim(claim) for claim in rest),
            (Not(unsafe, origin),),
            origin,
            (lo, hi),
            is_exact=True,
        )
        return Part(found, ends.nearest)

    def _check_finite(self, ends: FloatArray) -> None:
        missing = ~np.isfinite(ends)
        for variable in self.inputs:
            for side, word in enumerate(("lower", "upper")):
                for place in np.flatnonzero(missing[side, self.places[variable.name]])[:1]:
                    index = f"_{place}" if self.query.version == (1, 0) else index_text(place, variable.shape)
                    message = f"`{variable.name}{index}` has no {word} bound"
                    raise fail(
                        message,
                        variable.span,
                        "a region is bounded: assert the least and the largest value of every input",
                    )

    # ---- nodes -------------------------------------------------------------------------------------------------

    def _all(self, nodes: list[Node], span: Span) -> Node:
        if len(nodes) == 1:
            return nodes[0]
        if not nodes:
            return Constant(np.asarray(1.0), Origin(span, "all"), boolean=True)
        return Junction("and", tuple(nodes), (), Origin(span, "all"))

    def _claim(self, claim: Claim) -> Node:
        if isinstance(claim, Atom):
            return self._comparison(claim)
        origin = Origin(self.inputs[0].span, claim.op)
        nodes = [self._claim(part) for part in claim.parts]
        if not nodes:
            return Constant(np.asarray(float(claim.op == "and")), origin, boolean=True)
        return nodes[0] if len(nodes) == 1 else Junction(claim.op, tuple(nodes), (), origin)

    def _comparison(self, atom: Atom) -> Node:
        """`terms <= -constant`; a strict one is the negation of `-terms <= constant`."""
        origin = Origin(atom.span, "claim")
        sign = -1 if atom.is_strict else 1
        terms = tuple(
            Scale(np.asarray(float(sign * factor)), self._entry(entry, origin), (), origin)
            for entry, factor in atom.left.terms.items()
        )
        left: Node = Plus(terms, (), origin) if len(terms) > 1 else (terms or (Constant(np.zeros(()), origin),))[0]
        right = Constant(np.asarray(float(-sign * atom.left.constant)), origin)
        made = Compare("<=", left, right, (), origin)
        return Not(made, origin) if atom.is_strict else made

    def _entry(self, entry: Entry, origin: Origin) -> Node:
        name, place = entry
        if name in self.places:
            return Gather(self.point, np.asarray(self.places[name][place]), origin)
        return Gather(self._value(name, origin), np.asarray(place), origin)

    def _value(self, name: str, origin: Origin) -> Node:
        if name not in self.values:
            net = next(net for net in self.nets if name in net.known)
            network = net.known[name].network
            places = self.places[net.interface.of_kind("input")[0].name].reshape(network.input_shape)
            operand = Gather(self.point, places, origin)
            self.values[name] = Applied(network.name, operand, network.output_shape, origin)
        return self.values[name]
