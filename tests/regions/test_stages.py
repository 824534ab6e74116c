"""Goals in stages under rules over regions, against all networks of a small model, each checked at its kinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from nnmip.backends.protocol import Termination
from nnmip.regions import aim
from nnmip.solution.result import Proof, Result, SolutionStatus
from tests.regions.test_rounds import CASES, ROWS, Net, Rule, net_of, networks, solved

SLACK = Fraction(1, 10**7)
Goal = Callable[[Net], Fraction]


def size(net: Net) -> Fraction:
    return Fraction(sum(value != 0 for value in (*net.w, *net.v)))


def loss(net: Net) -> Fraction:
    return net.loss


def worst(net: Net) -> Fraction:
    return max(abs(net(Fraction(x)) - Fraction(str(y))) for x, y in ROWS)


def biases(net: Net) -> Fraction:
    """To be maximised."""
    return -sum(net.b, start=net.c)


LOSS_FIRST = "minimize absolute(f, t) then l0(f.weights)"
SIZE_FIRST = "minimize l0(f.weights) then absolute(f, t)"
THREE = "minimize max_error(f, t) then l0(f.weights) then maximize sum(f.biases)"
ORDERS: dict[str, tuple[Goal, ...]] = {
    LOSS_FIRST: (loss, size),
    SIZE_FIRST: (size, loss),
    THREE: (worst, size, biases),
}

CHOSEN = (
    ("sign", THREE, "highs"),
    ("or", LOSS_FIRST, "cbc"),
    ("robust", SIZE_FIRST, "highs"),
    ("monotone", THREE, "cbc"),
)


@cache
def table(rule: Rule) -> list[tuple[Net, bool, bool]]:
    """All networks, whether they keep a rule, and whether with delta to spare."""
    return [(net, rule(net, Fraction(0)), rule(net, Fraction(str(aim.DELTA)))) for net in networks()]


def in_order(nets: Sequence[Net], goals: Sequence[Goal]) -> list[Fraction]:
    """The best values of goals, each among the networks that are as good in those before."""
    found = []
    for goal in goals:
        values = [goal(net) for net in nets]
        found.append(min(values))
        nets = [net for net, value in zip(nets, values, strict=True) if value <= found[-1] + SLACK]
    return found


def signed(result: Result, values: Sequence[float | None]) -> list[float]:
    """Values of goals, each so that less is better."""
    signs = [1.0 if stage.sense == "minimize" else -1.0 for stage in result.stages]
    return [sign * value for sign, value in zip(signs, values, strict=True) if value is not None]


def is_worse(net: Net, than: Sequence[float], goals: Sequence[Goal]) -> bool:
    """Whether a network is not better in the order of the goals, but for tolerances."""
    for goal, value in zip(goals, than, strict=True):
        own = float(goal(net))
        if abs(own - value) > 1e-6:
            return own > value
    return True


@pytest.mark.parametrize(("case", "order", "solver"), CHOSEN)
def test_the_best_network_in_the_order_of_the_goals(case: str, order: str, solver: str, tmp_path: Path) -> None:
    (text, rule), goals = CASES[case], ORDERS[order]
    result = solved(text, tmp_path, goal=order, solver=solver)
    net = net_of(result)
    assert rule(net, Fraction(0)) and result.promise is not None and result.termination is Termination.OPTIMAL
    values = signed(result, [stage.objective for stage in result.stages])
    assert values == pytest.approx([float(goal(net)) for goal in goals], abs=1e-7)
    best = [float(v) for v in in_order([net for net, keeps, _ in table(rule) if keeps], goals)]
    bounds = signed(result, [stage.dual_bound for stage in result.stages])
    assert all(bound <= value + 1e-6 for bound, value in zip(bounds, best, strict=False))
    if result.solution is SolutionStatus.OPTIMAL:
        assert values == pytest.approx(best, abs=1e-6) and bounds == pytest.approx(best, abs=1e-6)
        assert not any(stage.is_tight for stage in result.stages)
    else:
        assert result.is_tightened and any(stage.is_tight for stage in result.stages)
        assert all(is_worse(net, values, goals) for net, _, is_firm in table(rule) if is_firm)
    assert all(stage.proof in (Proof.SOLVER, Proof.CERTIFIED) for stage in result.stages)
    assert [stage.held is not None for stage in result.stages] == [True] * (len(goals) - 1) + [False]


def test_the_rules_change_what_is_found() -> None:
    """Otherwise the cases would show nothing."""
    for case, order, _ in CHOSEN:
        nets = table(CASES[case][1])
        kept = [net for net, keeps, _ in nets if keeps]
        assert in_order(kept, ORDERS[order]) != in_order([net for net, _, _ in nets], ORDERS[order])
