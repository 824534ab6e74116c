"""Networks of a program: layers over layers, whose weights are decisions with a domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.build.domains import domain_of
from nnmip.build.expressions import Tensor, number, picked
from nnmip.build.places import here
from nnmip.build.tables import Table
from nnmip.diagnostics import Label
from nnmip.hir.core import Gather, IntArray, Join, Layer, LayerOutput, Network, Node, Reference, Shape, Units
from nnmip.hir.domain import Domain
from nnmip.ops.base import LayerOp, Option
from nnmip.ops.registry import LAYERS
from nnmip.sema.channels import channels_read
from nnmip.sema.layers import Settings, make_layer, passed_over, pruned_weights
from nnmip.sema.layers import Tensor as LayerTensor
from nnmip.sema.losses import check_inputs
from nnmip.sema.points import at_points
from nnmip.sema.pruning import check_pruning, warn_unread
from nnmip.sema.scope import NetworkPlaces
from nnmip.sema.units import owners_of
from nnmip.sema.values import fail, listed, origin_of
from nnmip.sema.words import LISTS, checked_list, checked_number, unknown_option
from nnmip.source import Origin, Span
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.build.draft import Draft


TAKEN = frozenset({"weights", "biases", "parameters", "operations", "input", "layers", "returns", "layer", "name"})
"""Names that no layer can have, because they mean something of a network."""


class LayerRef:
    """A layer of a network, or its input; with an index, some of its units."""

    def __init__(self, owner: NetworkRef, name: str, shape: Shape, index: IntArray | None = None) -> None:
        self.owner = owner
        self.name = name
        self.shape = shape
        self.index = index if index is not None else np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)

    def __repr__(self) -> str:
        part = "" if self.index.shape == self.shape else f", {self.index.size} of its units"
        return f"<layer {self.owner.name}.{self.name} of shape {list(self.shape)}{part}>"

    def __getitem__(self, key: Any) -> LayerRef:
        places = picked(self.index.shape, key, here(f"{self.name}[...]"))
        return LayerRef(self.owner, self.name, self.shape, np.asarray(self.index.reshape(-1)[places]))

    def __call__(self, table: Table) -> Tensor:
        """What the layer gives for every row of a table, shape (rows, *shape)."""
        return self.owner.output(self.name, self.shape, self.index, table, here(f"{self.name}({table.name})"))

    @property
    def weights(self) -> Tensor:
        """The weights of the layer, shape (units, inputs)."""
        return self._decision("weights")

    @property
    def bias(self) -> Tensor:
        """The bias of the layer, shape (units,)."""
        return self._decision("bias")

    @property
    def channels(self) -> Tensor:
        """Which channels of its input a convolution reads, Booleans of shape (channels,)."""
        span = here(f"{self.owner.name}.{self.name}.channels")
        layer = next((la for la in self.owner.layers if la.name == self.name), None)
        if layer is None or not LAYERS[layer.op].prunes_channels:
            raise fail("NNM0201", f"`{self.name}` has no channels", span, help="ask a `conv2d`")
        return Tensor(self.owner.draft, channels_read(layer, span))

    def units(self, span: Span, or_features: bool = False) -> Node:
        """The units as the operand of words such as `used`; DiagnosticError NNM0205 where nothing has weights."""
        network = self.owner.finished(span)
        if or_features and self.name == network.input_name:
            return Units(self.owner.name, self.name, self.index, Origin(span, f"{self.owner.name}.{self.name}"))
        index = self.unit_index
        owners_of(network, self.name, index, span)
        return Units(self.owner.name, self.name, index, Origin(span, f"{self.owner.name}.{self.name}"))

    @property
    def unit_index(self) -> IntArray:
        """The units, as positions along the first axis; of an image the filters that are picked whole."""
        if len(self.shape) < 2:
            return self.index
        filters = self.index // int(np.prod(self.shape[1:], dtype=np.int64))
        return np.asarray(filters[..., 0, 0]) if self.index.ndim > 1 else np.unique(filters)

    def _decision(self, role: str) -> Tensor:
        span = here(f"{self.owner.name}.{self.name}.{role}")
        layer = next((la for la in self.owner.layers if la.name == self.name), None)
        decision = layer.decision(role) if layer is not None else None
        if decision is None:
            raise fail("NNM0201", f"`{self.name}` has no {role}", span)
        return Tensor(self.owner.draft, Reference(decision, Origin(span, decision.path)))


class NetworkRef:
    """A network that is being built: `net.dense("h", net.input, units=2, weights=(-1, 1))`, then `net.returns(o[0])`.

    Layers are those of the language, each a method: the name of the layer, what it reads, its options by name, and a
    domain for each of its decisions. `net["h"]` is a layer; `net(table)` is what the network gives for every row.
    """

    def __init__(self, draft: Draft, name: str, shape: Shape, domain: Domain, input_name: str, span: Span) -> None:
        self.draft = draft
        self.name = name
        self.shape = shape
        self.domain = domain
        self.input_name = input_name
        self.span = span
        self.layers: list[Layer] = []
        self.network: Network | None = None
        self.returned = span
        self._tensors = {input_name: LayerTensor(input_name, shape, span)}

    @staticmethod
    def of_known(draft: Draft, network: Network, span: Span) -> NetworkRef:
        """A network that is there already."""
        made = NetworkRef(draft, network.name, network.input_shape, network.input_domain, network.input_name, span)
        made.layers, made.network = list(network.layers), network
        made._tensors.update({layer.name: LayerTensor(layer.name, layer.shape, span) for layer in network.layers})
        return made

    def __repr__(self) -> str:
        chain = " -> ".join([f"{self.input_name}{list(self.shape)}", *(f"{la.name} ({la.op})" for la in self.layers)])
        return f"<network {self.name}: {chain}{'' if self.network is not None else ', unfinished'}>"

    @property
    def input(self) -> LayerRef:
        """What the network reads."""
        return LayerRef(self, self.input_name, self.shape)

    @property
    def places(self) -> NetworkPlaces:
        """Where it says what it returns and reads."""
        return NetworkPlaces(self.returned, self.span, self.span)

    def __getitem__(self, name: str) -> LayerRef:
        if name not in self._tensors:
            near = closest(name, self._tensors)
            help = f"did you mean `{near}`?" if near else f"there are {listed(self._tensors)}"
            raise fail("NNM0201", f"no layer of `{self.name}` is called `{name}`", here(f"{self.name}[...]"), help=help)
        return LayerRef(self, name, self._tensors[name].shape)

    def __iter__(self) -> Iterator[LayerRef]:
        return (self[layer.name] for layer in self.layers)

    def __getattr__(self, op: str) -> Callable[..., LayerRef]:
        if op not in LAYERS:
            near = closest(op, LAYERS)
            help = f"; did you mean `{near}`?" if near else f"; the layers are {', '.join(LAYERS)}"
            raise AttributeError(f"a network has no `{op}`{help}")

        def add(name: str, *sources: LayerRef, **settings: Any) -> LayerRef:
            return self.layer(op, name, *sources, **settings)

        add.__name__ = op
        add.__doc__ = f"{LAYERS[op].summary}: `{LAYERS[op].signature}` with a name in front."
        return add

    def layer(self, op: str, name: str, *sources: LayerRef, **settings: Any) -> LayerRef:
        """Add a layer of kind `op` that reads `sources`; options and domains by name, `prune="units"` to remove units.

        Raises DiagnosticError: NNM0202 for a name that is taken, NNM0203 to NNM0205, NNM0301, NNM0303, NNM0312 and
        NNM0401 as for a layer in a file.
        """
        span = here(f"{op} {name}")
        self._check_open(span)
        if op not in LAYERS:
            raise fail("NNM0203", f"no layer is called `{op}`", span, help=f"the layers are {listed(LAYERS)}")
        if not name.isidentifier() or name in self._tensors or name in TAKEN or name in LAYERS:
            help = "choose another name, of letters, digits and `_`"
            raise fail("NNM0202", f"a layer of `{self.name}` cannot be called `{name}`", span, help=help)
        for source in sources:
            if not isinstance(source, LayerRef) or source.owner is not self or source.index.shape != source.shape:
                help = f"give a whole layer: `{self.name}.input`, or what an earlier layer returned"
                raise fail("NNM0205", f"a layer of `{self.name}` reads another layer of it", span, help=help)
        arity = LAYERS[op].arity
        if len(sources) != arity and (arity is not None or not sources):
            message = f"`{op}` reads {arity or 'some'} tensor{'' if arity == 1 else 's'}, not {len(sources)}"
            raise fail("NNM0204", message, span, help=f"its signature is `{LAYERS[op].signature}`")
        path = f"{self.name}.{name}"
        skip = settings.pop("skip", None)
        if skip is not None and (not isinstance(skip, LayerRef) or skip.owner is not self):
            raise fail("NNM0205", f"`skip` is a layer of `{self.name}`, or its input", span)
        read = _settings(LAYERS[op], settings, span)
        if skip is not None and not read.is_optional:
            raise fail("NNM0204", "`skip` is for an optional layer", span, help="say `optional=True`, too")
        inputs = tuple(self._tensors[source.name] for source in sources)
        stands_in = None
        if read.is_optional:
            over = skip.name if skip is not None else passed_over(LAYERS[op], inputs[0].name, self.layers)
            stands_in = self._tensors[over]
        allowance = self.draft.allowance
        layer, tensor = make_layer(LAYERS[op], path, span, read, name, inputs, span, allowance, stands_in)
        self._tensors[name] = tensor
        self.layers.append(layer)
        return LayerRef(self, name, layer.shape)

    def returns(self, result: LayerRef) -> NetworkRef:
        """Say what the network returns, a layer or entries of one such as `o[0]`; no layer can be added after that.

        Raises DiagnosticError: NNM0203 for the input, NNM0204 where `prune` removes what something else reads.
        """
        span = here(f"{self.name}.returns")
        self._check_open(span)
        if not isinstance(result, LayerRef) or result.owner is not self or result.name == self.input_name:
            raise fail("NNM0203", f"`{self.name}` returns one of its layers", span, help=f"such as `{self.name}[...]`")
        network = Network(
            self.name,
            self.input_name,
            self.shape,
            self.domain,
            tuple(self.layers),
            result.name,
            result.index,
            Origin(self.span, self.name),
        )
        check_pruning(network, span)
        warn_unread(network, self.draft.found)
        self.returned, self.network = span, network
        return self

    def __call__(self, at: Table | Tensor) -> Tensor:
        """What the network returns: for every row of a table, shape (rows, *result); where it is trained, for points
        (*batch, *input), shape (*batch, *result). DiagnosticError as for a loss, or as in a file."""
        span = here(f"{self.name}({at.name if isinstance(at, Table) else '...'})")
        network = self.finished(span)
        if not isinstance(at, Table):
            return Tensor(self.draft, at_points(self.draft, network, number(self.draft, at, span), span, span))
        layer = network.layer(network.result_layer)
        return self.output(layer.name, layer.shape, network.result_index, at, span)

    @property
    def weights(self) -> Tensor:
        """The weights of all layers in one vector."""
        return self._all("weights", "weights")

    @property
    def biases(self) -> Tensor:
        """The biases of all layers in one vector."""
        return self._all("bias", "biases")

    def _all(self, role: str, name: str) -> Tensor:
        span = here(f"{self.name}.{name}")
        origin = Origin(span, f"{self.name}.{name}")
        parts = tuple(Reference(d, origin) for d in self.finished(span).decisions if d.role == role)
        if not parts:
            raise fail("NNM0201", f"no layer of `{self.name}` has {name}", span)
        return Tensor(self.draft, Join(parts, origin))

    def output(self, layer: str, shape: Shape, index: IntArray, table: Table, span: Span) -> Tensor:
        """Entries of a layer for every row."""
        network = self.finished(span)
        data = table.data
        check_inputs(self.draft, network, data, span)
        self.draft.bind(self.name, data.name)
        node = LayerOutput(self.name, layer, data.name, (data.row_count, *shape), origin_of(span))
        width = int(np.prod(shape, dtype=np.int64))
        rows = np.arange(data.row_count).reshape((-1,) + (1,) * index.ndim) * width
        return Tensor(self.draft, Gather(node, rows + index, origin_of(span)))

    def finished(self, span: Span) -> Network:
        """The network; DiagnosticError NNM0204 where it does not say yet what it returns."""
        if self.network is None:
            help = f"call `{self.name}.returns(layer)` first"
            raise fail("NNM0204", f"`{self.name}` does not say what it returns", span, help=help)
        return self.network

    def _check_open(self, span: Span) -> None:
        if self.network is not None:
            secondary = (Label(self.returned, "returned here"),)
            raise fail("NNM0204", f"`{self.name}` is finished", span, secondary=secondary, help="call `returns` last")


def _settings(op: LayerOp, given: dict[str, Any], span: Span) -> Settings:
    """The keyword arguments of a layer; DiagnosticError NNM0204, NNM0205, NNM0303 or NNM0401."""
    options: dict[str, Option] = {option.name: option for option in op.options}
    roles = [option.name for option in op.domains]
    pruned = op.prune or op.prune_weights
    known = [*options, *roles, *(["prune", "optional", "skip"] if pruned else [])]
    for name in given:
        if name not in known:
            raise unknown_option(op.name, name, known, span)
    prune = given.get("prune")
    if prune is not None and prune not in pruned:
        raise fail("NNM0204", f"`{op.name}` prunes {pruned[0]}, not {prune!r}", span, help=f'prune="{pruned[0]}"')
    chosen = {name: option_value(op.name, option, given.get(name), span) for name, option in options.items()}
    for option in op.domains:
        if option.required and given.get(option.name) is None:
            help = f"every decision is bounded where it is born: `{option.name}=(-1, 1)`"
            raise fail("NNM0401", f"the {option.name} of this layer have no domain", span, help=help)
    domains = {role: (domain_of(given[role], f"`{role}`"), span) for role in roles if given.get(role) is not None}
    return pruned_weights(Settings(prune, chosen, domains, bool(given.get("optional", False))))


def option_value(owner: str, option: Option, value: Any, span: Span) -> Any:
    """The value of an option, its default for None; DiagnosticError NNM0204 or NNM0205."""
    if value is None:
        if option.required:
            raise fail("NNM0204", f"`{owner}` needs `{option.name}`", span)
        return option.default
    if option.kind == "choice":
        if value not in option.choices:
            raise fail("NNM0205", f"`{option.name}` is one of {listed(option.choices)}, not {value!r}", span)
        return value
    if option.kind == "column":
        if not isinstance(value, str):
            raise fail("NNM0205", f"`{option.name}` is the name of a column, not {value!r}", span)
        return value
    if option.kind in LISTS:
        numbers = list(value) if isinstance(value, tuple | list) else [value]
        return checked_list(option, [_number(option, number, span) for number in numbers], span)
    return _number(option, value, span)


def _number(option: Option, value: Any, span: Span) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise fail("NNM0205", f"`{option.name}` is a number, not {value!r}", span)
    return checked_number(option, float(value), span)
