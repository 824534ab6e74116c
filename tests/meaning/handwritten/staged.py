"""Models with goals in order of importance."""

from __future__ import annotations

from tests.meaning.generator import Model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, PRUNE, model

STAGED: dict[str, Model] = {
    "few weights, then large ones": model(
        LINEAR.format(w="-2..2"), "minimize l0(net.weights) then maximize sum(net.biases) then sum(net.weights)"
    ),
    "large weights, then few errors": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "maximize sum(net.weights) then minimize hinge(net, train) then norm_1(net.biases)",
    ),
    "small weights, then large ones": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize zero_one(net, train) then maximize norm_1(net.weights) then minimize l0(net.weights)",
    ),
    "a goal whose best values lie close together": model(
        LINEAR.format(w="-4..4"),
        "minimize hinge(net, train) + 0.001 * norm_1(net.weights) then maximize sum(net.weights)",
    ),
    "a goal whose greatest values lie close together": model(
        LINEAR.format(w="-2..2"),
        "maximize 0.001 * norm_1(net.weights) - hinge(net, train) / 7 then minimize sum(net.weights) + sum(net.biases)",
    ),
    "the same goal twice": model(
        LINEAR.format(w="-2..2"), "minimize l0(net.weights) then l0(net.weights) then maximize norm_1(net.biases)"
    ),
    "a goal with a single value": model(
        LINEAR.format(w="-2..2"), "minimize 3 + 0 * sum(net.weights) then maximize sum(net.weights)"
    ),
    "a choice, then a comparison": model(
        LINEAR.format(w="-2..2"),
        "maximize (if net.o.weights[0, 0] >= 1 then 2 else norm_1(net.weights)) then minimize sum(net.weights)"
        " then maximize (if net.o.bias[0] = 0 then 1 else 0)",
    ),
}
