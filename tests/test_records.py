"""`nnmip.records.dataclass` does what `dataclasses.dataclass` does, only later."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from nnmip import records

FLAGS: list[dict[str, bool]] = [
    {"frozen": frozen, "slots": slots, "eq": eq, "repr": repr}
    for frozen in (False, True)
    for slots in (False, True)
    for eq in (False, True)
    for repr in (False, True)
]


def both(flags: dict[str, bool], make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The same class by the standard library and by ours."""
    return make(dataclasses.dataclass(**flags)), make(records.dataclass(**flags))


def point(decorate: Any) -> Any:
    class Point:
        """A point."""

        kind: ClassVar[str] = "point"
        x: float
        y: float = 2.0
        names: list[str] = field(default_factory=list)
        secret: str = field(default="s", repr=False, compare=False)
        marks: dict[str, int] = field(default_factory=dict, init=False)
        later: int = field(init=False, default=7)
        last: str = field(kw_only=True, default="end")

        def __len__(self) -> int:
            return 2

    return decorate(Point)


@pytest.mark.parametrize("flags", FLAGS)
def test_the_classes_are_alike(flags: dict[str, bool]) -> None:
    theirs, ours = both(flags, point)
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    assert ours.__match_args__ == theirs.__match_args__
    assert hasattr(ours(1), "__dict__") == hasattr(theirs(1), "__dict__") == (not flags["slots"])
    assert ours.__doc__ == theirs.__doc__ == "A point."
    assert (ours.__hash__ is None) == (theirs.__hash__ is None)
    assert (ours.__eq__ is object.__eq__) == (theirs.__eq__ is object.__eq__)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert ours.__init__.__annotations__ == theirs.__init__.__annotations__


@pytest.mark.parametrize("flags", FLAGS)
def test_their_instances_are_alike(flags: dict[str, bool]) -> None:
    made: list[list[Any]] = []
    for cls in both(flags, point):
        one, other = cls(1.0, names=["a"], secret="t"), cls(1.0, 2.0, ["a"], last="end")
        values = [getattr(one, f.name) for f in fields(cls)]
        shown = repr(one).rsplit(".", 1)[-1] if flags["repr"] else ""
        changed = replace(one, x=3.0)
        made.append([values, one == other, one != other, one == 1, shown, changed.x, changed.secret, cls(0).names])
        assert cls(0).names is not cls(0).names
    assert made[0] == made[1]


@pytest.mark.parametrize("flags", FLAGS)
def test_the_same_calls_fail_in_the_same_words(flags: dict[str, bool]) -> None:
    for arguments, named in [((), {}), ((1, 2, [], "s", "end"), {}), ((1,), {"z": 3}), ((1,), {"marks": {}})]:
        said = []
        for cls in both(flags, point):
            with pytest.raises(TypeError) as error:
                cls(*arguments, **named)
            said.append(str(error.value))
        assert said[0] == said[1]


@pytest.mark.parametrize("slots", [False, True])
def test_what_is_frozen_cannot_be_changed(slots: bool) -> None:
    for cls in both({"frozen": True, "slots": slots}, point):
        made = cls(1.0)
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
            made.x = 2.0
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
            del made.x
        assert made.x == 1.0


@records.dataclass(frozen=True, slots=True)
class Base:
    first: int
    second: tuple[int, ...] = ()


@records.dataclass(frozen=True, slots=True)
class Derived(Base):
    third: str = "third"

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first is negative")


@records.dataclass(slots=True)
class Open:
    value: int


def test_a_class_has_the_fields_of_its_base() -> None:
    made = Derived(1, (2,), "c")
    assert repr(made) == "Derived(first=1, second=(2,), third='c')"
    assert made == Derived(1, (2,), "c") != Derived(1, (2,), "d")
    assert made != Base(1, (2,))
    assert hash(made) == hash(Derived(1, (2,), "c"))
    assert Base(1) == Base(1, ())
    with pytest.raises(ValueError, match="first is negative"):
        replace(made, first=-1)
    match made:
        case Derived(first, second, third):
            assert (first, second, third) == (1, (2,), "c")


@pytest.mark.parametrize("made", [Base(1, (2,)), Derived(1), Open(3)])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_and_pickles_are_equal(made: Any, again: Callable[[Any], Any]) -> None:
    assert again(made) == made
    assert type(again(made)) is type(made)


def test_a_field_of_one_array_is_compared_like_that_of_the_standard_library() -> None:
    def holder(decorate: Any) -> Any:
        class Holder:
            values: Any

        return decorate(Holder)

    for cls in both({"frozen": True}, holder):
        array = np.arange(3)
        assert cls(array) == cls(array)
        with pytest.raises(ValueError, match="ambiguous"):
            _ = cls(array) == cls(np.arange(3))


def test_own_methods_stay() -> None:
    def counted(decorate: Any) -> Any:
        class Counted:
            value: int

            def __init__(self) -> None:
                self.value = 4

            def __repr__(self) -> str:
                return "own"

            def __eq__(self, other: object) -> bool:
                return True

        return decorate(Counted)

    for cls in both({}, counted):
        assert (cls().value, repr(cls()), cls() == 1, cls.__hash__) == (4, "own", True, None)


def test_a_class_in_plain_form_needs_no_brackets() -> None:
    @records.dataclass
    class Plain:
        value: int = 1

    assert Plain() == Plain(1)
    assert Plain.__hash__ is None
