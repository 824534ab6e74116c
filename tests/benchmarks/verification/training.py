"""Verified training: rules over regions that trained networks are proved to keep, and the rounds that it takes.

    python -m tests.benchmarks.verification.training [NAME...] [--seconds 300]

Each example is solved with its rules and, for comparison, without them. For each there is a line with the rounds, the
points at which the rules stand in the end, CPU seconds, objective, bound and what is proved; below it the rounds, and
every rule with its proof and by how much the networks with and without the rules break it at sampled points. The
samples use nothing of `nnmip` but the weights: the network is computed from them and the table in NumPy. A rule that is
broken by a network that is said to keep it ends the run with exit code 1.

- `ward`, examples/ward.nnm: `monotone` and a rule for a part of the domain, over a made table.
- `near_flowers`: local robustness, a rule around rows of the iris table.
- `course`: `monotone` in two columns of the diabetes table, and a sign rule.
- `one_way`, examples/one_way.nnm without `@sufficient`: `monotone` for continuous weights and 100 rows of the iris
  table, where the rule has to be tightened.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import nnmip
from nnmip.solution.result import Result

FloatArray = NDArray[np.float64]

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[2] / "examples"
SAMPLES, ROUNDING = 100_000, 1e-9


@dataclass(frozen=True, eq=False)
class Net:
    """A network of one hidden layer of ReLU units over rows in the units of its table. lo, hi: the ends of its domain;
    rows: those of the table, with their labels or targets."""

    columns: tuple[str, ...]
    lo: FloatArray
    hi: FloatArray
    rows: FloatArray
    labels: FloatArray
    scores: Callable[[FloatArray], FloatArray]

    def place(self, column: str) -> int:
        return self.columns.index(column)


def net_of(model: nnmip.Model, result: Result) -> Net:
    (data,), (network,) = model.program.datasets[:1], model.program.networks
    trained = result.networks[network.name]
    least, most = data.raw.min(axis=0), data.raw.max(axis=0)
    (w, v), (b, c) = ([part[layer] for layer in ("h", "o")] for part in (trained.weights, trained.biases))

    def scores(x: FloatArray) -> FloatArray:
        hidden = np.maximum((x - least) / (most - least) @ w.T + b, 0.0)
        return np.asarray((hidden @ v.T + c)[:, 0])

    ends = (least + (most - least) * end for end in (network.input_domain.lo, network.input_domain.hi))
    return Net(data.feature_names, *ends, data.raw, data.labels, scores)


Sampled = Callable[[Net, np.random.Generator], float]
"""By how much a network breaks a rule at sampled points of its region, at most."""


def moves(column: str, sign: float) -> Sampled:
    """`monotone`: the largest fall (for sign -1: rise) between two points on a line along the column."""

    def broken(net: Net, random: np.random.Generator) -> float:
        x = random.uniform(net.lo, net.hi, (SAMPLES, len(net.lo)))
        further, k = x.copy(), net.place(column)
        further[:, k] = random.uniform(x[:, k], net.hi[k])
        return float((sign * (net.scores(x) - net.scores(further))).max())

    return broken


def reaches(limit: float, least: Mapping[str, float], most: Mapping[str, float]) -> Sampled:
    """A score of at least a limit in a part of the domain."""

    def broken(net: Net, random: np.random.Generator) -> float:
        lo, hi = net.lo.copy(), net.hi.copy()
        for column, value in least.items():
            lo[net.place(column)] = max(lo[net.place(column)], value)
        for column, value in most.items():
            hi[net.place(column)] = min(hi[net.place(column)], value)
        return limit - float(net.scores(random.uniform(lo, hi, (SAMPLES, len(lo)))).min())

    return broken


def reaches_near(limit: float, label: float, longest: Mapping[str, float], radius: Sequence[float]) -> Sampled:
    """A score of at least a limit around every row of a label in which some columns have at least these values."""

    def broken(net: Net, random: np.random.Generator) -> float:
        is_meant = net.labels == label
        for column, value in longest.items():
            is_meant &= net.rows[:, net.place(column)] >= value
        rows = net.rows[is_meant]
        around = rows[random.integers(len(rows), size=SAMPLES)]
        points = around + np.asarray(radius) * random.uniform(-1.0, 1.0, around.shape)
        return limit - float(net.scores(np.clip(points, net.lo, net.hi)).min())

    return broken


@dataclass(frozen=True, eq=False)
class Example:
    """A model with rules, each with its samples by name. left_out: a part of its text that is taken out."""

    path: Path
    rules: Mapping[str, Sampled]
    left_out: str = ""

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8").replace(self.left_out, "")

    def solved(self, text: str, seconds: float) -> tuple[Result, Net | None, float]:
        """The answer, its network if there is one, and CPU seconds."""
        begun = _cpu()
        model = nnmip.loads(text, directory=self.path.parent)
        result = model.solve(time_limit=seconds)
        return result, net_of(model, result) if result.networks else None, _cpu() - begun


def _cpu() -> float:
    """CPU seconds of this process and of those that it waited for, such as solvers."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


MODELS = {
    "ward": Example(
        EXAMPLES / "ward.nnm",
        {"older": moves("age", 1.0), "low": reaches(0.1, {"age": 40.0}, {"pressure": 95.0})},
    ),
    "near_flowers": Example(
        HERE / "models" / "near_flowers.nnm", {"near": reaches_near(0.1, 1.0, {"petal_length": 5.0}, (0.5, 0.3))}
    ),
    "course": Example(
        HERE / "models" / "course.nnm",
        {
            "heavier": moves("bmi", 1.0),
            "pressed": moves("bp", 1.0),
            "high": reaches(0.1, {"bmi": 30.0, "bp": 100.0}, {}),
        },
    ),
    "one_way": Example(EXAMPLES / "one_way.nnm", {"narrower": moves("petal_length", -1.0)}, "@sufficient\n"),
}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"


def report(name: str, example: Example, seconds: float) -> bool:
    """Print what became of an example; whether its rules are proved, and no sample breaks one."""
    result, net, spent = example.solved(example.text, seconds)
    free, free_net, _ = example.solved(example.text.partition("\nconstraint")[0] + "\n", seconds)
    promise = result.promise
    assert promise is not None
    trained = [each for each in promise.rounds if each.kind != "start"]
    status = "optimal for tightened rules" if result.is_tightened else str(result.solution)
    print(
        f"{name}: {len(trained)} rounds, {promise.points} points, {spent:.1f} s CPU, "
        f"objective {_shown(result.objective)}, bound {_shown(result.dual_bound)}, {status}, {result.proof}; "
        f"without the rules {_shown(free.objective)}, {free.proof}"
    )
    for each in promise.rounds:
        said = each.verdict + (f", `{each.rule}` by {each.violation:.3g}" if each.rule else "")
        print(f"    {each.kind:<9} {each.points:>2} points, objective {_shown(each.objective)}: {said}")
    if net is None or free_net is None:
        return False
    kept = {rule.name: rule for rule in promise.rules}
    worst = 0.0
    for rule, sampled in example.rules.items():
        broken, before = (max(0.0, sampled(each, np.random.default_rng(0))) for each in (net, free_net))
        worst = max(worst, broken)
        proof = f"by {kept[rule].by}, {kept[rule].proof}" if rule in kept else "not proved"
        print(f"    {rule}: {proof}; samples break it by {broken:.3g}, without the rules by {before:.3g}", flush=True)
    return set(kept) == set(example.rules) and worst <= ROUNDING


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    kept = [report(name, MODELS[name], options.seconds) for name in options.names]
    print(f"{sum(kept)} of {len(kept)} examples with all rules proved, and kept at {SAMPLES} samples of each")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
