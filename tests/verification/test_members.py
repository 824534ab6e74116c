"""Properties for each member of a set, against the same properties written out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.verification.verdict import Answer
from tests.workbench import nnmip as nnmip_command
from tests.workbench import write_model

NET = {"h.weights": np.array([[2.0, -1.0]]), "h.bias": np.array([0.5])}
ROWS = ((0.1, 0.2, -1), (0.5, 0.5, 1), (0.9, 0.1, 1), (0.3, 0.9, 1))
TABLE = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)
MODEL = """nnm 0.1
network net = npz("net.npz")
data t = csv("t.csv") {
  features a, b
  target   y
}
verify near "close to a row the score is at least 0.8":
  forall r in t, x : real[2] in [0, 1]
  assume norm_inf(x - [r.a, r.b]) <= 0.05
  prove  net(x) >= 0.8
verify low:
  forall k in 1..3, j in {0, 1}, x : real[2] in [0, k / 10]
  prove  net(x) <= 0.5 + 0.1 * j + 0.17 * k
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "net.npz", **NET)  # type: ignore[arg-type]
    (tmp_path / "t.csv").write_text(TABLE)
    write_model(tmp_path, MODEL, "m.nnm")
    return tmp_path


def least(a: float, b: float) -> float:
    return 2 * (a - 0.05) - (b + 0.05) + 0.5


def test_each_member_has_the_verdict_of_its_own_property(folder: Path) -> None:
    model = nnmip.load(folder / "m.nnm")
    assert model.properties(["near"]) == tuple(f"near[{k}]" for k in range(1, 5))
    for number, (a, b, _) in enumerate(ROWS, start=1):
        verdict = model.verify(f"near[{number}]")
        assert verdict.answer is (Answer.VERIFIED if least(a, b) >= 0.8 else Answer.VIOLATED)
        assert verdict.of == "near"
        if verdict.answer is Answer.VIOLATED:
            assert np.abs(verdict.counterexample["x"] - [a, b]).max() <= 0.05
    for k in range(1, 4):
        for j in range(2):
            holds = 0.03 * k <= 0.1 * j
            assert (model.verify(f"low[{k}, {j}]").answer is Answer.VERIFIED) == holds
    with pytest.raises(ValueError, match=r"one of them, as `near\[1\]`"):
        model.verify("near")
    with pytest.raises(ValueError, match="it has near, low"):
        model.properties(["neat"])


def test_an_assumption_that_is_known_chooses_members(folder: Path) -> None:
    text = MODEL.replace("prove  net(x) >= 0.8", "assume r.y = 1 and r.b < 0.8\n  prove net(x) >= 0.8")
    write_model(folder, text, "m.nnm")
    assert nnmip.load(folder / "m.nnm").properties(["near"]) == ("near[2]", "near[3]")
    write_model(folder, text.replace("0.8\n  prove", "0\n  prove"), "m.nnm")
    with pytest.raises(nnmip.DiagnosticError, match="NNM0204: no member of its sets is left for property `near`"):
        nnmip.load(folder / "m.nnm").properties()


def test_the_command_has_a_line_for_each_and_a_summary(folder: Path) -> None:
    done = nnmip_command(folder, "verify", "m.nnm", "--property", "near")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line.split(",")[0] for line in lines if line.startswith("near[")] == [
        *("near[1]: violated", "near[2]: verified", "near[3]: verified", "near[4]: violated")
    ]
    assert lines[-2:] == [
        "near: 2 verified, 2 violated of 4; verified 50.0 %",
        "  close to a row the score is at least 0.8",
    ]
    one = nnmip_command(folder, "verify", "m.nnm", "--property", "near[3]", "--json")
    assert one.returncode == 0
    (found,) = json.loads(one.stdout)["properties"]
    assert (found["property"], found["of"], found["verdict"]) == ("near[3]", "near", "verified")


def test_a_table_of_rows_has_the_worst_verdict_of_all_members(folder: Path) -> None:
    text = MODEL.replace("0.05\n", "eps\n").replace("data t", "param eps : real = 0.05\ndata t")
    write_model(folder, text.replace("net(x) >= 0.8", "net(x) >= 0.2"), "m.nnm")
    (folder / "eps.csv").write_text("eps\n0.05\n0.01\n")
    done = nnmip_command(
        folder, "verify", "m.nnm", "--over", "eps.csv", "--executor", "in-process", "--property", "near"
    )
    worst = [min(2 * (a - e) - (b + e) + 0.5 for a, b, _ in ROWS) >= 0.2 for e in (0.05, 0.01)]
    assert worst == [False, False] and "near: 2 violated of 2 rows" in done.stdout
