"""The HIR: networks, expressions and goals over whole tensors, free of binaries and big-M.

An expression is a DAG of frozen nodes, each with a shape and an origin. A tensor is *constant* or *decision*;
Boolean tensors hold 0.0 and 1.0. Words (losses, norms, predicates) are `Apply` nodes that name an entry of `ops`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Annotation, Constraint, Held, Property, RegionRule, Stage
from nnmip.records import dataclass
from nnmip.source import Origin, SourceFile

if TYPE_CHECKING:
    from nnmip.hir.known import KnownNetwork

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Shape = tuple[int, ...]

CHANNELS = "channels"
"""What `prune` names where weights that read one channel go together."""

# ---- decisions -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """A tensor that the solver chooses: `path` such as `clf.h.weights`, `role` `weights`, `bias` or `variable`."""

    path: str
    role: str
    shape: Shape
    domain: Domain
    origin: Origin

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


# ---- networks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: an entry of the layer table applied to earlier layers (or the input, named as the user named it).

    `prune` is `units` or `filters` where single ones may be removed, `channels` where the weights that read a channel
    may be 0 together whatever their domain, else None; `shape` excludes the sample axis.
    `skip` is the tensor that stands in for an optional layer where it is left out with its block; None for any other.
    """

    name: str
    path: str
    op: str
    inputs: tuple[str, ...]
    decisions: tuple[Decision, ...]
    options: tuple[tuple[str, Any], ...]
    shape: Shape
    prune: str | None
    origin: Origin
    skip: str | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All tensors that the layer needs."""
        return self.inputs if self.skip is None else (*self.inputs, self.skip)

    @property
    def kept_shape(self) -> Shape | None:
        """The shape of the choice what of the layer is kept: its units, or the layer as a whole; None without one."""
        if self.skip is not None:
            return ()
        return (self.units,) if self.removes_units else None

    @property
    def removes_units(self) -> bool:
        """Whether single units, or filters, may be removed."""
        return self.prune not in (None, CHANNELS)

    @property
    def channels(self) -> IntArray:
        """Which channel of its input every weight of a convolution multiplies, of their shape."""
        weights = self.decision("weights")
        assert weights is not None
        filters, width, *kernel = weights.shape
        first = np.arange(filters) // (filters // self.option("groups")) * width
        channel = (first[:, None] + np.arange(width)).reshape(filters, width, *(1,) * len(kernel))
        return np.broadcast_to(channel, weights.shape)

    def option(self, name: str) -> Any:
        return dict(self.options)[name]

    def decision(self, role: str) -> Decision | None:
        return next((d for d in self.decisions if d.role == role), None)

    @property
    def units(self) -> int:
        return self.shape[0] if self.shape else 1


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in topological order. The result is `result_layer`, its entries picked by flat `result_index`.

    squashed_by: the monotone function that a file applies to the result, such as `Softmax`; empty without one. Which
    score is the largest, and on which side of 0 one is, is said of the result itself.
    """

    name: str
    input_name: str
    input_shape: Shape
    input_domain: Domain
    layers: tuple[Layer, ...]
    result_layer: str
    result_index: IntArray
    origin: Origin
    squashed_by: str = ""

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Layer, ...]]:
        """The layers that read each tensor; made once, since a network may have many layers."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for name in dict.fromkeys(layer.reads):
                found.setdefault(name, []).append(layer)
        return {name: tuple(layers) for name, layers in found.items()}

    def layer(self, name: str) -> Layer:
        return self._by_name[name]

    def width(self, name: str) -> int:
        """The number of units of layer `name`, or of entries of the input of this name."""
        if name == self.input_name:
            return int(np.prod(self.input_shape, dtype=np.int64))
        return self.layer(name).units

    def readers(self, name: str) -> tuple[Layer, ...]:
        """The layers that read layer or input `name`."""
        return self._readers.get(name, ())

    @property
    def decisions(self) -> tuple[Decision, ...]:
        return tuple(d for layer in self.layers for d in layer.decisions)

    @property
    def output_shape(self) -> Shape:
        return self.result_index.shape


# ---- expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    value: FloatArray
    origin: Origin
    boolean: bool = False

    @property
    def shape(self) -> Shape:
        return self.value.shape


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """All entries of a decision tensor."""

    decision: Decision
    origin: Origin
    boolean: bool = False

    @property
    def shape(self) -> Shape:
        return self.decision.shape


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Entries of `base` picked by flat positions `index`; the shape is that of `index`."""

    base: Node
    index: IntArray
    origin: Origin

    @property
    def shape(self) -> Shape:
        return self.index.shape

    @property
    def boolean(self) -> bool:
        return self.base.boolean


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """All entries of several tensors, all numbers or all Booleans, in one vector."""

    parts: tuple[Node, ...]
    origin: Origin

    @property
    def boolean(self) -> bool:
        return self.parts[0].boolean

    @property
    def shape(self) -> Shape:
        return (sum(int(np.prod(p.shape, dtype=np.int64)) for p in self.parts),)


@dataclass(frozen=True, slots=True, eq=False)
class Plus:
    """Sum of tensors, with NumPy broadcasting."""

    terms: tuple[Node, ...]
    shape: Shape
    origin: Origin
    boolean: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """A constant tensor times a tensor, with NumPy broadcasting."""

    factor: FloatArray
    operand: Node
    shape: Shape
    origin: Origin
    boolean: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The units of a layer picked by position; an operand of words such as `used`, without a value of its own."""

    network: str
    layer: str
    index: IntArray
    origin: Origin
    boolean: bool = False

    @property
    def shape(self) -> Shape:
        return self.index.shape


@dataclass(frozen=True, slots=True, eq=False)
class LayerOutput:
    """What a layer of a network gives for every row of a data set, shape (rows, *layer shape)."""

    network: str
    layer: str
    data: str
    shape: Shape
    origin: Origin
    boolean: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What a network gives at points: `operand` (*batch, *input), in the units that the network was trained in, to
    `shape` (*batch, *output). Only in a `RegionRule` can its weights be decided."""

    network: str
    operand: Node
    shape: Shape
    origin: Origin
    boolean: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """A word of the language applied to tensors, or to a network and a data set.

    `batch` is the number of leading axes of the operands that a word which reduces them keeps: one call for each.
    """

    word: str
    operands: tuple[Node, ...]
    network: str | None
    data: str | None
    options: tuple[tuple[str, Any], ...]
    shape: Shape
    boolean: bool
    origin: Origin
    batch: int = 0

    def option(self, name: str) -> Any:
        return dict(self.options)[name]


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """`left op right` entry by entry, `op` one of `<= >= =`.

    It holds up to a tolerance. Where an encoding must make it false, the sides are kept at least `strictness` apart;
    `is_exact` says that they can never be nearer without being equal, so that nothing is lost.
    """

    op: str
    left: Node
    right: Node
    shape: Shape
    origin: Origin
    strictness: float = 0.0
    is_exact: bool = False
    boolean: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    """The negation of a Boolean tensor."""

    operand: Node
    origin: Origin
    boolean: bool = True

    @property
    def shape(self) -> Shape:
        return self.operand.shape


@dataclass(frozen=True, slots=True, eq=False)
class Junction:
    """`and` or `or` (the `op`) of Boolean tensors entry by entry, with NumPy broadcasting."""

    op: str
    terms: tuple[Node, ...]
    shape: Shape
    origin: Origin
    boolean: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Xor:
    """Whether exactly one of two Boolean tensors holds, entry by entry."""

    left: Node
    right: Node
    shape: Shape
    origin: Origin
    boolean: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """`and` or `or` (the `op`) over all entries of a Boolean tensor; the first `batch` axes are kept."""

    op: str
    operand: Node
    origin: Origin
    batch: int = 0
    boolean: bool = True

    @property
    def shape(self) -> Shape:
        return self.operand.shape[: self.batch]


@dataclass(frozen=True, slots=True, eq=False)
class Choose:
    """`then` where the Boolean `condition` holds, else `otherwise`: numeric tensors, with NumPy broadcasting."""

    condition: Node
    then: Node
    otherwise: Node
    shape: Shape
    origin: Origin
    boolean: bool = False


Node = (
    Constant
    | Reference
    | Gather
    | Join
    | Plus
    | Scale
    | Units
    | LayerOutput
    | Applied
    | Apply
    | Compare
    | Not
    | Junction
    | Xor
    | Fold
    | Choose
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes that `node` reads directly."""
    match node:
        case Gather(base=base):
            return (base,)
        case Join(parts=parts):
            return parts
        case Plus(terms=terms):
            return terms
        case Scale(operand=operand) | Applied(operand=operand):
            return (operand,)
        case Apply(operands=operands):
            return operands
        case Compare(left=left, right=right) | Xor(left=left, right=right):
            return (left, right)
        case Not(operand=operand) | Fold(operand=operand):
            return (operand,)
        case Junction(terms=terms):
            return terms
        case Choose(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case Constant() | Reference() | Units() | LayerOutput():
            return ()


# ---- programs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A whole model. `stages` are its goals, in order of importance; empty for `satisfy`.

    held: the first stages that are done, each with its proved value; the stage after them is the goal of a solve.

    lets: the named expressions that are numbers, by which a part of a goal can be called. known: networks from files;
    what the model says of them is in constants already. variables: the decisions beside the networks. properties: what
    is to be verified, each with points of its own. regions: constraints over regions of inputs, which no finite number
    of rows says; they are met by rounds.

    included: the files that `source` includes. documentation and annotations: by the path of what they belong to, such
    as `clf` or `clf.h`; `goal` is the goal, and the empty path the model itself.
    """

    source: SourceFile
    parameters: tuple[tuple[str, FloatArray], ...]
    datasets: tuple[Dataset, ...]
    networks: tuple[Network, ...]
    stages: tuple[Stage, ...]
    constraints: tuple[Constraint, ...]
    bindings: tuple[tuple[str, str], ...] = field(default=())
    included: tuple[SourceFile, ...] = ()
    documentation: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, tuple[Annotation, ...]], ...] = ()
    held: tuple[Held, ...] = ()
    lets: tuple[tuple[str, Node], ...] = ()
    known: tuple[KnownNetwork, ...] = ()
    variables: tuple[Reference, ...] = ()
    properties: tuple[Property, ...] = ()
    regions: tuple[RegionRule, ...] = ()

    @property
    def goal(self) -> Stage | None:
        """The stage to solve now, None for `satisfy`."""
        return self.stages[len(self.held)] if self.stages else None

    def network(self, name: str) -> Network:
        return next(n for n in self.networks if n.name == name)

    def known_network(self, name: str) -> KnownNetwork:
        """The network from a file of this name."""
        return next(k for k in self.known if k.name == name)

    def dataset(self, name: str) -> Dataset:
        """The data set of this name, or the test part of one, such as `points.test`."""
        return next(part for d in self.datasets for part in d.parts if part.name == name)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        own = tuple(variable.decision for variable in self.variables)
        return (*own, *(d for n in self.networks for d in n.decisions))

    def data_of(self, network: str) -> Dataset | None:
        """The first data set that a loss reads through `network`: the one whose columns name its inputs."""
        return next((self.dataset(d) for n, d in self.bindings if n == network), None)


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Values for every decision (by path) and what is kept (by layer path): which units [units] of every layer with
    `prune`, and whether every optional layer is there, a single Boolean.

    The entries of removed units (incoming, bias, outgoing) are 0.
    """

    values: dict[str, FloatArray]
    kept: dict[str, BoolArray]
