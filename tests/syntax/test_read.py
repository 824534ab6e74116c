"""Reading a source file: encoding, size, and errors of the file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.sizes import TEXT, Allowance
from nnmip.syntax.read import read_source


def refused(path: Path) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        read_source(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NNM0103"
    return diagnostic


def test_text_and_path(tmp_path: Path) -> None:
    path = tmp_path / "ü.nnm"
    path.write_bytes("nnm 0.1\r\n# größer, 日本語\n".encode())
    source = read_source(path)
    assert (source.path, source.text) == (str(path), "nnm 0.1\r\n# größer, 日本語\n")


def test_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.nnm"
    path.write_bytes(b"\xef\xbb\xbfnnm 0.1\n")
    assert read_source(path).text == "nnm 0.1\n"


def test_wrong_encoding_is_located(tmp_path: Path) -> None:
    path = tmp_path / "a.nnm"
    path.write_bytes("nnm 0.1\n# über 日本 ".encode() + b"gr\xf6\xdfer\n\xff\n")
    found = refused(path)
    assert found.message == "the file is not UTF-8 text: byte 0xf6 cannot stand here"
    assert (found.span.line, found.span.column, found.span.text) == (2, 13, "\ufffd")


@pytest.mark.parametrize(
    "content",
    ["\ufeffnnm 0.1\n".encode("utf-16-le"), "\ufeffnnm 0.1\n".encode("utf-16-be"), b"\xff\xfe", b"\xff\xfen"],
)
def test_utf_16_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.nnm"
    path.write_bytes(content)
    found = refused(path)
    assert found.message == "the file is UTF-16 text, not UTF-8"
    assert found.help == "save the file in the encoding UTF-8"
    assert (found.span.line, found.span.column) == (1, 1)


def test_cut_character_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.nnm"
    path.write_bytes("nnm 0.1 é".encode()[:-1])
    found = refused(path)
    assert (found.span.line, found.span.column) == (1, 9)


def test_nul_is_located(tmp_path: Path) -> None:
    path = tmp_path / "a.nnm"
    path.write_bytes(b"nnm 0.1\nvar\0x : bool")
    found = refused(path)
    assert "NUL" in found.message
    assert (found.span.line, found.span.column) == (2, 4)


def test_size_limit(tmp_path: Path) -> None:
    allowance = Allowance(TEXT * 2**20)
    path = tmp_path / "a.nnm"
    path.write_bytes(b"#" * 2**20)
    assert len(read_source(path, allowance).text) == 2**20
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(DiagnosticError) as caught:
        read_source(path, allowance)
    assert caught.value.diagnostics[0].code == "NNM0310"


def test_missing_file_and_folder_raise_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_source(tmp_path / "none.nnm")
    with pytest.raises(IsADirectoryError):
        read_source(tmp_path)
