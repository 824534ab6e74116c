"""Files on the command line, and how the shell completes them; the commands themselves say what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem


class File(click.Path):
    """The path of a file; the shell offers those that end in one of `suffixes`.

    Where none does, the shell completes the path by itself, which also leads into folders.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__(readable=False)
        self.suffixes = suffixes

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        folder, start = _split(incomplete)
        try:
            names = sorted(entry.name for entry in Path(folder or ".").iterdir() if entry.is_file())
        except OSError:
            names = []
        found = [name for name in names if name.startswith(start) and name.endswith(self.suffixes)]
        return [CompletionItem(folder + name) for name in found] or [CompletionItem(incomplete, type="file")]


class Folder(click.Path):
    """The path of a folder; the shell offers folders."""

    def __init__(self) -> None:
        super().__init__(readable=False)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="dir")]


def _split(path: str) -> tuple[str, str]:
    """The folder as it was typed, with the slash behind it, and the start of a name."""
    cut = path.rfind("/") + 1
    return path[:cut], path[cut:]


MODEL = File(".nnm")
TABLE = File(".csv", ".txt", ".tsv")
SOLUTION = File(".sol", ".sol.gz", ".txt")
OUTPUT = File(".lp", ".mps", ".lp.gz", ".mps.gz")
NAMES = File(".names.json")
ARRAYS = File(".npz")
ROWS = File(".csv", ".npz")
TEXT = File(".txt")
FOLDER = Folder()
