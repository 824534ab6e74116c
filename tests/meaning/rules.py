"""Random rules of logic as source text, over the weights, units and scores of one small network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tests.meaning.generator import Chooser, Dense
    from tests.meaning.sheets import Sheet


T = TypeVar("T")


def _pick(choose: Chooser, items: Sequence[T]) -> T:
    return items[choose.integer(0, len(items) - 1)]


@dataclass(frozen=True)
class Rules:
    """Writes Booleans; `depth` bounds their nesting. `has_signs` says that rows have labels `neg` and `pos`."""

    choose: Chooser
    layers: tuple[Dense, ...]
    has_signs: bool
    sheet: Sheet

    def rule(self) -> str:
        """A Boolean of moderate size."""
        return self.boolean(2)

    def boolean(self, depth: int) -> str:
        choose = self.choose
        if depth == 0 or choose.integer(0, 3) == 0:
            return _pick(choose, self._atoms())()
        makers: tuple[Callable[[int], str], ...] = (
            self._joined,
            self._joined,
            self._negated,
            self._counted,
            self._over_units,
            self._over_rows,
            self._compared,
        )
        return _pick(choose, makers)(depth - 1)

    # ---- atoms -------------------------------------------------------------------------------------------------

    def _atoms(self) -> tuple[Callable[[], str], ...]:
        return (
            self._used,
            self._read,
            self._nonzero,
            self._order,
            self._order,
            self._membership,
            self._known,
            self._norm,
        )

    def _used(self) -> str:
        layer = _pick(self.choose, self.layers)
        return f"used(net.{layer.output}[{self.choose.integer(0, layer.units - 1)}])"

    def _read(self) -> str:
        width = self.layers[0].width
        forms = [f"used(net.x[{self.choose.integer(0, width - 1)}])", f"features(net) {self._op()} 1"]
        forms += ["used(net.x[f0])", "used(net.x[f1])"] * 2 if self.sheet.has_kinds else []
        return _pick(self.choose, forms)

    def _entry(self) -> str:
        choose = self.choose
        layer = _pick(choose, self.layers)
        unit = choose.integer(0, layer.units - 1)
        if layer.bias and choose.integer(0, 2) == 0:
            return f"net.{layer.name}.bias[{unit}]"
        return f"net.{layer.name}.weights[{unit}, {choose.integer(0, layer.width - 1)}]"

    def _nonzero(self) -> str:
        return f"nonzero({self._entry()})"

    def _number(self) -> str:
        return _pick(self.choose, ("0", "1", "-1", "0.5", "2"))

    def _op(self) -> str:
        return _pick(self.choose, ("<=", ">=", "=", "!="))

    def _order(self) -> str:
        return f"{self._affine()} {self._op()} {self._number()}"

    def _affine(self) -> str:
        choose = self.choose
        forms = (
            self._entry(),
            self._entry(),
            f"{self._entry()} - {self._entry()}",
            f"l0(net.{_pick(choose, self.layers).name}.weights)",
            f"sum(net.{_pick(choose, self.layers).name}.weights)",
        )
        return _pick(choose, forms)

    def _norm(self) -> str:
        layer = _pick(self.choose, self.layers)
        word = _pick(self.choose, ("norm_1", "norm_inf", "norm_2sq"))
        return f"{word}(net.{layer.name}.weights) {_pick(self.choose, ('<=', '>='))} {self._number()}"

    def _membership(self) -> str:
        domain = _pick(self.choose, ("{-1, 1}", "[0, 1]", "{0} | [1, 2]", "-1..0"))
        return f"{self._entry()} {_pick(self.choose, ('in', 'not in'))} {domain}"

    def _known(self) -> str:
        return _pick(self.choose, ("true", "false", "1 <= 2"))

    # ---- compounds ---------------------------------------------------------------------------------------------

    def _joined(self, depth: int) -> str:
        op = _pick(self.choose, ("and", "or", "xor", "->", "<->"))
        return f"({self.boolean(depth)}) {op} ({self.boolean(depth)})"

    def _negated(self, depth: int) -> str:
        return f"not ({self.boolean(depth)})"

    def _counted(self, depth: int) -> str:
        choose = self.choose
        word = _pick(choose, ("atmost", "atleast", "exactly"))
        parts = ", ".join(f"({self.boolean(depth)})" for _ in range(choose.integer(1, 3)))
        return f"{word}({choose.integer(0, 2)}, {parts})"

    def _compared(self, depth: int) -> str:
        choose = self.choose
        value = f"(if {self.boolean(depth)} then {self._affine()} else {self._number()})"
        return f"{value} {_pick(choose, ('<=', '>='))} {self._number()}"

    def _over_units(self, depth: int) -> str:
        choose = self.choose
        layer = _pick(choose, self.layers)
        unit = f"net.{layer.output}[j]"
        weight = f"net.{layer.name}.weights[j, {choose.integer(0, layer.width - 1)}]"
        bodies = (
            f"used({unit}) -> nonzero({weight})",
            f"{weight} >= {self._number()} or not used({unit})",
            f"fan_in({unit}) <= 1",
            f"{weight} <= {self._number()} xor {self.boolean(0)}",
            f"sum(i in 0..<{layer.width}: net.{layer.name}.weights[j, i]) <= {self._number()}",
            f"atmost(1, i in 0..<{layer.width}: nonzero(net.{layer.name}.weights[j, i]))",
        )
        where = _pick(choose, ("", "", " where j != 0"))
        return f"({_pick(choose, ('forall', 'exists'))} j in units(net.{layer.output}){where}: {_pick(choose, bodies)})"

    def _over_rows(self, depth: int) -> str:
        choose = self.choose
        hidden = self.layers[0]
        bodies = (
            f"net(s) {_pick(choose, ('<=', '>='))} {self._number()}",
            f"atmost(1, active(net.{hidden.output}, s))",
            f"active(net.{hidden.output}[0], s) -> net(s) >= {self._number()}",
            f"atleast(1, active(net.{hidden.output}, s)) or {self.boolean(0)}",
        )
        conditions = ["", " where s.f0 >= 0"]
        if self.has_signs:
            conditions += [' where s.label = "pos"', " where s.label = 1 or s.f0 = 1"]
        where = _pick(choose, conditions)
        rows = _pick(choose, ("train", "train.test", "train.test")) if self.sheet.has_test else "train"
        return f"({_pick(choose, ('forall', 'exists'))} s in {rows}{where}: {_pick(choose, bodies)})"
