"""Random numbers and Booleans over a point `x`, bits `b` and networks at points: the text of each, and its meaning.

The text and the function over many answers are made side by side and share nothing with what nnmip makes of the text.
All numbers are multiples of a quarter, so that "false" needs no strictness that could give values up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Rows = NDArray[np.float64]
Number = Callable[["Answers"], Rows]
Layer = Callable[[Rows], Rows]

BENDS: dict[str, tuple[str, dict[str, float], tuple[float, ...], Layer]] = {
    "relu": ("Relu", {}, (), lambda z: np.maximum(z, 0)),
    "leaky": ("LeakyRelu", {"alpha": 0.25}, (), lambda z: np.where(z > 0, z, 0.25 * z)),
    "clip": ("Clip", {}, (-1.0, 2.0), lambda z: np.clip(z, -1, 2)),
    "abs": ("Abs", {}, (), np.abs),
    "sign": ("Sign", {}, (), np.sign),
}
"""By a name: the operator of ONNX, its attributes and further inputs, and what it computes."""

COMPARED: dict[str, Callable[[Rows, float], Rows]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}

JOINED: dict[str, Callable[[Rows, Rows], Rows]] = {
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.not_equal,
    "->": lambda p, q: ~p | q,
    "<->": np.equal,
}

COUNTED: dict[str, Callable[[Rows, float], Rows]] = {
    "atmost": np.less_equal,
    "atleast": np.greater_equal,
    "exactly": np.equal,
}


WORDS: dict[str, Number] = {
    "norm_1(x)": lambda a: np.abs(a.x).sum(axis=1),
    "norm_1(x[1:] - 1)": lambda a: np.abs(a.x[:, 1:] - 1).sum(axis=1),
    "norm_inf(x)": lambda a: np.abs(a.x).max(axis=1),
    "norm_inf(2 * x - 1)": lambda a: np.abs(2 * a.x - 1).max(axis=1),
    "sum(x)": lambda a: a.x.sum(axis=1),
    "max(x)": lambda a: a.x.max(axis=1),
    "min(x)": lambda a: a.x.min(axis=1),
    "count(b)": lambda a: a.b.sum(axis=1),
}
"""Numbers in one word, over x [2 or more] and b."""

PLACES: dict[str, Callable[..., Rows]] = {"argmax": np.argmax, "argmin": np.argmin}


@dataclass(frozen=True)
class Answers:
    """Every answer of a model: x [n, k], b [n, m], and what each network gives at each, [n, outputs]."""

    x: Rows
    b: Rows
    results: tuple[Rows, ...]


@dataclass(frozen=True)
class Applied:
    """A network at a point, as it is written, with its number of results and what it computes of x."""

    text: str
    results: int
    value: Layer


def random_network(chance: np.random.Generator, path: Path, inputs: int) -> tuple[int, Layer]:
    """Writes a network of one or two layers with bends; the number of its results, and what it computes."""
    nodes, constants, layers = list[onnx.NodeProto](), list[onnx.TensorProto](), list[Layer]()

    def constant(values: Rows | float) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype=np.float64), f"c{len(constants)}"))
        return f"c{len(constants) - 1}"

    def node(kind: str, *further: str, **attributes: float) -> None:
        before = f"t{len(nodes) - 1}" if nodes else "x"
        nodes.append(helper.make_node(kind, [before, *further], [f"t{len(nodes)}"], **attributes))

    width = inputs
    bends = [str(name) for name in chance.choice(list(BENDS), int(chance.integers(1, 3)))]
    for bend in (*bends, None):
        units = int(chance.integers(2, 5)) if bend else int(chance.integers(1, 4))
        weights, bias = chance.integers(-2, 3, (width, units)), chance.integers(-3, 4, units)
        node("Gemm", constant(weights), constant(bias))
        layers.append(lambda z, weights=weights, bias=bias: z @ weights + bias)  # type: ignore[misc]
        if bend:
            kind, attributes, ends, value = BENDS[bend]
            node(kind, *map(constant, ends), **attributes)
            layers.append(value)
        width = units
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", size])
        for name, size in (("x", inputs), (nodes[-1].output[0], width))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)

    def value(x: Rows) -> Rows:
        for layer in layers:
            x = layer(x)
        return x

    return width, value


def moved(point: Applied, by: int) -> Applied:
    return Applied(point.text.replace("(x)", f"(x + {by})"), point.results, lambda x: point.value(x + by))


@dataclass(frozen=True)
class Writer:
    """Writes random numbers and Booleans, with what they are of all answers. comparisons, words: those it may use; the
    operators are keys of `COMPARED`, "in" is membership, and words are keys of `WORDS` or "argmax" and "argmin"."""

    chance: np.random.Generator
    size: int
    points: Sequence[Applied]
    comparisons: Sequence[str]
    words: Sequence[str]

    def number(self, depth: int) -> tuple[str, Number]:
        kinds = (self._affine,) if depth <= 0 else (
            *(self._affine,) * 2, *(self._result,) * 2, self._choice, self._size, self._extreme, self._word, self._sum
        )  # fmt: skip
        kind: Callable[[int], tuple[str, Number]] = kinds[int(self.chance.integers(len(kinds)))]
        return kind(depth)

    def _whole(self, low: int, high: int) -> int:
        return int(self.chance.integers(low, high + 1))

    def _affine(self, depth: int) -> tuple[str, Number]:
        place, factor, extra = self._whole(0, self.size - 1), self._whole(-2, 2), self._whole(-3, 3)
        return f"({factor} * x[{place}] + {extra})", lambda a: factor * a.x[:, place] + extra

    def _result(self, depth: int) -> tuple[str, Number]:
        if not self.points:
            return self._affine(depth)
        number = self._whole(0, len(self.points) - 1)
        point = self.points[number]
        place = self._whole(0, point.results - 1)
        index = f"[{place}]" if point.results > 1 else ""
        return f"{point.text}{index}", lambda a: a.results[number][:, place]

    def _choice(self, depth: int) -> tuple[str, Number]:
        (one, first), (other, second) = self.number(depth - 1), self.number(depth - 1)
        condition, holds = self.truth(depth - 2)
        return f"(if {condition} then {one} else {other})", lambda a: np.where(holds(a), first(a), second(a))

    def _size(self, depth: int) -> tuple[str, Number]:
        text, value = self.number(depth - 1)
        return f"abs({text})", lambda a: np.abs(value(a))

    def _extreme(self, depth: int) -> tuple[str, Number]:
        (one, first), (other, second) = self.number(depth - 1), self.number(depth - 1)
        if self.chance.random() < 0.5:
            return f"max({one}, {other})", lambda a: np.maximum(first(a), second(a))
        return f"min({one}, {other})", lambda a: np.minimum(first(a), second(a))

    def _word(self, depth: int) -> tuple[str, Number]:
        word = str(self.chance.choice(self.words))
        if word in WORDS:
            return word, WORDS[word]
        several = [(k, point) for k, point in enumerate(self.points) if point.results > 1]
        if not several:
            return self._affine(depth)
        number, point = several[self._whole(0, len(several) - 1)]
        place = PLACES[word]
        return f"{word}({point.text})", lambda a: place(a.results[number], axis=1)

    def _sum(self, depth: int) -> tuple[str, Number]:
        (one, first), (other, second), factor = self.number(depth - 1), self.number(depth - 1), self._whole(-2, 2)
        sign = "+" if factor >= 0 else "-"
        return f"({one} {sign} {abs(factor)} * {other})", lambda a: first(a) + factor * second(a)

    def truth(self, depth: int) -> tuple[str, Number]:
        kinds = (self._comparison,) if depth <= 0 else (
            self._bit, *(self._comparison,) * 3, self._negation, *(self._joined,) * 2, self._counted
        )  # fmt: skip
        kind: Callable[[int], tuple[str, Number]] = kinds[int(self.chance.integers(len(kinds)))]
        return kind(depth)

    def _bit(self, depth: int) -> tuple[str, Number]:
        place = self._whole(0, 1)
        return f"b[{place}]", lambda a: a.b[:, place] == 1

    def _comparison(self, depth: int) -> tuple[str, Number]:
        (text, value), end = self.number(depth - 1), self._whole(-4, 4)
        sign = str(self.chance.choice(self.comparisons))
        if sign == "in":
            return f"({text} in {{{end}, {end + 2}}})", lambda a: np.isin(value(a), [end, end + 2])
        return f"({text} {sign} {end})", lambda a: COMPARED[sign](value(a), end)

    def _negation(self, depth: int) -> tuple[str, Number]:
        text, holds = self.truth(depth - 1)
        return f"not ({text})", lambda a: ~holds(a)

    def _joined(self, depth: int) -> tuple[str, Number]:
        (one, first), (other, second) = self.truth(depth - 1), self.truth(depth - 1)
        word = str(self.chance.choice(list(JOINED)))
        return f"(({one}) {word} ({other}))", lambda a: JOINED[word](first(a), second(a))

    def _counted(self, depth: int) -> tuple[str, Number]:
        parts, wanted = [self.truth(depth - 1) for _ in range(3)], self._whole(0, 3)
        word = str(self.chance.choice(list(COUNTED)))
        text = ", ".join(part for part, _ in parts)
        return f"{word}({wanted}, {text})", lambda a: COUNTED[word](
            np.sum([holds(a) for _, holds in parts], axis=0), wanted
        )
