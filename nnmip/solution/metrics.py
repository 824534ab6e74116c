"""How well a network predicts a table: rows predicted right, or errors in the targets' own units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnmip.arrays import distinct
from nnmip.data import Dataset
from nnmip.hir.core import Apply, BoolArray, FloatArray, Program
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.walk import roots, walk
from nnmip.ops.base import Task
from nnmip.ops.registry import WORDS
from nnmip.ops.scores import predicted_codes
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Rows predicted right out of all rows of a table, each counted once.

    confusion: for each class in its order the number of its rows by predicted class, without zeros.
    """

    network: str
    data: str
    right: int
    rows: int
    confusion: Mapping[str, Mapping[str, int]]

    @property
    def accuracy(self) -> float:
        return self.right / self.rows

    @property
    def majority(self) -> tuple[str, int]:
        """The class with most rows, the first of equals, and how many: as many are right if it is always predicted."""
        rows = {name: sum(row.values()) for name, row in self.confusion.items()}
        name = max(rows, key=lambda other: rows[other])
        return name, rows[name]

    def to_json(self) -> dict[str, Any]:
        confusion = {name: dict(row) for name, row in self.confusion.items()}
        majority = dict(zip(("class", "rows"), self.majority, strict=True))
        return {
            "accuracy": self.accuracy,
            "right": self.right,
            "rows": self.rows,
            "majority": majority,
            "confusion": confusion,
        }


@dataclass(frozen=True, slots=True)
class TargetError:
    """The mean and the largest absolute error of a target over the rows of a table, in its own units."""

    target: str
    mean_absolute: float
    largest: float


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of a network on a table, target by target; each row counts once."""

    network: str
    data: str
    rows: int
    targets: tuple[TargetError, ...]

    def to_json(self) -> dict[str, Any]:
        errors = {t.target: {"mean_absolute": t.mean_absolute, "largest": t.largest} for t in self.targets}
        return {"rows": self.rows, "errors": errors}


@dataclass(frozen=True, slots=True)
class Group:
    """What the rows of a group get: how many are predicted each class, in their order, or the mean of each target."""

    name: str
    rows: int
    predicted: Mapping[str, int]
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GroupMetric:
    """What the groups of a column get from a network; each row counts once."""

    network: str
    data: str
    column: str
    groups: tuple[Group, ...]

    def to_json(self) -> dict[str, Any]:
        by_group = {}
        for group in self.groups:
            outcome = {"predicted": dict(group.predicted)} if group.predicted else {"mean": dict(group.means)}
            by_group[group.name] = {"rows": group.rows, **outcome}
        return {f"by {self.column}": by_group}


Metric = Accuracy | Errors | GroupMetric


def metrics(program: Program, evaluator: Evaluator) -> tuple[Metric, ...]:
    """The metrics of every network on every table that it reads, by the rules that `predict` uses."""
    found: list[Metric] = []
    for network, data in read_parts(program):
        found.extend(metrics_on(tasks(program, network), network, data, evaluator.scores(network, data.name)))
    return tuple(found)


def read_parts(program: Program) -> tuple[tuple[str, Dataset], ...]:
    """Every network with each data set that the model reads through it, and with the test part of it."""
    read = [(network, part) for network, name in program.bindings for part in program.dataset(name).parts]
    return tuple({(network, part.name): (network, part) for network, part in read}.values())


def metrics_on(wanted: Sequence[Task], network: str, data: Dataset, scores: FloatArray) -> list[Metric]:
    """What a table says about the scores [n, *output] of its rows: a metric for each task that it has the truth of."""
    found: list[Metric] = []
    if Task.CLASSES in wanted and data.label_name is not None:
        predicted = predicted_codes(scores)
        found.append(_accuracy(network, data, predicted))
        found.extend(_by_group(network, data, lambda rows: (_counts(data, predicted[rows]), {})))
    if Task.VALUES in wanted and data.target_names:
        found.append(Errors(network, data.name, data.row_count, target_errors(data.target_names, scores, data.targets)))
        outputs = scores.reshape(data.targets.shape)
        found.extend(_by_group(network, data, lambda rows: ({}, _means(data, outputs[rows]))))
    return found


Outcome = tuple[Mapping[str, int], Mapping[str, float]]


def _by_group(network: str, data: Dataset, outcome: Callable[[BoolArray], Outcome]) -> list[GroupMetric]:
    """What the rows of each group get, for every column of groups."""
    found = []
    for column in data.groups:
        names, members = data.members(column.name)
        groups = [Group(name, int(rows.sum()), *outcome(rows)) for name, rows in zip(names, members, strict=True)]
        found.append(GroupMetric(network, data.name, column.name, tuple(groups)))
    return found


def _means(data: Dataset, outputs: FloatArray) -> dict[str, float]:
    return dict(zip(data.target_names, outputs.mean(axis=0).tolist(), strict=True))


def _counts(data: Dataset, predicted: FloatArray) -> dict[str, int]:
    """How many rows are predicted each class, the class of one score last."""
    names = names_of(coding_of(data)) or {-1.0: "-1", 1.0: "1"}
    return {names[code]: int((predicted == code).sum()) for code in sorted(names)}


def tasks(program: Program, network: str) -> tuple[Task, ...]:
    """What the losses of a model compare a network with, in the order of the model."""
    nodes = [
        node for root in roots(program) for node in walk(root) if isinstance(node, Apply) and node.network == network
    ]
    found = (_task(program, node) for node in nodes)
    return tuple(dict.fromkeys(task for task in found if task is not None))


def _task(program: Program, node: Apply) -> Task | None:
    task = WORDS[node.word].task
    if task is not Task.EITHER or node.data is None:
        return task
    return Task.CLASSES if program.dataset(node.data).label_name is not None else Task.VALUES


def coding_of(data: Dataset) -> tuple[tuple[str, float], ...]:
    """Text and code of every label: the coding, or the classes with their positions."""
    return data.coding or tuple((name, float(k)) for k, name in enumerate(data.classes))


def names_of(coding: Sequence[tuple[str, float]]) -> dict[float, str]:
    """What each label code stands for; labels that share a code are joined by `or`."""
    names: dict[float, str] = {}
    for text, code in coding:
        names[code] = f"{names[code]} or {text}" if code in names else text
    return names


def target_errors(names: Sequence[str], outputs: FloatArray, targets: FloatArray) -> tuple[TargetError, ...]:
    """Errors of outputs [n, *output] at targets [n, m], one for each name; n > 0."""
    distance = np.abs(outputs.reshape(targets.shape) - targets)
    return tuple(
        TargetError(name, float(column.mean()), float(column.max()))
        for name, column in zip(names, distance.T, strict=True)
    )


def _accuracy(network: str, data: Dataset, predicted: FloatArray) -> Accuracy:
    names = names_of(coding_of(data))
    codes = distinct(np.concatenate([data.labels, predicted, np.array(list(names), dtype=np.float64)])).tolist()
    confusion = {}
    for code in codes:
        of_class = predicted[data.labels == code]
        counts = {names.get(other, f"{other:g}"): int((of_class == other).sum()) for other in codes}
        confusion[names.get(code, f"{code:g}")] = {name: count for name, count in counts.items() if count}
    return Accuracy(network, data.name, int((predicted == data.labels).sum()), data.row_count, confusion)
