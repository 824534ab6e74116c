"""What a VNN-LIB file asks: whether there are inputs for which its assertions hold. Numbers are exact fractions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import prod

from nnmip.hir.core import Shape
from nnmip.records import dataclass
from nnmip.source import SourceFile, Span

Entry = tuple[str, int]
"""An entry of a variable, by the variable's name and its flat position."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor of a network: `kind` is input, hidden or output. node: the name of a hidden one in the ONNX file."""

    name: str
    kind: str
    type: str
    shape: Shape
    node: str
    span: Span

    @property
    def size(self) -> int:
        return prod(self.shape)


def index_text(place: int, shape: Shape) -> str:
    """The indices of an entry by its flat position, `[0, 3]`; empty for a number."""
    indices = []
    for size in reversed(shape):
        place, index = divmod(place, size)
        indices.append(str(index))
    return f"[{', '.join(reversed(indices))}]" if shape else ""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network by its tensors. equal_to: the network whose file it shares, empty where it has its own."""

    name: str
    variables: tuple[Variable, ...]
    equal_to: str
    span: Span

    def of_kind(self, kind: str) -> tuple[Variable, ...]:
        return tuple(variable for variable in self.variables if variable.kind == kind)


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A constant plus coefficients times entries, none of them 0."""

    constant: Fraction
    terms: Mapping[Entry, Fraction]

    def plus(self, other: Linear, factor: Fraction) -> Linear:
        terms = dict(self.terms)
        for entry, coefficient in other.terms.items():
            total = terms.get(entry, Fraction(0)) + factor * coefficient
            if total:
                terms[entry] = total
            else:
                terms.pop(entry, None)
        return Linear(self.constant + factor * other.constant, terms)

    def times(self, factor: Fraction) -> Linear:
        return Linear(Fraction(0), {}).plus(self, factor)


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """`left <= 0`, or `left < 0` where it is strict."""

    left: Linear
    is_strict: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """All parts hold (`op` is and), or any (or)."""

    op: str
    parts: tuple[Claim, ...]


Claim = Atom | Group


def atoms_of(claim: Claim) -> Iterator[Atom]:
    """All comparisons in a claim."""
    open_ = [claim]
    while open_:
        part = open_.pop()
        if isinstance(part, Atom):
            yield part
        else:
            open_.extend(reversed(part.parts))


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Networks, and what is asserted of their tensors. version: of the format, (1, 0) for files without one."""

    version: tuple[int, int]
    networks: tuple[Interface, ...]
    claim: Group
    source: SourceFile

    @property
    def variables(self) -> Iterator[Variable]:
        for network in self.networks:
            yield from network.variables
