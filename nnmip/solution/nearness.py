"""How far networks with curves are from those of their files at the points of an answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.bounds.nearby import Nearby
from nnmip.hir.core import Applied, Assignment, Program
from nnmip.hir.evaluate import Evaluator, result, smooth_result
from nnmip.hir.walk import roots, walk


def nearness(program: Program, assignment: Assignment) -> Iterator[str]:
    """For every network with curves that is applied to a decided point: how far its outputs are from those with the
    smooth functions at most, for all values of the variables, and at the answer, which is computed and no bound."""
    near = {known.name: known for known in program.known if known.smoothed is not None}
    if not near:
        return
    evaluator, nearby = Evaluator(program, assignment), Nearby(program)
    for node in (found for root in roots(program) for found in walk(root)):
        if isinstance(node, Applied) and node.network in near:
            known = near[node.network]
            x = known.points(evaluator.value(node.operand).reshape(-1, *known.network.input_shape))
            away = np.abs(result(known.network, known.assignment, x) - smooth_result(known, x))
            text, most = " ".join(node.origin.span.text.split()), 1.0051 * float(away.max(initial=0.0))
            always = float(nearby.error(node).max(initial=0.0))
            said = f"{text}: the outputs are within {always:.3g} of the file's for all values of the variables"
            yield f"{said}, and within {most:.3g} at this answer"
