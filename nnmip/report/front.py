"""Fronts as text for people."""

from __future__ import annotations

from nnmip.backends.protocol import Termination
from nnmip.report.numbers import number
from nnmip.report.text import ENDINGS, PROOFS, conflict_lines, no_network
from nnmip.solution.front import Axis, Front, FrontPoint

WIDEST = 44
"""Characters of a goal's text in the head of the table."""


def front_headline(front: Front) -> str:
    """The answer in one line."""
    solver = f"{front.solver} {front.solver_version}".strip()
    count = f"{len(front)} point{'' if len(front) == 1 else 's'}"
    of = f" among {front.among}" if front.among else ""
    if front.is_exact:
        return f"the exact front{of}, {count}, proved with {solver}"
    if front.is_complete:
        return f"the front to a step of {number(front.resolution)}{of}, {count}, proved with {solver}"
    ending = ENDINGS[front.termination]
    if front.termination is Termination.INFEASIBLE:
        return f"infeasible: {no_network(front.among, front.conflict)}, proved with {solver}"
    if not front.points:
        return f"no point of the front: {ending} ({solver})"
    return f"a part of the front{of}, {count} proved: {ending} ({solver})"


def render_front(front: Front) -> str:
    """The whole report, ending in a line break."""
    lines = [f"{front.model}: {front_headline(front)}", ""]
    axes = (("term", front.term), ("rest", front.rest))
    lines += [f"  {name}      {axis.sense} {axis.label}" for name, axis in axes]
    if front.points:
        lines += ["", *(f"  {line}" for line in _table(front)), ""]
    if front.is_complete:
        lines.append(f"  complete  {_claim(front)}")
    elif front.undecided is not None:
        lines += [f"  open      {front_open(front)}", *_known_lines(front)]
    if front.conflict is not None:
        lines += conflict_lines(front.conflict)
    lines.append(f"  proof     {PROOFS[front.proof]}")
    if front.points:
        worst = max(point.result.replay.max_violation for point in front.points if point.result.replay is not None)
        lines.append(f"  replay    passed for every point, largest violation {worst:.1g}")
    lines.append(f"  time      {front.seconds:.2f} s")
    lines += [f"  note      {note}" for note in (*front.notes, front.message) if note]
    return "\n".join(lines) + "\n"


def _table(front: Front) -> list[str]:
    """The points, a line for each, under the names of the goals."""
    shares = dict.fromkeys(name for point in front.points for name in point.accuracies)
    folders = any(point.folder for point in front.points)
    head = ["point", _short(front.term.label), _short(front.rest.label), *shares, *(["folder"] if folders else [])]
    rows = [_cells(point, list(shares), folders) for point in front.points]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _cells(point: FrontPoint, shares: list[str], folders: bool) -> list[str]:
    found = point.accuracies
    right = [f"{100 * found[name]:.1f} %" if name in found else "" for name in shares]
    return [
        str(point.number),
        number(point.term),
        number(point.rest),
        *right,
        *([point.folder or ""] if folders else []),
    ]


def _claim(front: Front) -> str:
    """What holds of every network, and up to what."""
    which = f"each of {front.among}" if front.among else "every network"
    both = f"{which} is matched or beaten in both by one of these"
    slack = _slack(front.other_axis)
    if front.resolution == 0:
        return both + slack
    return f"{both}, up to {number(front.resolution)} in {_short(front.limited_axis.label)}{slack}"


def _slack(axis: Axis) -> str:
    """How far values without a grid are taken for equal."""
    return "" if axis.step is not None else f"; less than 1e-7 in {_short(axis.label)} counts as equal"


def front_open(front: Front) -> str:
    """The part of the front that is not decided, and what is known about it."""
    part, axis, other = front.undecided, front.limited_axis, front.other_axis
    assert part is not None
    if part.limit is None:
        return "nothing of the front is decided"
    text = f"networks with {_short(axis.label)} {axis.better} {number(part.limit)}"
    if part.beyond is not None:
        worse = "above" if axis.sense == "minimize" else "below"
        text += f" and {worse} {number(part.beyond)}, the best there is,"
    text += " are not decided"
    if part.bound is not None:
        far = ">=" if other.sense == "minimize" else "<="
        text += f"; proved for them: {_short(other.label)} {far} {number(part.bound)}"
    return text


def _known_lines(front: Front) -> list[str]:
    """The best network that is known in the part that is not decided."""
    part = front.undecided
    assert part is not None
    if part.best is None or len(part.best.stages) < 2:
        return []
    values = dict(zip((front.other_axis, front.limited_axis), part.best.stages, strict=False))
    shown = ", ".join(f"{_short(a.label)} {number(s.objective)}" for a, s in values.items() if s.objective is not None)
    place = f" (in {part.folder})" if part.folder else ""
    return [f"            known there, not proved: {shown}{place}"]


def _short(label: str) -> str:
    return label if len(label) <= WIDEST else label[: WIDEST - 3] + "..."
