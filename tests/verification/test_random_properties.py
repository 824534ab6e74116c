"""Verdicts on random properties of random networks, against all points or many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.verification.verdict import Answer
from tests.random_logic import WORDS, Answers, Applied, Rows, Writer, moved, random_network

SAMPLES = 20000


def points_of(whole: bool, size: int, low: int, high: int, chance: np.random.Generator) -> Rows:
    """All whole points with all bits or, without `whole`, all quarters and random points with random bits."""
    step = 1.0 if whole else 0.25
    axes = [np.arange(low, high + step / 2, step)] * size + ([np.array([0.0, 1.0])] * 2 if whole else [])
    grid: Rows = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    if whole:
        return grid
    some = np.concatenate([grid, chance.uniform(low, high, (SAMPLES, size))])
    return np.concatenate([some, chance.integers(0, 2, (len(some), 2))], axis=1)


@pytest.mark.parametrize("seed", range(40))
def test_no_verdict_is_contradicted(seed: int, tmp_path: Path) -> None:
    """What is proved is broken by no point of many; over whole numbers, what is broken is found."""
    chance = np.random.default_rng(seed)
    is_whole, size = seed % 2 == 0, int(chance.integers(2, 4))
    low, high = -int(chance.integers(1, 3)), int(chance.integers(1, 3))
    text, applied = "nnm 0.1\n", list[Applied]()
    for name in ("f", "g")[: int(chance.integers(1, 3))]:
        results, value = random_network(chance, tmp_path / f"{name}.onnx", size)
        text += f'network {name} = onnx("{name}.onnx")\n'
        applied.append(Applied(f"{name}(x)", results, value))
    applied.append(moved(applied[0], 1))
    writer = Writer(chance, size, applied, ["<=", ">="], [word for word in WORDS if word != "count(b)"])
    assumed, claimed = ([writer.truth(2) for _ in range(count)] for count in chance.integers([0, 1], [2, 3]))
    text += f"verify p:\n  forall x : {'int' if is_whole else 'real'}[{size}] in [{low}, {high}], b : bool[2]\n"
    text += "".join(
        f"  {word} {rule}\n" for word, rules in (("assume", assumed), ("prove", claimed)) for rule, _ in rules
    )

    def at(rows: Rows) -> Answers:
        return Answers(rows[:, :size], rows[:, size:], tuple(each.value(rows[:, :size]) for each in applied))

    def breaks(rows: Rows) -> Rows:
        answers = at(rows)
        obeyed = np.all([np.ones(len(rows)), *(rule(answers) for _, rule in assumed)], axis=0)
        return obeyed & ~np.all([rule(answers) for _, rule in claimed], axis=0)

    broken = breaks(points_of(is_whole, size, low, high, chance))
    verdict = nnmip.loads(text, directory=tmp_path).verify("p", solver=["highs", "cbc"][seed // 2 % 2], time_limit=10)
    if verdict.answer is Answer.VIOLATED:
        assert verdict.counterexample is not None
        found = np.concatenate([np.ravel(verdict.counterexample[name]) for name in ("x", "b")]).astype(np.float64)
        assert breaks(found[None])[0], text
        assert (low <= found[:size]).all() and (found[:size] <= high).all(), text
    elif is_whole or verdict.answer is Answer.VERIFIED:
        assert not broken.any(), text
