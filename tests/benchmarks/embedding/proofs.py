"""Whether a proof of CBC holds: the same file again, told of a value that is worse than its answer.

CBC, told to look for nothing worse than some value, uses that value in fixings and cuts as it uses the value of a
solution that it has. Where that value is worse than the answer, the answer is still among what is looked for, and must
be found again. If CBC says that there is nothing, a cut or a fixing has removed the answer: the first run, in which a
heuristic had found it before the cuts came, proved nothing, although its answer may be right. Heuristics are off,
because they can find the answer before it is removed.

So it is with OMLT's file of `digits_50x2 0.05 p0 y3`, in every order of its rows that was tried: with its coefficients
below 1e-9, Gomory and two-step MIR cuts and probing together remove the answer in the fourth pass, and lift the bound
from 2.58 to 2.95 where 2.66 can be reached (a minimisation). That ends the run in a third of the seconds which it takes
without these coefficients, or without one of the three.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cbcbox

from tests.benchmarks.embedding.process import used

WORSE = (1e-3, 1e-2, 3e-2)
"""By how much the values are worse than the answer, relative to a size above 1."""
SAME = 1e-6
LIMITS = ("-ratioGap", "1e-7", "-allowableGap", "1e-9", "-increment", "1e-9", "-timeMode", "cpu")


def answers_below(path: Path, answer: float, seconds: float) -> Iterator[float | None]:
    """What CBC finds of the minimisation in a file, told of values above its answer; None for nothing."""
    for part in WORSE:
        value = answer + part * max(1.0, abs(answer))
        told = ("-sec", str(seconds), "-cutoff", repr(value), "-heuristicsOnOff", "off")
        _, text = used([cbcbox.cbc_bin_path(), path, *LIMITS, *told, "-solve"])
        found = re.search(r"^Objective value:\s+(\S+)", text, re.MULTILINE)
        is_cut_off = re.search(r"^Result - Stopped", text, re.MULTILINE) is not None
        if not is_cut_off:
            yield None if found is None or re.search(r"^Result - .*infeasible", text, re.MULTILINE) else float(found[1])


def holds(path: Path, answer: float, seconds: float) -> bool:
    """Whether all these find the answer; those that reach the limit say nothing."""
    found = answers_below(path, answer, seconds)
    return all(value is not None and value <= answer + SAME * max(1.0, abs(answer)) for value in found)
