"""Constraints over regions of inputs: `forall x in domain(net) where ...: ...`, and `monotone` of any network.

For each choice of the index sets in front of a region there is a cell, a property of the networks that are still to be
trained. Regions joined by logic are cells, too, as long as each is one of all points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import (
    Applied,
    Apply,
    Compare,
    Constant,
    Decision,
    Gather,
    Join,
    Network,
    Node,
    Plus,
    Reference,
    Scale,
)
from nnmip.hir.goals import Cell, Constraint, Property, RegionRule, Slope
from nnmip.hir.walk import walk
from nnmip.records import dataclass
from nnmip.sema.binders import check_names, instances, is_in_domain, is_region
from nnmip.sema.expressions import Elaborator
from nnmip.sema.input_domains import Inputs, inputs_of, with_points
from nnmip.sema.logic import junction, negation
from nnmip.sema.properties import point_of, read_parts
from nnmip.sema.regions import SUFFICIENT, Monotone, is_affine, jumping, read_monotone
from nnmip.sema.values import not_yet, origin_of
from nnmip.sema.variables import VARIABLE
from nnmip.sizes import EXPRESSION, counted
from nnmip.source import Origin, Span
from nnmip.syntax import nodes

MONOTONE = "monotone"


def read_rule(
    elaborator: Elaborator, declaration: nodes.Constraint
) -> tuple[RegionRule, tuple[Constraint, ...]] | None:
    """The constraint where it speaks of a region, with what it says of no region; None where it does not speak of one.

    Raises DiagnosticError: what `read_properties` does for its points, NNM0205 for a domain of anything but a network,
    NNM0104 for what a rule over a region cannot read.
    """
    elaborator = replace(elaborator, around=declaration)
    body = declaration.body
    if not _speaks_of_region(elaborator, body):
        return None
    name, origin = declaration.name.text, Origin(declaration.span, declaration.name.text)
    reader = _Reader(name, declaration.sentence, origin)
    clauses = reader.clauses(elaborator, body)
    cells = tuple(reader.cell(elaborator, clause) for clause in clauses if clause.points)
    plain = tuple(part for clause in clauses if not clause.points for part in clause.parts)
    # Its origin is its own: a rule knows what was made of it by the object that its origin is.
    rest = Constraint(name, declaration.sentence, plain, Origin(declaration.span, name), body.span)
    return RegionRule(name, declaration.sentence, cells, origin, body.span), (rest,) if plain else ()


def _speaks_of_region(elaborator: Elaborator, expr: nodes.Expr) -> bool:
    match expr:
        case nodes.Paren(inner=inner) | nodes.Unary(op="not", operand=inner):
            return _speaks_of_region(elaborator, inner)
        case nodes.Binary(op="and" | "or" | "xor" | "->" | "<->", left=left, right=right):
            return _speaks_of_region(elaborator, left) or _speaks_of_region(elaborator, right)
        case nodes.Conditional(condition=condition, then=then, otherwise=otherwise):
            return any(_speaks_of_region(elaborator, part) for part in (condition, then, otherwise))
        case nodes.Quantified(binders=binders, body=body):
            return any(map(is_region, binders)) or _speaks_of_region(elaborator, body)
        case nodes.Call(function=nodes.Ref(name="monotone"), arguments=(nodes.Positional(value=first), *_)):
            around = elaborator.around
            is_stronger = around is not None and any(a.name.text == SUFFICIENT for a in around.annotations)
            network = elaborator.value(first) if isinstance(first, nodes.Ref) else None
            is_decided = isinstance(network, Network) and network.name not in elaborator.scope.known
            return is_decided and isinstance(network, Network) and not is_affine(network) and not is_stronger
    return False


@dataclass(frozen=True, slots=True)
class _Clause:
    """For all points at which everything assumed holds, all parts hold. size: as that of a cell. slopes: any of them is
    enough for it; is_slope: it says the same as the only one."""

    points: tuple[Reference, ...]
    assumed: tuple[Node, ...]
    parts: tuple[Node, ...]
    size: Node | None = None
    slopes: tuple[Slope, ...] = ()
    is_slope: bool = False

    def narrowed(self, points: tuple[Reference, ...], assumed: tuple[Node, ...]) -> _Clause:
        """The clause for further points, where more is assumed."""
        if not points and not assumed:
            return self
        made = replace(self, points=(*points, *self.points), assumed=(*assumed, *self.assumed))
        return replace(made, is_slope=False)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one constraint as clauses all of which must hold; `mark` tells points of one name apart.

    Of two clauses one holds exactly where, for all points of the one and all points of the other, the parts of the one
    or those of the other hold: the points of both are put side by side. So `and`, `or`, `not`, `->` and conditionals of
    regions are clauses as long as every region is one of all points, and not one of some.
    """

    name: str
    sentence: str | None
    origin: Origin
    mark: str = ""

    def clauses(self, elaborator: Elaborator, expr: nodes.Expr, holds: bool = True) -> list[_Clause]:
        """What an expression says, or with `holds` False, that it does not hold."""
        if not _speaks_of_region(elaborator, expr):
            return [_Clause((), (), _parts(elaborator, expr, holds))]
        match expr:
            case nodes.Paren(inner=inner):
                return self.clauses(elaborator, inner, holds)
            case nodes.Unary(operand=operand):
                return self.clauses(elaborator, operand, not holds)
            case nodes.Binary(op="and" | "or" | "->" as op, left=left, right=right):
                sides = ((left, holds != (op == "->")), (right, holds))
                return self._joined(elaborator, sides, (op == "and") == holds, expr.span)
            case nodes.Conditional(condition=condition, then=then, otherwise=otherwise):
                both = ((condition, False), (then, holds)), ((condition, True), (otherwise, holds))
                return [c for sides in both for c in self._joined(elaborator, sides, False, expr.span)]
            case nodes.Quantified():
                return self._quantified(elaborator, expr, holds)
            case nodes.Call() if holds:
                return list(self._monotone(elaborator, expr))
            case nodes.Call():
                raise _some_point(expr.span)
        raise not_yet("a region of inputs here", expr.span, help=_WHERE_IT_MAY_STAND)

    def _joined(
        self, elaborator: Elaborator, sides: Sequence[tuple[nodes.Expr, bool]], together: bool, span: Span
    ) -> list[_Clause]:
        """That all sides hold (or fail, as each says), or that one of them does."""
        made = []
        for number, (side, holds) in enumerate(sides):
            reader = self if together else self._choice(number)
            made.append(reader.clauses(elaborator, side, holds))
        return [clause for each in made for clause in each] if together else _one_of(elaborator, made, span)

    def _choice(self, number: int) -> _Reader:
        """The reader of one of several sides; all that it reads has a mark of its own, however sides nest."""
        return replace(self, mark=f"{self.mark}.{number + 1}")

    def _quantified(self, elaborator: Elaborator, expr: nodes.Quantified, holds: bool) -> list[_Clause]:
        regions = tuple(binder for binder in expr.binders if is_region(binder))
        others = tuple(binder for binder in expr.binders if not is_region(binder))
        is_all = (expr.kind == "forall") == holds
        if regions and not is_all:
            raise _some_point(regions[0].span)
        check_names(elaborator, expr.binders)
        found = []
        for number, inner in enumerate(instances(elaborator, replace(expr, binders=others, where=None))):
            made, points = inner, tuple[Reference, ...]()
            reader = self if is_all else self._choice(number)
            for binder in regions:
                made, point = reader._with_point(made, binder)
                points = (*points, point)
            where = () if expr.where is None else read_parts(made, expr.where, "what follows `where`")
            if any(isinstance(part, Constant) and not part.value.all() for part in where):
                continue
            kept = tuple(part for part in where if not isinstance(part, Constant))
            if kept and not is_all:
                what = "a choice under a condition that is decided"
                raise not_yet(what, kept[0].origin.span, help="say it behind `:`, joined by `and`")
            own = reader.clauses(made, expr.body, holds)
            found.append([clause.narrowed(points, kept) for clause in own])
        return [clause for own in found for clause in own] if is_all else _one_of(elaborator, found, expr.span)

    def _with_point(self, elaborator: Elaborator, binder: nodes.Binder) -> tuple[Elaborator, Reference]:
        """An elaborator that knows the point of a binder, and the decision that the point is."""
        name = binder.name.text
        if is_in_domain(binder):
            given = inputs_of(elaborator, binder).scaled_point(f"{self.name}.{name}{self.mark}", binder.name.span)
        else:
            marked = replace(binder, name=replace(binder.name, text=f"{name}{self.mark}"))
            given = point_of(elaborator, self.name, marked)
        made = replace(with_points(elaborator, {name: given}), is_over_region=True)
        return made, given.point

    def cell(self, elaborator: Elaborator, clause: _Clause) -> Cell:
        """What must hold at every point. An assumption on what is decided is one side of an implication."""
        points, conclusions = clause.points, clause.parts
        own = {point.decision.path for point in points}
        decided = tuple(part for part in clause.assumed if _reads_decisions(elaborator, part, own))
        if decided:
            fails = [negation(part, part.origin.span) for part in decided]
            conclusions = tuple(junction("or", (*fails, part), part.origin.span) for part in conclusions)
        for part in conclusions:
            _check_readable(elaborator, part)
        plain = tuple(part for part in clause.assumed if part not in decided)
        around = [] if elaborator.around is None else [elaborator.around]
        folded = elaborator.scope.known.folded_in(around, elaborator.scope.declarations)
        made = Property(self.name, self.sentence, points, plain, conclusions, self.origin, folded=folded)
        return Cell(made, clause.size, clause.slopes, clause.is_slope)

    def _monotone(self, elaborator: Elaborator, call: nodes.Call) -> Iterator[_Clause]:
        """A clause for each feature of `monotone(net, ...)`."""
        said = read_monotone(elaborator, MONOTONE, call)
        _check_continuous(said.network, call.span)
        inputs = Inputs.of(elaborator, said.network, call.span)
        for feature in said.features.tolist():
            yield self._rising(said, inputs, int(feature), call.span)

    def _rising(self, said: Monotone, inputs: Inputs, feature: int, span: Span) -> _Clause:
        """The pairs of points of the input domain that differ in one entry, the second being at least the first."""
        network, origin = said.network, origin_of(span)
        name = f"{self.name}.{MONOTONE}{self.mark}"
        given = inputs.scaled_point(f"{name}.{network.input_name}", span)
        point, value = given.point, given.value
        other = Reference(Decision(f"{name}.to", VARIABLE, (), network.input_domain, origin), origin)
        size = int(np.prod(network.input_shape, dtype=np.int64))
        own = Gather(point, np.asarray(feature), origin)
        index = np.where(np.arange(size) == feature, size, np.arange(size)).reshape(network.input_shape)
        second = Gather(Join((value, inputs.in_table(other, feature)), origin), index, origin)
        results = [Applied(network.name, at, network.output_shape, origin) for at in (value, second)]
        op = {"increasing": "<=", "decreasing": ">="}[said.direction]
        rises = Compare("<=", own, other, (), origin)
        claim = Compare(op, results[0], results[1], network.output_shape, origin)
        width = max(network.input_domain.hi - network.input_domain.lo, np.finfo(np.float64).tiny)
        gap = Scale(np.asarray(1.0 / width), Plus((other, _minus(own)), (), origin), (), origin)
        sign = {"increasing": 1.0, "decreasing": -1.0}[said.direction]
        slope = Slope(network.name, feature, sign)
        return _Clause((point, other), (rises,), (claim,), gap, (slope,), is_slope=True)


def _parts(elaborator: Elaborator, expr: nodes.Expr, holds: bool) -> tuple[Node, ...]:
    parts = read_parts(elaborator, expr, "a rule over a region says that something holds")
    if holds:
        return parts
    return (junction("or", [negation(part, expr.span) for part in parts], expr.span),)


def _one_of(elaborator: Elaborator, sides: Sequence[Sequence[_Clause]], span: Span) -> list[_Clause]:
    """That all clauses of one of the sides hold."""
    found = [_Clause((), (), (Constant(np.zeros(()), origin_of(span), boolean=True),))]
    for side in sides:
        count = len(found) * len(side)
        help = "narrow the sets"
        what = f"what is said here, {counted(count, 'choice')} of regions,"
        elaborator.scope.allowance.check(
            count, EXPRESSION, what, span, "all choices of one side with all of another", help
        )
        found = [_either(one, other, span) for one in found for other in side]
    return found


def _either(one: _Clause, other: _Clause, span: Span) -> _Clause:
    parts = tuple(junction("or", pair, span) for pair in product(one.parts, other.parts))
    sizes = [clause.size for clause in (one, other) if clause.size is not None]
    size = sizes[0] if len(sizes) == 1 else _least_of(sizes, span) if sizes else None
    points, assumed = (*one.points, *other.points), (*one.assumed, *other.assumed)
    return _Clause(points, assumed, parts, size, (*one.slopes, *other.slopes))


def _least_of(sizes: Sequence[Node], span: Span) -> Node:
    """The least of some numbers: where one is 0 its side holds, with nothing to be asked of it."""
    return Apply("min", (Join(tuple(sizes), origin_of(span)),), None, None, (), (), False, origin_of(span))


def _some_point(span: Span) -> DiagnosticError:
    """NNM0104 for what speaks of one point of a region, with `not` before `forall` or `monotone` too."""
    help = "its inputs would be decided together with the weights, and have no exact rows"
    what = "that there is a point at which a network that is trained does something"
    return not_yet(what, span, help=f"{help}; {_WHERE_IT_MAY_STAND}")


_WHERE_IT_MAY_STAND = (
    "`forall` over regions and `monotone` may be joined by `and`, `or`, `->` and conditionals, and by `not exists`"
)


def _minus(node: Node) -> Node:
    return Scale(np.asarray(-1.0), node, node.shape, node.origin)


def _reads_decisions(elaborator: Elaborator, part: Node, points: set[str]) -> bool:
    """Whether an expression depends on what is decided, besides points."""
    for node in walk(part):
        match node:
            case Applied(network=name) if name not in elaborator.scope.known:
                return True
            case Reference(decision=decision) if decision.path not in points:
                return True
    return False


def _check_readable(elaborator: Elaborator, part: Node) -> None:
    """NNM0104 where a network that is decided is applied to what is decided."""
    known = elaborator.scope.known
    for node in walk(part):
        if isinstance(node, Applied) and node.network not in known:
            for inside in walk(node.operand):
                if isinstance(inside, Applied) and inside.network not in known:
                    raise not_yet(f"`{node.network}` at what another network gives", inside.origin.span)


def _check_continuous(network: Network, span: Span) -> None:
    """NNM0104 for a layer that jumps: there are no bounds of slopes."""
    layer = jumping(network)
    if layer is not None:
        what = f"`monotone` of a network with `{layer.op}`"
        raise not_yet(what, span, help=f"`@{SUFFICIENT}` before the constraint asks for a stronger condition")
