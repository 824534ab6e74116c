"""Answers to queries: against dense samples, beside optima, and only with a point that the networks confirm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

import nnmip
from nnmip.diagnostics import DiagnosticError
from nnmip.sizes import UNASKED
from nnmip.source import SourceFile
from nnmip.vnnlib import decide as deciding
from nnmip.vnnlib.decide import Found, Outcome, decide
from nnmip.vnnlib.nets import bind
from nnmip.vnnlib.posed import posed
from nnmip.vnnlib.read import read_query
from tests.networks.nets import Net
from tests.vnnlib.nets import outputs, perceptron, save

FloatArray = NDArray[np.float64]

GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 161), np.linspace(-1, 1, 161)), axis=-1).reshape(-1, 2)
FLAT = "\n".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{k} -1))(assert (<= X_{k} 1))" for k in range(2))


def ask(text: str, files: dict[str, Path], **options: object) -> Outcome:
    query = read_query(SourceFile("q.vnnlib", text))
    return decide(posed(query, bind(query, files, UNASKED)), allowance=UNASKED, **options)  # type: ignore[arg-type]


def random_claim(random: np.random.Generator, y: FloatArray) -> tuple[str, NDArray[np.bool_], FloatArray]:
    """A comparison of outputs or of an input and an output, where it holds on the grid, and by how much."""
    a, b, c = (float(value) for value in np.round(random.normal(size=3), 2))
    match random.integers(3):
        case 0:
            value, text = a * y[:, 0] + b * y[:, 1], f"(+ (* {a} Y_0) (* {b} Y_1))"
        case 1:
            value, text = y[:, 0] - y[:, 1], "(- Y_0 Y_1)"
        case _:
            value, text = y[:, 1] - a * GRID[:, 0], f"(- Y_1 (* {a} X_0))"
    limit = float(np.quantile(value, random.choice([0.0, 0.03, 0.5])) + random.choice([-0.3, -0.01, 0.01]) * abs(c))
    return f"(<= {text} {limit!r})", value <= limit, value - limit


@pytest.mark.parametrize("seed", range(24))
def test_any_logic_against_dense_samples(seed: int, tmp_path: Path) -> None:
    """`unsat` only where no sample obeys, `sat` only with a point that does; an answer wherever samples are clear."""
    random = np.random.default_rng(seed)
    net = perceptron(seed, type=[TensorProto.FLOAT, TensorProto.DOUBLE][seed % 2])
    y = outputs(net, GRID)
    texts, holds, excess = zip(*(random_claim(random, y) for _ in range(4)), strict=True)
    x, z = GRID.T
    if seed % 3 == 0:
        text = f"(assert (or (and {texts[0]} {texts[1]}) {texts[2]}))"
        where, amount = (holds[0] & holds[1]) | holds[2], np.minimum(np.maximum(excess[0], excess[1]), excess[2])
    elif seed % 3 == 1:
        text = f"(assert (or (and (<= X_0 -0.5) {texts[0]}) (and (>= X_0 0.25) (>= X_1 X_0) {texts[1]})))"
        left, right = x <= -0.5, (x >= 0.25) & (z >= x)
        where = (left & holds[0]) | (right & holds[1])
        amount = np.minimum(np.where(left, excess[0], np.inf), np.where(right, excess[1], np.inf))
    else:
        text = f"(assert (or (<= X_0 -0.5) (>= X_1 0.5))) (assert {texts[0]}) (assert (< Y_0 Y_1))"
        region = (x <= -0.5) | (z >= 0.5)
        where = region & holds[0] & (y[:, 0] < y[:, 1])
        amount = np.where(region, np.maximum(excess[0], y[:, 0] - y[:, 1]), np.inf)
    outcome = ask(FLAT + BOX + text, {"": save(net, tmp_path / "f.onnx")}, time_limit=60.0)
    if outcome.found is Found.UNSAT:
        assert not where.any()
    elif outcome.found is Found.SAT:
        point = outcome.witness["X"]
        assert (np.abs(point) <= 1).all()
        assert np.abs(outputs(net, point[None])[0] - outcome.witness["Y"]).max() <= 1e-4
    else:
        assert np.abs(amount.min()) < 1e-3, outcome.reason
    if where.any():
        assert outcome.found is not Found.UNSAT
    if amount.min() < -1e-2:
        assert outcome.found is Found.SAT


@pytest.mark.parametrize("seed", range(3))
def test_a_bound_beside_the_optimum(seed: int, tmp_path: Path) -> None:
    path = save(perceptron(seed, type=TensorProto.DOUBLE), tmp_path / "f.onnx")
    model = nnmip.loads(
        'nnm 0.1\nnetwork f = onnx("f.onnx")\nvar x : real[2] in [-1, 1]\nmaximize f(x)[0] - f(x)[1]\n',
        directory=tmp_path,
    )
    best = model.solve().objective
    assert best is not None
    for delta in (1e-2, 1e-5):
        for sign, expected in ((1, Found.UNSAT), (-1, Found.SAT)):
            text = f"{FLAT}{BOX}(assert (>= (- Y_0 Y_1) {best + sign * delta!r}))"
            assert ask(text, {"": path}).found is expected


def test_a_decimal_is_inside_however_it_is_rounded(tmp_path: Path) -> None:
    """0.1 and 0.8 are no doubles: the only point of a region is found, and single precision stays in."""
    net = Net(("N", 1), [("Gemm", "x w", "y", {"transB": 1})], {"w": np.array([[1.0]])})
    path = save(net, tmp_path / "f.onnx")
    flat = "(declare-const X_0 Real)(declare-const Y_0 Real)"
    fixed = ask(f"{flat}(assert (<= X_0 0.1))(assert (>= X_0 0.1))(assert (>= Y_0 0.0999999))", {"": path})
    assert fixed.found is Found.SAT and fixed.witness["X"].tolist() == [0.1]
    wide = ask(f"{flat}(assert (<= X_0 0.8))(assert (>= X_0 0.1))(assert (>= Y_0 0.7999))", {"": path})
    (x,) = wide.witness["X"]
    assert wide.found is Found.SAT and x == np.float32(x) and 0.7999 <= x <= 0.8


NAMED = """(vnnlib-version <2.0>)
(declare-network f (declare-input A float32 [1, 2]) (declare-output B float32 [1, 2]))
(declare-network g {relation} (declare-input C float32 [1, 2]) (declare-output D float32 [1, 2]))
(assert (>= A[0,0] -1)) (assert (<= A[0,0] 1)) (assert (== A[0,1] 0.25))
"""


def test_two_networks_and_equal_inputs(tmp_path: Path) -> None:
    one, two = (save(perceptron(seed), tmp_path / f"{seed}.onnx") for seed in (1, 2))
    same = NAMED.format(relation="(equal-to f)") + "(assert (== A[0,0] C[0,0])) (assert (== C[0,1] A[0,1]))"
    assert ask(same + "(assert (!= B[0,0] D[0,0]))", {"f": one}).found is Found.UNSAT
    other = NAMED.format(relation="(isomorphic-to f)") + "(assert (== A[0,0] C[0,0])) (assert (== C[0,1] A[0,1]))"
    outcome = ask(other + "(assert (>= (- B[0,0] D[0,0]) 0.1))", {"f": one, "g": two})
    x = np.stack([np.linspace(-1, 1, 2001), np.full(2001, 0.25)], axis=1)
    gap = outputs(perceptron(1), x)[:, 0] - outputs(perceptron(2), x)[:, 0]
    assert (outcome.found is Found.SAT) == (gap.max() >= 0.1)
    assert ask(other + f"(assert (>= (- B[0,0] D[0,0]) {gap.max() + 0.01}))", {"f": one, "g": two}).found is Found.UNSAT


def test_inputs_tied_by_a_sum(tmp_path: Path) -> None:
    """A monotone network never falls where an entry is moved by a step; bounds of the second input follow."""
    net = Net(("N", 2), [("Gemm", "x w", "a"), ("Relu", "a", "y")], {"w": np.array([[1.0, 0.5], [0.5, -1.0]])})
    path = save(net, tmp_path / "f.onnx")
    tied = NAMED.format(relation="(equal-to f)") + "(assert (== C[0,0] (+ A[0,0] 0.5))) (assert (== C[0,1] A[0,1]))"
    assert ask(tied + "(assert (<= D[0,0] (- B[0,0] 0.001)))", {"f": path}).found is Found.UNSAT
    falls = ask(tied + "(assert (>= D[0,0] (+ B[0,0] 0.25)))", {"f": path})
    assert falls.found is Found.SAT
    assert falls.witness["C"][0] == falls.witness["A"][0] + 0.5


def test_hidden_tensors(tmp_path: Path) -> None:
    net = perceptron(3)
    path = save(net, tmp_path / "f.onnx")
    text = """(vnnlib-version <2.0>)
(declare-network f (declare-input X Real [1, 2]) (declare-hidden H Real [1, 5] "h") (declare-output Y Real [1, 2]))
(assert (>= X[0,0] -1)) (assert (<= X[0,0] 1)) (assert (>= X[0,1] -1)) (assert (<= X[0,1] 1))
"""
    hidden = outputs(net, GRID, "h")
    unit = int(hidden.max(axis=0).argmax())
    most = float(hidden[:, unit].max())
    assert ask(f"{text}(assert (>= H[0,{unit}] {most + 0.001}))", {"": path}).found is Found.UNSAT
    outcome = ask(f"{text}(assert (>= H[0,{unit}] {0.9 * most}))", {"": path})
    assert outcome.found is Found.SAT and outcome.witness["H"][unit] >= 0.9 * most


def test_a_softmax_keeps_the_order_alone(tmp_path: Path) -> None:
    net = perceptron(2)
    net.nodes[-1] = ("Gemm", "g u ub", "z")
    net.nodes.append(("Softmax", "z", "y"))
    path = save(net, tmp_path / "f.onnx")
    outcome = ask(FLAT + BOX + "(assert (>= Y_0 Y_1))", {"": path})
    assert outcome.found is Found.SAT and outcome.witness["Y"][0] >= outcome.witness["Y"][1]
    assert outcome.witness["Y"].sum() == pytest.approx(1, abs=1e-6)
    with pytest.raises(DiagnosticError, match="ends in a `Softmax`"):
        ask(FLAT + BOX + "(assert (>= Y_0 0.5))", {"": path})


def test_an_empty_region_has_no_answer(tmp_path: Path) -> None:
    path = save(perceptron(1), tmp_path / "f.onnx")
    outcome = ask(FLAT + BOX + "(assert (>= X_0 2))", {"": path})
    assert outcome.found is Found.UNSAT and outcome.notes == ("no input is within the bounds that are asserted",)
    assert ask(FLAT + BOX + "(assert (>= (+ X_0 X_1) 2.5))", {"": path}).found is Found.UNSAT
    assert ask(FLAT + BOX + "(assert (or))", {"": path}).found is Found.UNSAT


def test_a_point_that_the_file_does_not_confirm_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(perceptron(1), tmp_path / "f.onnx")
    text = FLAT + BOX + "(assert (<= X_0 0.5))"
    assert ask(text, {"": path}).found is Found.SAT
    text += "(assert (>= Y_0 -100))"
    monkeypatch.setattr(deciding._Run, "_in_file", lambda run, inputs: {"Y": np.array([-101.0, 0.0])})
    outcome = ask(text, {"": path})
    assert outcome.found is Found.UNKNOWN and "only one of NumPy and ONNX Runtime confirms" in outcome.reason


def test_what_overflows_in_the_file_is_no_answer(tmp_path: Path) -> None:
    """-1e39 is a number in double precision, and none in single precision, in which the file computes."""
    net = Net(("N", 1), [("Gemm", "x w", "y", {"transB": 1})], {"w": np.array([[1.0]])})
    path = save(net, tmp_path / "f.onnx")
    text = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 -1e40))(assert (<= X_0 1))"
    outcome = ask(text + "(assert (<= Y_0 -1e39))", {"": path})
    assert outcome.found is Found.UNKNOWN and "only one of NumPy and ONNX Runtime confirms" in outcome.reason


@pytest.mark.parametrize("type", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_equations_between_inputs_hold_to_the_last_bit(type: int, tmp_path: Path) -> None:
    """The ends of the first region have no double, and no number of single precision, that is half of 1 below them."""
    one, two = (save(perceptron(seed, type=type), tmp_path / f"{seed}.onnx") for seed in (1, 2))
    text = NAMED.format(relation="").replace("(== A[0,1] 0.25)", "(>= A[0,1] 0.276)") + (
        "(assert (<= A[0,1] 1.6)) (assert (== A[0,0] C[0,0])) (assert (== (- A[0,1] 0.5) C[0,1]))"
        "(assert (<= (+ A[0,0] (* 2 A[0,1])) 1.25)) (assert (>= (+ A[0,0] (* 2 A[0,1])) 1.25))"
    )
    outcome = ask(text, {"f": one, "g": two})
    a, c = outcome.witness["A"], outcome.witness["C"]
    assert outcome.found is Found.SAT and c[0] == a[0] and c[1] == a[1] - 0.5 and a[0] + 2 * a[1] == 1.25


def test_inputs_of_a_list(tmp_path: Path) -> None:
    """Regions that are single points, of which rounded boxes have none but the middle."""
    net = perceptron(3, type=TensorProto.DOUBLE)
    path = save(net, tmp_path / "f.onnx")
    listed = "(or (and (>= X_0 -1) (<= X_0 -1)) (and (>= (* 2 X_0) 1.5) (<= X_0 0.75)))", "(or (== X_1 0.1) (== X_1 0))"
    text = FLAT + BOX + "".join(f"(assert {each})" for each in listed) + "(assert (>= (+ X_0 X_1) -1.5))"
    points = np.array([[a, b] for a in (-1.0, 0.75) for b in (0.1, 0.0)])
    values = outputs(net, points)[:, 0]
    found = ask(f"{text}(assert (>= Y_0 {float(values.max()) - 0.01!r}))", {"": path})
    assert found.found is Found.SAT and found.witness["X"].tolist() == points[values.argmax()].tolist()
    assert ask(f"{text}(assert (>= Y_0 {float(values.max()) + 0.01!r}))", {"": path}).found is Found.UNSAT


def test_no_time(tmp_path: Path) -> None:
    path = save(perceptron(1), tmp_path / "f.onnx")
    outcome = ask(FLAT + BOX + "(assert (>= Y_0 1000))", {"": path}, time_limit=0.0)
    assert (outcome.found, outcome.reason) == (Found.TIMEOUT, "1 of 1 cases are open")


REFUSED = {
    "(assert (<= Y_0 1))": "`X_0` has no lower bound",
    "(assert (>= X_0 0)) (assert (>= X_1 0)) (assert (<= Y_0 1))": "`X_0` has no upper bound",
    BOX + "(declare-const X_2 Real)": "`X` has 3 entries, and 2 in `f.onnx`",
    BOX + "(declare-const Y_2 Real)": "`Y` has 3 entries, and 2 in `f.onnx`",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit(text: str, tmp_path: Path) -> None:
    path = save(perceptron(1), tmp_path / "f.onnx")
    with pytest.raises(DiagnosticError) as caught:
        ask(FLAT + text, {"": path})
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("NNM0632", REFUSED[text])


def test_files_and_declarations(tmp_path: Path) -> None:
    path = save(perceptron(1), tmp_path / "f.onnx")
    text = NAMED.format(relation="")
    for files, message in (
        ({"f": path}, "network `g` has no file"),
        ({"f": path, "h": path}, "the query declares no network `h` with a file of its own"),
        ({"f": path, "g": tmp_path / "no.onnx"}, "cannot be read: no such file or directory"),
    ):
        with pytest.raises(DiagnosticError, match=message):
            ask(text, files)
    hidden = text.replace("(declare-output B", '(declare-hidden H Real [5] "nothing") (declare-output B')
    with pytest.raises(DiagnosticError, match="the file has no value `nothing`"):
        ask(hidden, {"f": path, "g": path})


def test_several_outputs_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    net = perceptron(1)
    model = net.model()
    model.graph.output.append(onnx.helper.make_tensor_value_info("h", TensorProto.FLOAT, None))
    (tmp_path / "f.onnx").write_bytes(model.SerializeToString())
    text = """(vnnlib-version <2.0>)
(declare-network f (declare-input X Real [2]) (declare-output Y Real [2]) (declare-output H Real [5]))
(assert (== X[0] 0.5)) (assert (== X[1] -0.5)) (assert (>= H[0] -1))
"""
    outcome = ask(text, {"": tmp_path / "f.onnx"})
    x = np.array([[0.5, -0.5]])
    assert outcome.found is Found.SAT
    np.testing.assert_allclose(outcome.witness["Y"], outputs(net, x)[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(outcome.witness["H"], outputs(net, x, "h")[0], rtol=1e-5, atol=1e-5)
