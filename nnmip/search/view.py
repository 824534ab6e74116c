"""A training model as a choice of columns: what each unit of its hidden layer shows the data, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset
from nnmip.hir.alike import alike_units
from nnmip.hir.core import (
    CHANNELS,
    Apply,
    Compare,
    Constant,
    Layer,
    LayerOutput,
    Network,
    Node,
    Program,
    Reference,
    Units,
)
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Term
from nnmip.hir.grids import LEAST, layer_grids
from nnmip.hir.walk import applies_known, walk
from nnmip.hir.wiring import wiring_of
from nnmip.ops.base import NONE, Role
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.passes.symmetry import interchangeable_units
from nnmip.records import dataclass
from nnmip.search.biases import MOST_TOGETHER
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.parts import Parts, conjuncts
from nnmip.search.pieces import PIECES, Pieces, mistakes, shortfalls
from nnmip.sizes import counted
from nnmip.source import Span

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_HEADS = 5000
"""Most choices of the output weights of one unit."""

GATHERING = frozenset({"maxpool2d", "avgpool2d", "globalavgpool", "flatten"})
"""Layers, besides those that work entry by entry, that make of each unit what they would make of it alone."""


class Refusal(Exception):
    """Why a model is not a choice of columns, as a clause: "the output weights are not finite". span: of what it is
    about, None where that is the model as a whole."""

    def __init__(self, why: str, span: Span | None = None) -> None:
        super().__init__(why)
        self.span = span


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the search needs to know of a program.

    The goal is the first one; sign: 1 where it is minimised. chain: the layers between hidden and output weights, which
    work on each unit alone. rows [n, *input]: the tables of the losses, one after another. loss: of the scores, in the
    sense of a minimum. terms: the other terms of the goal. own: conditions on what comes into each unit; outer: on what
    goes out; coupling: conditions on more than that, which the search checks network by network. heads [m, positions,
    outputs]: values of the output weights of a unit, in the order of the scores. grid: a step of which all activations
    are multiples, None without one. notes: what a reader must know of `sign` and `step`.
    """

    program: Program
    parts: Parts
    chain: tuple[Layer, ...]
    sign: float
    rows: FloatArray
    loss: Shortfalls | Mistakes
    terms: tuple[Term, ...]
    own: tuple[Node, ...]
    outer: tuple[Node, ...]
    coupling: tuple[Node, ...]
    heads: FloatArray
    output: IntArray
    grid: Fraction | None
    notes: tuple[str, ...]

    @property
    def network(self) -> Network:
        return self.parts.network

    @property
    def hidden(self) -> Layer:
        return self.parts.hidden

    @property
    def out(self) -> Layer:
        return self.parts.out

    @property
    def positions(self) -> int:
        """How many numbers a unit gives for a row."""
        return int(self.parts.places.shape[1])

    @property
    def tying(self) -> tuple[Node, ...]:
        """What tells units apart that show the data the same: conditions on several units, and the goals up to the
        present one, behind the first."""
        return (*self.coupling, *_later(self.program))

    @property
    def removes(self) -> bool:
        """Whether a unit may be removed."""
        return any(layer.removes_units for layer in self.chain)

    @property
    def bias(self) -> Domain:
        """The domain of the output biases; only 0 without one."""
        decision = self.out.decision("bias")
        return decision.domain if decision is not None else Domain.of((), (0.0,))


def only_network(program: Program) -> Network:
    """The network of a program that decides on nothing else; Refusal for any other."""
    if program.variables:
        raise Refusal("there are variables")
    if applies_known(program):
        raise Refusal("a network from a file is applied to decisions")
    if len(program.networks) != 1:
        raise Refusal("there are several networks" if program.networks else "there is no network")
    return program.networks[0]


def view_of(program: Program) -> View:
    """The view of a program; Refusal with the reason where it has none."""
    if program.goal is None:
        raise Refusal("there is no goal")
    network = only_network(program)
    parts, chain = _layers(network)
    _check_alike(program, parts)
    first = program.stages[0]
    losses = [term for term in first.terms if reads_data(term.value)]
    others = tuple(term for term in first.terms if not reads_data(term.value))
    for term in others:
        if not parts.is_separable(term.value):
            raise Refusal(f"`{term.label}` is not a sum over the units")
    output = network.result_index.reshape(-1)
    if sorted(output.tolist()) != list(range(parts.out.units)):
        raise Refusal("not every output is returned once")
    rows, loss, tables = loss_of(program, network, losses, len(output))
    own, outer, coupling = _conditions(program, parts)
    _check_bias(parts, [*(term.value for term in others), *coupling, *_later(program)])
    weights = parts.out.decision("weights")
    assert weights is not None
    grids = layer_grids(network, tables[0]) if len(tables) == 1 else {}
    heads = _heads(weights.domain, parts.places.shape[1], len(output))
    return View(
        program=program,
        parts=parts,
        chain=chain,
        sign=first.sign,
        rows=rows.reshape(len(rows), *network.input_shape),
        loss=loss,
        terms=others,
        own=own,
        outer=outer,
        coupling=coupling,
        heads=heads,
        output=output,
        grid=grids.get(parts.out.inputs[0]),
        notes=notes_of(chain, grids),
    )


def notes_of(chain: tuple[Layer, ...], grids: Mapping[str, Fraction | None]) -> tuple[str, ...]:
    """Of `sign` and `step` on which grid the sums lie that they read, where they lie on one."""
    steps = [(layer.path, grids.get(layer.inputs[0])) for layer in chain if layer.op in ("sign", "step")]
    return tuple(
        f"{path}: sums lie on a grid of step {float(step):g}, so nothing is lost"
        for path, step in steps
        if step is not None and step >= LEAST
    )


def _later(program: Program) -> list[Node]:
    """The goals up to the present one, behind the first."""
    if not program.held:
        return []
    if program.held[0].bound is not None:
        raise Refusal("the first goal is held within a tolerance")
    return [term.value for stage in program.stages[1 : len(program.held) + 1] for term in stage.terms]


def weighted_layers(network: Network) -> list[Layer]:
    return [layer for layer in network.layers if LAYERS[layer.op].connect is not None]


def is_deep(program: Program) -> bool:
    """Whether there is one network, with two hidden layers."""
    return len(program.networks) == 1 and len(weighted_layers(program.networks[0])) == 3


def _layers(network: Network) -> tuple[Parts, tuple[Layer, ...]]:
    """The layers with weights and those between them."""
    weighted = weighted_layers(network)
    if len(weighted) != 2:
        raise Refusal(f"{len(weighted)} layers have weights, and not two" if weighted else "no layer has weights")
    hidden, out = weighted
    if LAYERS[hidden.op].unit_by_unit or (hidden.op == "conv2d" and hidden.option("groups") > 1):
        raise Refusal("its units read different features")
    if hidden.prune == CHANNELS:
        raise Refusal("the filters prune channels")
    if out.op != "dense":
        raise Refusal("the last layer with weights is not dense")
    if any(layer.skip is not None for layer in network.layers):
        raise Refusal("a layer is optional")
    chain, name = [], hidden.name
    while name != out.inputs[0]:
        layer = next((layer for layer in network.layers if layer.inputs == (name,) and layer is not out), None)
        if layer is None or not _is_of_each_unit(layer):
            raise Refusal("between the two layers stands more than activations and pools")
        chain.append(layer)
        name = layer.name
    if network.layers != (hidden, *chain, out) or hidden.inputs != (network.input_name,):
        raise Refusal("the layers are not one chain")
    if network.result_layer != out.name:
        raise Refusal("the result is not that of the last layer with weights")
    for layer, role in ((hidden, "weights"), (hidden, "bias"), (out, "weights")):
        decision = layer.decision(role)
        if decision is not None and not decision.domain.is_finite:
            raise Refusal(f"the domain of `{decision.path}` is not finite")
    bias = out.decision("bias")
    if bias is not None and not (bias.domain.is_interval or bias.domain.is_finite):
        raise Refusal(f"the domain of `{bias.path}` is neither an interval nor finite")
    if bias is not None and bias.domain.is_finite and len(bias.domain.values) ** bias.size > MOST_TOGETHER:
        raise Refusal(f"`{bias.path}` has {len(bias.domain.values) ** bias.size} values together")
    return Parts(network, wiring_of(network), hidden, out), tuple(chain)


def _is_of_each_unit(layer: Layer) -> bool:
    return len(layer.inputs) == 1 and (layer.op in GATHERING or bool(LAYERS[layer.op].prune))


def _check_alike(program: Program, parts: Parts) -> None:
    """Refusal unless every unit of the hidden layer can take the place of every other."""
    if parts.units == 1:
        return
    for alike in interchangeable_units(program):
        if alike.producer.name == parts.hidden.name and len(alike.units) == parts.units:
            return
    treated = any(len(alike.units) == parts.units for alike in alike_units(parts.network))
    raise Refusal("the model tells the hidden units apart" if treated else "the network tells its hidden units apart")


def reads_data(node: Node) -> bool:
    return any(
        isinstance(at, LayerOutput) or (isinstance(at, Apply) and WORDS[at.word].role is Role.LOSS) for at in walk(node)
    )


def loss_of(
    program: Program, network: Network, terms: list[Term], outputs: int
) -> tuple[FloatArray, Shortfalls | Mistakes, list[Dataset]]:
    assert program.goal is not None
    if not terms:
        raise Refusal("the goal has no loss")
    if (counted := _mistakes(program, terms, outputs)) is not None:
        return counted
    first: dict[str, int] = {}
    tables: list[Dataset] = []
    found: list[tuple[float, int, Pieces]] = []
    for term in terms:
        node, factor = term.value, term.coefficient * program.stages[0].sign
        if not isinstance(node, Apply) or node.word not in PIECES:
            raise Refusal(f"`{term.label}` has no columns of its own")
        if factor < 0:
            raise Refusal(f"the goal rewards `{term.label}`")
        assert node.data is not None
        if node.data not in first:
            first[node.data] = sum(table.row_count for table in tables)
            tables.append(program.dataset(node.data))
        found.append((factor, first[node.data], PIECES[node.word](node, program.dataset(node.data), outputs)))
    rows = np.concatenate([table.features for table in tables])
    loss = shortfalls(len(rows), found)
    if not len(loss.row):
        raise Refusal("the losses count no row")
    return rows, loss, tables


def _mistakes(program: Program, terms: list[Term], outputs: int) -> tuple[FloatArray, Mistakes, list[Dataset]] | None:
    """The rows and the loss of a goal whose only loss is `zero_one` of one score."""
    assert program.goal is not None
    node, factor = terms[0].value, terms[0].coefficient * program.stages[0].sign
    if not isinstance(node, Apply) or node.word != "zero_one" or len(terms) > 1 or outputs > 1 or factor <= 0:
        return None
    assert node.data is not None
    data = program.dataset(node.data)
    if not (data.sample_weights > 0).all():
        raise Refusal("a row weighs nothing")
    return data.features, mistakes(node, data, factor), [data]


def _conditions(program: Program, parts: Parts) -> tuple[tuple[Node, ...], ...]:
    """Conditions by what they read: what comes into one unit, what goes out of one, and anything else."""
    own: list[Node] = []
    outer: list[Node] = []
    coupling: list[Node] = []
    for constraint in program.constraints:
        for part in constraint.parts:
            for node in conjuncts(part):
                owner = parts.of(node)
                if reads_data(node):
                    coupling.append(node)
                elif ((owner >= 0) & (owner < parts.shared) & (owner % 2 == 0) | (owner == NONE)).all():
                    own.append(node)
                elif ((owner >= 0) & (owner < parts.shared) & (owner % 2 == 1) | (owner == NONE)).all():
                    outer.append(node)
                else:
                    coupling.append(node)
    return tuple(own), tuple(outer), tuple(coupling)


def _check_bias(parts: Parts, nodes: list[Node]) -> None:
    """Refusal where something other than the losses reads an output bias or a score."""
    for at in (at for node in nodes for at in walk(node)):
        reads = isinstance(at, Reference) and at.decision is parts.out.decision("bias")
        reads |= isinstance(at, LayerOutput | Units) and at.layer == parts.out.name
        if reads or (isinstance(at, Apply) and at.network is not None):
            raise Refusal("a constraint, or another term of the goal, reads the scores or the output bias")


def _heads(domain: Domain, positions: int, outputs: int) -> FloatArray:
    """All output weights of one unit that are not 0 together, [m, positions, outputs]."""
    values = domain.values
    count = len(values) ** (positions * outputs)
    if count > MOST_HEADS:
        raise Refusal(f"a unit has {counted(count, 'choice')} of output weights")
    found = np.array(list(product(values, repeat=positions * outputs))).reshape(-1, positions, outputs)
    if not found.any():
        raise Refusal("every output weight is 0")
    return np.asarray(found[(found != 0).any(axis=(1, 2))])


def fan_in_limit(view: View) -> int:
    """The most nonzero weights that can come into a unit, as conditions on `l0` of all its weights say."""
    decision = view.hidden.decision("weights")
    assert decision is not None
    width = decision.size // view.parts.units
    most = width
    for node in view.own:
        if isinstance(node, Compare) and (limit := _limit(node, decision, width)) is not None:
            most = min(most, limit)
    return most


def _limit(node: Compare, decision: Any, width: int) -> int | None:
    left, right = node.left, node.right
    if node.op != "<=" or not isinstance(left, Apply) or left.word != "l0" or not isinstance(right, Constant):
        return None
    if not any(isinstance(at, Reference) and at.decision is decision for at in walk(left.operands[0])):
        return None
    operand = left.operands[0]
    entries = int(np.prod(operand.shape, dtype=np.int64)) // max(1, int(np.prod(left.shape, dtype=np.int64)))
    return int(np.floor(right.value.max())) if entries == width and right.value.size else None
