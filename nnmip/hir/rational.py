"""The meaning of the language in rational arithmetic, for networks whose weights and biases have finite domains.

Every number is taken as the shortest decimal that stands for it, which is how data and domains were written: 0.1 is a
tenth. The same code as in floating point computes the values (`hir.evaluate` and `ops`), on arrays of `Rational`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset
from nnmip.hir.core import Apply, Assignment, FloatArray, Network, Node, Program
from nnmip.hir.evaluate import Evaluator, without_removed
from nnmip.hir.goals import Stage
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

MOST_PRODUCTS = 200_000
"""Larger evaluations (products of a weight and a value, over all rows) are left to floating point: this many take about
a second."""


class Rational(Fraction):
    """A fraction that stays one next to floats: they are taken as the decimals that they print as."""

    __slots__ = ()
    __hash__ = Fraction.__hash__


def _keeping(name: str) -> Callable[..., Any]:
    """The operation of fractions called `name`, with floats as decimals and a `Rational` as its value."""
    plain: Callable[..., Any] = getattr(Fraction, name)

    def operation(self: Rational, *others: Any) -> Any:
        found = plain(self, *(_decimal(other) if isinstance(other, float) else other for other in others))
        return Rational(found) if isinstance(found, Fraction) else found

    return operation


def _decimal(value: float) -> Any:
    """The decimal that a float prints as; infinities stay what they are."""
    return Fraction(repr(float(value))) if np.isfinite(value) else value


_ARITHMETIC = ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "neg", "pos", "abs")
for _name in (*_ARITHMETIC, "eq", "lt", "le", "gt", "ge"):
    setattr(Rational, f"__{_name}__", _keeping(f"__{_name}__"))


def rational(value: Any) -> Rational:
    """A finite number as `Rational`."""
    return value if type(value) is Rational else Rational(_decimal(value))


def rationals(values: NDArray[Any]) -> NDArray[Any]:
    """An array of the same shape whose entries are all `Rational`."""
    found = np.empty(values.shape, dtype=object)
    found.reshape(-1)[:] = [rational(value) for value in values.reshape(-1).tolist()]
    return found


_LONGEST = 12


class _Lost(ArithmeticError):
    """A value that floating point has rounded."""


def _kept(values: NDArray[Any]) -> NDArray[Any]:
    """What an operation made of rational numbers, as such; floats among them are constants of the operation.

    Raises _Lost for a float with so many digits that it looks like a rounded result.
    """
    if any(type(v) is not Rational and len(repr(float(v))) > _LONGEST for v in values.reshape(-1).tolist()):
        raise _Lost
    return rationals(values)


@dataclass(frozen=True, slots=True)
class RationalEvaluation:
    """The exact values of one assignment.

    objectives: one value for each stage. terms: for each stage, label -> unweighted value. violation: the largest of
    a constraint.
    """

    objectives: tuple[Fraction, ...]
    terms: tuple[dict[str, Fraction], ...]
    violation: float


class _RationalEvaluator(Evaluator):
    """An evaluator whose every layer and word gives rational numbers."""

    def dataset(self, name: str) -> Dataset:
        data = self.program.dataset(name)
        return replace(data, features=rationals(data.features), sample_weights=rationals(data.sample_weights))

    def outputs(self, network: str, data: str) -> dict[str, FloatArray]:
        if (network, data) not in self._outputs:
            found = Evaluator.outputs(self, network, data)
            self._outputs[network, data] = {name: _kept(values) for name, values in found.items()}
        return self._outputs[network, data]

    def _value(self, node: Node) -> FloatArray:
        found = Evaluator._value(self, node)
        return _kept(np.asarray(found)) if isinstance(node, Apply) else np.asarray(found)

    def exactly(self, node: Node) -> Fraction:
        return rational(self.value(node).item())

    def exact_goal(self, stage: Stage) -> Fraction:
        return sum((rational(t.coefficient) * self.exactly(t.value) for t in stage.terms), start=Fraction(0))


def _products(network: Network) -> int:
    """How many products with a weight a network computes for one row."""
    shapes = {network.input_name: network.input_shape} | {layer.name: layer.shape for layer in network.layers}
    total = 0
    for layer in network.layers:
        connect, weights = LAYERS[layer.op].connect, layer.decision("weights")
        if connect is not None and weights is not None:
            total += weights.size * connect(shapes[layer.inputs[0]], dict(layer.options)).per_unit
    return total


def rational_evaluation(program: Program, assignment: Assignment, tolerance: float) -> RationalEvaluation | None:
    """Goals, terms and violations of `assignment` in rational arithmetic, `tolerance` as in `evaluate`.

    None where a decision has no finite domain, where the model reads networks from files (what these give was
    computed in floating point), where the model uses a word that is not rational, and where the
    evaluation takes more than `MOST_PRODUCTS` products.
    """
    if program.known or not all(d.domain.is_finite for d in program.decisions):
        return None
    rows = sum(data.row_count for data in program.datasets)
    if sum(_products(network) for network in program.networks) * rows > MOST_PRODUCTS:
        return None
    clean = without_removed(program, assignment)
    exact = Assignment({path: rationals(values) for path, values in clean.values.items()}, clean.kept)
    evaluator = _RationalEvaluator(program, exact, tolerance)
    try:
        return RationalEvaluation(
            objectives=tuple(evaluator.exact_goal(stage) for stage in program.stages),
            terms=tuple({t.label: evaluator.exactly(t.value) for t in s.terms} for s in program.stages),
            violation=max([0.0, *(evaluator.violation(c) for c in program.constraints)]),
        )
    except _Lost:
        return None
