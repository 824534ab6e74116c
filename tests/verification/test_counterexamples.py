"""What is shown of a counterexample: short numbers that break the property, and the comparisons that fail there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.bounds.interval import Interval
from nnmip.report.verdicts import render_verdict
from nnmip.verification.counterexamples import shorter

NET = {"h.weights": [[1, 2], [3, -1]], "h.bias": [0, 0.5], "o.weights": [[1, -1], [0, 1]], "o.bias": [0, 0.1]}
SAID = [
    ("net(x) <= [0.5, 3]", ["net(x) <= [0.5, 3] in entry 0, for 2 > 0.5"]),
    ("argmax(net(x)) = 0", ["argmax(net(x)) = 0, for 1 != 0"]),
    ("net(x)[0] >= 0.5 -> net(x)[1] >= 4", ["net(x)[1] >= 4, for 0.1 < 4"]),
    ("net(x)[0] <= 1 <= net(x)[1]", ["net(x)[0] <= 1, for 2 > 1", "1 <= net(x)[1], for 1 > 0.1"]),
    ("net(x)[0] <= 0.2 or net(x)[1] >= 4", ["net(x)[0] <= 0.2, for 2 > 0.2", "net(x)[1] >= 4, for 0.1 < 4"]),
    ("not net(x)[0] >= 1", []),
]


@pytest.mark.parametrize(("claim", "broken"), SAID)
def test_the_comparisons_that_fail_are_told(claim: str, broken: list[str], tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{name: np.array(array, dtype=float) for name, array in NET.items()})
    text = f'nnm 0.1\nnetwork net = npz("net.npz")\nverify p: forall x : real[2] in [-0.73, 1]\n  prove {claim}\n'
    verdict = nnmip.loads(text, directory=tmp_path).verify("p")
    lines = render_verdict(verdict).splitlines()
    assert lines[1] == ("  x = [1, -0.73]" if "argmax" in claim else "  x = [0, 1]")
    assert lines[2:] == [f"  broken: {line}" for line in broken]
    assert [each["text"] for each in verdict.to_json()["broken"]] == [
        line.rsplit(", for", 1)[0].replace(" in entry 0", "") for line in broken
    ]


def test_entries_are_as_short_as_they_can_be() -> None:
    box = Interval(np.array([[0.0, 0.11]]), np.array([[1.0, 0.19]]))
    point = np.array([0.123456789, 0.15])
    assert shorter(point, box, lambda x: True).tolist() == [0.0, 0.11]
    # All to the same decimals where that does: 0.1 and 0.2 do not, 0.12 and 0.15 do.
    assert shorter(point, box, lambda x: bool(abs(x[0] - 0.12) < 0.01)).tolist() == [0.12, 0.15]
    # One by one: the first stays as it is, the second may be anything.
    assert shorter(point, box, lambda x: bool(x[0] == 0.123456789)).tolist() == [0.123456789, 0.11]
    assert shorter(point, box, lambda x: bool((x == point).all())).tolist() == point.tolist()
