"""Rows over networks that are linear in pieces, in rational arithmetic: affine functions of the point and of units.

A *unit* is the positive part of an affine function of the point and of earlier units. An activation with kinks
k_0 < k_1 < ... and slopes s_0, s_1, ... is

    f(z) = f(k_0) + s_0 (z - k_0) + sum over i of (s_{i+1} - s_i) max(0, z - k_i),

exactly, so that a row of a property is an affine function of the point and of units. Numbers are taken as the decimals
that they print as, as everywhere in exact evaluations (`hir.rational`); the weights of an ONNX file are the binary
numbers that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from nnmip.hir.core import Applied, Constant, FloatArray, Gather, Layer, Node, Program, Reference
from nnmip.hir.known import KnownNetwork
from nnmip.hir.rational import Rational, rational, rationals
from nnmip.ops.layers.piecewise import FLAT
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass
from nnmip.verification.claims import Row, terms_of

MOST_UNITS = 64
"""Networks with more units, over all that are applied, are not looked at."""

NEAR = Fraction(1, 10**12)
"""A point of the domain of a network, moved into the units of its table and back, is itself up to this."""

LINEAR = frozenset({"flatten", "reshape", "add", "concat", "select", "pad", "avgpool2d", "globalavgpool"})
"""Layers without weights that are linear in what they read."""

Options = Mapping[str, Any]


class NotExact(Exception):
    """A property of which not everything is known exactly, or too much."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The kinks of an activation in ascending order, its value at the first of them, and the slopes around them."""

    kinks: tuple[Fraction, ...]
    first: Fraction
    slopes: tuple[Fraction, ...]


def _ramp(low: Any, high: Any) -> Pieces:
    return Pieces((rational(low), rational(high)), rational(low), _numbers(0, 1, 0))


def _numbers(*values: float) -> tuple[Fraction, ...]:
    return tuple(rational(float(value)) for value in values)


def _hard_sigmoid(options: Options) -> Pieces:
    """A slope of 1/6 is meant exactly."""
    slope, shift = Fraction(options["slope"]).limit_denominator(10**6), rational(options["shift"])
    if float(slope) != options["slope"]:
        slope = rational(options["slope"])
    if not slope:
        return Pieces(_numbers(0), min(max(shift, Fraction(0)), Fraction(1)), _numbers(0, 0))
    ends = (-shift / slope, (1 - shift) / slope)
    return Pieces(ends, Fraction(0), (Fraction(0), slope, Fraction(0)))


def _curve(options: Options) -> Pieces:
    points, values = _numbers(*options["points"]), _numbers(*options["values"])
    before, behind = _numbers(*options.get("outside", FLAT))
    steep = [(b - a) / (q - p) for (p, q), (a, b) in zip(pairwise(points), pairwise(values), strict=True)]
    return Pieces(points, values[0], (before, *steep, behind))


PIECES: Mapping[str, Callable[[Options], Pieces]] = MappingProxyType(
    {
        "relu": lambda options: Pieces(_numbers(0), Fraction(0), _numbers(0, 1)),
        "abs": lambda options: Pieces(_numbers(0), Fraction(0), _numbers(-1, 1)),
        "leaky_relu": lambda options: Pieces(_numbers(0), Fraction(0), _numbers(options["slope"], 1)),
        "clip": lambda options: _ramp(options["low"], options["high"]),
        "relu6": lambda options: _ramp(0.0, 6.0),
        "hard_tanh": lambda options: _ramp(-1.0, 1.0),
        "hard_sigmoid": _hard_sigmoid,
        "piecewise": _curve,
    }
)


@dataclass(slots=True, eq=False)
class Units:
    """Affine functions are vectors: a constant, the coefficients of the entries of the point, and those of units.

    `read` has what every unit is the positive part of. places: where the entries of a decision are in the point.
    """

    program: Program
    places: Mapping[str, slice]
    size: int
    read: list[Any] = field(default_factory=list)
    _results: dict[bytes, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return 1 + self.size + MOST_UNITS

    def rows_of(self, rows: Iterable[Row]) -> list[Any]:
        """`sign * value[entry]` for every row. Raises NotExact."""
        return [self._affine(row.value, row.entry, rational(row.sign)) for row in rows]

    def _affine(self, value: Node, entry: int, sign: Fraction) -> Any:
        total = self._zeros()
        for term, factor in terms_of(value, entry, rational):
            total = total + sign * factor * self._term(term)
        return total

    def _zeros(self) -> Any:
        return rationals(np.zeros(self.width))

    def _term(self, term: Node) -> Any:
        base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
        found = self._zeros()
        match base:
            case Constant(value=value):
                found[0] = rational(float(value.reshape(-1)[at]))
            case Reference(decision=decision) if decision.path in self.places:
                found[1 + self.places[decision.path].start + at] = rational(1.0)
            case Applied(network=name, operand=operand):
                known = self.program.known_network(name)
                width = int(np.prod(known.network.output_shape, dtype=np.int64))
                return self._applied(known, operand, at // width)[:, at % width]
            case _:
                raise NotExact
        return found

    # ---- networks ----------------------------------------------------------------------------------------------

    def _applied(self, known: KnownNetwork, operand: Node, number: int) -> Any:
        """What a network gives at a point that it is applied to, [width, outputs]."""
        count = int(np.prod(known.network.input_shape, dtype=np.int64))
        entries = [self._affine(operand, number * count + k, rational(1.0)) for k in range(count)]
        inputs = np.stack([self._scaled(known, k, entry) for k, entry in enumerate(entries)], axis=1)
        key = f"{known.name} {inputs.tolist()}".encode()
        if key not in self._results:
            self._results[key] = self._result(known, inputs)
        return self._results[key]

    def _scaled(self, known: KnownNetwork, place: int, entry: Any) -> Any:
        """An entry as the network reads it, in its own scaling."""
        if known.scaling is None:
            return entry
        numbers = (getattr(known.scaling, name)[place] for name in ("shift", "width", "low", "high"))
        shift, width, low, high = (rational(float(number)) for number in numbers)
        made = entry.copy()
        made[0] = made[0] - shift
        made = made * ((high - low) / width)
        made[0] = made[0] + low
        whole = rationals(np.array([round(value) for value in made]))
        is_itself = set(whole) <= {0, 1} and sum(whole) == 1 and not whole[0]
        return whole if is_itself and all(abs(made - whole) <= NEAR) else made

    def _result(self, known: KnownNetwork, inputs: Any) -> Any:
        network = known.network
        if (
            known.smoothed is not None
            or known.assignment.kept
            or any(layer.skip is not None for layer in network.layers)
        ):
            raise NotExact
        outputs = {network.input_name: inputs.reshape(self.width, *network.input_shape)}
        for layer in network.layers:
            outputs[layer.name] = self._layer(known, layer, tuple(outputs[name] for name in layer.inputs))
        last = outputs[network.result_layer].reshape(self.width, -1)
        return last[:, network.result_index.reshape(-1)]

    def _layer(self, known: KnownNetwork, layer: Layer, reads: tuple[Any, ...]) -> Any:
        op, options = LAYERS[layer.op], dict(layer.options)
        if layer.op in PIECES:
            return self._bent(PIECES[layer.op](options), reads[0])
        if op.connect is None and layer.op not in LINEAR:
            raise NotExact
        of = _as_stored if known.file is not None else rationals
        numbers = {d.role: of(known.assignment.values[d.path]) for d in layer.decisions}
        nothing = tuple(rationals(np.zeros((1, *read.shape[1:]))) for read in reads)
        shift = rationals(np.asarray(op.forward(nothing, numbers, options)))
        found = rationals(np.asarray(op.forward(reads, numbers, options)))
        found[1:] = found[1:] - shift
        return found

    def _bent(self, pieces: Pieces, z: Any) -> Any:
        found = rationals(np.zeros(z.shape)).reshape(self.width, -1)
        for place, entry in enumerate(z.reshape(self.width, -1).T):
            found[:, place] = self._bent_entry(pieces, entry)
        return found.reshape(z.shape)

    def _bent_entry(self, pieces: Pieces, z: Any) -> Any:
        made = pieces.slopes[0] * z
        made[0] = made[0] + pieces.first - pieces.slopes[0] * pieces.kinks[0]
        for kink, (before, after) in zip(pieces.kinks, pairwise(pieces.slopes), strict=True):
            read = z.copy()
            read[0] = read[0] - kink
            if not any(read[1:]):
                made[0] = made[0] + (after - before) * max(read[0], Fraction(0))
                continue
            if len(self.read) >= MOST_UNITS:
                raise NotExact
            made[1 + self.size + len(self.read)] += after - before
            self.read.append(read)
        return made


def _as_stored(values: FloatArray) -> Any:
    """Doubles as the binary numbers that they are."""
    found = np.empty(values.shape, dtype=object)
    found.reshape(-1)[:] = [Rational(Fraction(value)) for value in values.reshape(-1).tolist()]
    return found


def plain(vector: Sequence[Any]) -> list[Fraction]:
    """A vector of fractions of the plain kind, which are faster."""
    return [Fraction(value.numerator, value.denominator) for value in vector]
