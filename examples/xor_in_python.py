"""Exclusive or, as in xor.nnm, built in Python without text: the same model to the last byte, and the same answer."""

from __future__ import annotations

import numpy as np

from nnmip.build import Draft, hinge, l0, norm_1

X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
y = ["even", "odd", "odd", "even"]


def build() -> Draft:
    """The tables, the network, the goal; everything is checked on the line that says it."""
    draft = Draft("xor")
    points = draft.table("points", (X, y), ["x0", "x1"], label="parity", codes={"even": -1, "odd": +1})

    net = draft.network("net", shape=2, domain=(-1, 1))
    h = net.dense("h", net.input, units=2, weights=range(-2, 3), bias=range(-1, 2))
    a = net.relu("a", h, prune="units")
    o = net.dense("o", a, units=1, weights={-1, 0, 1}, bias=range(-2, 3))
    net.returns(o[0])

    draft.minimize(hinge(net, points) + 0.001 * l0(net.weights) + 0.0001 * norm_1(net.weights))
    return draft


if __name__ == "__main__":
    result = build().model().solve()
    print(f"{result.solution}: {result.objective:g}, proved to {result.dual_bound:g}")
    print(dict(zip(map(str, X.tolist()), result.networks["net"].predict(X), strict=True)))
