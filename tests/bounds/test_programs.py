"""Bounds by linear programs: rows that hold exactly, certificates that no multiplier can break; and through rows."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnmip.backends.linear import LinearAnswer, LinearProgram
from nnmip.bounds.crown import STEPS, Crown, crown
from nnmip.bounds.fbbt import AffineRows, Empty
from nnmip.bounds.fbbt import tightened as through_rows
from nnmip.bounds.interval import BoolArray, FloatArray, IntArray, Interval
from nnmip.bounds.known import KnownWeights
from nnmip.bounds.obbt import Prefix, Program, Task, _side_by_side, obbt, tightened
from tests.bounds.nets import Sketch, boxes, dense_net, points
from tests.bounds.test_crown import NETS, misses
from tests.bounds.test_rounding import exact_forward


@pytest.mark.parametrize("name", NETS)
def test_bounds_by_programs_are_sound_and_tighter(name: str) -> None:
    rng = np.random.default_rng(len(name))
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 0.3)
    lines, programs = crown(network, assignment, box), obbt(network, assignment, box, LinearProgram.of_many_goals)
    assert misses(network, assignment, box, programs, rng, 20_000) == 0
    for layer in network.layers:
        assert (programs.outputs[layer.name].lo >= lines.outputs[layer.name].lo).all()
        assert (programs.outputs[layer.name].hi <= lines.outputs[layer.name].hi).all()


@pytest.mark.parametrize("name", NETS)
def test_exact_values_satisfy_all_rows(name: str) -> None:
    """In rational arithmetic, for points of the box: the relaxation contains the graph of the network."""
    rng = np.random.default_rng(3)
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 0.4)
    walk = Crown(KnownWeights(network, assignment), box)
    walk.tighten()
    prefix = Prefix(walk)
    program = Program.of(prefix.rows, np.arange(prefix.rows.columns))
    for point in points(rng, box, 2)[:, 0]:
        values = exact_forward(network, assignment, point[None])
        at: dict[int, Fraction] = {}
        for layer, columns in prefix.columns.items():
            at |= dict(zip(columns.ravel().tolist(), values[layer].ravel().tolist(), strict=True))
        first = np.searchsorted(program.row, np.arange(len(program.least)))
        for copy, column in zip(program.column[first].tolist(), program.column[first + 1].tolist(), strict=True):
            if copy not in at:  # a row that makes one column the copy of another
                at[copy] = at[column]
        sums: dict[int, Fraction] = {}
        for row, column, value in zip(program.row.tolist(), program.column.tolist(), program.value, strict=True):
            sums[row] = sums.get(row, Fraction(0)) + Fraction(value) * at[column]
        for row, total in sums.items():
            least, most = program.least[row], program.most[row]
            assert np.isinf(least) or Fraction(least) <= total, (row, float(total) - least)
            assert np.isinf(most) or total <= Fraction(most), (row, float(total) - most)
        for column, value in at.items():
            assert Fraction(program.lo[column]) <= value <= Fraction(program.hi[column])


def test_a_certificate_is_as_good_as_the_optimum() -> None:
    rng = np.random.default_rng(4)
    network, assignment = dense_net(rng, 4, 8, 8, 2).network()
    walk = Crown(KnownWeights(network, assignment), boxes(rng, 1, (4,), 0.5))
    walk.tighten()
    prefix = Prefix(walk)
    program = Program.of(prefix.rows, np.arange(prefix.rows.columns))
    solver = LinearProgram(np.zeros(len(program.lo)), program.lo, program.hi)
    solver.add_sparse(
        np.searchsorted(program.row, np.arange(len(program.least))),
        *(program.column, program.value, program.least, program.most),
    )
    for column in prefix.columns[network.result_layer].ravel():
        for sign in (1.0, -1.0):
            cost = sign * (np.arange(len(program.lo)) == column)
            solver.set_cost(cost)
            answer = solver.solve()
            assert answer is not None
            assert answer.value <= program.certified(cost, answer.multipliers) + 1e-9
            assert program.certified(cost, answer.multipliers) == pytest.approx(answer.value, abs=1e-7)


def test_one_unit_has_the_bounds_of_its_triangle() -> None:
    """max of relu(x + y) - (x + y) / 2 over [-1, 1]^2: the relaxation says 1 at (0, 0), intervals say 3."""
    net = Sketch(2)
    name = net.add("dense", "x", weights=np.array([[1.0, 1.0]]))
    both = net.add("concat", net.add("relu", name), name, axis=0)
    net.add("dense", both, weights=np.array([[1.0, -0.5]]))
    network, assignment = net.network()
    found = obbt(network, assignment, Interval.box((1, 2), -1.0, 1.0), LinearProgram.of_many_goals).outputs[
        network.result_layer
    ]
    assert found.hi.item() == pytest.approx(1.0) and found.lo.item() == pytest.approx(0.0)


@pytest.mark.parametrize("radius", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_programs_gain_no_more_than_the_gaps_say(seed: int, radius: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all programs are solved, no bound moves further than its gap; and gaps are not much larger than that."""
    monkeypatch.setattr("nnmip.bounds.obbt._worthwhile", lambda walk, name, index, worth: (index, index))
    network, assignment = dense_net(np.random.default_rng(seed), 5, 16, 16, 16, 4).network()
    everything, allowed, gained = tightened(LinearProgram.of_many_goals), [0.0], [0.0]

    def further(walk: Crown, name: str, loose: Callable[[], BoolArray]) -> None:
        if walk.is_exact(name):
            return
        before, index = walk.outputs[name], np.flatnonzero(loose())
        gaps = walk.gaps(name, index)
        everything(walk, name, loose)
        after = walk.outputs[name]
        for gap, whole in ((gaps.lo, after.lo - before.lo), (gaps.hi, before.hi - after.hi)):
            gain = whole.ravel()[index]
            assert (gain <= gap + 1e-7).all()
            allowed.extend(gap)
            gained.extend(gain)

    box = boxes(np.random.default_rng(seed), 1, (5,), radius)
    Crown(KnownWeights(network, assignment), box, further=further, steps=STEPS).tighten()
    assert len(gained) > 16 and sum(gained) > 0.15 * sum(allowed)


@pytest.mark.parametrize("name", NETS)
def test_gaps_leave_out_only_what_is_not_worth_it(name: str) -> None:
    """By all kinds of layers: bounds without those programs are at most as much wider as these would have gained."""
    rng = np.random.default_rng(len(name))
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 0.3)
    make = LinearProgram.of_many_goals
    whole, part = (
        obbt(network, assignment, box, make),
        obbt(network, assignment, box, make, further=tightened(make, worth=0.02)),
    )
    assert misses(network, assignment, box, part, rng, 20_000) == 0
    wide, tight = part.outputs[network.result_layer], whole.outputs[network.result_layer]
    assert (wide.hi - wide.lo <= 1.2 * (tight.hi - tight.lo) + 1e-9).all()


class Counter(LinearProgram):
    """Counts its solves."""

    solves = 0

    def solve(self) -> LinearAnswer | None:
        Counter.solves += 1
        return super().solve()


def test_programs_are_solved_only_where_they_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    network, assignment = dense_net(np.random.default_rng(1), 5, 16, 16, 16, 4).network()
    box = boxes(np.random.default_rng(2), 1, (5,), 1.0)
    counts = []
    for worth in (0.0, 0.02, 1.0):
        monkeypatch.setattr(Counter, "solves", 0)
        make = Counter.of_many_goals
        obbt(network, assignment, box, make, further=tightened(make, worth=worth))
        counts.append(Counter.solves)
    assert counts[0] > 30 and counts[0] > counts[1] > counts[2]


@dataclass
class Liar:
    """A solver whose multipliers mean nothing."""

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    rows: int = 0
    seed: int = 0
    gives_up: bool = False
    multipliers: FloatArray = None  # type: ignore[assignment]

    def add_sparse(
        self, starts: IntArray, columns: IntArray, values: FloatArray, least: FloatArray, most: FloatArray
    ) -> None:
        self.rows += len(least)

    def set_cost(self, cost: FloatArray) -> None:
        self.cost = cost

    def set_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        self.lower, self.upper = lower, upper

    @property
    def x(self) -> FloatArray:
        return np.random.default_rng(self.seed).uniform(self.lower, self.upper)

    def ray(self) -> FloatArray:
        return np.random.default_rng(self.seed).normal(size=self.rows)

    def solve(self) -> Liar | None:
        self.seed += 1
        if self.gives_up and self.seed % 3 == 0:
            return None
        rng = np.random.default_rng(self.seed)
        self.multipliers = rng.normal(size=self.rows) * rng.choice([0.0, 1e-3, 1.0, np.nan, np.inf], self.rows)
        return self


def test_multipliers_that_mean_nothing_do_no_harm() -> None:
    for name in ("relu", "residual_net", "gated_net"):
        rng = np.random.default_rng(9)
        sketch = NETS[name](rng)
        network, assignment = sketch.network()
        box = boxes(rng, 2, sketch.shapes["x"], 0.3)
        assert misses(network, assignment, box, obbt(network, assignment, box, Liar), rng, 5000) == 0


def test_certificates_hold_in_rational_arithmetic() -> None:
    """Any multipliers: the float64 bound is at least the exact one, for data of very different sizes."""
    rng = np.random.default_rng(10)
    for _ in range(100):
        matrix = rng.normal(size=(4, 5)) * 10.0 ** rng.integers(-6, 7, (4, 5)) * (rng.random((4, 5)) < 0.7)
        row, column = np.nonzero(matrix)
        lo = rng.normal(size=5)
        hi = lo + rng.random(5)
        least, most = -rng.random(4), np.where(rng.random(4) < 0.3, np.inf, rng.random(4))
        program = Program(lo, hi, row, column, matrix[row, column], least, most)
        cost, y = rng.normal(size=5), rng.normal(size=4)
        exact = Fraction(0)
        used = [Fraction(0) if v > 0 and np.isinf(m) else Fraction(v) for v, m in zip(y, most, strict=True)]
        for value, low, high in zip(used, least, most, strict=True):
            exact += value * Fraction(high if value > 0 else low) if value else 0
        for j in range(5):
            d = Fraction(cost[j]) - sum((used[i] * Fraction(matrix[i, j]) for i in range(4)), Fraction(0))
            exact += max(d * Fraction(lo[j]), d * Fraction(hi[j]))
        found = Fraction(program.certified(cost, y))
        assert exact <= found <= exact + Fraction(1e-10) * (1 + abs(exact)) * 10**7


# ---- through rows --------------------------------------------------------------------------------------------------


def test_rows_cut_a_box() -> None:
    rows = AffineRows.dense(
        np.array([[1.0, 1.0, 0.0], [0.0, 2.0, -1.0]]), np.array([-np.inf, 1.0]), np.array([1.5, np.inf])
    )
    found = through_rows(rows, Interval(np.zeros(3), np.array([1.0, 2.0, 3.0])))
    assert found.lo == pytest.approx([0.0, 0.5, 0.0]) and found.hi == pytest.approx([1.0, 1.5, 2.0])
    assert found.lo[1] <= 0.5 and found.hi[1] >= 1.5 and found.hi[2] >= 2.0


def test_an_end_may_be_missing() -> None:
    rows = AffineRows.dense(
        np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 1.0]]), np.array([-np.inf] * 2), np.array([2.0, 9.0])
    )
    found = through_rows(rows, Interval(np.array([0.0, 0.0, -np.inf]), np.array([np.inf, 3.0, np.inf])))
    assert found.hi[0] == pytest.approx(5.0) and found.lo[2] == -np.inf and found.hi[2] == pytest.approx(9.0)


def test_whole_columns_end_at_whole_numbers() -> None:
    rows = AffineRows.dense(np.array([[2.0, 3.0]]), np.array([2.5]), np.array([7.5]))
    box = Interval(np.zeros(2), np.full(2, 9.0))
    found = through_rows(rows, box, np.array([True, False]))
    assert (found.lo[0], found.hi[0]) == (0.0, 3.0) and found.hi[1] == pytest.approx(2.5)


def test_a_row_without_a_point_is_named() -> None:
    rows = AffineRows.dense(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([-np.inf, 3.0]), np.array([5.0, np.inf]))
    with pytest.raises(Empty, match="row 1"):
        through_rows(rows, Interval(np.zeros(2), np.ones(2)))


def test_points_of_rows_are_never_cut() -> None:
    """In rational arithmetic: random rows through a random point."""
    rng = np.random.default_rng(12)
    for _ in range(200):
        matrix = rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-8, 9, (3, 4)) * (rng.random((3, 4)) < 0.8)
        point = rng.normal(size=4)
        sums = [
            sum((Fraction(a) * Fraction(x) for a, x in zip(row, point, strict=True)), Fraction(0)) for row in matrix
        ]
        above = np.array([np.nextafter(float(s), np.inf) for s in sums])
        below = np.array([np.nextafter(float(s), -np.inf) for s in sums])
        box = Interval(point - rng.random(4), point + rng.random(4) * (rng.random(4) < 0.8))
        found = through_rows(AffineRows.dense(matrix, below, above), box)
        assert (found.lo <= point).all() and (point <= found.hi).all()
        assert (found.lo >= box.lo).all() and (found.hi <= box.hi).all()


def test_ctrl_c_ends_all_threads_before_it_is_raised() -> None:
    over, ended = threading.Event(), list[float]()

    def bounder(task: Task) -> FloatArray:
        if task.sign > 0:
            time.sleep(0.05)
            _thread.interrupt_main()
        while not task.is_over():
            time.sleep(0.001)
        time.sleep(0.05)
        ended.append(task.sign)
        return np.zeros(1)

    tasks: list[Any] = [SimpleNamespace(sign=sign, is_over=over.is_set) for sign in (1.0, -1.0)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start tests without one
    try:
        with pytest.raises(KeyboardInterrupt):
            _side_by_side(bounder, tasks, over)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(ended) == [-1.0, 1.0]


def test_what_fails_in_a_thread_is_raised() -> None:
    def bounder(task: Task) -> FloatArray:
        raise RuntimeError("refused")

    over = threading.Event()
    tasks: list[Any] = [SimpleNamespace(is_over=over.is_set)]
    with pytest.raises(RuntimeError, match="refused"):
        _side_by_side(bounder, tasks, over)
    assert over.is_set()
