"""What the search over columns finds for a model is what every other way to solve it finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

import nnmip
from nnmip.backends.process import Session
from nnmip.search.view import Refusal, view_of
from tests.meaning.generator import Model
from tests.meaning.harness import load
from tests.search.compare import compare, is_small, searched
from tests.search.images import image_model
from tests.search.models import models, seeded_model
from tests.search.traps import BINARY, REFUSED, TRAPS, trap

PERSISTENT_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.mark.parametrize("name", TRAPS)
def test_traps(name: str, tmp_path: Path, session: Session) -> None:
    found = compare(TRAPS[name], tmp_path, session)
    assert found.refusal is None
    assert found.problems == []


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    model, reason = REFUSED[name]
    with pytest.raises(Refusal, match=f"^{reason}$"):
        searched(load(model, tmp_path))


BELOW = BINARY.replace("1,0,neg", "0.9999999,0,neg").replace("0,0,pos", "1,0,pos")
"""Two rows that a step can tell apart by less than the replay can."""


def test_a_search_that_fails_its_replay_leaves_the_model_to_a_solver(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(BELOW)
    model = trap("minimize hinge(net, train) + 0.01 * l0(net.weights)", activation="step(h)", table=BINARY)
    found = nnmip.loads(model.text, directory=tmp_path).solve()
    assert (found.solution, found.proof, found.solver) == ("optimal", "solver", "highs")
    assert found.objective == pytest.approx(0.44)
    assert found.how.why == "what the search found did not pass the replay"
    searched = nnmip.loads(model.text, directory=tmp_path).solve(formulation="search")
    assert (searched.solution, searched.proof, searched.replay.status) == ("none", "none", "failed")


STARTED = "a start whose removed units have weights"


def test_a_run_from_a_start(tmp_path: Path) -> None:
    """The value of a start is that without what is removed; a start that is the optimum stays, proved."""
    for name, text in TRAPS[STARTED].tables.items():
        (tmp_path / name).write_text(text)
    model = nnmip.loads(TRAPS[STARTED].text, directory=tmp_path)
    late = model.solve(formulation="search", time_limit=0)
    assert (late.termination, late.solution, late.proof) == ("time_limit", "feasible", "none")
    assert late.dual_bound is not None and late.dual_bound <= -1.2
    for options in ({"save": tmp_path / "run"}, {"resume": tmp_path / "run"}):
        found = model.solve(formulation="search", **options)
        assert (found.termination, found.solution, found.proof) == ("optimal", "optimal", "certified")
        assert found.objective == pytest.approx(-1.2, abs=1e-9)
    stopped = model.solve(formulation="search", time_limit=0, resume=tmp_path / "run")
    assert stopped.objective == pytest.approx(-1.2, abs=1e-9) and stopped.proof == "none"


@pytest.mark.parametrize("block", range(8))
def test_random_models_by_enumeration(block: int, tmp_path: Path, session: Session) -> None:
    """The small ones of a block of seeds."""
    checked = 0
    for seed in range(10_000 + 50 * block, 10_050 + 50 * block):
        model = seeded_model(seed)
        if is_small(load(model, tmp_path)):
            found = compare(model, tmp_path, session)
            assert found.problems == [], seed
            checked += found.refusal is None
    assert checked >= 5


@settings(max_examples=15, deadline=None, suppress_health_check=PERSISTENT_FOLDER, derandomize=True)
@given(model=models())
def test_shrinking_models_by_enumeration(model: Model, tmp_path: Path, session: Session) -> None:
    assume(is_small(load(model, tmp_path)))
    assert compare(model, tmp_path, session).problems == []


FILTERS = """nnm 0.1
data train = csv("train.csv") {{
  features f0, f1
  label label as {{neg: -1, pos: +1}}
}}
network net(x: real[2, 1, 1] in [-9, 9]) {{
  layer h = conv2d(x, filters: 2, kernel: [1, 1], weights in {{-1, 0, 1}}{})
  layer a = relu(h)
  layer o = dense(flatten(a), units: 1, weights in {}, bias in [-20, 20])
  return o[0]
}}
minimize hinge(net, train)
"""

REFUSED_FILTERS = {
    "groups": (", groups: 2", "{-1, 1}", "its units read different features"),
    "channels": (", prune: channels", "{-1, 1}", "the filters prune channels"),
    "many output weights": ("", "-3000..3000", "a unit has 6001 choices of output weights"),
}


@pytest.mark.parametrize("name", REFUSED_FILTERS)
def test_refused_filters(name: str, tmp_path: Path) -> None:
    *parts, reason = REFUSED_FILTERS[name]
    with pytest.raises(Refusal, match=f"^{reason}$"):
        view_of(load(Model(FILTERS.format(*parts), {"train.csv": BINARY}), tmp_path))


MOST_HEADS = 30
"""Solvers take long for more choices of output weights."""


@pytest.mark.parametrize("block", range(4))
def test_random_convolutions(block: int, tmp_path: Path, session: Session) -> None:
    """Those of a block of seeds that can be searched."""
    checked = 0
    for seed in range(25 * block, 25 * block + 25):
        model = image_model(seed)
        try:
            heads = len(view_of(load(model, tmp_path)).heads)
        except Refusal:
            continue
        if heads <= MOST_HEADS:
            found = compare(model, tmp_path, session)
            assert found.problems == [], seed
            checked += found.refusal is None
    assert checked >= 8
