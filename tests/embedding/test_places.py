"""`argmax` and `argmin` of decisions and of what networks give, against enumeration and sampling."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from nnmip.build import Draft, Tensor, argmax, argmin, dot, iff, where
from nnmip.hir.core import Program
from nnmip.lowering.lower import lower_program
from nnmip.pipeline import loads
from tests.embedding.test_applied import KINDS, Make, known
from tests.embedding.test_applied import network_result as result_of

Best = Callable[[Program, str], float | None]

VALUES = (-1.0, 0.0, 1.0)
POINTS = np.array(list(itertools.product(VALUES, repeat=4)))
COSTS = np.array([0.31, -0.17, 0.23, -0.41])

CONDITIONS: dict[str, tuple[Callable[[Tensor, Tensor], object], Callable[[int, int], bool]]] = {
    "is": (lambda a, b: a == 2, lambda a, b: a == 2),
    "is first": (lambda a, b: a == 0, lambda a, b: a == 0),
    "is not": (lambda a, b: a != 1, lambda a, b: a != 1),
    "is not last": (lambda a, b: a != 3, lambda a, b: a != 3),
    "at most": (lambda a, b: a <= 1, lambda a, b: a <= 1),
    "not at most": (lambda a, b: ~(a <= 1), lambda a, b: a > 1),
    "between numbers": (lambda a, b: a == 1.5, lambda a, b: False),
    "always": (lambda a, b: a <= 3, lambda a, b: True),
    "at least": (lambda a, b: a >= 2, lambda a, b: a >= 2),
    "both": (lambda a, b: (a == 3) & (b == 0), lambda a, b: a == 3 and b == 0),
    "one of": (lambda a, b: (a == 3) | (b != 0), lambda a, b: a == 3 or b != 0),
    "either": (lambda a, b: (a == 3) ^ (b <= 1), lambda a, b: (a == 3) != (b <= 1)),
    "iff": (lambda a, b: iff(a != 1, b == 2), lambda a, b: (a != 1) == (b == 2)),
    "equal": (lambda a, b: a == b, lambda a, b: a == b),
    "sum": (lambda a, b: a + 2 * b <= 3, lambda a, b: a + 2 * b <= 3),
    "case": (lambda a, b: where(a == 1, 2, 0) >= b, lambda a, b: (2 if a == 1 else 0) >= b),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_ties_go_to_the_first(name: str, best: Best) -> None:
    """All vectors of small whole numbers, most with ties, by NumPy."""
    condition, meaning = CONDITIONS[name]
    draft = Draft("places")
    v = draft.variable("v", 4, set(VALUES))
    draft.constraint("c", condition(argmax(v), argmin(v)))
    draft.maximize(dot(COSTS, v))
    worth = [COSTS @ p for p in POINTS if meaning(int(p.argmax()), int(p.argmin()))]
    for solver in ("highs", "cbc"):
        found = best(draft.program(), solver)
        assert found == (pytest.approx(max(worth), abs=1e-6) if worth else None)


@pytest.mark.parametrize("sense", ["minimize", "maximize"])
def test_a_place_is_a_number(sense: str, best: Best) -> None:
    draft = Draft("places")
    v = draft.variable("v", 4, set(VALUES))
    getattr(draft, sense)(argmax(v) - 0.6 * argmin(v) + 0.25 * dot(COSTS, v))
    worth = [p.argmax() - 0.6 * p.argmin() + 0.25 * COSTS @ p for p in POINTS]
    wanted = min(worth) if sense == "minimize" else max(worth)
    assert best(draft.program(), "highs") == pytest.approx(wanted, abs=1e-6)
    assert best(draft.program(), "cbc") == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_the_class_of_a_network(make: Make, seed: int, best: Best) -> None:
    """The farthest move of a point on a grid that leaves, or keeps, its class."""
    trained = known(make, 20 + seed)
    cut = trained.compact()
    values = [-1.0, -0.5, 0.0, 0.5, 1.0]
    points = np.array(list(itertools.product(values, repeat=3)))
    classes = result_of(cut.network, cut.assignment, points).argmax(axis=1)
    cost = points @ np.array([0.5, -0.3, 0.2])
    for k, equal in itertools.product((0, 1), (True, False)):
        draft = Draft("classes")
        f, x = draft.trained("f", trained), draft.variable("x", 3, set(values))
        place = argmax(f(x))
        draft.constraint("c", place == k if equal else place != k)
        draft.maximize(dot(x, [0.5, -0.3, 0.2]))
        allowed = cost[(classes == k) == equal]
        for solver in ("highs", "cbc"):
            found = best(draft.program(), solver)
            assert found == (pytest.approx(allowed.max(), abs=1e-6) if len(allowed) else None)


SCORES = """nnm 0.1
var v : real[5] in [-1, 1]
maximize v[0] + v[1] + v[2]
constraint c: {condition}
"""


@pytest.mark.parametrize(
    ("condition", "binaries", "rows"),
    [
        ("argmax(v) = 2", 0, 4),
        ("argmax(v) != 2", 4, 4 + 2),
        ("argmin(v) <= 0", 0, 4),
        ("v[0] <= 0 or argmax(v) = 2", 1, 4 + 1),
        ("v[0] <= 0 or argmax(v) != 2", 4, 4 + 2),
        ("argmax(v) in {1, 3}", 2, 2 * 4 + 1),
    ],
)
def test_only_the_side_that_is_needed_is_encoded(condition: str, binaries: int, rows: int) -> None:
    milp = loads(SCORES.format(condition=condition)).lowered.milp
    assert (int(milp.integer.sum()), milp.num_rows) == (binaries, rows)


def test_what_is_stated_of_ties() -> None:
    noted = loads(SCORES.format(condition="argmax(v) = 2")).lowered.notes
    assert noted == ("argmax(v): an earlier entry counts as less from a distance of 0.0001 on",)
    stated = loads(SCORES.format(condition="argmax(v, strictness: 0.01) = 2")).solve()
    assert stated.objective == pytest.approx(3 - 0.02, abs=1e-6)
    first = loads(SCORES.format(condition="argmax(v) = 0"))
    assert first.lowered.notes == () and first.solve().objective == pytest.approx(3, abs=1e-6)


def test_one_for_each_of_several_points(best: Best) -> None:
    """Calls under `forall` are one block of rows; each has its own class."""
    text = """nnm 0.1
var v : real[3, 4] in {-1, 0, 1}
param k : int[3] = [3, 0, 2]
maximize sum(i in 0..2: 0.31 * v[i, 0] - 0.17 * v[i, 1] + 0.23 * v[i, 2] - 0.41 * v[i, 3])
constraint c: forall i in 0..2: argmax(v[i]) = k[i]
constraint d: forall i in 0..2: argmin(v[i]) != 1 or argmax(v[i]) = 3
"""
    wanted = sum(
        max(COSTS @ p for p in POINTS if p.argmax() == k and (p.argmin() != 1 or p.argmax() == 3)) for k in (3, 0, 2)
    )
    program = loads(text).program
    assert best(program, "highs") == pytest.approx(wanted, abs=1e-6)
    assert best(program, "cbc") == pytest.approx(wanted, abs=1e-6)


def test_a_conditional_equality_is_two_rows() -> None:
    text = "nnm 0.1\nvar b : bool\nvar x : real in [1, 9]\nminimize x\nconstraint c: not b -> x = 5\n"
    milp = loads(text).lowered.milp
    assert milp.num_rows == 2 and int(milp.integer.sum()) == 1
    assert loads(text).solve().objective == pytest.approx(1, abs=1e-6)
    assert loads(text.replace("constraint", "constraint a: not b\nconstraint")).solve().objective == pytest.approx(5)
    assert lower_program(loads(text).program).milp.num_rows == 2


@pytest.mark.parametrize(
    ("call", "help"),
    [
        ("f(x)", "take as many entries as it reads: `f(x[0:3])`"),
        ("f(y)", "declare it with that shape: `real[3]`"),
    ],
)
def test_a_point_of_another_shape(call: str, help: str) -> None:
    text = (
        f'nnm 0.1\nnetwork f = saved("f")\nvar x : real[4] in [0, 1]\nvar y : real[2] in [0, 1]\nminimize {call}[0]\n'
    )
    (problem,) = loads(text).bind(f=known(KINDS[0], 1)).check()
    assert (problem.code, problem.help) == ("NNM0301", help)
