"""Properties as queries: the answer to the query is that of the property, whichever version it is written in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.verification.verdict import Answer
from tests.vnnlib.nets import outputs, perceptron, save
from tests.workbench import nnmip as nnmip_command

WORDS = {Answer.VERIFIED: "unsat", Answer.VIOLATED: "sat"}

PROPERTIES = {
    "margin": "forall x : real[2] in [-1, 1] assume x[0] + 2 * x[1] <= 0.5 prove f(x)[0] <= f(x)[1] + 2.5",
    "largest": "forall x : real[2] in [-1, 1] prove argmax(f(x)) = 0",
    "reach": "forall x : real[2] in [-1, 1] assume norm_inf(x - [0.5, 0]) <= 0.25 prove f(x)[0] in [-9, 9]",
    "either": "forall x : real[2] in [-1, 1] assume x[0] <= -0.5 or x[1] >= 0.5 prove f(x)[0] >= 0 or f(x)[1] >= -0.25",
}
PAIRS = {
    "rising": "forall x : real[2] in [-1, 1], z : real[2] in [-1, 1] assume z[0] >= x[0] assume z[1] = x[1] "
    "prove f(z)[0] >= f(x)[0] - 3",
    "alike": "forall x : real[2] in [-1, 1] prove abs(f(x)[0] - g(x)[0]) <= 4",
    "whole": "forall k : int in 0..3, x : real in [0, 1] prove f([x, k])[0] <= g([x, k])[1] + 5",
}


def answers(folder: Path, texts: dict[str, str], version: str) -> list[tuple[str, str, str]]:
    """For each property its version, the answer to its query, and the verdict on it."""
    for seed, name in ((2, "f"), (5, "g")):
        save(perceptron(seed), folder / f"{name}.onnx")
    properties = "\n".join(f"verify {name}: {text}" for name, text in texts.items())
    source = f'nnm 0.1\nnetwork f = onnx("f.onnx")\nnetwork g = onnx("g.onnx")\n{properties}\n'
    (folder / "model.nnm").write_text(source)
    written = nnmip_command(folder, "verify", "model.nnm", "--write-vnnlib", "out", "--vnnlib-version", version)
    assert written.returncode == 0, written.stderr
    asked = nnmip_command(folder, "verify", "--instances", "out/instances.csv")
    rows = [line.split(",") for line in (folder / "out" / "instances.answers.csv").read_text().splitlines()[1:]]
    assert len(rows) == len(texts), asked.stdout + asked.stderr
    model = nnmip.load(folder / "model.nnm")
    found = []
    for name, row in zip(texts, rows, strict=True):
        text = (folder / "out" / f"{name}.vnnlib").read_text()
        found.append((text[10:13], row[3], WORDS[model.verify(name).answer]))
    return found


@pytest.mark.parametrize("version", ["auto", "2.0"])
def test_one_network_at_one_point(version: str, tmp_path: Path) -> None:
    found = answers(tmp_path, PROPERTIES, version)
    assert [each[0] for each in found] == ["1.0" if version == "auto" else "2.0"] * 4
    assert all(answer == verdict for _, answer, verdict in found)
    assert {verdict for *_, verdict in found} == {"sat", "unsat"}


def test_several_networks_and_points(tmp_path: Path) -> None:
    found = answers(tmp_path, PAIRS, "auto")
    assert [each[0] for each in found] == ["2.0"] * 3
    assert all(answer == verdict for _, answer, verdict in found)
    table = (tmp_path / "out" / "instances.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["f.onnx", "f0=f.onnx;f1=g.onnx", "f0=f.onnx;f1=g.onnx"]


def test_a_written_network_computes_the_same(tmp_path: Path) -> None:
    answers(tmp_path, {"margin": PROPERTIES["margin"]}, "auto")
    x = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(
        nnmip.load_onnx(tmp_path / "out" / "f.onnx").scores(x), outputs(perceptron(2), x), rtol=1e-12, atol=1e-12
    )


def test_the_text(tmp_path: Path) -> None:
    save(perceptron(2), tmp_path / "f.onnx")
    (tmp_path / "model.nnm").write_text(
        'nnm 0.1\nnetwork f = onnx("f.onnx")\nverify low "never high": forall x : real[2] in [-1, 0.1] '
        "assume x[0] <= x[1] prove f(x)[0] <= 1.5\n"
    )
    assert nnmip_command(tmp_path, "verify", "model.nnm", "--write-vnnlib", "out").returncode == 0
    assert (tmp_path / "out" / "low.vnnlib").read_text() == (
        "; VNN-LIB 1.0: what breaks `low`; unsat where the property holds\n"
        "; never high\n"
        "; strict comparisons are closed: an answer may lie on a bound that the property allows\n"
        "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n\n"
        "(assert (>= X_0 -1.0))\n(assert (<= X_0 0.1))\n(assert (>= X_1 -1.0))\n(assert (<= X_1 0.1))\n"
        "(assert (<= X_0 X_1))\n(assert (>= Y_0 1.5))\n"
    )


def test_what_cannot_be_said(tmp_path: Path) -> None:
    save(perceptron(2), tmp_path / "f.onnx")
    (tmp_path / "model.nnm").write_text(
        'nnm 0.1\nnetwork f = onnx("f.onnx")\n'
        "verify shifted: forall x : real[2] in [-1, 1] prove f(x + 1)[0] <= 1.5\n"
        "verify twice: forall x : real[2] in [-1, 1] prove f(x)[0] <= f(x + 1)[0] + 9\n"
    )
    found = nnmip_command(tmp_path, "verify", "model.nnm", "--write-vnnlib", "out", "--vnnlib-version", "1.0")
    assert found.returncode == 1
    assert found.stderr.splitlines() == [
        "shifted: not written: entry 0 of `shifted.x` is not, as it is, an input of a network",
        "twice: not written: it speaks of more than one network at one point, which version 1.0 cannot say",
    ]
    assert not list((tmp_path / "out").iterdir())
