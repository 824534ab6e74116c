"""Whatever the text, parsing ends with spans inside the file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from nnmip.diagnostics.render import render_text, to_json
from nnmip.source import SourceFile
from nnmip.syntax.parser import parse

GOOD = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "good").glob("*.nnm"))]
WORDS = (
    "nnm 0.1 param data network var let constraint minimize satisfy verify layer return assume prove where forall "
    "exists if then else in and not xor real int features label as step x y 1 2.5 1e999 ( ) [ ] { } , : . .. ..< = <= "
    '== && + - * / -> <-> | @ ; # \n " "a" \'b\' .5 \\ é ≤ \u202e'
)
TOKENS = [*WORDS.split(" "), "\n"]


def check(text: str) -> None:
    result = parse(SourceFile("fuzz.nnm", text))
    for diagnostic in result.diagnostics:
        for span in (diagnostic.span, *(label.span for label in diagnostic.secondary)):
            assert 0 <= span.start <= span.end <= len(text)
        assert diagnostic.code in ("NNM0101", "NNM0102")
        texts = (diagnostic.message, diagnostic.label, diagnostic.help, *(label.text for label in diagnostic.secondary))
        assert not any("\n" in text for text in texts)
        for hole in ("{keyword}", "{name}", "{found}", "{previous}"):
            assert not any(hole in text for text in texts)
    for declaration in result.file.declarations:
        assert 0 <= declaration.span.start < declaration.span.end <= len(text)
    assert render_text(result.diagnostics).count("-->") >= len(result.diagnostics)
    assert len(to_json(result.diagnostics)) == len(result.diagnostics)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_any_tokens(tokens: list[str]) -> None:
    check(" ".join(tokens))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_good_files(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 8)))
        text = text[:start] + data.draw(st.sampled_from(["", *TOKENS])) + text[end:]
    check(text)
