"""Names for columns and rows that every LP and MPS reader takes as they are, derived from the user's own names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import count

from nnmip.milp.model import Block, Milp
from nnmip.records import dataclass

OBJECTIVE = "obj"
OBJECTIVE_CONSTANT = "objconst"
RHS_SET = "rhs"
BOUND_SET = "bnd"
MAX_LENGTH = 61

# Words with a meaning of their own in LP or MPS files, in lower case. Some readers take them for a section wherever
# they stand, and HiGHS mistakes a column or row that is called like its MPS right-hand-side or bound set.
_RESERVED = frozenset(
    f"""
    {OBJECTIVE} {OBJECTIVE_CONSTANT} {RHS_SET} {BOUND_SET} marker free st st. s.t s.t. such that subject to
    min max minimize minimise minimum maximize maximise maximum bound bounds end
    bin binary binaries gen general generals int integer integers semi semis
    sos sos1 sos2 lazy user cuts constraints gencons pwlobj scenario multiobj
    name rows columns rhs ranges endata objsense objsection objname qsection qmatrix quadobj qcmatrix indicators none
    """.split()
)

# A reader that tries a number first sees `e1` as an exponent and `information` as infinity followed by text.
_NUMBER_LIKE = re.compile(r"e([0-9.]|\Z)|inf|nan", re.IGNORECASE)
_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_INDEX_TAIL = re.compile(r"(\.[0-9]+)+\Z")


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The file's name of every column and of every row, in the order of the arrays."""

    columns: list[str]
    rows: list[str]


def model_names(milp: Milp) -> ModelNames:
    """Safe names for the columns and rows of `milp`; each kind is unique on its own, whatever the case of letters."""
    return ModelNames(safe_names(milp.columns), safe_names(milp.rows))


def is_safe(name: str) -> bool:
    """Whether every reader takes `name` for a plain name."""
    return (
        len(name) <= MAX_LENGTH
        and _SAFE.match(name) is not None
        and _NUMBER_LIKE.match(name) is None
        and name.lower() not in _RESERVED
    )


def safe_names(blocks: Sequence[Block]) -> list[str]:
    """One safe name for each entry of `blocks`: `clf.h.weights[0, 1]` becomes `clf.h.weights.0.1` where possible.

    A path that is unsafe, too long or would repeat another name is replaced by a shortened, numbered one.
    """
    bases = [_sanitise(block.path) for block in blocks]
    roots = Counter(_root(base) for base in bases)
    scope = _Scope(shared={root for root, blocks_of_root in roots.items() if blocks_of_root > 1}, roots=set(roots))
    names: list[str] = []
    for base, block in zip(bases, blocks, strict=True):
        names += scope.claim(base, block)
    return names


def readable_names(block: Block) -> list[str]:
    """The user's names of a block's entries, equal to `block.name(i)` for each."""
    if not block.shape:
        return [block.path] * block.size
    return [f"{block.path}[{label}]" for label in _index_labels(block, ", ")]


@dataclass(slots=True)
class _Scope:
    """The names given so far. Two blocks can only clash when their bases agree up to trailing indices (the root)."""

    shared: set[str]
    roots: set[str]
    taken: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def claim(self, base: str, block: Block) -> list[str]:
        """The names of a block's entries; `base` is its path without anything unsafe."""
        if not block.shape:
            return [self._claim_scalar(base)] if block.size else []
        labels = _index_labels(block, ".")
        room = _room(labels)
        if room < MAX_LENGTH // 2:
            return self._numbered(base, [str(k) for k in range(block.size)])
        if len(base) > room:
            return self._numbered(base, labels)
        names = [f"{base}.{label}" for label in labels]
        if _root(base) not in self.shared:
            return names
        lowered = {name.lower() for name in names}
        if not self.taken.isdisjoint(lowered):
            return self._numbered(base, labels)
        self.taken |= lowered
        return names

    def _claim_scalar(self, base: str) -> str:
        lowered = base.lower()
        if not is_safe(base) or lowered in self.taken:
            return self._new_base(base, MAX_LENGTH)
        if _root(base) in self.shared:
            self.taken.add(lowered)
        return base

    def _numbered(self, base: str, labels: list[str]) -> list[str]:
        base = self._new_base(base, _room(labels))
        return [f"{base}.{label}" for label in labels]

    def _new_base(self, base: str, room: int) -> str:
        """`base` cut to `room` with a number that makes its root new; numbers only grow, so this stays linear."""
        while True:
            tail = f"_{next(self.numbers)}"
            candidate = base[: room - len(tail)] + tail
            if _root(candidate) not in self.roots:
                self.roots.add(_root(candidate))
                return candidate


def _sanitise(path: str) -> str:
    """The path with brackets as dots and anything unusual as underscores; its start never looks like a number."""
    dotted = re.sub(r"\.{2,}", ".", re.sub(r"\s*[\[\](),]\s*", ".", path)).strip(".")
    plain = re.sub(r"[^A-Za-z0-9_.]", "_", dotted)
    if not plain or not (plain[0].isalpha() or plain[0] == "_") or _NUMBER_LIKE.match(f"{plain}."):
        return f"_{plain}"
    return plain


def _root(base: str) -> str:
    return _INDEX_TAIL.sub("", base).lower()


def _room(labels: list[str]) -> int:
    """How long a base may be that the labels are put behind, after a dot."""
    return MAX_LENGTH - 1 - max(map(len, labels), default=0)


def _index_labels(block: Block, separator: str) -> list[str]:
    """The tensor index of every entry as text."""
    first, *others = block.places().T.tolist()
    labels = [str(i) for i in first]
    for indices in others:
        labels = [f"{label}{separator}{i}" for label, i in zip(labels, indices, strict=True)]
    return labels
