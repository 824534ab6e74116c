"""Diagnostics as SARIF 2.1.0, the format that code hosts and editors show as annotations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.model import Diagnostic
from nnmip.source import Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(diagnostics: Iterable[Diagnostic], version: str) -> dict[str, Any]:
    """One run of nnmip `version`, with a rule for each code that occurs and a result for each diagnostic."""
    found = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    rules = [{"id": code, "shortDescription": {"text": TITLES[code]}} for code in codes]
    run = {
        "tool": {"driver": {"name": "nnmip", "version": version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    parts = (diagnostic.message, *(f"{kind}: {text}" for kind, text in _extras(diagnostic) if text))
    fixes = {"fixes": [_fix(diagnostic)]} if diagnostic.edits else {}
    return {
        **fixes,
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": "\n".join(parts)},
        "locations": [_location(diagnostic.span)],
        "relatedLocations": [
            {"id": number, **_location(label.span), "message": {"text": label.text}}
            for number, label in enumerate(diagnostic.secondary)
        ],
    }


def _extras(diagnostic: Diagnostic) -> tuple[tuple[str, str], ...]:
    return ("help", diagnostic.help), ("note", diagnostic.note)


def _fix(diagnostic: Diagnostic) -> dict[str, Any]:
    """What the help proposes, with the changes of each file."""
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in diagnostic.edits:
        change = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        changes.setdefault(_uri(edit.span.file.path), []).append(change)
    return {
        "description": {"text": diagnostic.help or diagnostic.message},
        "artifactChanges": [
            {"artifactLocation": {"uri": uri}, "replacements": replacements} for uri, replacements in changes.items()
        ],
    }


def _location(span: Span) -> dict[str, Any]:
    where = {"artifactLocation": {"uri": _uri(span.file.path)}, "region": _region(span)}
    return {"physicalLocation": where}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _uri(path: str) -> str:
    """A relative path stays relative, so that whoever reads the file can place it."""
    return Path(path).as_uri() if PurePath(path).is_absolute() else quote(PurePath(path).as_posix(), errors="replace")
