"""The manual that comes with nnmip, `grammar/reference.md`, and the page of each word in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.pages import page as code_page
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, WORDS
from nnmip.records import dataclass
from nnmip.syntax.suggest import closest

_HEADING = re.compile(r"^(#{2,3}) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w+) .*$", re.MULTILINE)

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Files, names, numbers": ("nnm", "include", "comments", "names", "numbers", "annotations", "formulation", "bounds"),
    "Parameters and types": ("param", "real", "int", "bool", "true", "false"),
    "Domains": ("in", "step", "domain", "interval", "set", "range", "grid", "union"),
    "Data": (
        *("data", "csv", "label", "target", "weight", "where", "missing", "split", "seed", "as", "onehot"),
        *("scale", "minmax", "standard", "none"),
    ),
    "Networks and layers": ("network", "layer", "return", "weights", "bias", "units"),
    "Variables": ("var",),
    "Properties": ("verify", "assume", "prove"),
    "Goals": ("minimize", "maximize", "satisfy", "then"),
    "Constraints": ("constraint",),
    "Expressions": ("let", "biases"),
    "Logic": (
        *("and", "or", "not", "xor", "forall", "exists", "if", "else", "->", "<->", "!="),
        *("classes", "indices"),
    ),
    "Words on weights and units": ("prune",),
}
"""Words that have no page of their own, by the section that explains them, unless a line of another one does."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the manual: `level` is 2 or 3, `text` has neither its heading nor the sections inside it."""

    level: int
    title: str
    text: str
    inner: tuple[str, ...]


def manual_path() -> Path:
    """`reference.md`: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "_grammar" / "reference.md"
    return installed if installed.exists() else package.parent / "grammar" / "reference.md"


@cache
def sections() -> Mapping[str, Section]:
    """The sections of the manual by their title in lower case, without backquotes."""
    text = manual_path().read_text(encoding="utf-8")
    found: dict[str, Section] = {}
    headings = list(_HEADING.finditer(text))
    for number, heading in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        level, title = len(heading[1]), heading[2].replace("`", "")
        inner = tuple(_inner(headings[number + 1 :])) if level == 2 else ()
        found[title.lower()] = Section(level, title, text[heading.end() : end].strip(), inner)
    return found


def _inner(headings: list[re.Match[str]]) -> Iterator[str]:
    for heading in headings:
        if len(heading[1]) == 2:
            return
        yield heading[2].replace("`", "")


def explain(topic: str) -> str | None:
    """The page of a diagnostic code, a word or a section of the manual as Markdown; None where there is none."""
    if (text := code_page(topic.upper())) is not None:
        return _shown(text)
    wanted = topic.strip().lower().lstrip("@")
    section = sections().get(wanted)
    if section is None and (title := _section_of(wanted)) is not None:
        section = sections()[title]
    if section is None:
        return _later(wanted)
    parts = [f"# {section.title}", section.text]
    if section.inner:
        parts.append(f"See also: {', '.join(f'`nnmip explain {_argument(title)}`' for title in section.inner)}")
    return _shown("\n\n".join(filter(None, parts)) + "\n")


def topics() -> tuple[str, ...]:
    """Everything that can be explained: words and sections, then codes."""
    words = {word for listed in SECTIONS.values() for word in listed} | set(sections())
    return (*sorted(words), *TITLES)


def nearest(topic: str) -> str | None:
    """What the user may have meant."""
    known = {*topics(), *FUTURE_LAYERS, *FUTURE_WORDS}
    return closest(topic, [name.lower() if name not in TITLES else name for name in known])


def _section_of(word: str) -> str | None:
    """The title of the section that explains a word: one with a paragraph that starts with it, or that of the table."""
    line = re.compile(rf"^\*\*`{re.escape(word)}`\*\*", re.MULTILINE)
    for title, section in sections().items():
        if line.search(section.text):
            return title
    for title, words in SECTIONS.items():
        if word in words and title.lower() in sections():
            return title.lower()
    return None


def _later(word: str) -> str | None:
    if word not in FUTURE_LAYERS | FUTURE_WORDS:
        return None
    what = "layer" if word in FUTURE_LAYERS else "word"
    there = ", ".join(f"`{name}`" for name in (LAYERS if what == "layer" else WORDS))
    return (
        f"# {word}\n\nThis {what} is part of the language, but this version does not have it yet. There are {there}.\n"
    )


def _argument(title: str) -> str:
    return f'"{title.lower()}"' if " " in title else title


def _shown(text: str) -> str:
    """The text for readers: what fences say to the tests is left out."""
    return _FENCE.sub(r"```\1", text)
