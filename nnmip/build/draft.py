"""A program that is built in Python: tables, networks, goals and constraints, checked as they are stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.build.domains import DomainLike, domain_of
from nnmip.build.expressions import Tensor, number, truth
from nnmip.build.networks import LayerRef, NetworkRef, option_value
from nnmip.build.places import here
from nnmip.build.tables import Table, read_table
from nnmip.data import Dataset
from nnmip.diagnostics import Diagnostics
from nnmip.hir.core import Program, Reference, Shape
from nnmip.hir.goals import Annotation, Constraint, Stage
from nnmip.hir.known import known_of, renamed
from nnmip.ops.base import Kind, Word
from nnmip.ops.registry import LAYERS, PHRASES, WORDS
from nnmip.sema.annotations import network_annotations
from nnmip.sema.fairness import check_column
from nnmip.sema.goals import stage_of
from nnmip.sema.known import KnownNetworks
from nnmip.sema.regions import check_sufficient
from nnmip.sema.scope import NetworkPlaces
from nnmip.sema.values import Value, fail, listed
from nnmip.sema.variables import Place, variable
from nnmip.sema.words import applied, unknown_option
from nnmip.sizes import Allowance
from nnmip.source import Origin, SourceFile, Span
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.pipeline import Model


class Draft:
    """A program under construction, called `name` in reports.

    Everything is checked where it is stated: `DiagnosticError` has the line of Python, as it has the line of a file.
    `model()` gives the model to solve, to compile, or to show. What would be larger than `allow_size` (bytes, or a text
    such as `4GB`) is a diagnostic.
    """

    def __init__(self, name: str = "program", *, allow_size: int | str | None = None) -> None:
        self.allowance = Allowance.of(allow_size)
        self.source = SourceFile(name, "")
        self.found = Diagnostics()
        self.fitting: set[tuple[str, str]] = set()
        self.known = KnownNetworks()
        self._tables: dict[str, Table] = {}
        self._networks: dict[str, NetworkRef] = {}
        self._variables: dict[str, Reference] = {}
        self._annotations: dict[str, tuple[Annotation, ...]] = {}
        self._stages: list[Stage] = []
        self._constraints: list[Constraint] = []
        self._bindings: dict[tuple[str, str], None] = {}
        self._is_satisfy = False

    def __repr__(self) -> str:
        parts = [*self._tables, *self._networks, *self._variables, *(c.name for c in self._constraints)]
        goal = " then ".join(stage.sense for stage in self._stages) or "no goal yet"
        return f"<draft {self.source.path}: {', '.join(parts) or 'empty'}; {goal}>"

    # ---- declarations ------------------------------------------------------------------------------------------

    def table(
        self,
        name: str,
        data: Any,
        features: Sequence[str],
        *,
        label: str | None = None,
        target: str | Sequence[str] | None = None,
        group: str | Sequence[str] = (),
        codes: Mapping[Any, float] | Sequence[Any] | None = None,
        scale: str | tuple[str, float, float] = "none",
        onehot: Sequence[str] = (),
        split: float | None = None,
        seed: int = 0,
    ) -> Table:
        """A table from a data frame, a mapping from names to columns, or a pair `(X, y)` of arrays.

        label: the column of the classes, with `codes` as `{"no": -1, "yes": +1}` or as the list of classes in order.
        target: the column or columns of a regression. group: columns that tell rows apart, which no network reads.
        scale: `none`, `minmax`, `standard` or `("minmax", -1, 1)`. onehot: which of the columns hold categories.
        split: the share of the rows for `table.test`, by `seed`. Raises DiagnosticError as a `data` declaration does.
        """
        span = here(f"table {name}")
        self._declare(name, span)
        made = read_table(name, data, features, label, target, group, codes, scale, onehot, split, seed, span)
        self._tables[name] = made
        return made

    def network(self, name: str, shape: int | Shape, domain: DomainLike, *, input: str = "x") -> NetworkRef:
        """A network that reads a tensor of `shape` with entries in `domain`, in scaled units."""
        span = here(f"network {name}")
        self._declare(name, span)
        made = NetworkRef(self, name, _sizes(shape, span), domain_of(domain, f"the domain of `{input}`"), input, span)
        self._networks[name] = made
        return made

    def trained(
        self,
        name: str,
        network: Any,
        *,
        bounds: str | None = None,
        programs: int = 100,
        formulation: str | None = None,
        parts: int = 4,
    ) -> NetworkRef:
        """A network that was trained before, such as one of `result.networks` or of `nnmip.load_network(DIR)`.

        Its weights are known numbers, and so is what the program says of it; it reads the columns of a table by name,
        as `predict` does. bounds: how its units are bounded at points, `interval`, `crown`, `lp`, or `milp` with so
        many linear `programs` for each bound, as `@bounds` says in a file. formulation: `big-m`, `ideal`, or
        `partition` into so many `parts`, as `@formulation` says. Raises DiagnosticError NNM0202 for a name that is
        taken, ValueError for another bound, formulation or number, TypeError for anything else.
        """
        span = here(f"trained {name}")
        notes = network_annotations(
            bounds=(bounds, {"programs": programs}), formulation=(formulation, {"parts": parts})
        )
        self._declare(name, span)
        known = renamed(known_of(network), name, Origin(span, name))
        self.known.networks[name] = known
        if notes:
            self._annotations[name] = notes
        self._networks[name] = made = NetworkRef.of_known(self, known.network, span)
        return made

    def variable(
        self, name: str, shape: int | Shape = (), domain: DomainLike | None = None, *, kind: str = "real"
    ) -> Tensor:
        """A decision beside the networks: `kind` is `real`, `int`, or `bool`, which has no domain.

        Raises DiagnosticError: NNM0202 for a name that is taken, NNM0303 and NNM0401 as for `var` in a file.
        """
        span = here(f"variable {name}")
        self._declare(name, span)
        if kind not in ("real", "int", "bool"):
            raise ValueError(f"kind is `real`, `int` or `bool`, not {kind!r}")
        sizes = _sizes(shape, span)
        place = Place(Origin(span, name), span, None if domain is None else span)
        read = None if domain is None else domain_of(domain, f"the domain of `{name}`")
        self._variables[name] = made = variable(place, sizes, kind, read)
        return Tensor(self, made)

    def _declare(self, name: str, span: Span, has_value: bool = True) -> None:
        is_word = name in WORDS or name in LAYERS or name in PHRASES
        if not name.isidentifier() or not name.isascii() or (has_value and is_word):
            help = "a name has letters, digits and `_`, and is no word of the language"
            raise fail("NNM0202", f"nothing can be called `{name}`", span, help=help)
        taken = (self._tables, self._networks, self._variables, {c.name for c in self._constraints})
        if any(name in names for names in taken):
            raise fail("NNM0202", f"`{name}` is declared twice", span, help="choose another name")

    # ---- goals and constraints ---------------------------------------------------------------------------------

    def minimize(self, value: Any) -> None:
        """Make a scalar small; a second goal comes after the first is proved (`minimize A then B`).

        Raises DiagnosticError: NNM0205 for what is no number, NNM0301 for a tensor, NNM0207 beside `satisfy`.
        """
        self._goal("minimize", value)

    def maximize(self, value: Any) -> None:
        """Make a scalar large; otherwise as `minimize`."""
        self._goal("maximize", value)

    def satisfy(self) -> None:
        """Ask for any network that meets the constraints."""
        if self._stages:
            raise fail("NNM0207", "the program has a goal already", here("satisfy"), help="keep one of them")
        self._is_satisfy = True

    def _goal(self, sense: str, value: Any) -> None:
        span = here(sense)
        if self._is_satisfy:
            raise fail("NNM0207", "the program says `satisfy` already", span, help="keep one of them")
        self._stages.append(stage_of(number(self, value, span), sense, span))

    def constraint(self, name: str, holds: Any, sentence: str | None = None) -> None:
        """A Boolean, or a tensor of them, that must hold in every entry; reports show `sentence`.

        Raises DiagnosticError: NNM0202 for a name that is taken, NNM0205 for what is no Boolean, and for a condition
        that is only sufficient where it would have to fail.
        """
        span = here(f"constraint {name}")
        self._declare(name, span, has_value=False)
        parts = tuple(truth(self, part, span) for part in (holds if isinstance(holds, list | tuple) else (holds,)))
        check_sufficient(parts)
        self._constraints.append(Constraint(name, sentence, parts, Origin(span, name)))

    # ---- words -------------------------------------------------------------------------------------------------

    def word(self, name: str, *arguments: Any, **options: Any) -> Tensor:
        """A word of the language applied to networks, tables, tensors or layers, with its options by name.

        Raises DiagnosticError: NNM0203 for an unknown word, NNM0204, NNM0205 and what else its page says.
        """
        span = here(f"{name}({', '.join(map(_text, arguments))})")
        if name not in WORDS or name in PHRASES:
            words = sorted(WORDS.keys() - PHRASES)
            near = closest(name, words)
            help = f"did you mean `{near}`?" if near else f"the words are {listed(words)}"
            help = f"call `nnmip.build.{name}`" if name in PHRASES else help
            raise fail("NNM0203", f"no loss, norm or predicate is called `{name}`", span, help=help)
        word = WORDS[name]
        if len(arguments) != len(word.parameters):
            message = f"`{name}` takes {len(word.parameters)} arguments, not {len(arguments)}"
            raise fail("NNM0204", message, span, help=f"its signature is `{word.signature}`")
        values = [self._argument(word, kind, a, span) for kind, a in zip(word.parameters, arguments, strict=True)]
        known = {option.name: option for option in word.options}
        for option in options:
            if option not in known:
                raise unknown_option(name, option, list(known), span)
        chosen = {key: option_value(name, option, options.get(key), span) for key, option in known.items()}
        for column in (option for option in word.options if option.kind == "column"):
            check_column(arguments[1].data, chosen[column.name], span)
        if word.task is not None:
            self.bind(arguments[0].name, arguments[1].name)
        return Tensor(self, applied(self, word, values, chosen, span, span, tuple(self._bindings)))

    def _argument(self, word: Word, kind: Kind, value: Any, span: Span) -> Value:
        match kind, value:
            case Kind.NETWORK, NetworkRef():
                return value.finished(span)
            case Kind.DATA, Table():
                return value.data
            case Kind.UNITS, LayerRef():
                return value.units(span, or_features=word.name == "used")
            case ((Kind.TENSOR | Kind.BOOLEANS), _) if not isinstance(value, NetworkRef | LayerRef | Table):
                return number(self, value, span) if kind is Kind.TENSOR else truth(self, value, span)
        help = f"its signature is `{word.signature}`"
        raise fail("NNM0205", f"`{word.name}` needs {kind.value} here, and this is {value!r}", span, help=help)

    # ---- what the checks ask -----------------------------------------------------------------------------------

    def resolve(self, name: str, span: Span) -> Value:
        """The network or data set of a name."""
        if name in self._networks:
            return self._networks[name].finished(span)
        return self._tables[name].data

    def places(self, network: str) -> NetworkPlaces:
        """Where a network says what it returns and reads."""
        return self._networks[network].places

    def bind(self, network: str, data: str) -> None:
        """Remember that a network meets a data set."""
        self._bindings[network, data] = None

    def table_of(self, network: str) -> Dataset | None:
        """The data set that names the inputs of a network: the first that it meets, or the only one there is."""
        name = next((d for n, d in self._bindings if n == network), None)
        if name is not None:
            return self._tables[name.partition(".")[0]].data
        return next(iter(self._tables.values())).data if len(self._tables) == 1 else None

    # ---- the result --------------------------------------------------------------------------------------------

    def program(self) -> Program:
        """The HIR; DiagnosticError NNM0207 without a goal, NNM0204 for a network that does not say what it returns."""
        span = here(self.source.path)
        if not self._stages and not self._is_satisfy:
            help = "call `minimize`, `maximize`, or `satisfy` where any network that fits will do"
            raise fail("NNM0207", "the program has no goal", span, help=help)
        return Program(
            source=self.source,
            parameters=(),
            datasets=tuple(table.data for table in self._tables.values()),
            networks=tuple(net.finished(span) for name, net in self._networks.items() if name not in self.known),
            stages=tuple(self._stages),
            constraints=tuple(self._constraints),
            bindings=tuple((name, data) for name, data in self._bindings if name not in self.known),
            known=tuple(self.known.networks.values()),
            variables=tuple(self._variables.values()),
            annotations=tuple(self._annotations.items()),
        )

    def model(self) -> Model:
        """The model: `solve`, `compile`, `write`, `check` and everything else as for one in a file."""
        from nnmip.pipeline import Model

        return Model.of_program(self.program(), self.found.items, self.allowance)


def _sizes(shape: int | Shape, span: Span) -> Shape:
    sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(size < 1 for size in sizes):
        raise fail("NNM0301", f"a size must be at least 1, and the shape is {list(sizes)}", span)
    return sizes


def _text(value: Any) -> str:
    return value.name if isinstance(value, NetworkRef | Table | LayerRef) else "..."
