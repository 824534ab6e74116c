"""Did you mean."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.7
"""Share of letters in common below which a proposal would rather mislead."""


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` is most likely a slip for, or None; differences in case count as slips."""
    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.lower(), candidate)
    found = get_close_matches(word.lower(), by_folded, n=1, cutoff=_CUTOFF)
    return by_folded[found[0]] if found else None
