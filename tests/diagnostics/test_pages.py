"""The page of every code: its first example gives the code, its second one is clean."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnmip
from nnmip.diagnostics import Severity
from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.pages import page
from nnmip.diagnostics.render import render_text
from tests.manual.blocks import Block, preludes, read_blocks, whole_model

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "nnmip" / "diagnostics" / "pages").glob("*.md"))
PRELUDES = preludes(read_blocks(ROOT / "grammar" / "reference.md"))
WITHOUT_EXAMPLE = {"NNM0103", "NNM0106", "NNM0406", *(f"NNM06{number}" for number in range(11, 22)), "NNM0901"}
WITHOUT_EXAMPLE |= {"NNM0631", "NNM0632"}
"""What no text of one model shows."""

OF_A_COMMAND = {"NNM0209"}
"""What an option says of a model that has nothing wrong."""


def test_every_code_has_a_page_and_no_page_is_left_over() -> None:
    assert [path.stem for path in PAGES] == list(TITLES)


@pytest.mark.parametrize("code", TITLES)
def test_a_page_starts_with_the_title_of_its_code(code: str) -> None:
    text = page(code)
    assert text is not None
    title, empty, first = text.split("\n")[:3]
    assert (title, empty) == (f"# {code}: {TITLES[code]}", "")
    assert first
    assert all(len(line) <= 130 for line in text.splitlines())


def test_there_is_no_page_of_what_is_no_code() -> None:
    assert page("NNM9999") is None
    assert page("../codes") is None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_examples_of_a_page(path: Path) -> None:
    blocks = [block for block in read_blocks(path) if block.language == "nnm"]
    if path.stem in WITHOUT_EXAMPLE:
        assert not blocks
        return
    if path.stem in OF_A_COMMAND:
        assert blocks and not set().union(*map(_found, blocks))
        return
    wrong, right = blocks
    assert _found(wrong) == {path.stem}
    assert _found(right) == set()
    assert path.stem in (wrong.options.get("error"), wrong.options.get("warning"))


def _found(block: Block) -> set[str]:
    """The codes of what is wrong with an example; warnings count where there are no errors."""
    found = nnmip.loads(whole_model(block, PRELUDES), directory=ROOT / "examples").check()
    errors = {d.code for d in found if d.severity is Severity.ERROR}
    print(render_text(found))
    return errors or {d.code for d in found}
