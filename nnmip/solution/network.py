"""A trained network that stands on its own: structure, weights, scaling and label codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip import display
from nnmip.data import Dataset, InputColumn, Scaling
from nnmip.data.columns import feature_rows
from nnmip.hir.core import Assignment, Decision, Layer, Network, Program, Shape
from nnmip.hir.domain import Domain
from nnmip.hir.evaluate import result
from nnmip.hir.known import Smoothed
from nnmip.ops.base import Option, ShapeMismatch, Task
from nnmip.ops.registry import LAYERS
from nnmip.ops.scores import predicted_codes
from nnmip.records import dataclass
from nnmip.sema.values import MOST_AXES
from nnmip.solution.metrics import coding_of, names_of, tasks
from nnmip.source import Origin, SourceFile, Span

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrainedNetwork:
    """A network with numbers for weights.

    inputs: how the features are read from the columns of a table (empty where no table names them).
    coding: (label text, code) pairs of a classifier, empty otherwise. targets: names of the outputs of a regression,
    empty otherwise; target_columns: their names in the file. smoothed: what stands for smooth functions in a network of
    another tool; all that is predicted is what the curves give.
    """

    network: Network
    assignment: Assignment
    scaling: Scaling | None
    inputs: tuple[InputColumn, ...]
    label: str | None
    label_column: str | None
    coding: tuple[tuple[str, float], ...]
    targets: tuple[str, ...] = ()
    target_columns: tuple[str, ...] = ()
    smoothed: Smoothed | None = None

    def __repr__(self) -> str:
        return f"<{self._in_words()}>"

    def _repr_html_(self) -> str:
        """For notebooks: the weights layer by layer, in scaled units."""
        biases = self.biases
        rows = [(n, _numbers(w), _numbers(biases[n]) if n in biases else "-") for n, w in self.weights.items()]
        return display.caption(self._in_words()) + display.table(rows, ("layer", "weights", "bias"))

    def _in_words(self) -> str:
        source = display.shortened(", ".join(self.features) or self.network.input_name)
        chain = " -> ".join([source, *(f"{la.name} ({la.op}, {la.units})" for la in self.network.layers)])
        weights = list(self.weights.values())
        nonzero, total = sum(int(np.count_nonzero(w)) for w in weights), sum(w.size for w in weights)
        end = f"; the scores before a {self.network.squashed_by}" if self.network.squashed_by else ""
        end += f"; {self.smoothed}" if self.smoothed is not None else ""
        return f"TrainedNetwork {self.name}: {chain}; {nonzero} of {total} weights nonzero{end}"

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the inputs of the network; empty where no table names them."""
        return tuple(name for column in self.inputs for name in column.names)

    def rows(self, X: Any) -> FloatArray:
        """The features of rows in the user's units, as numbers; shape (n, features).

        X is a data frame (or a mapping) with the columns of the table, or an array: of the features, or of the columns
        of the table in the order of the model, where categories are still texts. Raises ValueError for another shape,
        for values that are not finite, and for a missing column or an unknown category.
        """
        return feature_rows(X, self.inputs, int(np.prod(self.network.input_shape)))

    def scores(self, X: Any) -> FloatArray:
        """The network's result for rows X in the user's units (see `rows`); shape (n, *output)."""
        rows = self.rows(X)
        scaled = self.scaling.apply(rows) if self.scaling is not None else rows
        return result(self.network, self.assignment, scaled.reshape(len(rows), *self.network.input_shape))

    def predict(self, X: Any) -> NDArray[Any]:
        """Predictions for rows X in the user's units (see `rows`), shape (n,).

        One score predicts +1 where it is at least 0, else -1; several scores predict the lowest index of the largest.
        Where the labels have names the names are given; labels that share a code are joined by `or`. A regression
        gives its outputs, in the units of the targets: shape (n,) for one target, (n, m) for m.
        """
        scores = self.scores(X)
        if self.targets:
            return scores.reshape(len(scores)) if len(self.targets) == 1 else scores
        codes = predicted_codes(scores.reshape(len(scores), -1) if scores.ndim > 1 else scores)
        if not self.coding:
            return codes if scores.ndim == 1 else codes.astype(np.int64)
        names = self.class_names
        return np.array([names.get(code, f"{code:g}") for code in codes])

    def compact(self) -> TrainedNetwork:
        """The same network with removed and unused parts cut out: smaller weights, fewer units."""
        from nnmip.solution.compact import compacted

        return compacted(self)

    def to_onnx(self, path: str | Path) -> None:
        """Write the network, with removed parts cut out, as an ONNX model that reads features in the user's units.

        Its input has shape [rows, *input], its outputs are `score` [rows, *output] and, where labels have names,
        `prediction` [rows]; float64, with convolutions and average pools in float32. Raises ImportError with the
        command that installs the package onnx, OSError where the file cannot be written.
        """
        from nnmip.formats.atomic import atomic_file
        from nnmip.solution.onnx import onnx_bytes

        content = onnx_bytes(self)
        with atomic_file(Path(path)) as stream:
            stream.write(content)

    @property
    def class_names(self) -> dict[float, str]:
        """What each label code stands for; labels that share a code are joined by `or`."""
        return names_of(self.coding)

    def outside(self, X: Any) -> NDArray[np.bool_]:
        """Whether each row of X, in the user's units (see `rows`), is outside the declared input domain; shape (n,).

        The proof of the network says nothing about such rows.
        """
        rows = self.rows(X)
        scaled = self.scaling.apply(rows) if self.scaling is not None else rows
        return np.asarray((self.network.input_domain.distance(scaled) > 1e-9).any(axis=1))

    @property
    def weights(self) -> dict[str, FloatArray]:
        """Weights by layer name, in scaled units."""
        return self._role("weights")

    @property
    def biases(self) -> dict[str, FloatArray]:
        """Biases by layer name, in scaled units."""
        return self._role("bias")

    def _role(self, role: str) -> dict[str, FloatArray]:
        found = ((layer.name, layer.decision(role)) for layer in self.network.layers)
        return {name: self.assignment.values[d.path] for name, d in found if d is not None}


def _numbers(array: FloatArray) -> str:
    """The entries of an array to six digits, of a large one in part."""
    return np.array2string(array + 0.0, precision=6, threshold=200)


def trained_network(program: Program, network: Network, assignment: Assignment) -> TrainedNetwork:
    """Pair a network of a program with its values and with the table that names its inputs."""
    data: Dataset | None = program.data_of(network.name)
    wanted = tasks(program, network.name)
    is_regression = wanted[:1] == (Task.VALUES,)
    return TrainedNetwork(
        network=network,
        assignment=assignment,
        scaling=data.scaling if data is not None else None,
        inputs=data.inputs if data is not None else (),
        label=data.label_name if data is not None else None,
        label_column=data.label_column if data is not None else None,
        coding=coding_of(data) if data is not None and not is_regression else (),
        targets=data.target_names if data is not None and is_regression else (),
        target_columns=data.target_columns if data is not None and is_regression else (),
    )


def to_json(trained: TrainedNetwork) -> dict[str, object]:
    """Everything but the arrays, which are saved apart as `<layer>.<role>` and `<layer>.kept`."""
    network = trained.network
    return {
        "name": network.name,
        "input": {
            "name": network.input_name,
            "shape": list(network.input_shape),
            "domain": {
                "intervals": [list(ends) for ends in network.input_domain.intervals],
                "values": list(network.input_domain.values),
            },
        },
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "inputs": list(layer.inputs),
                "options": dict(layer.options),
                "decisions": {d.role: list(d.shape) for d in layer.decisions},
                "shape": list(layer.shape),
            }
            for layer in network.layers
        ],
        "result": {
            "layer": network.result_layer,
            "index": network.result_index.reshape(-1).tolist(),
            "shape": list(network.result_index.shape),
        },
        "features": list(trained.features),
        "inputs": [column.to_json() for column in trained.inputs],
        "label": trained.label,
        "label_column": trained.label_column,
        "coding": [[text, code] for text, code in trained.coding],
        "targets": list(trained.targets),
        "target_columns": list(trained.target_columns),
        "scaling": trained.scaling.to_json() if trained.scaling is not None else None,
    }


def arrays_of(trained: TrainedNetwork) -> dict[str, NDArray[Any]]:
    """The arrays to save, by path such as `clf.h.weights` and `clf.a.kept`."""
    paths = {d.path for d in trained.network.decisions}
    arrays: dict[str, NDArray[Any]] = {p: trained.assignment.values[p] for p in sorted(paths)}
    for layer in trained.network.layers:
        if layer.path in trained.assignment.kept:
            arrays[f"{layer.path}.kept"] = trained.assignment.kept[layer.path]
    return arrays


def is_numeric(array: NDArray[Any]) -> bool:
    """Whether an array holds finite real numbers."""
    return array.dtype.kind in "fiu" and bool(np.isfinite(array).all())


def from_json(data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TrainedNetwork:
    """The inverse of `to_json` and `arrays_of`, for files that anybody may have written: whatever does not describe a
    network that can be evaluated raises KeyError, TypeError, ValueError, AttributeError or OverflowError."""
    network = _network(data, arrays)
    values = {d.path: np.asarray(arrays[d.path], dtype=np.float64) for d in network.decisions}
    kept = {la.path: arrays[f"{la.path}.kept"] for la in network.layers if f"{la.path}.kept" in arrays}
    for layer in network.layers:
        mask = kept.get(layer.path)
        if mask is not None and (mask.shape != (layer.units,) or mask.dtype.kind != "b"):
            raise ValueError(f"`{layer.path}.kept` is not a mask of its units")
    width = int(np.prod(network.input_shape))
    scaling = Scaling.from_json(data["scaling"]) if data["scaling"] is not None else None
    inputs = tuple(InputColumn.from_json(entry) for entry in data["inputs"])
    features = tuple(name for column in inputs for name in column.names)
    if len(features) not in (0, width) or features != _texts(data["features"]):
        raise ValueError(f"{width} features are needed, as many as `inputs` has names for")
    if scaling is not None and len(scaling.kinds) != width:
        raise ValueError("`scaling` has another number of columns")
    label, label_column = (None if data[key] is None else _text(data[key]) for key in ("label", "label_column"))
    coding = tuple((_text(text), _finite(code)) for text, code in data["coding"])
    targets = _texts(data["targets"])
    if targets and len(targets) != network.result_index.size:
        raise ValueError(f"{network.result_index.size} outputs are returned, {len(targets)} targets are named")
    columns = _texts(data.get("target_columns", data["targets"]))
    if len(columns) != len(targets):
        raise ValueError(f"{len(targets)} targets have {len(columns)} columns")
    assignment = Assignment(values, kept)
    return TrainedNetwork(network, assignment, scaling, inputs, label, label_column, coding, targets, columns)


def _network(data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Network:
    name = _text(data["name"])
    origin = Origin(Span(SourceFile(name, ""), 0, 0), name)
    source = _text(data["input"]["name"])
    shapes = {source: _shape(data["input"]["shape"])}
    domain = data["input"]["domain"]
    input_domain = Domain.of(
        [_ordered(_finite(lo), _finite(hi)) for lo, hi in domain["intervals"]], [_finite(v) for v in domain["values"]]
    )
    layers = []
    for entry in data["layers"]:
        layer = _layer(name, entry, shapes, arrays, origin)
        shapes[layer.name] = layer.shape
        layers.append(layer)
    last = _text(data["result"]["layer"])
    shape = _shape(data["result"]["shape"])
    index = np.array([_whole(i) for i in data["result"]["index"]], dtype=np.int64)
    if (
        last == source
        or len(index) != int(np.prod(shape))
        or not ((index >= 0) & (index < np.prod(shapes[last]))).all()
    ):
        raise ValueError("`result` does not pick entries of a layer")
    return Network(name, source, shapes[source], input_domain, tuple(layers), last, index.reshape(shape), origin)


def _layer(
    network: str,
    entry: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    arrays: Mapping[str, NDArray[Any]],
    origin: Origin,
) -> Layer:
    """A layer whose shapes agree with those before it, by the rule of the layer table."""
    name, op = _text(entry["name"]), LAYERS.get(_text(entry["op"]))
    path, inputs = f"{network}.{name}", _texts(entry["inputs"])
    if op is None or name in shapes or not inputs or not set(inputs) <= set(shapes):
        raise ValueError(f"layer `{name}` is not one that this version knows")
    options = {o.name: _option(o, entry["options"][o.name]) for o in op.options}
    try:
        inferred = op.infer(tuple(shapes[i] for i in inputs), options)
    except ShapeMismatch as error:
        raise ValueError(f"layer `{name}`: {error}") from None
    required = {d.name for d in op.domains if d.required}
    roles = set(entry["decisions"])
    if not required <= roles <= set(inferred.decisions) or _shape(entry["shape"]) != inferred.output:
        raise ValueError(f"layer `{name}` does not fit its inputs")
    decisions = []
    for role in inferred.decisions:
        if role not in roles:
            continue
        array = arrays[f"{path}.{role}"]
        if array.shape != inferred.decisions[role] or not is_numeric(array):
            raise ValueError(f"`{path}.{role}` is not {list(inferred.decisions[role])} finite numbers")
        ends = (float(array.min(initial=0.0)), float(array.max(initial=0.0)))
        decisions.append(Decision(f"{path}.{role}", role, array.shape, Domain.of([ends]), origin))
    return Layer(name, path, op.name, inputs, tuple(decisions), tuple(options.items()), inferred.output, None, origin)


def _option(option: Option, value: object) -> object:
    if option.kind == "choice":
        if value not in option.choices:
            raise ValueError(f"`{option.name}` is not one of {', '.join(option.choices)}")
        return value
    if value is None and not option.required and option.default is None:
        return None
    if option.kind in ("pair", "sizes"):
        numbers = _shape(value)
        if (option.kind == "pair" and len(numbers) != 2) or any(n < option.least for n in numbers):
            raise ValueError(f"`{option.name}` is not {option.kind} of whole numbers from {option.least:g} on")
        return numbers
    if option.kind == "numbers":
        if not isinstance(value, list):
            raise ValueError(f"`{option.name}` is not a list of numbers")
        return tuple(_finite(number) for number in value)
    number = _whole(value) if option.kind == "int" else _finite(value)
    if not option.least <= number <= option.most:
        raise ValueError(f"`{option.name}` is not from {option.least:g} to {option.most:g}")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not a text")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{values!r:.40} is not a list of texts")
    return tuple(_text(v) for v in values)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{value!r:.40} is not a size or a position")
    return value


def _shape(values: object) -> Shape:
    if not isinstance(values, list) or len(values) > MOST_AXES:
        raise ValueError(f"{values!r:.40} is not a shape")
    return tuple(_whole(v) for v in values)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise ValueError(f"{value!r:.40} is not a finite number")
    return float(value)


def _ordered(low: float, high: float) -> tuple[float, float]:
    if low > high:
        raise ValueError(f"[{low:g}, {high:g}] is not an interval")
    return low, high
