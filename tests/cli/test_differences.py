from __future__ import annotations

import difflib
import random
import time

import pytest

from nnmip.cli.differences import unified


def applied(before: list[str], lines: list[str]) -> list[str]:
    """The text that a difference makes of `before`."""
    found: list[str] = []
    at = 0
    for line in lines[2:]:
        if line.startswith("@@"):
            start, _, length = line.split(" ")[1][1:].partition(",")
            first = int(start) - (length != "0")
            found += before[at:first]
            at = first
        elif line[0] == "+":
            found.append(line[1:])
        else:
            assert before[at] == line[1:]
            found += [before[at]] * (line[0] == " ")
            at += 1
    return found + before[at:]


@pytest.mark.parametrize("seed", range(40))
def test_a_difference_says_what_to_change(seed: int) -> None:
    chance = random.Random(seed)
    before = [f"{chance.randrange(chance.choice((5, 10**6)))}\n" for _ in range(chance.randrange(600))]
    after = [line for line in before if chance.random() > 0.1]
    for _ in range(chance.randrange(30)):
        after.insert(chance.randint(0, len(after)), f"{chance.randrange(9)}\n")
    assert applied(before, list(unified(before, after, "m"))) == after


@pytest.mark.parametrize("count", [0, 1, 50, 99])
def test_short_texts_have_the_usual_difference(count: int) -> None:
    before = [f"let a{k}  = {k % 7}\n" for k in range(count)]
    after = [line.replace("  ", " ") if k % 5 == 0 else line for k, line in enumerate(before)]
    assert list(unified(before, after, "m")) == list(difflib.unified_diff(before, after, "m", "m"))


@pytest.mark.parametrize("times", [1, 2])
def test_every_other_line_of_a_long_text(times: int) -> None:
    before = [line for k in range(6000) for line in (f"let a{k // times} = 1\n", f"let  b{k} = 1\n")]
    after = [line.replace("  ", " ") for line in before]
    began = time.process_time()
    assert sum(line.startswith("+let b") for line in unified(before, after, "m")) == 6000
    assert time.process_time() - began < 2
