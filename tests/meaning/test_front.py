"""Fronts between two goals against enumeration: every point is there, and no other."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.backends.protocol import Progress, Termination
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Program
from nnmip.hir.front import Stride, Tradeoff, rounded_step
from nnmip.pipeline import Model, loads
from nnmip.sema.front import read_tradeoff
from nnmip.solution.front import Front
from nnmip.solution.result import SolutionStatus
from nnmip.solution.run import Run
from tests.meaning.generator import Model as Text
from tests.meaning.generator import seeded_model
from tests.meaning.handwritten.model import LINEAR, model
from tests.meaning.harness import load
from tests.meaning.oracle import BatchMeaning, batches

Values = list[tuple[float, float]]
WEIGHTS = "{-2, -1, 0, 1, 2}"
ROWS = "0,neg\n1,pos\n2,neg\n3,pos\n"
TRADED = "minimize hinge(net, train) + 0.1 * l0(net.weights)"
GRADED = "minimize hinge(net, train) + 0.1 * norm_1(net.weights)"


def opened(text: Text, folder: Path) -> Model:
    load(text, folder)
    return loads(text.text, directory=folder)


def traded(seed: int) -> tuple[Text, str]:
    """A random model with a second goal, and the name of the term to trade."""
    text = seeded_model(seed)
    goal = re.sub(r"^satisfy$", "minimize norm_1(net.weights)", text.text, flags=re.MULTILINE)
    later = ("then size", "then maximize size", "then size then maximize sum(net.weights)")[seed % 3]
    measure = ("l0(net.weights)", "norm_1(net.weights)", "norm_1(net.weights) + 2 * l0(net.o.weights)")[seed % 3]
    goal = re.sub(r"^((?:min|max)imize .*)$", rf"\1 {later}\nlet size = {measure}", goal, count=1, flags=re.MULTILINE)
    return Text(goal, text.tables), "size"


def true_front(tradeoff: Tradeoff) -> Values:
    """The nondominated values of the chosen and the limited goal, from the best of the first to that of the second."""
    program, signs = tradeoff.program, np.array([tradeoff.chosen.sign, tradeoff.limited.sign])
    found = [np.zeros((0, 2))]
    for batch in batches(program):
        meaning = BatchMeaning(program, batch)
        goals = np.stack([meaning.goal(0), meaning.goal(1)], axis=1) * signs
        found.append(goals[meaning.feasible()].round(9))
    values = np.unique(np.concatenate(found), axis=0)
    front: Values = []
    for first, second in values.tolist():
        if not front or second < front[-1][1]:
            front.append((first, second))
    return [(a * signs[0], b * signs[1]) for a, b in front]


def traced(front: Front) -> Values:
    """The chosen and the limited value of every point."""
    pairs = [(p.rest, p.term) if front.limited == "term" else (p.term, p.rest) for p in front]
    return [(float(a), float(b)) for a, b in pairs]


def graded(folder: Path) -> Model:
    """A model with nine points on its front, a quarter apart."""
    return opened(model(LINEAR.format(w="[-2, 2] step 1/4"), GRADED), folder)


def same(found: Values, truth: Values) -> bool:
    return len(found) == len(truth) and bool(np.allclose(found, truth, rtol=0, atol=2e-6))


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("seed", range(500, 518))
def test_fronts_agree_with_enumeration(seed: int, solver: str, tmp_path: Path) -> None:
    text, term = traded(seed)
    stated = opened(text, tmp_path)
    front = stated.pareto(term, solver=solver)
    truth = true_front(read_tradeoff(stated.program, term))
    if not truth:
        assert front.termination == "infeasible" and not front.points and front.conflict is not None
        return
    assert front.is_complete and front.is_exact and front.proof == "solver"
    assert same(traced(front), truth), (traced(front), truth)
    assert all(p.result.replay is not None and p.result.replay.status == "passed" for p in front)


# ---- where there is no grid ----------------------------------------------------------------------------------------


def without_grid(folder: Path) -> Model:
    text = model(LINEAR.format(w="[-2, 2]"), GRADED, rows="0.3,neg\n1.7,pos\n2.2,neg\n3.1,pos\n")
    return opened(Text(text.text.replace("bias in {-1, 0, 1}", "bias in [-2, 2]"), text.tables), folder)


def test_without_a_grid_the_front_is_complete_to_the_step(tmp_path: Path) -> None:
    front = without_grid(tmp_path).pareto("norm_1", step=0.125)
    assert front.is_complete and not front.is_exact and front.resolution == pytest.approx(0.125)
    values = traced(front)
    assert values[-1][1] == pytest.approx(0, abs=1e-6)
    for (a, b), (c, d) in pairwise(values):
        assert a < c and b > d
    steps = [b - d for (_, b), (_, d) in pairwise(values)]
    assert all(step >= 0.125 - 1e-5 for step in steps[:-1])


def test_each_point_without_a_grid_is_nondominated(tmp_path: Path) -> None:
    """With the term held at a point's value nothing is better in the rest, and the other way round."""
    stated = without_grid(tmp_path)
    front = stated.pareto("norm_1", step=0.5)
    tradeoff = read_tradeoff(stated.program, "norm_1")
    for chosen, limited in traced(front):
        best = Model.of_program(tradeoff.within(limited + 1e-7)).solve()
        assert best.stages[0].objective == pytest.approx(chosen, abs=1e-6)
        assert best.stages[1].objective == pytest.approx(limited, abs=1e-5)


def test_a_step_is_chosen_from_the_range(tmp_path: Path) -> None:
    front = without_grid(tmp_path).pareto("norm_1")
    extent = front[0].term - front[len(front) - 1].term
    assert front.resolution == pytest.approx(rounded_step(extent / 20)) and 2 <= len(front) <= 52


def test_a_step_on_a_grid_leaves_points_out(tmp_path: Path) -> None:
    every, front = traced(graded(tmp_path).pareto("norm_1")), graded(tmp_path).pareto("norm_1", step=0.4)
    some = traced(front)
    assert set(some) < set(every) and front.resolution == 0.5 and front.is_complete
    for a, b in every:
        assert any(c <= a + 1e-9 and d < b + 0.5 for c, d in some)


def test_the_goal_with_a_grid_is_limited(tmp_path: Path) -> None:
    stated = opened(model(LINEAR.format(w=WEIGHTS), TRADED, rows=ROWS), tmp_path)
    one, other = stated.pareto("l0"), stated.pareto("hinge")
    assert (one.limited, other.limited) == ("term", "rest")
    assert [(p.term, p.rest) for p in one] == [(p.rest, p.term) for p in other]


@pytest.mark.parametrize(
    ("grid", "value", "asked", "extent", "stride"),
    [
        (1, 7.0, None, 0.0, Stride(1, 0.5)),
        (0.25, 7.0, 0.6, 0.0, Stride(0.75, 0.125)),
        (1, 1e6, None, 40.0, Stride(10.0, 0.0)),
        (None, 3.0, 0.1, 9.0, Stride(0.1, 0.0)),
        (None, 3.0, None, 9.0, Stride(0.2, 0.0)),
        (None, 3.0, None, 0.0, Stride(3e-5, 0.0)),
    ],
)
def test_strides(grid: float | None, value: float, asked: float | None, extent: float, stride: Stride) -> None:
    from fractions import Fraction

    found = Stride.of(None if grid is None else Fraction(grid), value, asked, extent)
    assert (found.width, found.room) == pytest.approx((stride.width, stride.room))


# ---- ends ----------------------------------------------------------------------------------------------------------


def test_a_front_of_one_point(tmp_path: Path) -> None:
    front = opened(model(LINEAR.format(w="{0}"), TRADED, rows=ROWS), tmp_path).pareto("l0")
    assert len(front) == 1 and front.is_exact and front[0].term == 0


def test_a_constant_goal_needs_no_search_beyond_its_value(tmp_path: Path) -> None:
    front = opened(model(LINEAR.format(w=WEIGHTS), "minimize hinge(net, train) + 0 * l0(net.weights)"), tmp_path)
    assert len(front.pareto("hinge")) == len(front.pareto("l0"))


def test_a_model_without_networks(tmp_path: Path) -> None:
    text = model(LINEAR.format(w=WEIGHTS), TRADED, "l0(net.weights) >= 2", rows=ROWS)
    front = opened(text, tmp_path).pareto("l0")
    assert (front.termination, len(front), front.undecided) == ("infeasible", 0, None)
    assert front.conflict is not None and [c.name for c in front.conflict.constraints] == ["c0"]


def test_no_time_decides_nothing(tmp_path: Path) -> None:
    front = opened(model(LINEAR.format(w=WEIGHTS), TRADED, rows=ROWS), tmp_path).pareto("l0", time_limit=0)
    assert (front.termination, len(front), front.proof) == ("time_limit", 0, "none")
    assert front.undecided is not None and front.undecided.limit is None and front.undecided.best is not None


def test_a_stop_keeps_what_is_proved_and_names_the_rest(tmp_path: Path) -> None:
    whole, stop = traced(graded(tmp_path).pareto("norm_1")), threading.Event()

    def watch(progress: Progress) -> None:
        if progress.phase.startswith("point 3"):
            stop.set()

    front = graded(tmp_path).pareto("norm_1", progress=watch, stop=stop)
    assert front.termination == "interrupted" and not front.is_complete
    # The third point may be proved before the solver hears of the stop.
    assert traced(front) == whole[: len(front)] and len(front) in (2, 3) and front.proof == "solver"
    assert front.undecided is not None and front.undecided.limit == whole[len(front) - 1][1] - 0.25


def test_ctrl_c_between_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Tradeoff.within

    def interrupted(self: Tradeoff, limit: float) -> Program:
        if limit < whole[1][1] - 0.2:
            raise KeyboardInterrupt
        return honest(self, limit)

    whole = traced(graded(tmp_path).pareto("norm_1"))
    monkeypatch.setattr(Tradeoff, "within", interrupted)
    front = graded(tmp_path).pareto("norm_1")
    assert front.termination == "interrupted" and traced(front) == whole[: len(front)]
    assert front.undecided is not None and front.undecided.bound is None


# ---- a wrong claim is noticed --------------------------------------------------------------------------------------


def claiming(monkeypatch: pytest.MonkeyPatch, wrong: int, change: Any) -> None:
    """Change the result of one of the solves of a front."""
    honest, count = Run.run_in, iter(range(1, 100))

    def faulty(self: Run, *arguments: Any, **options: Any) -> Any:
        result = honest(self, *arguments, **options)
        return change(result) if next(count) == wrong else result

    monkeypatch.setattr(Run, "run_in", faulty)


def test_a_false_end_is_noticed_where_a_network_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = {"termination": Termination.INFEASIBLE, "solution": SolutionStatus.NONE, "replay": None, "objective": None}
    claiming(monkeypatch, 2, lambda result: replace(result, **none))
    front = graded(tmp_path).pareto("norm_1")
    assert front.termination == "solver_error" and len(front) == 1 and "there is one" in front.message


def test_a_false_optimum_is_withdrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(result: Any) -> Any:
        first = replace(result.stages[0], objective=result.stages[0].objective + 5)
        return replace(result, stages=(first, *result.stages[1:]))

    claiming(monkeypatch, 2, worse)
    front = graded(tmp_path).pareto("norm_1")
    assert front.termination == "solver_error" and len(front) == 1 and "point 2" in front.message
    assert front.undecided is not None


@pytest.fixture
def wrong_front(tmp_path: Path) -> Iterator[Any]:
    """Whether the front of a model differs from enumeration."""

    def differs() -> bool:
        stated = graded(tmp_path)
        front = stated.pareto("norm_1")
        return not front.is_exact or not same(traced(front), true_front(read_tradeoff(stated.program, "norm_1")))

    assert not differs()
    yield differs


def test_a_step_that_is_too_long_is_noticed(wrong_front: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Stride.of
    monkeypatch.setattr(Stride, "of", lambda *a: replace(honest(*a), room=-1.5 * honest(*a).width))
    assert wrong_front()


def test_a_second_goal_that_is_left_out_is_noticed(wrong_front: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Tradeoff.within

    def without(self: Tradeoff, limit: float) -> Program:
        program = honest(self, limit)
        stage = program.stages[1]
        return replace(program, stages=(program.stages[0], replace(stage, sense="maximize")))

    monkeypatch.setattr(Tradeoff, "within", without)
    assert wrong_front()


# ---- names ---------------------------------------------------------------------------------------------------------

NAMED = "let size = l0(net.weights) + 2 * l0(net.biases)\nlet loss = hinge(net, train)\nminimize {goal}"


@pytest.mark.parametrize(
    ("goal", "name", "labels"),
    [
        ("loss + 0.1 * norm_1(net.weights)", "norm_1", ("hinge(net, train)", "norm_1(net.weights)")),
        ("loss + 0.1 * norm_1(net.weights)", "norm_1( net.weights )", ("hinge(net, train)", "norm_1(net.weights)")),
        ("loss + 0.1 * norm_1(net.weights)", "2", ("hinge(net, train)", "norm_1(net.weights)")),
        ("loss + 0.1 * size", "size", ("hinge(net, train)", "size")),
        ("2 - 3 * loss + 0.1 * size", "size", ("2 - 3 * hinge(net, train)", "size")),
        ("loss then size", "size", ("hinge(net, train)", "size")),
        ("loss + size", "loss", ("l0(net.weights) + 2 * l0(net.biases)", "loss")),
    ],
)
def test_what_a_name_stands_for(goal: str, name: str, labels: tuple[str, str], tmp_path: Path) -> None:
    program = load(model(LINEAR.format(w=WEIGHTS), NAMED.format(goal=goal)), tmp_path)
    tradeoff = read_tradeoff(program, name)
    found = tradeoff.labels if tradeoff.term_is_limited else tradeoff.labels[::-1]
    assert found == labels


def test_a_term_that_is_subtracted_is_maximised(tmp_path: Path) -> None:
    program = load(model(LINEAR.format(w=WEIGHTS), "minimize hinge(net, train) - l0(net.weights)"), tmp_path)
    tradeoff = read_tradeoff(program, "l0")
    assert (tradeoff.chosen.sense, tradeoff.limited.sense) == ("minimize", "maximize")
    assert [t.coefficient for t in tradeoff.limited.terms] == [1.0]


@pytest.mark.parametrize(
    ("goal", "name", "said"),
    [
        ("minimize hinge(net, train) + l0(net.weights)", "l1", "no term `l1`"),
        ("minimize hinge(net, train) + l0(net.weights)", "3", "no term `3`"),
        ("minimize hinge(net, train) + l0(net.weights) + l0(net.biases)", "l0", "2 terms that `l0` may stand for"),
        ("minimize l0(net.weights) + 3", "l0", "is all that the goal has"),
        ("satisfy", "l0", "the goal is `satisfy`"),
        ("minimize hinge(net, train) then l0(net.weights) then norm_1(net.weights)", "norm_1", "which comes after"),
        ("minimize hinge(net, train) then l0(net.weights) + norm_1(net.weights)", "norm_1", "a part of goal 2 only"),
    ],
)
def test_a_name_that_does_not_fit(goal: str, name: str, said: str, tmp_path: Path) -> None:
    stated = opened(model(LINEAR.format(w=WEIGHTS), goal), tmp_path)
    with pytest.raises(DiagnosticError, match=re.escape(said)) as caught:
        stated.pareto(name)
    assert [d.code for d in caught.value.diagnostics] == ["NNM0209"]


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf"), 1e-9])
def test_a_step_that_makes_no_sense(step: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step"):
        graded(tmp_path).pareto("norm_1", step=step)


def test_arguments_of_another_type(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="term"):
        graded(tmp_path).pareto(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="step"):
        graded(tmp_path).pareto("norm_1", step="1")  # type: ignore[arg-type]
