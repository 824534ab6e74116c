"""A claim as cases: what it says of the inputs alone, which makes a region, apart from what it says of the outputs."""

from __future__ import annotations

from collections.abc import Collection

from nnmip.records import dataclass
from nnmip.vnnlib.query import Claim, Entry, Group, atoms_of

MOST_CASES = 4096


class TooMany(Exception):
    """A claim falls into more than MOST_CASES cases."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """All claims hold: `inputs` speak of inputs alone, every one of `others` of an output, too."""

    inputs: tuple[Claim, ...] = ()
    others: tuple[Claim, ...] = ()


def cases_of(claim: Claim, inputs: Collection[str]) -> list[Case]:
    """Cases of which one holds exactly where the claim does; `inputs` are the names of the inputs.

    An `or` is taken apart where it ties regions to outputs, as in "x in this box and y so, or x in that box and y so".
    Raises TooMany.
    """
    speaks = [_speaks(atom.left.terms, inputs) for atom in atoms_of(claim)]
    if "both" not in speaks and "outputs" not in speaks:
        return [Case(inputs=(claim,))]
    if isinstance(claim, Group) and claim.op == "and":
        return _all([cases_of(part, inputs) for part in claim.parts])
    if isinstance(claim, Group) and any(_has_region(part, inputs) for part in claim.parts):
        return _any([case for part in claim.parts for case in cases_of(part, inputs)])
    return [Case(others=(claim,))]


def _speaks(terms: Collection[Entry], inputs: Collection[str]) -> str:
    sides = {name in inputs for name, _ in terms}
    return "both" if len(sides) == 2 else "outputs" if False in sides else "inputs"


def _has_region(claim: Claim, inputs: Collection[str]) -> bool:
    """Whether a part of a claim speaks of inputs alone."""
    return any(_speaks(atom.left.terms, inputs) == "inputs" for atom in atoms_of(claim))


def _all(parts: list[list[Case]]) -> list[Case]:
    """The cases in which all parts hold. Those of a single case are put together first: most are."""
    single = [cases[0] for cases in parts if len(cases) == 1]
    found = [
        Case(
            tuple(claim for case in single for claim in case.inputs),
            tuple(claim for case in single for claim in case.others),
        )
    ]
    for cases in parts:
        if len(cases) == 1:
            continue
        if len(found) * len(cases) > MOST_CASES:
            raise TooMany
        found = [Case(a.inputs + b.inputs, a.others + b.others) for a in found for b in cases]
    return found


def _any(cases: list[Case]) -> list[Case]:
    """Those without a region of their own are one case."""
    alone = [case for case in cases if not case.inputs]
    found = [case for case in cases if case.inputs]
    if len(alone) > 1:
        alone = [Case(others=(Group("or", tuple(_together(case.others) for case in alone)),))]
    if len(alone) + len(found) > MOST_CASES:
        raise TooMany
    return alone + found


def _together(claims: tuple[Claim, ...]) -> Claim:
    return claims[0] if len(claims) == 1 else Group("and", claims)
