"""Properties of networks with curves in the place of smooth functions."""

from __future__ import annotations

from nnmip.hir.core import Constant, Program
from nnmip.hir.goals import Property
from nnmip.hir.walk import walk
from nnmip.sema.known import KNOWN
from nnmip.sema.values import fail


def check_exact(program: Program, property: Property) -> None:
    """NNM0621 for a property that reads a network with curves: it would be decided of these, not of the file."""
    near = {known.name: known for known in program.known if known.smoothed is not None}
    for node in (found for root in (*property.assumptions, *property.conclusions) for found in walk(root)):
        name = getattr(node, "network", None)
        is_folded = bool(near) and isinstance(node, Constant) and node.origin.path == KNOWN
        if name in near or is_folded:
            known = near.get(name or "", next(iter(near.values())))
            message = (
                f"`{known.name}` has curves in the place of smooth functions, so that no property of it is decided"
            )
            help = "prove the largest or least value in the region with `solve`, and add the error that it states"
            raise fail("NNM0621", message, node.origin.span, help=help)
