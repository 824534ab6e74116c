"""Random models and tables: sentences of the grammar, and examples with bytes changed.

NNMIP_FUZZ=5000 runs that many of each; the few that run otherwise are always the same.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.sandbox import ROOT, Sandbox
from tests.syntax.derive import derive

CASES = int(os.environ.get("NNMIP_FUZZ", "12"))
EXAMPLES = sorted((ROOT / "examples").glob("*.nnm"))
PIECES = (
    b"\0",
    b"\xff",
    b"(" * 300,
    b"9" * 400,
    b"1e999",
    b"nan",
    b"\n",
    b",",
    b'"',
    b"in ",
    b"forall ",
    b"-",
    b"{",
    b"..",
)
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=CASES <= 12,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in (ROOT / "examples").glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def changed(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes left out, doubled, swapped for others, or put in."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(content))
        length = chance.choice((0, 1, 2, 10, 60))
        piece = chance.choice((b"", content[at : at + length] * 2, chance.choice(PIECES), chance.randbytes(length)))
        content = content[:at] + piece + content[at + length :]
    return content


@FUZZ
@given(seed=st.integers(0, 2**32))
def test_sentences_of_the_grammar(seed: int, sandbox: Sandbox, folder: Path) -> None:
    (folder / "m.nnm").write_text(derive(random.Random(seed)), encoding="utf-8")
    sandbox.run(folder, "check", "m.nnm")
    sandbox.run(folder, "fmt", "--check", "m.nnm")


@FUZZ
@given(example=st.sampled_from(EXAMPLES), seed=st.integers(0, 2**32))
def test_changed_models(example: Path, seed: int, sandbox: Sandbox, folder: Path) -> None:
    (folder / "m.nnm").write_bytes(changed(example.read_bytes(), random.Random(seed)))
    sandbox.run(folder, "check", "m.nnm")
    if sandbox.run(folder, "check", "--data", "m.nnm").code == 0:
        sandbox.run(folder, "compile", "m.nnm", "-o", "m.lp")


@FUZZ
@given(example=st.sampled_from(EXAMPLES), seed=st.integers(0, 2**32))
def test_changed_tables(example: Path, seed: int, sandbox: Sandbox, folder: Path) -> None:
    (folder / "m.nnm").write_bytes(example.read_bytes())
    for path in (ROOT / "examples").glob("*.csv"):
        (folder / path.name).write_bytes(changed(path.read_bytes(), random.Random(seed)))
    sandbox.run(folder, "check", "--data", "m.nnm")
