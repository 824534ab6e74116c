"""Bounds by branching over phases: sound whatever the solver says, and exact where the search ends."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from nnmip.backends.linear import LinearProgram
from nnmip.bounds import obbt as obbt_module
from nnmip.bounds.branched import branched
from nnmip.bounds.crown import Crown
from nnmip.bounds.interval import Interval
from nnmip.bounds.known import KnownWeights
from nnmip.bounds.obbt import Prefix, Program, obbt
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Network
from nnmip.hir.evaluate import forward
from tests.bounds.nets import Sketch, boxes, dense_net, points
from tests.bounds.test_crown import NETS, misses
from tests.bounds.test_programs import Liar
from tests.bounds.test_rounding import exact_forward


def by_branching(network: Network, assignment: Assignment, box: Interval, programs: int = 60) -> Bounds:
    first = obbt(network, assignment, box, LinearProgram.of_many_goals).outputs
    return obbt(network, assignment, box, LinearProgram, first, branched(LinearProgram, programs))


@pytest.mark.parametrize("name", NETS)
def test_bounds_by_branching_are_sound_and_tighter(name: str) -> None:
    rng = np.random.default_rng(len(name))
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 0.3)
    programs = obbt(network, assignment, box, LinearProgram.of_many_goals)
    found = by_branching(network, assignment, box, 20)
    assert misses(network, assignment, box, found, rng, 20_000) == 0
    for layer in network.layers:
        assert (found.outputs[layer.name].lo >= programs.outputs[layer.name].lo).all()
        assert (found.outputs[layer.name].hi <= programs.outputs[layer.name].hi).all()


def corners(network: Network, assignment: Assignment, width: int) -> np.ndarray:
    """The results at all points of a fine grid over [-1, 1]^2."""
    axis = np.linspace(-1.0, 1.0, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, width)
    return forward(network, assignment, grid)[network.result_layer]


@pytest.mark.parametrize("op", ["relu", "leaky_relu", "abs"])
@pytest.mark.parametrize("seed", range(3))
def test_the_range_of_a_network_is_found(op: str, seed: int) -> None:
    """Two inputs, so that a grid has nearly all of the range; linear programs alone leave a good deal more."""
    rng = np.random.default_rng(seed)
    net = Sketch(2)
    first = net.add(op, net.add("dense", "x", weights=rng.normal(size=(6, 2)), bias=rng.normal(size=6) / 2))
    second = net.add(op, net.add("dense", first, weights=rng.normal(size=(6, 6)), bias=rng.normal(size=6) / 2))
    net.add("dense", second, weights=rng.normal(size=(2, 6)))
    network, assignment = net.network()
    box = Interval.box((1, 2), -1.0, 1.0)
    seen, found = corners(network, assignment, 2), by_branching(network, assignment, box, 2000)
    lo, hi = found.outputs[network.result_layer].lo[0], found.outputs[network.result_layer].hi[0]
    width = seen.max(axis=0) - seen.min(axis=0)
    assert (lo <= seen.min(axis=0)).all() and (hi >= seen.max(axis=0)).all()
    assert (hi - lo <= 1.03 * width).all()
    wide = obbt(network, assignment, box, LinearProgram.of_many_goals).outputs[network.result_layer]
    assert (wide.hi - wide.lo).sum() > 1.1 * width.sum()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "residual_net"])
def test_exact_values_with_their_phases_satisfy_all_rows(name: str) -> None:
    """In rational arithmetic, for points of the box: no row of a phase cuts one off."""
    rng = np.random.default_rng(3)
    sketch = NETS[name](rng)
    network, assignment = sketch.network()
    box = boxes(rng, 1, sketch.shapes["x"], 0.4)
    walk = Crown(KnownWeights(network, assignment), box)
    walk.tighten()
    prefix = Prefix(walk, has_phases=True)
    program, kinks = Program.of(prefix.rows, np.arange(prefix.rows.columns)), prefix.kinks
    assert len(kinks.phase)
    of_phase = np.unique(program.row[np.isin(program.column, kinks.phase)])
    assert len(of_phase) == 2 * len(kinks.phase)
    for point in points(rng, box, 5)[:, 0]:
        values = exact_forward(network, assignment, point[None])
        at: dict[int, Fraction] = {}
        for layer, columns in prefix.columns.items():
            at |= dict(zip(columns.ravel().tolist(), values[layer].ravel().tolist(), strict=True))
        for inner, phase in zip(kinks.inner.tolist(), kinks.phase.tolist(), strict=True):
            at[phase] = Fraction(int(at[inner] > 0))
        for row in of_phase.tolist():
            use = program.row == row
            entries = zip(program.column[use].tolist(), program.value[use].tolist(), strict=True)
            total = sum((Fraction(value) * at[column] for column, value in entries), Fraction(0))
            assert total <= Fraction(float(program.most[row]))


def test_a_solver_that_lies_does_no_harm() -> None:
    """Its multipliers, points and rays mean nothing, and at times it has no answer."""
    for name in ("relu", "leaky_relu", "residual_net"):
        rng = np.random.default_rng(9)
        sketch = NETS[name](rng)
        network, assignment = sketch.network()
        box = boxes(rng, 2, sketch.shapes["x"], 0.3)
        liar = partial(Liar, gives_up=True)
        found = obbt(network, assignment, box, liar, None, branched(liar, 15))
        assert misses(network, assignment, box, found, rng, 5000) == 0


@pytest.mark.parametrize("name", ["up", "down"])
def test_rows_of_phases_that_cut_are_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded fault: what multiplies a phase is nine tenths of what it has to be, on one of the sides."""
    right = Prefix._phased

    def wrong(self: Prefix, *given: object) -> None:
        bounds = self.walk.outputs
        scaled = {
            key: Interval(*((0.9 * b.lo, b.hi) if name == "down" else (b.lo, 0.9 * b.hi))) for key, b in bounds.items()
        }
        self.walk.outputs = scaled
        right(self, *given)  # type: ignore[arg-type]
        self.walk.outputs = bounds

    monkeypatch.setattr(obbt_module.Prefix, "_phased", wrong)
    failures = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        network, assignment = dense_net(rng, 2, 6, 6, 2).network()
        box = Interval.box((1, 2), -1.0, 1.0)
        failures += misses(network, assignment, box, by_branching(network, assignment, box, 500), rng, 20_000) > 0
    assert failures >= 1
