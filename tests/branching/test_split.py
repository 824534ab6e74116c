"""The split by output weights: the optimum of the direct MILP, certified, on models with all kinds of rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.relaxation import Relaxation, Relaxed
from nnmip.branching.certify import Certifier
from nnmip.branching.cuts import PhaseCuts
from nnmip.branching.tree import Tree
from nnmip.hir.core import Assignment
from nnmip.lowering import patterns
from nnmip.lowering.patterns import lower_pattern
from nnmip.milp.model import FloatArray
from nnmip.search.split import Split, split_of

HEADS = ("{-1, 1}", "{-1, 0, 1}", "{0, 1}", "{-1}", "{-0.5, 2}")
LOSSES = ("hinge(net, rows)", "hinge(net, rows, margin: 0.5)", "zero_one(net, rows, margin: 0.25)")
GOALS = (
    "minimize {loss} + 0.01 * l0(net.weights)",
    "minimize {loss} + 0.01 * norm_1(net.h.weights) + 0.02 * count(used(net.a))",
    "minimize 0.5 * {loss} + 0.05 * count(used(net.x))",
    "maximize -1 * {loss} - 0.02 * l0(net.h.weights)",
)
RULES = (
    "",
    'constraint few "": l0(net.h.weights) <= 2',
    'constraint signed "": net.h.weights[0, 0] >= 0.25',
    'constraint bounded "": norm_1(net.weights) <= 3',
    'constraint high "": forall s in rows: net(s) <= 0.75',
)


def text(seed: int) -> tuple[str, dict[str, FloatArray]]:
    """A small model and its table."""
    chance = np.random.default_rng(seed)
    n, d = int(chance.integers(4, 8)), int(chance.integers(1, 3))
    prune = ", prune: units" if seed % 2 else ""
    rule = RULES[seed % len(RULES)]
    goal = GOALS[int(chance.integers(len(GOALS)))].replace("{loss}", LOSSES[int(chance.integers(len(LOSSES)))])
    heads = HEADS[int(chance.integers(len(HEADS)))]
    bias = ", bias in [-1, 1]" if chance.random() < 0.7 else ""
    features = np.round(chance.uniform(-1, 1, (n, d)) * 4) / 4
    labels = np.where(chance.random(n) < 0.5, -1.0, 1.0)
    model = f"""nnm 0.1
data rows {{
  features X
  label    y
}}
network net(x: real[{d}] in [-1, 1]) {{
  layer h = dense(x, units: 2, weights in [-1, 2]{bias})
  layer a = relu(h{prune})
  layer o = dense(a, units: 1, weights in {heads}, bias in [-1, 1])
  return o[0]
}}
{goal}
{rule}
"""
    return model, {"X": features, "y": labels}


def made(seed: int, tmp_path: Path) -> nnmip.Model:
    model, table = text(seed)
    np.savez(tmp_path / "rows.npz", **table)
    return nnmip.loads(model, {"rows": tmp_path / "rows.npz"})


@pytest.mark.parametrize("seed", range(30))
def test_the_split_has_the_optimum_of_the_direct_milp(seed: int, tmp_path: Path) -> None:
    model = made(seed, tmp_path)
    split = model.solve(formulation="sign-split", time_limit=60)
    direct = model.solve(formulation="direct", solver="cbc" if seed % 3 else "highs", time_limit=60)
    assert split.how.formulation == "sign-split"
    assert split.solution == direct.solution == "optimal", (split.message, direct.message)
    assert split.objective == pytest.approx(direct.objective, abs=1e-6)
    assert split.dual_bound == pytest.approx(split.objective, abs=1e-7)
    assert split.proof == "certified"
    assert split.replay is not None
    assert split.replay.status == "passed"


def grown(split: Split) -> float:
    """The value that a tree ends with."""
    found = Tree(split, [], lambda: False, lambda value, bound: None, lambda network, value: None).grow()
    assert found.is_complete
    return found.value


def optimum(tmp_path: Path, seed: int = 1) -> tuple[nnmip.Model, float]:
    model = made(seed, tmp_path)
    objective = model.solve(formulation="direct").objective
    assert objective is not None
    return model, objective


def test_a_pattern_that_is_left_out_is_missed(tmp_path: Path) -> None:
    model, best = optimum(tmp_path)
    split = split_of(model.program)
    values = [grown(replace(split, patterns=(pattern,))) for pattern in split.patterns]
    assert min(values) == pytest.approx(best, abs=1e-6)
    least = int(np.argmin(values))
    others = tuple(pattern for number, pattern in enumerate(split.patterns) if number != least)
    assert grown(replace(split, patterns=others)) >= best - 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_cuts_leave_every_network_in(seed: int, tmp_path: Path) -> None:
    """Random networks satisfy all cuts that random points of the relaxation ask for."""
    model = made(seed, tmp_path)
    split = split_of(model.program)
    chance = np.random.default_rng(seed)
    for pattern in split.patterns:
        part = lower_pattern(split, pattern)
        milp, relaxation = part.lowered.milp, Relaxation(part.lowered.milp)
        found = relaxation.solve()
        if not isinstance(found, Relaxed):
            continue
        cutters = [PhaseCuts(unit, milp.num_columns) for unit in part.bends.units]
        cuts = [cut for cutter in cutters for cut in cutter.separate(found.x, 1e-6, 100)]
        for _ in range(20):
            x = part.lowered.complete(random_network(split, pattern, chance))
            assert all(row @ x <= most + 1e-9 for _, row, most in cuts)


def random_network(split: Split, pattern: patterns.Pattern, chance: np.random.Generator) -> Assignment:
    values = {
        d.path: d.domain.project(chance.uniform(-2, 2, d.shape))
        for d in split.program.decisions
        if d.path != split.head
    }
    values[split.head] = pattern.values.reshape(1, -1)
    kept = {split.keeper.path: pattern.kept} if split.keeper is not None and pattern.kept is not None else {}
    return Assignment(values, kept)


def test_certified_bounds_hold_for_any_multipliers(tmp_path: Path) -> None:
    model = made(1, tmp_path)
    milp = model.lowered.milp
    answer = Relaxation(milp).solve()
    assert isinstance(answer, Relaxed)
    certifier, chance = Certifier(milp), np.random.default_rng(0)
    tight = certifier.bound(answer.multipliers, milp.col_lb, milp.col_ub)
    assert answer.value - 1e-7 <= tight <= answer.value
    for _ in range(50):
        loose = answer.multipliers + chance.normal(0, 0.1, milp.num_rows)
        assert certifier.bound(loose, milp.col_lb, milp.col_ub) <= answer.value
    assert not certifier.is_empty(answer.multipliers, milp.col_lb, milp.col_ub)


def test_a_wrong_side_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the phases of the other side left out, the MILP is better than any network."""
    from nnmip.lowering import networks
    from nnmip.lowering.asked import Asked, asked_of

    def turned(*arguments: object) -> dict[str, Asked]:
        found = asked_of(*arguments)  # type: ignore[arg-type]
        return {name: Asked(asked.lower, asked.upper) for name, asked in found.items()}

    caught = 0
    for seed in range(1, 12, 2):
        model, best = optimum(tmp_path, seed)
        monkeypatch.setattr(networks, "asked_of", turned)
        split = split_of(model.program)
        try:
            caught += abs(grown(split) - best) > 1e-6
        except (ArithmeticError, AssertionError):
            caught += 1
        monkeypatch.undo()
    assert caught


def test_a_cut_that_goes_too_far_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = PhaseCuts._cut

    def wrong(self: PhaseCuts, *arguments: FloatArray) -> tuple[FloatArray, float]:
        row, most = right(self, *arguments)  # type: ignore[arg-type]
        return row, most - 0.5

    monkeypatch.setattr(PhaseCuts, "_cut", wrong)
    with pytest.raises(AssertionError):
        for seed in range(12):
            test_cuts_leave_every_network_in(seed, tmp_path)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    model, _ = text(1)
    np.savez(tmp_path / "rows.npz", **text(1)[1])
    continuous = model[: model.index("layer o")] + "layer o = dense(a, units: 1, weights in {-1, 1}, bias in [-1, 1])\n"
    rest = "  return o[0]\n}\nminimize logistic(net, rows)\n"
    with pytest.raises(nnmip.DiagnosticError) as error:
        nnmip.loads(continuous + rest, {"rows": tmp_path / "rows.npz"}).solve(formulation="sign-split")
    (found,) = error.value.diagnostics
    assert found.code == "NNM0406"
    assert found.message == (
        "the split by output weights does not fit this model: `logistic(net, rows)` has no exact encoding"
    )
