"""For tools that read and write models: text to syntax tree and back."""

from __future__ import annotations

from nnmip.sizes import Allowance
from nnmip.source import SourceFile
from nnmip.syntax import format, nodes, parser
from nnmip.syntax.format import format_source
from nnmip.syntax.parser import ParseResult
from nnmip.syntax.read import check_text
from nnmip.syntax.walk import dump, walk

__all__ = ["dump", "format_text", "parse", "unparse", "walk"]


def parse(text: str, path: str = "<text>", allow_size: int | str | None = None) -> ParseResult:
    """The syntax tree of a model's text: `file` with spans and comments, `diagnostics`, and `broken` names.

    Only the text is read: no data, no included file, no name is looked up. Never raises on what the text says: what
    cannot be read is a diagnostic with its place, and the declarations around it are still there. `path` is the name
    that diagnostics give the text. The nodes of the tree are the dataclasses of `nnmip.syntax.nodes`.
    A text that is too large (NNM0310) is not read unless `allow_size` has room for it: a number of bytes, or `4GB`.
    Raises TypeError for a text that is no `str`.
    """
    check_text(text)
    return parser.parse(SourceFile(path, text), Allowance.of(allow_size))


def unparse(tree: ParseResult | nodes.File | nodes.Node) -> str:
    """The canonical text of what `parse` gives, of a file with its comments, of a declaration, or of any part of one.

    Reading the text gives the same tree, up to spans and to parentheses that the tree lacks. A number or quoted text is
    written as in the source of its span where it still has that value, so trees may be put together from old and new
    nodes. Raises TypeError for what is no syntax node, and ValueError for a number that cannot be written.
    """
    return format.unparse(tree.file if isinstance(tree, ParseResult) else tree)


def format_text(text: str, path: str = "<text>") -> str:
    """The text in its canonical form, as `nnmip fmt` writes it, with all its comments.

    Raises DiagnosticError where it has syntax errors. `path` is the name that these give the text.
    """
    check_text(text)
    return format_source(SourceFile(path, text))
