"""The version line."""

from __future__ import annotations

from nnmip.diagnostics import Diagnostic
from nnmip.source import Span
from nnmip.syntax import nodes

VERSIONS = ("0.1",)
"""Language versions that this parser reads, newest last."""

HEADER_HELP = f"the first line is `nnm {VERSIONS[-1]}`"


def check_header(header: nodes.Header | None, start: Span) -> tuple[Diagnostic, ...]:
    """NNM0102 for a version line that is missing or names an unknown version; `start` is where the text begins."""
    if header is None:
        return (Diagnostic("NNM0102", "the version line is missing", start, help=HEADER_HELP),)
    if header.version not in VERSIONS:
        known = ", ".join(VERSIONS)
        message = f"version {header.version} of the language is not known"
        return (Diagnostic("NNM0102", message, header.span, help=f"this nnmip reads: {known}"),)
    return ()


def unreadable_header(span: Span) -> Diagnostic:
    """NNM0102 for a first line that looks like a version line but is none."""
    return Diagnostic("NNM0102", "the version line cannot be read", span, help=HEADER_HELP)
