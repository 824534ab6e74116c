"""Rules, and what is counted."""

from __future__ import annotations

from tests.meaning.generator import Model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, PRUNE, model

LOGIC: dict[str, Model] = {
    "a rule between two weights": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) - hinge(net, train)",
        "net.o.weights[0, 0] >= 1 -> net.o.bias[0] <= -1",
    ),
    "a comparison that must fail": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize sum(net.weights)", "not (net.o.weights[0, 0] <= -1)"
    ),
    "one of two things must fail": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) + sum(net.biases)",
        "not (net.o.weights[0, 0] >= 1 and net.o.bias[0] >= 1)",
    ),
    "exactly one of two comparisons": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) + 0.5 * sum(net.biases)",
        "net.o.weights[0, 0] >= 1 xor net.o.bias[0] >= 1",
    ),
    "neither or both, at their worst": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize sum(net.weights) - 0.5 * sum(net.biases)",
        "net.o.weights[0, 0] >= 0 <-> net.o.bias[0] >= 1",
    ),
    "how many comparisons hold, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.weights)",
        "atmost(1, i in 0..1: net.h.weights[i, 0] >= 1)",
    ),
    "how many comparisons hold, from below": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize sum(net.h.weights) + hinge(net, train)",
        "atleast(1, i in 0..1: net.h.weights[i, 0] >= 1 and net.h.bias[i] >= 0)",
    ),
    "how many conjunctions hold, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.weights) + sum(net.h.bias)",
        "atmost(1, i in 0..1: net.h.weights[i, 0] >= 1 and net.h.bias[i] >= 1)",
    ),
    "how many exclusive choices hold": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "maximize sum(net.h.weights) - 0.5 * sum(net.h.bias)",
        "atmost(0, i in 0..1: net.h.weights[i, 0] >= 1 xor net.h.bias[i] >= 0)",
    ),
    **{
        f"a choice between numbers, {sense} where the condition {'holds' if held else 'fails'}": model(
            LINEAR.format(w="-2..2"),
            f"{sense} (if net.o.bias[0] >= 1 then net.o.weights[0, 0] else -1 * net.o.weights[0, 0])",
            f"net.o.bias[0] {'>= 1' if held else '<= 0'}",
        )
        for sense in ("minimize", "maximize")
        for held in (True, False)
    },
    "units that are active together": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "maximize count(used(net.a)) + sum(net.h.weights)",
        "forall s in train: atmost(1, active(net.a, s))",
    ),
    "a unit that is active somewhere": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=PRUNE),
        "minimize sum(net.h.weights) + sum(net.h.bias)",
        "exists s in train: active(net.a[0], s)",
    ),
    "scores at rows": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=""),
        "minimize hinge(net, train)",
        'forall s in train where s.label = "pos": net(s) <= 0.5',
    ),
    "the largest weight, from above": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{-1, 2}", prune=""), "minimize hinge(net, train)", "norm_inf(net.weights) <= 1"
    ),
    "the largest weight, from below": model(
        HIDDEN.format(w="{-1, 0, 1}", v="{0, 1}", prune=""), "minimize l0(net.weights)", "norm_inf(net.h.weights) >= 1"
    ),
    "squares of integers": model(
        LINEAR.format(w="-4..4"), "minimize norm_2sq(net.weights) + 9 * hinge(net, train)", "sum(net.weights) >= 2"
    ),
    "squares of integers, from below": model(
        LINEAR.format(w="-4..4"), "minimize norm_1(net.weights)", "norm_2sq(net.weights) >= 5"
    ),
}
