"""Files from a stranger: each ends in a located message or an answer, within limits of time and memory."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.hostile import limit
from tests.hostile.sandbox import Sandbox

HEAD = "nnm 0.1\n"
GOAL = "minimize sum(n.weights)\n"
NETWORK = "network n(x: real[2] in [0, 1]) {\n  layer h = dense(x, units: 2, weights in [-1, 1])\n  return h[0]\n}\n"
TABLE = """nnm 0.1
data d = csv("t.csv") {
  features a, b scale minmax
  label y as {no: -1, yes: 1}
}
network n(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in [-1, 1])
  layer r = relu(h)
  layer o = dense(r, units: 1, weights in {-1, 0, 1})
  return o[0]
}
minimize hinge(n, d)
"""
MANY = 100_000


def rule(text: str) -> str:
    return f"{HEAD}{NETWORK}{GOAL}constraint c: {text}\n"


TEXTS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "blank": lambda: " \n" * MANY,
    "a long line": lambda: HEAD + "let a = 1" + " " * MANY,
    "a long name": lambda: HEAD + f"let {'a' * MANY} = 1\n",
    "a long unknown name": lambda: rule("a" * MANY),
    "a long text": lambda: HEAD + f'include "{"a" * MANY}"\n',
    "a long comment": lambda: HEAD + "#" * MANY * 50,
    "many comments": lambda: HEAD + "##\n" * 20_000,
    "many digits": lambda: rule(f"sum(n.weights) <= {'9' * MANY}"),
    "many decimals": lambda: rule(f"sum(n.weights) <= 0.{'9' * MANY}"),
    "too large": lambda: rule("sum(n.weights) <= 1e999"),
    "large": lambda: rule("1e308 * sum(n.weights) * 1e308 <= 1"),
    "tiny": lambda: rule("1e-320 * sum(n.weights) <= 1e-320"),
    "nan": lambda: rule("nan * sum(n.weights) <= inf"),
    "deep brackets": lambda: rule("(" * MANY + "1" + ")" * MANY),
    "open brackets": lambda: rule("(" * MANY),
    "closed brackets": lambda: rule(")" * MANY),
    "deep lists": lambda: HEAD + "let a = " + "[" * MANY + "1" + "]" * MANY,
    "deep not": lambda: rule("not " * MANY + "true"),
    "deep if": lambda: rule("if true then 1 else " * 20_000 + "1 <= 1"),
    "deep forall": lambda: rule("forall i in 0..1: " * 20_000 + "true"),
    "nested forall": lambda: rule("".join(f"forall i{k} in 0..9: " for k in range(60)) + "n.h.weights[0, 0] <= 1"),
    "many binders": lambda: rule(f"forall {', '.join(f'i{k} in 0..9' for k in range(60))}: n.h.weights[0, 0] <= 1"),
    "a long sum": lambda: rule("+".join(["1"] * 30_000) + " <= 1"),
    "a long union": lambda: HEAD + f"let a = 1 in {'|'.join(['{1}'] * 5_000)}\n",
    "a large set": lambda: HEAD + f"let a = 1 in {{{','.join(map(str, range(10_000)))}}}\n",
    "many declarations": lambda: HEAD + "".join(f"param p{k} : int = {k}\n" for k in range(MANY)),
    "many errors": lambda: HEAD + "param = \n" * 20_000,
    "many words that are none": lambda: HEAD + "foo bar\n" * 20_000,
    "many unknown names": lambda: HEAD + "".join(f"let a{k} = b{k}\n" for k in range(20_000)),
    "many equal names": lambda: HEAD + "let a = 1\n" * 20_000,
    "many goals": lambda: HEAD + "minimize 1\n" * 20_000,
    "many stages": lambda: HEAD + "minimize 1" + " then 1" * 80_000,
    "many strays": lambda: HEAD + "€" * MANY,
    "letters that look alike": lambda: HEAD + "l\u0435t \u0430 = 1\nparam \uff42 : int = 1\n",
    "right to left": lambda: HEAD + "let \u202ea = 1 \u2066# \n",
    "a billion units": lambda: TABLE.replace("units: 2", "units: 1_000_000_000"),
    "many units": lambda: TABLE.replace("units: 2", "units: 3_000_000"),
    "a billion values": lambda: TABLE.replace("{-1, 0, 1}", "0..1_000_000_000"),
    "many values": lambda: TABLE.replace("{-1, 0, 1}", "[0, 1] step 1e-300"),
    "a huge tensor": lambda: HEAD + "param p : real[99_999, 99_999, 99_999]\n" + NETWORK + GOAL,
    "many axes": lambda: HEAD + f"param p : real[{', '.join(['1'] * 99)}]\n" + NETWORK + GOAL,
    "a billion choices": lambda: rule("forall i in 0..1_000_000_000: n.h.weights[0, 0] <= i"),
    "a deep chain of lets": lambda: (
        HEAD + "".join(f"let a{k} = a{k + 1} + 1\n" for k in range(5000)) + "let a5000 = 1\n"
    ),
    "doubling lets": lambda: (
        HEAD
        + NETWORK
        + "let a0 = sum(n.weights)\n"
        + "".join(f"let a{k} = a{k - 1} + a{k - 1}\n" for k in range(1, 60))
        + "minimize a59\n"
    ),
    "doubling logic": lambda: (
        HEAD
        + NETWORK
        + GOAL
        + "let b0 = n.h.weights[0, 0] >= 1\n"
        + "".join(f"let b{k} = b{k - 1} xor not b{k - 1}\n" for k in range(1, 60))
        + "constraint c: b59\nconstraint d: forall i in 0..9: b59 or n.h.weights[1, 0] <= i\n"
    ),
    "many layers": lambda: (
        HEAD
        + "network n(x: real[2] in [0, 1]) {\n  layer a0 = relu(x)\n"
        + "".join(f"  layer a{k} = relu(a{k - 1})\n" for k in range(1, 2000))
        + "  return a1999\n}\nsatisfy\n"
    ),
    "many constraints": lambda: (
        HEAD + NETWORK + GOAL + "".join(f"constraint c{k}: n.h.weights[0, 0] <= {k + 1}\n" for k in range(5000))
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_models(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(TEXTS[name](), encoding="utf-8")
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,no\n3,5,yes\n")
    sandbox.run(tmp_path, "check", "m.nnm")
    sandbox.run(tmp_path, "fmt", "--check", "m.nnm")


@pytest.mark.parametrize("name", limit.TEXTS)
def test_models_of_as_many_tokens_as_are_allowed(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(limit.TEXTS[name]())
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,no\n3,5,yes\n")
    found = sandbox.run(tmp_path, "check", "m.nnm")
    assert "the text of" not in found.text


BYTES: dict[str, bytes] = {
    "not utf-8": b"nnm 0.1\nlet a = \xff\n",
    "utf-16": "nnm 0.1\n".encode("utf-16"),
    "utf-32": "nnm 0.1\n".encode("utf-32"),
    "nul": b"nnm 0.1\nlet a\0 = 1\n",
    "a cut character": "nnm 0.1 é".encode()[:-1],
    "surrogates": b"nnm 0.1\n# \xed\xa0\x80\n",
    "binary": bytes(range(256)) * 400,
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbfnnm 0.1\n",
    "returns": b"nnm 0.1\rlet a = 1\r",
}


@pytest.mark.parametrize("name", BYTES)
def test_models_that_are_no_text(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_bytes(BYTES[name])
    sandbox.run(tmp_path, "check", "m.nnm")
    sandbox.run(tmp_path, "fmt", "m.nnm")


TABLES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "many columns": lambda: ",".join(map(str, range(400_000))).encode() + b"\n" + b"1," * 399_999 + b"1\n",
    "one long line": lambda: b"a" * 10**8,
    "a long cell": lambda: b"a,b,y\n1,2," + b"z" * 10**6 + b"\n",
    "many cells": lambda: b"a,b,y\n" + b"1,2,no\n" * 2_000_000,
    "nul": lambda: b"a,b,y\n1,\x00,no\n",
    "a mark": lambda: b"\xef\xbb\xbfa,b,y\n1,2,no\n3,4,yes\n",
    "utf-16": lambda: "a,b,y\n1,2,no\n".encode("utf-16"),
    "a long line that is no text": lambda: b"a,b,y\n" + b"1" * 10**7 + b"\xff\n",
    "digits": lambda: b"a,b,y\n1," + b"9" * 100_000 + b",no\n3,4,yes\n",
    "too large": lambda: b"a,b,y\n1,1e999,no\n3,4,yes\n",
    "large": lambda: b"a,b,y\n-1.7e308,1,no\n1.7e308,4,yes\n",
    "tiny": lambda: b"a,b,y\n1e-320,1,no\n2e-320,4,yes\n",
    "nan": lambda: b"a,b,y\nnan,1,no\ninf,4,yes\n",
    "an open quote": lambda: b'a,b,y\n"1,2,no\n' + b"3,4,yes\n" * 1000,
    "formulas": lambda: b"a,b,y\n=1+1,@SUM(1),no\n3,4,yes\n",
    "ragged": lambda: b"a,b,y\n1,2\n",
    "equal names": lambda: b"a,a,y\n1,2,no\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(TABLE)
    (tmp_path / "t.csv").write_bytes(TABLES[name]())
    sandbox.run(tmp_path, "check", "m.nnm")
    sandbox.run(tmp_path, "check", "--data", "m.nnm")


class Bomb:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (Path("exploded"),)


def npy(shape: str, dtype: str = "'<f8'", content: bytes = b"") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packing:
        for name, content in members.items():
            packing.writestr(name, content)
    return stream.getvalue()


ARRAYS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "pickle": lambda: pickle.dumps(Bomb()),
    "objects": objects,
    "a trillion": lambda: npy("(1_000_000_000_000, 2)"),
    "many digits": lambda: npy(f"({10**4000}, 2)"),
    "negative": lambda: npy("(-1, 2)"),
    "truncated": lambda: npy("(4, 2)", content=bytes(8)),
    "code": lambda: npy("(1, 2)", "__import__('os').mkdir('exploded')"),
    "deep": lambda: npy("(" * 3000 + "1" + ")" * 3000),
    "void": lambda: npy("(4, 2)", "'|V8'", bytes(64)),
    "records": lambda: npy("(4,)", "[('a', '<f8'), ('a', '<f8')]", bytes(64)),
    "complex": lambda: npy("(4, 2)", "'<c16'", bytes(128)),
    "nothing": lambda: npy("(0, 2)"),
    "no size": lambda: npy("(1_000_000_000, 2)", "'|S0'"),
    "axes": lambda: npy(f"({'1, ' * 99})", content=bytes(8)),
    "a scalar": lambda: npy("()", content=bytes(8)),
}


@pytest.mark.parametrize("reader", ["npy", "npz"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str, reader: str, sandbox: Sandbox, tmp_path: Path) -> None:
    text = TABLE.replace('csv("t.csv")', f'{reader}("t.{reader}")').replace("features a, b", "features X")
    (tmp_path / "m.nnm").write_text(text)
    content = ARRAYS[name]()
    (tmp_path / f"t.{reader}").write_bytes(
        content if reader == "npy" else archive({"X.npy": content, "y.npy": content})
    )
    sandbox.run(tmp_path, "check", "m.nnm")
    sandbox.run(tmp_path, "check", "--data", "m.nnm")
    tensor = f'{HEAD}data t : real[4, 2] = {reader}("t.{reader}"{"" if reader == "npy" else ", X"!r})\n'
    (tmp_path / "m.nnm").write_text(tensor.replace("'", '"') + NETWORK + GOAL)
    sandbox.run(tmp_path, "check", "--data", "m.nnm")
    assert not (tmp_path / "exploded").exists()


def test_bombs(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(
        TABLE.replace('csv("t.csv")', 'npz("t.npz")').replace("features a, b", "features X")
    )
    for content in (npy("(20_000_000, 2)", content=bytes(320_000_000)), npy("(4, 2)", content=bytes(320_000_000))):
        (tmp_path / "t.npz").write_bytes(archive({"X.npy": content, "y.npy": npy("(4,)", content=bytes(32))}))
        sandbox.run(tmp_path, "check", "--data", "m.nnm")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a solved model: `m.nnm`, `m.lp` with its names, and the saved run `run`."""
    from nnmip.cli.main import run

    folder = tmp_path_factory.mktemp("solved")
    (folder / "m.nnm").write_text(TABLE)
    (folder / "t.csv").write_text("a,b,y\n1,2,no\n3,5,yes\n")
    assert run(["solve", str(folder / "m.nnm"), "--save", str(folder / "run")]) == 0
    assert run(["compile", str(folder / "m.nnm"), "-o", str(folder / "m.lp")]) == 0
    return folder


SOLUTIONS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "binary": lambda: bytes(range(256)) * 100,
    "cbc": lambda: b"Optimal - objective value 1e999\n 0 x " + b"9" * 10_000 + b" 0\n",
    "highs": lambda: (
        b"Model status\nOptimal\n\n# Primal solution values\nFeasible\nObjective 0\n# Columns 999999999999999\n"
    ),
    "gurobi": lambda: b"# Objective value = nan\n" + b"x nan\n" * 1000,
    "many": lambda: b"# Objective value = 0\n" + b"".join(b"x%d 0\n" % k for k in range(400_000)),
    "too many": lambda: b"# Objective value = 0\n" + b"".join(b"x%d 0\n" % k for k in range(900_000)),
    "scip": lambda: b"solution status: optimal\nobjective value: inf\nx inf (obj:0)\n",
    "xml": lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><CPLEXSolution>&b;</CPLEXSolution>',
    "deep xml": lambda: b"<CPLEXSolution>" * MANY,
    "a long line": lambda: b"x " + b"1" * 10**7,
    "spaces": lambda: b" \n" * 10**6,
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_solutions(name: str, sandbox: Sandbox, run_folder: Path) -> None:
    (run_folder / "x.sol").write_bytes(SOLUTIONS[name]())
    found = sandbox.run(run_folder, "import-solution", "m.nnm", "x.sol", "--names", "m.names.json")
    assert found.code == 1


JSONS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "deep": lambda: b"[" * MANY,
    "digits": lambda: b'{"format": ' + b"9" * MANY + b"}",
    "list": lambda: b"[]",
    "other": lambda: b'{"format": "nnmip-network", "version": 1, "networks": [{"name": []}]}',
    "nan": lambda: b'{"format": NaN, "version": Infinity}',
    "large": lambda: b'{"a": "' + b"x" * 20_000_000 + b'"}',
}


@pytest.mark.parametrize("name", JSONS)
def test_saved_runs(name: str, sandbox: Sandbox, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for file in ("weights.npz", "network.json"):
        (tmp_path / "run" / file).write_bytes((run_folder / "run" / file).read_bytes())
    (tmp_path / "run" / "network.json").write_bytes(JSONS[name]())
    assert sandbox.run(tmp_path, "predict", "run", str(run_folder / "t.csv")).code == 1
    (tmp_path / "known.nnm").write_text(f'{HEAD}network f = saved("run")\nminimize l0(f.weights)\n')
    assert sandbox.run(tmp_path, "check", "known.nnm").code == 1
    (tmp_path / "x.names.json").write_bytes(JSONS[name]())
    (tmp_path / "x.sol").write_bytes(b"x 1\n")
    found = sandbox.run(tmp_path, "import-solution", str(run_folder / "m.nnm"), "x.sol", "--names", "x.names.json")
    assert found.code == 1


def test_nothing_is_written_but_what_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "m.nnm").write_text(TABLE)
    (tmp_path / "in" / "t.csv").write_text("a,b,y\n1,2,no\n3,5,yes\n")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    sandbox.run(tmp_path / "out", "check", "--data", "../in/m.nnm")
    sandbox.run(tmp_path / "out", "show", "../in/m.nnm")
    assert not list((tmp_path / "out").iterdir())
    sandbox.run(tmp_path / "out", "compile", "../in/m.nnm", "-o", "m.mps")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"m.mps", "m.names.json"}
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "..", "t.csv/x", "\\u0000", "~/t.csv"])
def test_files_that_are_none(path: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "m.nnm").write_text(TABLE.replace("t.csv", path))
    (tmp_path / "i.nnm").write_text(f'{HEAD}include "{path}"\n')
    assert sandbox.run(tmp_path, "check", "m.nnm").code == 1
    assert sandbox.run(tmp_path, "check", "i.nnm").code == 1
