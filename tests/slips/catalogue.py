"""Catalogues of slips: Markdown files in which each section is an edit of `model.nnm`, the message, and its fix.

A section is a heading and the slip as a diff, whose lines without sign are context. What follows, the messages and what
their fix does to the model, is written by `pytest tests/slips --update-transcripts`.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from nnmip.diagnostics import Diagnostic, Severity
from nnmip.diagnostics.edit import apply_edits
from nnmip.diagnostics.render import render_text
from nnmip.pipeline import Model
from nnmip.source import SourceFile

FOLDER = Path(__file__).parent
GOOD = (FOLDER / "model.nnm").read_text(encoding="utf-8")
CATALOGUES = sorted(FOLDER.glob("*.md"))
_SECTION = re.compile(r"^## (.+)\n\n```diff\n((?:[ +-].*\n)+)```\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Slip:
    """`diff` is the slip as lines that start with a blank, `-` or `+`; `source` is the model with it."""

    title: str
    diff: str
    source: SourceFile

    def found(self) -> tuple[Diagnostic, ...]:
        return check(self.source)


def slips(catalogue: Path) -> list[Slip]:
    """The slips of a catalogue."""
    return [_slip(title, diff) for title, diff in _SECTION.findall(catalogue.read_text(encoding="utf-8"))]


def _slip(title: str, diff: str) -> Slip:
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    assert GOOD.count(old) == 1, f"{title}: its lines stand in the model {GOOD.count(old)} times"
    return Slip(title, diff, SourceFile("model.nnm", GOOD.replace(old, new)))


def check(source: SourceFile) -> tuple[Diagnostic, ...]:
    """What is wrong with a model in this folder."""
    return Model(source, FOLDER).check()


def errors(found: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    return [diagnostic for diagnostic in found if diagnostic.severity is Severity.ERROR]


def fixed(slip: Slip) -> SourceFile:
    """The model with every edit that the messages propose."""
    edits = [edit for diagnostic in errors(slip.found()) for edit in diagnostic.edits]
    return SourceFile(slip.source.path, apply_edits(slip.source, edits))


def transcript(catalogue: Path) -> str:
    """The whole text of a catalogue as it should be."""
    head = catalogue.read_text(encoding="utf-8").split("\n## ", 1)[0].rstrip("\n")
    parts = [head, *(_section(slip) for slip in slips(catalogue))]
    return "\n\n".join(parts) + "\n"


def _section(slip: Slip) -> str:
    shown_messages = render_text(slip.found()).replace(f"{FOLDER}{os.sep}", "")
    before, after = (text.splitlines() for text in (slip.source.text, fixed(slip).text))
    changes = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    shown = "\n".join(line for line in changes if not line.startswith("@@"))
    fix = f"The fix:\n\n```diff\n{shown}\n```" if shown else "There is no fix that only the text tells."
    return f"## {slip.title}\n\n```diff\n{slip.diff}```\n\n```text\n{shown_messages}\n```\n\n{fix}"
