"""Variables without a domain, whose ranges follow from constraints."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import nnmip
from nnmip.backends.linear import LinearProgram
from nnmip.bounds.interval import Interval
from nnmip.hir.core import Program
from nnmip.hir.evaluate import result as network_result
from nnmip.passes import ranges as ranges_module
from nnmip.passes.ranges import ranges
from tests.embedding.test_applied import dense, known

NETWORK = """nnm 0.1
network f = npz("f.npz")
var x : real[3]{domain}
constraint low: x >= -1
constraint high: forall i in indices(x): x[i] <= 1
constraint sum: x[0] + x[1] <= 0.5
maximize f(x)[0] - 0.3 * f(x)[1]
"""


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_range_that_follows_is_as_good_as_a_domain(solver: str) -> None:
    net = known(dense, 3)
    open_, closed = (nnmip.loads(NETWORK.replace("{domain}", domain)).bind(f=net) for domain in ("", " in [-1, 1]"))
    (variable,) = open_.program.variables
    assert str(variable.decision.domain) == "[-1, 1]"
    results = [each.solve(solver=solver) for each in (open_, closed)]
    assert results[0].objective == pytest.approx(results[1].objective, abs=1e-6)
    points = np.random.default_rng(0).uniform(-1, 1, size=(20_000, 3))
    own = net.compact()
    scores = network_result(own.network, own.assignment, points[points[:, 0] + points[:, 1] <= 0.5])
    assert results[0].objective is not None and results[0].objective >= (scores[:, 0] - 0.3 * scores[:, 1]).max() - 1e-6


def domains(declared: str, *constraints: str) -> dict[str, str]:
    rules = [f"constraint c{number}: {text}" for number, text in enumerate(constraints)]
    program = nnmip.loads("\n".join(["nnm 0.1", declared, *rules, "satisfy"])).program
    return {variable.decision.path: str(variable.decision.domain) for variable in program.variables}


def test_what_gives_a_range() -> None:
    assert domains("var x : real", "0.1 <= x <= 0.3") == {"x": "[0.1, 0.3]"}
    assert domains("var x : real[2]", "x[0] >= 0 and x[0] <= 5", "x[1] = 7") == {"x": "[0, 7]"}
    assert domains("var x : real[2]", "norm_inf(x) <= 3") == {"x": "[-3, 3]"}
    assert domains("var x : real\nvar y : real in [0, 1]", "x = 2 * y + 1") == {"x": "[1, 3]", "y": "[0, 1]"}
    assert domains("var k : int", "0 <= 2 * k", "2 * k <= 7") == {"k": "{0, 1, 2, 3}"}
    assert domains("var x : real[2]\nlet s = x[0] + x[1]", "x >= 0", "s <= 1") == {"x": "[0, 1]"}
    assert domains("param m : real = 4\nvar x : real", "-m <= x", "x <= m") == {"x": "[-4, 4]"}


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ((), "`x` has no bounds; every decision is bounded where it is declared"),
        (("x[0] + x[1] <= 1",), "`x` has no bounds; every decision is bounded where it is declared"),
        (("x >= 0",), "`x[0]` has no upper bound, neither from a domain nor from affine constraints"),
        (("x <= 0", "x[0] >= 1"), "`x[1]` has no lower bound, neither from a domain nor from affine constraints"),
        (
            ("x >= 0", "x[0] <= 3 or x[1] <= 3"),
            "`x[0]` has no upper bound, neither from a domain nor from affine constraints",
        ),
    ],
)
def test_an_end_that_is_missing_is_named(constraints: tuple[str, ...], message: str) -> None:
    with pytest.raises(nnmip.DiagnosticError) as caught:
        domains("var x : real[2]", *constraints)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("NNM0401", message)
    assert "write a domain behind its type: `in [0, 10]`" in found.help


def test_other_mistakes_are_told_beside() -> None:
    with pytest.raises(nnmip.DiagnosticError) as caught:
        domains("var x : real", "x <= 3", "x >= lowest")
    assert [found.code for found in caught.value.diagnostics] == ["NNM0401", "NNM0201"]


def test_constraints_that_contradict_each_other_are_infeasible() -> None:
    text = "nnm 0.1\nvar x : real\nconstraint a: x >= 2\nconstraint b: x <= 1\nmaximize x\n"
    result = nnmip.loads(text).solve()
    assert result.termination == "infeasible" and result.conflict is not None
    assert [name for name, *_ in result.conflict.members] == ["a", "b"]


def system(seed: int) -> tuple[Program, np.ndarray, np.ndarray]:
    """Random rows over three variables, some about one of them, with matrix and right sides; whole tenths."""
    chance = np.random.default_rng(seed)
    matrix = chance.integers(-20, 21, size=(6, 3)) / 10.0 * (chance.random((6, 3)) < 0.6)
    matrix = np.concatenate([matrix, np.eye(3), -np.eye(3)])
    most = np.concatenate([chance.integers(0, 30, 6), chance.integers(1, 40, 6)]) / 10.0
    rows = [
        " + ".join(f"{w} * x[{k}]" for k, w in enumerate(row) if w) + f" <= {m}"
        for row, m in zip(matrix, most, strict=True)
        if row.any()
    ]
    text = "\n".join(["nnm 0.1", "var x : real[3]", *(f"constraint c{k}: {r}" for k, r in enumerate(rows)), "satisfy"])
    return nnmip.loads(text).program, matrix, most


def outside(found: Interval, matrix: np.ndarray, most: np.ndarray) -> float:
    """By how much the extreme points that satisfy all rows leave a range at most."""
    worst = 0.0
    for column, sign in itertools.product(range(3), (1.0, -1.0)):
        program = LinearProgram(sign * (np.arange(3) == column), np.full(3, -99.0), np.full(3, 99.0))
        program.add_rows(matrix, most)
        answer = program.solve()
        assert answer is not None
        worst = max(worst, answer.value - (found.hi[column] if sign > 0 else -found.lo[column]))
    return worst


def test_no_point_is_left_out() -> None:
    for seed in range(20):
        program, matrix, most = system(seed)
        assert outside(ranges(program, frozenset())["x"], matrix, most) <= 1e-9


def test_a_range_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded fault: the last round of bounds takes a tenth too much."""
    right = ranges_module.tightened
    monkeypatch.setattr(
        ranges_module,
        "tightened",
        lambda *given: Interval(*(0.9 * end for end in (right(*given).lo, right(*given).hi))),
    )
    found = [outside(ranges(program, frozenset())["x"], *rest) for program, *rest in map(system, range(5))]
    assert max(found) > 0.01
