"""Losses, margins and probabilities."""

from __future__ import annotations

from tests.meaning.generator import Model
from tests.meaning.handwritten.model import ABC, CLASSES, HIDDEN, LINEAR, PRUNE, SCORES, SIGNS, TARGETS, model

LOSSES: dict[str, Model] = {
    "three classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"), "minimize hinge(net, train)", rows=ABC, truth=CLASSES
    ),
    "three classes with a hidden layer": model(
        "layer h = dense(x, units: 1, weights in {-1, 1}, bias in {-1, 0}); layer a = relu(h, prune: units);"
        "layer o = dense(a, units: 3, weights in {-1, 1}, bias in {0, 1}); return o",
        "minimize hinge(net, train, reduce: sum) + 0.1 * count(used(net.a))",
        rows=ABC,
        truth=CLASSES,
    ),
    "hinge of three classes maximised": model(
        SCORES.format(k=3, w="{-1, 1}", b="{0, 1}"),
        "maximize hinge(net, train) - 0.5 * norm_1(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes that tie": model(
        SCORES.format(k=3, w="{0, 1}", b="{0}"),
        "minimize zero_one(net, train) + 0.01 * l0(net.weights)",
        rows="0,a\n0,b\n1,c\n1,b\n1,c\n",
        truth=CLASSES,
    ),
    "a tie with a class before": model(
        SCORES.format(k=2, w="{0, 1}", b="{0}"),
        "minimize zero_one(net, train)",
        rows="0,b\n1,b\n",
        truth="label label as {a, b}",
    ),
    "a tie with a class after": model(
        SCORES.format(k=2, w="{0, 1}", b="{0}"),
        "maximize zero_one(net, train)",
        rows="0,a\n1,a\n",
        truth="label label as {a, b}",
    ),
    "classes, as wrong as can be": model(
        SCORES.format(k=3, w="{-1, 1}", b="{0, 1}"),
        "maximize zero_one(net, train, reduce: sum) - 0.25 * norm_1(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes, with an exact number of errors": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0}"),
        "maximize sum(net.weights)",
        "zero_one(net, train, reduce: sum) = 2",
        rows=ABC,
        truth=CLASSES,
    ),
    "classes, with a margin of errors": model(
        SCORES.format(k=3, w="{-2, 1}", b="{0}"),
        "maximize zero_one(net, train, margin: 0.5)",
        rows=ABC,
        truth=CLASSES,
    ),
    "signs, as wrong as can be": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize zero_one(net, train) - 0.1 * norm_1(net.weights)",
        rows="0,pos\n0,neg\n1,neg\n-1,pos\n",
    ),
    "signs, wrong with a margin": model(
        LINEAR.format(w="{-1, 0, 1}"), "maximize zero_one(net, train, margin: 1)", rows="0,pos\n1,neg\n-1,pos\n"
    ),
    "a margin for signs": model(LINEAR.format(w="{-1, 0, 1}"), "maximize margin(net, train)"),
    "a margin for classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"),
        "maximize margin(net, train) - 0.01 * norm_1(net.weights)",
        rows="0,a\n1,b\n3,c\n",
        truth=CLASSES,
    ),
    "the worst margin": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 1}"),
        "minimize margin(net, train) + 0.5 * norm_1(net.weights)",
        rows="0,a\n1,b\n2,a\n",
        truth="label label as {b, a}",
    ),
    "a margin that is reached": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize l0(net.weights)", "margin(net, train) = -1"
    ),
    "targets that contradict each other": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize absolute(net, train)", rows=TARGETS, truth="target t"
    ),
    "errors as large as can be": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize absolute(net, train) - 0.5 * norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "two targets with weights": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize absolute(net, train, reduce: sum) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "the largest of several errors": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize max_error(net, train)",
        rows="0,1,2\n1,2,0\n1,2,-1\n",
        truth="target t, u",
    ),
    "the largest error made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize max_error(net, train) - norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "a row without weight": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "minimize max_error(net, train) + absolute(net, train)",
        rows="0,0,1\n1,1,2\n1,7,0\n2,2,1\n",
        truth="target t; weight v",
    ),
    "weights of the rows": model(
        LINEAR.format(w="{-1, 1}"),
        "minimize zero_one(net, train) + 0.25 * hinge(net, train, reduce: sum)",
        rows="1,neg,5\n1,pos,1\n-1,pos,2\n-1,neg,1\n",
        truth=f"{SIGNS}; weight v",
    ),
    "a quantile below the middle": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize quantile(net, train, level: 0.2)", rows=TARGETS, truth="target t"
    ),
    "a quantile as bad as can be": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "maximize quantile(net, train, level: 0.9, reduce: sum) - 0.5 * norm_1(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "errors beyond a tube": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize eps_insensitive(net, train, eps: 0.5) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "errors beyond a tube, made large": model(
        LINEAR.format(w="-2..2"),
        "maximize eps_insensitive(net, train, eps: 0.75) - norm_1(net.weights)",
        rows="-2,2\n1,-2\n1,0\n",
        truth="target t",
    ),
    "errors on both sides of a tube": model(
        LINEAR.format(w="{-1, 1}"),
        "minimize eps_insensitive(net, train, eps: 0.5)",
        rows="0,2\n0,-2\n1,0\n",
        truth="target t",
    ),
    "errors on both sides of a tube, made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize eps_insensitive(net, train, eps: 1.5) - 0.1 * norm_1(net.weights)",
        rows="0,1\n0,-1\n1,0\n-2,0.5\n",
        truth="target t",
    ),
    "errors below a tube, made large": model(
        LINEAR.format(w="{-1, 0}"), "maximize eps_insensitive(net, train, eps: 2)", rows="1,4\n2,1\n", truth="target t"
    ),
    "outputs clearly on their sides": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{-1, 0, 1}"),
        "minimize sat_margin(net, train, margin: 0.2) + 0.01 * l0(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "outputs that are on no side": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{-1, 1}"),
        "maximize sat_margin(net, train, margin: 0.1, reduce: sum) - 0.5 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,b,0\n",
        truth="label label as {a, b}; weight v",
    ),
    "one output on its side": model(
        LINEAR.format(w="{-1, 0, 1}"), "minimize sat_margin(net, train, margin: 0.4) + 0.01 * norm_1(net.weights)"
    ),
    "squares of few errors": model(
        LINEAR.format(w="-2..2"),
        "minimize squared(net, train) + 0.1 * norm_1(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "squares of errors, made large": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize squared(net, train, reduce: sum) - 2 * norm_1(net.weights)",
        rows="-2,2,1\n1,-2,2\n1,0,1\n1,1,0\n",
        truth="target t; weight v",
    ),
    "squares of errors of two outputs": model(
        SCORES.format(k=2, w="{-1, 0, 1}", b="{0, 0.5}"),
        "minimize squared(net, train) + 0.1 * l0(net.weights)",
        rows="0,1,2,3\n1,2,0,1\n1,2,-1,0\n",
        truth="target t, u; weight v",
    ),
    "squares of a given size": model(
        LINEAR.format(w="{-1, 0, 1}"),
        "maximize sum(net.weights) - 0.3 * sum(net.biases)",
        "squared(net, train) = 0.75",
        rows="0,1\n1,1\n2,0\n-1,1\n",
        truth="target t",
    ),
    "squares of many errors": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=PRUNE),
        "minimize squared(net, train) + 0.01 * l0(net.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "squares of many errors, not too large": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=""),
        "minimize norm_1(net.weights)",
        "squared(net, train) <= 0.6",
        rows=TARGETS,
        truth="target t",
    ),
    "an elastic net with factors for each layer": model(
        HIDDEN.format(w="{-1, 0, 0.5, 1}", v="{-1, 0, 2}", prune=""),
        "minimize squared(net, train) + 0.1 * norm_1(net.h.weights) + 0.05 * norm_2sq(net.h.weights)"
        " + 0.02 * l0(net.o.weights) + 0.03 * norm_2sq(net.o.weights)",
        rows=TARGETS,
        truth="target t",
    ),
    "probabilities of few scores": model(
        LINEAR.format(w="-2..2"),
        "minimize logistic(net, train) + 0.05 * norm_1(net.weights)",
        rows="0,neg,1\n1,pos,2\n2,pos,1\n1,neg,1\n-1,pos,0\n",
        truth=f"{SIGNS}; weight v",
    ),
    "probabilities, made small": model(
        LINEAR.format(w="-2..2"), "maximize logistic(net, train, reduce: sum) - 0.6 * norm_1(net.weights)"
    ),
    "probabilities of three classes": model(
        SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}"),
        "minimize logistic(net, train) + 0.05 * l0(net.weights)",
        rows=ABC,
        truth=CLASSES,
    ),
    "probabilities of three classes with few scores": model(
        SCORES.format(k=3, w="{0, 1}", b="{0, 1}"),
        "minimize logistic(net, train) + 0.02 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n0,c,1\n1,c,1\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of three classes, made small": model(
        SCORES.format(k=3, w="{0, 1}", b="{0}"),
        "maximize logistic(net, train) - 0.2 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,c,0\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of many scores": model(
        SCORES.format(k=3, w="{-1, 0, 0.3}", b="{0, 0.7}"),
        "minimize logistic(net, train, reduce: sum) + 0.1 * l0(net.weights)",
        rows="0,a,1\n1,b,2\n1,a,1\n2,c,3\n",
        truth="label label as {a, b, c}; weight v",
    ),
    "probabilities of many scores, large enough or no weights": model(
        HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=PRUNE),
        "minimize l0(net.weights)",
        "logistic(net, train) <= 0.55 or norm_1(net.weights) >= 5",
    ),
}
