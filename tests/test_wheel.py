"""The wheel holds what nnmip needs, and nothing else; installed elsewhere, it proves an example."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.workbench import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "dist", "*.egg-info", "tests")
"""`build` stays: a package of nnmip is called so."""


def clean_environment() -> dict[str, str]:
    """Nothing that would let Python or pip find the source tree."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def call(*command: object, folder: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the source, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    (folder / "source" / "tests").mkdir()
    shutil.copy(Path(__file__), folder / "source" / "tests")
    command = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", folder / "source")
    call(sys.executable, *command, folder=folder)
    (built,) = (folder / "dist").iterdir()
    return built


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        metadata = packed.read("nnmip-0.1.0.dist-info/METADATA").decode()
        points = packed.read("nnmip-0.1.0.dist-info/entry_points.txt").decode()
        assert packed.read("nnmip/_grammar/nnm.lark") == (ROOT / "grammar" / "nnm.lark").read_bytes()
        assert packed.read("nnmip-0.1.0.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert wheel.name == "nnmip-0.1.0-py3-none-any.whl"
    assert {"nnmip/__init__.py", "nnmip/py.typed", "nnmip/cli/main.py"} <= names
    assert {name.split("/")[0] for name in names} == {"nnmip", "nnmip-0.1.0.dist-info"}
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "nnmip").rglob("*.py") if "_grammar" not in p.parts}
    assert {name for name in names if name.endswith(".py")} == sources
    assert {f"nnmip/starter/{name}" for name in ("model.nnm", "plants.csv", "new.csv")} <= names
    assert not any("test" in name or "example" in name for name in names if not name.endswith("examples.py"))
    assert "License-Expression: Apache-2.0" in metadata
    for needed in ("mip[highs]", "lark", "numpy", "click", "rich", "platformdirs"):
        assert f"Requires-Dist: {needed}" in metadata
    assert "nnmip = nnmip.__main__:main" in points


def test_installed_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    call(scripts / "python", "-m", "pip", "install", "--quiet", wheel, folder=tmp_path)
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "xor.nnm", home)
    shutil.copy(ROOT / "examples" / "data" / "xor.csv", home / "data")
    out = call(scripts / "nnmip", "solve", "xor.nnm", folder=home)
    assert out.startswith("xor.nnm: globally optimal, certified by exact search\n")
    assert "  goal      minimize 0.0066\n" in out
    assert call(scripts / "nnmip", "init", "plants", folder=home).endswith("nnmip solve model.nnm\n")
    assert call(scripts / "nnmip", "check", "--data", "plants/model.nnm", folder=home).endswith(": no errors\n")
    where = call(scripts / "python", "-c", "import nnmip; print(nnmip.__file__)", folder=home)
    assert Path(where.strip()).is_relative_to(tmp_path / "venv")
    assert sorted(p.name for p in home.iterdir()) == ["data", "plants", "xor.nnm"]
