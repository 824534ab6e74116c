"""The version line."""

from __future__ import annotations

from nnmip.diagnostics import Diagnostic
from nnmip.diagnostics.edit import insert_before, substitute
from nnmip.source import Span
from nnmip.syntax import nodes

VERSIONS = ("0.1",)
"""Language versions that this parser reads, newest last."""

HEADER_HELP = f"the first line is `nnm {VERSIONS[-1]}`"


def check_header(header: nodes.Header | None, start: Span) -> tuple[Diagnostic, ...]:
    """NNM0102 for a version line that is missing or names an unknown version; `start` is where the text begins."""
    if header is None:
        line = insert_before(Span(start.file, 0, 0), f"nnm {VERSIONS[-1]}\n\n")
        return (Diagnostic("NNM0102", "the version line is missing", start, help=HEADER_HELP, fix=line),)
    if header.version not in VERSIONS:
        known = ", ".join(VERSIONS)
        message = f"version {header.version} of the language is not known"
        fix = substitute(header.span, f"nnm {VERSIONS[-1]}")
        return (Diagnostic("NNM0102", message, header.span, help=f"this nnmip reads: {known}", fix=fix),)
    return ()


def unreadable_header(span: Span) -> Diagnostic:
    """NNM0102 for a first line that looks like a version line but is none."""
    fix = substitute(span, f"nnm {VERSIONS[-1]}")
    return Diagnostic("NNM0102", "the version line cannot be read", span, help=HEADER_HELP, fix=fix)
