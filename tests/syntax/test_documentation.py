"""What a documentation comment belongs to."""

from __future__ import annotations

import pytest

from nnmip.source import SourceFile
from nnmip.syntax.documentation import documentation
from nnmip.syntax.parser import parse


def docs(text: str) -> dict[str, str]:
    parsed = parse(SourceFile("test.nnm", text))
    assert parsed.diagnostics == ()
    return documentation(parsed.file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nnm 0.1\n## one\nparam a : int\n", {"a": "one"}),
        ("nnm 0.1\n##one\n##   two\nparam a : int\n", {"a": "one\ntwo"}),
        ("nnm 0.1\n## file\n\nparam a : int\n", {"": "file"}),
        ("## file\nnnm 0.1\n## one\n\nparam a : int\n", {"": "file", "a": "one"}),
        ("nnm 0.1\n## file\n##\n## more\n\n## one\nparam a : int\n", {"": "file\n\nmore", "a": "one"}),
        ("nnm 0.1\nparam a : int\n## one\n\n## two\n\nparam b : int\n", {"b": "one\n\ntwo"}),
        ("nnm 0.1\n## one\n# plain\n### banner\nparam a : int\n", {"a": "one"}),
        ("nnm 0.1\n## one\n@a\n## inside\nparam a : int\n", {"a": "one"}),
        ("nnm 0.1\nparam a : int ## not this\nparam b : int\n", {}),
        ("nnm 0.1\n## the goal\nminimize a\n", {"goal": "the goal"}),
        ("nnm 0.1\nsatisfy\n## nothing\n", {}),
        (
            "nnm 0.1\n## n\nnetwork n(x: real) {\n  ## h\n  layer h = f(x)\n\n  ## r\n  @a\n  layer r = f(h)\n"
            "  ## no\n  return r\n}\n",
            {"n": "n", "n.h": "h", "n.r": "r"},
        ),
    ],
)
def test_documentation(text: str, expected: dict[str, str]) -> None:
    assert docs(text) == expected
