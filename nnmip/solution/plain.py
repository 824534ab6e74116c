"""A multi-layer perceptron from the arrays of an NPZ file, named as `solve --save` names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.data.arrays import read_npz
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Decision, Layer, Network
from nnmip.hir.domain import Domain
from nnmip.hir.known import KnownNetwork
from nnmip.ops.registry import LAYERS
from nnmip.sema.values import fail, listed
from nnmip.sizes import Allowance
from nnmip.source import Origin

ROLES = ("weights", "bias")
ENTRYWISE = tuple(name for name, op in LAYERS.items() if op.prune and all(not o.required for o in op.options))
"""The layers that can stand between two dense ones."""


def read_plain(path: Path, activation: str, name: str, origin: Origin, allowance: Allowance) -> KnownNetwork:
    """The network of the arrays `LAYER.weights` [units, inputs] and `LAYER.bias` [units] in the order of the file, with
    an activation behind every layer but the last. A name in front, as in `clf.h.weights`, says nothing.

    Raises DiagnosticError: NNM0501 for a file that is no NPZ archive of plain arrays, NNM0310 for one that is too
    large, NNM0616 for arrays that are no such network, NNM0203 for an activation that is not there.
    """
    span = origin.span
    if activation not in ENTRYWISE:
        help = f"the activations are {listed(ENTRYWISE, len(ENTRYWISE))}"
        raise fail("NNM0203", f"no activation is called `{activation}`", span, help=help)
    found = read_npz(path, span, lambda headers: headers, allowance=allowance)
    layers: list[Layer] = []
    values: dict[str, NDArray[np.float64]] = {}
    try:
        dense = _grouped(found)
        width = int(dense[next(iter(dense))]["weights"].shape[1])
        before, size = "x", width
        for place, (layer, arrays) in enumerate(dense.items()):
            made = _dense(f"{name}.{layer}", layer, before, size, arrays, origin)
            layers.append(made)
            values |= {d.path: np.asarray(arrays[d.role], dtype=np.float64) for d in made.decisions}
            before, size = layer, made.units
            if place + 1 < len(dense):
                before = f"{layer}_{activation}"
                options = tuple((o.name, o.default) for o in LAYERS[activation].options)
                path_of = f"{name}.{before}"
                layers.append(Layer(before, path_of, activation, (layer,), (), options, (size,), None, origin))
    except _Unfit as error:
        raise _unusable(path, str(error), origin) from None
    index = np.arange(size) if size > 1 else np.array(0)
    network = Network(name, "x", (width,), Domain.everything(), tuple(layers), layers[-1].name, index, origin)
    return KnownNetwork(network, Assignment(values, {}), (), None, ())


class _Unfit(Exception):
    """Why arrays are no network."""


def _grouped(found: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """The arrays by layer and role, in the order of the file."""
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in found.items():
        *_, layer, role = ["", *name.split(".")]
        if not layer or role not in ROLES:
            raise _Unfit(f"the array `{name}` is neither `LAYER.weights` nor `LAYER.bias`")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise _Unfit(f"`{name}` has entries that are not finite numbers")
        layers.setdefault(layer, {})[role] = array
    if not layers:
        raise _Unfit("it has no arrays")
    for layer, arrays in layers.items():
        weights = arrays.get("weights")
        if weights is None or weights.ndim != 2 or 0 in weights.shape:
            raise _Unfit(f"layer `{layer}` has no matrix `{layer}.weights` [units, inputs]")
    return layers


def _dense(path: str, name: str, before: str, size: int, arrays: Mapping[str, NDArray[Any]], origin: Origin) -> Layer:
    units, inputs = arrays["weights"].shape
    if inputs != size:
        raise _Unfit(f"`{name}.weights` reads {inputs} entries, and `{before}` has {size}")
    if "bias" in arrays and arrays["bias"].shape != (units,):
        raise _Unfit(f"`{name}.bias` has the shape {list(arrays['bias'].shape)}, and `{name}` has {units} units")
    decisions = []
    for role in ROLES:
        if role in arrays:
            ends = (float(arrays[role].min(initial=0.0)), float(arrays[role].max(initial=0.0)))
            decisions.append(Decision(f"{path}.{role}", role, arrays[role].shape, Domain.of([ends]), origin))
    return Layer(name, path, "dense", (before,), tuple(decisions), (("units", units),), (units,), None, origin)


def _unusable(path: Path, why: str, origin: Origin) -> DiagnosticError:
    help = "save `LAYER.weights` [units, inputs] and `LAYER.bias` [units] in the order of the layers"
    return fail("NNM0616", f"`{path.name}`: {why}", origin.span, help=help)
