"""Softmax and its kin inside of networks: made of certified curves, against ONNX Runtime, samples and two solvers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import nnmip
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.evaluate import result
from nnmip.hir.known import KnownNetwork
from nnmip.onnx import curves
from nnmip.onnx.check import Computed
from nnmip.onnx.layers import Layers
from nnmip.onnx.read import read_onnx
from nnmip.onnx.views import View
from nnmip.sizes import UNASKED
from tests.networks.nets import Net
from tests.networks.test_import import ORIGIN, run

RNG = np.random.default_rng(11)


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def between(operator: str, width: int, *attributes: dict[str, object]) -> Net:
    """A function of `width` scores between two layers with weights."""
    nodes = [("Gemm", "x w b", "h"), (operator, "h", "p", *attributes), ("Gemm", "p v c", "y")]
    return Net(("N", 3), nodes, {"w": drawn(3, width), "b": drawn(width), "v": drawn(width, 2), "c": drawn(2)})


def deep() -> Net:
    nodes = [("Gemm", "x w b", "h"), ("Tanh", "h", "t"), ("Softmax", "t", "p"), ("Gemm", "p v c", "q")]
    nodes += [("Softplus", "q", "s"), ("LogSoftmax", "s", "l"), ("Mul", "l two", "y")]
    stored = {"w": drawn(3, 5), "b": drawn(5), "v": drawn(5, 4), "c": drawn(4), "two": np.full(1, 2.0)}
    return Net(("N", 3), nodes, stored)


def at_the_end(*nodes: tuple[object, ...], **stored: np.ndarray) -> Net:
    return Net(("N", 4), [("Gemm", "x w b", "h"), *nodes], {"w": drawn(4, 4), "b": drawn(4), **stored})


NETS = {
    **{f"softmax of {width}": between("Softmax", width) for width in (1, 2, 3, 6)},
    "log softmax": between("LogSoftmax", 5),
    "softplus": between("Softplus", 4),
    "erf": between("Erf", 4),
    "log of a sum": at_the_end(("ReduceLogSumExp", "h", "y", {"axes": [1]})),
    "log of a softmax": at_the_end(("Softmax", "h", "p"), ("Log", "p", "l"), ("Neg", "l", "y")),
    "exp of a log softmax": at_the_end(("LogSoftmax", "h", "l"), ("Exp", "l", "p"), ("Neg", "p", "y")),
    "log of a sigmoid": at_the_end(("Sigmoid", "h", "p"), ("Log", "p", "y")),
    "one probability": at_the_end(("Softmax", "h", "p"), ("Gather", "p i", "y", {"axis": 1}), i=np.array([2])),
    "two branches": at_the_end(("Sigmoid", "h", "s"), ("Tanh", "x", "t"), ("Concat", "s t", "y", {"axis": 1})),
    "softmax and scores": at_the_end(("Softmax", "h", "a"), ("Concat", "a x", "y", {"axis": 1})),
    "groups along an axis": Net(("N", 3, 2), [("Softmax", "x", "y", {"axis": 1})]),
    "groups of old": Net((1, 2, 3), [("LogSoftmax", "x", "y", {"axis": 2})], opset=9),
    "all axes of old": Net((1, 2, 2), [("Softmax", "x", "p"), ("Neg", "p", "y")], opset=9),
    "deep": deep(),
}


def read(net: Net, smooth: float | None = None, ending: str = "scores") -> KnownNetwork:
    return read_onnx(net.model(onnx.TensorProto.DOUBLE), None, "f", ORIGIN, UNASKED, smooth, ending)


@pytest.mark.parametrize("name", NETS)
def test_the_error_at_the_outputs_holds(name: str) -> None:
    """Against the file in double precision, and at random points of several sizes."""
    net = NETS[name]
    for largest in (0.05, 0.005):
        known = read(net, largest)
        smoothed, size = known.smoothed, known.network.input_shape
        if smoothed is None:
            assert name == "softmax of 1"
            return
        assert smoothed.error.shape == known.network.output_shape
        assert all(curve.whole <= largest for curve in smoothed.curves)
        rng = np.random.default_rng(3)
        x = rng.normal(size=(2500, *size)) * rng.choice([0.3, 1.0, 4.0, 30.0], size=(2500, *(1 for _ in size)))
        exact = Computed(known.network, known.assignment, smoothed).result(x)
        theirs = run(net.model(onnx.TensorProto.DOUBLE), x[:30], (1, *size), np.float64)
        close = 1e-7 if "erf" in name else 1e-9
        assert np.abs(exact[:30].reshape(theirs.shape) - theirs).max() <= close * max(1.0, np.abs(theirs).max())
        away = np.abs(result(known.network, known.assignment, x) - exact)
        assert (away <= smoothed.error + 1e-12).all()
        assert away.max() >= 0.1 * smoothed.error.max()


def test_what_is_stated() -> None:
    """A softmax is 0.5-steep in the largest change of a score, and off by what its parts are."""
    known = read(NETS["softmax of 6"], 0.01)
    assert known.smoothed is not None
    text = str(known.smoothed)
    assert text.startswith("Softmax (node 2) is Softplus of 18 lines and Exp of 10 lines within 0.00")
    whole = {curve.whole for curve in known.smoothed.curves}
    (off,) = whole
    errors = {curve.function: curve.error for curve in known.smoothed.curves}
    assert off == pytest.approx(3 * errors["Softplus"] + errors["Exp"])
    steep = np.abs(known.assignment.values[f"{known.network.layers[-1].path}.weights"]).sum(axis=1)
    assert known.smoothed.error == pytest.approx(off * steep)
    chained = read(Net(("N", 3), [("Tanh", "x", "t"), ("Softmax", "t", "y")]), 0.01, "values")
    tanh, parts = chained.smoothed.curves[0], chained.smoothed.curves[-1]  # type: ignore[union-attr]
    assert chained.smoothed.error == pytest.approx(0.5 * tanh.error + parts.whole)  # type: ignore[union-attr]


def test_two_classes_are_one_sigmoid() -> None:
    """Their probabilities add up to 1."""
    known = read(NETS["softmax of 2"])
    assert [curve.function for curve in known.smoothed.curves] == ["Sigmoid"]  # type: ignore[union-attr]
    bare = Net(("N", 2), [("Softmax", "x", "p")], output=None)
    bare.nodes.append(("Neg", "p", "y"))
    two = read(bare)
    x = np.random.default_rng(0).normal(size=(50, 2)) * 3
    assert result(two.network, two.assignment, x).sum(axis=1) == pytest.approx(-1.0, abs=1e-15)


# ---- at the end ----------------------------------------------------------------------------------------------------

ENDS = {
    "softmax": (("Softmax", "h", "y"),),
    "log_softmax": (("LogSoftmax", "h", "y"),),
    "sigmoid": (("Sigmoid", "h", "y"),),
    "tanh": (("Tanh", "h", "y"),),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_a_function_at_the_end_gives(name: str) -> None:
    net = at_the_end(*ENDS[name])
    scores, values = read(net), read(net, 0.01, "values")
    assert scores.network.squashed_by and scores.smoothed is None
    assert not values.network.squashed_by and values.smoothed is not None
    assert values.smoothed.error.max() <= 0.01 * 1.0001
    x = np.random.default_rng(0).normal(size=(30, 4)) * 2
    theirs = run(net.model(onnx.TensorProto.DOUBLE), x, (1, 4), np.float64)
    away = np.abs(result(values.network, values.assignment, x) - theirs)
    assert 1e-4 < away.max() <= 0.01


def test_probabilities_that_are_divided_by_their_sum() -> None:
    """Those of two classes have the sum 1 already; of several they are no curves."""
    linear = {"coefficients": [1.0, -2.0, 0.5], "intercepts": [0.25], "classlabels_ints": [0, 1]}
    learned = {"domain": "ai.onnx.ml"}
    two = [("LinearClassifier", "x", "l h", {**linear, **learned, "post_transform": "LOGISTIC"})]
    two += [("Normalizer", "h", "y", {"norm": "L1", **learned})]
    model = Net(("N", 3), two).model()
    assert read_onnx(model, "y", "f", ORIGIN, UNASKED).network.squashed_by == "Sigmoid"
    known = read_onnx(model, "y", "f", ORIGIN, UNASKED, 0.01, "values")
    assert [curve.function for curve in known.smoothed.curves] == ["Sigmoid"]  # type: ignore[union-attr]
    many = {"coefficients": [1.0] * 9, "intercepts": [0.1, 0.2, 0.3], "classlabels_ints": [0, 1, 2]}
    nodes = [("LinearClassifier", "x", "l h", {**many, **learned, "post_transform": "LOGISTIC"}), two[1]]
    with pytest.raises(DiagnosticError, match="`Normalizer` \\(node 2\\) needs the probabilities of a `Sigmoid`"):
        read_onnx(Net(("N", 3), nodes).model(), "y", "f", ORIGIN, UNASKED, 0.01, "values")


# ---- models --------------------------------------------------------------------------------------------------------

TEXT = """nnm 0.1
network f = onnx("f.onnx", smooth: 0.03{ending})
var x: real[3] in [-1, 1]
constraint rule: x[0] + x[1] <= 0.5
{rules}
{goal}
"""


def saved(folder: Path, net: Net) -> KnownNetwork:
    onnx.save(net.model(onnx.TensorProto.DOUBLE), folder / "f.onnx")
    return read(net, 0.03, "values")


AXIS = np.linspace(-1.0, 1.0, 33)
GRID = np.stack(np.meshgrid(AXIS, AXIS, AXIS), axis=-1).reshape(-1, 3)
GRID = GRID[GRID[:, 0] + GRID[:, 1] <= 0.5]


@pytest.mark.parametrize("sense", ["minimize", "maximize"])
@pytest.mark.parametrize("name", ["softmax of 3", "log softmax"])
def test_both_solvers_find_the_optimum_of_dense_points(name: str, sense: str, tmp_path: Path) -> None:
    """That of the curves, and within the error that of the file."""
    known, sign = saved(tmp_path, NETS[name]), 1.0 if sense == "maximize" else -1.0
    model = nnmip.loads(TEXT.format(ending="", rules="", goal=f"{sense} f(x)[0]"), directory=tmp_path)
    found = [model.solve(solver=solver, time_limit=100) for solver in ("highs", "cbc")]
    assert [solved.solution for solved in found] == ["optimal", "optimal"]
    assert found[0].objective == pytest.approx(found[1].objective, abs=1e-6)
    ours = (sign * result(known.network, known.assignment, GRID)[:, 0]).max()
    theirs = (sign * Computed(known.network, known.assignment, known.smoothed).result(GRID)[:, 0]).max()
    best = sign * found[0].objective
    assert ours - 1e-6 <= best <= ours + 0.1
    assert best >= theirs - known.smoothed.error[0] - 1e-6  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_that_nothing_reads(seed: int, tmp_path: Path) -> None:
    """A goal of one probability leaves the others to be what they are."""
    random = np.random.default_rng(seed)
    nodes = [("Gemm", "x w b", "h"), ("Relu", "h", "r"), ("Gemm", "r v c", "z"), ("Softmax", "z", "y")]
    sizes = {"w": (3, 6), "b": (6,), "v": (6, 3), "c": (3,)}
    known = saved(tmp_path, Net(("N", 3), nodes, {name: random.normal(size=size) for name, size in sizes.items()}))
    values = result(known.network, known.assignment, GRID)
    for output in range(3):
        goal = f"maximize f(x)[{output}]"
        text = TEXT.format(ending=', ending: "values"', rules="", goal=goal)
        found = nnmip.loads(text, directory=tmp_path).solve(time_limit=100)
        assert found.objective is not None
        assert values[:, output].max() - 1e-6 <= found.objective <= values[:, output].max() + 0.1


def test_a_probability_in_a_rule(tmp_path: Path) -> None:
    """The value itself: a threshold on it means what it says, up to the error."""
    net = Net(("N", 3), [("Gemm", "x w", "h"), ("Softmax", "h", "y")], {"w": 2.0 * drawn(3, 3)})
    known = saved(tmp_path, net)
    rules = 'constraint sure "the second class is likely": f(x)[1] >= 0.8'
    text = TEXT.format(ending=', ending: "values"', rules=rules, goal="minimize x[0] + x[1] - x[2]")
    found = [nnmip.loads(text, directory=tmp_path).solve(solver=solver, time_limit=100) for solver in ("highs", "cbc")]
    assert [solved.solution for solved in found] == ["optimal", "optimal"]
    assert found[0].objective == pytest.approx(found[1].objective, abs=1e-6)
    p = result(known.network, known.assignment, GRID)[:, 1]
    best = (GRID @ [1.0, 1.0, -1.0])[p >= 0.8].min()
    assert best - 0.2 <= found[0].objective <= best + 1e-6
    x = np.array(found[0].variables["x"]).reshape(1, 3)
    exact = run(net.model(onnx.TensorProto.DOUBLE), x, (1, 3), np.float64)
    assert exact[0, 1] >= 0.8 - known.smoothed.error[1] - 1e-6  # type: ignore[union-attr]
    away = np.abs(exact - result(known.network, known.assignment, x)).max()
    assert away <= known.smoothed.error.max()  # type: ignore[union-attr]
    (near,) = (note for note in found[0].notes if note.startswith("f(x): the outputs are within "))
    assert near.endswith(
        f" of the file's for all values of the variables, and within {1.0051 * away:.3g} at this answer"
    )


def test_probabilities_over_their_sum_by_onnx_itself() -> None:
    """As skl2onnx writes them for one classifier against each of the others."""
    norm = ("LpNormalization", "p", "y", {"axis": 1, "p": 1})
    known = read(at_the_end(("Sigmoid", "h", "p"), norm))
    assert known.network.squashed_by == "Sigmoid"
    with pytest.raises(DiagnosticError, match="divides rows by their norm"):
        read(at_the_end(("Sigmoid", "h", "p"), ("LpNormalization", "p", "y", {"axis": 1})))


def test_what_the_option_takes(tmp_path: Path) -> None:
    saved(tmp_path, at_the_end(*ENDS["softmax"]))
    text = 'nnm 0.1\nnetwork f = onnx("f.onnx"{})\nvar x: real[4] in [-1, 1]\nmaximize f(x)[0]\n'
    (found,) = nnmip.loads(text.format(""), directory=tmp_path).check()
    assert (found.code, found.help) == (
        "NNM0619",
        'name them, to say that they are meant: `output: "h"`; `ending: "values"` takes what it gives',
    )
    (found,) = nnmip.loads(text.format(', ending: "values"'), directory=tmp_path).check()
    assert found.code == "NNM0620"
    (found,) = nnmip.loads(text.format(', ending: "value"'), directory=tmp_path).check()
    assert (found.code, found.message) == ("NNM0205", '`ending` must be "scores" or "values", not `value`')
    with pytest.raises(ValueError, match="ending must be one of scores, values, not 'value'"):
        nnmip.load_onnx(tmp_path / "f.onnx", ending="value")  # type: ignore[arg-type]
    assert "Softplus of" in repr(nnmip.load_onnx(tmp_path / "f.onnx", ending="values"))


def test_such_a_network_can_be_written_and_read_again(tmp_path: Path) -> None:
    """The curves as they are, with what they do outside of their points."""
    onnx.save(NETS["softplus"].model(), tmp_path / "f.onnx")
    network = nnmip.load_onnx(tmp_path / "f.onnx", smooth=0.05)
    network.to_onnx(tmp_path / "g.onnx")
    x = np.random.default_rng(0).normal(size=(20, 3)) * 5
    again = nnmip.load_onnx(tmp_path / "g.onnx")
    assert again.scores(x) == pytest.approx(network.scores(x), rel=1e-4, abs=1e-4)


# ---- faults --------------------------------------------------------------------------------------------------------


def flat_difference(self: Layers, left: View, right: View) -> View:
    return self.total(left, right.affine(-0.98))


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("_levels", lambda width: 1),
        ("_shares", lambda width, total: (total, total)),
        ("_noted", lambda layers, by, scores, found, steepest, off: REAL(layers, by, scores, found, steepest, off / 4)),
    ],
)
def test_an_error_too_small_is_noticed(place: str, fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares that add up to too much, levels that are not counted, and a whole that is less than its parts."""
    monkeypatch.setattr(curves, place, fault)
    with pytest.raises((AssertionError, DiagnosticError)):
        for name in ("softmax of 6", "log softmax", "softmax of 3"):
            test_the_error_at_the_outputs_holds(name)


REAL = curves._noted


def test_a_wrong_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Layers, "difference", flat_difference)
    with pytest.raises(DiagnosticError, match="NNM0618"):
        read(NETS["softmax of 3"])
