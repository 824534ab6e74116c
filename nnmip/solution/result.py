"""What a solve says: why it ended, what was found, whether it was re-checked, and what is proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnmip import display
from nnmip.backends.protocol import Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.walk import among
from nnmip.records import dataclass
from nnmip.solution.metrics import Metric
from nnmip.solution.network import TrainedNetwork
from nnmip.solution.replay import Replay, ReplayStatus

if TYPE_CHECKING:
    from nnmip.solution.conflict import Conflict
    from nnmip.solution.promise import Promise


class SolutionStatus(StrEnum):
    NONE = "none"
    FEASIBLE = "feasible"
    OPTIMAL = "optimal"


class Proof(StrEnum):
    """How a claim (an optimum, or that there is no solution) is backed, the weakest first."""

    NONE = "none"
    SOLVER = "solver"
    CONFIRMED = "confirmed"
    CERTIFIED = "certified"


class Formulation(StrEnum):
    """How a stage is solved: as one MILP of its weights, as one of the columns of its hidden layer (all of them, or
    without those that are in no better network), by search over these, or by a tree over its output weights. COVER is
    not asked for: a network that is known is as good as a test cover of the rows lets any be."""

    AUTO = "auto"
    DIRECT = "direct"
    COLUMNS = "columns"
    COMPOSITE = "composite"
    SEARCH = "search"
    SPLIT = "sign-split"
    COVER = "cover"


ASKED_FOR = tuple(each for each in Formulation if each is not Formulation.COVER)
"""The formulations that a run can be told to use."""

OWN = frozenset({Formulation.SEARCH, Formulation.SPLIT, Formulation.COVER})
"""The formulations that need no solver: their bounds are certified."""


@dataclass(frozen=True, slots=True)
class How:
    """The formulation that was taken, and why no other; of a search how many columns it had, how many linear
    programs it solved and how many networks it compared, and the bound before the first branch. patterns: how many
    choices of output weights there are."""

    formulation: Formulation
    why: str = ""
    columns: int = 0
    nodes: int = 0
    networks: int = 0
    root: float | None = None
    patterns: int = 0

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.formulation.value, "why": self.why or None}
        if self.formulation is Formulation.SEARCH:
            found |= {"columns": self.columns, "nodes": self.nodes, "networks": self.networks, "root": self.root}
        if self.formulation is Formulation.SPLIT:
            found |= {"patterns": self.patterns, "nodes": self.nodes, "root": self.root}
        return found


DIRECT = How(Formulation.DIRECT)


@dataclass(frozen=True, slots=True)
class TermValue:
    """One addend of the goal: its source text, role, coefficient, value and `coefficient * value`."""

    label: str
    role: str
    coefficient: float
    value: float

    @property
    def contribution(self) -> float:
        return self.coefficient * self.value


@dataclass(frozen=True, slots=True, eq=False)
class VariableValue:
    """What a variable is in an answer: its `entries`, of its shape; Booleans are 0.0 and 1.0."""

    entries: NDArray[np.float64]
    boolean: bool

    @property
    def array(self) -> NDArray[Any]:
        """The entries, `bool` where the variable is."""
        return self.entries > 0.5 if self.boolean else self.entries


@dataclass(frozen=True, slots=True)
class Bracket:
    """What is proved of a goal whose losses have no exact encoding: its best value lies between `lower` and `upper`.

    One of them is the replayed goal of the network, the other the best bound; None without a bound or a goal.
    tolerance: how far apart they may be to count as proved, as the losses state it; 0 where the goal itself is exact
    and only constraints have such losses. rounds: how many relaxations were solved; tangents: how many lines the last
    one had.
    """

    lower: float | None
    upper: float | None
    tolerance: float
    rounds: int
    tangents: int

    @property
    def is_closed(self) -> bool:
        """Whether the ends meet, as those of an optimum do."""
        if self.lower is None or self.upper is None:
            return False
        return self.upper - self.lower <= proof_tolerance(self.upper)

    @property
    def is_reached(self) -> bool:
        """Whether the network is proved to be within the tolerance of the best one."""
        if self.lower is None or self.upper is None:
            return False
        return self.is_closed or self.upper - self.lower <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        return {
            "lower": self.lower,
            "upper": self.upper,
            "tolerance": self.tolerance,
            "is_reached": self.is_reached,
            "rounds": self.rounds,
            "tangents": self.tangents,
        }


@dataclass(frozen=True, slots=True)
class StageResult:
    """One goal of several: its value for the network that is reported, and what is proved about it.

    held: the value that later stages had to keep, within `slack`; None for a stage that was not held. termination is
    None for a stage that was not reached. is_tight: whether it is proved for rules over regions tightened by a delta,
    and not for the rules themselves.
    """

    sense: str
    objective: float | None
    dual_bound: float | None
    proof: Proof
    termination: Termination | None
    held: float | None
    slack: float | None
    terms: tuple[TermValue, ...]
    bracket: Bracket | None = None
    is_tight: bool = False

    @property
    def gap(self) -> float | None:
        return gap_between(self.objective, self.dual_bound)

    def to_json(self) -> dict[str, Any]:
        return {
            "sense": self.sense,
            "objective": self.objective,
            "dual_bound": self.dual_bound,
            "gap": self.gap,
            "proof": self.proof.value,
            "termination": self.termination.value if self.termination else None,
            "held": self.held,
            "slack": self.slack,
            "terms": terms_json(self.terms),
            "bracket": self.bracket.to_json() if self.bracket else None,
            "optimal_for_tightened": self.is_tight,
        }


@dataclass(frozen=True, slots=True)
class Beginning:
    """The network that a solver got to start from: its goal in the user's sense, and where it is from: `known` (the
    user's own, a saved one, or a constant one), or `found` by a look of some seconds before the solver began."""

    objective: float | None
    source: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {"objective": self.objective, "source": self.source, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Contender:
    """One of several ways that solved a stage side by side: what it had when it ended, or when the first proof of
    another one ended it (`is_cut`). seconds: since the run began."""

    solver: str
    version: str
    formulation: str
    termination: Termination | None
    objective: float | None
    dual_bound: float | None
    seconds: float
    has_won: bool
    is_cut: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "solver": self.solver,
            "version": self.version,
            "formulation": self.formulation,
            "termination": self.termination.value if self.termination else None,
            "objective": self.objective,
            "dual_bound": self.dual_bound,
            "seconds": self.seconds,
            "won": self.has_won,
            "cut": self.is_cut,
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result:
    """The answer to a model. Objective and bound are in the user's sense; None where there is none.

    `termination` is None for an answer that was brought back from a solution file. `saved` tells whether the run was
    written to the folder that was asked for.

    `documentation` has the `##` comments of the source by the path of what they document; the empty path is the model.

    sense, objective, dual_bound, terms and sizes are those of the stage in which the run ended; `stages` has an entry
    for every goal. `conflict` names the constraints that cannot hold together, where the model is infeasible. `bracket`
    is there where losses of the model have no exact encoding: the solution is then `optimal` only where its ends meet.
    `sufficient` has the constraints that ask for a condition that is only sufficient, each with the words for which it
    is: what is optimal or infeasible is so `among` the networks that satisfy it.

    `promise` is there where the model has constraints over regions: how they are proved, and in how many rounds.
    `dual_bound` is then that of the rules at finitely many points.

    `values` has the variables of the model; `subject` is what is looked for, `network`, or `answer` where the model
    decides on none.

    `replay` is None where there was nothing to replay. `networks` and `values` are empty unless the replay passed: an
    answer that fails it is not an answer.
    """

    model: str
    sense: str | None
    termination: Termination | None
    solution: SolutionStatus
    replay: Replay | None
    proof: Proof
    objective: float | None
    dual_bound: float | None
    terms: tuple[TermValue, ...]
    metrics: tuple[Metric, ...]
    networks: Mapping[str, TrainedNetwork]
    used_units: Mapping[str, Mapping[str, tuple[int, ...]]]
    sizes: Mapping[str, int | float]
    times: Mapping[str, float]
    solver: str
    solver_version: str
    seed: int
    versions: Mapping[str, str]
    message: str = ""
    notes: tuple[str, ...] = ()
    documentation: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] = field(default=(), repr=False)
    saved: bool = False
    stages: tuple[StageResult, ...] = ()
    conflict: Conflict | None = None
    bracket: Bracket | None = None
    how: How = DIRECT
    sufficient: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, VariableValue] = field(default_factory=dict)
    subject: str = "network"
    portfolio: tuple[Contender, ...] = ()
    start: Beginning | None = None
    promise: Promise | None = None

    def __repr__(self) -> str:
        facts = [f"{name} {value}" for name, value in self._facts()]
        return f"<Result {self.model}: {', '.join(facts)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the answer, the terms of its goal, and the networks."""
        terms = [(t.role, t.label, f"{t.coefficient:g} x {t.value:.6g} = {t.contribution:.6g}") for t in self.terms]
        members = [] if self.conflict is None else self.conflict.members
        clash = [(name, f"{span.file.path}:{span.line}", text) for name, span, text in members]
        conflict = display.table(clash, ("cannot hold together", "place", "text")) if clash else ""
        parts = [display.caption(f"Result {self.model}"), display.table([*self._facts(), *_noted(self.notes)])]
        parts += [display.table(terms, ("role", "term", "value"))] if terms else []
        values = [(name, str(array.tolist())) for name, array in self.variables.items()]
        parts += [display.table(values, ("variable", "value"))] if values else []
        return "".join([*parts, conflict, *(network._repr_html_() for network in self.networks.values())])

    def _facts(self) -> list[tuple[str, str]]:
        """The answer in names and values; those without a value are left out."""
        ended = "" if self.termination is None else self.termination.value
        replay = "" if self.replay is None else self.replay.status.value
        numbers = (("objective", self.objective), ("dual bound", self.dual_bound), ("gap", self.gap))
        found = [("solution", self.solution.value), ("among", self.among), ("termination", ended)]
        found += [(name, "" if value is None else f"{value:.6g}") for name, value in numbers]
        found += [("proof", self.proof.value), ("replay", replay), ("networks", ", ".join(self.networks))]
        return [(name, value) for name, value in found if value]

    @property
    def variables(self) -> dict[str, NDArray[Any]]:
        """The variables of the model by name, arrays of their shapes; empty without an answer."""
        return {name: value.array for name, value in self.values.items()}

    @property
    def gap(self) -> float | None:
        """`abs(dual bound - objective)`, relative to `abs(objective)` where that is at least 1e-6."""
        return gap_between(self.objective, self.dual_bound)

    @property
    def among(self) -> str:
        """The networks that the claim speaks of, for people; empty where it speaks of all that the model says."""
        return among(self.sufficient)

    @property
    def is_certified(self) -> bool:
        """Whether the network is proved to be within the stated tolerance of the best one, and not proved optimal."""
        is_reached = self.bracket is not None and self.bracket.is_reached
        return is_reached and self.solution is SolutionStatus.FEASIBLE and self.proof is not Proof.NONE

    @property
    def is_proved(self) -> bool:
        """Whether the network is proved optimal, within the stated tolerance of that, or for rules over regions
        tightened by the stated delta."""
        return self.solution is SolutionStatus.OPTIMAL or self.is_certified or self.is_tightened

    @property
    def is_tightened(self) -> bool:
        """Whether no network that keeps the rules over regions with the stated delta to spare is proved to be better,
        while one that only keeps them may be."""
        return self.promise is not None and self.promise.is_tight and self.solution is SolutionStatus.FEASIBLE

    @property
    def has_answer(self) -> bool:
        return self.solution is not SolutionStatus.NONE

    def to_json(self) -> dict[str, Any]:
        """One object of plain values, as `solve --json` prints it."""
        replay = self.replay
        return {
            "model": self.model,
            "documentation": dict(self.documentation),
            "sense": self.sense,
            "termination": self.termination.value if self.termination else None,
            "solution": self.solution.value,
            "among": self.among or None,
            "sufficient": {name: list(words) for name, words in self.sufficient.items()},
            "replay": {
                "status": (replay.status if replay else ReplayStatus.NOT_RUN).value,
                "max_violation": replay.max_violation if replay else None,
                "message": replay.message if replay else "",
                "exact": [str(value) for value in replay.exact.objectives] if replay and replay.exact else None,
            },
            "proof": self.proof.value,
            "objective": self.objective,
            "dual_bound": self.dual_bound,
            "gap": self.gap,
            "bracket": self.bracket.to_json() if self.bracket else None,
            "terms": terms_json(self.terms),
            "stages": [stage.to_json() for stage in self.stages],
            "conflict": self.conflict.to_json() if self.conflict else None,
            "metrics": self._metrics_json(),
            "networks": {name: self._network_json(name, net) for name, net in self.networks.items()},
            "variables": {name: value.array.tolist() for name, value in self.values.items()},
            "sizes": dict(self.sizes),
            "formulation": self.how.to_json(),
            "start": self.start.to_json() if self.start else None,
            "regions": self.promise.to_json() if self.promise else None,
            "portfolio": [contender.to_json() for contender in self.portfolio] or None,
            "times": dict(self.times),
            "solver": {"name": self.solver, "version": self.solver_version},
            "seed": self.seed,
            "versions": dict(self.versions),
            "message": self.message,
            "notes": list(self.notes),
        }

    def _metrics_json(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for m in self.metrics:
            found.setdefault(m.network, {}).setdefault(m.data, {}).update(m.to_json())
        return found

    def _network_json(self, name: str, trained: TrainedNetwork) -> dict[str, Any]:
        return {
            "layers": [{"name": la.name, "op": la.op, "shape": list(la.shape)} for la in trained.network.layers],
            "weights": {layer: array.tolist() for layer, array in trained.weights.items()},
            "biases": {layer: array.tolist() for layer, array in trained.biases.items()},
            "used_units": {layer: list(units) for layer, units in self.used_units.get(name, {}).items()},
        }


def _noted(notes: Sequence[str]) -> list[tuple[str, str]]:
    return [("note", note) for note in notes]


def gap_between(objective: float | None, bound: float | None) -> float | None:
    """`abs(bound - objective)`, relative to `abs(objective)` where that is at least 1e-6."""
    if objective is None or bound is None:
        return None
    distance = abs(bound - objective)
    return distance / abs(objective) if abs(objective) >= 1e-6 else distance


def terms_json(terms: Sequence[TermValue]) -> dict[str, dict[str, Any]]:
    """The addends of a goal by their labels."""
    return {
        t.label: {"role": t.role, "coefficient": t.coefficient, "value": t.value, "contribution": t.contribution}
        for t in terms
    }


def finite(value: float | None) -> float | None:
    """The number, or None where it is infinite or not a number."""
    return float(value) if value is not None and np.isfinite(value) else None
