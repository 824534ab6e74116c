"""Goals as terms with coefficients, constraints as comparisons, indices by number and by column."""

from __future__ import annotations

import numpy as np
import pytest

from nnmip.hir.core import Apply, Assignment, Compare, Constant, Gather, Join, Plus, Program, Reference, Scale, Units
from nnmip.hir.evaluate import Evaluator
from nnmip.ops.base import Role
from tests.sema.models import DATA, NETWORK, build, messages, read, trained

WEIGHTS = {
    "clf.h.weights": np.array([[1.0, -2.0], [0.5, 0.0], [0.0, 0.0]]),
    "clf.h.bias": np.array([0.25, -1.0, 0.0]),
    "clf.o.weights": np.array([[1.0, -1.0, 0.0]]),
    "clf.o.bias": np.array([0.5]),
}


def terms(goal: str) -> list[tuple[str, float]]:
    (stage,) = trained(goal).stages
    return [(term.label, term.coefficient) for term in stage.terms]


def value(expression: str) -> float:
    """A goal for fixed weights, computed on the HIR."""
    program = trained(expression)
    return Evaluator(program, Assignment(WEIGHTS, {"clf.a": np.ones(3, dtype=bool)})).stage(program.stages[0])


def part(constraint: str) -> Compare:
    (found,) = trained("1", f"constraint c: {constraint}").constraints[0].parts
    return found


def test_terms_of_a_nested_goal() -> None:
    goal = "0.5 * (hinge(clf, train) + 2 * l0(clf.weights)) / 4 - 3 * norm_1(clf.h.bias) + -(count(used(clf.a)))"
    assert terms(goal) == [
        ("hinge(clf, train)", 0.125),
        ("l0(clf.weights)", 0.25),
        ("norm_1(clf.h.bias)", -3.0),
        ("count(used(clf.a))", -1.0),
    ]


def test_roles_of_terms() -> None:
    (stage,) = trained("hinge(clf, train) + l0(clf.weights) + count(used(clf.a)) + sum(clf.o.bias) + 1").stages
    assert [term.role for term in stage.terms] == [
        Role.LOSS,
        Role.SPARSITY,
        Role.COMPACTNESS,
        Role.OTHER,
        Role.OTHER,
    ]
    assert stage.sense == "minimize"


def test_equal_terms_are_told_apart() -> None:
    assert terms("l0(clf.weights) + 2 * l0(clf.weights) - l0( clf.weights )") == [
        ("l0(clf.weights)", 1.0),
        ("l0(clf.weights) (2)", 2.0),
        ("l0( clf.weights )", -1.0),
    ]


def test_constants_in_a_goal() -> None:
    (stage,) = trained("sum(clf.o.bias) - 5 + 2").stages
    assert [(t.label, t.coefficient * float(t.value.value)) for t in stage.terms[1:]] == [
        ("constant", -5.0),
        ("constant (2)", 2.0),
    ]
    assert value("sum(clf.o.bias) - 5 + 2") == -2.5


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("l0(clf.weights)", 5.0),
        ("norm_1(clf.biases)", 1.75),
        ("sum(clf.weights)", -0.5),
        ("2 * (sum(clf.h.bias) - 1) / 4 - -clf.o.bias[0]", -0.375),
        ("sum(clf.h.weights[:, 0] * [1, 2, 3]) + 1", 3.0),
        ("sum([1, 10, 100] * (clf.h.bias + 1))", 101.25),
        ("count(used(clf.a[0:2])) - count(used(clf.a[2]))", 2.0),
        ("clf.h.weights[0, 1] - clf.h.weights[1, 0]", -2.5),
        ("sum(clf.h.weights[0:3:2])", -1.0),
        ("sum(clf.h.weights[1])", 0.5),
    ],
)
def test_value_of_an_expression(expression: str, expected: float) -> None:
    assert value(expression) == expected


def test_join_of_all_weights() -> None:
    compare = part("sum(clf.weights) <= norm_1(clf.biases)")
    assert isinstance(compare.left, Apply) and isinstance(compare.left.operands[0], Join)
    assert [p.decision.path for p in compare.left.operands[0].parts] == ["clf.h.weights", "clf.o.weights"]
    assert compare.left.operands[0].shape == (9,)
    assert isinstance(compare.right, Apply)
    assert [p.decision.path for p in compare.right.operands[0].parts] == ["clf.h.bias", "clf.o.bias"]


def test_chained_comparison() -> None:
    (constraint,) = trained("1", 'constraint c "two sides": 0 <= clf.h.bias = [1, 1, 1] >= clf.o.bias[0]').constraints
    assert constraint.sentence == "two sides"
    assert [(p.op, p.shape) for p in constraint.parts] == [("<=", (3,)), ("=", (3,)), (">=", (3,))]
    assert constraint.parts[0].right is constraint.parts[1].left
    assert constraint.parts[1].origin.span.text == "clf.h.bias = [1, 1, 1]"


def test_boolean_constraint() -> None:
    used = part("used(clf.a)")
    assert used.shape == (3,)
    assert isinstance(used, Apply) and used.word == "used"


@pytest.mark.parametrize(
    ("index", "places"),
    [
        ("clf.h.weights[2, 1]", 5),
        ("clf.h.weights[2, petal_width]", 5),
        ('clf.h.weights[2, "petal_length"]', 4),
        ("clf.h.weights[:, petal_length]", [0, 2, 4]),
        ("clf.h.weights[1:, 1]", [3, 5]),
        ("clf.h.weights[1]", [2, 3]),
        ("clf.o.weights[0, 2]", 2),
    ],
)
def test_places_of_an_index(index: str, places: int | list[int]) -> None:
    goal = "hinge(clf, train)"
    (constraint,) = trained(goal, f"constraint c: {index} <= 1").constraints
    left = constraint.parts[0].left
    assert isinstance(left, Gather) and isinstance(left.base, Reference)
    assert left.index.tolist() == places


def test_columns_have_names_only_where_a_loss_binds_the_data() -> None:
    text = f"{DATA}{NETWORK}satisfy constraint c: clf.h.weights[0, petal_width] <= 1"
    assert messages(text) == ["NNM0201 `petal_width` is no column here, because nothing applies `clf` to a table"]


def test_columns_name_inputs_of_the_first_layer_only() -> None:
    text = f"{DATA}{NETWORK}minimize hinge(clf, train) constraint c: clf.o.weights[0, petal_width] <= 1"
    assert messages(text) == ["NNM0201 nothing is called `petal_width`"]


def test_renamed_column() -> None:
    data = DATA.replace("petal_width", '"leaf size (cm)" as size')
    program = build(f"{data}{NETWORK}minimize hinge(clf, train) constraint c: clf.h.weights[0, size] <= 1")
    assert int(program.constraints[0].parts[0].left.index) == 1


def test_units_keep_their_places() -> None:
    (constraint,) = trained("1", "constraint c: count(used(clf.a[1:3][1])) <= 1").constraints
    count = constraint.parts[0].left
    assert isinstance(count, Apply) and isinstance(count.operands[0], Apply)
    (units,) = count.operands[0].operands
    assert isinstance(units, Units)
    assert (units.network, units.layer, units.index.tolist()) == ("clf", "a", 2)


def test_bindings_are_in_the_order_of_the_text() -> None:
    again = DATA.replace("train", "again")
    text = (
        f"{again}{DATA}{NETWORK}constraint c: hinge(clf, again) <= 1 minimize hinge(clf, train) + zero_one(clf, again)"
    )
    program = build(text)
    assert program.bindings == (("clf", "again"), ("clf", "train"))
    assert program.data_of("clf") is program.dataset("again")


def test_factors_do_not_nest() -> None:
    compare = part("-(2 * (3 * clf.o.bias[0] / 4)) <= 1")
    assert isinstance(compare.left, Scale)
    assert float(compare.left.factor) == -1.5
    assert isinstance(compare.left.operand, Gather)


def test_sums_do_not_nest() -> None:
    compare = part("clf.h.bias + (clf.o.bias[0] + (1 + clf.h.bias)) <= 1")
    assert isinstance(compare.left, Plus)
    assert [type(term) for term in compare.left.terms] == [Reference, Gather, Constant, Reference]
    assert compare.left.shape == (3,)


def test_long_sums() -> None:
    count = 3000
    chain = " + ".join(["clf.o.bias[0]"] * count)
    (stage,) = trained(chain).stages
    assert len(stage.terms) == count
    assert stage.terms[-1].label == f"clf.o.bias[0] ({count})"
    assert value(" - ".join(["clf.o.bias[0]"] * count)) == 0.5 - (count - 1) * 0.5
    compare = part(f"{chain} <= 1")
    assert isinstance(compare.left, Plus) and len(compare.left.terms) == count


def test_long_products() -> None:
    compare = part(f"{'1.0 * ' * 3000}clf.o.bias[0]{' / 2' * 10} <= 1")
    assert isinstance(compare.left, Scale)
    assert float(compare.left.factor) == 2.0**-10
    assert isinstance(compare.left.operand, Gather)


def test_longest_chain_of_known_numbers() -> None:
    assert build(f"param n : int = {' + '.join(['1'] * 9_999)} satisfy").parameters[0][1] == 9_999


def test_deepest_nesting() -> None:
    deep = "1 + (" * 95 + "clf.o.bias[0]" + ")" * 95
    assert value(deep) == 95.5
    assert value("-(" * 95 + "clf.o.bias[0]" + ")" * 95) == -0.5
    assert value("sum(" * 60 + "clf.o.bias" + ")" * 60) == 0.5


def test_every_wrong_operand_is_reported() -> None:
    assert messages("param a : real = x1 + 2 * x2 - [1, x3] / x4 satisfy") == [
        f"NNM0201 nothing is called `x{i}`" for i in (1, 2, 3, 4)
    ]
    assert messages("satisfy constraint c: x1 <= 3 <= x2") == [f"NNM0201 nothing is called `x{i}`" for i in (1, 2)]


def described(program: Program) -> list[object]:
    """What a program says, without its places."""
    (stage,) = program.stages
    found: list[object] = [(name, value.tolist()) for name, value in sorted(program.parameters)]
    found += [(d.path, d.shape, str(d.domain)) for d in program.decisions]
    found += [(t.label, t.coefficient, t.role) for t in stage.terms]
    found += [(c.name, [(p.op, p.left.origin.path, p.shape) for p in c.parts]) for c in program.constraints]
    return [*found, program.bindings]


def test_order_of_declarations_does_not_matter() -> None:
    declarations = [
        "param half : real = budget / 2",
        "param budget : int = 4",
        DATA,
        NETWORK.replace("units: 3", "units: budget"),
        "minimize hinge(clf, train) + half * l0(clf.weights)",
        "constraint c: clf.h.weights[3, petal_width] <= half",
    ]
    assert described(build("\n".join(declarations))) == described(build("\n".join(reversed(declarations))))


def test_goal_that_cannot_be_read_is_not_called_missing() -> None:
    assert messages(f"{DATA}{NETWORK}minimize hinge(clf, train) +") == ["NNM0101 the right side of `+` is missing"]


def test_broken_declarations_are_quiet() -> None:
    text = f"{DATA}{NETWORK}minimize hinge(clf, train) constraint c: clf(x1) + clf.h.weights[0, petal_width] <= 1"
    broken = text.replace("[-2, 2]", "[-2, 2, 3]")
    assert messages(broken) == ["NNM0101 an interval has two ends, this one has 3"]
    assert [d.code for d in read(text.replace("flowers", "missing"))[1]] == ["NNM0501", "NNM0201"]


def test_a_constraint_may_be_called_like_a_word() -> None:
    """No expression means a constraint, so that a word which a later version brings takes no name from a model."""
    rules = "constraint count: l0(clf.weights) <= 1 constraint exclusive: exclusive(clf.o.weights = 1)"
    assert [c.name for c in trained("1", rules).constraints] == ["count", "exclusive"]
