"""`dataclass` as everywhere, but its methods are written when they are first needed.

`dataclasses.dataclass` writes and compiles the source of up to seven methods for each class as it is made, which was a
third of the CPU time of a small `nnmip solve`: a run makes 280 such classes and needs instances of half of them. Here
fields, slots and `match` arguments are left to the standard library, the other methods are shared, and `__init__` is
compiled once someone looks it up. `fields`, `replace`, `field`, copies and pickles work as ever; `InitVar` and `order`
are not there, and `repr` does not look for circles. Type checkers see the original.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass


class _Init:
    """The `__init__` of a class, which takes its own place once it is looked up."""

    def __init__(self, cls: type, is_frozen: bool) -> None:
        self.cls, self.is_frozen = cls, is_frozen

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        written = _written(self.cls, self.is_frozen)
        type.__setattr__(self.cls, "__init__", written)
        return written if instance is None else written.__get__(instance, owner)


def _written(cls: Any, is_frozen: bool) -> Any:
    """The function that sets the fields of a class from its arguments."""
    known: dict[str, Any] = {"_missing": dataclasses.MISSING, "_set": object.__setattr__}
    places: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for field in dataclasses.fields(cls):
        name, value, default = field.name, field.name, ""
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"], default = field.default_factory, "=_missing"
            value = f"_make_{name}() if {name} is _missing else {name}" if field.init else f"_make_{name}()"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"], default = field.default, f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        if field.init:
            places[bool(field.kw_only)].append(name + default)
        if field.init or default:
            lines.append(f"_set(self, {name!r}, {value})" if is_frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    named = ["*", *places[True]] if places[True] else []
    head = f"def __init__({', '.join(['self', *places[False], *named])}):"
    exec("\n    ".join([head, *(lines or ["pass"])]), known)
    init = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
    init.__annotations__["return"] = None
    return init


def _reader(names: Iterable[str]) -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives the values of some fields."""
    names = tuple(names)
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


def _comparing(names: Iterable[str]) -> dict[str, Any]:
    """Two are equal that are of one class and have equal values."""
    values = _reader(names)

    def __eq__(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _shown(self: Any) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_set(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    """For copies and pickles of what is frozen and has no dictionary."""
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


FROZEN = {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
FROZEN_SLOTS = {"__getstate__": _state, "__setstate__": _restore}


def _made(cls: Any, frozen: bool, slots: bool, eq: bool, repr: bool) -> type:
    own = set(cls.__dict__)
    cls.__doc__ = cls.__doc__ or cls.__name__  # else `dataclasses` looks for a signature, which takes long
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    methods: dict[str, Any] = {"__init__": _Init(made, frozen)}
    if repr:
        methods["__repr__"] = _shown
    if eq:
        methods |= _comparing(field.name for field in dataclasses.fields(made) if field.compare)
        methods |= {} if frozen else {"__hash__": None}
    if frozen:
        methods |= FROZEN | (FROZEN_SLOTS if slots else {})
    for name, method in methods.items():
        if name not in own or (name == "__hash__" and made.__hash__ is None):
            type.__setattr__(made, name, method)
    return made


if not TYPE_CHECKING:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        repr: bool = True,
    ) -> Any:
        """As `dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq, repr)
        return _made(cls, frozen, slots, eq, repr)
