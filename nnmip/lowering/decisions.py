"""How weights and biases become columns: the encoding of each kind of domain, its removal gate and its way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.diagnostics import Diagnostic, DiagnosticError, Label
from nnmip.hir.core import CHANNELS, Decision
from nnmip.hir.wiring import Wiring
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import positive_part, scattered
from nnmip.lowering.size import INTEGER_FROM
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.source import Origin

MOST_SQUARES = 256
"""Most values of a weight whose square is wanted: each costs a binary."""

_PARTS = {
    Polarity.UPPER: "positive_part",
    Polarity.LOWER: "positive_part.at_most",
    Polarity.EXACT: "positive_part.exact",
}
"""The names of the positive parts of a decision. Each has the rows of its sides only, and no other can stand for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Entries of a decision, by flat positions, that are positive (side 1) or negative (-1) only where a bit is 1."""

    side: int
    entries: IntArray
    bit: Affine


@dataclass(slots=True, eq=False)
class Encoding(ABC):
    """A decision tensor in the MILP. `value` is 0 at entries whose unit is removed (where `gate` is 0). `sides` has
    what was said of signs."""

    decision: Decision
    value: Affine
    gate: Affine | None
    sides: list[Side] = field(default_factory=list, init=False)
    _nonzero: Affine | None = field(default=None, init=False)
    _absolute: dict[Polarity, Affine] = field(default_factory=dict, init=False)

    @abstractmethod
    def nonzero(self, low: Lowering, polarity: Polarity, reason: Origin) -> Affine:
        """A 0/1 tensor for `entry != 0`, valid for the sides that `polarity` asks for.

        `reason` is what asks, for the message where the domain cannot give it.
        """

    @property
    def said_nonzero(self) -> Affine | None:
        """The 0/1 tensor for `entry != 0`, where something has asked for it."""
        return self._nonzero

    @abstractmethod
    def lift(self, x: FloatArray) -> FloatArray:
        """The exact value of every entry in a solution: in the domain, or 0 where the unit is removed."""

    def absolute(self, low: Lowering, polarity: Polarity) -> Affine:
        """The absolute values, valid for the sides that `polarity` asks for.

        |w| = 2 max(0, w) - w; no binary where only an upper value is needed, no column where the sign is known.
        """
        d = self.decision
        if d.domain.lo >= 0:
            return self.value
        if d.domain.hi <= 0:
            return -self.value
        if polarity not in self._absolute:
            tag = _PARTS[polarity]
            bounds = Interval.box(d.shape, min(d.domain.lo, 0.0), max(d.domain.hi, 0.0))
            positive = positive_part(low, f"{d.path}.{tag}", self.value, bounds, polarity, d.origin)
            self._absolute[polarity] = positive.value * 2.0 - self.value
        return self._absolute[polarity]

    def squared(self, low: Lowering, reason: Origin) -> Affine:
        """The squares of the values; DiagnosticError NNM0313 where a domain has infinitely many."""
        raise _no_squares(self.decision, reason)

    def on_sides(self, value: FloatArray, x: FloatArray) -> FloatArray:
        """Values of the decision without what a solver leaves beyond 0, where a binary says that there is nothing."""
        flat = value.reshape(-1).copy()
        for part in self.sides:
            cut = part.side * np.minimum(part.side * flat[part.entries], 0.0)
            flat[part.entries] = np.where(part.bit.value(x) < 0.5, cut, flat[part.entries])
        return flat.reshape(value.shape)

    def kept_or_one(self) -> Affine:
        """The gate, or ones where nothing can be removed."""
        return self.gate if self.gate is not None else Affine.constant(np.ones(self.decision.shape))


@dataclass(slots=True, eq=False)
class IntervalEncoding(Encoding):
    """One continuous column an entry, w in [l, u].

    With a gate g: l g <= w <= u g, so that g = 0 means w = 0 whether or not 0 is in [l, u]. `w != 0` is
    l t <= w <= u t with a binary t <= g; it bounds the number of nonzeros from above only (formulation: indicator
    rows with the domain's ends as big-M).
    """

    def nonzero(self, low: Lowering, polarity: Polarity, reason: Origin) -> Affine:
        d = self.decision
        if not d.domain.has_zero:
            return self.kept_or_one()
        if Polarity.LOWER in polarity:
            raise _no_least_magnitude(d, reason)
        if self._nonzero is None:
            value, lo, hi = self.value, d.domain.lo, d.domain.hi
            t = low.builder.binaries(f"{d.path}.nonzero", d.shape, d.origin, lambda x, choice: choice[d.path] != 0)
            low.builder.rows(f"{d.path}.nonzero.upper", value - t * hi, d.origin, ub=0.0, big_m=hi)
            low.builder.rows(f"{d.path}.nonzero.lower", value - t * lo, d.origin, lb=0.0, big_m=lo)
            if self.gate is not None:
                low.builder.rows(f"{d.path}.nonzero.kept", t - self.gate, d.origin, ub=0.0)
            self._nonzero = t
        return self._nonzero

    def lift(self, x: FloatArray) -> FloatArray:
        value = self.on_sides(self.decision.domain.project(self.value.value(x)), x)
        if self._nonzero is not None:
            value = np.where(self._nonzero.value(x) < 0.5, 0.0, value)
        if self.gate is not None:
            value = np.where(self.gate.value(x) < 0.5, 0.0, value)
        return value + 0.0


@dataclass(slots=True, eq=False)
class PiecesEncoding(Encoding):
    """One binary for each piece of the domain: `picks` [..., pieces], exactly one of them where the unit is kept.

    A piece is a single value, or an interval with a continuous column of its own (`parts`): w = sum of value * pick
    over values + sum of parts, with lo pick <= part <= hi pick. Strength: ideal for one entry. Removal makes every
    pick 0. `nonzero` and, for finite domains, `absolute` need nothing more and hold in both directions.
    """

    picks: Affine
    pieces: tuple[tuple[float, float], ...]
    parts: dict[int, Affine]

    def levels(self) -> FloatArray:
        """The values of a finite domain in the order of `picks`."""
        assert self.decision.domain.is_finite
        return np.array([lo for lo, _ in self.pieces])

    def nonzero(self, low: Lowering, polarity: Polarity, reason: Origin) -> Affine:
        """The picks of the pieces without 0 and, where 0 is in an interval, a binary t for that piece as in
        `IntervalEncoding`: l t <= part <= u t, t <= pick; then it bounds from above only."""
        around_zero = next((i for i, (lo, hi) in enumerate(self.pieces) if lo <= 0.0 <= hi), None)
        others = (self.picks * np.where(np.arange(len(self.pieces)) == around_zero, 0.0, 1.0)).sum(axis=-1)
        if around_zero not in self.parts:
            return others
        if Polarity.LOWER in polarity:
            raise _no_least_magnitude(self.decision, reason)
        if self._nonzero is None:
            self._nonzero = self._nonzero_inside(low, around_zero)
        return others + self._nonzero

    def _nonzero_inside(self, low: Lowering, piece: int) -> Affine:
        d, builder, part, (lo, hi) = self.decision, low.builder, self.parts[piece], self.pieces[piece]

        def fill(x: FloatArray, choice: Choice) -> BoolArray:
            value = choice[d.path]
            inside: BoolArray = (value != 0) & (value >= lo) & (value <= hi)
            return inside

        t = builder.binaries(f"{d.path}.nonzero", d.shape, d.origin, fill)
        builder.rows(f"{d.path}.nonzero.upper", part - t * hi, d.origin, ub=0.0, big_m=hi)
        builder.rows(f"{d.path}.nonzero.lower", part - t * lo, d.origin, lb=0.0, big_m=lo)
        builder.rows(f"{d.path}.nonzero.picked", t - _piece(self.picks, piece), d.origin, ub=0.0)
        return t

    def absolute(self, low: Lowering, polarity: Polarity) -> Affine:
        if self.decision.domain.is_finite:
            return (self.picks * np.abs(self.levels())).sum(axis=-1)
        return Encoding.absolute(self, low, polarity)

    def squared(self, low: Lowering, reason: Origin) -> Affine:
        if not self.decision.domain.is_finite:
            raise _no_squares(self.decision, reason)
        return (self.picks * self.levels() ** 2).sum(axis=-1)

    def each_value(self, low: Lowering, reason: Origin) -> tuple[Affine, FloatArray]:
        """The picks and the values that they stand for."""
        return self.picks, self.levels()

    def lift(self, x: FloatArray) -> FloatArray:
        picks = self.picks.value(x)
        chosen = picks.argmax(axis=-1)
        lo, hi = (np.array(ends)[chosen] for ends in zip(*self.pieces, strict=True))
        value = self.on_sides(np.clip(self.value.value(x), lo, hi), x)
        if self._nonzero is not None:
            value = np.where((lo <= 0.0) & (hi >= 0.0) & (self._nonzero.value(x) < 0.5), 0.0, value)
        return np.where(picks.sum(axis=-1) < 0.5, 0.0, value) + 0.0


@dataclass(slots=True, eq=False)
class IntegerEncoding(Encoding):
    """Evenly spaced values v, v + d, ...: w = v g + d k with an integer k in [0, (m - 1) g], g = 1 or the gate.

    k is one integer column or, where the weight multiplies activations, the sum of 2^b `bits`[..., b].
    """

    count: Affine
    bits: Affine | None
    _picks: Affine | None = field(default=None, init=False)

    def squared(self, low: Lowering, reason: Origin) -> Affine:
        """sum of v^2 p_v."""
        picks, values = self.each_value(low, reason)
        return (picks * values**2).sum(axis=-1)

    def each_value(self, low: Lowering, reason: Origin) -> tuple[Affine, FloatArray]:
        """One binary p_v for each value: sum p_v = g, sum v p_v = w; DiagnosticError NNM0313 where there are many."""
        d, builder = self.decision, low.builder
        values = np.array(d.domain.values)
        if len(values) > MOST_SQUARES:
            raise _no_squares(d, reason)
        if self._picks is None:
            gate = self.kept_or_one()

            def fill(x: FloatArray, choice: Choice) -> BoolArray:
                nearest = np.abs(choice[d.path][..., None] - values).argmin(axis=-1)
                chosen: BoolArray = (nearest[..., None] == np.arange(len(values))) & (gate.value(x)[..., None] > 0.5)
                return chosen

            picks = builder.binaries(f"{d.path}.value", (*d.shape, len(values)), d.origin, fill)
            builder.rows(f"{d.path}.value.one", picks.sum(axis=-1) - gate, d.origin, lb=0.0, ub=0.0)
            builder.rows(f"{d.path}.value.is", (picks * values).sum(axis=-1) - self.value, d.origin, lb=0.0, ub=0.0)
            self._picks = picks
        return self._picks, values

    def nonzero(self, low: Lowering, polarity: Polarity, reason: Origin) -> Affine:
        """t = p + n where p = 1 iff w is positive and n = 1 iff w is negative:

            w <= H p + N n        w >= L n + P p        p + n <= 1

        H, L: ends of the domain; P, N: its least positive and greatest negative value. Exact in both directions.
        """
        d = self.decision
        if not d.domain.has_zero:
            return self.kept_or_one()
        if self._nonzero is None:
            values = np.array(d.domain.values)
            above, below = values[values > 0], values[values < 0]
            # A sign that no value has gets no binary: with ends of 0 its rows would leave it free.
            p = self._sign(low, "positive", lambda v: v > 0) if len(above) else Affine.constant(np.zeros(d.shape))
            n = self._sign(low, "negative", lambda v: v < 0) if len(below) else Affine.constant(np.zeros(d.shape))
            hi, least = (above[-1], above[0]) if len(above) else (0.0, 0.0)
            lo, greatest = (below[0], below[-1]) if len(below) else (0.0, 0.0)
            builder, w = low.builder, self.value
            builder.rows(f"{d.path}.nonzero.upper", w - p * hi - n * greatest, d.origin, ub=0.0, big_m=hi)
            builder.rows(f"{d.path}.nonzero.lower", w - n * lo - p * least, d.origin, lb=0.0, big_m=lo)
            if len(above) and len(below):
                builder.rows(f"{d.path}.nonzero.sign", p + n, d.origin, ub=1.0)
            self._nonzero = p + n
        return self._nonzero

    def _sign(self, low: Lowering, name: str, holds: Callable[[FloatArray], BoolArray]) -> Affine:
        d = self.decision
        return low.builder.binaries(f"{d.path}.{name}", d.shape, d.origin, lambda x, choice: holds(choice[d.path]))

    def lift(self, x: FloatArray) -> FloatArray:
        values = np.array(self.decision.domain.values)
        picked = np.clip(np.round(self.count.value(x)).astype(np.int64), 0, len(values) - 1)
        kept = self.gate.value(x) > 0.5 if self.gate is not None else True
        return np.where(kept, values[picked], 0.0) + 0.0


def encode_decision(low: Lowering, decision: Decision, gate: Affine | None, multiplies: bool) -> Encoding:
    """Make the columns of a decision tensor; `gate` is a 0/1 tensor of its shape whose 0 removes an entry.

    `multiplies` says that the tensor multiplies activations, so that its values must be spelled out in binaries.
    """
    domain = decision.domain
    if domain.is_interval:
        return _encode_interval(low, decision, gate)
    step = domain.step
    if step is not None and len(domain.values) >= INTEGER_FROM:
        return _encode_integer(low, decision, gate, step, multiplies)
    return _encode_pieces(low, decision, gate)


def _encode_interval(low: Lowering, d: Decision, gate: Affine | None) -> IntervalEncoding:
    lo, hi = d.domain.lo, d.domain.hi
    ends = (min(lo, 0.0), max(hi, 0.0)) if gate is not None else (lo, hi)
    is_known = gate is not None and gate.is_constant
    low_end, high_end = (lo * gate.const, hi * gate.const) if gate is not None and is_known else ends
    w = low.builder.columns(d.path, d.shape, low_end, high_end, d.origin, lambda x, choice: choice[d.path])
    if gate is not None and not is_known:
        low.builder.rows(f"{d.path}.kept.upper", w - gate * hi, d.origin, ub=0.0, big_m=hi)
        low.builder.rows(f"{d.path}.kept.lower", w - gate * lo, d.origin, lb=0.0, big_m=lo)
    return IntervalEncoding(d, w, gate)


def _encode_integer(low: Lowering, d: Decision, gate: Affine | None, step: float, multiplies: bool) -> IntegerEncoding:
    first, top = d.domain.values[0], len(d.domain.values) - 1

    def index(x: FloatArray, choice: Choice) -> FloatArray:
        k = np.round((choice[d.path] - first) / step)
        return k if gate is None else np.where(gate.value(x) > 0.5, k, 0.0)

    bits = None
    if multiplies:
        powers = 2.0 ** np.arange(top.bit_length())
        bits = low.builder.binaries(
            f"{d.path}.bit",
            (*d.shape, len(powers)),
            d.origin,
            lambda x, choice: np.floor(index(x, choice)[..., None] / powers) % 2,
        )
        k = (bits * powers).sum(axis=-1)
        if gate is None and top + 1 < 2 ** len(powers):
            low.builder.rows(f"{d.path}.last", k, d.origin, ub=float(top))
    else:
        k = low.builder.columns(f"{d.path}.index", d.shape, 0.0, float(top), d.origin, index, integer=True)
    if gate is None:
        return IntegerEncoding(d, k * step + np.full(d.shape, first), None, k, bits)
    low.builder.rows(f"{d.path}.kept", k - gate * float(top), d.origin, ub=0.0, big_m=float(top))
    return IntegerEncoding(d, k * step + gate * first, gate, k, bits)


def _encode_pieces(low: Lowering, d: Decision, gate: Affine | None) -> PiecesEncoding:
    """Every piece but one reference gets a binary; the reference's pick is what is left of the gate."""
    pieces = tuple(sorted([*d.domain.intervals, *((v, v) for v in d.domain.values)]))
    reference = pieces.index((0.0, 0.0)) if (0.0, 0.0) in pieces else 0
    others = [i for i in range(len(pieces)) if i != reference]
    whole = gate if gate is not None else Affine.constant(np.ones(d.shape))
    lo, hi = (np.array(ends) for ends in zip(*pieces, strict=True))

    def chosen(x: FloatArray, choice: Choice) -> FloatArray:
        value = choice[d.path][..., None]
        distance = np.maximum(np.maximum(lo - value, value - hi), 0.0)
        picks = distance.argmin(axis=-1)[..., None] == np.arange(len(pieces))
        return np.where(whole.value(x)[..., None] > 0.5, picks, False)

    shape = (*d.shape, len(others))
    bits = low.builder.binaries(f"{d.path}.pick", shape, d.origin, lambda x, choice: chosen(x, choice)[..., others])
    if len(others) > 1 or gate is not None:
        low.builder.rows(f"{d.path}.one_pick", bits.sum(axis=-1) - whole, d.origin, ub=0.0)
    picks = _with_reference(bits, whole - bits.sum(axis=-1), reference, len(pieces))
    value = (picks * np.where(lo == hi, lo, 0.0)).sum(axis=-1)
    parts: dict[int, Affine] = {}
    for i in np.flatnonzero(lo < hi).tolist():
        pick = _piece(picks, i)

        def part(x: FloatArray, choice: Choice, i: int = i) -> FloatArray:
            return np.where(chosen(x, choice)[..., i], choice[d.path], 0.0)

        w = low.builder.columns(f"{d.path}.part{i}", d.shape, min(lo[i], 0.0), max(hi[i], 0.0), d.origin, part)
        low.builder.rows(f"{d.path}.part{i}.upper", w - pick * hi[i], d.origin, ub=0.0, big_m=hi[i])
        low.builder.rows(f"{d.path}.part{i}.lower", w - pick * lo[i], d.origin, lb=0.0, big_m=lo[i])
        parts[i] = w
        value = value + w
    return PiecesEncoding(d, value, gate, picks, pieces, parts)


def _with_reference(bits: Affine, rest: Affine, reference: int, count: int) -> Affine:
    """Insert `rest` [...] as entry `reference` of the last axis of `bits` [..., count - 1]."""
    shape = (*rest.shape, count)
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    others = [i for i in range(count) if i != reference]
    moved = Affine(np.zeros(shape), places[..., others].reshape(-1)[bits.entry], bits.column, bits.coef)
    filled = Affine(np.zeros(shape), places[..., reference].reshape(-1)[rest.entry], rest.column, rest.coef)
    const = np.zeros(shape)
    const[..., others] = bits.const
    const[..., reference] = rest.const
    return moved + filled + const


def _piece(picks: Affine, index: int) -> Affine:
    """Entry `index` of the last axis."""
    places = np.arange(picks.size).reshape(picks.shape)
    return picks.gather(np.ascontiguousarray(places[..., index]))


def _no_least_magnitude(d: Decision, reason: Origin) -> DiagnosticError:
    lo, hi = d.domain.lo, d.domain.hi
    least = min(0.05, *(abs(e) / 2 for e in (lo, hi) if e))
    parts = [f"[{lo:g}, {-least:g}]"] * (lo < 0) + ["{0}"] + [f"[{least:g}, {hi:g}]"] * (hi > 0)
    return DiagnosticError(
        [
            Diagnostic(
                "NNM0314",
                f"`{reason.span.text}` must be provable here, but `{d.path}` can be arbitrarily close to 0",
                reason.span,
                label="needs to know that a weight is not 0",
                secondary=(Label(d.origin.span, f"domain {d.domain}"),),
                help=f"give the domain a least magnitude: `{' | '.join(parts)}`",
            )
        ]
    )


def _no_squares(d: Decision, reason: Origin) -> DiagnosticError:
    message = f"`{reason.path}` can be minimised or bounded above only, since `{d.path}` has infinitely many values"
    if d.domain.is_finite:
        message = message.replace("infinitely many values", f"more than {MOST_SQUARES} values")
    secondary = (Label(d.origin.span, f"domain {d.domain}"),)
    help = "take a grid, such as `[-1, 1] step 1/8`, or `norm_1`"
    return DiagnosticError([Diagnostic("NNM0313", message, reason.span, secondary=secondary, help=help)])


def gate_of(low: Lowering, wiring: Wiring, decision: Decision) -> Affine | None:
    """The gate of every entry of a decision: 0 where the unit it enters, the unit it leaves or its channel is removed.

    Where several of them can be removed the gate is their conjunction, y <= g_i, y >= sum of g_i - (k - 1) (exact, and
    y may be continuous because the k gates are binary).
    """
    units = _gates(low, wiring)
    found = {
        "target": _target_gate(units, wiring, decision),
        "source": _source_gate(units, wiring, decision),
        "channel": _channel_gate(low, wiring, decision),
    }
    gates = {name: gate for name, gate in found.items() if gate is not None}
    if len(gates) < 2:
        return next(iter(gates.values()), None)
    path, origin = f"{decision.path}.kept", decision.origin

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(np.prod([gate.value(x) for gate in gates.values()], axis=0))

    every = low.builder.columns(path, decision.shape, 0.0, 1.0, origin, fill)
    for name, gate in gates.items():
        low.builder.rows(f"{path}.{name}", every - gate, origin, ub=0.0)
    total = add_up(list(gates.values()), decision.shape)
    low.builder.rows(f"{path}.both", every - total, origin, lb=1.0 - len(gates))
    return every


Gates = tuple[Affine, BoolArray]
"""For every unit its keep binary, 1 where it has none, and a 1 behind them; and which of these are binaries."""


def _target_gate(gates: Gates, wiring: Wiring, decision: Decision) -> Affine | None:
    """The gate of the unit that every entry of a decision leads into; None where none can be removed."""
    keep, can_go = gates
    layer = next(layer for layer in wiring.network.layers if decision in layer.decisions)
    rows = wiring.rows(layer).reshape(-1, *(1,) * (len(decision.shape) - 1))
    if not can_go[rows].any():
        return None
    return keep.gather(np.ascontiguousarray(np.broadcast_to(rows, decision.shape)))


def _source_gate(gates: Gates, wiring: Wiring, decision: Decision) -> Affine | None:
    """The gate of the unit that every entry of a decision reads; None where none can be removed."""
    keep, can_go = gates
    if decision.path not in wiring.reads:
        return None
    reads = wiring.reads[decision.path].reshape(decision.shape)
    source = np.where(reads >= 0, reads, wiring.count)
    return keep.gather(source) if can_go[source].any() else None


def _channel_gate(low: Lowering, wiring: Wiring, decision: Decision) -> Affine | None:
    """The gate of the channel that every weight reads; None where channels cannot be removed.

    One binary for each channel, which nothing but the weights reads: a channel is removed where all of them are 0.
    """
    layer = next(layer for layer in wiring.network.layers if decision in layer.decisions)
    if layer.prune != CHANNELS or decision.role != "weights":
        return None
    channels = layer.channels
    count = int(channels.max()) + 1

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        busy = channels[choice[decision.path] != 0]
        return (np.bincount(busy, minlength=count) > 0).astype(np.float64)

    kept = low.builder.binaries(f"{layer.path}.channels.kept", (count,), layer.origin, fill)
    return kept.gather(np.ascontiguousarray(channels))


def _gates(low: Lowering, wiring: Wiring) -> Gates:
    parts: list[Affine] = []
    # Which of the parts is the gate of every unit, and which entry of it; the innermost choice counts.
    part, entry = np.full(wiring.count + 1, -1), np.zeros(wiring.count + 1, dtype=np.int64)
    optional = [layer for layer in reversed(wiring.network.layers) if layer.skip is not None]
    for layer in [*optional, *(layer for layer in wiring.network.layers if layer.removes_units)]:
        units = wiring.block_units(layer) if layer.skip is not None else wiring.units(layer.name)
        part[units] = len(parts)
        entry[units] = 0 if layer.skip is not None else np.arange(len(units))
        parts.append(low.kept[layer.path].reshape((-1,)))
    scattering = [(np.flatnonzero(part == k), gate.gather(entry[part == k])) for k, gate in enumerate(parts)]
    rest = np.flatnonzero(part < 0)
    return scattered([*scattering, (rest, Affine.constant(np.ones(len(rest))))], (wiring.count + 1,)), part >= 0
