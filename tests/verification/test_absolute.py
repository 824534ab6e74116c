"""Sums of many absolute values in properties, against closed forms for affine networks and the optimum of a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.verification import absolute
from nnmip.verification.verdict import Answer, Verdict

N = 10
STEPS = ("bounds", "attack", "milp")
SLOPES = np.array([0.5, -2.0, 1.0, 0.25, -0.75, 1.5, -1.25, 0.1, 0.9, -0.3])
CENTRE = np.round(np.linspace(-0.4, 0.4, N), 2)
HEAD = 'nnm 0.1\nnetwork net = npz("net.npz")\nnetwork line = npz("line.npz")\ndata c : real[10] = npy("c.npy")\n'
WORDS = {
    "norm_1(x - c)": "norm",
    "sum(abs(x - c))": "sum",
    "sum(i in 0..9: abs(x[i] - c[i]))": "each",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    net = {"h.weights": random.normal(size=(6, N)).round(2), "o.weights": random.normal(size=(1, 6)).round(2)}
    np.savez(tmp_path / "net.npz", **net)  # type: ignore[arg-type]
    np.savez(tmp_path / "line.npz", **{"o.weights": SLOPES[None]})  # type: ignore[arg-type]
    np.save(tmp_path / "c.npy", CENTRE)
    return tmp_path


def decide(
    folder: Path, assume: str, prove: str, solver: str = "highs", stages: tuple[str, ...] = ("milp",)
) -> Verdict:
    text = f"{HEAD}verify p:\n  forall x : real[{N}] in [-1, 1]\n  assume {assume}\n  prove  {prove}\n"
    return nnmip.loads(text, directory=folder).verify("p", solver=solver, stages=stages, time_limit=30.0)


@pytest.mark.parametrize("word", WORDS, ids=WORDS.values())
def test_the_largest_score_in_a_ball(folder: Path, word: str) -> None:
    """Of a line that is the score of the centre and the radius times the largest slope."""
    best = float(SLOPES @ CENTRE) + 0.3 * 2.0
    for prove, answer in ((best + 1e-4, Answer.VERIFIED), (best - 1e-4, Answer.VIOLATED)):
        verdict = decide(folder, f"{word} <= 0.3", f"line(x) <= {prove!r}")
        assert verdict.answer is answer
        if answer is Answer.VIOLATED:
            x = verdict.counterexample["x"]
            assert np.abs(x - CENTRE).sum() <= 0.3 and SLOPES @ x > prove


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_beside_the_optimum_of_a_network_with_kinks(folder: Path, solver: str) -> None:
    text = f"{HEAD}var x : real[{N}] in [-1, 1]\nconstraint a: norm_1(x - c) <= 0.5\nmaximize net(x)\n"
    best = nnmip.loads(text, directory=folder).solve(solver=solver).objective
    assert best is not None
    for delta, answer in ((1e-3, Answer.VERIFIED), (-1e-3, Answer.VIOLATED)):
        verdict = decide(folder, "norm_1(x - c) <= 0.5", f"net(x) <= {best + delta!r}", solver, STEPS)
        assert verdict.answer is answer
        assert answer is Answer.VERIFIED or np.abs(verdict.counterexample["x"] - CENTRE).sum() <= 0.5


CLOSED = {
    "norm_1(x) >= 9.5": ("abs(x[0]) >= 0.49", "abs(x[0]) >= 0.51"),
    "x[0] <= 1": ("norm_1(x) <= 10 + 0.0001", "norm_1(x) <= 10 - 0.0001"),
    "norm_1(x) <= 0.5 + 0.5 * abs(x[1])": ("abs(x[1]) <= 1.001", "x[1] <= 0.9"),
    "norm_1(x - c) <= 0.1 or norm_1(x + c) <= 0.1": ("abs(x[9]) >= 0.29", "abs(x[9]) >= 0.35"),
    "norm_1(x) - norm_1(2 * x) >= -1": ("norm_1(x) <= 1.0001", "norm_1(x) <= 0.9999"),
    "norm_1(x) <= 4 -> x[2] >= 0.5": ("x[2] >= 0.49 or norm_1(x) >= 3.99", "x[2] >= 0.51 or norm_1(x) >= 3.99"),
}
"""What is assumed, with something that holds then by a little, and something that does not."""


@pytest.mark.parametrize("assume", CLOSED)
def test_norms_on_every_side(folder: Path, assume: str) -> None:
    holds, fails = CLOSED[assume]
    assert decide(folder, assume, holds, stages=STEPS).answer is Answer.VERIFIED
    assert decide(folder, assume, fails, stages=STEPS).answer is Answer.VIOLATED


def test_norms_that_lose_a_part_are_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = absolute._network

    def short(width: int, origin: object) -> object:
        known = made(width, origin)  # type: ignore[arg-type]
        values = {path: 1.1 * array for path, array in known.assignment.values.items()}
        return replace(known, assignment=replace(known.assignment, values=values))

    monkeypatch.setattr(absolute, "_network", short)
    with pytest.raises(AssertionError):
        test_the_largest_score_in_a_ball(folder, "norm_1(x - c)")
