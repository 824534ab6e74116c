"""VNN-LIB files of versions 1.0 and 2.x."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from fractions import Fraction
from math import prod

from nnmip.hir.core import Shape
from nnmip.records import dataclass
from nnmip.source import SourceFile
from nnmip.vnnlib.forms import Form, Text, Word, read_forms
from nnmip.vnnlib.query import Atom, Claim, Group, Interface, Linear, Query, Variable

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FLAT = re.compile(r"([XY])_(\d{1,9})")
SMALLEST, LARGEST = Fraction(10) ** -150, Fraction(10) ** 150
"""The sizes of the numbers of a comparison: they and their quotients are near doubles."""

IGNORED = frozenset({"set-logic", "set-info", "set-option", "check-sat", "get-model", "exit"})
"""Commands of SMT-LIB that say nothing about the query."""

_REAL = re.compile(r"[Rr]eal|b?float\w*")
"""Types of entries that may be any number."""

KINDS = {"declare-input": "input", "declare-hidden": "hidden", "declare-output": "output"}


def read_query(source: SourceFile) -> Query:
    """The query of a file.

    Version 1.0 has no network of its own: the entries `X_0`, `X_1`, ... and `Y_0`, ... are those of one network called
    `f`. Raises DiagnosticError NNM0631 for what is no such file, with the place.
    """
    reader = _Reader(Text(source))
    for form in read_forms(source):
        reader.take(form)
    return reader.query()


@dataclass(slots=True)
class _Reader:
    """Commands as they are read."""

    text: Text
    version: tuple[int, int] = (1, 0)
    networks: list[Interface] = field(default_factory=list)
    flat: dict[str, dict[int, Word]] = field(default_factory=lambda: {"X": {}, "Y": {}})
    variables: dict[str, Variable] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)

    def take(self, form: Form) -> None:
        match form.head:
            case "vnnlib-version":
                self._version(form)
            case "declare-network":
                self._network(form)
            case "declare-const" | "declare-fun":
                self._constant(form)
            case "assert":
                if len(form.items) != 2:
                    raise self.text.fail("`assert` takes one claim", form, "join several by `(and ...)`")
                self.claims.append(self._claim(form.items[1]))
            case head if head not in IGNORED:
                help = "a file holds `declare-const` or `declare-network`, and `assert`"
                raise self.text.fail(f"`{head[:40]}` is not a command of VNN-LIB", form, help)

    def query(self) -> Query:
        source = self.text.source
        whole = Form([], 0, min(len(source.text), 1))
        if any(self.flat.values()):
            if self.networks:
                raise self.text.fail("the file declares both networks and single entries", whole)
            self.networks.append(self._flat_network(whole))
        if not self.networks:
            raise self.text.fail("the file declares no network and no entries `X_0`, `Y_0`", whole)
        for letter, entries in self.flat.items():
            if not entries and any(self.flat.values()):
                help = "declare every entry of the input and of the output"
                raise self.text.fail(f"the file declares no `{letter}_0`", whole, help)
        return Query(self.version, tuple(self.networks), Group("and", tuple(self.claims)), source)

    # ---- declarations ------------------------------------------------------------------------------------------

    def _version(self, form: Form) -> None:
        found = re.fullmatch(r"<(\d{1,3})\.(\d{1,3})>", self._word(form, 1).text)
        if found is None:
            raise self.text.fail("a version is written `<2.0>`", form)
        self.version = int(found[1]), int(found[2])
        if self.version[0] not in (1, 2):
            raise self.text.fail(f"version {found[1]}.{found[2]} is not one that is read", form, "1.0 and 2.x are")

    def _constant(self, form: Form) -> None:
        name = self._word(form, 1)
        found = _FLAT.fullmatch(name.text)
        if found is None:
            help = "entries of the input are called `X_0`, `X_1`, ..., and those of the output `Y_0`, ..."
            raise self.text.fail(f"`{name.text[:40]}` is no entry of a network", name, help)
        entries = self.flat[found[1]]
        if int(found[2]) in entries:
            raise self.text.fail(f"`{name.text}` is declared twice", name)
        self._type(form.items[-1] if len(form.items) > 2 else None)
        entries[int(found[2])] = name

    def _type(self, item: Word | Form | None) -> None:
        if isinstance(item, Word) and not _REAL.fullmatch(item.text):
            help = "inputs and outputs are `Real`, or `float32` and its kin"
            raise self.text.fail(f"entries of the type `{item.text[:40]}` are not read", item, help, code="NNM0632")

    def _flat_network(self, whole: Form) -> Interface:
        span = self.text.span(whole)
        made = []
        for letter, kind in (("X", "input"), ("Y", "output")):
            places = self.flat[letter]
            for place in range(len(places)):
                if place not in places:
                    at = places[max(places)]
                    raise self.text.fail(f"`{letter}_{place}` is not declared, and `{at.text}` is", at)
            made.append(Variable(letter, kind, "Real", (len(places),), "", span))
        return Interface("f", tuple(made), "", span)

    def _network(self, form: Form) -> None:
        name = self._name(form, 1)
        if any(network.name == name.text for network in self.networks):
            raise self.text.fail(f"network `{name.text}` is declared twice", name)
        variables, equal_to = [], ""
        for item in form.items[2:]:
            if not isinstance(item, Form):
                raise self.text.fail(f"`{item.text[:40]}` does not belong into a network", item)
            if item.head in KINDS:
                variables.append(self._variable(item))
            elif item.head in ("equal-to", "isomorphic-to"):
                other = self._name(item, 1)
                if all(network.name != other.text for network in self.networks):
                    raise self.text.fail(f"network `{other.text}` is not declared before", other)
                equal_to = other.text if item.head == "equal-to" else ""
            else:
                help = "it has `declare-input`, `declare-hidden`, `declare-output`, `equal-to`, `isomorphic-to`"
                raise self.text.fail(f"`{item.head[:40]}` does not belong into a network", item, help)
        found = Interface(name.text, tuple(variables), equal_to, self.text.span(name))
        if not found.of_kind("input") or not found.of_kind("output"):
            raise self.text.fail(f"network `{name.text}` needs an input and an output", name)
        self.networks.append(found)

    def _variable(self, form: Form) -> Variable:
        name, kind = self._name(form, 1), KINDS[form.head]
        if name.text in self.variables:
            raise self.text.fail(f"`{name.text}` is declared twice", name)
        rest = [self._word(form, place) for place in range(2, len(form.items))]
        if len(rest) < 3 or rest[1].text != "[":
            raise self.text.fail(f"`{form.head}` takes a name, a type and a shape", form, "as in `X float32 [1,5]`")
        self._type(rest[0])
        shape, used = self._list(rest, 1)
        more, node = rest[used:], ""
        if more and more[0].text == "initialized":
            help = "state it: `(assert (== X[0] 0.5))` for each entry"
            raise self.text.fail(f"`{name.text}` takes its value from the file", more[0], help, code="NNM0632")
        if kind == "hidden":
            if len(more) != 1 or not more[0].text.startswith('"'):
                raise self.text.fail("`declare-hidden` ends with the quoted name of a value in the file", form)
            node, more = more[0].text[1:-1], []
        if more:
            raise self.text.fail(f"`{more[0].text[:40]}` is one too many", more[0])
        made = Variable(name.text, kind, rest[0].text, shape, node, self.text.span(name))
        self.variables[name.text] = made
        return made

    def _list(self, words: list[Word], start: int) -> tuple[Shape, int]:
        """The whole numbers between brackets, the first of them at `start`, and where what follows begins."""
        numbers: list[int] = []
        for place in range(start + 1, len(words)):
            text = words[place].text
            if text == "]":
                return tuple(numbers), place + 1
            if text == ",":
                continue
            if not re.fullmatch(r"\d{1,9}", text):
                raise self.text.fail(f"`{text[:40]}` is not a whole number", words[place])
            numbers.append(int(text))
        raise self.text.fail("a `[` that is not closed", words[start])

    def _word(self, form: Form, place: int) -> Word:
        item = form.items[place] if place < len(form.items) else None
        if not isinstance(item, Word):
            raise self.text.fail(f"`{form.head}` has something else where a word is expected", item or form)
        return item

    def _name(self, form: Form, place: int) -> Word:
        word = self._word(form, place)
        if not _NAME.fullmatch(word.text):
            raise self.text.fail(f"`{word.text[:40]}` is not a name", word)
        return word

    # ---- claims ------------------------------------------------------------------------------------------------

    def _claim(self, item: Word | Form) -> Claim:
        if isinstance(item, Word) or not item.items:
            raise self.text.fail("a comparison, `and` or `or` is expected here", item)
        if item.head in ("and", "or"):
            return Group(item.head, tuple(self._claim(part) for part in item.items[1:]))
        if item.head not in COMPARISONS:
            help = "comparisons are <=, >=, <, >, ==, !=; claims are joined by `and` and `or`"
            raise self.text.fail(f"`{item.head[:40]}` is no comparison", item, help)
        sides = self._operands(item.items[1:])
        if len(sides) != 2:
            raise self.text.fail(f"`{item.head}` compares two values", item)
        left, right = sides
        difference = left.plus(right, Fraction(-1))
        if not all(map(_is_usual, (difference.constant, *difference.terms.values()))):
            help = "numbers other than 0 are from 1e-150 to 1e150 in size"
            raise self.text.fail("a number of this comparison is too large or too small", item, help, code="NNM0632")
        atoms = [
            Atom(difference.times(Fraction(sign)), is_strict, self.text.span(item))
            for sign, is_strict in COMPARISONS[item.head]
        ]
        return atoms[0] if len(atoms) == 1 else Group("or" if item.head == "!=" else "and", tuple(atoms))

    def _operands(self, items: list[Word | Form]) -> list[Linear]:
        """Values one after another; the brackets behind a name are its places."""
        found: list[Linear] = []
        place = 0
        while place < len(items):
            item = items[place]
            place += 1
            if isinstance(item, Form):
                found.append(self._arithmetic(item))
            elif place < len(items) and isinstance(items[place], Word) and items[place].text == "[":  # type: ignore[union-attr]
                end = next((k for k in range(place, len(items)) if isinstance(items[k], Form)), len(items))
                places, used = self._list([w for w in items[place:end] if isinstance(w, Word)], 0)
                place += used
                found.append(self._entry(item, places))
            else:
                found.append(self._single(item))
        return found

    def _single(self, word: Word) -> Linear:
        if _NUMBER.fullmatch(word.text):
            return Linear(Fraction(word.text), {})
        found = _FLAT.fullmatch(word.text)
        if found and int(found[2]) in self.flat[found[1]]:
            return Linear(Fraction(0), {(found[1], int(found[2])): Fraction(1)})
        return self._entry(word, ())

    def _entry(self, word: Word, places: Shape) -> Linear:
        variable = self.variables.get(word.text)
        if variable is None:
            raise self.text.fail(f"`{word.text[:40]}` is neither a number nor declared before", word)
        shape = variable.shape
        if len(places) != len(shape) or any(place >= size for place, size in zip(places, shape, strict=True)):
            message = f"`{word.text}` has the shape {list(shape)}, and {list(places)} is no entry of it"
            raise self.text.fail(message, word, "places are counted from 0, and all of them are given")
        flat = 0
        for place, size in zip(places, shape, strict=True):
            flat = flat * size + place
        return Linear(Fraction(0), {(word.text, flat): Fraction(1)})

    def _arithmetic(self, form: Form) -> Linear:
        values = self._operands(form.items[1:])
        if form.head not in ARITHMETIC or not values:
            raise self.text.fail(f"`{form.head[:40]}` is no operation", form, "values are joined by `+`, `-` and `*`")
        if form.head == "*" and sum(bool(value.terms) for value in values) > 1:
            help = "one factor at most may hold entries of a network"
            raise self.text.fail("a product of two entries is not linear", form, help, code="NNM0632")
        return ARITHMETIC[form.head](values)


def _is_usual(number: Fraction) -> bool:
    return not number or SMALLEST <= abs(number) <= LARGEST


def _difference(values: list[Linear]) -> Linear:
    first, *others = values
    if not others:
        return first.times(Fraction(-1))
    for other in others:
        first = first.plus(other, Fraction(-1))
    return first


def _sum(values: list[Linear]) -> Linear:
    total = Linear(Fraction(0), {})
    for value in values:
        total = total.plus(value, Fraction(1))
    return total


def _product(values: list[Linear]) -> Linear:
    factor = prod((value.constant for value in values if not value.terms), start=Fraction(1))
    linear = next((value for value in values if value.terms), Linear(Fraction(1), {}))
    return linear.times(factor)


ARITHMETIC: Mapping[str, Callable[[list[Linear]], Linear]] = {"+": _sum, "-": _difference, "*": _product}
COMPARISONS: Mapping[str, tuple[tuple[int, bool], ...]] = {
    "<=": ((1, False),),
    ">=": ((-1, False),),
    "<": ((1, True),),
    ">": ((-1, True),),
    "==": ((1, False), (-1, False)),
    "=": ((1, False), (-1, False)),
    "!=": ((1, True), (-1, True)),
}
"""By the sign of left - right and whether it is strict; those of `!=` are two ways, those of `==` hold together."""
