"""The code blocks of a Markdown file, and what their info strings ask for.

    nnm                       a whole model, without errors and warnings
    nnm error=NNM0312         a model with errors of exactly this code; `warning=` likewise without errors
    nnm optimum=0.5           a model that is also solved
    nnm optimum=0.5 within=0.1   a model that is certified to lie within a tolerance of this optimum
    nnm file=NAME             a model that stands in a file of this name for the blocks that use files
    nnm prelude=NAME          the surroundings of fragments, with `...` on the line where a fragment stands; can be
                              a fragment of an earlier prelude itself
    nnm fragment=NAME         lines that stand in prelude NAME; `error=`, `warning=`, `optimum=` as above
    console                   commands after `$ `, each with its output; `...` stands for any text or any lines
    console exit=1            the last command ends with this code, all others with 0
    python                    a script
    text, or nothing          not run

Any block with `norun` is not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = ("nnm", "console", "python", "text")
KEYS = frozenset({"error", "warning", "optimum", "within", "prelude", "fragment", "file", "exit"})
HOLE = "..."


@dataclass(frozen=True)
class Block:
    """A fenced block: `line` (from 1) is that of its opening fence, `options` what follows the language there."""

    path: Path
    line: int
    language: str
    text: str
    options: dict[str, str] = field(default_factory=dict)
    is_run: bool = True

    @property
    def id(self) -> str:
        return f"{self.path.name}:{self.line}-{self.language}"


def read_blocks(path: Path) -> list[Block]:
    """The fenced blocks of a Markdown file, in order."""
    blocks: list[Block] = []
    opened: tuple[int, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if opened is None:
            fence = re.fullmatch(r"```(.*)", line)
            assert fence or not line.lstrip().startswith("```"), f"{path.name}:{number}: a fence that is indented"
            opened, lines = ((number, fence[1]), []) if fence else (None, [])
        elif line == "```":
            blocks.append(_block(path, *opened, "\n".join(lines) + "\n"))
            opened = None
        else:
            lines.append(line)
    assert opened is None, f"{path.name}:{opened}: a block that is never closed"
    return blocks


def _block(path: Path, line: int, info: str, text: str) -> Block:
    language, *words = info.split() or ["text"]
    options = dict(word.split("=", 1) for word in words if word != "norun")
    return Block(path, line, language, text, options, is_run="norun" not in words)


def whole_model(block: Block, surroundings: dict[str, str]) -> str:
    """The text of a model: the block itself, or its prelude with the block in place of the hole."""
    if "fragment" not in block.options:
        return block.text
    before, after = surroundings[block.options["fragment"]].split(f"{HOLE}\n")
    return before + block.text + after


def preludes(blocks: list[Block]) -> dict[str, str]:
    """The whole text of every prelude by its name."""
    found: dict[str, str] = {}
    for block in blocks:
        if "prelude" in block.options:
            found[block.options["prelude"]] = whole_model(block, found)
    return found


@dataclass(frozen=True)
class Command:
    """A line after `$ ` and the output below it."""

    line: str
    output: str


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    first, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not first, f"{block.id}: output before the first command"
    return [Command(*part.split("\n", 1)) for part in parts]


def output_pattern(expected: str) -> re.Pattern[str]:
    """A pattern for an output in which `...` is anything on its line and, on a line of its own, any lines."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == HOLE:
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split(HOLE)) + r"[ \t]*\n"
    return re.compile(pattern if expected.strip() else r"\n?")
