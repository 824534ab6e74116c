"""Ideal cuts at the root: the relaxation is solved, what it violates is added, and again, before a solver or a file has
the MILP. So every solver and every reader of files profits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.backends.relaxation import Relaxation, Relaxed
from nnmip.hir.goals import Annotation
from nnmip.lowering.ideal import Cuts, OpenUnits, RootCuts
from nnmip.lowering.lower import Direct, Lowered
from nnmip.milp.model import Block, FloatArray, Milp

IDEAL = "ideal"
"""What annotations call this encoding."""

ROUNDS = 1
"""How often the relaxation is cut: later rounds move its bound by little, and their cuts make the search slower."""

GAIN = 1e-3
"""The rounds end where one moves the bound by less than this, relative to what all before it did."""

TIGHT = 1e-7
"""A cut with less slack than this, relative to its size, is kept for the MILP."""


def cut_as_asked(lowered: Lowered) -> Lowered:
    """With the cuts of the networks that are annotated with `@formulation("ideal")`; the same object without any."""
    asked = {path for path, found in lowered.program.annotations if Annotation("formulation", (IDEAL,)) in found}
    if not asked or not isinstance(lowered.way, Direct):
        return lowered
    units = tuple(each for each in lowered.way.low.open_units if each.owner in asked)
    milp, done = with_cuts(lowered.milp, units)
    if done is None:
        return lowered
    ends = sorted((lowered.sign * done.before, lowered.sign * done.after), reverse=lowered.sign < 0)
    return replace(lowered, milp=milp, plain=lowered.milp, cuts=replace(done, before=ends[0], after=ends[1]))


def with_cuts(milp: Milp, units: tuple[OpenUnits, ...], rounds: int = ROUNDS) -> tuple[Milp, RootCuts | None]:
    """The MILP with the cuts of some units that hold its relaxation back, and what they did; None where there are
    none."""
    relaxation, kept = Relaxation(milp), list[Cuts]()
    first = last = relaxation.solve()
    if not isinstance(first, Relaxed):
        return milp, None
    for _ in range(rounds):
        assert isinstance(last, Relaxed)
        found = Cuts.joined([each.violated(last.x, milp.col_lb, milp.col_ub) for each in units])
        if not found.count:
            break
        relaxation.add_sparse(found.starts[:-1], found.columns, found.values, found.least)
        kept.append(found)
        before, last = last, relaxation.solve()
        if not isinstance(last, Relaxed):
            return milp, None
        if last.value - before.value <= GAIN * max(last.value - first.value, 1e-9):
            break
    if not kept or not isinstance(last, Relaxed):
        return milp, None
    cuts = _tight(Cuts.joined(kept), last.x)
    if not cuts.count:
        return milp, None
    done = RootCuts(cuts.count, len(kept), first.value, last.value)
    return _added(milp, cuts), done


def _tight(cuts: Cuts, x: FloatArray) -> Cuts:
    """Those without slack at the last relaxation."""
    row = np.repeat(np.arange(cuts.count), np.diff(cuts.starts))
    terms = cuts.values * x[cuts.columns]
    slack = np.bincount(row, weights=terms, minlength=cuts.count) - cuts.least
    size = np.bincount(row, weights=np.abs(terms), minlength=cuts.count)
    return cuts.some(np.flatnonzero(slack <= TIGHT * np.maximum(1.0, size)))


def _added(milp: Milp, cuts: Cuts) -> Milp:
    origin = milp.rows[-1].origin
    block = Block("ideal", (cuts.count,), milp.num_rows, origin, owner="ideal cuts")
    return milp.with_rows(block, cuts.starts, cuts.columns, cuts.values, cuts.least)
