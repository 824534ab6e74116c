"""Did you mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_CUTOFF = 0.7
"""Share of letters in common below which a proposal would rather mislead."""

_MOST = 1_000
_LONGEST = 60
_COMPARED = 20


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` is most likely a slip for, or None; differences in case count as slips.

    Of the first thousand candidates those are compared that have most letters in common; long texts are left alone.
    """
    if len(word) > _LONGEST:
        return None
    by_folded: dict[str, str] = {}
    for candidate in islice(candidates, _MOST):
        if len(candidate) <= _LONGEST:
            by_folded.setdefault(candidate.lower(), candidate)
    likely = list(by_folded)
    if len(likely) > _COMPARED:
        letters = Counter(word.lower())
        likely.sort(key=lambda other: _unlikeness(letters, other))
    found = get_close_matches(word.lower(), likely[:_COMPARED], n=1, cutoff=_CUTOFF)
    return by_folded[found[0]] if found else None


def _unlikeness(letters: Counter[str], other: str) -> int:
    """How many letters one of two words has and the other lacks."""
    theirs = Counter(other)
    return (letters - theirs).total() + (theirs - letters).total()
