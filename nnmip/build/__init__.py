"""Programs without text: the HIR built from Python, with the words and the checks of the language.

from nnmip.build import Draft, count, hinge, l0, used

draft = Draft("xor")
points = draft.table("points", (X, y), ["x0", "x1"], label="parity", codes={"even": -1, "odd": +1})
net = draft.network("net", shape=2, domain=(-1, 1))
h = net.dense("h", net.input, units=2, weights=range(-2, 3), bias=range(-1, 2))
a = net.relu("a", h, prune="units")
o = net.dense("o", a, units=1, weights={-1, 0, 1}, bias=range(-2, 3))
net.returns(o[0])
draft.minimize(hinge(net, points) + 0.001 * l0(net.weights))
draft.constraint("few", l0(net.weights) <= 6, "weight budget")
result = draft.model().solve()

Every word of the language that is a call (`hinge`, `l0`, `used`, ...) is a function here.
"""

from __future__ import annotations

from typing import Any

from nnmip.build.domains import grid, interval, values
from nnmip.build.draft import Draft
from nnmip.build.expressions import Tensor
from nnmip.build.networks import LayerRef, NetworkRef
from nnmip.build.tables import Table
from nnmip.build.words import (
    active,
    atleast,
    atmost,
    dot,
    exactly,
    exclusive,
    fan_in,
    features,
    iff,
    implies,
    lipschitz,
    monotone,
    operations,
    parameters,
    tied,
    where,
)

__all__ = [
    "Draft",
    "LayerRef",
    "NetworkRef",
    "Table",
    "Tensor",
    "active",
    "atleast",
    "atmost",
    "dot",
    "exactly",
    "exclusive",
    "fan_in",
    "features",
    "grid",
    "iff",
    "implies",
    "interval",
    "lipschitz",
    "monotone",
    "operations",
    "parameters",
    "tied",
    "values",
    "where",
]


def __getattr__(name: str) -> Any:
    """The function of a word of the language."""
    from nnmip.build.words import word

    return word(name)


def __dir__() -> list[str]:
    from nnmip.ops.registry import WORDS

    return sorted({*__all__, *WORDS})
