"""Programs built in Python: the same HIR as from text, the same optimum, and messages that point into Python."""

from __future__ import annotations

import csv
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip import build
from nnmip.build import (
    Draft,
    NetworkRef,
    Table,
    Tensor,
    active,
    atleast,
    atmost,
    count,
    exactly,
    exclusive,
    fair,
    fan_in,
    features,
    grid,
    hinge,
    iff,
    implies,
    interval,
    l0,
    lipschitz,
    monotone,
    nonzero,
    norm_1,
    operations,
    parameters,
    tied,
    used,
    values,
    where,
    zero_one,
)
from nnmip.report.passes import print_ir
from tests.workbench import ROOT, environment

X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
Y = ["even", "odd", "odd", "even"]


def columns_of(name: str) -> dict[str, list[str]]:
    """The columns of an example's table, as texts."""
    with (ROOT / "examples/data" / name).open() as stream:
        rows = list(csv.DictReader(stream))
    return {column: [row[column] for row in rows] for column in rows[0]}


def iris() -> Draft:
    """examples/iris.nnm, with its constraint."""
    draft = Draft("iris")
    train = draft.table(
        "train",
        columns_of("iris.csv"),
        ["petal_width"],
        label="species",
        codes={"setosa": -1, "versicolor": +1, "virginica": -1},
        scale="minmax",
    )
    clf = draft.network("clf", 1, (0, 1))
    h = clf.dense("h", clf.input, units=2, weights=(-8, 8), bias=(-8, 8))
    a = clf.relu("a", h, prune="units")
    o = clf.dense("o", a, units=1, weights={-1, 0, 1}, bias=(-2, 2))
    clf.returns(o[0])
    draft.minimize(hinge(clf, train) + 0.01 * l0(clf.weights) + 0.02 * count(used(clf["a"])))
    draft.constraint("sparse", l0(clf.weights) <= 4, "weight budget")
    return draft


def xor() -> Draft:
    found = runpy.run_path(str(ROOT / "examples/xor_in_python.py"))
    draft: Draft = found["build"]()
    return draft


def without_places(model: nnmip.Model) -> list[str]:
    """The HIR after all passes, without places, labels, parameters and the name of the model."""
    lines = print_ir(model.after("symmetry")).splitlines()[1:]
    return [re.sub(r"  # .*|  \(\w+: .*", "", line) for line in lines if not line.startswith("param ")]


@pytest.mark.parametrize(("name", "built"), [("xor", xor), ("iris", iris)])
def test_python_and_text_make_the_same_program(name: str, built: Callable[[], Draft]) -> None:
    model, text = built().model(), nnmip.load(ROOT / f"examples/{name}.nnm")
    assert without_places(model) == without_places(text)
    assert model.compile("mps") == text.compile("mps")
    assert model.check() == ()


@pytest.mark.parametrize(("built", "optimum"), [(xor, 0.0066), (iris, 0.2488889)])
def test_the_optimum_of_a_program_built_in_python(built: Callable[[], Draft], optimum: float) -> None:
    result = built().model().solve(solver="highs")
    assert result.solution == "optimal" and result.proof == "solver"
    assert result.replay is not None and result.replay.status == "passed"
    assert result.objective == pytest.approx(optimum, abs=1e-6)


def test_the_example_script_runs() -> None:
    done = subprocess.run(
        [sys.executable, "examples/xor_in_python.py"], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("optimal: 0.0066, proved to 0.0066\n{'[-1, -1]': ")


# ---- expressions ---------------------------------------------------------------------------------------------------


def small() -> tuple[Draft, Table, NetworkRef]:
    """Four points, and a network with two hidden units."""
    draft = Draft("small")
    points = draft.table("points", (X, Y), ["x0", "x1"], label="parity", codes={"even": -1, "odd": +1})
    net = draft.network("net", 2, (-1, 1))
    h = net.dense("h", net.input, units=2, weights={-1, 0, 1}, bias={-1, 0, 1})
    a = net.relu("a", h)
    net.returns(net.dense("o", a, units=1, weights={-1, 0, 1}, bias={-1, 0, 1})[0])
    return draft, points, net


Rule = Callable[[Table, NetworkRef], Tensor]
RULES: dict[str, tuple[Rule, str]] = {
    "implication": (
        lambda t, n: implies(used(n["a"][0]), nonzero(n["h"].weights[0, t.column("x1")])),
        "used(net.a[0]) -> nonzero(net.h.weights[0, x1])",
    ),
    "equivalence": (
        lambda t, n: iff(used(n["a"])[0], used(n["a"])[1]),
        "used(net.a)[0] <-> used(net.a)[1]",
    ),
    "rows": (lambda t, n: (n(t)[t.labels == 1] >= 0.5).all(), "forall s in points where s.parity = 1: net(s) >= 0.5"),
    "atmost": (lambda t, n: atmost(3, n(t) >= 0), "atmost(3, s in points: net(s) >= 0)"),
    "atleast": (lambda t, n: atleast(2, n(t) >= 0), "atleast(2, s in points: net(s) >= 0)"),
    "exactly": (lambda t, n: exactly(1, n(t) == 1), "exactly(1, s in points: net(s) = 1)"),
    "or": (
        lambda t, n: (l0(n["h"].weights) <= 1) | ~(n["o"].bias[0] == 0),
        "l0(net.h.weights) <= 1 or not (net.o.bias[0] = 0)",
    ),
    "xor": (
        lambda t, n: (n["h"].bias[0] >= 1) ^ (n["h"].bias[1] >= 1),
        "net.h.bias[0] >= 1 xor net.h.bias[1] >= 1",
    ),
    "active": (lambda t, n: ~active(n["a"], t)[0, 0], "not active(net.a[0], points[0])"),
    "arithmetic": (
        lambda t, n: 2 * n["h"].bias[0] - n["h"].bias[1] / 2 + 1 <= -n["o"].bias[0] + np.float64(0.5),
        "2 * net.h.bias[0] - net.h.bias[1] / 2 + 1 <= -net.o.bias[0] + 0.5",
    ),
    "choice": (
        lambda t, n: where(n["h"].bias[0] >= 0, n["h"].bias[1], -1) >= 0,
        "(if net.h.bias[0] >= 0 then net.h.bias[1] else -1) >= 0",
    ),
    "fan_in": (lambda t, n: (fan_in(n["h"]) <= 1).all(), "forall j in units(net.h): fan_in(net.h[j]) <= 1"),
    "any": (lambda t, n: (n["h"].weights == 1).any(), "exists j in units(net.h), i in 0..1: net.h.weights[j, i] = 1"),
    "features": (lambda t, n: used(n.input).any() & (features(n) <= 1), "features(net) = 1"),
    "one feature": (
        lambda t, n: implies(used(n.input[t.column("x0")]), used(n["a"][1])),
        "used(net.x[x0]) -> used(net.a[1])",
    ),
    "exclusive": (
        lambda t, n: exclusive(n.input[0], n.input[1]) & exclusive(used(n["a"])),
        "exclusive(net.x[x0], net.x[x1]) and exclusive(used(net.a))",
    ),
    "fair": (
        lambda t, n: fair(n, t, group="x0", parity=0.5),
        "fair(net, points, group: x0, parity: 0.5)",
    ),
    "tied": (
        lambda t, n: tied(n["h"].weights[0], n["h"].weights[1], mirror="horizontal"),
        "tied(net.h.weights[0], net.h.weights[1], mirror: horizontal)",
    ),
    "size": (
        lambda t, n: (parameters(n) <= 4) & (operations(n["h"]) >= 1),
        "parameters(net) <= 4 and operations(net.h) >= 1",
    ),
    "sums": (lambda t, n: sum(n["h"].bias) + n["h"].bias.sum() <= 1, "2 * sum(net.h.bias) <= 1"),
}


def test_properties_over_all_inputs() -> None:
    draft = Draft("linear")
    points = draft.table("points", (X, Y), ["x0", "x1"], label="parity", codes={"even": -1, "odd": +1})
    net = draft.network("net", 2, (-1, 1))
    net.returns(net.dense("o", net.input, units=1, weights=range(-2, 3), bias={-1, 0, 1})[0])
    draft.minimize(norm_1(net.weights) + 0 * hinge(net, points))
    draft.constraint("rising", monotone(net, points.column("x1"), "increasing") & lipschitz(net, 2, norm="norm_1"))
    draft.constraint("some", net["o"].weights[0, 0] - net["o"].weights[0, 1] <= -3)
    assert draft.model().solve().objective == pytest.approx(3.0)


def test_conditions_that_are_only_sufficient() -> None:
    """What `@sufficient` asks for in a file, and where it cannot stand."""
    draft, points, net = small()
    draft.minimize(norm_1(net["h"].weights) + 0.5 * zero_one(net, points, margin=0.5))
    with pytest.raises(nnmip.DiagnosticError) as caught:
        draft.constraint("rising", monotone(net, points.column("x1"), "increasing"))
    (refused,) = caught.value.diagnostics
    assert refused.code == "NNM0104"
    assert refused.help == "pass `sufficient=True`, which asks for a stronger condition that has an encoding"
    rising = monotone(net, points.column("x1"), "increasing", sufficient=True)
    with pytest.raises(nnmip.DiagnosticError, match="says nothing where it does not hold"):
        draft.constraint("not_rising", ~rising)
    with pytest.raises(nnmip.DiagnosticError, match=r"call `nnmip\.build\.lipschitz`"):
        draft.word("lipschitz", net)
    draft.constraint("both", rising & lipschitz(net, 1, norm="norm_1", sufficient=True))
    draft.constraint("reads", net["h"].weights[0, 1] - net["h"].weights[0, 0] >= 2)
    draft.constraint("passes", net["o"].weights[0, 0] >= 1)
    result = draft.model().solve()
    assert result.sufficient == {"both": ("monotone", "lipschitz")} and result.solution == "optimal"
    assert result.networks["net"].weights["h"][0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("name", [name for name in RULES if name != "active"])
def test_rules_mean_what_they_mean_in_text(name: str) -> None:
    """The optimum with the rule, and with its negation, is that of the same model in text."""
    rule, text = RULES[name]
    for built, said in ((rule, text), (lambda t, n: ~rule(t, n), f"not ({text})")):
        draft, points, net = small()
        draft.minimize(zero_one(net, points, margin=0.5) + 0.01 * norm_1(net.weights))
        draft.constraint("rule", built(points, net))
        expected = nnmip.loads(
            f"""nnm 0.1
data points {{ features x0, x1  label parity as {{even: -1, odd: +1}} }}
network net(x: real[2] in [-1, 1]) {{
  layer h = dense(x, units: 2, weights in {{-1, 0, 1}}, bias in {{-1, 0, 1}})
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in {{-1, 0, 1}})
  return o[0]
}}
minimize zero_one(net, points, margin: 0.5) + 0.01 * norm_1(net.weights)
constraint rule: {said}
"""
        )
        result, reference = draft.model().solve(), expected.bind(points=(X, Y)).solve()
        assert (result.solution, result.termination) == (reference.solution, reference.termination)
        assert result.objective == pytest.approx(reference.objective, abs=1e-6)


def test_active_at_a_row() -> None:
    draft, points, net = small()
    draft.minimize(zero_one(net, points, margin=0.5) + 0.01 * norm_1(net.weights))
    draft.constraint("quiet", ~active(net["a"], points)[0])
    result = draft.model().solve()
    assert result.replay is not None and result.replay.status == "passed"
    trained = result.networks["net"]
    assert (trained.weights["h"] @ X[0] + trained.biases["h"] <= 1e-6).all()


def test_goals_come_in_the_order_of_the_calls() -> None:
    draft, points, net = small()
    draft.minimize(zero_one(net, points, margin=0.5))
    draft.maximize(2 - 0.5 * l0(net.weights))
    result = draft.model().solve()
    assert [(stage.sense, stage.objective) for stage in result.stages] == [
        ("minimize", pytest.approx(0.0)),
        ("maximize", pytest.approx(-1.0)),
    ]


def test_satisfy_classes_targets_and_test_parts() -> None:
    draft = Draft("classes")
    flowers = draft.table(
        "flowers",
        columns_of("iris.csv"),
        ["petal_length", "petal_width"],
        label="species",
        codes=["setosa", "versicolor", "virginica"],
        scale=("minmax", -1, 1),
        split=0.5,
        seed=3,
    )
    assert (len(flowers), len(flowers.test), flowers.test.name) == (75, 75, "flowers.test")
    assert flowers.features == ("petal_length", "petal_width") and flowers.values("petal_width").max() > 2
    net = draft.network("net", 2, (-1, 1))
    net.returns(net.dense("o", net.input, units=3, weights=(-4, 4), bias=(-4, 4)))
    draft.constraint("good", hinge(net, flowers, margin=0.1) <= 0.1)
    draft.satisfy()
    result = draft.model().solve()
    assert result.has_answer and result.networks["net"].predict([[1.4, 0.2]]).tolist() == ["setosa"]

    cars = Draft("cars")
    table = cars.table("cars", {"x": [0, 1, 2], "y": [1.0, 3.0, 5.0]}, ["x"], target="y")
    line = cars.network("line", 1, interval(0, 2))
    line.returns(line.dense("o", line.input, units=1, weights=grid(-3, 3, 0.5), bias=values(0, 1))[0])
    cars.minimize(build.absolute(line, table))
    solved = cars.model().solve()
    assert solved.objective == pytest.approx(0.0, abs=1e-7)
    assert solved.networks["line"].weights["o"].tolist() == [[2.0]]


def test_domains() -> None:
    assert str(interval(-2, -0.05) | values(0) | interval(0.05, 2)) == "[-2, -0.05] | {0} | [0.05, 2]"
    assert str(grid(-1, 1, 0.5)) == "{-1, -0.5, 0, 0.5, 1}"


# ---- what is wrong -------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[[Draft, Table, NetworkRef], Any], str, str]] = {
    "shapes": (lambda d, t, n: n.weights + np.ones(2), "NNM0301", "shapes [6] and [2] do not agree"),
    "rows": (lambda d, t, n: hinge(n, n), "NNM0205", "`hinge` needs a data set here"),
    "option": (lambda d, t, n: hinge(n, t, marg=2), "NNM0204", "`hinge` has no option `marg`"),
    "option type": (lambda d, t, n: hinge(n, t, margin="1"), "NNM0205", "`margin` is a number, not '1'"),
    "arguments": (lambda d, t, n: hinge(n), "NNM0204", "`hinge` takes 2 arguments, not 1"),
    "nothing": (lambda d, t, n: l0([1, 2]), "NNM0205", "`l0` is given nothing that a `Draft` has made"),
    "finished": (lambda d, t, n: n.dense("q", n.input, units=2), "NNM0204", "`net` is finished"),
    "index": (lambda d, t, n: n.weights[99], "NNM0302", "a tensor of shape [6] has no such entries"),
    "number": (lambda d, t, n: d.constraint("c", n.weights), "NNM0205", "a Boolean is needed here"),
    "boolean": (lambda d, t, n: d.minimize(used(n["a"])), "NNM0205", "a number is needed here"),
    "goal": (lambda d, t, n: d.minimize(n.weights), "NNM0301", "a goal is one number"),
    "strict": (lambda d, t, n: l0(n.weights) < 3, "NNM0205", "a strict `<` needs a margin"),
    "product": (lambda d, t, n: n.weights[0] * n.weights[1], "NNM0312", "a product of two decisions"),
    "division": (lambda d, t, n: 1 / n.weights[0], "NNM0313", "only known numbers can divide"),
    "infinite": (lambda d, t, n: n.weights <= np.inf, "NNM0205", "`inf` is neither finite numbers nor a tensor"),
    "text": (lambda d, t, n: n.weights + "1", "NNM0205", "`'1'` is neither finite numbers nor a tensor"),
    "layer": (lambda d, t, n: n["b"], "NNM0201", "no layer of `net` is called `b`"),
    "bias": (lambda d, t, n: n["a"].bias, "NNM0201", "`a` has no bias"),
    "column": (lambda d, t, n: t.column("x2"), "NNM0502", "`points` has no feature `x2`"),
    "test": (lambda d, t, n: t.test, "NNM0201", "`points` has no test part"),
    "domain": (lambda d, t, n: d.network("m", 2, (1, 0)), "NNM0303", "the domain of `x` ends before it starts: (1, 0)"),
    "unbounded": (lambda d, t, n: d.network("m", 2, (0, np.inf)), "NNM0401", "the domain of `x` is not bounded"),
    "no domain": (lambda d, t, n: d.network("m", 2, "all"), "NNM0303", "the domain of `x` is a set of numbers, not"),
    "twice": (lambda d, t, n: d.network("net", 2, (0, 1)), "NNM0202", "`net` is declared twice"),
    "a word": (lambda d, t, n: d.network("l0", 2, (0, 1)), "NNM0202", "nothing can be called `l0`"),
    "width": (lambda d, t, n: three(d)(t), "NNM0301", "`points` has 2 features, but `wide` reads shape [3]"),
    "unfinished": (lambda d, t, n: d.network("m", 2, (0, 1)).weights, "NNM0204", "`m` does not say what it returns"),
    "no goal": (lambda d, t, n: d.program(), "NNM0207", "the program has no goal"),
    "units": (lambda d, t, n: fan_in(n.input), "NNM0205", "`x` has no units with weights"),
    "counted": (lambda d, t, n: atmost(1.5, used(n["a"])), "NNM0205", "`atmost` starts with a whole number"),
    "columns": (lambda d, t, n: d.table("u", {"a": [1]}, ["b"]), "NNM0502", "`u` has no column `b`"),
    "scale": (lambda d, t, n: d.table("u", {"a": [1]}, ["a"], scale="max"), "NNM0203", "no scaling is called `max`"),
}


def three(draft: Draft) -> NetworkRef:
    wide = draft.network("wide", 3, (0, 1))
    return wide.returns(wide.dense("o", wide.input, units=1, weights=(-1, 1))[0])


def test_entries_that_fit_are_proposed_of_what_stands_in_the_line() -> None:
    """A number that is no tensor of the draft has the place of the whole expression, of which nothing is proposed."""
    wide = three(Draft("shapes"))
    for size, help in (
        (2, "take as many entries on both sides: `wide.weights[0:2]`"),
        (4, "only a single number goes with a tensor of any shape"),
    ):
        with pytest.raises(nnmip.DiagnosticError) as raised:
            wide.weights + np.ones(size)
        (found,) = raised.value.diagnostics
        assert (found.message, found.help, found.edits) == (f"shapes [3] and [{size}] do not agree", help, ())


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_at_its_line(name: str) -> None:
    wrong, code, message = WRONG[name]
    with pytest.raises(nnmip.DiagnosticError) as caught:
        wrong(*small())
    (found,) = caught.value.diagnostics
    assert found.code == code and message in found.message
    assert found.edits == ()
    assert found.span.file.path.endswith("test_build.py")
    assert found.span.line >= WRONG_LINE


WRONG_LINE = next(i for i, line in enumerate(open(__file__), 1) if line.startswith("WRONG:"))  # noqa: PTH123, SIM115


def test_the_message_shows_the_python_expression() -> None:
    draft, points, net = small()
    with pytest.raises(nnmip.DiagnosticError) as caught:
        draft.minimize(hinge(net, points) + 0.1 * (net.weights + np.ones(2)))
    (found,) = caught.value.diagnostics
    assert found.span.text == "net.weights + np.ones(2)"
    assert "        draft.minimize(hinge(net, points) + 0.1 * (net.weights + np.ones(2)))\n" in str(found)


def test_code_without_a_source_gets_labels_that_say_what_it_does() -> None:
    draft, points, net = small()
    exec("draft.minimize(hinge(net, points) + l0(net.weights))", {**globals(), **locals()})
    (stage,) = draft.program().stages
    assert [term.label for term in stage.terms] == ["hinge(net, points)", "l0(...)"]
    assert stage.origin.span.file.path == "<python>"
    with pytest.raises(nnmip.DiagnosticError, match="NNM0204: `net` is finished"):
        exec("net.relu('b', net.input)", {"net": net})


def test_python_words_have_no_meaning_for_tensors() -> None:
    draft, _, net = small()
    with pytest.raises(TypeError, match="a tensor has no truth value before it is solved"):
        draft.constraint("both", 0 <= l0(net.weights) <= 3)
    with pytest.raises(AttributeError, match="a network has no `dens`; did you mean `dense`"):
        _ = net.dens
    with pytest.raises(AttributeError, match=r"`nnmip\.build` has no `l3`"):
        _ = build.l3
    with pytest.raises(TypeError, match="a single number has no length"):
        len(l0(net.weights))
    assert {"l0", "hinge", "Draft"} <= set(dir(build))


def test_a_tensor_of_another_program_is_refused() -> None:
    _, _, net = small()
    draft, _, _ = small()
    with pytest.raises(nnmip.DiagnosticError, match="this belongs to another program"):
        draft.constraint("c", l0(net.weights) <= 1)


def test_a_model_without_text() -> None:
    model = xor().model()
    with pytest.raises(TypeError, match="has its values already"):
        model.bind(budget=3)
    with pytest.raises(ValueError, match="has no syntax tree"):
        model.after("parse")


def test_objects_show_what_they_are() -> None:
    draft, points, net = small()
    assert repr(draft) == "<draft small: points, net; no goal yet>"
    assert repr(net) == "<network net: x[2] -> h (dense) -> a (relu) -> o (dense)>"
    assert repr(net["a"]) == "<layer net.a of shape [2]>"
    assert repr(net["a"][0]) == "<layer net.a of shape [2], 1 of its units>"
    assert repr(l0(net.weights) <= 3) == "<Boolean: l0(net.weights) <= 3>"
    assert repr(net.weights) == "<numeric tensor of shape [6]: net.weights>"
    assert "points" in repr(points)
