"""Reading CSV files: what is accepted, and the message for each defect of a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnmip.data import csv as reader
from nnmip.data import read_csv
from nnmip.sizes import Allowance
from tests.data_layer.helpers import EXAMPLES, refusal, span

SPAN = span()


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_cells_columns_and_lines(tmp_path: Path) -> None:
    raw = read_csv(write(tmp_path, "a, b ,c\n1, x y ,3\n\n4,,6\n   \n7,é,9"), SPAN)
    assert raw.columns == ("a", "b", "c")
    assert raw.cells == (("1", "4", "7"), ("x y", "", "é"), ("3", "6", "9"))
    assert raw.line_numbers.tolist() == [2, 4, 6]
    assert not raw.line_numbers.flags.writeable
    assert raw.source_name == "t.csv"


def test_quotes_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    raw = read_csv(write(tmp_path, 'a,"b, c"\r\n"1\r\n2", "say ""hi"""\r\n3,4\r\n'), SPAN)
    assert raw.columns == ("a", "b, c")
    assert raw.cells == (("1\r\n2", "3"), ('say "hi"', "4"))
    assert raw.line_numbers.tolist() == [2, 4]


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_separator(tmp_path: Path, separator: str) -> None:
    raw = read_csv(write(tmp_path, f"a{separator}b\n1,5{separator}2\n"), SPAN, separator)
    assert raw.cells == (("1,5",), ("2",))


def test_rows_of_a_long_table_keep_their_order(tmp_path: Path) -> None:
    rows = range(100_000)
    raw = read_csv(write(tmp_path, "a,b\n" + "".join(f"{i},{-i}\n" for i in rows)), SPAN)
    assert raw.cells == (tuple(map(str, rows)), tuple(str(-i) for i in rows))
    assert raw.line_numbers.tolist() == [i + 2 for i in rows]


def test_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n"), SPAN).columns == ("a", "b")


def test_blank_cell_of_a_single_column_is_a_row(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, 'a\n1\n""\n\n2\n'), SPAN).cells == (("1", "", "2"),)


def test_columns_without_a_name_may_repeat(tmp_path: Path) -> None:
    assert read_csv(write(tmp_path, ",a,\n0,1,\n"), SPAN).columns == ("", "a", "")


DEFECTS = {
    "ragged": (
        "a,b,c\n1,2,3\n\n1,2\n",
        "the row on line 4 of `t.csv` has 2 cells, the header has 3",
        "give the row one cell for each column; quote a cell that contains the separator",
    ),
    "other separator": (
        "a;b\n1,5;2\n",
        "the row on line 2 of `t.csv` has 2 cells, the header has 1",
        'the header looks separated by `;`; write `separator: ";"` in the call of `csv`',
    ),
    "duplicate": (
        "a,b,a\n1,2,3\n",
        "columns 1 and 3 of `t.csv` are both called `a`",
        "give every column its own name",
    ),
    "nul": ("a,b\n1,2\n3,\0\n", "line 3 of `t.csv` contains a NUL character", ""),
    "latin-1": (b"a,b\n1,2\n3,\xe9\n", "line 3 of `t.csv` is not UTF-8 text", "save the file as UTF-8"),
    "open quote": (
        'a,b\n1,2\n3,"4\n5,6\n',
        'the row that starts on line 3 of `t.csv` opens a `"` that is never closed',
        "",
    ),
    "text after quote": (
        'a,b\n1,"2"x\n',
        'the row that starts on line 2 of `t.csv` has text after a closing `"`',
        'close the quotes at the end of the cell; a `"` inside quotes is written twice',
    ),
    "long cell": (
        "a,b\n1," + "2" * 140_000 + "\n",
        "the row that starts on line 2 of `t.csv` has a cell of more than 131072 characters",
        "",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_of_the_text(tmp_path: Path, defect: str) -> None:
    content, message, help = DEFECTS[defect]
    found = refusal(lambda: read_csv(write(tmp_path, content), SPAN))
    assert (found.code, found.message, found.help, found.span) == ("NNM0501", message, help, SPAN)


def test_utf16_is_named(tmp_path: Path) -> None:
    found = refusal(lambda: read_csv(write(tmp_path, "a,b\n1,2\n".encode("utf-16")), SPAN))
    assert (found.message, found.note) == ("line 1 of `t.csv` is not UTF-8 text", "it starts like UTF-16")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "`t.csv` is empty"), ("\n\n", "`t.csv` is empty"), ("a,b\n\n", "`t.csv` has a header but no rows")],
)
def test_no_rows(tmp_path: Path, content: str, message: str) -> None:
    found = refusal(lambda: read_csv(write(tmp_path, content), SPAN))
    assert (found.code, found.message) == ("NNM0505", message)


def test_missing_file_proposes_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    found = refusal(lambda: read_csv(Path("data/Irs.csv"), SPAN))
    assert (found.code, found.message) == ("NNM0501", "no file `data/Irs.csv`")
    assert found.help == "did you mean `iris.csv`?"
    assert found.note == "paths start from the folder of the model file"


def test_missing_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    found = refusal(lambda: read_csv(Path("dat/iris.csv"), SPAN))
    assert (found.message, found.help, found.note) == ("no file `dat/iris.csv`", "", "there is no folder `dat`")


def test_folder_and_special_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.csv").mkdir()
    os.mkfifo("f.csv")
    assert refusal(lambda: read_csv(Path("d.csv"), SPAN)).message == "`d.csv` is a folder"
    assert refusal(lambda: read_csv(Path("f.csv"), SPAN)).message == "`f.csv` is not a regular file"
    assert refusal(lambda: read_csv(Path("a\0b.csv"), SPAN)).code == "NNM0501"


def test_stated_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a,b\n" + "1,2\n" * 10)
    small = Allowance(1900)
    found = refusal(lambda: read_csv(path, SPAN, allowance=small))
    limit = "is too large to build unasked: about 2.2 kB, and the limit is 1.9 kB"
    assert (found.code, found.message) == ("NNM0310", f"`t.csv`, a table of 22 cells, {limit}")
    monkeypatch.setattr(reader, "MAX_LINE_LENGTH", 3)
    assert refusal(lambda: read_csv(path, SPAN)).message == "line 1 of `t.csv` has more than 3 characters"
    with path.open("r+b") as handle:
        handle.truncate(300 * 2**20)
    message = refusal(lambda: read_csv(path, SPAN, allowance=Allowance(10**8))).message
    assert message.endswith("is too large to build unasked: about 315 MB, and the limit is 100 MB")


def test_cells_are_counted_where_the_first_lines_mislead(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n" + f"{'1' * 900},2\n" * 80 + "1,2\n" * 300)
    found = refusal(lambda: read_csv(path, SPAN, allowance=Allowance(74_000)))
    assert found.message.startswith("`t.csv`, a table of 760 cells, is too large to build unasked")


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_separator_is_one_character(separator: str) -> None:
    found = refusal(lambda: read_csv(EXAMPLES / "iris.csv", SPAN, separator))
    assert (found.code, found.message) == ("NNM0204", f"`separator` must be one character, not `{separator}`")
