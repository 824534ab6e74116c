"""Rules over regions at single points: what they say there of the networks that are decided, as ordinary constraints.

A network at a known point is a row of a table (`PointTable`), so that every encoding and search of a training model
serves. What must hold is written as cases of rows `value <= 0` (`verification.claims`); a tightened rule asks for
`value <= -delta`, times a size that the rule states. The relaxation has `value <= 0` also where the rule is strict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from nnmip.data import Dataset
from nnmip.data.inputs import InputColumn
from nnmip.data.scaling import no_scaling
from nnmip.hir.core import (
    Applied,
    Assignment,
    Compare,
    Constant,
    FloatArray,
    Gather,
    Junction,
    LayerOutput,
    Network,
    Node,
    Plus,
    Program,
    Reference,
    Scale,
)
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.goals import Cell, Constraint, RegionRule
from nnmip.records import dataclass
from nnmip.source import Origin
from nnmip.verification.claims import Cases, Row, cases_of, terms_of

NEAR = 1e-9
"""A point this near to the input domain of a network is moved into it."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A point of a cell of a rule: the values of its decisions by path."""

    rule: int
    cell: int
    values: Mapping[str, FloatArray]

    @property
    def key(self) -> tuple[int, int, bytes]:
        return self.rule, self.cell, b"".join(value.tobytes() for value in self.values.values())


@dataclass(slots=True, eq=False)
class Instances:
    """The rules of a program at points. Raises Opaque for a rule that is no combination of affine comparisons."""

    program: Program
    _cases: dict[tuple[int, int], Cases] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, rule in enumerate(self.program.regions):
            for number, cell in enumerate(rule.cells):
                self._cases[place, number] = cases_of(cell.property.conclusions)

    def at(self, points: Sequence[Point], deltas: Sequence[float] | None = None) -> Program:
        """The program with its rules at some points in place of the rules, at each of them tightened by a delta."""
        tables = {network.name: _Table(network) for network in self.program.networks}
        parts: dict[int, list[Node]] = {}
        for point, delta in zip(points, deltas or [0.0] * len(points), strict=True):
            rule, cell = self._named(point)
            made = _Made(self.program, tables, point.values, delta * self._size(cell, point.values))
            parts.setdefault(point.rule, []).extend(made.parts(self._cases[point.rule, point.cell], rule.origin))
        data = {name: table.dataset(self.program) for name, table in tables.items() if table.rows}
        found = tuple(_constraint(self.program.regions[place], own, data) for place, own in sorted(parts.items()))
        return replace(
            self.program,
            datasets=(*self.program.datasets, *data.values()),
            bindings=(*self.program.bindings, *((name, table.name) for name, table in data.items())),
            constraints=(*self.program.constraints, *found),
            regions=(),
        )

    def violation(self, point: Point, network: Assignment) -> float:
        """By how much a network breaks a rule at a point; at most 0 where it keeps it."""
        rule, _ = self._named(point)
        lone = self.at([point])
        own = next((c for c in lone.constraints if c.origin is rule.origin), None)
        if own is None:
            return 0.0
        evaluator = Evaluator(lone, network)
        return max(_excess(evaluator, part) for part in own.parts)

    def spare(self, point: Point, network: Assignment) -> float:
        """By what delta a rule may be tightened at a point so that a network still keeps it there; 0 where by none."""
        _, cell = self._named(point)
        size = self._size(cell, point.values)
        return max(0.0, -self.violation(point, network)) / size if size > 0 else 0.0

    def _named(self, point: Point) -> tuple[RegionRule, Cell]:
        rule = self.program.regions[point.rule]
        return rule, rule.cells[point.cell]

    def _size(self, cell: Cell, values: Mapping[str, FloatArray]) -> float:
        if cell.size is None:
            return 1.0
        return float(Evaluator(self.program, Assignment(dict(values), {})).value(cell.size))


def _excess(evaluator: Evaluator, part: Node) -> float:
    match part:
        case Compare():
            return float(evaluator.excess(part).max())
        case Junction(op=op, terms=terms):
            found = [_excess(evaluator, term) for term in terms]
            return min(found) if op == "or" else max(found)
    return float(1.0 - evaluator.value(part).min())


def _constraint(rule: RegionRule, parts: Sequence[Node], data: Mapping[str, Dataset]) -> Constraint:
    """The constraint of a rule; the tables of its points are as long as they came to be."""
    counts = {table.name: table.row_count for table in data.values()}
    grown = tuple(_grown(part, counts) for part in parts)
    return Constraint(rule.name, rule.sentence, grown, rule.origin, rule.condition)


def _grown(node: Node, counts: Mapping[str, int]) -> Node:
    match node:
        case LayerOutput(data=data, shape=shape):
            return replace(node, shape=(counts[data], *shape[1:]))
        case Gather(base=base):
            return replace(node, base=_grown(base, counts))
        case Plus(terms=terms) | Junction(terms=terms):
            return replace(node, terms=tuple(_grown(term, counts) for term in terms))
        case Scale(operand=operand):
            return replace(node, operand=_grown(operand, counts))
        case Compare(left=left):
            return replace(node, left=_grown(left, counts))
    return node


@dataclass(slots=True, eq=False)
class _Table:
    """The points at which one network is needed, each once, in its own scaling."""

    network: Network
    rows: list[FloatArray] = field(default_factory=list)
    _places: dict[bytes, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.network.name}.points"

    def place(self, row: FloatArray) -> int:
        key = row.tobytes()
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(row)
        return self._places[key]

    def dataset(self, program: Program) -> Dataset:
        features = np.stack(self.rows)
        count, width = features.shape
        names = tuple(f"x{k}" for k in range(width))
        return Dataset(
            name=self.name,
            feature_names=names,
            inputs=tuple(InputColumn(name, name) for name in names),
            raw=features,
            features=features.copy(),
            labels=np.zeros(count),
            label_name=None,
            label_column=None,
            coding=None,
            classes=(),
            targets=np.zeros((count, 0)),
            target_names=(),
            target_columns=(),
            scaling=no_scaling(width),
            sample_weights=np.ones(count),
            line_numbers=np.arange(count),
            source_name="points",
            unit="point",
        )


def scaled_row(program: Program, network: Network, raw: FloatArray) -> FloatArray:
    """A point in the units of the table of a network as the network reads it, flat."""
    data = program.data_of(network.name)
    flat = raw.reshape(1, -1)
    scaled = flat if data is None else data.scaling.apply(flat)
    inside = network.input_domain.project(scaled)
    return np.asarray(np.where(np.abs(inside - scaled) <= NEAR, inside, scaled)[0])


@dataclass(slots=True, eq=False)
class _Made:
    """Rows at one point, tightened by `delta`."""

    program: Program
    tables: Mapping[str, _Table]
    values: Mapping[str, FloatArray]
    delta: float
    _evaluator: Evaluator | None = None

    def parts(self, cases: Cases, origin: Origin) -> list[Node]:
        """What must hold: the rows of the only case, or that those of one of several hold. Rows that speak of nothing
        decided hold or do not."""
        found: list[list[Node]] = []
        for case in cases:
            rows = [made for made in (self._row(row, origin) for row in case) if made is not True]
            if not any(row is False for row in rows):
                found.append([row for row in rows if not isinstance(row, bool)])
        if any(not rows for rows in found):
            return []
        if len(found) == 1:
            return list(found[0])
        if not found:
            return [Constant(np.zeros(()), origin, boolean=True)]
        joined = [rows[0] if len(rows) == 1 else Junction("and", tuple(rows), (), origin) for rows in found]
        return [Junction("or", tuple(joined), (), origin)]

    def _row(self, row: Row, origin: Origin) -> Node | bool:
        constant, decided = 0.0, list[Node]()
        for term, factor in terms_of(row.value, row.entry):
            value = self._term(term)
            if isinstance(value, float):
                constant += row.sign * factor * value
            else:
                decided.append(Scale(np.asarray(row.sign * factor), value, (), origin))
        if not decided:
            return constant < 0.0 if row.is_strict else constant <= 0.0
        left = decided[0] if len(decided) == 1 else Plus(tuple(decided), (), origin)
        return Compare("<=", left, Constant(np.asarray(-constant - self.delta), origin), (), origin)

    def _term(self, term: Node) -> Node | float:
        """The number that a scalar is at the point, or what it says of a network that is decided."""
        base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
        match base:
            case Applied(network=name) if name in self.tables:
                network = self.program.network(name)
                width = int(np.prod(network.output_shape, dtype=np.int64))
                points = self._number(base.operand).reshape(-1, int(np.prod(network.input_shape, dtype=np.int64)))
                table = self.tables[name]
                row = table.place(scaled_row(self.program, network, points[at // width]))
                shape = network.layer(network.result_layer).shape
                output = LayerOutput(name, network.result_layer, table.name, (1, *shape), base.origin)
                entry = int(network.result_index.reshape(-1)[at % width])
                place = row * int(np.prod(shape, dtype=np.int64)) + entry
                return Gather(output, np.asarray(place), base.origin)
            case Reference(decision=decision) if decision.path not in self.values:
                return term
        return float(self._number(base).reshape(-1)[at])

    def _number(self, node: Node) -> FloatArray:
        if self._evaluator is None:
            self._evaluator = Evaluator(self.program, Assignment(dict(self.values), {}))
        return self._evaluator.value(node)
