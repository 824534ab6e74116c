"""`@sufficient` over random networks of every kind of layer: meaning, rows, and what networks do at random points."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from nnmip.hir.core import Assignment, FloatArray, Network, Program
from nnmip.hir.evaluate import evaluate, result
from nnmip.lowering.lower import lower_program
from tests.meaning.generator import Model, NumpyChooser
from tests.meaning.harness import load, random_assignment
from tests.meaning.nets import random_net
from tests.meaning.test_sufficient import by_the_oracle

JUMPS = {"sign", "step", "gate"}


def rules(network: Network, rng: np.random.Generator) -> dict[str, int]:
    """Properties that can be asked of a network, with the features, drawn at random, that they speak of."""
    found = {}
    for direction in ("increasing", "decreasing"):
        feature = int(rng.integers(int(np.prod(network.input_shape))))
        place = ", ".join(str(at) for at in np.unravel_index(feature, network.input_shape))
        found[f"monotone({network.name}, {network.name}.{network.input_name}[{place}], {direction})"] = feature
    if JUMPS & {layer.op for layer in network.layers}:
        return found
    return found | {f"lipschitz({network.name}, 2)": 0, f"lipschitz({network.name}, 1, norm: norm_1)": 0}


def thinned(program: Program, seed: int) -> Assignment:
    """A random assignment; every second one has few weights, mostly positive ones, so that conditions hold."""
    rng = np.random.default_rng(seed)
    drawn = random_assignment(program, rng)
    if seed % 2:
        return drawn
    values = {
        d.path: d.domain.project(np.where(rng.random(d.shape) < 0.5, np.abs(drawn.values[d.path]), 0.0))
        for d in program.decisions
    }
    return Assignment(values, drawn.kept)


def breaks(rule: str, feature: int, network: Network, assignment: Assignment, rng: np.random.Generator) -> bool:
    """Whether a network is seen to lack a property between random points."""
    lo, hi = network.input_domain.lo, network.input_domain.hi
    size = int(np.prod(network.input_shape))
    before = rng.uniform(lo, hi, (200, size))
    after = rng.uniform(lo, hi, (200, size))
    if rule.startswith("monotone"):
        after = before.copy()
        after[:, feature] = rng.uniform(before[:, feature], hi)
    change = outputs(network, assignment, after) - outputs(network, assignment, before)
    if rule.startswith("monotone"):
        return bool(((change if "increasing" in rule else -change) < -1e-6).any())
    apart = np.abs(after - before)
    most = apart.sum(axis=1) if "norm_1" in rule else 2 * apart.max(axis=1)
    return bool((np.abs(change).max(axis=1) > most + 1e-6).any())


def outputs(network: Network, assignment: Assignment, points: FloatArray) -> FloatArray:
    return result(network, assignment, points.reshape(-1, *network.input_shape)).reshape(len(points), -1)


def test_meaning_rows_and_networks_agree(tmp_path: Path) -> None:
    seen: Counter[tuple[str, bool]] = Counter()
    for seed in range(40):
        plain = random_net(NumpyChooser(np.random.default_rng(seed)))
        rng = np.random.default_rng(seed)
        (network,) = load(plain, tmp_path).networks
        asked = rules(network, rng)
        text = "".join(f"@sufficient\nconstraint asked{i}: {rule}\n" for i, rule in enumerate(asked))
        program = load(Model(f"{plain.text}\n{text}", plain.tables), tmp_path)
        every = {constraint.name: constraint for constraint in program.constraints}
        free = lower_program(replace(program, constraints=()), symmetry=False)
        for i, (rule, feature) in enumerate(asked.items()):
            alone = replace(program, constraints=(every[f"asked{i}"],))
            lowered = lower_program(alone, symmetry=False)
            for number in range(6):
                assignment = thinned(alone, number)
                holds = evaluate(alone, assignment).max_violation <= 1e-9
                assert [holds] == by_the_oracle(alone, assignment), (seed, rule)
                assert not holds or not breaks(rule, feature, network, assignment, rng), (seed, rule)
                if free.admits(assignment):
                    assert lowered.admits(assignment) == holds, (seed, rule)
                seen[rule.split("(")[0], holds] += 1
    assert min(seen.values()) >= 50 and len(seen) == 4
