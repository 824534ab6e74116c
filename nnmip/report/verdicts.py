"""Verdicts in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from nnmip.report.numbers import MOST_DIGITS, number
from nnmip.verification.counterexamples import Broken
from nnmip.verification.verdict import Answer, Step, Verdict

_MOST_NUMBERS = 12
NOT = {"<=": ">", ">=": "<", "=": "!=", "!=": "="}


def render_verdict(verdict: Verdict, explain: bool = False) -> str:
    """A line with the answer, and what belongs to it below."""
    lines = [f"{verdict.name}: {verdict.answer}, {_how(verdict)}, {verdict.seconds:.2f} s"]
    if verdict.sentence and not verdict.of:
        lines.append(f"  {verdict.sentence}")
    for name, array in verdict.counterexample.items():
        lines.append(f"  {name} = {_numbers(array)}")
    lines += [f"  broken: {_broken(each)}" for each in verdict.broken]
    lines += [f"  note: {note}" for note in verdict.notes]
    if explain:
        lines += [_step(step) for step in verdict.steps]
    return "\n".join(lines) + "\n"


def render_members(verdicts: Sequence[Verdict], total: int) -> str:
    """What the properties of the members of one declaration come to, of so many members."""
    first, counts = verdicts[0], Counter(str(verdict.answer) for verdict in verdicts)
    lines = [f"{first.of}: {tally(counts, total)}"]
    if first.sentence:
        lines.append(f"  {first.sentence}")
    return "\n".join(lines) + "\n"


def tally(counts: Counter[str], total: int, what: str = "") -> str:
    """How many of so many have which verdict, and the share that is verified."""
    shown = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    share = f"; verified {100 * counts['verified'] / total:.1f} %" if counts["verified"] else ""
    return f"{shown or 'none decided'} of {total}{what}{share}"


def _step(step: Step) -> str:
    """A step with its CPU seconds, the boxes that it bounded, and the bound that it came to."""
    known = [] if step.boxes is None else [f"{step.boxes} boxes"]
    known += [] if step.bound is None else [f"bound {step.bound:.6g}"]
    return f"  {step.name:<10} {step.seconds:6.2f} s  {'; '.join([*known, step.said] if step.said else known)}"


def _how(verdict: Verdict) -> str:
    match verdict.answer:
        case Answer.VERIFIED:
            margin = "" if verdict.margin is None else f", holds by at least {verdict.margin:.6g}"
            return f"by {verdict.by} ({verdict.proof}){margin}"
        case Answer.VIOLATED:
            return f"found by {verdict.by} and replayed"
        case Answer.UNKNOWN:
            return verdict.reason or "open"


def _broken(broken: Broken) -> str:
    left, right = number(broken.left), number(broken.right)
    if left == right:
        left, right = number(broken.left, MOST_DIGITS), number(broken.right, MOST_DIGITS)
    where = "" if broken.entry is None else f" in entry {broken.entry}"
    return f"{broken.text}{where}, for {left} {NOT[broken.op]} {right}"


def _numbers(array: np.ndarray) -> str:
    flat = [f"{value:.6g}" for value in array.reshape(-1)[:_MOST_NUMBERS]]
    if array.size > _MOST_NUMBERS:
        flat.append(f"... {array.size} in all")
    return ", ".join(flat) if array.shape == () else f"[{', '.join(flat)}]"
