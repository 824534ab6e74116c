"""How large a model may become unasked: what is asked for is estimated before it is built, against one limit."""

from __future__ import annotations

import math
import re

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span

DEFAULT = 500 * 10**6
"""The bytes that one thing may take unasked."""

TEXT = 30
"""What a byte of a model counts, in bytes. Each of these is at least the memory that such a thing takes."""

LINE_TEXT = 100
"""What a byte of a file of names and numbers counts: a solution takes up to 41; the rest stands for the time."""

MODEL_TEXT = 75
"""What a byte of an LP or MPS file counts: ours take 10 to 12, names of a letter or two up to 75."""

TOKEN = 4_000
"""What a token of a model counts; most of it stands for the time that it takes."""

EXPRESSION = 4_000
"""What an expression counts that a quantifier reads once for each of its choices; it stands for the time, too."""

WORK = 50_000
"""What the rows of one comparison count, however few they are; it stands for the time."""

LAYER = 200_000
"""What a layer counts in the text; it stands for the time."""

MEETING = 200_000
"""What a network counts for each table that it meets in the text; it stands for the time."""

TERM = 5_000
"""What a term of a sum counts; named sums of named sums can make it grow without end."""

CELL = 100
"""What a cell of a CSV file counts."""

ENTRY = 40
"""What an entry of an array counts."""

NONZERO = 60
"""What a coefficient of the encoding counts."""

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limit of a run: nothing is built whose estimate is above `size` bytes."""

    size: int = DEFAULT

    @staticmethod
    def of(size: int | str | None) -> Allowance:
        """The default for None, a number of bytes, or a text such as `4GB`. Raises ValueError for anything else."""
        if size is None:
            return UNASKED
        return Allowance(read_size(size) if isinstance(size, str) else int(size))

    def most(self, each: int) -> int:
        """How many things of `each` bytes are allowed."""
        return self.size // each

    def check(self, count: float, each: float, what: str, span: Span, label: str = "", help: str = "") -> None:
        """Raise DiagnosticError NNM0310 at `span` where `count` things of `each` bytes are more than is allowed.

        `what` has them and begins the message, such as "`train`"; `label` counts them; `help` says how to do with less.
        """
        if count * each > self.size:
            raise DiagnosticError([self.refusal(count * each, what, span, label, help)])

    def refusal(self, needed: float, what: str, span: Span, label: str = "", help: str = "") -> Diagnostic:
        """The diagnostic NNM0310 for something that counts `needed` bytes."""
        allow = f"allow it: `--allow-size {_rounded_up(needed)}`"
        message = f"{what} is too large to build unasked: about {in_bytes(needed)}, and the limit is "
        return Diagnostic(
            "NNM0310", message + in_bytes(self.size), span, label, help=f"{help}, or {allow}" if help else allow
        )


UNASKED = Allowance()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a formulation would be, at most, before any of it is built: numbers that have to be whole, coefficients, and
    the operations of its proof, of which only the power of ten means something."""

    integers: int
    coefficients: int
    cost: float


STARTING = 1e8
"""The operations for which a solver could have been started."""

PER_NODE = 100
"""The operations of a node of a solver for each coefficient."""

MOST_COST = 1e30
"""No proof, for all that matters."""


def solver_cost(coefficients: int, log2_nodes: float) -> float:
    """The operations of a MILP that is proved at so many nodes."""
    return min(MOST_COST, STARTING + coefficients * PER_NODE * math.pow(2.0, min(log2_nodes, 100.0)))


def read_size(text: str) -> int:
    """The bytes of a text such as `4GB`, `500 MB` or `1000000`. Raises ValueError for any other text."""
    match = _SIZE.match(text)
    if match is None or match[2].lower() not in _UNITS or len(match[1]) > 30:
        raise ValueError(f"`{text[:40]}` is not a size such as `4GB` or `500MB`")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def in_bytes(size: float) -> str:
    """A number of bytes for people: `512 bytes`, `1.2 GB`, `more than 1000 TB`."""
    if size < 1000:
        return f"{int(size)} bytes"
    if not size < 1e15:
        return "more than 1000 TB"
    for unit, name in ((10**3, "kB"), (10**6, "MB"), (10**9, "GB"), (10**12, "TB")):
        if size < 999.5 * unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 10**12:.0f} TB"


def counted(count: float, singular: str, plural: str = "") -> str:
    """A number of things for people: `1 row`, `12 345 rows`, `1.2 million rows`, `3 billion rows`."""
    name = singular if count == 1 else plural or f"{singular}s"
    if not count < 1e15:
        return f"more than 1000 trillion {name}"
    if count < 10**6:
        return f"{int(count)} {name}"
    for unit, word in ((10**6, "million"), (10**9, "billion"), (10**12, "trillion")):
        if count < 999.5 * unit:
            return f"{count / unit:.3g} {word} {name}"
    return f"{count / 10**12:.0f} trillion {name}"


def product(numbers: tuple[int, ...]) -> int:
    """The product of whole numbers, however large."""
    return math.prod(int(number) for number in numbers)


def _rounded_up(size: float) -> str:
    """The size to allow: one digit, rounded up, so that the estimate fits."""
    if not size < 1e15:
        return "1000TB"
    for unit, name in ((10**6, "MB"), (10**9, "GB"), (10**12, "TB")):
        if size <= 999 * unit:
            scale = 10 ** max(0, len(str(math.ceil(size / unit))) - 1)
            steps = math.ceil(size / unit / scale)
            return f"{steps * scale}{name}"
    return "1000TB"
