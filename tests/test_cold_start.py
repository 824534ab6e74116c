"""What a command loads: nothing that it does not need, so that it starts quickly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnmip.syntax.grammar import load_grammar
from tests.modules import HEAVY, trees
from tests.workbench import ROOT


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], (*HEAVY, "numpy", "lark")),
        (["check", "examples/xor.nnm"], (*HEAVY, "lark")),
        (["show", "examples/xor.nnm"], HEAVY),
    ],
    ids=["help", "check", "show"],
)
def test_quick_commands_load_no_solver(arguments: list[str], absent: tuple[str, ...]) -> None:
    load_grammar()  # its tables are kept from now on
    loaded = {name.split(".")[0] for name in loaded_by(arguments)}
    assert "click" in loaded
    assert not set(absent) & loaded


SOLVED_WITHOUT = (
    "mip",
    "onnx",
    "cffi",
    "gurobipy",
    "matplotlib",
    "lark",
    "rich",
    "importlib.metadata",
    "numpy.ma",
    "numpy.random",
)
SEARCHED_WITHOUT = (
    "nnmip.backends.confirm",
    "nnmip.backends.worker",
    "nnmip.branching",
    "nnmip.formats",
    "nnmip.incumbents.complete",
    "nnmip.lowering.columns",
    "nnmip.lowering.layers",
    "nnmip.lowering.lower",
    "nnmip.milp.builder",
    "nnmip.search.anneal",
    "nnmip.search.cover",
    "nnmip.solution.conflict",
    "nnmip.solution.growing",
    "nnmip.solution.importer",
    "nnmip.solution.keeper",
    "nnmip.solution.onnx",
    "nnmip.solution.race",
    "nnmip.solution.rounds",
    "nnmip.solution.stage",
    "nnmip.solution.store",
    "nnmip.solution.trace",
)
"""What a search does not wait for: solvers, what writes and reads their models, folders, fronts, conflicts."""


def test_a_search_loads_only_what_it_needs() -> None:
    load_grammar()
    loaded = loaded_by(["solve", "examples/xor.nnm"])
    assert {"highspy", "nnmip.search.engine"} <= loaded
    assert set(SEARCHED_WITHOUT) <= set(trees())
    absent = SOLVED_WITHOUT + SEARCHED_WITHOUT
    assert not {name for name in loaded if f"{name}.".startswith(tuple(f"{module}." for module in absent))}


COMPILED_WITHOUT = (
    *("mip", "onnx", "highspy", "lark", "numpy.ma", "numpy.random", "_hashlib"),
    *("nnmip.search", "nnmip.branching", "nnmip.solution.formulations"),
)


def test_a_network_from_a_file_is_compiled_without_the_package_of_its_format(tmp_path: Path) -> None:
    """Of the package onnx only the classes of its messages are loaded; linear programs only where one is solved."""
    load_grammar()
    loaded = loaded_by(["compile", "examples/pricing.nnm", "-o", str(tmp_path / "pricing.mps")])
    assert {"onnx.onnx_ml_pb2", "onnxruntime"} <= loaded
    assert not set(COMPILED_WITHOUT) & loaded


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("2", "2")])
def test_the_command_keeps_numpy_to_one_thread(given: str | None, used: str) -> None:
    code = (
        "import os, nnmip.cli.main as m; m.run = lambda arguments: print(os.environ['OPENBLAS_NUM_THREADS']); m.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    if given is not None:
        environment["OPENBLAS_NUM_THREADS"] = given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [used]


def loaded_by(arguments: list[str]) -> set[str]:
    """The modules that a command has loaded at its end."""
    code = (
        "import json, sys\n"
        "from nnmip.cli.main import run\n"
        f"code = run({arguments!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    exit_code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert exit_code == 0
    return set(loaded)
