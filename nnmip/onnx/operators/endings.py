"""What stands at the end of a network: monotone functions of the scores, and classifiers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.onnx.curves import OVER_GROUPS, curve_of, opposite
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rules, places_of, shape_of
from nnmip.onnx.views import Squashed, Value, View
from nnmip.ops.functions import FUNCTIONS


def _softmax(scores: FloatArray) -> FloatArray:
    """Over all scores of a row."""
    flat = scores.reshape(len(scores), -1)
    powers = np.exp(flat - flat.max(axis=1, keepdims=True))
    return np.asarray((powers / powers.sum(axis=1, keepdims=True)).reshape(scores.shape))


def _log_softmax(scores: FloatArray) -> FloatArray:
    flat = scores.reshape(len(scores), -1)
    shifted = flat - flat.max(axis=1, keepdims=True)
    return np.asarray((shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).reshape(scores.shape))


def _entrywise(at: At) -> Value:
    """A `Sigmoid` or `Tanh`; where something reads it, it becomes a curve (`curves.values_of`)."""
    value, function = at.value(0), FUNCTIONS[at.node.op].exact
    if isinstance(value, np.ndarray):
        return function(value)
    return Squashed(at.as_view(value), at.node.op, function, True, at.node.inputs[0], str(at.node), at.node.name)


def _everywhere(at: At) -> Value:
    """A function that is a curve wherever it stands: at the end, too, its value is what is asked for."""
    value = at.value(0)
    if isinstance(value, np.ndarray):
        return FUNCTIONS[at.node.op].exact(value)
    return curve_of(at.layers, at.by, at.node.op, at.as_view(value), at.layers.smooth)


def _over_classes(at: At) -> Value:
    """A `Softmax` or `LogSoftmax`: of all scores it is a function at the end, of several groups of them curves."""
    view = at.view(0)
    (axis,) = places_of((at.whole("axis", -1 if at.opset >= 13 else 1),), view.index.ndim)
    # Up to operator set 12 all axes from `axis` on are one.
    width = view.shape[axis] if at.opset >= 13 else prod(view.shape[axis:])
    if width == view.index.size:
        function = PROBABILITIES[at.node.op]
        return Squashed(view, at.node.op, function, False, at.node.inputs[0], str(at.node), at.node.name)
    if at.opset < 13:
        made = OVER_GROUPS[at.node.op](at.layers, at.by, view.moved(lambda a: a.reshape(-1, width)))
        return made.moved(lambda a: a.reshape(view.shape))
    made = OVER_GROUPS[at.node.op](at.layers, at.by, view.moved(lambda a: np.moveaxis(a, axis, -1)))
    return made.moved(lambda a: np.moveaxis(a, -1, axis))


PROBABILITIES: Mapping[str, Callable[[FloatArray], FloatArray]] = {"Softmax": _softmax, "LogSoftmax": _log_softmax}


def _exp(at: At) -> Value:
    """Of logarithms of probabilities it gives these."""
    value = at.value(0)
    if isinstance(value, np.ndarray):
        return np.asarray(np.exp(value))
    if isinstance(value, Squashed) and value.function == "LogSoftmax":
        return replace(value, function="Softmax", apply=_after(value.apply, np.exp))
    raise at.refuse(
        "grows without an end, so that no curve of lines is near it everywhere",
        "understood are the probabilities behind a `LogSoftmax`; take an output before it",
    )


def _log(at: At) -> Value:
    """Of probabilities: log softmax, and log sigmoid(z) = -softplus(-z)."""
    value = at.value(0)
    if isinstance(value, np.ndarray):
        return np.asarray(np.log(value))
    if isinstance(value, Squashed) and value.function == "Softmax":
        return replace(value, function="LogSoftmax", apply=_after(value.apply, np.log))
    if isinstance(value, Squashed) and value.function == "Sigmoid" and value.is_entrywise:
        turned = value.scores.affine(-1.0)
        return curve_of(at.layers, at.by, "Softplus", turned, at.layers.smooth).affine(-1.0)
    raise at.refuse(
        "falls without an end, so that no curve of lines is near it everywhere",
        "understood is that of the probabilities of a `Softmax` or `Sigmoid`; take an output before it",
    )


def _after(first: Callable[[FloatArray], FloatArray], then: Any) -> Callable[[FloatArray], FloatArray]:
    return lambda scores: np.asarray(then(first(scores)))


def _label(at: At) -> Value:
    raise at.refuse("gives a label, and not scores", SCORES)


SCORES = 'name the output with the scores: `onnx("f.onnx", output: "...")`'


def _norm(at: At) -> Value:
    """The operator of ONNX itself, of which p = 1 along the classes is the same."""
    rank = len(shape_of(at.value(0)))
    return _shares(at, at.whole("p", 2) == 1 and at.whole("axis", -1) in (-1, rank - 1))


def _shares(at: At, is_sum: bool) -> Value:
    value = at.value(0)
    if not isinstance(value, Squashed) or value.function not in ("Sigmoid", "Softmax") or not is_sum:
        raise at.refuse(
            "divides rows by their norm", "it is understood for probabilities at the end of a network alone"
        )
    if value.is_entrywise and opposite(value.scores):
        return value  # they sum to 1 as they are
    before = value.apply

    def apply(scores: FloatArray) -> FloatArray:
        given = before(scores)
        return np.asarray(given / given.reshape(len(given), -1).sum(axis=1).reshape(-1, *(1,) * (given.ndim - 1)))

    return replace(value, apply=apply, is_entrywise=False, source="", is_normalised=value.is_entrywise)


RULES: Rules = {
    "Sigmoid": _entrywise,
    "Tanh": _entrywise,
    "Softplus": _everywhere,
    "Erf": _everywhere,
    "Softmax": _over_classes,
    "LogSoftmax": _over_classes,
    "LpNormalization": _norm,
    "Exp": _exp,
    "Log": _log,
    "ArgMax": _label,
    "ArgMin": _label,
}


# ---- scikit-learn --------------------------------------------------------------------------------------------------


def _columns(at: At, name: str, count: int) -> Array:
    found = at.list(name)
    return np.zeros(count) if found is None else np.array(found, dtype=np.float64)


def _row(at: At) -> View:
    view = at.view(0)
    return view.moved(lambda a: a.reshape(1, -1))


def _linear_classifier(at: At) -> tuple[Value, ...]:
    """Its scores; a classifier of two classes with one row of coefficients has the scores -z and z."""
    row, after = _row(at), at.text("post_transform", "NONE")
    labels = at.list("classlabels_strings") or at.list("classlabels_ints") or ()
    weights = _columns(at, "coefficients", 0).reshape(-1, row.index.size)
    made = at.layers.dense(row, weights, _columns(at, "intercepts", len(weights)))
    scores = made.moved(lambda a: a.reshape(1, -1))
    if len(weights) == 1 and len(labels) <= 2:
        pair = scores.affine(np.array([[-1.0, 1.0]]))
        scores = View(pair.base, pair.index, pair.scale, pair.shift)
    return _nothing(), _transformed(at, scores, after)


def _transformed(at: At, scores: View, after: str) -> Value:
    if after == "NONE":
        return scores
    if after not in AFTER:
        raise at.refuse(f"has the post-transform `{after}`", f"supported are NONE, {', '.join(AFTER)}")
    name, function, is_entrywise = AFTER[after]
    return Squashed(scores, name, function, is_entrywise, "", str(at.node), at.node.name)


AFTER = {"LOGISTIC": ("Sigmoid", FUNCTIONS["Sigmoid"].exact, True), "SOFTMAX": ("Softmax", _softmax, False)}


def _nothing() -> Array:
    """Stands for a label, which nothing may compute with."""
    return np.array("", dtype=object)


def _linear_regressor(at: At) -> Value:
    row = _row(at)
    weights = _columns(at, "coefficients", 0).reshape(at.whole("targets", 1), row.index.size)
    made = at.layers.dense(row, weights, _columns(at, "intercepts", len(weights)))
    return _transformed(at, made.moved(lambda a: a.reshape(1, -1)), at.text("post_transform", "NONE"))


def _normalizer(at: At) -> Value:
    """Probabilities made to sum to 1: the order of the classes stays."""
    return _shares(at, at.text("norm", "MAX") == "L1")


def _imputer(at: At) -> Value:
    """What is missing is a number that is none, and no input of a network is that."""
    if not np.isnan(at.real("replaced_value_float", 0.0)) or at.node.attributes.get("replaced_value_int64"):
        raise at.refuse("replaces a number that may be an input", "impute in the table, before the network")
    return at.value(0)


def _zip_map(at: At) -> Value:
    return at.value(0)


LEARNING: Rules = {
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _normalizer,
    "Imputer": _imputer,
    "ZipMap": _zip_map,
}
