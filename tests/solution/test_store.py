"""Run folders: what comes back is what was saved, and what anybody else put there is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.cli.main import run
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment
from nnmip.pipeline import load
from nnmip.solution.store import RunFolder
from tests.workbench import XOR, write_model

WEIGHTS = {
    "net.h.weights": np.array([[1.0, -1.0], [-1.0, 1.0]]),
    "net.h.bias": np.array([0.0, 0.0]),
    "net.o.weights": np.array([[1.0, 1.0]]),
    "net.o.bias": np.array([-1.0]),
}
KEPT = {"net.a": np.array([True, True])}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    program = load(write_model(tmp_path, XOR)).program
    saved = RunFolder(tmp_path / "run")
    saved.create()
    saved.save_networks(program, Assignment(WEIGHTS, KEPT), 0.0066, "")
    return saved


def test_what_is_saved_comes_back(folder: RunFolder) -> None:
    (network,) = folder.load_networks()
    assert network.name == "net"
    assert network.scores([[-1, -1], [-1, 1], [1, -1], [1, 1]]).tolist() == [-1, 1, 1, -1]
    assert network.predict([[-1, -1], [-1, 1]]).tolist() == ["even", "odd"]
    assert (network.features, network.label) == (("x0", "x1"), "parity")
    assert network.coding == (("even", -1.0), ("odd", 1.0))
    assert network.outside([[0.5, 1.5], [0, 0]]).tolist() == [True, False]
    assignment = folder.load_assignment(load("xor.nnm").program)
    assert all(np.array_equal(assignment.values[path], array) for path, array in WEIGHTS.items())
    assert assignment.kept["net.a"].tolist() == [True, True]


def test_a_removed_unit_stays_removed(folder: RunFolder) -> None:
    program = load("xor.nnm").program
    folder.save_networks(program, Assignment(WEIGHTS, {"net.a": np.array([True, False])}), None, "")
    (network,) = folder.load_networks()
    assert network.scores([[1, -1], [-1, 1]]).tolist() == [1, -1]


def test_writing_is_atomic(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in folder.path.iterdir()}

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        folder.save_networks(load("xor.nnm").program, Assignment(WEIGHTS, KEPT), 1.0, "")
    assert {p.name: p.read_bytes() for p in folder.path.iterdir()} == before


def test_a_full_disk_does_not_cost_the_answer(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert run(["solve", "xor.nnm", "--save", "other"]) == 0
    out = capsys.readouterr().out
    assert "globally optimal" in out
    assert "  note      the run could not be saved in `other`: no space left on device\n" in out
    assert "  saved " not in out
    assert list(Path("other").iterdir()) == []


def test_clear_removes_only_what_describes_the_network(folder: RunFolder) -> None:
    (folder.path / "notes.txt").write_text("mine")
    folder.save_result({"a": 1}, "words")
    folder.clear_result(load("xor.nnm").program)
    assert sorted(p.name for p in folder.path.iterdir()) == ["network.json", "notes.txt", "weights.npz"]


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("exploded",)


def archive(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def npy(array: np.ndarray, **header: object) -> bytes:
    """An array as NPY, with entries of its header replaced."""
    buffer = io.BytesIO()
    facts = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
    np.lib.format.write_array_header_2_0(buffer, facts)
    return buffer.getvalue() + array.tobytes()


def npz(**changed: bytes | None) -> bytes:
    """The weights with some of them replaced by other bytes, or left out; `__` in a name stands for a point."""
    entries = {f"{path}.npy": npy(array) for path, array in WEIGHTS.items()}
    for name, content in changed.items():
        path = name.replace("__", ".") + ".npy"
        if content is None:
            del entries[path]
        else:
            entries[path] = content
    return archive(entries)


def objects() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{"net.h.weights": np.array([Bomb()], dtype=object)}, allow_pickle=True)
    return buffer.getvalue()


BAD_WEIGHTS = {
    "empty": b"",
    "text": b"not an archive",
    "truncated": npz()[:200],
    "cut in the middle": npz()[: len(npz()) // 2],
    "pickle": pickle.dumps(Bomb()),
    "objects": objects(),
    "no arrays": archive({}),
    "not an array": npz(net__h__weights=b"hello"),
    "missing": npz(net__h__weights=None),
    "wrong shape": npz(net__h__weights=npy(np.ones((3, 3)))),
    "too short": npz(net__h__weights=npy(np.ones(4), shape=(2, 1000))),
    "absurd shape": npz(net__h__weights=npy(np.ones(4), shape=(2**40, 2**40))),
    "negative shape": npz(net__h__weights=npy(np.ones(4), shape=(-2, 2))),
    "header that is code": npz(net__h__weights=npy(np.ones(4), descr="__import__('os').mkdir('exploded')")),
    "not numbers": npz(net__h__weights=npy(np.full((2, 2), "a"))),
    "complex": npz(net__h__weights=npy(np.ones((2, 2), dtype=complex))),
    "nan": npz(net__h__weights=npy(np.full((2, 2), np.nan))),
    "infinite": npz(net__h__weights=npy(np.full((2, 2), np.inf))),
    "mask of numbers": npz(net__a__kept=npy(np.array([np.nan, 1.0]))),
    "mask of another layer": npz(net__a__kept=npy(np.array([True, True, True]))),
}


@pytest.mark.parametrize("name", list(BAD_WEIGHTS))
def test_weights_that_are_refused(name: str, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.path / "weights.npz").write_bytes(BAD_WEIGHTS[name])
    for command in (["predict", "run", "points.csv"], ["solve", "xor.nnm", "--resume", "run"]):
        assert run(command) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error[NNM0613]: the saved run in `run` cannot be used: ")
    assert not Path("exploded").exists()


def test_weights_that_unpack_to_much_are_not_unpacked(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.path / "weights.npz").write_bytes(archive({"net.h.weights.npy": b"\0" * 10**8}, zipfile.ZIP_DEFLATED))
    for command in (["predict", "run", "points.csv"], ["solve", "xor.nnm", "--resume", "run"]):
        assert run([*command, "--allow-size", "400MB"]) == 1
        assert capsys.readouterr().err.startswith("error[NNM0310]: `weights.npz`, unpacked, is too large")


def structure(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Sets entries of the saved structure, by paths such as `layers__0__shape`."""

    def change(network: dict[str, Any]) -> None:
        for path, value in changes.items():
            *places, last = path.split("__")
            target: Any = network
            for place in places:
                target = target[int(place) if place.isdigit() else place]
            target[int(last) if last.isdigit() else last] = value

    return change


BAD_STRUCTURES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no name": lambda n: n.pop("name"),
    "name of another type": structure(name=3),
    "no layers": structure(layers=[]),
    "layers of another type": structure(layers="dense"),
    "unknown layer": structure(layers__0__op="lstm"),
    "layer twice": structure(layers__1__name="h"),
    "reads nothing": structure(layers__0__inputs=[]),
    "reads itself": structure(layers__0__inputs=["h"]),
    "reads a later layer": structure(layers__0__inputs=["o"]),
    "without weights": structure(layers__0__decisions={}),
    "with strange weights": structure(layers__0__decisions={"weights": [2, 2], "scale": [2]}),
    "other units": structure(layers__0__options={"units": 3}),
    "no units": structure(layers__0__options={}),
    "units of another type": structure(layers__0__options={"units": "2"}),
    "other shape": structure(layers__0__shape=[3]),
    "huge shape": structure(layers__0__shape=[10**400]),
    "negative shape": structure(layers__0__shape=[-2]),
    "input of another shape": structure(input__shape=[3]),
    "input of many axes": structure(input__shape=[1] * 1000),
    "infinite domain": structure(input__domain={"intervals": [[float("-inf"), 1]], "values": []}),
    "reversed domain": structure(input__domain={"intervals": [[1, 0]], "values": []}),
    "unknown result": structure(result__layer="z"),
    "result is the input": structure(result__layer="x"),
    "result out of range": structure(result__index=[5]),
    "negative result": structure(result__index=[-1]),
    "result of another size": structure(result__shape=[2]),
    "result that is a text": structure(result__index="0"),
    "too few features": structure(
        features=["x0"], inputs=[{"source": "x0", "alias": "x0", "levels": [], "fill": None}]
    ),
    "features without columns": structure(inputs=[]),
    "features that are numbers": structure(features=[1, 2]),
    "levels that are numbers": structure(inputs=[{"source": "c", "alias": "c", "levels": [1, 2], "fill": None}]),
    "a fill that is no level": structure(inputs=[{"source": "c", "alias": "c", "levels": ["a", "b"], "fill": "d"}]),
    "a fill that is a text": structure(inputs=[{"source": "x0", "alias": "x0", "levels": [], "fill": "d"}] * 2),
    "levels that repeat": structure(inputs=[{"source": "c", "alias": "c", "levels": ["a", "a"], "fill": None}]),
    "coding that is a number": structure(coding=3),
    "coding that is infinite": structure(coding=[["even", float("inf")], ["odd", 1]]),
    "coding that is huge": structure(coding=[["even", 10**400], ["odd", 1]]),
    "label that is a list": structure(label=["parity"]),
    "scaling of another size": structure(
        scaling={"kinds": ["none"], "shift": [0], "width": [1], "low": [0], "high": [1]}
    ),
    "scaling by zero": structure(
        scaling={"kinds": ["none"] * 2, "shift": [0, 0], "width": [0, 1], "low": [0, 0], "high": [1, 1]}
    ),
    "scaling that is a text": structure(scaling="minmax"),
}


@pytest.mark.parametrize("name", list(BAD_STRUCTURES))
def test_structures_that_are_refused(name: str, folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.path / "network.json"
    content = json.loads(path.read_text())
    BAD_STRUCTURES[name](content["networks"][0])
    path.write_text(json.dumps(content))
    assert run(["predict", "run", "points.csv"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[NNM0613]: the saved run in `run` cannot be used: network.json: it does not describe a")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"{}", "it does not describe a network: `format` is missing"),
        (b'{"format": "nnmip-network", "version": 2, "networks": []}', "it does not describe a network: "),
        (b'{"format": "nnmip-network", "version": 1, "networks": []}', "it does not describe a network: it has none"),
        (b'{"format": "nnmip-network", "version": 1, "networks": [7]}', "it does not describe a network: "),
    ],
)
def test_files_that_are_no_structure(content: bytes, reason: str, folder: RunFolder) -> None:
    (folder.path / "network.json").write_bytes(content)
    with pytest.raises(DiagnosticError) as caught:
        folder.load_networks()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NNM0613"
    assert f"network.json: {reason}" in diagnostic.message


def test_folders_that_hold_no_run(folder: RunFolder, tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path, tmp_path / "points.csv"):
        with pytest.raises(DiagnosticError, match="NNM0613: the saved run in"):
            RunFolder(place).load_networks()


def test_resuming_from_another_network(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Same names and shapes, but a weight outside its domain: a start that is not used, and the run goes on."""
    np.savez(folder.path / "weights.npz", **{**WEIGHTS, "net.o.bias": np.array([-7.0])})
    assert run(["solve", "xor.nnm", "--resume", "run"]) == 0
    out = capsys.readouterr().out
    assert "globally optimal" in out
    assert "  note      the start was not used: " in out
