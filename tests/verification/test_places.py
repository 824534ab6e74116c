"""Verdicts on where the largest score is, over whole points, against all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import nnmip
from nnmip.report.verdicts import render_verdict
from nnmip.verification.verdict import Answer

IntArray = NDArray[np.int64]
Claim = Callable[[IntArray, IntArray, IntArray], NDArray[np.bool_]]

CLAIMS: dict[str, Claim] = {
    "argmax(x) = 0": lambda f, g, x: x.argmax(axis=1) == 0,
    "argmax(x) = 1": lambda f, g, x: x.argmax(axis=1) == 1,
    "argmin(x) >= 1": lambda f, g, x: x.argmin(axis=1) >= 1,
    "argmax(f(x)) <= 1": lambda f, g, x: f <= 1,
    "argmax(f(x)) >= 1": lambda f, g, x: f >= 1,
    "2 >= argmax(f(x)) >= 1": lambda f, g, x: f >= 1,
    "argmax(f(x)) != 2": lambda f, g, x: f != 2,
    "argmax(f(x)) in {0, 2}": lambda f, g, x: f != 1,
    "argmax(f(x)) not in {0, 2}": lambda f, g, x: f == 1,
    "argmax(f(x)) in {0, 1, 2}": lambda f, g, x: f >= 0,
    "1 = argmax(f(x))": lambda f, g, x: f == 1,
    "argmax(f(x)) = 1.5": lambda f, g, x: f < 0,
    "argmax(f(x)) = 7": lambda f, g, x: f < 0,
    "argmax(f(x)) != 1.5": lambda f, g, x: f >= 0,
    "2 * argmax(f(x)) + 1 = 3": lambda f, g, x: f == 1,
    "argmax(f(x)) + argmax(f(x)) <= 3": lambda f, g, x: f <= 1,
    "argmax(f(x)) = argmax(g(x))": lambda f, g, x: f == g,
    "argmax(f(x)) != argmax(g(x))": lambda f, g, x: f != g,
    "argmax(f(x)) <= argmax(g(x)) + 1": lambda f, g, x: f <= g + 1,
    "argmax(f(x)) + argmax(g(x)) <= 3": lambda f, g, x: f + g <= 3,
    "argmax(f(x)) - argmin(x) <= 1": lambda f, g, x: f - x.argmin(axis=1) <= 1,
    "argmax(f(x)) <= x[0] + 2": lambda f, g, x: f <= x[:, 0] + 2,
    "argmax(f(x)) = 0 or argmax(f(x)) = 2 or x[1] = 1": lambda f, g, x: (f != 1) | (x[:, 1] == 1),
    "not (argmax(f(x)) = 0 or argmax(g(x)) = 1)": lambda f, g, x: (f != 0) & (g != 1),
    "argmax(f(x)) = 0 -> argmax(g(x)) in {0, 2}": lambda f, g, x: (f != 0) | (g != 1),
}
WHERE: dict[str, Claim] = {
    "argmax(f(x)) <= argmax(g(x))": lambda f, g, x: f <= g,
    "x[0] = x[1]": lambda f, g, x: x[:, 0] == x[:, 1],
    "argmax(g(x)) = 1.5": lambda f, g, x: f < 0,
}
"""What is assumed: it leaves some points, those with equal numbers, and none."""


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IntArray, IntArray, IntArray]:
    """Two networks with whole weights, whose scores tie often, and where their largest scores are at all points."""
    folder, chance = tmp_path_factory.mktemp("places"), np.random.default_rng(3)
    axis = np.arange(-1, 2)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    places = []
    for name in ("f", "g"):
        arrays = {
            "h.weights": chance.integers(-2, 3, (3, 2)),
            "h.bias": chance.integers(-1, 2, 3),
            "o.weights": chance.integers(-2, 3, (3, 3)),
            "o.bias": chance.integers(-1, 2, 3),
        }
        np.savez(folder / f"{name}.npz", **{key: array.astype(np.float64) for key, array in arrays.items()})
        hidden = np.maximum(points @ arrays["h.weights"].T + arrays["h.bias"], 0)
        places.append((hidden @ arrays["o.weights"].T + arrays["o.bias"]).argmax(axis=1))
    return folder, places[0], places[1], points


@pytest.mark.parametrize("assumed", WHERE)
def test_all_points_agree(assumed: str, networks: tuple[Path, IntArray, IntArray, IntArray]) -> None:
    folder, *known = networks
    text = 'nnm 0.1\nnetwork f = npz("f.npz")\nnetwork g = npz("g.npz")\n' + "".join(
        f"verify p{number}: forall x : int[2] in [-1, 1] assume {assumed} prove {claim}\n"
        for number, claim in enumerate(CLAIMS)
    )
    model, answers = nnmip.loads(text, directory=folder), set()
    for number, (claim, holds) in enumerate(CLAIMS.items()):
        is_broken = bool((WHERE[assumed](*known) & ~holds(*known)).any())
        verdict = model.verify(f"p{number}", solver=["highs", "cbc"][number % 2])
        assert verdict.answer is (Answer.VIOLATED if is_broken else Answer.VERIFIED), claim
        answers.add(verdict.answer)
    assert len(answers) == 2 or assumed == "argmax(g(x)) = 1.5"


def test_a_broken_inequality_is_shown(networks: tuple[Path, IntArray, IntArray, IntArray]) -> None:
    text = "nnm 0.1\nverify p: forall x : int[2] in [-1, 1] prove x[0] <= 1 and argmax(x) != 1\n"
    verdict = nnmip.loads(text, directory=networks[0]).verify("p")
    (broken,) = verdict.broken
    assert (broken.op, broken.left, broken.right) == ("!=", 1, 1)
    assert "broken: argmax(x) != 1, for 1 = 1" in render_verdict(verdict, False)
