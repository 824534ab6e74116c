"""CBC's printed progress, the only sign of life that it gives while it runs.

Numbers are printed with six significant digits, so a bound is moved outwards by one unit of the last of them before
it is believed. Only what CBC itself calls a bound of the search is read, not the objectives of cut passes.
"""

from __future__ import annotations

import math
import re

from nnmip.backends.protocol import Progress

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NODE_ROW = re.compile(
    rf"^\s*(?:★\s+)?(?P<nodes>[\d.]+[KMG]?)\s+[\d.]+[KMG]?\s+\d+\s+(?P<best>{_NUMBER}|—)\s+(?:[A-Za-z].*?\s+)?"
    rf"(?P<bound>{_NUMBER})\s+(?:[\d.]+%|—|inf)\s+(?P<seconds>{_NUMBER})\s*$"
)
_SOLUTION_ROW = re.compile(rf"^\s*★.*?solution\s+(?P<best>{_NUMBER})\s+(?P<seconds>{_NUMBER})\s*$")
_UNITS = {"K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_SIGNIFICANT_DIGITS = 6


def read_progress(line: str) -> Progress | None:
    """What one printed line says about the search, or None if it says nothing. Values are CBC's objective."""
    if (row := _NODE_ROW.match(line)) is not None:
        best = None if row["best"] == "—" else float(row["best"])
        return Progress("search", float(row["seconds"]), best, outward(float(row["bound"])), _count(row["nodes"]))
    if (row := _SOLUTION_ROW.match(line)) is not None:
        return Progress("heuristics", float(row["seconds"]), float(row["best"]))
    return None


def outward(printed: float) -> float:
    """A lower bound on every number that is printed as `printed`."""
    if printed == 0 or not math.isfinite(printed):
        return printed
    unit = 10.0 ** (math.floor(math.log10(abs(printed))) + 1 - _SIGNIFICANT_DIGITS)
    return printed - unit


def _count(text: str) -> int:
    unit = _UNITS.get(text[-1])
    return int(float(text[:-1]) * unit) if unit else int(float(text))
