"""What a model asks for: goals in order of importance, those that are held, constraints, and hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnmip.records import dataclass
from nnmip.source import Origin, Span

if TYPE_CHECKING:
    from nnmip.hir.core import FloatArray, Node, Reference


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One addend of a goal: `coefficient * value`, with the source text of the value as its label."""

    label: str
    coefficient: float
    value: Node
    role: str


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One goal: a scalar in the user's sense; `minimize` or `maximize`."""

    sense: str
    terms: tuple[Term, ...]
    origin: Origin

    @property
    def sign(self) -> float:
        """1 for `minimize`, -1 for `maximize`: `sign * value` is smaller for better networks."""
        return 1.0 if self.sense == "minimize" else -1.0


@dataclass(frozen=True, slots=True)
class Held:
    """An earlier goal held at `value`: it may be worse by at most `slack`.

    `room` is what an encoding leaves: the slack, or half the step of a goal whose values lie on a grid (slack 0).
    `bound` is what no network can be better than, where that is proved only within a tolerance; None where it is
    `value`.
    """

    value: float
    slack: float
    room: float
    bound: float | None = None

    @property
    def scale(self) -> float:
        """What a violation is measured in: the room on a grid, where one step is too much, else the value above 1."""
        return self.room if self.slack == 0 else max(1.0, abs(self.value))


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """Every Boolean in `parts` must hold in every entry. `condition` is where the source says what must hold."""

    name: str
    sentence: str | None
    parts: tuple[Node, ...]
    origin: Origin
    condition: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """For all `points` in their domains for which every assumption holds, every conclusion holds (in every entry).

    The decisions of the points are called after the property: `robust.x`. box: bounds of all entries of the points, one
    after another, beyond their domains; None where there are none. is_exact: whether a conclusion that is missed by
    rounding alone is broken.
    """

    name: str
    sentence: str | None
    points: tuple[Reference, ...]
    assumptions: tuple[Node, ...]
    conclusions: tuple[Node, ...]
    origin: Origin
    box: tuple[FloatArray, FloatArray] | None = None
    is_exact: bool = False
    of: str = ""
    folded: tuple[tuple[str, Span], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """Whether no output of a network falls (for sign -1: rises) where an entry of its input, a flat position, rises."""

    network: str
    feature: int
    sign: float


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A property that the networks of a model must have. `size` is a number of its points by which its conclusions are
    tightened in proportion, None where they are tightened by the same everywhere. Any of `slopes` is enough for the
    property; with `is_slope` there is one, and says the same of pairs of points."""

    property: Property
    size: Node | None = None
    slopes: tuple[Slope, ...] = ()
    is_slope: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RegionRule:
    """A constraint over regions of inputs: every cell must hold for the networks that are decided, which stand in it as
    `Applied`. `condition` is where the source says what must hold."""

    name: str
    sentence: str | None
    cells: tuple[Cell, ...]
    origin: Origin
    condition: Span


@dataclass(frozen=True, slots=True)
class Annotation:
    """`@name(arguments)`: a hint on a declaration or layer, which never changes what it means.

    options: the whole numbers that follow by name, such as `parts: 4`.
    """

    name: str
    arguments: tuple[str, ...]
    options: tuple[tuple[str, int], ...] = ()
