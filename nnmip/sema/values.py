"""What a name or an expression of the source can stand for while the HIR is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Edit, Label
from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
    Fold,
    Gather,
    IntArray,
    Join,
    Junction,
    Layer,
    LayerOutput,
    Network,
    Node,
    Not,
    Plus,
    Reference,
    Scale,
    Shape,
    Units,
    Xor,
)
from nnmip.records import dataclass
from nnmip.sizes import ENTRY, Allowance, counted, product
from nnmip.source import Origin, Span

MOST_AXES = 32
"""Most axes of a tensor that every version of NumPy can hold."""

_STRING_OR_COMMENT = r'("(?:[^"\\\n]|\\.)*")|#[^\n]*'
_LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True, eq=False)
class LayerValue:
    """A layer of a network, as in `clf.a`."""

    network: Network
    layer: Layer


@dataclass(frozen=True, slots=True, eq=False)
class InputValue:
    """The input of a network, as in `clf.x`."""

    network: Network


@dataclass(frozen=True, slots=True, eq=False)
class FeaturesValue:
    """Entries of the input of a network, as in `clf.x[2]`: `places` are their positions, of the shape that is picked.

    `is_column` says that they are all features of one one-hot column, as in `clf.x[colour]`, and count as one thing.
    """

    network: Network
    places: IntArray
    is_column: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RowValue:
    """A row of a data set, as in `forall s in train: ...`."""

    data: Dataset
    position: int

    def text(self, column: str) -> str | None:
        """The text of the row's label or group, None where `column` is neither or has no texts."""
        group = self.data.group(column)
        if group is not None:
            return str(group.levels[group.codes[self.position]])
        if column != self.data.label_name:
            return None
        return self.data.label_text(float(self.data.labels[self.position]))

    def entry(self, column: str) -> float | None:
        """What a feature or a target (in the units of the file) or the coded label is in this row, or the number
        that a group is called by; None for another column."""
        for names, values in ((self.data.feature_names, self.data.raw), (self.data.target_names, self.data.targets)):
            if column in names:
                return float(values[self.position, names.index(column)])
        if column == self.data.label_name:
            return float(self.data.labels[self.position])
        group = self.data.group(column)
        return None if group is None else group.number(self.position)

    def known_texts(self, column: str) -> tuple[str, ...]:
        """The texts that a label or group can have, empty where any text will do."""
        group = self.data.group(column)
        if group is not None:
            return group.levels if self.data.is_read else ()
        return tuple(label for label, _ in self.data.coding or ()) or self.data.classes


Value = Node | LayerValue | InputValue | FeaturesValue | Network | Dataset | RowValue

NODE_TYPES = (
    *(Constant, Reference, Gather, Join, Plus, Scale, Units, LayerOutput, Applied, Apply),
    *(Compare, Not, Junction, Xor, Fold, Choose),
)


def as_tensor(value: Value) -> Node | None:
    """The value where it is a number, a Boolean or a tensor of either, else None."""
    return value if isinstance(value, NODE_TYPES) and not isinstance(value, Units) else None


class Poisoned(Exception):
    """Raised where an expression reads a declaration that is broken already, so that nothing more is said of it."""


def describe(value: Value) -> str:
    """What a value is, for messages."""
    match value:
        case LayerValue():
            return "a layer"
        case InputValue():
            return "the input of a network"
        case FeaturesValue():
            return "features of the input"
        case Network():
            return "a network"
        case Dataset():
            return "a data set"
        case RowValue():
            return "a row of a data set"
        case Units():
            return "units of a layer"
    if value.shape == ():
        return "a Boolean" if value.boolean else "a number"
    return f"a {'Boolean' if value.boolean else 'numeric'} tensor of shape {list(value.shape)}"


def fail(
    code: str,
    message: str,
    span: Span,
    *,
    label: str = "",
    help: str = "",
    note: str = "",
    secondary: tuple[Label, ...] = (),
    fix: tuple[Edit, ...] = (),
) -> DiagnosticError:
    """The exception for one diagnostic, to be raised."""
    return DiagnosticError([Diagnostic(code, message, span, label, secondary, help, note, fix=fix)])


def not_yet(
    what: str, span: Span, *, help: str = "", secondary: tuple[Label, ...] = (), fix: tuple[Edit, ...] = ()
) -> DiagnosticError:
    """The exception for a part of the language that this version does not have."""
    message = f"{what} is part of the language, but this version does not have it yet"
    return fail("NNM0104", message, span, help=help, secondary=secondary, fix=fix)


@contextmanager
def collected(diagnostics: Diagnostics) -> Iterator[None]:
    """Keep the diagnostics of what is broken inside, and go on after it, unless there are too many."""
    with diagnostics.collect(), suppress(Poisoned):
        yield


def text_of(span: Span) -> str:
    """The source text of a span on one line and without comments, as labels show it."""
    text = re.sub(_STRING_OR_COMMENT, lambda found: found[1] or "", span.text) if "#" in span.text else span.text
    return re.sub(r"\s+", " ", text)


def short_text_of(span: Span) -> str:
    """The source text of a span on one line, cut where it is long."""
    if span.end - span.start > _LONGEST_TEXT:
        return text_of(Span(span.file, span.start, span.start + _LONGEST_TEXT)) + "..."
    return text_of(span)


def quoted(span: Span) -> str:
    """The source text of a span in backquotes, short enough for a message."""
    return f"`{short_text_of(span)}`"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names in backquotes, separated by commas; a long list is cut."""
    known = [f"`{name}`" for name in names]
    return ", ".join(known if len(known) <= most else [*known[:most], "..."])


def origin_of(span: Span) -> Origin:
    """The origin of a node that is named by its own text."""
    return Origin(span, short_text_of(span))


def integer(node: Constant, what: str, span: Span) -> int:
    """The value of a scalar constant as an integer; NNM0205 where it is none."""
    value = float(node.value) if node.shape == () else np.nan
    if node.boolean or value != np.floor(value) or abs(value) > 2**53:
        raise fail("NNM0205", f"{what} must be a whole number, and {quoted(span)} is not", span)
    return int(value)


def check_size(shape: Shape, what: str, span: Span, allowance: Allowance) -> None:
    """NNM0310 for a tensor that is larger than is allowed, NNM0301 for one of more axes than NumPy has."""
    if len(shape) > MOST_AXES:
        raise fail("NNM0301", f"{what} has {len(shape)} axes; {MOST_AXES} are the most", span)
    entries = product(shape)
    allowance.check(entries, ENTRY, what, span, label=counted(entries, "entry", "entries"))
