"""What constraints say as affine rows over what is decided and what networks give at points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

import numpy as np

from nnmip.bounds.fbbt import AffineRows
from nnmip.bounds.interval import Interval
from nnmip.hir.core import (
    Applied,
    Apply,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    Join,
    Junction,
    Node,
    Plus,
    Program,
    Reference,
    Scale,
)
from nnmip.hir.same import Same
from nnmip.records import dataclass

MOST_NUMBERS = 1_000_000
"""Entries times columns of one expression; larger ones say nothing here."""
ABSOLUTE = frozenset({"abs", "norm_1", "norm_inf"})
"""Words that are at least the absolute value of each entry that they read."""
ROUNDING = 1e-8
"""What a row is let off, relative to the sizes of its terms: more than its coefficients lost when they were added, and
than solvers let rows off, so that what they take for an answer is inside of all bounds."""


class NotAffine(Exception):
    """An expression is no affine function of the columns, or too large."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Affine functions of the columns: factors [entries, columns] and constants [entries]."""

    factors: FloatArray
    constants: FloatArray

    def take(self, index: np.ndarray) -> Form:
        return Form(self.factors[index.reshape(-1)], self.constants[index.reshape(-1)])

    def wide(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> Form:
        """The entries of a tensor of `shape`, broadcast to another."""
        return self if shape == wanted else self.take(np.broadcast_to(_places(shape), wanted))

    def minus(self, other: Form) -> Form:
        return Form(self.factors - other.factors, self.constants - other.constants)


def _places(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


@dataclass(slots=True, eq=False)
class Columns:
    """Columns for all entries of the variables, by path, and of the networks at points, by the number of the node."""

    same: Same
    starts: dict[str | int, int] = field(default_factory=dict)
    count: int = 0
    _forms: dict[int, Form] = field(default_factory=dict)

    def add(self, key: str | int, size: int) -> None:
        if key not in self.starts:
            self.starts[key] = self.count
            self.count += size

    def form(self, node: Node) -> Form:
        """The node as affine functions, once all columns are there; NotAffine where it is none."""
        if id(node) not in self._forms:
            self._forms[id(node)] = self._form(node)
        return self._forms[id(node)]

    def _form(self, node: Node) -> Form:
        size = int(np.prod(node.shape, dtype=np.int64))
        if size * self.count > MOST_NUMBERS:
            raise NotAffine
        match node:
            case Constant(value=value):
                return Form(np.zeros((size, self.count)), np.asarray(value, dtype=np.float64).reshape(-1))
            case Reference(decision=decision) if decision.path in self.starts:
                return self._own(decision.path, size)
            case Applied():
                return self._own(self.same.number(node), size)
            case Gather(base=base, index=index):
                return self.form(base).take(index)
            case Join(parts=parts):
                forms = [self.form(part) for part in parts]
                return Form(np.concatenate([f.factors for f in forms]), np.concatenate([f.constants for f in forms]))
            case Plus(terms=terms, shape=shape):
                first, *others = (self.form(term).wide(term.shape, shape) for term in terms)
                for other in others:
                    first = Form(first.factors + other.factors, first.constants + other.constants)
                return first
            case Scale(factor=factor, operand=operand, shape=shape):
                inner = self.form(operand).wide(operand.shape, shape)
                wide = np.broadcast_to(factor, shape).reshape(-1)
                return Form(inner.factors * wide[:, None], inner.constants * wide)
        raise NotAffine

    def _own(self, key: str | int, size: int) -> Form:
        factors = np.zeros((size, self.count))
        factors[np.arange(size), self.starts[key] + np.arange(size)] = 1.0
        return Form(factors, np.zeros(size))


def required(program: Program) -> Iterator[Node]:
    """Every Boolean that must hold in every entry, `and` taken apart."""
    waiting: list[Node] = [part for constraint in program.constraints for part in constraint.parts]
    while waiting:
        node = waiting.pop()
        match node:
            case Junction(op="and", terms=terms):
                waiting.extend(terms)
            case Fold(op="and", operand=operand):
                waiting.append(operand)
            case _:
                yield node


def said(program: Program, columns: Columns) -> Form:
    """Rows `factors x + constants <= 0` that follow from what must hold."""
    found = [Form(np.zeros((0, columns.count)), np.zeros(0))]
    for node in required(program):
        if not isinstance(node, Compare):
            continue
        for less, more in ((node.left, node.right), (node.right, node.left)):
            if node.op == "=" or (node.op == "<=") == (less is node.left):
                try:
                    found.extend(_ordered(columns, less, more, node.shape))
                except NotAffine:
                    continue
    return Form(np.concatenate([f.factors for f in found]), np.concatenate([f.constants for f in found]))


def _ordered(columns: Columns, less: Node, more: Node, shape: tuple[int, ...]) -> Iterator[Form]:
    """Rows for `less <= more`; of an absolute value, for both signs of every entry."""
    most = columns.form(more).wide(more.shape, shape)
    match less:
        case Apply(word=word, operands=(operand,), batch=0) if word in ABSOLUTE and less.shape in ((), operand.shape):
            inner = columns.form(operand)
            if less.shape == () and shape == ():
                most = Form(*(np.repeat(part, len(inner.constants), axis=0) for part in (most.factors, most.constants)))
            elif operand.shape != shape:
                raise NotAffine
            yield inner.minus(most)
            yield Form(-inner.factors, -inner.constants).minus(most)
        case _:
            yield columns.form(less).wide(less.shape, shape).minus(most)


def rows_of(form: Form, box: Interval) -> AffineRows:
    """The rows with room for what their numbers lost by rounding, over a box whose finite ends say how much."""
    reach = np.where(np.isfinite(box.magnitude), box.magnitude, 1.0)
    room = ROUNDING * (1.0 + np.abs(form.factors) @ reach + np.abs(form.constants))
    return AffineRows.dense(form.factors, np.full(len(room), -np.inf), room - form.constants)
