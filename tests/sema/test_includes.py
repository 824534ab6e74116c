"""Models of several files."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnmip
from nnmip.syntax import includes
from tests.workbench import POINTS

NETWORK = """
network net(x: real[2] in [-1, 1]) {
  layer o = dense(x, units: 1, weights in {-1, 0, 1}, bias in [-2, 2])
  return o[0]
}
"""
DATA = """
data points = csv("points.csv") {
  features x0, x1
  label    parity as {even: -1, odd: +1}
}
"""
MAIN = 'nnm 0.1\ninclude "parts/data.nnm"\ninclude "parts/../parts/net.nnm"\nminimize hinge(net, points)\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose data and network stand in a folder of their own, which both include a third file."""
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "points.csv").write_text(POINTS)
    (parts / "common.nnm").write_text("nnm 0.1\n## In both.\nparam most : int = 2\n")
    (parts / "data.nnm").write_text(f'nnm 0.1\ninclude "common.nnm"\n{DATA}')
    (parts / "net.nnm").write_text(f'nnm 0.1\ninclude "common.nnm"\n{NETWORK}constraint few: l0(net.weights) <= most\n')
    (tmp_path / "main.nnm").write_text(MAIN)
    return tmp_path


def errors(model: nnmip.Model) -> list[str]:
    return [f"{Path(d.span.file.path).name}:{d.span.line} {d.code} {d.message}" for d in model.check()]


def test_declarations_of_all_files_are_one_model(folder: Path) -> None:
    model = nnmip.load(folder / "main.nnm", {"most": 1})
    assert model.check() == ()
    program = model.program
    assert [c.name for c in program.constraints] == ["few"]
    assert dict(program.documentation) == {"most": "In both."}
    assert [Path(source.path).name for source in program.included] == ["data.nnm", "common.nnm", "net.nnm"]
    assert program.constraints[0].origin.span.file.path == str(folder / "parts/../parts/net.nnm")
    assert model.solve().solution == "optimal"


def test_a_text_includes_from_its_directory(folder: Path) -> None:
    assert nnmip.loads(MAIN, directory=folder).check() == ()
    whole = f'nnm 0.1\ninclude "{folder}/parts/data.nnm"\ninclude "{folder}/parts/net.nnm"\nsatisfy\n'
    assert nnmip.loads(whole).check() == ()


def test_the_fingerprint_covers_included_files(folder: Path) -> None:
    before = nnmip.load(folder / "main.nnm").fingerprint
    path = folder / "parts/common.nnm"
    path.write_text(path.read_text() + "# a word\n")
    assert nnmip.load(folder / "main.nnm").fingerprint != before


def test_a_goal_in_an_included_file_counts(folder: Path) -> None:
    path = folder / "parts/common.nnm"
    path.write_text(path.read_text() + "satisfy\n")
    (found,) = nnmip.load(folder / "main.nnm").check()
    assert found.code == "NNM0207"
    assert {Path(s.file.path).name for s in (found.span, *(at.span for at in found.secondary))} == {
        "main.nnm",
        "common.nnm",
    }


def test_errors_point_into_the_file_that_has_them(folder: Path) -> None:
    path = folder / "parts/net.nnm"
    path.write_text(path.read_text().replace("<= most", "<= mots") + "param = 3\n")
    assert errors(nnmip.load(folder / "main.nnm")) == [
        "net.nnm:8 NNM0201 nothing is called `mots`",
        "net.nnm:9 NNM0101 the name of the param is missing",
    ]


def test_a_missing_file_hides_no_other_error_and_causes_none(folder: Path) -> None:
    (folder / "parts/common.nnm").unlink()
    path = folder / "parts/data.nnm"
    path.write_text(path.read_text().replace("x0, x1", "x0, x2"))
    assert errors(nnmip.load(folder / "main.nnm")) == [
        "net.nnm:2 NNM0105 cannot read `common.nnm`: no such file or directory",
        "data.nnm:2 NNM0105 cannot read `common.nnm`: no such file or directory",
        "data.nnm:5 NNM0502 `points.csv` has no column `x2`",
    ]


@pytest.mark.parametrize("name", ["no text", "\\u0000", "a" * 5000, "/dev/null/x", "/dev/zero", "~/x.nnm", "*"])
def test_strange_paths_are_diagnostics(name: str, folder: Path) -> None:
    (folder / "no text").write_bytes(b"\xff\xfe\x00\x01")
    found = nnmip.loads(f'nnm 0.1\ninclude "{name}"\nsatisfy\n', directory=folder).check()
    assert [d.code for d in found] == ["NNM0103" if name == "no text" else "NNM0105"]


def test_files_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        (folder / f"f{number}.nnm").write_text(f'nnm 0.1\ninclude "f{number + 1}.nnm"\n')
    (found,) = nnmip.load(folder / "f0.nnm").check()[:1]
    assert found.code == "NNM0105" and found.message.startswith("more than 50 files inside one another")
    monkeypatch.setattr(includes, "MAX_FILES", 3)
    found = nnmip.load(folder / "main.nnm").check()[0]
    assert found.code == "NNM0105"
