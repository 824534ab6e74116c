"""What a name or an expression of the source can stand for while the HIR is built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Diagnostic, DiagnosticError, Label
from nnmip.hir.core import (
    Apply,
    Compare,
    Constant,
    Gather,
    Join,
    Layer,
    Network,
    Node,
    Plus,
    Reference,
    Scale,
    Units,
)
from nnmip.source import Span


@dataclass(frozen=True, slots=True, eq=False)
class LayerValue:
    """A layer of a network, as in `clf.a`."""

    network: Network
    layer: Layer


Value = Node | LayerValue | Network | Dataset

NODE_TYPES = (Constant, Reference, Gather, Join, Plus, Scale, Units, Apply, Compare)


class Poisoned(Exception):
    """Raised where an expression reads a declaration that is broken already, so that nothing more is said of it."""


def describe(value: Value) -> str:
    """What a value is, for messages."""
    match value:
        case LayerValue():
            return "a layer"
        case Network():
            return "a network"
        case Dataset():
            return "a data set"
        case Units():
            return "units of a layer"
    kind = "Boolean" if value.boolean else "number"
    return f"a {kind}" if value.shape == () else f"a {kind} tensor of shape {list(value.shape)}"


def fail(
    code: str,
    message: str,
    span: Span,
    *,
    label: str = "",
    help: str = "",
    note: str = "",
    secondary: tuple[Label, ...] = (),
) -> DiagnosticError:
    """The exception for one diagnostic, to be raised."""
    return DiagnosticError([Diagnostic(code, message, span, label, secondary, help, note)])


def not_yet(what: str, span: Span, help: str = "") -> DiagnosticError:
    """The exception for a part of the language that this version does not have."""
    return fail("NNM0104", f"{what} is part of the language, but this version does not have it yet", span, help=help)


def integer(node: Constant, what: str, span: Span) -> int:
    """The value of a scalar constant as an integer; NNM0205 where it is none."""
    value = float(node.value) if node.shape == () else np.nan
    if node.boolean or value != np.floor(value) or abs(value) > 2**53:
        raise fail("NNM0205", f"{what} must be an integer", span)
    return int(value)
