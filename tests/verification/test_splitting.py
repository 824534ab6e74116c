"""Planes, walks and trees over boxes against rational arithmetic, against each other, and against MILPs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

import nnmip
from nnmip.bounds.interval import Interval
from nnmip.verification.backward import Backward
from nnmip.verification.boxes import Boxes
from nnmip.verification.chain import Chain, Stage, chain_of
from nnmip.verification.closing import Ways
from nnmip.verification.composite import Composite
from nnmip.verification.layered import Layered, walks_of
from nnmip.verification.planes import Balls, Cut, least, mixed, mixture
from nnmip.verification.region import regions_of
from nnmip.verification.run import Limits, verify
from nnmip.verification.splitting import Recipe, Tree
from nnmip.verification.verdict import Answer, Verdict
from tests.verification import exact

FloatArray = NDArray[np.float64]


def random_chain(seed: int, inputs: int = 3, rows: int = 2, scale: float = 1.0) -> Chain:
    """A chain with a stage that passes on some entries; `scale` makes numbers that cancel."""
    random = np.random.default_rng(seed)
    widths, stages = (inputs, 5, 4, 4), []
    for before, after in itertools.pairwise(widths):
        weights = random.normal(size=(after, before)) * scale ** random.uniform(-1, 1, (after, before))
        bias = random.normal(size=after) * scale ** random.uniform(-1, 1, after)
        stages.append(Stage(weights, bias, np.abs(bias), random.random(after) < 0.8))
    last, direct = random.normal(size=(rows, widths[-1])), random.normal(size=(rows, inputs))
    constant = random.normal(size=rows)
    return Chain(tuple(stages), last, direct, constant, np.abs(constant))


def random_box(random: np.random.Generator, n: int, inputs: int) -> Interval:
    ends = np.sort(random.uniform(-1, 1, (2, n, inputs)), axis=0)
    return Interval(ends[0], ends[1])


def no_cut(n: int, inputs: int) -> Cut:
    return Cut(np.zeros((n, inputs)), np.zeros(n))


def points_of(box: Interval, k: int, random: np.random.Generator, count: int = 12) -> list[list[Fraction]]:
    """Corners and other points of a box, as exact numbers that are inside."""
    lo, hi = box.lo[k], box.hi[k]
    corners = [np.where(choice, hi, lo) for choice in itertools.product((False, True), repeat=len(lo))]
    inner = np.clip(lo + random.random((count, len(lo))) * (hi - lo), lo, hi)
    return [exact.exact(x) for x in [*corners, *inner]]


def broken(chain: Chain, walks: Backward, boxes: Boxes, seed: int) -> int:
    """How many bounds and planes of a walk are wrong, at points where the cut holds."""
    random, count = np.random.default_rng(seed), 0
    reached = walks.walk(boxes, np.arange(len(chain.last)))
    for k in range(len(boxes)):
        lo, hi = exact.exact(reached.neurons.lo[k]), exact.exact(reached.neurons.hi[k])
        slope, shift = exact.exact(reached.slope[k]), exact.exact(reached.shift[k])
        g, h = exact.exact(boxes.cut.slope[k]), exact.exact(boxes.cut.shift[k])
        for x in points_of(boxes.box, k, random):
            if exact.dot(g, x) + h > 0:
                continue
            read, rows = exact.neurons(chain, x)
            count += sum(not a <= v <= b for a, v, b in zip(lo, read, hi, strict=True))
            count += sum(exact.dot(s, x) + c > v for s, c, v in zip(slope, shift, rows, strict=True))
    return count


@pytest.mark.parametrize("scale", [1.0, 1e6])
@pytest.mark.parametrize("seed", range(6))
def test_bounds_and_planes_hold_exactly_with_and_without_cuts(seed: int, scale: float) -> None:
    chain, random = random_chain(seed, scale=scale), np.random.default_rng(100 + seed)
    walks, box = Backward(chain), random_box(random, 6, 3)
    whole = Boxes(box, walks.start(box), no_cut(6, 3))
    assert broken(chain, walks, whole, seed) == 0
    handed = walks.walk(whole, np.arange(2)).neurons
    middle = 0.5 * (box.lo + box.hi)
    slope = random.normal(size=(6, 3))
    cut = Cut(slope, -(slope * middle).sum(axis=1) + 0.1 * random.normal(size=6))
    assert broken(chain, walks, Boxes(box, handed, cut), seed) == 0
    halves = Interval(box.lo, np.where(np.arange(3) == seed % 3, middle, box.hi))
    assert broken(chain, walks, Boxes(halves, handed, cut), seed) == 0


def test_without_what_is_charged_for_rounding_bounds_are_wrong() -> None:
    """The test above sees the last digits."""
    count = 0
    for seed in range(6):
        chain, random = random_chain(seed, scale=1e6), np.random.default_rng(100 + seed)
        walks, box = Backward(chain), random_box(random, 6, 3)
        narrow = Interval(box.lo, np.minimum(box.hi, box.lo + 1e-12))
        boxes = Boxes(narrow, walks.start(narrow), no_cut(6, 3))
        assert broken(chain, walks, boxes, seed) == 0
        walks.gamma = 0.0
        count += broken(chain, walks, boxes, seed)
    assert count > 0


@pytest.mark.parametrize("seed", range(8))
def test_a_walk_is_the_recursion_in_rational_arithmetic(seed: int) -> None:
    chain, random = random_chain(seed), np.random.default_rng(seed)
    walks, box = Backward(chain), random_box(random, 3, 3)
    everything = Interval(np.full((3, walks.neurons), -1e2), np.full((3, walks.neurons), 1e2))
    reached = walks.walk(Boxes(box, everything, no_cut(3, 3)), np.arange(2))
    is_relu = np.concatenate([stage.is_relu for stage in chain.stages])
    for k in range(3):
        bounds, planes = exact.crown(chain, exact.exact(box.lo[k]), exact.exact(box.hi[k]))
        for j in np.flatnonzero(is_relu):
            assert Fraction(reached.neurons.lo[k, j]) <= bounds[j][0] <= Fraction(reached.neurons.lo[k, j] + 1e-10)
            assert Fraction(reached.neurons.hi[k, j]) >= bounds[j][1] >= Fraction(reached.neurons.hi[k, j] - 1e-10)
        for row, (slope, shift) in enumerate(planes):
            assert np.allclose(reached.slope[k, row], [float(s) for s in slope], atol=1e-10)
            assert Fraction(reached.shift[k, row]) <= shift + Fraction(1e-10)
            assert np.isclose(reached.shift[k, row], float(shift), atol=1e-10)


@pytest.mark.parametrize("seed", range(30))
def test_the_least_value_under_a_cut_is_that_of_the_linear_program(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, k, d = 4, 3, 3
    box = random_box(random, n, d)
    slope, shift = random.normal(size=(n, k, d)), random.normal(size=(n, k))
    across = random.normal(size=(n, d)) * (random.random((n, d)) < 0.8)
    cut = Cut(across, -(across * 0.5 * (box.lo + box.hi)).sum(axis=1) + 0.2 * random.normal(size=n))
    found = least(slope, shift, Balls.of(box), cut)
    for i, j in itertools.product(range(n), range(k)):
        ends = exact.exact(box.lo[i]), exact.exact(box.hi[i])
        plane, g, h = exact.exact(slope[i, j]), exact.exact(across[i]), Fraction(cut.shift[i])
        best = exact.least_cut(plane, Fraction(shift[i, j]), *ends, g, h)
        if best is not None:
            assert Fraction(found[i, j]) <= best <= Fraction(found[i, j]) + Fraction(1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_mixtures_are_below_their_sums_and_no_worse_than_a_row(seed: int) -> None:
    random = np.random.default_rng(seed)
    box = random_box(random, 5, 2)
    slope, shift = random.normal(size=(5, 3, 2)), random.normal(size=(5, 3))
    balls = Balls.of(box)
    weights = mixture(slope, shift, balls)
    assert (weights >= 0).all()
    assert np.allclose(weights.sum(axis=1), 1.0)
    plane, level = mixed(weights, slope, shift, balls)
    assert (least(plane[:, None], level[:, None], balls)[:, 0] >= least(slope, shift, balls).max(axis=1) - 1e-12).all()
    for k in range(5):
        parts = [Fraction(w) for w in weights[k]]
        for x in points_of(box, k, random):
            values = [exact.dot(exact.exact(s), x) + Fraction(c) for s, c in zip(slope[k], shift[k], strict=True)]
            assert exact.dot(exact.exact(plane[k]), x) + Fraction(level[k]) <= exact.dot(parts, values)


def test_two_planes_that_exclude_each_other_do_so_mixed() -> None:
    """x <= -0.1 and x >= 0.1: each holds somewhere in the box, both nowhere."""
    balls = Balls.of(Interval(np.array([[-1.0]]), np.array([[1.0]])))
    slope, shift = np.array([[[1.0], [-1.0]]]), np.array([[0.1, 0.1]])
    assert (least(slope, shift, balls) < 0).all()
    plane, level = mixed(mixture(slope, shift, balls), slope, shift, balls)
    assert least(plane[:, None], level[:, None], balls)[0, 0] == pytest.approx(0.1)


def decide(
    folder: Path,
    nets: Sequence[dict[str, FloatArray]],
    text: str,
    stages: tuple[str, ...],
    solver: str = "auto",
    recipe: Recipe | None = None,
) -> Verdict:
    for number, net in enumerate(nets):
        np.savez(folder / f"net{number}.npz", **net)
    lines = [f'network net{number} = npz("net{number}.npz")' for number in range(len(nets))]
    model = nnmip.loads("\n".join(["nnm 0.1", *lines, text]), directory=folder)
    if recipe is None:
        return model.verify("p", time_limit=60.0, solver=solver, stages=stages)
    (own,) = model.program.properties
    return verify(model.program, own, _no_solver, Limits(60.0, stages=stages, recipe=recipe))


def _no_solver(*_: object) -> NoReturn:
    raise AssertionError("no stage asks a solver")


def net(seed: int, inputs: int = 2, hidden: tuple[int, ...] = (6, 5)) -> dict[str, FloatArray]:
    random = np.random.default_rng(seed)
    sizes, found = (inputs, *hidden, 2), {}
    for name, before, after in zip("abcd", sizes, sizes[1:], strict=False):
        found[f"{name}.weights"] = np.round(random.normal(size=(after, before)), 3)
        found[f"{name}.bias"] = np.round(random.normal(size=after), 3)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_bound_beside_the_exact_optimum_is_never_answered_wrong(seed: int, tmp_path: Path) -> None:
    own = net(seed, hidden=(5,))
    stage = Stage(own["a.weights"], own["a.bias"], np.abs(own["a.bias"]), np.ones(5, dtype=bool))
    chain = Chain((stage,), own["b.weights"], np.zeros((2, 2)), own["b.bias"], np.abs(own["b.bias"]))
    best = exact.largest(chain, 0, exact.rectangle([Fraction(-1)] * 2, [Fraction(1)] * 2))
    for exponent in (1, 3, 5, 7, 9):
        for sign in (1, -1):
            limit = float(best) + sign * 10.0**-exponent
            text = f"verify p:\n  forall x : real[2] in [-1, 1]\n  prove net0(x)[0] <= {limit!r}\n"
            verdict = decide(tmp_path, [own], text, ("attack", "splitting"))
            wrong = Answer.VIOLATED if best <= Fraction(limit) else Answer.VERIFIED
            assert verdict.answer is not wrong
            if exponent <= 5:
                assert verdict.answer is (Answer.VERIFIED if sign > 0 else Answer.VIOLATED)
            if verdict.answer is Answer.VERIFIED:
                assert verdict.proof == "certified"
                assert verdict.margin is None or verdict.margin <= Fraction(limit) - best


CLAIMS = (
    "net0(x)[0] <= {a}",
    "net0(x)[0] <= {a} or net0(x)[1] <= {b}",
    "net0(x)[0] <= {a} and net0(x)[1] <= {b}",
    "abs(net0(x)[0] - net0(x)[1]) <= {c}",
    "argmax(net0(x)) = 0 or net0(x)[1] - x[0] <= {b}",
    "net0(x)[0] - net1(x)[0] <= {c}",
    "net0(x)[0] - net0(-0.5 * x)[0] <= {c}",
    "norm_inf(net0(x) - net1(x + 0.1)) <= {c}",
    "net0(x)[0] >= {a} -> net1(x)[1] <= {b}",
)
ASSUMED = (
    "",
    "assume x[0] + 2 * x[1] <= 0.5",
    "assume norm_inf(x - [-0.5, -0.2]) <= 0.4 or norm_inf(x - [0.6, 0.5]) <= 0.35",
    "assume net0(x)[1] <= {b} + 0.1 * x[0]",
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("claim", CLAIMS)
def test_splitting_agrees_with_milps_and_with_samples(claim: str, seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng([seed, CLAIMS.index(claim)])
    nets = [net(seed), net(seed + 50, hidden=(7,) if seed % 2 else (4, 3))]
    x = random.uniform(-1, 1, (4000, 2))
    values = forward(nets[0], x)
    numbers = {name: np.quantile(values[:, k], random.uniform(0.9, 1.0)) for k, name in enumerate("ab")}
    numbers["c"] = np.abs(values[:, 0] - values[:, 1]).max() * random.uniform(0.8, 1.1)
    text = {name: repr(round(float(value), 4) + 0.00003) for name, value in numbers.items()}
    assumed = ASSUMED[(seed + CLAIMS.index(claim)) % len(ASSUMED)]
    model = f"verify p:\n  forall x : real[2] in [-1, 1]\n  {assumed}\n  prove {claim}\n".format(**text)
    mine = decide(tmp_path, nets, model, ("attack", "splitting"))
    assert mine.answer is not Answer.UNKNOWN
    solver = "cbc" if seed == 1 else "highs"
    assert decide(tmp_path, nets, model, ("milp",), solver).answer is mine.answer
    bare = Recipe(counts_gaps=False, inherits=False, cuts=False, has_elites=False)
    assert decide(tmp_path, nets, model, ("splitting",), recipe=bare).answer is mine.answer


def forward(own: dict[str, FloatArray], x: FloatArray) -> FloatArray:
    """The plain forward pass."""
    names = sorted({key.split(".")[0] for key in own})
    for name in names:
        x = x @ own[f"{name}.weights"].T + own[f"{name}.bias"]
        x = np.maximum(x, 0.0) if name != names[-1] else x
    return x


def test_chains_and_walks_of_any_layers_say_the_same(tmp_path: Path) -> None:
    text = "verify p:\n  forall x : real[2] in [-1, 1]\n  prove net0(x)[0] - net1(2 * x + 0.5)[1] <= x[0]\n"
    for number, own in enumerate((net(1), net(2, hidden=(4,)))):
        np.savez(tmp_path / f"net{number}.npz", **own)
    lines = "\n".join(f'network net{number} = npz("net{number}.npz")' for number in range(2))
    model = nnmip.loads(f"nnm 0.1\n{lines}\n{text}", directory=tmp_path)
    (own,) = model.program.properties
    composite = Composite(model.program, own.points)
    (region,) = regions_of(own, composite)
    rows = region.tasks[0].map
    chain = chain_of(composite, rows)
    assert chain is not None
    assert [len(stage.bias) for stage in chain.stages] == [8, 9, 4]
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    expected = composite.largest(rows, x, has_slope=True)
    for mine, other in zip(Backward(chain).largest(x, np.arange(1)), expected, strict=True):
        assert np.allclose(mine, other, atol=1e-6)
    box = Interval(x - 0.05, x + 0.05)
    found = []
    for walks in (Backward(chain), Layered(composite, rows)):
        boxes = Boxes(box, walks.start(box), no_cut(50, 2))
        reached = walks.walk(walks_twice(walks, boxes), np.arange(1))
        found.append(least(reached.slope, reached.shift, reached.balls))
    assert np.allclose(found[0], found[1], atol=1e-9)


def test_a_network_that_returns_an_inner_layer_is_no_chain(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **net(1))
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nverify p:\n  forall x : real[2] in [-1, 1]\n  prove net(x)[0] <= 1\n'
    program = nnmip.loads(text, directory=tmp_path).program
    (own,), (known,) = program.properties, program.known
    *_, inner, _, last = (layer.name for layer in known.network.layers)
    for result, is_chain in ((last, True), (inner, False)):
        network = replace(known.network, result_layer=result)
        composite = Composite(replace(program, known=(replace(known, network=network),)), own.points)
        assert (chain_of(composite, regions_of(own, composite)[0].tasks[0].map) is not None) is is_chain


def walks_twice(walks: Backward | Layered, boxes: Boxes) -> Boxes:
    """The boxes with bounds handed down from a walk."""
    return Boxes(boxes.box, walks.walk(boxes, np.arange(1)).neurons, boxes.cut)


@pytest.mark.parametrize("batch", [4, 1000])
@pytest.mark.parametrize("claim", CLAIMS)
def test_points_that_break_a_property_stay_in_open_boxes(claim: str, batch: int, tmp_path: Path) -> None:
    nets = [net(4), net(53, hidden=(4, 3))]
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    values = forward(nets[0], x)
    low = min(np.quantile(forward(own, x)[:, 1], 0.3) for own in nets)
    numbers = {"a": np.quantile(values[:, 0], 0.7), "b": low}
    numbers["c"] = 0.5 * np.abs(values[:, 0] - values[:, 1]).max()
    tree = tree_of(tmp_path, nets, claim.format(**numbers), Recipe(batch=batch))
    watch(tree, x, 60 if batch < 10 else 10)
    assert tree.count > 60


def test_a_cut_is_not_handed_down_while_another_way_is_open(tmp_path: Path) -> None:
    """Either side of a line breaks the property, and the planes are exact: a cut by one would hide the other."""
    line = {"a.weights": np.eye(2), "a.bias": np.full(2, 2.0), "b.weights": np.eye(2), "b.bias": np.full(2, -2.0)}
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    watch(tree_of(tmp_path, [line], "abs(net0(x)[0]) <= 0.5", Recipe(batch=1000)), x, 6)


def tree_of(folder: Path, nets: Sequence[dict[str, FloatArray]], claim: str, recipe: Recipe) -> Tree:
    for number, own in enumerate(nets):
        np.savez(folder / f"net{number}.npz", **own)
    text = f"verify p:\n  forall x : real[2] in [-1, 1]\n  assume x[0] + x[1] <= 1.5\n  prove {claim}\n"
    lines = "\n".join(f'network net{number} = npz("net{number}.npz")' for number in range(len(nets)))
    model = nnmip.loads(f"nnm 0.1\n{lines}\n{text}", directory=folder)
    (wanted,) = model.program.properties
    composite = Composite(model.program, wanted.points)
    (region,) = regions_of(wanted, composite)
    ways = Ways.of(region, composite)
    return Tree.of(walks_of(composite, ways.rows, region.box), ways, region, recipe)


def watch(tree: Tree, x: FloatArray, batches: int) -> None:
    """Whatever is cut, closed and handed down: a point that breaks the property is in a box where its task is open,
    obeys the cut, and has its neurons between their bounds."""
    walks = tree.walks
    assert isinstance(walks, Backward)
    rows = walks.chain.values(x)
    breaks = np.stack([(rows[:, own] <= 0.0).all(axis=1) for own in tree.ways.own], axis=1)
    assert breaks.any()
    z = np.array([[float(v) for v in exact.neurons(walks.chain, exact.exact(point))[0]] for point in x[:60]])
    for _ in range(batches):
        tree.batch()
        lo, hi, least_, largest, slope, shift, open_ = (part[: len(tree.pile)] for part in tree.pile.arrays)
        assert len(lo) > 0
        inside = ((x[:, None] >= lo) & (x[:, None] <= hi)).all(axis=2) & (x @ slope.T + shift <= 1e-9)
        known = ((z[:, None] >= least_ - 1e-9) & (z[:, None] <= largest + 1e-9)).all(axis=2)
        inside[:60] &= known
        for task in range(len(tree.ways.tasks)):
            assert (inside[breaks[:, task]] & (open_[:, task] > 0)).any(axis=1).all()
