"""Rules that tie units, and goals in order: columns merge by what these read of a unit, and nothing is lost by that."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate
from nnmip.search import enumerate as enumeration
from nnmip.search import rules as rules_module
from nnmip.search.enumerate import Columns, columns_of
from nnmip.search.networks import assignment_of
from nnmip.search.rules import Rules
from nnmip.search.traits import Traits, traits_of
from nnmip.search.view import View, view_of
from nnmip.sizes import UNASKED

HEAD = """nnm 0.1
data d = csv("d.csv") {{
  features x0, x1, x2
  label y as {{0: -1, 1: +1}}
}}
network net(x: real[3] in [-1, 1]) {{
  layer h = dense(x, units: {units}, weights in {weights}, bias in {bias})
  layer a = {activation}
  layer o = dense(a, units: 1, weights in {out}, bias in {shift})
  return o[0]
}}
"""

RULES = (
    "l0(net.weights) <= {n}",
    "l0(net.h.weights) + l0(net.h.bias) <= {n}",
    "norm_1(net.weights) <= {n}",
    "norm_inf(net.h.weights) <= 1",
    "norm_inf(net.h.bias) >= 1",
    "features(net) <= 1",
    "features(net) >= 2",
    "count(used(net.a)) <= 1",
    "count(used(net.a)) >= 2",
    "used(net.x[x0]) -> used(net.x[x1])",
    "not (used(net.x[x0]) and used(net.x[x2]))",
    "sum(net.h.bias) = 0",
    "sum(net.h.weights) >= 1",
    "sum(net.o.weights) = 0",
    "l0(net.o.weights) >= 2",
    "exists j in units(net.a): net.h.weights[j, 0] >= 1",
    "exists j in units(net.a): net.o.weights[0, j] <= -0.5",
    "atmost(1, j in units(net.a): nonzero(net.h.weights[j, 1]))",
    "atleast(1, j in units(net.a): net.h.weights[j, 2] <= -1)",
    "norm_2sq(net.h.weights) <= {n}",
    "2 * l0(net.h.weights) - l0(net.o.weights) <= {n}",
    "fan_in(net.a) <= 2",
)
GOALS = (
    "",
    "then l0(net.weights)",
    "then features(net)",
    "then norm_1(net.h.bias) - l0(net.o.weights)",
    "then count(used(net.a)) then sum(net.h.bias)",
    "then features(net) then norm_1(net.h.bias)",
    "then norm_inf(net.h.bias)",
)


def text(rng: np.random.Generator) -> str:
    """A random model with one or two rules."""

    def pick(*some: str) -> str:
        return str(rng.choice(some))

    head = HEAD.format(
        units=pick("2", "2", "3"),
        weights=pick("{-1, 0, 1}", "{0, 1}", "{-1, 1}"),
        bias=pick("{-1, 0, 1}", "{0}", "{0, 0.5}"),
        activation=pick("relu(h)", "relu(h, prune: units)", "sign(h)", "step(h)", "clip(h, low: -1, high: 1)"),
        out=pick("{-1, 0, 1}", "{-1, 1}", "{0, 0.5}"),
        shift=pick("[-3, 3]", "[-3, 3]", "[0, 0.25]", "{-1, 0, 1}"),
    )
    loss = pick("hinge(net, d)", "hinge(net, d, margin: 0.5)", "zero_one(net, d, margin: 0.5)")
    goal = f"minimize {loss} + 0.01 * l0(net.weights) {pick(*GOALS)}\n"
    chosen = rng.choice(RULES, size=int(rng.integers(1, 3)), replace=False)
    rules = [rule.format(n=int(rng.integers(1, 6))) for rule in chosen]
    return head + goal + "".join(f"constraint r{i}: {rule}\n" for i, rule in enumerate(rules))


def table(rng: np.random.Generator) -> str:
    x = rng.integers(-2, 3, size=(5, 3)) / 2
    rows = "".join(f"{a:g},{b:g},{c:g},{i % 2}\n" for i, (a, b, c) in enumerate(x))
    return "x0,x1,x2,y\n" + rows


def model(seed: int, folder: Path) -> nnmip.Model:
    rng = np.random.default_rng([seed, 77])
    (folder / "d.csv").write_text(table(rng))
    return nnmip.loads(text(rng), directory=folder)


def stages(found: nnmip.Result) -> list[float | None]:
    return [found.solution, *(stage.objective for stage in found.stages)]  # type: ignore[list-item]


def nothing_merges(patch: pytest.MonkeyPatch) -> None:
    """Every choice of weights is a column of its own, and every network is asked about by itself."""
    patch.setattr(enumeration, "traits_of", lambda parts, nodes: None if nodes else traits_of(parts, nodes))


def differing(seeds: Iterable[int], folder: Path, fault: Any = None) -> Iterator[int]:
    """The seeds whose answers depend on whether columns merge."""
    for seed in seeds:
        with pytest.MonkeyPatch.context() as patch:
            if fault is not None:
                fault(patch)
            merged = stages(model(seed, folder).solve(formulation="search"))
        with pytest.MonkeyPatch.context() as patch:
            nothing_merges(patch)
            apart = stages(model(seed, folder).solve(formulation="search"))
        if merged[0] != apart[0] or merged[1:] != pytest.approx(apart[1:], abs=1e-7):
            yield seed


@pytest.mark.parametrize("seeds", [range(30), range(60, 90), (140, 243, 273)])
def test_merging_changes_no_answer(seeds: Iterable[int], tmp_path: Path) -> None:
    """The last ones have a third goal that reads what the second does not."""
    assert list(differing(seeds, tmp_path)) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_answers_are_those_of_a_solver(seed: int, tmp_path: Path) -> None:
    given = model(seed, tmp_path)
    found, wanted = given.solve(formulation="search"), given.solve(solver="highs")
    assert found.solution == wanted.solution
    assert [s.objective for s in found.stages] == pytest.approx([s.objective for s in wanted.stages], abs=1e-6)


def keeps(program: Program, view: View, columns: Columns, members: tuple[tuple[int, int], ...]) -> bool:
    """Whether a network of these columns satisfies every constraint, by definition."""
    network = assignment_of(view, columns, members, np.zeros(1))
    return max(evaluate(program, network).constraints.values()) <= 1e-9


@pytest.mark.parametrize("seed", range(60))
def test_kinds_answer_for_networks(seed: int, tmp_path: Path) -> None:
    """What a rule says of the kinds of members is what it says of networks; what it forbids to some has no more."""
    program = model(seed, tmp_path).program
    view = view_of(program)
    if not view.coupling:
        return
    columns = columns_of(view, UNASKED)
    if not columns.pool.size:
        return
    rules = Rules(view, columns)
    assert rules.has_kinds
    rng = np.random.default_rng(seed)
    least = view.parts.units if columns.idle is None else 0
    for _ in range(30):
        count = int(rng.integers(max(1, least), view.parts.units + 1))
        units, heads = rng.integers(columns.pool.size, size=count), rng.integers(len(columns.heads.cost), size=count)
        members = tuple(zip(units.tolist(), heads.tolist(), strict=True))
        admitted = rules.admits(members)
        assert admitted == keeps(program, view, columns, members)
        last = rules.allowed(members[:-1], units[-1:], heads[-1:], True)
        assert last is not None and bool(last[0]) == admitted
        for size in range(count) if admitted else ():
            for some in itertools.combinations(members, size + 1):
                unit, head = (np.array(part) for part in zip(some[-1], strict=True))
                part = rules.allowed(some[:-1], unit, head, False)
                assert part is not None and part[0]


def without_last(patch: pytest.MonkeyPatch) -> None:
    """The merge key lacks one thing that rules or goals read."""

    def fewer(parts: Any, nodes: Any) -> Traits | None:
        traits = traits_of(parts, nodes)
        return Traits(traits.found[:-1]) if traits is not None else None

    patch.setattr(enumeration, "traits_of", fewer)


def rules_by_parts_only(patch: pytest.MonkeyPatch) -> None:
    """Every rule is taken for one that nothing can mend."""
    patch.setattr(rules_module, "of_parts", lambda view: view.coupling)


@pytest.mark.parametrize("fault", [without_last, rules_by_parts_only])
def test_a_fault_is_seen(fault: Any, tmp_path: Path) -> None:
    assert next(differing(range(40), tmp_path, fault), None) is not None
