"""A front: the networks between two goals that no other network beats in both, and what is proved about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from nnmip import display
from nnmip.backends.protocol import Termination
from nnmip.hir.walk import among
from nnmip.records import dataclass
from nnmip.solution.metrics import Accuracy
from nnmip.solution.network import TrainedNetwork
from nnmip.solution.result import Proof, Result, finite

if TYPE_CHECKING:
    from pathlib import Path

    from nnmip.solution.conflict import Conflict


@dataclass(frozen=True, slots=True)
class Axis:
    """One of the two goals: its text in the model, its sense, and the step of the grid of its values.

    `step` is 0 for a goal with a single value, None where no grid is known.
    """

    label: str
    sense: str
    step: float | None

    @property
    def sign(self) -> float:
        """1 for `minimize`, -1 for `maximize`: `sign * value` is smaller for better networks."""
        return 1.0 if self.sense == "minimize" else -1.0

    @property
    def better(self) -> str:
        """What stands between the goal and a value that is not worse than another."""
        return "<=" if self.sense == "minimize" else ">="


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FrontPoint:
    """A network on the front: the values of the two goals, and the result with its network, its proof and its replay.

    `folder` is the name of the folder in which it was saved, None where it was not.
    """

    number: int
    term: float
    rest: float
    result: Result
    folder: str | None = None

    def __repr__(self) -> str:
        return f"<FrontPoint {self.number}: term {self.term:.6g}, rest {self.rest:.6g}>"

    @property
    def proof(self) -> Proof:
        """What the point rests on: that of the goals of the front, whatever became of goals after them."""
        return weakest([stage.proof for stage in self.result.stages[:2]])

    @property
    def networks(self) -> Mapping[str, TrainedNetwork]:
        """The networks of the point by name."""
        return self.result.networks

    @property
    def accuracies(self) -> dict[str, float]:
        """The share of rows that are predicted right, by network and data set: `clf on train`."""
        found = (m for m in self.result.metrics if isinstance(m, Accuracy))
        return {f"{m.network} on {m.data}": m.accuracy for m in found}


@dataclass(frozen=True, slots=True, eq=False)
class Undecided:
    """The part of a front that a run did not decide: networks whose `limited` goal is not worse than `limit`.

    limit: None where nothing is decided. beyond: those whose goal is not worse than this are decided; None where none
    are. bound: no network of that part has a better value of the other goal, None where nothing is known. best: the
    best of its networks that is known, as an unproved result.
    """

    limit: float | None
    beyond: float | None
    bound: float | None
    best: Result | None
    folder: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Front:
    """The front between a term of a goal and the rest of it.

    `points` run from the best value of the goal that is not limited to the best value of the other. Each is proved: no
    network is at least as good in both goals and better in one. `limited` says which of the two (`term` or `rest`) was
    kept below limits; `resolution` is how far these were apart where values may lie between them: 0 on a grid.

    undecided: what was not decided, None for a front that is complete; the front is then complete up to `resolution`.
    termination: how the run ended, `optimal` for a complete front. conflict: why the model has no network at all.
    sufficient: as in `Result`; the front is then that of the networks which satisfy these conditions.
    """

    model: str
    term: Axis
    rest: Axis
    limited: str
    resolution: float
    points: tuple[FrontPoint, ...]
    termination: Termination
    undecided: Undecided | None
    proof: Proof
    solver: str
    solver_version: str
    seconds: float
    message: str = ""
    notes: tuple[str, ...] = ()
    conflict: Conflict | None = None
    folder: str | None = None
    sufficient: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[FrontPoint]:
        return iter(self.points)

    def __getitem__(self, index: int) -> FrontPoint:
        return self.points[index]

    @property
    def among(self) -> str:
        """The networks that the front is of, for people; empty where it is of all that the model allows."""
        return among(self.sufficient)

    @property
    def is_complete(self) -> bool:
        """Whether every network is at least matched by a point in both goals, up to `resolution` in the limited one."""
        return self.termination is Termination.OPTIMAL

    @property
    def is_exact(self) -> bool:
        """Whether the front is complete, with nothing between its points."""
        return self.is_complete and self.resolution == 0

    @property
    def limited_axis(self) -> Axis:
        return self.term if self.limited == "term" else self.rest

    @property
    def other_axis(self) -> Axis:
        return self.rest if self.limited == "term" else self.term

    @property
    def columns(self) -> dict[str, list[float]]:
        """The two goals and the accuracies by column, as `pandas.DataFrame(front.columns)` reads them."""
        found: dict[str, list[float]] = {
            self.term.label: [point.term for point in self.points],
            self.rest.label: [point.rest for point in self.points],
        }
        names = dict.fromkeys(name for point in self.points for name in point.accuracies)
        return found | {n: [point.accuracies.get(n, float("nan")) for point in self.points] for n in names}

    def __repr__(self) -> str:
        count = f"{len(self)} point{'' if len(self) == 1 else 's'}"
        how = "exact" if self.is_exact else "complete" if self.is_complete else f"not complete ({self.termination})"
        return f"<Front {self.model}: {self.term.label} against {self.rest.label}, {count}, {how}>"

    def _repr_html_(self) -> str:
        """For notebooks: the points in a table."""
        columns = self.columns
        rows = [[n, *(f"{v:.6g}" for v in values)] for n, values in enumerate(zip(*columns.values(), strict=True), 1)]
        return display.caption(repr(self)) + display.table(rows, ("point", *columns))

    def plot(self, path: str | Path) -> None:
        """Draw the front; the suffix of the path says how: `.svg`, `.png` or `.pdf`.

        Raises ImportError with the command that installs the package matplotlib, ValueError for another suffix or a
        front without points, OSError where the file cannot be written.
        """
        from nnmip.solution.picture import draw

        draw(self, path)

    def to_json(self, networks: bool = True) -> dict[str, Any]:
        """One object of plain values; without `networks` the results of the points are left out."""
        return {
            "model": self.model,
            "term": _axis_json(self.term),
            "rest": _axis_json(self.rest),
            "limited": self.limited,
            "resolution": self.resolution,
            "termination": self.termination.value,
            "complete": self.is_complete,
            "exact": self.is_exact,
            "proof": self.proof.value,
            "among": self.among or None,
            "sufficient": {name: list(words) for name, words in self.sufficient.items()},
            "points": [_point_json(point, networks) for point in self.points],
            "undecided": _undecided_json(self.undecided, networks) if self.undecided else None,
            "conflict": self.conflict.to_json() if self.conflict else None,
            "solver": {"name": self.solver, "version": self.solver_version},
            "seconds": self.seconds,
            "message": self.message,
            "notes": list(self.notes),
        }


def weakest(proofs: Sequence[Proof]) -> Proof:
    """The proof of a whole: that of its weakest part; none where it has no parts."""
    order = (Proof.NONE, Proof.SOLVER, Proof.CONFIRMED, Proof.CERTIFIED)
    return min(proofs, key=order.index, default=Proof.NONE)


def _axis_json(axis: Axis) -> dict[str, Any]:
    return {"label": axis.label, "sense": axis.sense, "step": axis.step}


def _point_json(point: FrontPoint, networks: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "number": point.number,
        "term": point.term,
        "rest": point.rest,
        "proof": point.proof.value,
        "accuracies": point.accuracies,
        "folder": point.folder,
    }
    return found | ({"result": point.result.to_json()} if networks else {})


def _undecided_json(part: Undecided, networks: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "limit": part.limit,
        "beyond": part.beyond,
        "bound": finite(part.bound),
        "folder": part.folder,
    }
    return found | ({"best": part.best.to_json() if part.best is not None else None} if networks else {})
