"""Did you mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

_CUTOFF = 0.7
"""Share of letters in common below which a proposal would rather mislead."""

_BEGINNING, _CUTOFF_BEHIND = 3, 0.6
"""Words that begin with so many letters alike need fewer in common: slips are seldom made at the beginning."""

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
    shares = [(_share(word.lower(), other), other) for other in likely[:_COMPARED]]
    share, found = max(shares, default=(-1.0, ""))
    return by_folded[found] if share >= 0 else None


def _share(word: str, other: str) -> float:
    """The share of letters in common, below 0 where that is too little for a proposal."""
    from difflib import SequenceMatcher

    share = SequenceMatcher(None, other, word).ratio()
    begins_alike = word[:_BEGINNING] == other[:_BEGINNING]
    return share if share >= (_CUTOFF_BEHIND if begins_alike else _CUTOFF) else -1.0


def _unlikeness(letters: Counter[str], other: str) -> int:
    """How many letters one of two words has and the other lacks."""
    theirs = Counter(other)
    return (letters - theirs).total() + (theirs - letters).total()
