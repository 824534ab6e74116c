"""What conditions on several units can ask of one: units that do nothing for the scores, and what breaks them alone."""

from __future__ import annotations

from dataclasses import field

from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
    Fold,
    Gather,
    Join,
    Junction,
    LayerOutput,
    Node,
    Not,
    Plus,
    Reference,
    Scale,
    Units,
    Xor,
    children,
)
from nnmip.records import dataclass
from nnmip.search.view import View

SIZES = frozenset({"l0", "norm_1", "norm_2sq", "norm_inf", "nonzero"})
"""Words that grow with the magnitudes of what they read."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What may become of a value where weights become 0."""

    falls: bool
    rises: bool

    @property
    def turned(self) -> Trend:
        return Trend(self.rises, self.falls)

    def __or__(self, other: Trend) -> Trend:
        return Trend(self.falls or other.falls, self.rises or other.rises)


STAYS, FALLS, MOVES = Trend(False, False), Trend(True, False), Trend(True, True)


def zeros_serve(view: View) -> bool:
    """Whether every condition on several units that holds with some idle units holds with units of zeros instead, and
    no later goal is worse then."""
    trends, program = _Trends(view), view.program
    for stage in program.stages[1 : len(program.held) + 1]:
        for term in stage.terms:
            if _is_worse(trends.of(term.value), term.coefficient * stage.sign):
                return False
    return not any(trends.of(node).falls for node in view.coupling)


def of_parts(view: View) -> tuple[Node, ...]:
    """The conditions on several units that hold as well where something of a unit becomes 0: what breaks one of them
    alone, breaks it in every network."""
    trends = _Trends(view, with_heads=True)
    return tuple(node for node in view.coupling if not trends.of(node).falls)


def parts_serve(view: View) -> bool:
    """Whether every condition on several units holds as well without some of them, and no later goal is worse then."""
    trends, program = _Trends(view, with_heads=True), view.program
    return len(of_parts(view)) == len(view.coupling) and not any(
        _is_worse(trends.of(term.value), term.coefficient * stage.sign)
        for stage in program.stages[1 : len(program.held) + 1]
        for term in stage.terms
    )


def _is_worse(trend: Trend, factor: float) -> bool:
    """Whether a term of a goal can rise, in the sense of a minimum."""
    return (trend if factor > 0 else trend.turned).rises


@dataclass(eq=False)
class _Trends:
    """The trends of expressions where everything that comes into an idle unit becomes 0 or, `with_heads`, everything of
    any units. Each is found once."""

    view: View
    with_heads: bool = False
    _known: dict[int, tuple[Node, Trend]] = field(default_factory=dict)

    def of(self, node: Node) -> Trend:
        if id(node) not in self._known:
            self._known[id(node)] = node, self._of(node)
        return self._known[id(node)][1]

    def _of(self, node: Node) -> Trend:
        match node:
            case Constant():
                return STAYS
            case Reference(decision=decision):
                if decision not in (*self.view.hidden.decisions, *(self.view.out.decisions if self.with_heads else ())):
                    return STAYS
                return Trend(falls=decision.domain.hi > 0, rises=decision.domain.lo < 0)
            case Scale(operand=operand, factor=factor):
                trend = self.of(operand)
                kept = trend if (factor > 0).any() else STAYS
                return kept | trend.turned if (factor < 0).any() else kept
            case Not(operand=operand):
                return self.of(operand).turned
            case Compare(left=left, right=right, op=op):
                excess = self.of(left) | self.of(right).turned
                return {"<=": excess.turned, ">=": excess, "=": excess | excess.turned}[op]
            case Gather() | Join() | Plus() | Junction() | Fold():
                return self._together(node)
            case Xor() | Choose():
                together = self._together(node)
                return together | together.turned
            case Apply():
                return self._word(node)
            case Units() | LayerOutput() | Applied():
                return MOVES

    def _together(self, node: Node) -> Trend:
        return sum_of([self.of(child) for child in children(node)])

    def _word(self, node: Apply) -> Trend:
        if node.word == "used":
            units = node.operands[0]
            reads_input = isinstance(units, Units) and units.layer == self.view.network.input_name
            return FALLS if reads_input or self.with_heads else STAYS  # an idle unit is not used, whatever comes in
        if node.word in ("sum", "count"):
            return self._together(node)
        if node.word in SIZES and all(_is_selection(operand) for operand in node.operands):
            return FALLS if self._together(node) != STAYS else STAYS
        return MOVES


def sum_of(trends: list[Trend]) -> Trend:
    total = STAYS
    for trend in trends:
        total |= trend
    return total


def _is_selection(node: Node) -> bool:
    """Whether every entry is one weight, or a multiple of it."""
    match node:
        case Reference():
            return True
        case Gather(base=operand) | Scale(operand=operand):
            return _is_selection(operand)
        case Join(parts=parts):
            return all(_is_selection(part) for part in parts)
        case _:
            return False
