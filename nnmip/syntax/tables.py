"""The tables that drive the lexer and the parser: Lark makes them of the grammar, a file keeps them for the next start.

The file is JSON: reading it runs no code, and one that was written for another grammar is passed over. What is kept
saves a second in each process, and importing Lark, which takes longer than reading a usual model.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnmip.records import dataclass

UNREAD = "mistakes"
"""The start that makes Lark keep the tokens that no sentence has; nothing is read as it."""

STARTS = ("file", "items", UNREAD)

END = "$END"
"""The kind of the end of the text."""

_FORMAT = 1
"""Counts the forms of the kept file."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the grammar as the parser applies it: `size` symbols become one of kind `origin`.

    method: the builder's method that makes the node; empty where the only child stands for the rule, as in `?rule`,
    or where the children join those of the rule around, as in `_rule`.
    shape: the children in the order of the rule, None for an absent optional part, `~n` where child n is a `_rule`,
    whose children it becomes; empty where the children are just the symbols.
    """

    origin: str
    size: int
    method: str
    shape: tuple[int | None, ...]

    @property
    def is_inlined(self) -> bool:
        """Whether its children join those of the rule around it."""
        return self.origin.startswith("_")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the grammar says, ready to run.

    pattern: the regular expression of all tokens, a group for each kind; what stands between is skipped.
    words: the kinds of those names that are keywords. ignored: the kinds of token that the parser does not see.
    spellings: the text of each keyword and sign by its kind.
    actions: for each state and kind of token the next state, or `~n` where rule n is complete; for each kind of rule
    the state behind it. Nothing leads to state 0; the end of a whole text leads from its last state to that itself.
    starts: the first state for each of STARTS.
    """

    pattern: str
    words: dict[str, str]
    ignored: tuple[str, ...]
    spellings: dict[str, str]
    actions: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    starts: dict[str, int]


def load_tables(text: str) -> Tables:
    """The tables of a grammar, from the user's cache folder where they are there, else made and kept there."""
    file = _kept_file(text)
    tables = _read(file, text) if file is not None else None
    if tables is None:
        from nnmip.syntax.compile_grammar import compile_grammar

        tables = compile_grammar(text)
        if file is not None:
            _write(file, text, tables)
    return tables


def _kept_file(text: str) -> Path | None:
    """Where the tables of this grammar are kept; None where the user has no folder for it."""
    from platformdirs import user_cache_path

    try:
        return user_cache_path("nnmip") / f"grammar-{_FORMAT}-{zlib.crc32(text.encode()):08x}.json"
    except RuntimeError:
        return None


def _read(file: Path, text: str) -> Tables | None:
    """The tables in a file; None where it is missing, damaged or of another grammar."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return _from_json(found["tables"]) if found["grammar"] == text else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _from_json(found: dict[str, Any]) -> Tables:
    rules = tuple(Rule(origin, size, method, tuple(shape)) for origin, size, method, shape in found.pop("rules"))
    return Tables(rules=rules, ignored=tuple(found.pop("ignored")), actions=tuple(found.pop("actions")), **found)


def _write(file: Path, text: str, tables: Tables) -> None:
    """Keep the tables, so that another process reads all of them or none; nothing where that cannot be."""
    import os

    rules = [list(asdict(rule).values()) for rule in tables.rules]
    content = {"grammar": text, "tables": {**asdict(tables), "rules": rules}}
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
        unfinished.replace(file)
    except OSError:
        return
