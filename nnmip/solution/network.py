"""A trained network that stands on its own: structure, weights, scaling and label codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnmip.data import Dataset, Scaling, no_scaling
from nnmip.hir.core import Assignment, Decision, Layer, Network, Program
from nnmip.hir.domain import Domain
from nnmip.hir.evaluate import result
from nnmip.ops.registry import LAYERS
from nnmip.source import Origin, SourceFile, Span

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetwork:
    """A network with numbers for weights.

    features: names of the inputs in the model, and `columns` those in the file (both empty where no table names them).
    coding: (label text, code) pairs of a classifier, empty otherwise.
    """

    network: Network
    assignment: Assignment
    scaling: Scaling | None
    features: tuple[str, ...]
    columns: tuple[str, ...]
    label: str | None
    coding: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        return self.network.name

    def scores(self, X: ArrayLike) -> FloatArray:
        """The network's result for rows X of shape (n, features) in the user's units; shape (n, *output)."""
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        width = int(np.prod(self.network.input_shape))
        if rows.shape[1:] != (width,):
            raise ValueError(f"rows of {width} features are needed, got shape {np.shape(X)}")
        scaled = self.scaling.apply(rows) if self.scaling is not None else rows
        return result(self.network, self.assignment, scaled.reshape(-1, *self.network.input_shape))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predictions for rows X (n, features) in the user's units, shape (n,).

        A network with one score and coded labels gives label texts: +1 where the score is at least 0, else -1. Without
        coding the codes are given, and a network with several scores gives the lowest index of the largest.
        """
        scores = self.scores(X)
        if scores.ndim > 1:
            return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1))
        codes = np.where(scores >= 0.0, 1.0, -1.0)
        if not self.coding:
            return codes
        texts = {code: text for text, code in reversed(self.coding)}
        return np.array([texts.get(code, f"{code:g}") for code in codes])

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


def trained_network(program: Program, network: Network, assignment: Assignment) -> TrainedNetwork:
    """Pair a network of a program with its values and with the table that names its inputs."""
    data: Dataset | None = program.data_of(network.name)
    return TrainedNetwork(
        network=network,
        assignment=assignment,
        scaling=data.scaling if data is not None else None,
        features=data.feature_names if data is not None else (),
        columns=data.feature_columns if data is not None else (),
        label=data.label_name if data is not None else None,
        coding=data.coding or () if data is not None else (),
    )


def to_json(trained: TrainedNetwork) -> dict[str, object]:
    """Everything but the arrays, which are saved apart as `<layer>.<role>` and `<layer>.kept`."""
    network = trained.network
    return {
        "name": network.name,
        "input": {"name": network.input_name, "shape": list(network.input_shape)},
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
        "columns": list(trained.columns),
        "label": trained.label,
        "coding": [[text, code] for text, code in trained.coding],
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


def from_json(data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TrainedNetwork:
    """The inverse of `to_json` and `arrays_of`. Raises KeyError, TypeError or ValueError for anything else."""
    name = str(data["name"])
    origin = Origin(Span(SourceFile(name, ""), 0, 0), name)
    layers = tuple(_layer(name, entry, arrays, origin) for entry in data["layers"])
    shape = tuple(int(n) for n in data["result"]["shape"])
    network = Network(
        name=name,
        input_name=str(data["input"]["name"]),
        input_shape=tuple(int(n) for n in data["input"]["shape"]),
        input_domain=Domain.of([(-1e300, 1e300)]),
        layers=layers,
        result_layer=str(data["result"]["layer"]),
        result_index=np.array(data["result"]["index"], dtype=np.int64).reshape(shape),
        origin=origin,
    )
    values = {d.path: np.asarray(arrays[d.path], dtype=np.float64) for d in network.decisions}
    kept = {la.path: np.asarray(arrays[f"{la.path}.kept"]) > 0 for la in layers if f"{la.path}.kept" in arrays}
    scaling = Scaling.from_json(data["scaling"]) if data["scaling"] is not None else no_scaling(network.input_shape[0])
    return TrainedNetwork(
        network,
        Assignment(values, kept),
        scaling,
        tuple(str(f) for f in data["features"]),
        tuple(str(c) for c in data["columns"]),
        data["label"],
        tuple((str(text), float(code)) for text, code in data["coding"]),
    )


def _layer(network: str, entry: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], origin: Origin) -> Layer:
    path = f"{network}.{entry['name']}"
    if entry["op"] not in LAYERS:
        raise ValueError(f"unknown layer `{entry['op']}`")
    decisions = []
    for role, shape in entry["decisions"].items():
        array = np.asarray(arrays[f"{path}.{role}"], dtype=np.float64)
        if array.shape != tuple(shape) or not np.isfinite(array).all():
            raise ValueError(f"`{path}.{role}` is not an array of finite numbers of shape {list(shape)}")
        ends = (float(array.min(initial=0.0)), float(array.max(initial=0.0)))
        decisions.append(Decision(f"{path}.{role}", role, array.shape, Domain.of([ends]), origin))
    return Layer(
        name=str(entry["name"]),
        path=path,
        op=str(entry["op"]),
        inputs=tuple(str(i) for i in entry["inputs"]),
        decisions=tuple(decisions),
        options=tuple(entry["options"].items()),
        shape=tuple(int(n) for n in entry["shape"]),
        prune=None,
        origin=origin,
    )
