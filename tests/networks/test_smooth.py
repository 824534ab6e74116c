"""Smooth functions inside of networks: curves with a proved error, from single functions to the outputs of networks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from pathlib import Path

import numpy as np
import onnx
import pytest

import nnmip
from nnmip.diagnostics import DiagnosticError, Severity
from nnmip.hir.evaluate import result
from nnmip.hir.known import KnownNetwork
from nnmip.onnx.check import Computed
from nnmip.onnx.read import read_onnx
from nnmip.ops import smooth
from nnmip.ops.functions import FUNCTIONS
from nnmip.ops.layers.piecewise import LEAST_WIDTH
from nnmip.ops.smooth import LEAST, approximation, certified_error
from nnmip.sizes import UNASKED
from nnmip.verification.verdict import Answer, Verdict
from tests.networks.nets import Net
from tests.networks.test_import import ORIGIN, run

ERRORS = (0.1, 0.01, 1e-3, 1e-4)
FLOATS = 2e-14
"""What a distance of numbers up to 80 loses."""
DIPS = ("Swish", "Gelu", "Mish", "HardSwish")
"""Functions that fall before they rise."""


def away_from(name: str, points: Sequence[float], values: Sequence[float], z: np.ndarray) -> float:
    """How far a curve that goes on as its function does is from that at some places at most."""
    function = FUNCTIONS[name]
    before, behind = function.before[0], function.behind[0]
    beyond = before * np.minimum(z - points[0], 0.0) + behind * np.maximum(z - points[-1], 0.0)
    return float(np.abs(np.interp(z, points, values) + beyond - function.exact(z)).max())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_decimals_are_those_in_floats(name: str) -> None:
    """Their slopes are slopes, and they turn where they say so."""
    function, h = FUNCTIONS[name], Decimal(10) ** -15
    for z in (-30.0, -6.25, -1.5, -0.3, -1e-3, 0.2, 0.9, 2.75, 8.0, 40.0):
        with localcontext(Context(prec=50)):
            at = Decimal(z)
            steep = (function.value(at + h) - function.value(at - h)) / (2 * h)
            assert abs(steep - function.slope(at)) < Decimal(10) ** -25
            assert float(function.value(at)) == pytest.approx(float(function.exact(np.array(z))), rel=1e-14, abs=1e-15)
            assert float(function.slope(at)) == pytest.approx(float(function.steep(np.array(z))), rel=1e-12, abs=1e-15)
        assert abs(function.slope(at)) <= function.steepest
    ends = (-20.0, *function.bends, 20.0)
    for turn, low, high in zip(function.turns, ends, ends[1:], strict=False):
        assert (turn * np.diff(function.steep(np.linspace(low + 1e-9, high - 1e-9, 999))) >= -4e-16).all()


@pytest.mark.parametrize("largest", ERRORS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_of_a_curve_is_proved_and_reached(name: str, largest: float) -> None:
    """At 10^5 points and at the ends of all pieces nothing is further away, and something is nearly as far."""
    made = approximation(name, largest)
    z = np.concatenate([np.linspace(-40.0, 40.0, 100_001), made.points, np.linspace(-3.0, 3.0, 100_001)])
    away = away_from(name, made.points, made.values, z)
    assert away <= made.error + FLOATS and made.error <= largest
    assert away >= 0.999 * made.error
    assert np.all(np.diff(made.points) >= LEAST_WIDTH)
    assert name in DIPS or np.all(np.diff(made.values) > 0)
    assert made.outside == (FUNCTIONS[name].before[0], FUNCTIONS[name].behind[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_proof_is_about_the_curve_that_is_used(name: str) -> None:
    """Whatever it is: a point or a value that is moved changes the error by what it does to the distance."""
    made, rng = approximation(name, 0.01), np.random.default_rng(0)
    z = np.linspace(-40.0, 40.0, 100_001)
    for _ in range(20):
        points = np.sort(np.array(made.points) + 0.1 * rng.normal(size=len(made.points)))
        values = np.array(made.values) + 0.05 * rng.normal(size=len(made.values))
        proved = certified_error(FUNCTIONS[name], tuple(points), tuple(values))
        away = away_from(name, points, values, z)
        assert away <= proved + FLOATS and proved <= away + 1e-3


def test_the_finest_curves_are_found() -> None:
    """Where rounding is a part of the error that is left."""
    made = approximation("Erf", LEAST)
    z = np.concatenate([np.linspace(-40.0, 40.0, 20_001), np.linspace(-4.0, 4.0, 100_001)])
    assert away_from("Erf", made.points, made.values, z) <= made.error <= LEAST
    assert min(np.diff(made.points)) >= LEAST_WIDTH


def test_few_pieces_are_enough() -> None:
    assert [approximation(name, 1e-3).pieces for name in FUNCTIONS] == [19, 27, 25, 26, 18, *(17, 31, 28, 29, 14)]
    assert [approximation(name, 0.1).pieces for name in FUNCTIONS] == [3, 3, 3, 4, 3, *(3, 5, 5, 5, 4)]


# ---- networks ------------------------------------------------------------------------------------------------------


def random_net(seed: int) -> Net:
    """Dense layers, or an image, with smooth functions, ReLU, residual sums and pools between them."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape)

    kind = ("Tanh", "Sigmoid")[seed % 2]
    if seed % 3 == 2:
        stored = {"w": drawn(3, 1, 2, 2), "v": drawn(12, 2), "c": drawn(2)}
        nodes = [("Conv", "x w", "h"), (kind, "h", "a"), ("MaxPool", "a", "p", {"kernel_shape": [2, 2]})]
        nodes += [("Flatten", "p", "f"), ("Gemm", "f v c", "y")]
        return Net(("N", 1, 4, 4), nodes, {**stored, "v": drawn(12, 2)})
    stored = {"w": drawn(3, 4), "b": drawn(4), "v": drawn(4, 4), "u": drawn(4, 2), "half": np.full(1, 0.5)}
    nodes = [("Gemm", "x w b", "h"), (kind, "h", "a"), ("MatMul", "a v", "z"), ("Relu", "z", "r")]
    nodes += [("Add", "r a", "s"), ("Sigmoid", "s", "t"), ("Mul", "t half", "m"), ("MatMul", "m u", "y")]
    return Net(("N", 3), nodes, stored)


def read(net: Net, smooth: float | None = None) -> KnownNetwork:
    return read_onnx(net.model(onnx.TensorProto.DOUBLE), None, "f", ORIGIN, UNASKED, smooth)


@pytest.mark.parametrize("seed", range(12))
def test_the_error_at_the_outputs_holds(seed: int) -> None:
    """Against the file in double precision, at random points of several sizes."""
    net = random_net(seed)
    for largest in (0.05, None):
        known = read(net, largest)
        assert known.smoothed is not None and known.smoothed.error.shape == known.network.output_shape
        assert all(curve.error <= (largest or 1e-3) for curve in known.smoothed.curves)
        rng, spread = np.random.default_rng(seed), (3000, *(1 for _ in known.network.input_shape))
        x = rng.normal(size=(3000, *known.network.input_shape)) * rng.choice([0.3, 1.0, 4.0], size=spread)
        exact = Computed(known.network, known.assignment, known.smoothed).result(x)
        shape = (1, *known.network.input_shape)
        theirs = run(net.model(onnx.TensorProto.DOUBLE), x[:40], shape, np.float64)
        assert np.abs(exact[:40] - theirs).max() <= 1e-9 * max(1.0, np.abs(theirs).max())
        away = np.abs(result(known.network, known.assignment, x) - exact)
        assert (away <= known.smoothed.error + 1e-12).all()
        assert away.max() >= 0.02 * known.smoothed.error.max()


def test_what_is_stated() -> None:
    known = read(random_net(0))
    tanh, sigmoid = (approximation(name, 1e-3) for name in ("Tanh", "Sigmoid"))
    assert str(known.smoothed) == (
        f"Tanh (node 2) is 27 lines within {tanh.error:.3g}; Sigmoid (node 6) is 19 lines within {sigmoid.error:.3g}; "
        f"outputs are within {known.smoothed.error.max():.3g} of the file's"  # type: ignore[union-attr]
    )


def test_an_error_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seeded fault: what is proved too well does not pass the check of the import."""
    monkeypatch.setattr("nnmip.onnx.certify.output_drift", lambda network, *rest: np.full(network.output_shape, 1e-6))
    with pytest.raises(DiagnosticError, match="NNM0618"):
        read(random_net(0))


def test_a_wrong_curve_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A curve of the other function: the values of the file are those of the function itself."""
    wrong = smooth.Approximation((-1.0, 1.0), (-0.5, 0.5), 1e-3)
    monkeypatch.setattr("nnmip.onnx.curves.approximation", lambda name, largest: wrong)
    with pytest.raises(DiagnosticError, match="NNM0618"):
        read(random_net(0))


TEXT = """nnm 0.1
network f = onnx("f.onnx", smooth: {smooth})
var x: real[3] in [-1, 1]
{goal} f(x)[0]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx.save(random_net(0).model(onnx.TensorProto.DOUBLE), tmp_path / "f.onnx")
    return tmp_path


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_the_optimum_is_that_of_dense_points(folder: Path, goal: str, solver: str) -> None:
    """With the curves nothing is better, and with the functions nothing by more than the error."""
    solved = nnmip.loads(TEXT.format(goal=goal, smooth=0.02), directory=folder).solve(solver=solver, time_limit=100)
    assert solved.solution == "optimal"
    known = read(random_net(0), 0.02)
    axis = np.linspace(-1.0, 1.0, 41)
    x = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    sign = 1.0 if goal == "maximize" else -1.0
    ours = (sign * result(known.network, known.assignment, x)[:, 0]).max()
    theirs = (sign * Computed(known.network, known.assignment, known.smoothed).result(x)[:, 0]).max()
    best = sign * solved.objective
    assert ours - 1e-6 <= best <= ours + 0.05
    assert best >= theirs - known.smoothed.error[0] - 1e-6  # type: ignore[union-attr]
    assert f"f: {known.smoothed}" in solved.notes


def test_the_text_says_how_near(folder: Path) -> None:
    silent = TEXT.format(goal="minimize", smooth=0).replace(", smooth: 0", "")
    model = nnmip.loads(silent, directory=folder)
    (found,) = model.check()
    assert (found.code, found.severity) == ("NNM0620", Severity.WARNING)
    assert found.message == f"`f`: {read(random_net(0)).smoothed}"
    assert nnmip.loads(TEXT.format(goal="minimize", smooth=0.01), directory=folder).check() == ()
    (wrong,) = nnmip.loads(TEXT.format(goal="minimize", smooth=0.5), directory=folder).check()
    assert (wrong.code, wrong.message) == ("NNM0205", "`smooth` must be at most 0.1, not 0.5")


def test_a_network_in_python_says_so(folder: Path) -> None:
    network = nnmip.load_onnx(folder / "f.onnx", smooth=0.01)
    assert "is 9 lines within" in repr(network)
    bound = nnmip.loads(TEXT.format(goal="minimize", smooth=0.01), directory=folder).bind(f=network)
    assert bound.program.known[0].smoothed == network.smoothed
    with pytest.raises(ValueError, match=r"smooth must be from 1e-06 to 0\.1"):
        nnmip.load_onnx(folder / "f.onnx", smooth=1.0)


def largest_of(known: KnownNetwork, sign: float = 1.0) -> tuple[float, float]:
    """The largest first output times a sign at dense points: with the curves, and with the functions."""
    axis = np.linspace(-1.0, 1.0, 41)
    x = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    ours = (sign * result(known.network, known.assignment, x)[:, 0]).max()
    return float(ours), float((sign * Computed(known.network, known.assignment, known.smoothed).result(x)[:, 0]).max())


def decided(folder: Path, limit: float, smooth: float, sign: float, **options: object) -> Verdict:
    claim = f"f(x)[0] {'<=' if sign > 0 else '>='} {sign * limit!r}"
    text = TEXT.split("var")[0].format(smooth=smooth) + (
        f"verify small:\n  forall x: real[3] in [-1, 1]\n  prove {claim}\n"
    )
    return nnmip.loads(text, directory=folder).verify("small", time_limit=60.0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "solver", "sign"), [(0.02, "highs", 1.0), (0.002, "cbc", 1.0), (0.02, "cbc", -1.0)])
def test_a_property_is_decided_of_the_file(folder: Path, size: float, solver: str, sign: float) -> None:
    """Verified where the curves keep it by more than their error, and broken by the functions themselves alone."""
    known = read(random_net(0), size)
    assert known.smoothed is not None
    error, (ours, theirs) = float(known.smoothed.error[0]), largest_of(known, sign)
    spread = 0.02 * max(1.0, abs(ours))
    verified = decided(folder, ours + error + spread, size, sign, solver=solver)
    assert verified.answer is Answer.VERIFIED and (verified.margin or 0.0) <= spread + 1e-9
    violated = decided(folder, theirs - 1e-4, size, sign, solver=solver)
    assert violated.answer is Answer.VIOLATED
    x = violated.counterexample["x"][None]
    assert sign * Computed(known.network, known.assignment, known.smoothed).result(x)[0, 0] > theirs - 1e-4
    between = decided(folder, theirs + 0.3 * error, size, sign, solver=solver)
    assert between.answer is Answer.UNKNOWN
    assert f"within {known.smoothed.error.max():.3g} of those of the file" in between.reason


def test_an_assumption_about_the_file_leaves_out_no_point_of_it(folder: Path) -> None:
    """Where the functions are at least what the curves never reach; without an attack, which would find a point."""
    known = read(random_net(0), 0.1)
    ours, theirs = largest_of(known)
    assert ours < theirs - 0.01
    text = TEXT.split("var")[0].format(smooth=0.1) + (
        f"verify p:\n  forall x: real[3] in [-1, 1]\n  assume f(x)[0] >= {theirs - 0.001!r}\n"
        f"  prove f(x)[0] <= {theirs - 0.0005!r}\n"
    )
    verdict = nnmip.loads(text, directory=folder).verify("p", time_limit=30.0, stages=["milp"])
    assert verdict.answer is not Answer.VERIFIED


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("f(x)[0] <= f(r)[0] + 9", "asked for a number"),
        ("f(x)[0] <= 2 * m", "asked for a number"),
        ("f([f(x)[0], 0, 0])[0] <= 9", "which `f` reads"),
    ],
)
def test_what_has_no_known_error_is_refused(folder: Path, claim: str, said: str) -> None:
    (folder / "t.csv").write_text("a,b,c,y\n0,0,0,1\n")
    table = 'data t = csv("t.csv") {\n  features a, b, c\n  target y\n}\n'
    text = TEXT.split("var")[0].format(smooth=0.01) + table + "let m = f([0, 0, 1])[0] + 9\n"
    text += f"verify small:\n  forall r in t, x: real[3] in [-1, 1]\n  prove {claim}\n"
    with pytest.raises(DiagnosticError) as caught:
        nnmip.loads(text, directory=folder).verify("small[1]")
    (found,) = caught.value.diagnostics
    assert found.code == "NNM0621" and "`f` has curves in the place of smooth functions" in found.message
    assert said in found.message


def test_a_rule_over_a_region_reads_no_curves(folder: Path) -> None:
    (folder / "t.csv").write_text("a,b,c,y\n0,0,0,1\n1,0,0.5,0\n")
    text = TEXT.split("var")[0].format(smooth=0.01) + (
        'data t = csv("t.csv") {\n  features a, b, c\n  target y\n}\n'
        "network g(x: real[3] in [-1, 1]) {\n  layer o = dense(x, units: 1, weights in {-1, 0, 1})\n  return o[0]\n}\n"
        "minimize absolute(g, t)\nconstraint c: forall x in domain(g): g(x) <= f(x)[0] + 9\n"
    )
    with pytest.raises(DiagnosticError) as caught:
        nnmip.loads(text, directory=folder).solve(time_limit=20.0)
    (found,) = caught.value.diagnostics
    assert found.code == "NNM0621" and "so that no rule over a region reads it" in found.message
