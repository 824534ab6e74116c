"""Verdicts against the optimum of the same expression, found by the MILP of an ordinary model, and against points."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import nnmip
from nnmip.verification.verdict import Answer, Verdict
from tests.workbench import nnmip as nnmip_command
from tests.workbench import start_nnmip, write_model

FloatArray = NDArray[np.float64]
Arrays = dict[str, FloatArray]

REGION = "assume x[0] + x[1] <= 0.9\n  assume norm_inf(x - [0.1, -0.2]) <= 0.8"
BOX = "x : real[2] in [-1, 1]"


def arrays(seed: int, inputs: int = 2) -> Arrays:
    random = np.random.default_rng(seed)
    sizes = (inputs, 6, 5, 2)
    found: Arrays = {}
    for name, before, after in zip("hgo", sizes, sizes[1:], strict=False):
        found[f"{name}.weights"] = np.round(random.normal(size=(after, before)), 3)
        found[f"{name}.bias"] = np.round(random.normal(size=after), 3)
    return found


def outputs(net: Arrays, points: FloatArray) -> FloatArray:
    """The plain forward pass."""
    for name in "hg":
        points = np.maximum(points @ net[f"{name}.weights"].T + net[f"{name}.bias"], 0.0)
    return points @ net["o.weights"].T + net["o.bias"]


def decide(folder: Path, net: Arrays, text: str, name: str = "p", **options: float) -> Verdict:
    np.savez(folder / "net.npz", **net)
    model = nnmip.loads(f'nnm 0.1\nnetwork net = npz("net.npz")\n{text}', directory=folder)
    return model.verify(name, **options)  # type: ignore[arg-type]


def largest(folder: Path, net: Arrays) -> float:
    """The largest difference of the outputs over the region."""
    np.savez(folder / "net.npz", **net)
    text = """nnm 0.1
network net = npz("net.npz")
var x : real[2] in [-1, 1]
constraint a: x[0] + x[1] <= 0.9
constraint b: norm_inf(x - [0.1, -0.2]) <= 0.8
maximize net(x)[0] - net(x)[1]
"""
    result = nnmip.loads(text, directory=folder).solve()
    assert result.objective is not None
    return result.objective


@pytest.mark.parametrize("seed", range(6))
def test_a_bound_beside_the_optimum_is_proved_or_broken(seed: int, tmp_path: Path) -> None:
    net = arrays(seed)
    best = largest(tmp_path, net)
    for delta in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9):
        for sign in (1.0, -1.0):
            limit = best + sign * delta
            text = f"verify p:\n  forall {BOX}\n  {REGION}\n  prove net(x)[0] - net(x)[1] <= {limit!r}\n"
            verdict = decide(tmp_path, net, text, time_limit=20.0)
            if sign < 0:
                assert verdict.answer is not Answer.VERIFIED
            else:
                assert verdict.answer is not Answer.VIOLATED
            if delta >= 1e-5:
                assert verdict.answer is (Answer.VERIFIED if sign > 0 else Answer.VIOLATED), (delta, sign, verdict)
            if verdict.answer is Answer.VIOLATED:
                x = verdict.counterexample["x"]
                values = outputs(net, x[None])[0]
                assert values[0] - values[1] > limit
                assert x[0] + x[1] <= 0.9
                assert np.abs(x - [0.1, -0.2]).max() <= 0.8


def run(folder: Path, net: Arrays, text: str, *options: str) -> tuple[int, str]:
    """What `nnmip verify` ends with and prints."""
    np.savez(folder / "net.npz", **net)
    write_model(folder, f'nnm 0.1\nnetwork net = npz("net.npz")\n{text}', "p.nnm")
    done = nnmip_command(folder, "verify", "p.nnm", *options)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("claim", ["sum(net(x)) <= {}", "norm_1(net(x)) <= {}", "-norm_1(x - net(x)) <= {}"])
def test_sums_and_norms_in_properties(claim: str, tmp_path: Path) -> None:
    """A bound above and one below the largest value at dense points, where a sum and a norm are assumed as well."""
    net = arrays(3)
    axis = np.linspace(-1, 1, 401)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    points = points[(points.sum(axis=1) <= 0.5) & (np.abs(points - 0.25).sum(axis=1) <= 1)]
    y = outputs(net, points)
    values = {"sum": y.sum(axis=1), "nor": np.abs(y).sum(axis=1), "-no": -np.abs(points - y).sum(axis=1)}
    most = values[claim[:3]].max()
    region = f"verify p:\n  forall {BOX}\n  assume sum(x) <= 0.5 and norm_1(x - [0.25, 0.25]) <= 1\n  prove "
    for bound, answer in ((most + 0.05, Answer.VERIFIED), (most - 0.05, Answer.VIOLATED)):
        assert decide(tmp_path, net, region + claim.format(round(float(bound), 6))).answer == answer


def test_the_command_says_what_was_decided_and_how(tmp_path: Path) -> None:
    net = {"h.weights": np.array([[2.0, -1.0]]), "h.bias": np.array([0.5])}
    good = 'verify low "it stays low":\n  forall x : real[2] in [0, 1]\n  prove net(x) <= 2.6\n'
    bad = "verify high:\n  forall x : real[2] in [0, 1]\n  prove net(x) >= 0\n"
    empty = "verify void:\n  forall x : real[2] in [0, 1]\n  assume x[0] >= 2\n  prove net(x) >= 9\n"
    code, said = run(tmp_path, net, good)
    assert code == 0
    assert said.startswith("low: verified, by ")
    assert "(certified)" in said and "\n  it stays low\n" in said
    code, said = run(tmp_path, net, good + bad, "--json")
    verdicts = json.loads(said)["properties"]
    assert code == 1
    assert [(v["property"], v["verdict"], v["proof"]) for v in verdicts] == [
        ("low", "verified", "certified"),
        ("high", "violated", "replayed"),
    ]
    x = np.array(verdicts[1]["counterexample"]["x"])
    assert 2 * x[0] - x[1] + 0.5 < 0
    code, said = run(tmp_path, net, empty)
    assert code == 0
    assert "note: no input satisfies its assumptions: it says nothing" in said
    code, said = run(tmp_path, net, "var y : real in [0, 1]\nminimize y\n")
    assert code == 3
    assert "p.nnm: the model has no `verify`" in said
    code, said = run(tmp_path, net, good, "--property", "lwo")
    assert code == 2
    assert "the model has no property `lwo`; it has low" in said
    code, said = run(tmp_path, net, good.replace("<= 2.6", "<= norm_2sq(x)"))
    assert code == 1
    assert "NNM0104" in said and "p.nnm:5:" in said


def test_ctrl_c_tells_what_was_decided(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sizes = (40, 60, 60, 60, 2)
    for name, before, after in zip("abcd", sizes, sizes[1:], strict=False):
        weights = random.normal(size=(after, before)) / np.sqrt(before)
        np.savez(tmp_path / f"{name}.npz", weights=weights)
    layers = {f"{name}.weights": np.load(tmp_path / f"{name}.npz")["weights"] for name in "abcd"}
    np.savez(tmp_path / "net.npz", **layers)
    easy = "verify easy:\n  forall x : real[40] in [-1, 1]\n  prove net(x)[0] <= 1e5\n"
    hard = "verify hard:\n  forall x : real[40] in [-1, 1]\n  prove net(x)[0] <= 6\n"
    text = f'nnm 0.1\nnetwork net = npz("net.npz")\n{easy}{hard}{easy.replace("easy", "last")}'
    write_model(tmp_path, text, "p.nnm")
    running = start_nnmip(tmp_path, "verify", "p.nnm")
    assert running.stdout is not None
    assert running.stdout.readline().startswith("easy: verified")
    time.sleep(2.0)
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert rest.startswith("hard: unknown, interrupted")
    assert "last" not in rest


def test_a_file_of_properties_alone_has_nothing_to_solve(tmp_path: Path) -> None:
    net = {"h.weights": np.array([[2.0, -1.0]]), "h.bias": np.array([0.5])}
    np.savez(tmp_path / "net.npz", **net)
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nverify p:\n  forall x : real[2] in [0, 1]\n  prove net(x) <= 3\n'
    model = nnmip.loads(text, directory=tmp_path)
    assert not model.check()
    with pytest.raises(nnmip.DiagnosticError, match="NNM0207"):
        model.solve()


CLAIMS = (
    "net(x)[0] >= {a} or net(x)[1] <= {b}",
    "net(x)[0] >= {a} -> net(x)[1] <= {b}",
    "not (net(x)[0] >= {a} and net(x)[1] <= {b})",
    "abs(net(x)[0] - net(x)[1]) <= {c}",
    "abs(net(x)[0]) >= {b}",
    "max(net(x)) <= {c} and min(net(x)) >= {a}",
    "norm_inf(net(x)) <= {c}",
    "norm_inf(net(x) - x) >= {b} xor x[0] <= 0",
    "net(x) <= {c}",
    "argmax(net(x)) = 1",
    "x[0] <= 0 or argmin(net(x)) = 1",
    "not (argmax(net(x)) = 0 and net(x)[0] <= {b})",
    "(net(x)[0] >= {a}) <-> (net(x)[1] >= {b})",
    "net(x)[0] - net(-1 * x)[0] <= {c}",
)
ASSUMED = ("x[0] + 2 * x[1] <= 3", "abs(x[0]) >= 1", "x[0] <= x[1] or net(x)[0] <= {b}")


COUNTS = {
    "atmost(1, net(x)[0] >= {m}, net(x)[1] >= {m}, x[0] >= 0.5)": False,
    "atmost(2, net(x)[0] >= {m}, net(x)[1] >= {m}, x[0] >= 2)": True,
    "atleast(1, net(x)[0] <= {M}, net(x)[1] <= {m}, x[0] >= 2)": True,
    "exactly(2, b[0], not b[0], net(x)[0] <= {M})": True,
    "exactly(1, b[0], not b[0], net(x)[0] <= {M})": False,
    "count(b) <= 2": True,
    "count(b) + 0 * max(x) <= 1": False,
    "net(x)[0] <= (if b[0] and not b[0] then {m} else {M})": True,
    "net(x)[0] <= (if b[0] then {m} else {M})": False,
}


@pytest.mark.parametrize("claim", COUNTS)
def test_counts_and_choices_in_properties(claim: str, tmp_path: Path) -> None:
    """m and M: the middle and more than the largest of what the network gives at dense points."""
    net = arrays(2)
    axis = np.linspace(-1, 1, 201)
    y = outputs(net, np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    ends = {"m": f"{np.median(y, axis=0).min():.3f}", "M": f"{y.max() + 0.05:.3f}"}
    text = f"verify p:\n  forall {BOX}, b : bool[2]\n  prove {claim.format(**ends)}\n"
    assert decide(tmp_path, net, text).answer is (Answer.VERIFIED if COUNTS[claim] else Answer.VIOLATED)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("claim", CLAIMS)
def test_verdicts_over_whole_numbers_agree_with_enumeration(claim: str, seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    net = arrays(seed)
    points = np.array([[i, j] for i in range(-2, 4) for j in range(-2, 4)], dtype=np.float64)
    spread = np.quantile(outputs(net, points), random.random(2))
    numbers = {"a": spread[0], "b": spread[1], "c": np.abs(outputs(net, points)).max() * random.uniform(0.5, 2.2)}
    text = {name: repr(round(float(value), 5)) for name, value in numbers.items()}
    assumed = ASSUMED[seed % 3].format(**text)
    claim = claim.format(**text)
    verdict = decide(tmp_path, net, f"verify p:\n  forall x : int[2] in -2..3\n  assume {assumed}\n  prove {claim}\n")
    broken = [x for x in points if holds(tmp_path, net, assumed, x) and not holds(tmp_path, net, claim, x)]
    assert verdict.answer is (Answer.VIOLATED if broken else Answer.VERIFIED), (claim, verdict)
    if broken:
        assert any(np.array_equal(verdict.counterexample["x"], x) for x in broken)


def holds(folder: Path, net: Arrays, claim: str, x: FloatArray) -> bool:
    """Python's own reading of a claim."""
    text = claim.replace(") = ", ") == ").replace("<->", "==").replace("xor", "!=")
    if "->" in text:
        before, after = text.split("->")
        text = f"not ({before}) or ({after})"

    def forward(point: FloatArray) -> FloatArray:
        return np.asarray(outputs(net, np.asarray(point, dtype=np.float64)[None])[0])

    if "!=" in text:
        left, right = text.split("!=")
        text = f"({left}) != ({right})"
    names: dict[str, Any] = {"argmax": np.argmax, "argmin": np.argmin}
    names |= {"net": forward, "x": x, "max": np.max, "min": np.min, "abs": abs}
    names["norm_inf"] = lambda v: np.abs(v).max()
    return bool(np.all(eval(text, {"__builtins__": {}}, names)))


def test_what_verify_refuses_is_said_before_anything_is_decided(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **arrays(0))
    text = f"""nnm 0.1
network net = npz("net.npz")
verify first: forall {BOX} prove net(x)[0] <= 1000
verify second: forall {BOX} prove l0(x) <= 1
verify third: forall {BOX} assume norm_2sq(x) <= 1 prove net(x)[0] <= 1000
"""
    file = write_model(tmp_path, text)
    expected = [f"NNM0104 {4 + place}" for place in range(2)]
    for data in (True, False):
        assert [f"{d.code} {d.span.line}" for d in nnmip.load(file).check(data=data)] == expected
    made = nnmip_command(tmp_path, "verify", file.name)
    assert made.returncode == 1 and "first: verified" not in made.stdout
    assert "`l0` in a property is" in made.stderr and "`norm_2sq` in a property is" in made.stderr
    assert "first: verified" in nnmip_command(tmp_path, "verify", file.name, "--property", "first").stdout
