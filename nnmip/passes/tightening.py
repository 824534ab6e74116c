"""Bounds of networks at points, tightened from both sides: through the networks, and through what constraints say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

import numpy as np

from nnmip.bounds.crown import STEPS, crown, settled, undecided
from nnmip.bounds.expressions import bounds_of_node, in_scaling
from nnmip.bounds.fbbt import Empty, tightened
from nnmip.bounds.interval import BoolArray, Interval
from nnmip.bounds.known import Contradiction, propagate_known
from nnmip.hir.core import Applied, Node, Program, Reference
from nnmip.hir.domain import Domain
from nnmip.hir.known import KnownNetwork
from nnmip.hir.same import Same
from nnmip.hir.walk import once, roots, walk
from nnmip.passes.affine import ROUNDING, Columns, Form, NotAffine, rows_of, said
from nnmip.passes.ledger import Ledger
from nnmip.records import dataclass
from nnmip.source import Origin

ROUNDS = 3
"""How often bounds go through the networks and back."""
SHRUNK = 0.02
"""By which part of its width the box of a variable must shrink for the networks to be walked again."""
AUTO = "auto"
"""Lines, and linear programs where they are few and small."""
LEAST_UNITS, MOST_WORK = 24, 50_000
"""From how many unstable units on, and up to how many programs times columns, linear programs are solved unasked."""
MOST_BRANCHING, LEAST_BRANCHING = 20_000_000, 3
"""How many linear programs, times their columns, MILPs for the bounds of one network may take in all (half a minute or
so), but for each bound at least so many: one for the whole, and a branch."""
WORTH = 0.02
"""What part of the width of an entry a linear program must be able to gain to be solved unasked."""
MOST_POINTS = 8
"""Networks at more points are not looked through from behind: rows on their results cut these alone."""


@dataclass(slots=True, eq=False)
class Tightening:
    """The work on one program: bounds of the variables, by path, and of the networks, by the number of the node."""

    program: Program
    same: Same = field(default_factory=Same)
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    nodes: dict[int, Applied] = field(default_factory=dict)
    boxes: dict[str, Interval] = field(default_factory=dict)

    def run(self) -> None:
        """Bounds by the domains, and by what constraints say as long as that shrinks them. A program that no answer
        satisfies keeps what was proved before that was seen: a solver has to say so, and which constraints are why."""
        for variable in self.program.variables:
            domain = variable.decision.domain
            self.boxes[variable.decision.path] = Interval.box(variable.shape, domain.lo, domain.hi)
        for root in roots(self.program):
            for node in walk(root):
                if isinstance(node, Applied):
                    self.nodes.setdefault(self.same.number(node), node)
        declared = dict(self.boxes)
        try:
            columns = self._columns()
            rows = said(self.program, columns)
            self._cut(columns, rows)
            self._prove("fbbt" if _is_smaller(declared, self.boxes, 0.0) else "interval")
            for _ in range(ROUNDS):
                before = dict(self.boxes)
                self._cut(columns, self._seen_through(columns, rows))
                if not _is_smaller(before, self.boxes, SHRUNK):
                    break
                self._prove("fbbt")
            self._solve_programs()
        except (Empty, Contradiction):
            if not self.ledgers:
                self.boxes = declared
                self._prove("interval")

    def _solve_programs(self) -> None:
        """Linear programs where they are asked for, or cost little beside the MILP; MILPs where they are asked for."""
        for ledger in self.ledgers.values():
            wanted, numbers = method(self.program, ledger.known.name)
            if wanted in ("lp", "milp") or (wanted == AUTO and pays(ledger)):
                with ledger.timed("lp"):
                    ledger.meet("lp", _by_programs(ledger, WORTH if wanted == AUTO else 0.0))
            if wanted == "milp":
                with ledger.timed("milp"):
                    ledger.meet("milp", _by_branching(ledger, numbers["programs"]))

    # ---- forwards ----------------------------------------------------------------------------------------------

    def _prove(self, step: str) -> None:
        """Bounds of all networks at points in the boxes as they are; what intervals find is credited to `step`."""
        done: set[int] = set()

        def leaf(node: Reference | Applied) -> Interval:
            if isinstance(node, Reference):
                return self.boxes.get(node.decision.path, _endless(node))
            proved(node)
            ledger = self.ledgers.get(self.same.number(node))
            return _endless(node) if ledger is None else ledger.result.reshape(node.shape)

        def proved(node: Applied) -> None:
            number = self.same.number(node)
            box = bounds_of(node.operand)
            if number in done or not (np.isfinite(box.lo).all() and np.isfinite(box.hi).all()):
                return
            done.add(number)
            known = self.program.known_network(node.network)
            inputs = in_scaling(known, box)
            ledger = self.ledgers.get(number, Ledger(known, node.origin))
            walked(ledger, inputs, step, method(self.program, node.network)[0] != "interval")
            self.ledgers[number] = ledger

        def rule(node: Node, inner: Callable[[Node], Interval]) -> Interval:
            return bounds_of_node(node, leaf, inner)

        bounds_of = once(rule)
        for node in self.nodes.values():
            proved(node)

    # ---- backwards ---------------------------------------------------------------------------------------------

    def _columns(self) -> Columns:
        columns = Columns(self.same)
        for path, box in self.boxes.items():
            columns.add(path, box.lo.size)
        for number, node in self.nodes.items():
            columns.add(number, int(np.prod(node.shape, dtype=np.int64)))
        return columns

    def _cut(self, columns: Columns, rows: Form) -> None:
        """Bounds of variables and results through affine rows."""
        if not len(rows.constants):
            return
        lo, hi = np.full(columns.count, -np.inf), np.full(columns.count, np.inf)
        whole = np.zeros(columns.count, dtype=bool)
        domains = {v.decision.path: v.decision.domain for v in self.program.variables}
        for key, start in columns.starts.items():
            known = self.boxes[key] if isinstance(key, str) else self._result(key)
            part = slice(start, start + known.lo.size)
            lo[part], hi[part] = known.lo.ravel(), known.hi.ravel()
            whole[part] = isinstance(key, str) and _is_whole(domains[key])
        box = Interval(lo, hi)
        found = tightened(rows_of(rows, box), box, whole)
        for key, start in columns.starts.items():
            if isinstance(key, str):
                shape = self.boxes[key].shape
                part = slice(start, start + self.boxes[key].lo.size)
                self.boxes[key] = Interval(found.lo[part].reshape(shape), found.hi[part].reshape(shape))
            elif key in self.ledgers:
                size = self._result(key).lo.size
                part = slice(start, start + size)
                _take_results(self.ledgers[key], Interval(found.lo[part], found.hi[part]))

    def _result(self, number: int) -> Interval:
        ledger = self.ledgers.get(number)
        return _endless(self.nodes[number]) if ledger is None else ledger.result

    def _seen_through(self, columns: Columns, rows: Form) -> Form:
        """The rows, and again with planes below in the place of what networks give: about the variables alone."""
        factors, constants = rows.factors.copy(), rows.constants.copy()
        for number, ledger in self.ledgers.items():
            part = slice(columns.starts[number], columns.starts[number] + ledger.result.lo.size)
            reads = np.flatnonzero(factors[:, part].any(axis=1))
            if not len(reads) or len(ledger.box.lo) > MOST_POINTS:
                continue
            try:
                point = columns.form(self.nodes[number].operand)
            except NotAffine:
                continue
            with ledger.timed("fbbt"):
                below = _below(ledger, factors[reads, part], point, columns.count)
            factors[reads, part] = 0.0
            factors[reads] += below.factors
            constants[reads] += below.constants
        new = (factors != rows.factors).any(axis=1)
        return Form(np.concatenate([rows.factors, factors[new]]), np.concatenate([rows.constants, constants[new]]))


def _below(ledger: Ledger, weights: np.ndarray, point: Form, count: int) -> Form:
    """Affine functions of the columns below weighted sums of results [rows, points * outputs]."""
    known, n = ledger.known, len(ledger.box.lo)
    network, rows = known.network, len(weights)
    width = int(np.prod(network.input_shape, dtype=np.int64))
    if known.scaling is not None:
        factor = np.tile(known.scaling.factor, n)
        shift = np.tile(known.scaling.low - known.scaling.shift * known.scaling.factor, n)
        point = Form(point.factors * factor[:, None], point.constants * factor + shift)
    above = settled(network, known.assignment, ledger.bounds, STEPS)
    factors, constants = np.zeros((rows, count)), np.zeros(rows)
    for place, own in enumerate(np.split(weights, n, axis=1)):
        planes = above.rows(own.reshape(rows, *network.output_shape))
        at = min(place, len(planes.slope) - 1)
        slope, part = planes.slope[at].reshape(rows, width), slice(place * width, (place + 1) * width)
        lost = np.abs(slope) @ (np.abs(point.constants[part]) + np.abs(point.factors[part]).sum(axis=1))
        factors += slope @ point.factors[part]
        shifts = planes.shift[min(place, len(planes.shift) - 1)]
        constants += shifts + slope @ point.constants[part] - ROUNDING * (lost + np.abs(shifts))
    return Form(factors, constants)


def _take_results(ledger: Ledger, found: Interval) -> None:
    """Bounds of results become those of the entries of the last layer."""
    network = ledger.known.network
    last = ledger.outputs[network.result_layer]
    lo, hi = (end.reshape(len(end), -1).copy() for end in (last.lo, last.hi))
    places = network.result_index.ravel()
    own = found.reshape((len(lo), len(places)))
    for column, place in enumerate(places):
        lo[:, place] = np.maximum(lo[:, place], own.lo[:, column])
        hi[:, place] = np.minimum(hi[:, place], own.hi[:, column])
    ledger.meet("fbbt", {network.result_layer: Interval(lo.reshape(last.shape), hi.reshape(last.shape))})


def _endless(node: Node) -> Interval:
    return Interval.box(node.shape, -np.inf, np.inf)


def _is_whole(domain: Domain) -> bool:
    return domain.is_finite and all(value == np.floor(value) for value in domain.values)


def _is_smaller(before: dict[str, Interval], after: dict[str, Interval], share: float) -> bool:
    """Whether a variable lost more than a share of its width."""

    def shrunk(old: Interval, new: Interval) -> BoolArray:
        width = old.hi - old.lo
        return np.asarray(width - (new.hi - new.lo) > share * width)

    return any(bool(shrunk(before[path], after[path]).any()) for path in before)


def method(program: Program, network: str) -> tuple[str, Mapping[str, int]]:
    """What `@bounds` asks for a network, with its numbers; AUTO where it says nothing."""
    found = dict(program.annotations).get(network, ())
    return next(((a.arguments[0], dict(a.options)) for a in found if a.name == "bounds"), (AUTO, {}))


def walked(ledger: Ledger, inputs: Interval, step: str, is_crown: bool = True) -> None:
    """Meet a record with what intervals, and backward lines, prove of points as the network reads them."""
    network, assignment = ledger.known.network, ledger.known.assignment
    with ledger.timed(step):
        ledger.meet(step, propagate_known(network, assignment, inputs).outputs)
    if is_crown:
        with ledger.timed("crown"):
            ledger.meet("crown", crown(network, assignment, ledger.box).outputs)


def pays(ledger: Ledger) -> bool:
    """Whether linear programs are worth their time: counted, never measured, so that a model is the same each time."""
    units, width = _size(ledger)
    return units >= LEAST_UNITS and 2 * units * width <= MOST_WORK


def _size(ledger: Ledger) -> tuple[int, int]:
    """How many units are unstable, and how many entries all tensors have, at all points."""
    open_ = undecided(ledger.known.network, ledger.known.assignment, ledger.bounds)
    units = sum(int(mask.sum()) for mask in open_.values())
    return units, sum(bounds.lo.size for bounds in ledger.outputs.values())


def _by_programs(ledger: Ledger, worth: float) -> Mapping[str, Interval]:
    from nnmip.backends.linear import LinearProgram
    from nnmip.bounds.obbt import obbt
    from nnmip.bounds.obbt import tightened as by_programs

    make, known = LinearProgram.of_many_goals, ledger.known
    further = by_programs(make, worth=worth)
    return obbt(known.network, known.assignment, ledger.box, make, ledger.outputs, further).outputs


def _by_branching(ledger: Ledger, most: int) -> Mapping[str, Interval]:
    """At most so many programs for each bound, and `MOST_BRANCHING` for all, counted with their columns."""
    from nnmip.backends.linear import LinearProgram
    from nnmip.bounds.branched import branched
    from nnmip.bounds.obbt import obbt

    units, width = _size(ledger)
    count = min(most, MOST_BRANCHING * len(ledger.box.lo) // max(1, 2 * units * width))
    further = branched(LinearProgram, max(LEAST_BRANCHING, count))
    known = ledger.known
    return obbt(known.network, known.assignment, ledger.box, LinearProgram, ledger.outputs, further).outputs


def ledger_of(known: KnownNetwork, box: Interval, origin: Origin) -> Ledger:
    """What intervals and backward lines prove of a network at points in a box, in the units of the model."""
    ledger = Ledger(known, origin)
    walked(ledger, in_scaling(known, box), "interval")
    return ledger
