"""Properties of the input domain of a network, in the units of its table, against a fine grid of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.verification.verdict import Answer
from nnmip.vnnlib.write import written

ROWS = ((20, 0.1, 0.2), (30, 0.5, 0.9), (45, 0.2, 0.4), (60, 0.9, 1.6), (70, 0.3, 0.3))
TRAINED = """nnm 0.1
data t = csv("t.csv") {
  features age, dose scale minmax
  target   y
}
network NAME(x: real[2] in DOMAIN) {
  layer h = relu(dense(x, units: 2, weights in -2..2, bias in -1..1))
  layer o = dense(h, units: 1, weights in {-1, 0, 1}, bias in [-1, 1])
  return o[0]
}
minimize absolute(NAME, t)
"""
HEAD = 'nnm 0.1\nnetwork f = saved("f")\n'


def model_of(name: str, domain: str) -> str:
    return TRAINED.replace("NAME", name).replace("DOMAIN", domain)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved")
    (path / "t.csv").write_text("age,dose,y\n" + "".join(f"{a},{d},{y}\n" for a, d, y in ROWS))
    nnmip.loads(model_of("f", "[0, 1]"), directory=path).solve(save=path / "f")
    other = model_of("g", "[0, 1] | {2}")
    nnmip.loads(other, directory=path).solve(save=path / "g")
    return path


def most(folder: Path) -> float:
    """The largest score of rows of at most 50 years."""
    age, dose = np.meshgrid(np.linspace(20, 50, 301), np.linspace(0.1, 0.9, 161))
    rows = np.stack([age, dose], axis=-1).reshape(-1, 2)
    return float(np.asarray(nnmip.load_network(folder / "f").predict(rows)).max())


@pytest.mark.parametrize(
    ("stage", "typed"),
    [
        (None, "x : real[2] in domain(f)"),
        ("milp", "x in domain(f)"),
        ("exact", "x in domain(f)"),
        ("splitting", "x in domain(f)"),
    ],
)
def test_a_bound_beside_the_largest_score(folder: Path, stage: str | None, typed: str) -> None:
    best = most(folder)
    for solver in ("highs", "cbc"):
        for delta, answer in ((1e-3, Answer.VERIFIED), (-1e-3, Answer.VIOLATED)):
            text = f"{HEAD}verify p:\n  forall {typed}\n  assume x[age] <= 50\n  prove f(x) <= {best + delta!r}\n"
            model = nnmip.loads(text, directory=folder)
            verdict = model.verify("p", stages=None if stage is None else [stage], solver=solver)
            assert verdict.answer is answer
            if answer is Answer.VIOLATED:
                age, dose = verdict.counterexample["x"]
                assert 20 <= age <= 50 and 0.1 <= dose <= 0.9
                assert float(nnmip.load_network(folder / "f").predict([[age, dose]])[0]) > best + delta


def test_ends_of_the_domain_belong_to_it_and_nothing_beyond(folder: Path) -> None:
    text = HEAD + "verify p:\n  forall x in domain(f)\n  prove x[age] SAID and f(x) <= 100\n"
    near = {">= 20": "verified", "<= 70": "verified", ">= 20.000001": "violated", "<= 69.999999": "violated"}
    for said, answer in near.items():
        assert str(nnmip.loads(text.replace("SAID", said), directory=folder).verify("p").answer) == answer
    query = HEAD + "verify p:\n  forall x in domain(f)\n  prove f(x) <= 3\n"
    model = nnmip.loads(query, directory=folder)
    said = written(model.program, model.program.properties[0]).text
    assert "(<= X_1 0.9)" in said and "(>= X_0 20.0)" in said


def test_a_rule_of_a_trained_network_over_the_domain_of_one_from_a_file(folder: Path) -> None:
    """A network of one unit that has to be nearer to the one from the file, everywhere, than the best one is."""
    text = HEAD + model_of("g", "[0, 1]").replace("nnm 0.1\n", "").replace("units: 2", "units: 1")
    age, dose = np.meshgrid(np.linspace(20, 70, 101), np.linspace(0.1, 0.9, 101))
    rows = np.stack([age, dose], axis=-1).reshape(-1, 2)
    wanted = np.asarray(nnmip.load_network(folder / "f").predict(rows))

    def gap(rule: str) -> float:
        found = nnmip.loads(text + rule, directory=folder).solve().networks["g"]
        return float(np.abs(np.asarray(found.predict(rows)) - wanted).max())

    free = gap("")
    limit = round(0.8 * free, 3)
    assert gap(f"constraint near: forall x in domain(f): abs(g(x) - f(x)) <= {limit}\n") <= limit + 1e-9 < free


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("x : real[3] in domain(f)", r"NNM0301: `f` reads `real\[2\]`, and `x` is `real\[3\]`"),
        ("x : int[2] in domain(f)", r"NNM0301: `f` reads `real\[2\]`, and `x` is `int\[2\]`"),
        ("x in domain(h)", "NNM0401: the file of `h` does not state its input domain"),
        ("x in domain(g)", "NNM0104: the domain of `g`, which is no interval, in the units of its table"),
    ],
)
def test_what_has_no_such_domain_is_refused(folder: Path, said: str, error: str) -> None:
    np.savez(folder / "h.npz", **{"o.weights": np.ones((1, 2))})
    more = 'network g = saved("g")\nnetwork h = npz("h.npz")\n'
    with pytest.raises(nnmip.DiagnosticError, match=error):
        nnmip.loads(f"{HEAD}{more}verify p:\n  forall {said}\n  prove f(x) <= 3\n", directory=folder).properties()
