"""Which units a network treats alike: permuted, with their weights in and out, they leave its result as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from nnmip.hir.core import Decision, IntArray, Layer, Network
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.ops.base import Connections
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

TABLES = ("decisions", "tensors", "slices", "kept")


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Units of one layer with weights that can change places, with flat positions of what goes with each of them.

    Every table has a row for each unit, in the order of `units` (rows of `producer`), and the entries of two units in
    one column take each other's place. `layer` is where the units are shown: their last activation.

    decisions: by path, what leads into each unit and what it is multiplied by, [units, m]. tensors: by the name of a
    layer, the entries made from each unit, [units, m]. slices: the same along the first axis, where it has whole units.
    kept: by the path of a layer with `prune`, the place of each unit there, [units, 1].
    """

    network: Network
    producer: Layer
    layer: Layer
    units: IntArray
    decisions: Mapping[str, IntArray]
    tensors: Mapping[str, IntArray]
    slices: Mapping[str, IntArray]
    kept: Mapping[str, IntArray]

    def only(self, chosen: IntArray) -> Alike:
        """Some of the units, by their positions in `units`."""

        def some(tables: Mapping[str, IntArray]) -> Mapping[str, IntArray]:
            return {name: table[chosen] for name, table in tables.items()}

        return replace(
            self,
            units=self.units[chosen],
            decisions=some(self.decisions),
            tensors=some(self.tensors),
            slices=some(self.slices),
            kept=some(self.kept),
        )

    @property
    def key(self) -> tuple[Decision, IntArray]:
        """The decision that can order the units, its bias or else its first weight, with each unit's place in it."""
        decision = self.producer.decision("bias") or self.producer.decision("weights")
        assert decision is not None
        return decision, self.decisions[decision.path][:, 0]


def alike_units(network: Network) -> list[Alike]:
    """Sets of two or more units that the layers of a network treat alike, none of which reaches the result, or a mix
    with other units, without passing a weight.

    Every entry of a tensor that is made from one unit has a *form*: a number that says how it is made from what the
    unit gives. Units are alike that read the same entries, and whose own entries have the same forms in every tensor
    and at every row of the weights that multiply them.
    """
    wiring, forms = wiring_of(network), _forms(network)
    found = []
    for producer in network.layers:
        if producer.name in wiring.first:
            found.extend(_of_layer(wiring, forms, producer))
    return found


# ---- forms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Forms:
    """The form of every entry of every tensor, flat; and of every weight, by its path: how all that it multiplies is
    made, [units, k]."""

    tensors: Mapping[str, IntArray]
    weights: Mapping[str, IntArray]


def _forms(network: Network) -> _Forms:
    shapes = {network.input_name: network.input_shape}
    tensors = {network.input_name: np.arange(int(np.prod(network.input_shape, dtype=np.int64)))}
    weights: dict[str, IntArray] = {}
    count = len(tensors[network.input_name])
    for layer in network.layers:
        op, options = LAYERS[layer.op], dict(layer.options)
        source = np.concatenate([tensors[name] for name in layer.inputs])
        if op.connect is None:
            entries = op.entries(tuple(shapes[name] for name in layer.inputs), options)
            made = distinct(_picked(source, entries))
        else:
            connections = op.connect(shapes[layer.inputs[0]], options)
            kinds, kind = np.unique(connections.source.reshape(connections.units, -1), axis=0, return_inverse=True)
            made = (kind[:, None] * connections.per_unit + np.arange(connections.per_unit)).reshape(-1)
            weights[f"{layer.path}.weights"] = _of_weights(connections, kinds, source)[kind]
        tensors[layer.name] = count + made
        count += int(made.max(initial=-1)) + 1
        shapes[layer.name] = layer.shape
    return _Forms(tensors, weights)


def _picked(source: IntArray, entries: IntArray) -> IntArray:
    return np.where(entries >= 0, source[entries], -1)


def _of_weights(connections: Connections, kinds: IntArray, source: IntArray) -> IntArray:
    """The forms of the weights of a row of each kind, [kinds, k]: what each multiplies at all outputs of the row."""
    read = _picked(source, kinds).reshape(len(kinds), connections.per_unit, -1).transpose(0, 2, 1)
    return distinct(read)


def distinct(rows: IntArray) -> IntArray:
    """The position of every row of the last axis among the distinct ones."""
    width = rows.shape[-1]
    if not width or not rows.size:
        return np.zeros(rows.shape[:-1], dtype=np.int64)
    return np.unique(rows.reshape(-1, width), axis=0, return_inverse=True)[1].reshape(rows.shape[:-1])


# ---- sets of units ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """What goes with each unit of a layer in one tensor or decision.

    table: the table of `Alike` that it is for, under `name`. form: of every entry there. places: of the entries that
    belong to units, sorted by unit, then by form. count: how many each unit has.
    """

    table: str
    name: str
    form: IntArray
    places: IntArray
    count: IntArray

    @staticmethod
    def of(table: str, name: str, owner: IntArray, form: IntArray, rows: IntArray) -> _Column:
        """Of the units `rows`, from the owner and the form of every entry, flat."""
        at = np.flatnonzero(np.isin(owner, rows))
        unit = owner[at] - rows[0]
        return _Column(table, name, form, at[np.lexsort((form[at], unit))], np.bincount(unit, minlength=len(rows)))

    def of_units(self, units: IntArray) -> IntArray:
        """The places of some units that have equally many, [units, count]."""
        start = np.cumsum(self.count) - self.count
        found: IntArray = self.places[start[units][:, None] + np.arange(self.count[units[0]])]
        return found

    def refined(self, kind: IntArray) -> IntArray:
        """The kind of every unit, where units of one kind have the same forms here too."""
        among = np.zeros_like(kind)
        for size in sorted(set(self.count.tolist())):
            units = np.flatnonzero(self.count == size)
            among[units] = distinct(self.form[self.of_units(units)])
        return distinct(np.stack([kind, self.count, among], axis=-1))


def _of_layer(wiring: Wiring, forms: _Forms, producer: Layer) -> list[Alike]:
    """The sets of alike units of a layer with weights."""
    rows = wiring.rows(producer)
    columns = [c for c in _columns(wiring, forms, producer) if len(c.places)]
    kind = np.where(wiring.passes_on[rows], np.arange(len(rows)), -1)
    for column in columns:
        kind = column.refined(kind)
    found = []
    for same in range(int(kind.max()) + 1):
        units = np.flatnonzero(kind == same)
        if len(units) > 1:
            tables: dict[str, dict[str, IntArray]] = {name: {} for name in TABLES}
            for column in columns:
                tables[column.table][column.name] = column.of_units(units)
            found.append(Alike(wiring.network, producer, wiring.shown(producer), units, **tables))
    return found


def _columns(wiring: Wiring, forms: _Forms, producer: Layer) -> Iterator[_Column]:
    """Everything that goes with the units of a layer."""
    rows = wiring.rows(producer)
    for decision in producer.decisions:
        width = decision.size // len(rows)
        yield _Column.of("decisions", decision.path, np.repeat(rows, width), np.tile(np.arange(width), len(rows)), rows)
    for path, reads in wiring.reads.items():
        form = forms.weights[path]
        # The rows of what reads the units stay where they are.
        row = np.arange(len(form))[:, None] * (form.max(initial=0) + 1)
        yield _Column.of("decisions", path, reads.reshape(-1), (row + form).reshape(-1), rows)
    for layer in wiring.network.layers:
        form, units = forms.tensors[layer.name], wiring.units(layer.name)
        yield _Column.of("tensors", layer.name, wiring.owner[layer.name].reshape(-1), form, rows)
        yield _Column.of("slices", layer.name, units, distinct(form.reshape(len(units), -1)), rows)
        if layer.removes_units:
            yield _Column.of("kept", layer.path, units, np.zeros(len(units), dtype=np.int64), rows)
