"""Reading NPY and NPZ files: plain arrays only, sizes checked from the header, and the message for each defect."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnmip.data import arrays as reader
from nnmip.data.arrays import read_npy, read_npz
from nnmip.diagnostics import DiagnosticError
from tests.data_layer.helpers import refusal, span

SPAN = span('npy("f.npy")')


def all_of(shapes: Any) -> list[str]:
    return list(shapes)


def saved(folder: Path, array: Any, name: str = "f.npy") -> Path:
    np.save(folder / name, array, allow_pickle=True)
    return folder / name


def packed(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "f.npz", **arrays)
    return folder / "f.npz"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1, -2, 3], ">i2"),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array([b"a", b"bc"]),
        np.array(3.5),
        np.zeros((0, 4)),
        np.zeros((3, 0), "U0"),
        np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f4")]),
    ],
)
def test_plain_arrays_come_back(array: Any, tmp_path: Path) -> None:
    found = read_npy(saved(tmp_path, array), SPAN)
    assert found.dtype == array.dtype and found.shape == array.shape
    assert (found == array).all()
    again = read_npz(packed(tmp_path, X=array, y=np.arange(2)), SPAN, lambda shapes: ["X"])
    assert list(again) == ["X"] and (again["X"] == array).all()


def test_names_and_shapes_are_known_before_anything_is_loaded(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, ...]] = {}

    def choose(headers: Any) -> list[str]:
        seen.update({name: header.shape for name, header in headers.items()})
        return []

    assert read_npz(packed(tmp_path, X=np.zeros((2, 3)), y=np.zeros(2)), SPAN, choose) == {}
    assert seen == {"X": (2, 3), "y": (2,)}


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "trapped",))

    found = refusal(lambda: read_npy(saved(tmp_path, np.array([Trap()], object)), SPAN))
    assert found.message == "`f.npy` holds Python objects, and reading these could run code"
    np.savez(tmp_path / "f.npz", X=np.array([Trap()], object))
    found = refusal(lambda: read_npz(tmp_path / "f.npz", SPAN, all_of))
    assert found.message == "`X` in `f.npz` holds Python objects, and reading these could run code"
    assert not (tmp_path / "trapped").exists()


def test_other_entries(tmp_path: Path) -> None:
    for array, kind in (
        (np.zeros(2, complex), "complex128"),
        (np.zeros(2, "M8[s]"), "datetime64[s]"),
        (np.zeros(2, "V3"), "|V3"),
        (np.zeros(2, [("a", "f8", (2,))]), "[('a', '<f8', (2,))]"),
        (np.zeros((2, 2), [("a", "f8")]), "[('a', '<f8')]"),
    ):
        found = refusal(lambda array=array: read_npy(saved(tmp_path, array), SPAN))
        assert (found.code, found.message) == ("NNM0501", f"`f.npy` holds `{kind}`, and not numbers or texts")


def header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "`f.npy` is not an array in NPY format"),
        (b"1,2,3\n", "`f.npy` is not an array in NPY format"),
        (b"\x93NUMPY\x09\x00", "`f.npy` is not an array in NPY format"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "`f.npy` is not an array in NPY format"),
        (header("(2,"), "`f.npy` is not an array in NPY format"),
        (header("(-2,)"), "`f.npy` is not an array in NPY format"),
        (header("(2.5,)"), "`f.npy` is not an array in NPY format"),
        (header("(2,)", "'no type'"), "`f.npy` is not an array in NPY format"),
        (header("(2,)", "'<f8'*99"), "`f.npy` is not an array in NPY format"),
        (header("(2,)") + b"1234567", "`f.npy` ends before its last entry"),
        (b"PK\x03\x04", "`f.npy` is an archive of arrays, not a single one"),
    ],
)
def test_files_that_are_no_array(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    path.write_bytes(content)
    found = refusal(lambda: read_npy(path, SPAN))
    assert (found.code, found.message, found.span) == ("NNM0501", message, SPAN)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ("(9999999, 9999999)", "'<f8'", "`f.npy`, 100 trillion entries in 800 TB, is too large to build unasked: "),
        ("(99,)", "'<U9999999'", "`f.npy`, 99 entries in 3.96 GB, is too large to build unasked: about 3.96 GB"),
        ("(10**9,)", "'S0'", "`f.npy`, 1 billion entries in 0 bytes, is too large to build unasked: about 100 GB"),
        (f"({10**400},)", "'<f8'", "`f.npy`, more than 1000 trillion entries in more than 1000 TB, is too large"),
    ],
)
def test_size_is_checked_before_anything_is_read(shape: str, dtype: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    path.write_bytes(header(shape.replace("10**9", str(10**9)), dtype))
    found = refusal(lambda: read_npy(path, SPAN))
    assert (found.code, found.span) == ("NNM0310", SPAN)
    assert found.message.startswith(message)
    assert "--allow-size" in found.help


def test_a_long_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packing:
        packing.writestr("X.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**8) + b" " * 10**8)
    assert refusal(lambda: read_npz(path, SPAN, list)).message == "`X` in `f.npz` is not an array in NPY format"


def archive(folder: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "f.npz"
    with zipfile.ZipFile(path, "w", how) as packing:
        for name, content in members.items():
            packing.writestr(name, content)
    return path


def test_archives_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.npz"

    def message(choose: Any = all_of) -> str:
        return refusal(lambda: read_npz(path, SPAN, choose)).message

    path.write_bytes(b"PK\x03\x04 and no more")
    assert message() == "`f.npz` is not an NPZ archive, or damaged"
    np.save(tmp_path / "x.npy", np.zeros(2))
    path.write_bytes((tmp_path / "x.npy").read_bytes())
    assert message() == "`f.npz` is a single array, not an archive"
    archive(tmp_path, {"X.npy": header("(2,)") + bytes(8)})
    assert message() == "`X` in `f.npz` ends before its last entry"
    archive(tmp_path, {"X.npy": header("(2000000, 6)") + bytes(96_000_000)})
    assert path.stat().st_size < 200_000
    large = "`f.npz`, 12 million entries in 96 MB, is too large to build unasked: about 576 MB, and the limit is 500 MB"
    assert message() == large
    archive(tmp_path, {"X.npy": header("(2,)") + bytes(16)}, zipfile.ZIP_BZIP2)
    assert message() == "`f.npz` is compressed in another way than NPZ files are"
    archive(tmp_path, {"X.npy": b"no array"})
    assert message() == "`X` in `f.npz` is not an array in NPY format"
    archive(tmp_path, {"readme.txt": b"hello"})
    assert read_npz(path, SPAN, all_of) == {}
    monkeypatch.setattr(reader, "MOST_ARRAYS", 2)
    archive(tmp_path, {f"{k}.npy": header("(0,)") for k in range(3)})
    assert message() == "`f.npz` has more than 2 arrays"


def test_missing_file(tmp_path: Path) -> None:
    saved(tmp_path, np.zeros(2), "flowers.npy")
    found = refusal(lambda: read_npy(tmp_path / "flower.npy", SPAN))
    assert (found.code, found.help) == ("NNM0501", "did you mean `flowers.npy`?")
    assert refusal(lambda: read_npz(tmp_path, SPAN, all_of)).help == "name an NPZ file in it"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4), st.booleans(), st.integers(0, 400))
def test_damaged_files_are_refused_or_read(
    tmp_path: Path, place: int, damage: bytes, is_archive: bool, cut: int
) -> None:
    stream = io.BytesIO()
    if is_archive:
        np.savez_compressed(stream, X=np.arange(12.0).reshape(3, 4), y=np.array(["a", "b", "c"]))
    else:
        np.save(stream, np.arange(12.0).reshape(3, 4))
    content = bytearray(stream.getvalue())
    content[place : place + len(damage)] = damage
    path = tmp_path / "damaged"
    path.write_bytes(bytes(content[: len(content) - cut]))
    try:
        if is_archive:
            read_npz(path, SPAN, all_of)
        else:
            read_npy(path, SPAN)
    except DiagnosticError as error:
        assert [d.code for d in error.diagnostics] == ["NNM0501"]
