"""One row of the benchmark solved in a cold process, and what its answer is worth."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import cold
from tests.benchmarks.training.instances import Instance

TOLERANCE = 1e-6
"""How far a proved objective may be from the known optimum, and a bound above it."""


@dataclass(frozen=True, slots=True)
class Options:
    """How rows are run. permute is the seed of the first order of rows and columns, None for that of the table."""

    repetitions: int = 5
    time_limit: float | None = None
    formulation: str | None = None
    solver: str | None = None
    permute: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one process said: seconds of CPU of it and its children, the object of its result, and from it or its
    progress the bound at the root and the number of nodes."""

    seconds: float
    result: dict[str, Any]
    root_bound: float | None
    nodes: int | None
    message: str

    @property
    def stages(self) -> list[dict[str, Any]]:
        return list(self.result.get("stages", ()))

    def figure(self, name: str) -> float | None:
        """The objective or dual bound of the first goal."""
        return self.stages[0][name] if self.stages else None

    @property
    def is_proved(self) -> bool:
        return self.result.get("solution") == "optimal" and self.result["replay"]["status"] == "passed"

    @property
    def authority(self) -> str:
        """Who solved it, and what the proof is."""
        solver = self.result.get("solver") or {}
        return f"{solver.get('name', '-')}, {self.result.get('proof', '-')}"

    def verdict(self, optima: Sequence[float], best: float | None = None) -> str:
        """`proved`, or `proved, no reference`, `open` at a limit, `wrong: ...`, `failed: ...`.

        Wrong is a bound above the known optimum or the best known value, a network below the known optimum, and a proof
        of another value.
        """
        if not self.stages:
            return f"failed: {self.message}"
        first_bound = self.figure("dual_bound")
        if best is not None and first_bound is not None and first_bound > best + TOLERANCE:
            return f"wrong: goal 1 has a bound above {best:.10g}, the value of a network"
        for number, (stage, optimum) in enumerate(zip(self.stages, optima, strict=False), start=1):
            objective, bound = stage["objective"], stage["dual_bound"]
            if bound is not None and bound > optimum + TOLERANCE:
                return f"wrong: goal {number} has a bound above {optimum:.10g}"
            if objective is not None and objective < optimum - TOLERANCE:
                return f"wrong: goal {number} is below {optimum:.10g}"
            if self.is_proved and objective is not None and objective > optimum + TOLERANCE:
                return f"wrong: goal {number} is not {optimum:.10g}"
            if stage["termination"] != "optimal":
                break
        if not self.is_proved:
            return "open"
        return "proved" if len(optima) == len(self.stages) else "proved, no reference"


@dataclass(frozen=True, slots=True)
class Row:
    """An instance with all of its runs."""

    instance: Instance
    formulation: str
    runs: tuple[Run, ...]

    @property
    def median(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def worst(self) -> float:
        return max(run.seconds for run in self.runs)

    @property
    def verdict(self) -> str:
        """That of all runs, or the worst one."""
        verdicts = [run.verdict(self.instance.optima, self.instance.best) for run in self.runs]
        order = ("wrong", "failed", "open", "proved, no reference", "proved")
        return min(verdicts, key=lambda verdict: next(i for i, word in enumerate(order) if verdict.startswith(word)))

    @property
    def is_right(self) -> bool:
        return not self.verdict.startswith(("wrong", "failed"))


def measure(instance: Instance, options: Options) -> Row:
    """Run an instance as often as the options say, each time in a new process and, if asked, in another order."""
    runs = []
    for repetition in range(options.repetitions):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(_run(command(instance, options, Path(folder), repetition)))
    return Row(instance, options.formulation or "", tuple(runs))


def command(instance: Instance, options: Options, folder: Path, repetition: int = 0) -> list[str]:
    """The arguments of `nnmip` for one run; its table is written to the folder."""
    table = instance.read()
    places = {column: column for column in range(table.features.shape[1])}
    if options.permute is not None:
        table, columns = table.permuted(options.permute + repetition)
        places = {int(column): place for place, column in enumerate(columns)}
    table.save(folder / "rows.npz")
    arguments = ["solve", str(instance.path), "--json-stream"]
    for name, value in (
        ("--time-limit", options.time_limit),
        ("--formulation", options.formulation),
        ("--solver", options.solver),
    ):
        arguments += [name, str(value)] if value is not None else []
    for define in (f"rows={folder / 'rows.npz'}", *instance.defines(places)):
        arguments += ["-D", define]
    return arguments


def _run(arguments: list[str]) -> Run:
    seconds, done = cold.run(["-m", "nnmip", *arguments])
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    result = next((entry for entry in entries if entry["type"] == "result"), {})
    steps = [entry for entry in entries if entry["type"] == "progress" and entry["dual_bound"] is not None]
    nodes = [entry["nodes"] for entry in steps if entry["nodes"] is not None]
    message = " ".join((done.stderr or done.stdout).split())[-200:]
    searched = result.get("formulation", {})
    root = searched["root"] if "root" in searched else _root_bound(steps)
    return Run(seconds, result, root, searched.get("nodes", nodes[-1] if nodes else None), message)


def _root_bound(steps: list[dict[str, Any]]) -> float | None:
    """The last bound before the first node, for solvers that count them."""
    return next((step["dual_bound"] for step in reversed(steps) if step["nodes"] == 0), None)
