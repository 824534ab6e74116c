"""A picture of a front (the extra `nnmip[plot]`): the points, the steps between them, and what is not decided."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from nnmip.formats.atomic import atomic_file
from nnmip.solution.front import Front

SUFFIXES = (".svg", ".png", ".pdf")
DARK, LIGHT = "#1b4f72", "#9fb8c8"


def check_picture(path: str | Path) -> None:
    """ValueError for a suffix that no picture has, ImportError with a command where matplotlib is missing."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"`{path}` is not the name of a picture: it must end in {', '.join(SUFFIXES[:-1])} or .pdf")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("pictures need the package matplotlib; install it with  pip install 'nnmip[plot]'") from None


def draw(front: Front, path: str | Path) -> None:
    """Draw a front into a file; see `Front.plot`. The bytes of an SVG depend on the front alone."""
    check_picture(path)
    if not front.points:
        raise ValueError("the front has no point to draw")
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A figure of its own, without pyplot: no window, and nothing of the caller's matplotlib is touched.
    with matplotlib.rc_context({"svg.hashsalt": "nnmip", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        _fill(figure.add_subplot(), front)
        suffix = Path(path).suffix.lower()
        stream = io.BytesIO()
        undated: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
        figure.savefig(stream, format=suffix[1:], dpi=150, metadata=undated)
    with atomic_file(Path(path)) as out:
        out.write(stream.getvalue())


def _fill(axes: Any, front: Front) -> None:
    """The points, joined by the border of what they dominate."""
    across, up = [p.term for p in front.points], [p.rest for p in front.points]
    if len(front) > 1:
        # Between two points a network can at best match one of them: the border goes through their worse corner.
        turn = "steps-post" if (across[-1] > across[0]) == (front.term.sense == "minimize") else "steps-pre"
        axes.plot(across, up, drawstyle=turn, color=LIGHT, linewidth=1.2, zorder=1)
    axes.plot(across, up, linestyle="none", marker="o", markersize=6, color=DARK, zorder=2, label="proved")
    part = front.undecided
    best = part.best.stages if part is not None and part.best is not None else ()
    values = [stage.objective for stage in best[:2]]
    if len(values) == 2 and None not in values:
        chosen, limited = values
        term, rest = (limited, chosen) if front.limited == "term" else (chosen, limited)
        axes.plot([term], [rest], linestyle="none", marker="o", markerfacecolor="none", color=DARK, label="not proved")
        axes.legend(frameon=False)
    axes.set_xlabel(_named(front.term.label, front.term.sense))
    axes.set_ylabel(_named(front.rest.label, front.rest.sense))
    kind = "exact front" if front.is_exact else "front" if front.is_complete else "part of the front"
    axes.set_title(f"{Path(front.model).name}: {kind}, {len(front)} point{'' if len(front) == 1 else 's'}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _named(label: str, sense: str) -> str:
    """A goal as the name of an axis; `$` would start a formula."""
    shown = label if len(label) <= 60 else label[:57] + "..."
    return f"{shown} ({'smaller' if sense == 'minimize' else 'greater'} is better)".replace("$", r"\$")
