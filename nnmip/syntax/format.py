"""The one canonical form of a text, and the text of a tree."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from nnmip.diagnostics import DiagnosticError
from nnmip.sizes import TOKEN, UNASKED, Allowance
from nnmip.source import SourceFile
from nnmip.syntax import nodes
from nnmip.syntax.collector import collector_paused
from nnmip.syntax.compare import same_tree
from nnmip.syntax.grammar import load_grammar
from nnmip.syntax.layout import WIDTH, Break, Doc, Text, flat_width, lay_out, leaves, texts
from nnmip.syntax.parser import parse
from nnmip.syntax.printer import PRINTERS, Entry, Printer
from nnmip.syntax.remarks import attach_comments

_TIMES = 2
"""How much longer a token takes here than in `parse`: it is read, laid out, read again and compared."""

_WIDEST_PAD = 16
"""Neighbours whose names differ by more columns than this are not aligned."""


def format_source(source: SourceFile, allowance: Allowance = UNASKED) -> str:
    """The text of `source` in the canonical form, with every comment in its place.

    Raises DiagnosticError where the text has syntax errors or is too large: nothing is known of what is not read.
    """
    with collector_paused():
        parsed = parse(source, allowance, each=_TIMES * TOKEN)
        if parsed.diagnostics:
            raise DiagnosticError(parsed.diagnostics)
        text = unparse(parsed.file)
        again = parse(SourceFile(source.path, text), Allowance(2 * _TIMES * allowance.size))
        if again.diagnostics or not same_tree(parsed.file, again.file):
            raise AssertionError("the formatted text does not say the same")
        return text


def unparse(tree: Any) -> str:
    """The canonical text of a syntax node: a whole file with its comments, a declaration, or any part of one.

    The text of a file or declaration ends with a line end, that of a part does not. Reading the text gives the same
    tree, up to spans and to parentheses that the tree lacks. A number or quoted text is written as in the source of
    its span where it still has that value, so trees may be put together from old and new nodes. Raises TypeError for
    what is no syntax node, and ValueError for a number that cannot be written.
    """
    if type(tree) not in PRINTERS:
        raise TypeError(f"{type(tree).__name__} is not a syntax node that can be written")
    printer = Printer()
    doc: Doc = printer.node(tree)
    if isinstance(tree, nodes.File):
        doc = (doc, Break(keeps_blank=True), Text(""))
        _take_comments(doc, tree)
    for entries in printer.lists:
        _align(entries)
    text = lay_out(doc)
    return text if isinstance(tree, nodes.File | nodes.Declaration | nodes.Layer) else text.removesuffix("\n")


def _take_comments(doc: Doc, file: nodes.File) -> None:
    grammar = load_grammar()
    with grammar.lock:
        grammar.builder.start(file.source)
        tokens = grammar.lex(file.source.text)
    attach_comments(list(texts(doc)), tokens, file.comments, file.source.text)


def _align(entries: list[Entry]) -> None:
    """Pad the names of neighbouring lines of one kind, so that what follows them starts in one column."""
    widths = [None if entry.pad is None else flat_width(entry.doc) for entry in entries]
    blocks: list[int] = []
    for number, entry in enumerate(entries):
        is_next = number > 0 and widths[number - 1] is not None and widths[number] is not None
        is_next = is_next and entry.kind is entries[number - 1].kind and not _stands_apart(entry)
        blocks.append(blocks[-1] + (not is_next) if blocks else 0)
    for _, group in groupby(range(len(entries)), key=blocks.__getitem__):
        numbers = list(group)
        heads = [_head_width(entries[number]) for number in numbers]
        widest = max(heads)
        pads = [widest - head for head in heads]
        if max(pads) > _WIDEST_PAD or len(numbers) == 1:
            continue
        if any((widths[number] or 0) + pad > WIDTH for number, pad in zip(numbers, pads, strict=True)):
            continue
        for number, width in zip(numbers, pads, strict=True):
            pad = entries[number].pad
            assert pad is not None
            pad.width = width


def _stands_apart(entry: Entry) -> bool:
    """Whether an empty line or a comment separates an entry from the one before."""
    first = next(texts(entry.doc))
    return first.blank or bool(first.before)


def _head_width(entry: Entry) -> int:
    """The columns up to the pad of an entry that has one."""
    head: Doc = ()
    for leaf in leaves(entry.doc):
        if leaf is entry.pad:
            break
        head = (head, leaf)
    return flat_width(head) or 0
