"""Numeric and Boolean tensors of a program, joined by Python's operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.build.places import here
from nnmip.hir.core import Choose, Constant, Gather, Node, Shape
from nnmip.sema import arithmetic, logic
from nnmip.sema.values import describe, fail, origin_of
from nnmip.source import Span

if TYPE_CHECKING:
    from nnmip.build.draft import Draft


class Tensor:
    """A tensor that is known only after solving: a decision, or what is computed from decisions.

    `+ - * /` with numbers and arrays, `<= >= == !=` (which give Boolean tensors), `& | ^ ~` for and, or, xor and not,
    NumPy's indices, `.sum()`, `.all()` and `.any()`. Shapes must agree; only a single number is stretched. What does
    not fit raises `DiagnosticError` with the line of Python that says it.
    """

    __array_ufunc__ = None  # NumPy leaves `array * tensor` to this class
    __slots__ = ("draft", "node")
    __hash__ = None  # type: ignore[assignment]  # `==` gives a tensor

    def __init__(self, draft: Draft, node: Node) -> None:
        self.draft = draft
        self.node: Node = draft.known.folded_node(node)

    @property
    def shape(self) -> Shape:
        """Its shape, empty for a single number."""
        return self.node.shape

    @property
    def is_boolean(self) -> bool:
        """Whether its entries are truth values."""
        return self.node.boolean

    def __repr__(self) -> str:
        text = " ".join(self.node.origin.span.text.split())
        return f"<{describe(self.node).removeprefix('a ')}: {text[:60]}{'...' if len(text) > 60 else ''}>"

    # ---- arithmetic --------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return self._sum(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return self._sum(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return self._sum(self, other, minus=True)

    def __rsub__(self, other: Any) -> Tensor:
        return self._sum(other, self, minus=True)

    def __neg__(self) -> Tensor:
        span = here("-...")
        return self._made(arithmetic.negated(number(self.draft, self, span), span))

    def __mul__(self, other: Any) -> Tensor:
        span = here("... * ...")
        left, right = number(self.draft, self, span), number(self.draft, other, span)
        return self._made(arithmetic.product(left, right, span, span))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tensor:
        span = here("... / ...")
        left, right = number(self.draft, self, span), number(self.draft, other, span)
        return self._made(arithmetic.quotient(left, right, span, span))

    def __rtruediv__(self, other: Any) -> Tensor:
        raise fail("NNM0313", "only known numbers can divide", here("... / ..."), label="decided by the solver")

    def sum(self) -> Tensor:
        """The sum of all entries of a numeric tensor."""
        return self.draft.word("sum", self)

    def _sum(self, left: Any, right: Any, minus: bool = False) -> Tensor:
        span = here("... - ..." if minus else "... + ...")
        total = arithmetic.Sum.of(number(self.draft, left, span), self.draft.allowance)
        addend = number(self.draft, right, span)
        total.add(arithmetic.negated(addend, span) if minus else addend, span)
        return self._made(total.node(span))

    # ---- comparisons -------------------------------------------------------------------------------------------

    def __le__(self, other: Any) -> Tensor:
        return self._compared("<=", other)

    def __ge__(self, other: Any) -> Tensor:
        return self._compared(">=", other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return self._compared("=", other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: Any) -> Tensor:
        return self._compared("<", other)

    def __gt__(self, other: Any) -> Tensor:
        return self._compared(">", other)

    def _compared(self, op: str, other: Any) -> Tensor:
        span = here(f"... {op} ...")
        left, right = number(self.draft, self, span), number(self.draft, other, span)
        if op in ("<", ">"):
            help = f"write `{op}=`, and keep the sides apart by a margin, such as 0.001"
            raise fail("NNM0205", f"a strict `{op}` needs a margin, so that it can be proved", span, help=help)
        return self._made(logic.comparison(self.draft, op, left, right, span))

    # ---- logic -------------------------------------------------------------------------------------------------

    def __and__(self, other: Any) -> Tensor:
        return self._joined("and", self, other)

    def __rand__(self, other: Any) -> Tensor:
        return self._joined("and", other, self)

    def __or__(self, other: Any) -> Tensor:
        return self._joined("or", self, other)

    def __ror__(self, other: Any) -> Tensor:
        return self._joined("or", other, self)

    def __xor__(self, other: Any) -> Tensor:
        return self._joined("xor", self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return self._joined("xor", other, self)

    def __invert__(self) -> Tensor:
        span = here("~...")
        return self._made(logic.negation(truth(self.draft, self, span), span))

    def all(self) -> Tensor:
        """Whether every entry of a Boolean tensor holds."""
        return self._folded("and")

    def any(self) -> Tensor:
        """Whether some entry of a Boolean tensor holds."""
        return self._folded("or")

    def _joined(self, op: str, left: Any, right: Any) -> Tensor:
        span = here(f"... {op} ...")
        return connected(self.draft, op, left, right, span)

    def _folded(self, op: str) -> Tensor:
        span = here("all" if op == "and" else "any")
        return self._made(logic.over_all(op, [truth(self.draft, self, span)], span))

    def __bool__(self) -> bool:
        raise TypeError(
            "a tensor has no truth value before it is solved: write `&`, `|` and `~` for `and`, `or` and `not`, with "
            "parentheses around comparisons, and `(a <= x) & (x <= b)` for `a <= x <= b`"
        )

    # ---- entries -----------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Tensor:
        span = here("...[...]")
        index = picked(self.shape, key, span)
        if isinstance(self.node, Constant):
            return self._made(Constant(self.node.value.reshape(-1)[index], origin_of(span), self.node.boolean))
        return self._made(Gather(self.node, index, origin_of(span)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a single number has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self)))

    def _made(self, node: Node) -> Tensor:
        return Tensor(self.draft, node)


def connected(draft: Draft, op: str, left: Any, right: Any, span: Span) -> Tensor:
    """Two Booleans joined by a word of logic."""
    return Tensor(draft, logic.CONNECTIVES[op](truth(draft, left, span), truth(draft, right, span), span))


def chosen(draft: Draft, condition: Any, then: Any, otherwise: Any, span: Span) -> Tensor:
    """`then` where the condition holds, else `otherwise`; both numeric."""
    c, a, b = truth(draft, condition, span), number(draft, then, span), number(draft, otherwise, span)
    shape = arithmetic.broadcast(arithmetic.broadcast(c.shape, a.shape, span), b.shape, span)
    return Tensor(draft, Choose(c, a, b, shape, origin_of(span)))


def picked(shape: Shape, key: Any, span: Span) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Flat positions of the entries that a NumPy index picks; DiagnosticError NNM0302 for one that does not fit."""
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    try:
        return np.asarray(places[key], dtype=np.int64)
    except (IndexError, TypeError, ValueError) as error:
        what = "a single number" if not shape else f"a tensor of shape {list(shape)}"
        raise fail("NNM0302", f"{what} has no such entries", span, note=str(error)) from None


def node_of(draft: Draft, value: Any, span: Span) -> Node:
    """The node of a tensor of this program, or of a number or an array; DiagnosticError NNM0205 for anything else."""
    if isinstance(value, Tensor):
        if value.draft is not draft:
            raise fail("NNM0205", "this belongs to another program", span, help="a program is built by one `Draft`")
        return value.node
    try:
        array = np.asarray(value)
        is_usable = array.dtype.kind in "biuf" and bool(np.isfinite(array).all())
    except (TypeError, ValueError):
        is_usable = False
    if not is_usable:
        help = "name what is meant, such as `net.weights`, `used(layer)` or `net(table)`"
        raise fail(
            "NNM0205", f"{_shown(value)} is neither finite numbers nor a tensor of this program", span, help=help
        )
    return Constant(array.astype(np.float64), origin_of(span), array.dtype.kind == "b")


def number(draft: Draft, value: Any, span: Span) -> Node:
    """The same for numbers; DiagnosticError NNM0205 for Booleans."""
    node = node_of(draft, value, span)
    if node.boolean:
        raise fail(
            "NNM0205", f"a number is needed here, and this is {describe(node)}", span, help="`count` counts them"
        )
    return node


def truth(draft: Draft, value: Any, span: Span) -> Node:
    """The same for Booleans; DiagnosticError NNM0205 for numbers."""
    node = node_of(draft, value, span)
    if not node.boolean:
        help = "compare it, such as `x <= 1`; `&` and `|` bind closer than comparisons, so put these in parentheses"
        raise fail("NNM0205", f"a Boolean is needed here, and this is {describe(node)}", span, help=help)
    return node


def _shown(value: Any) -> str:
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
