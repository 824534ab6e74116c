"""Documentation comments, and what each of them documents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from nnmip.source import GOAL
from nnmip.syntax import nodes

FILE = ""
"""The path of the file itself."""


def documentation(file: nodes.File) -> dict[str, str]:
    """The text of the `##` comments of a file by the path of what they document, such as `clf` or `clf.h`.

    The comments on lines of their own in front of a declaration or layer are its documentation; an empty line between
    them separates paragraphs. The first of them in the file, where an empty line or the version line follows, document
    the file itself.
    """
    found: dict[str, str] = {}
    starts = [comment.span.start for comment in file.comments]
    is_first = True
    if file.header is not None:
        found.update(_entry(FILE, _paragraphs(file, starts, file.header.span.start)))
    for path, start in _places(file):
        paragraphs = _paragraphs(file, starts, start)
        if is_first and FILE not in found and paragraphs and paragraphs[0][1]:
            found.update(_entry(FILE, paragraphs[:1]))
            del paragraphs[0]
        found.update(_entry(path, paragraphs))
        is_first = False
    return found


def declared_path(declaration: nodes.Declaration) -> str:
    """The path of a declaration: its name, or `goal`; empty for an include."""
    name: nodes.Name | None = getattr(declaration, "name", None)
    if name is not None:
        return name.text
    return GOAL if isinstance(declaration, nodes.Goal | nodes.Satisfy) else ""


def _places(file: nodes.File) -> Iterator[tuple[str, int]]:
    """Everything that can be documented, with where it starts, its annotations included."""
    for declaration in file.declarations:
        path = declared_path(declaration)
        yield path, _start(declaration)
        if isinstance(declaration, nodes.Network):
            for layer in declaration.layers:
                yield f"{path}.{layer.name.text}", _start(layer)


def _start(declaration: nodes.Declaration | nodes.Layer) -> int:
    first = declaration.annotations[0] if declaration.annotations else declaration
    return first.span.start


def _paragraphs(file: nodes.File, starts: list[int], end: int) -> list[tuple[list[str], bool]]:
    """The documentation in front of `end`: its paragraphs, each with whether an empty line follows."""
    text = file.source.text
    paragraphs: list[tuple[list[str], bool]] = []
    is_apart = True
    for number in range(bisect_right(starts, end) - 1, -1, -1):
        comment = file.comments[number]
        line_start = text.rfind("\n", 0, comment.span.start) + 1
        gap = text[comment.span.end : end]
        if gap.strip() or text[line_start : comment.span.start].strip():
            break
        has_gap = gap.count("\n") > 1
        end = comment.span.start
        is_apart = is_apart or has_gap
        if not is_documentation(comment):
            continue
        if is_apart:
            paragraphs.insert(0, ([], has_gap))
        paragraphs[0][0].insert(0, comment.text[2:].strip())
        is_apart = False
    return paragraphs


def is_documentation(comment: nodes.Comment) -> bool:
    """Whether it starts with exactly two `#`."""
    return comment.text.startswith("##") and not comment.text.startswith("###")


def _entry(path: str, paragraphs: list[tuple[list[str], bool]]) -> dict[str, str]:
    text = "\n\n".join("\n".join(lines).strip() for lines, _ in paragraphs).strip()
    return {path: text} if text else {}
