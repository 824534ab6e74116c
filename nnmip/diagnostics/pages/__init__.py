"""A page for every diagnostic code: what it says, why, an example, and the example mended."""

from __future__ import annotations

from pathlib import Path

from nnmip.diagnostics.codes import TITLES


def page(code: str) -> str | None:
    """The Markdown text of the page of `code`; None where there is no such code."""
    if code not in TITLES:
        return None
    return (Path(__file__).parent / f"{code}.md").read_text(encoding="utf-8")
