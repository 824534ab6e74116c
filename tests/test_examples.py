"""Every example is proved, to the value that stands here, and saved as an ONNX model that computes the same; the
infeasible one names its conflict."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import nnmip
from nnmip.hir.core import Apply
from nnmip.solution.metrics import Accuracy
from nnmip.solution.result import Result
from tests.meaning import oracle_losses

FOLDER = Path(__file__).parents[1] / "examples"
OPTIMA = {
    "alarm": 0.5872917,
    "binarised": 0.032,
    "breast_cancer": 0.1144957,
    "depth": 0.11,
    "diabetes": 0.6220588,
    "diabetes_fair": 0.7211964,
    "digits": 0.22495,
    "flower_rules": 0.1529231,
    "front": 0.1798885,
    "iris": 0.2488889,
    "iris_classes": 0.123145,
    "lexicographic": 5.0,
    "one_way": 0.272947,
    "petals": 0.135667,
    "virginica": 0.2312,
    "ward": 0.5872917,
    "xor": 0.0066,
    "tutorial/1_first_network": 0.0,
    "tutorial/2_few_measurements": 0.18,
    "tutorial/3_rules": 2.3444444,
    "tutorial/4_regression": 0.1486857,
    "tutorial/5_priorities": 11.0,
}

SEARCHED = {
    *("alarm", "binarised", "digits", "virginica", "ward", "xor"),
    *("tutorial/1_first_network", "tutorial/4_regression"),
}
"""Examples that are solved by a search of nnmip's own."""

EMBEDDED = {"counterfactual": 1.9166667, "kiln": 52.3556, "picture": 24.1332, "pricing": 559.8670, "process": 37.4695}
"""Examples that decide where trained networks are read, and train none; `tests/embedding` finds their optima anew."""

VERIFIED = {"sound": {"mild": "verified", "rising": "violated"}}
"""Examples of properties, with their verdicts."""

CERTIFIED = {"growth": (0.0424, 0.0005), "risk_score": (0.1282063, 0.001)}
"""Examples of losses that are held by tangents, with the best goal and the tolerance that they state."""


Solved = Callable[[str], Result]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the saved run of every example that was solved."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def solved(runs: Path) -> Solved:
    """Solves an example once, and saves it."""

    @cache
    def solve(name: str) -> Result:
        return nnmip.load(FOLDER / f"{name}.nnm").solve(save=runs / Path(name).name)

    return solve


@pytest.mark.parametrize("name", OPTIMA)
def test_an_example_is_proved(name: str, solved: Solved) -> None:
    result = solved(name)
    assert result.solution == "optimal" and result.proof == ("certified" if name in SEARCHED else "solver")
    assert result.objective == pytest.approx(OPTIMA[name], abs=1e-6)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_example_with_trained_networks_is_proved(name: str, solved: Solved) -> None:
    result = solved(name)
    assert result.solution == "optimal" and result.proof == "solver" and result.networks == {}
    assert result.objective == pytest.approx(EMBEDDED[name], abs=1e-3)


@pytest.mark.parametrize("name", VERIFIED)
def test_an_example_of_properties_is_decided(name: str) -> None:
    model = nnmip.load(FOLDER / f"{name}.nnm")
    verdicts = {each: model.verify(each) for each in model.properties()}
    assert {each: str(verdict.answer) for each, verdict in verdicts.items()} == VERIFIED[name]


@pytest.mark.parametrize("name", CERTIFIED)
def test_an_example_is_certified(name: str, solved: Solved) -> None:
    result, (best, tolerance) = solved(name), CERTIFIED[name]
    assert result.is_certified and result.proof == "solver" and result.bracket is not None
    lower, upper = result.bracket.lower, result.bracket.upper
    assert lower is not None and upper is not None and result.bracket.tolerance == pytest.approx(tolerance)
    assert best - tolerance <= lower <= best + 1e-4 and best - 1e-4 <= upper <= best + tolerance
    assert (lower, upper) == (result.dual_bound, result.objective)


@pytest.mark.parametrize("name", [*OPTIMA, *CERTIFIED])
def test_the_onnx_model_of_an_example_computes_what_is_reported(name: str, solved: Solved, runs: Path) -> None:
    """For the rows of the table, in the units of the file: scores, predictions, how many are right, and the loss."""
    result, program = solved(name), nnmip.load(FOLDER / f"{name}.nnm").program
    (network,) = program.networks
    trained, data = result.networks[network.name], program.data_of(network.name)
    assert data is not None
    session = onnxruntime.InferenceSession(
        runs / Path(name).name / f"{network.name}.onnx", providers=["CPUExecutionProvider"]
    )
    score, *prediction = session.run(None, {network.input_name: data.raw.reshape(len(data.raw), *network.input_shape)})
    single = 1e-6 if name == "digits" else 1e-9
    np.testing.assert_allclose(score, trained.scores(data.raw), rtol=single, atol=single)
    for term in program.stages[0].terms:
        if isinstance(term.value, Apply) and term.role == "loss":
            loss = float(oracle_losses.loss(term.value, data, score[None])[0])
            reported = next(found for found in result.stages[0].terms if found.label == term.label)
            assert loss == pytest.approx(reported.value, abs=1e-6)
    if data.label_name is not None:
        (predicted,) = prediction
        assert predicted.tolist() == trained.predict(data.raw).tolist()
        named = [str(text).split(" or ") for text in predicted]
        right = sum(data.label_text(y) in texts for y, texts in zip(data.labels, named, strict=True))
        (metric,) = [m for m in result.metrics if isinstance(m, Accuracy) and m.data == data.name]
        assert (right, len(named)) == (metric.right, metric.rows)


def test_the_binarised_example_loses_nothing(solved: Solved) -> None:
    result = solved("binarised")
    assert result.replay is not None and result.replay.exact is not None
    assert result.replay.exact.objectives == (Fraction(32, 1000),)
    assert "bnn.h: sums lie on a grid of step 0.1, so nothing is lost" in result.notes


def test_goals_in_order_of_importance(solved: Solved) -> None:
    result = solved("lexicographic")
    assert [stage.objective for stage in result.stages] == pytest.approx([0.02, 3, 5], abs=1e-6)
    assert [stage.slack for stage in result.stages] == [0, 0, None]


def test_the_front_of_an_example(tmp_path: Path) -> None:
    """A point for every number of measurements, each better than the next; the picture shows them."""
    front = nnmip.load(FOLDER / "front.nnm").pareto("l0", save=tmp_path / "front")
    assert front.is_exact and front.proof == "solver"
    assert [point.term for point in front] == list(range(10, -1, -1))
    assert [front[at].rest for at in (0, 7, 10)] == pytest.approx([0.1357234, 0.1498885, 0.7451670], abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "front").iterdir())[:2] == ["front.csv", "front.json"]
    front.plot(tmp_path / "front.svg")
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")


def test_one_filter_is_kept_and_one_is_pruned(solved: Solved) -> None:
    found = solved("digits").to_json()
    assert len(found["networks"]["cnn"]["used_units"]["r"]) == 1
    accuracy = found["metrics"]["cnn"]["digits"]
    assert (accuracy["right"], accuracy["majority"]) == (18, {"class": "zero", "rows": 10})


def test_the_infeasible_example_names_its_conflict(solved: Solved) -> None:
    result = solved("infeasible")
    assert result.termination == "infeasible" and result.conflict is not None
    assert result.conflict.irreducible and [c.name for c in result.conflict.constraints] == ["right", "few"]


def test_no_example_is_left_out() -> None:
    found = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.nnm")}
    assert found == {*OPTIMA, *EMBEDDED, *VERIFIED, *CERTIFIED, "infeasible"}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.nnm")), ids=lambda path: path.stem)
def test_an_example_is_in_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert nnmip.format_text(text) == text


# ---- what the tutorial says ----------------------------------------------------------------------------------------


def tutorial(name: str, **parameters: int) -> Result:
    (path,) = FOLDER.glob(f"tutorial/{name}_*.nnm")
    return nnmip.load(path, parameters).solve()


def test_one_unit_is_not_enough() -> None:
    assert tutorial("1", units=1).dual_bound == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(("budget", "goal", "right"), [(1, 0.18, 94), (2, 0.128923, 94), (4, 0.0990469, 96)])
def test_what_more_measurements_add(budget: int, goal: float, right: int) -> None:
    result = tutorial("2", budget=budget)
    assert result.objective == pytest.approx(goal, abs=1e-6)
    assert result.to_json()["metrics"]["clf"]["flowers"]["right"] == right


def test_one_column_is_too_few() -> None:
    result = tutorial("3", most=1)
    assert result.conflict is not None and [c.name for c in result.conflict.constraints] == ["right", "few"]


def test_the_error_on_the_test_part() -> None:
    metrics = tutorial("4").to_json()["metrics"]["fit"]
    errors = [metrics[part]["errors"]["petal_width"]["mean_absolute"] for part in ("flowers", "flowers.test")]
    assert errors == pytest.approx([0.148686, 0.1488], abs=1e-6)


def test_the_stages_of_the_last_model() -> None:
    result = tutorial("5")
    assert [stage.objective for stage in result.stages] == pytest.approx([4 / 150, 3, 11], abs=1e-6)
    assert [stage.slack for stage in result.stages] == [0, 0, None]
