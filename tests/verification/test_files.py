"""What breaks a property of a network from a file breaks it as the file is run, at an input that the file can hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from matplotlib.image import imread
from onnx import TensorProto

import nnmip
from nnmip.onnx.replay import OnnxFile
from nnmip.verification.verdict import Answer
from tests.vnnlib.nets import perceptron, save
from tests.workbench import nnmip as nnmip_command

TEXT = """nnm 0.1
network f = onnx("f.onnx")
data c : real[2] = npy("c.npy")
verify near:
  forall x : real[2] in [-1, 1]
  assume norm_inf(x - c) <= 0.1
  prove  f(x)[0] <= LIMIT
"""


def least(folder: Path, type: int, seed: int) -> float:
    """The network, and what its first output is at the centre of the region."""
    path = save(perceptron(seed, type=type), folder / "f.onnx")
    centre = np.array([0.3, -0.2])
    np.save(folder / "c.npy", centre)
    kind = np.float32 if type == TensorProto.FLOAT else np.float64
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return float(session.run(None, {"x": centre[None].astype(kind)})[0][0, 0])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("type", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_the_file_confirms_it(seed: int, type: int, tmp_path: Path) -> None:
    limit = least(tmp_path, type, seed) - 1e-4
    model = nnmip.loads(TEXT.replace("LIMIT", repr(limit)), directory=tmp_path)
    verdict = model.verify("near")
    assert verdict.answer is Answer.VIOLATED
    x = verdict.counterexample["x"]
    kind = np.float32 if type == TensorProto.FLOAT else np.float64
    assert (x == x.astype(kind)).all() and np.abs(x - [0.3, -0.2]).max() <= 0.1
    session = onnxruntime.InferenceSession((tmp_path / "f.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": x[None].astype(kind)})[0][0, 0] > limit


def test_what_the_file_does_not_confirm_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = least(tmp_path, TensorProto.FLOAT, 1) - 1e-4
    monkeypatch.setattr(OnnxFile, "run", lambda file, x, value="": np.array([limit - 1.0, 0.0]))
    verdict = nnmip.loads(TEXT.replace("LIMIT", repr(limit)), directory=tmp_path).verify("near", time_limit=20.0)
    assert verdict.answer is Answer.UNKNOWN
    assert (
        verdict.reason == "a point was found that breaks it in 64-bit arithmetic, but not as ONNX Runtime runs the file"
    )


def test_what_breaks_a_property_is_saved(tmp_path: Path) -> None:
    """In all its digits, and an image as a picture; what holds leaves no file."""
    np.savez(tmp_path / "net.npz", **{"h.weights": np.ones((1, 20)), "o.weights": np.ones((1, 1))})
    entries = ", ".join(f"x[{i}, {j}]" for i in range(4) for j in range(5))
    (tmp_path / "m.nnm").write_text(
        'nnm 0.1\nnetwork net = npz("net.npz")\n'
        "verify bright: forall x : real[4, 5] in [0, 0.1], k : real in [0, 0.3] "
        f"prove net([{entries}]) <= 1.5 + k\n"
        "verify dark: forall x : real[20] in [0, 0.1] prove net(x) <= 2.5\n"
    )
    found = nnmip_command(tmp_path, "verify", "m.nnm", "--save", "out")
    assert found.returncode == 1, found.stderr
    names = ["bright.json", "bright.x.npy", "bright.x.png", "bright.k.npy"]
    assert f"  saved: {', '.join(f'out/{name}' for name in names)}" in found.stdout.splitlines()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    x, k = np.load(tmp_path / "out" / "bright.x.npy"), np.load(tmp_path / "out" / "bright.k.npy")
    assert x.shape == (4, 5) and x.sum() > 1.5 + k
    said = json.loads((tmp_path / "out" / "bright.json").read_text())
    assert said["verdict"] == "violated" and said["counterexample"]["x"] == x.tolist()
    picture = imread(tmp_path / "out" / "bright.x.png")
    assert picture.shape == (4, 5, 4) and abs(picture[..., 0] - (x - x.min()) / (np.ptp(x) or 1)).max() < 0.01
    (tmp_path / "file").write_text("")
    assert nnmip_command(tmp_path, "verify", "m.nnm", "--save", "file").returncode == 2
