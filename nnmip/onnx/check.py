"""Whether an imported network computes what its file says, at random points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from nnmip.arrays import by_chance
from nnmip.hir.core import Assignment, FloatArray, Network, Shape
from nnmip.hir.evaluate import result, smooth_result
from nnmip.hir.known import KnownNetwork, Smoothed
from nnmip.onnx import package
from nnmip.onnx.graph import Graph, Port, cut_to, needed
from nnmip.onnx.refusal import Refused, unreadable
from nnmip.onnx.replay import TYPES, session
from nnmip.records import dataclass

POINTS = 8
DOUBLE, SINGLE = 1e-9, 1e-4
"""How far outputs may differ, relative to the largest: single precision leaves four digits in a deep network."""

DOUBLE_TYPE = 11
"""The number of the type in ONNX."""


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """That the value called `name` in the file is `apply` of the result of the network, row by row."""

    name: str
    apply: Callable[[FloatArray], FloatArray]


def points(network: Network, kind: str, count: int) -> FloatArray:
    """Inputs of several magnitudes, exact in the type of the file."""
    size = (count, *network.input_shape)
    spread = np.array([1.0, 2.0, 5.0, 20.0])[np.arange(count) % 4].reshape(-1, *(1,) * len(network.input_shape))
    drawn = by_chance(size) * spread
    drawn = np.where(np.arange(count).reshape(spread.shape) % 2, np.abs(drawn), drawn)
    return np.asarray(drawn.astype(TYPES[kind]), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """An imported network with the numbers of its weights, and its curves, if it has any."""

    network: Network
    assignment: Assignment
    smoothed: Smoothed | None = None

    def result(self, x: FloatArray) -> FloatArray:
        """What it returns with the smooth functions themselves."""
        return smooth_result(KnownNetwork(self.network, self.assignment, (), None, (), smoothed=self.smoothed), x)

    def check_error(self, x: FloatArray, exact: FloatArray) -> None:
        """Raise Refused NNM0618 where the curves are further from what is exact than was proved."""
        if self.smoothed is None:
            return
        room = DOUBLE * max(1.0, float(np.abs(exact).max(initial=0.0)))
        away = np.abs(result(self.network, self.assignment, x) - exact)
        if not (away <= self.smoothed.error + room).all():
            raise _differs("its curves are further from the smooth functions than was proved")


def check(graph: Graph, port: Port, rows: int, shape: Shape, computed: Computed, claim: Claim) -> None:
    """Raise Refused NNM0618 where the network differs from the graph, which is run with `rows` rows at once.

    shape: that of the input for one row, as the model has it. Smooth functions are compared as they are, and the curves
    in their place with them.
    """
    x = points(computed.network, port.kind, -(-POINTS // rows) * rows)
    given = _given(graph, port, claim.name, x, rows, shape)
    with np.errstate(all="ignore"):
        exact = computed.result(x)
        computed.check_error(x, exact)
        ours = claim.apply(exact).reshape(len(x), -1)
    if given.shape != ours.shape:
        raise _differs(f"it gives {ours.shape[1]} numbers for a row, and ONNX Runtime {given.shape[1]}")
    if not np.isfinite(given).all():
        raise _differs("the file gives numbers that are not finite for plain inputs")
    scale = max(float(np.abs(given).max(initial=0.0)), float(np.finfo(np.float32).tiny))
    worst = float(np.abs(given - ours).max(initial=0.0)) / scale
    if not worst <= (DOUBLE if _is_double(graph, port, claim.name) else SINGLE):
        raise _differs(f"at a random point they differ by {100 * worst:.3g} % of the largest output")


def _is_double(graph: Graph, port: Port, name: str) -> bool:
    """Whether a value is computed in double precision all the way from the input: nothing is cast to another type, and
    what nothing computes in double precision, operators of scikit-learn and those of `ROUNDED`, is not among its
    nodes."""
    used = needed(graph, [name])
    nodes = [node for node in graph.nodes if used & set(node.outputs)]
    casts = [node for node in nodes if node.op == "Cast" and node.attributes.get("to") != DOUBLE_TYPE]
    return port.kind == "double" and not casts and not any(node.domain or node.op in ROUNDED for node in nodes)


ROUNDED = frozenset({"Erf", "Gelu", "HardSwish"})
"""Operators with numbers of single precision inside, in ONNX Runtime and in the evaluator of the package onnx."""


def _differs(how: str) -> Refused:
    return Refused(
        "NNM0618",
        f"the imported network does not compute what the file computes: {how}",
        "nothing is built on it; please report the file",
    )


def _given(graph: Graph, port: Port, name: str, x: FloatArray, rows: int, shape: Shape) -> FloatArray:
    """What the model gives for points, flat for each: by ONNX Runtime, else by the evaluator of the package onnx."""
    cut, sizes = cut_to(graph, name), shape if rows == 1 else (rows, *shape[1:])
    feeds = [{port.name: part} for part in x.astype(TYPES[port.kind]).reshape(-1, *sizes)]
    for start in (partial(session, cut), partial(package.evaluator, cut)):
        try:
            running = start()
            found = [np.asarray(running.run(None, feed)[0], dtype=np.float64) for feed in feeds]
            return np.concatenate([array.reshape(rows, -1) for array in found])
        except Exception:  # each of the two knows operators that the other does not, and has errors of its own
            continue
    raise unreadable("neither ONNX Runtime nor the package onnx can run the model, so that nothing vouches for it")
