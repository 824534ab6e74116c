"""Two hidden layers: the search finds and proves what looking at every network finds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.hir.core import Program
from nnmip.search.clusters import Clusters
from nnmip.search.conflicts import Conflicts, Matcher
from nnmip.search.deep_climb import DeepClimb
from nnmip.search.deep_view import best_of, deep_view_of
from nnmip.search.view import Refusal
from nnmip.sizes import UNASKED
from nnmip.solution.exact import ExactAnswer
from nnmip.solution.searching import SearchedStage
from tests.meaning.harness import load
from tests.meaning.oracle import enumerate_optimum
from tests.search.compare import direct, faults
from tests.search.deep_models import deep_model

BLOCK = 15


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def searched(program: Program, patience: float = math.inf) -> ExactAnswer:
    """From no start, until it has asked so often whether to stop."""
    asked = itertools.count()
    stage = SearchedStage(deep_view_of(program), None, None, lambda: next(asked) >= patience, None, None)
    return stage.search(UNASKED, math.inf, 0.0)


def optimum(program: Program, session: Session, solver: str = "highs") -> float | None:
    if all(decision.domain.is_finite for decision in program.decisions):
        return enumerate_optimum(program).objective
    return direct(program, session, solver)


@pytest.mark.parametrize("block", range(8))
def test_random_models(block: int, tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every second block without the local search, which finds nearly every optimum before a bound can do harm."""
    if block % 2:
        monkeypatch.setattr(DeepClimb, "run", lambda self, h1, h2: None)
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        program = load(deep_model(seed), tmp_path)
        truth = optimum(program, session, "highs" if block % 4 < 2 else "cbc")
        assert faults(program, searched(program), truth) == [], seed


def test_a_search_that_is_stopped_keeps_a_valid_bound(tmp_path: Path, session: Session) -> None:
    for seed in range(500, 506):
        program = load(deep_model(seed), tmp_path)
        assert program.goal is not None
        truth, sign = optimum(program, session), program.goal.sign
        assert truth is not None
        for patience in itertools.chain(range(6), itertools.count(6, 9)):
            found = searched(program, patience).raw
            assert found.dual_bound is not None and sign * found.dual_bound <= sign * truth + 1e-9
            if found.objective is not None:
                assert sign * found.objective >= sign * truth - 1e-9
            if found.termination == "optimal":
                break


@pytest.mark.parametrize("seed", range(12))
def test_pairs_of_rows_never_prove_more_than_the_loss(seed: int, tmp_path: Path) -> None:
    """Of random scores, by what is known of all columns and of the hardest rows only."""
    deep = deep_view_of(load(deep_model(seed), tmp_path))
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(40, len(deep.rows))).round(1) * rng.choice([0.3, 1, 3])
    losses = best_of(deep.loss, deep.biases).values(np.zeros(scores.shape[1]), scores)
    conflicts = Conflicts.of(deep.loss, float(np.abs(scores).max()), 1)
    for some in (conflicts, conflicts.hardest(conflicts.apart(scores), 2)):
        matcher, gaps = Matcher(some), some.apart(scores)
        proved, pairs = matcher.best(gaps, np.zeros(len(scores)))
        assert (proved <= losses + 1e-12).all()
        again = matcher.at(np.take_along_axis(np.pad(gaps, ((0, 0), (0, 1))), pairs, axis=1), pairs)
        assert again == pytest.approx(proved, abs=1e-6)
    if conflicts.size == len(deep.rows) / 2:
        assert Matcher(conflicts).best(conflicts.apart(scores), np.zeros(len(scores)))[0].any()


def test_clusters_hold_what_is_below_them() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(20, 6)), 2, axis=0).astype(np.float32)
    cost = rng.random(40)
    tree = Clusters.of(vectors, cost)
    assert sorted(tree.order) == list(range(40))
    for node in range(len(tree.cost)):
        below = tree.order[tree.first[node] : tree.last[node]]
        assert (tree.most[node, :-1] == vectors[below].max(axis=0)).all()
        assert (tree.least[node, :-1] == vectors[below].min(axis=0)).all()
        assert tree.cost[node] == cost[below].min() and tree.is_one(np.array([node]))[0] == (len(below) == 1)
        if len(below) > 1:
            left, right = tree.children[node]
            assert (tree.first[left], tree.last[left], tree.last[right]) == (
                tree.first[node],
                tree.first[right],
                tree.last[node],
            )


MODEL = """nnm 0.1
data train = csv("train.csv") {{
  features x
  label y
}}
network net(x: real[1] in [-9, 9]) {{
  layer g = dense(x, units: 2, weights in {inner}, bias in {{-1, 0, 1}})
  layer a = {first}
  layer h = dense(a, units: 2, weights in {{-1, 0, 1}}, bias in {{-1, 0, 1}})
  layer b = relu(h)
  layer o = dense(b, units: 1, weights in {{-1, 0, 1}}, bias in [-10, 10])
  return o[0]
}}
minimize hinge(net, train) + {term}
{more}
"""
TABLE = "x,y\n-2,1\n-1,-1\n0,1\n1,-1\n2,1\n"
PLAIN = {"first": "relu(g)", "inner": "{-1, 0, 1}", "term": "0.01 * l0(net.weights)", "more": ""}

REFUSED = {
    "two hidden layers are searched without constraints": {"more": "constraint few: l0(net.weights) <= 4"},
    "with two hidden layers, no unit can be removed": {"first": "relu(g, prune: units)"},
    "behind the hidden layers stands more than activations that do not fall": {"first": "abs(g)"},
    "the domain of `net.g.weights` is not finite": {"inner": "[-1, 1]"},
    r"`l0\(net.g.weights\[0\]\)` is not a sum over weights and used units": {"term": "-0.01 * l0(net.g.weights[0])"},
    "the goal tells the hidden units apart": {"term": "0.01 * l0(net.g.weights[0])"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(TABLE)
    model = nnmip.loads(MODEL.format(**{**PLAIN, **REFUSED[why]}), directory=tmp_path)
    with pytest.raises(Refusal, match=f"^{why}$"):
        deep_view_of(model.program)


def test_a_model_with_two_hidden_layers_is_searched(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(TABLE)
    model = nnmip.loads(MODEL.format(**PLAIN), directory=tmp_path)
    found = model.solve()
    assert (found.solution, found.proof, found.how.formulation) == ("optimal", "certified", "search")
    assert found.objective == pytest.approx(0.48, abs=1e-9)
    assert found.how.root is not None and found.how.root < 0.48 and found.how.nodes > 0
