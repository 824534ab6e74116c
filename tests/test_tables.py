"""The tables of the language and of its messages: no part of a word, a layer or a code is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from nnmip.diagnostics.codes import TITLES
from nnmip.lowering.layers import LAYER_LOWERINGS
from nnmip.lowering.registry import WORD_LOWERINGS
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, PHRASES, WORDS
from nnmip.report.rules import FORMULAS
from nnmip.sema.builtins import BUILTINS, SIGNATURES
from tests.modules import PACKAGE, trees
from tests.workbench import ROOT

MANUAL = ROOT / "grammar" / "reference.md"


def _stems(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def test_every_layer_has_all_its_parts() -> None:
    names = set(LAYERS)
    assert all(op.name == name for name, op in LAYERS.items())
    assert names == set(LAYER_LOWERINGS) == set(FORMULAS)
    assert names == _stems("ops/layers") == _stems("lowering/layers")


def test_every_word_has_all_its_parts() -> None:
    names = set(WORDS)
    assert all(word.name == name for name, word in WORDS.items())
    assert names == set(WORD_LOWERINGS)
    assert names == _stems("ops/losses") | _stems("ops/words")
    assert _stems("ops/losses") == _stems("lowering/losses")
    assert _stems("ops/words") == _stems("lowering/words")


def test_what_is_written_in_terms_of_other_words_cannot_be_declared() -> None:
    tabled = {"used", "max", "min"}
    assert set(SIGNATURES) | tabled == set(BUILTINS)
    assert set(BUILTINS) - {"features", *tabled} == PHRASES


def test_what_is_there_is_not_announced_for_later() -> None:
    assert not set(LAYERS) & FUTURE_LAYERS
    assert not set(WORDS) & FUTURE_WORDS
    assert set(LAYERS) & set(WORDS) == {"abs", "clip"}


@pytest.mark.parametrize("name", [*LAYERS, *WORDS, *sorted(BUILTINS.keys() - {"atleast", "exactly"})])
def test_the_manual_has_the_page_of_every_word(name: str) -> None:
    """A heading with the name, the signature of the table, the encoding in a line, and an example that is run."""
    tables = (SIGNATURES, *({word: entry.signature for word, entry in table.items()} for table in (LAYERS, WORDS)))
    signatures = [table[name] for table in tables if name in table]
    assert signatures
    text = MANUAL.read_text(encoding="utf-8")
    heading = f"\n### `{name}`\n"
    assert heading in text
    page = text.split(heading)[1].split("\n## ")[0].split("\n### ")[0]
    assert all(f"`{signature}`" in page for signature in signatures)
    assert "\nEncoding: " in page
    examples = re.findall(r"^```nnm.*?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert any(re.search(rf"\b{name}\(", example) for example in examples)


# ---- diagnostic codes ----------------------------------------------------------------------------------------------


def _texts(tree: ast.Module) -> Iterator[str]:
    """Every string of a module that is not a docstring."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_codes_in_use_are_those_of_the_table() -> None:
    used = {
        code
        for module, tree in trees().items()
        if module != "nnmip.diagnostics.codes"
        for text in _texts(tree)
        for code in re.findall(r"NNM\d+", text)
    }
    assert used == set(TITLES)


def test_codes_are_in_order_and_titles_are_plain() -> None:
    assert list(TITLES) == sorted(TITLES)
    assert all(re.fullmatch(r"NNM0\d{3}", code) for code in TITLES)
    assert len(set(TITLES.values())) == len(TITLES)
    assert not [title for title in TITLES.values() if not re.fullmatch(r"[a-z].*[^.]", title)]
