"""What differs between two texts, line by line, in time that grows with their length alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher

_SECTION = 100
"""Lines that are compared all with all; longer texts are cut where a line stands in both."""


def unified(before: Sequence[str], after: Sequence[str], path: str) -> Iterator[str]:
    """The lines of a unified difference, as `diff -u` prints it; none where the texts are equal."""
    for number, group in enumerate(_Sections(before, after).get_grouped_opcodes()):
        if not number:
            yield from (f"--- {path}\n", f"+++ {path}\n")
        (_, start, _, new_start, _), (_, _, stop, _, new_stop) = group[0], group[-1]
        yield f"@@ -{_range(start, stop)} +{_range(new_start, new_stop)} @@\n"
        for tag, first, last, new_first, new_last in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[first:last])
            else:
                yield from (f"-{line}" for line in before[first:last])
                yield from (f"+{line}" for line in after[new_first:new_last])


class _Sections(SequenceMatcher[str]):
    """Compares texts section by section: all at once takes quadratic time where every other line has changed."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after)
        self._before, self._after = before, after

    def get_matching_blocks(self) -> list[Match]:
        found: list[Match] = []
        start = new_start = 0
        for stop, new_stop in _cuts(self._before, self._after):
            part, new_part = self._before[start:stop], self._after[new_start:new_stop]
            blocks = SequenceMatcher(None, part, new_part).get_matching_blocks()[:-1]
            found.extend(Match(start + block.a, new_start + block.b, block.size) for block in blocks)
            start, new_start = stop, new_stop
        return [*found, Match(len(self._before), len(self._after), 0)]


def _cuts(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the sections of both texts end: before a line that both have equally often, and at the ends."""
    counts, new_counts = Counter(before), Counter(after)
    places: dict[str, list[int]] = defaultdict(list)
    for place, line in enumerate(after):
        places[line].append(place)
    seen: Counter[str] = Counter()
    start = new_start = 0
    for place, line in enumerate(before):
        if counts[line] == new_counts[line]:
            new_place = places[line][seen[line]]
            seen[line] += 1
            if place - start >= _SECTION and new_place > new_start:
                yield place, new_place
                start, new_start = place, new_place
    yield len(before), len(after)


def _range(start: int, stop: int) -> str:
    """A range of lines as differences write it: the first line from 1, and how many, unless it is one."""
    length = stop - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"
