"""`compile` and `import-solution`: a model goes out to another solver and its answer comes back."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import highspy
import pytest

from nnmip.cli.main import run
from nnmip.pipeline import load
from tests.workbench import LINEAR, SATISFIED, XOR, XOR_MAXIMISED, nnmip, standard_json, write_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, XOR)
    return tmp_path


def solve_with_highs(model: str, solution: str, *, relaxed: bool = False) -> None:
    highs = highspy.Highs()
    highs.silent()
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("solve_relaxation", relaxed)
    assert highs.readModel(model) == highspy.HighsStatus.kOk
    highs.run()
    highs.writeSolution(solution, 0)


def solve_with_gurobi(model: str, solution: str) -> None:
    import gurobipy

    with gurobipy.Env(params={"OutputFlag": 0}) as env, gurobipy.read(model, env) as opened:
        opened.Params.MIPGap = 0.0
        opened.optimize()
        opened.write(solution)


def solve_with_cbc(model: str, solution: str) -> None:
    import subprocess

    import cbcbox

    command = [str(cbcbox.cbc_bin_path()), model, "-ratioGap", "0", "-solve", "-solu", solution]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert Path(solution).exists(), done.stdout


SOLVERS = {"highs": solve_with_highs, "cbc": solve_with_cbc, "gurobi": solve_with_gurobi}


def imported(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> Any:
    capsys.readouterr()
    assert run(["import-solution", *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return standard_json(out)


def test_compile_writes_the_same_bytes_everywhere(folder: Path) -> None:
    written = []
    for name in ("one", "two"):
        place = folder / name
        place.mkdir()
        write_model(place, XOR)
        done = nnmip(place, "compile", "xor.nnm", "-o", "m.lp", "-o", "n.mps", "-o", "o.mps.gz", "-D", "most=5")
        assert (done.returncode, done.stderr) == (0, "")
        written.append({p.name: p.read_bytes() for p in place.iterdir() if p.suffix not in (".nnm", ".csv")})
    assert written[0] == written[1]
    files = written[0]
    assert sorted(files) == ["m.lp", "m.names.json", "n.mps", "n.names.json", "o.mps.gz", "o.names.json"]
    assert gzip.decompress(files["o.mps.gz"]) == files["n.mps"]
    assert done.stdout.splitlines()[0].startswith("m.lp: ")
    assert done.stdout.splitlines()[1] == "m.names.json: names of columns and rows"


def test_names_file(folder: Path) -> None:
    assert run(["compile", "xor.nnm", "-o", "m.mps", "-D", "most=5"]) == 0
    names = standard_json((folder / "m.names.json").read_text())
    model = load("xor.nnm", {"most": "5"})
    assert names["fingerprint"] == model.fingerprint
    assert (names["sense"], names["kind"]) == ("minimize", "equivalent")
    assert names["extra"] == {"model": "xor.nnm", "parameters": {"most": "5"}}
    assert len(names["columns"]) == model.lowered.milp.num_columns
    assert any(path.startswith("net.h.weights") for path in names["columns"].values())
    assert any(path.startswith("few") for path in names["rows"].values())


def test_python_gives_the_bytes_of_the_file(folder: Path) -> None:
    assert run(["compile", "xor.nnm", "-o", "m.mps", "-o", "m.lp"]) == 0
    model = load("xor.nnm")
    assert model.compile("mps").encode() == (folder / "m.mps").read_bytes()
    assert model.compile("lp").encode() == (folder / "m.lp").read_bytes()
    with pytest.raises(ValueError, match="`nl` is not a model format"):
        model.compile("nl")


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@pytest.mark.parametrize("solver", list(SOLVERS))
@pytest.mark.parametrize(
    ("text", "goal"), [(XOR, 0.0066), (XOR_MAXIMISED, 1.94), (LINEAR, 0.01)], ids=["xor", "maximised", "linear"]
)
def test_round_trip(
    text: str, goal: float, solver: str, suffix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(folder, text, "model.nnm")
    assert run(["compile", "model.nnm", "-o", f"model.{suffix}"]) == 0
    SOLVERS[solver](f"model.{suffix}", "model.sol")
    found = imported(capsys, 0, "model.nnm", "model.sol")
    assert found["objective"] == pytest.approx(goal, abs=1e-7)
    assert (found["termination"], found["solution"], found["proof"]) == (None, "feasible", "none")
    assert found["replay"]["status"] == "passed"
    assert (found["dual_bound"], found["gap"]) == (None, None)
    assert found["solver"]["name"] == solver
    assert ("CBC with its own defaults" in " ".join(found["notes"])) == (solver == "cbc")
    (metrics,) = found["metrics"].values()
    assert next(iter(metrics.values()))["right"] == 4


def test_import_prints_saves_and_predicts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm")
    capsys.readouterr()
    assert run(["import-solution", "xor.nnm", "xor.sol", "--save", "run", "--bound", "0.006"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("xor.nnm: a network from highs, re-checked\n")
    assert "  bound     0.006, gap 9.091 %\n" in out
    assert "  proof     none\n" in out
    assert "  note      the file says: " in out
    assert out.endswith("  saved     run\n")
    assert run(["predict", "run", "points.csv"]) == 0
    assert [line.split(",")[-1] for line in capsys.readouterr().out.splitlines()[1:]] == ["even", "odd", "odd", "even"]


def compile_and_solve(model: str, *options: str, relaxed: bool = False) -> None:
    stem = Path(model).stem
    assert run(["compile", model, "-o", f"{stem}.mps", *options]) == 0
    solve_with_highs(f"{stem}.mps", f"{stem}.sol", relaxed=relaxed)


@pytest.mark.parametrize(("text", "bound", "goal"), [(XOR, "0.5", 0.0066), (XOR_MAXIMISED, "1.5", 1.94)])
def test_a_false_bound_is_not_reported(
    text: str, bound: str, goal: float, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(folder, text, "model.nnm")
    compile_and_solve("model.nnm")
    found = imported(capsys, 0, "model.nnm", "model.sol", "--bound", bound)
    assert (found["dual_bound"], found["gap"]) == (None, None)
    assert f"the bound {bound} is false: the goal of this network is {goal}" in found["notes"]


def test_a_bound_equal_to_the_goal_is_still_no_proof(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm")
    found = imported(capsys, 0, "xor.nnm", "xor.sol", "--bound", "0.0066")
    assert (found["solution"], found["proof"], found["dual_bound"]) == ("feasible", "none", 0.0066)


def test_satisfy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, SATISFIED, "model.nnm")
    compile_and_solve("model.nnm")
    found = imported(capsys, 0, "model.nnm", "model.sol", "--bound", "1")
    assert (found["solution"], found["proof"], found["objective"], found["dual_bound"]) == (
        "feasible",
        "none",
        None,
        None,
    )
    assert "the bound is not used: the model has no goal" in found["notes"]


def edit_source(folder: Path) -> list[str]:
    write_model(folder, XOR.replace("0.001", "0.002"))
    return []


def edit_data(folder: Path) -> list[str]:
    table = folder / "points.csv"
    table.write_text(table.read_text().replace("1,1,even", "1,1,odd"))
    return []


def edit_parameter(folder: Path) -> list[str]:
    return ["-D", "most=5"]


@pytest.mark.parametrize("edit", [edit_source, edit_data, edit_parameter])
def test_an_answer_of_another_model(edit: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm")
    options = edit(folder)
    capsys.readouterr()
    assert run(["import-solution", "xor.nnm", "xor.sol", *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        "error[NNM0612]: `xor.sol` belongs to another model: `xor.names.json` has another fingerprint"
    )
    assert "the source text, the data or a parameter has changed since" in err


def test_data_that_no_row_reads_counts_too(folder: Path) -> None:
    """The table does not change the MILP of this model, but it is part of the model."""
    model = load(write_model(folder, SATISFIED, "model.nnm"))
    before, written = model.fingerprint, model.compile("mps")
    edit_data(folder)
    again = load("model.nnm")
    assert again.compile("mps") == written
    assert again.fingerprint != before


def test_parameters_of_the_compilation_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm", "-D", "most=5")
    found = imported(capsys, 0, "xor.nnm", "xor.sol", "-D", "most=5")
    assert found["terms"]["l0(net.weights)"]["value"] <= 5


def test_names_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm")
    (folder / "xor.names.json").rename(folder / "other.json")
    capsys.readouterr()
    assert run(["import-solution", "xor.nnm", "xor.sol"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "error[NNM0612]: the names file that `nnmip compile` wrote with the model of `xor.sol` is not"
    )
    assert "name it:  --names model.names.json" in err
    assert imported(capsys, 0, "xor.nnm", "xor.sol", "--names", "other.json")["solution"] == "feasible"
    for content in ("[]", "{", '{"format": "nnmip-names"}', "[" * 100_000, '{"format": 3, "fingerprint": ""}'):
        (folder / "other.json").write_text(content)
        assert run(["import-solution", "xor.nnm", "xor.sol", "--names", "other.json"]) == 1
        assert "error[NNM0612]: `other.json` is not a names file of nnmip" in capsys.readouterr().err
    assert run(["import-solution", "xor.nnm", "xor.sol", "--names", "no.json"]) == 1
    assert "error[NNM0612]: the names file `no.json` cannot be read: no such file" in capsys.readouterr().err


def column_of(folder: Path, path: str) -> str:
    names = json.loads((folder / "xor.names.json").read_text())["columns"]
    return next(safe for safe, readable in names.items() if readable.startswith(path))


def test_columns_that_do_not_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_and_solve("xor.nnm")
    text = (folder / "xor.sol").read_text()
    weight = column_of(folder, "net.h.weights")
    capsys.readouterr()
    (folder / "strange.sol").write_text(text.replace(f"\n{weight} ", "\nstranger "))
    shutil.copy("xor.names.json", "strange.names.json")
    assert run(["import-solution", "xor.nnm", "strange.sol"]) == 1
    assert "error[NNM0612]: `strange.sol` has a column `stranger` that the model does not have" in (
        capsys.readouterr().err
    )
    plain = [line for line in text.partition("# Columns")[2].splitlines()[1:] if line and line[0] != "#"]
    values = [line for line in plain[: len(load("xor.nnm").lowered.milp.row_lb)] if not line.startswith(f"{weight} ")]
    known = set(json.loads((folder / "xor.names.json").read_text())["columns"])
    (folder / "xor.sol").write_text("\n".join(v for v in values if v.split()[0] in known) + "\n")
    assert run(["import-solution", "xor.nnm", "xor.sol"]) == 1
    assert f"error[NNM0611]: `xor.sol` has no value for column `{weight}`" in capsys.readouterr().err
    assert run(["import-solution", "xor.nnm", "nothing.sol"]) == 1
    assert "error[NNM0611]: `nothing.sol` cannot be read" in capsys.readouterr().err


def test_a_corrupted_answer_is_no_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every column 0: the network without weights, which the constraint forbids and no other values can mend."""
    write_model(folder, XOR + "\nconstraint some: l0(net.weights) >= 2\n")
    compile_and_solve("xor.nnm")
    names = json.loads((folder / "xor.names.json").read_text())["columns"]
    (folder / "xor.sol").write_text("".join(f"{name} 0\n" for name in names))
    found = imported(capsys, 3, "xor.nnm", "xor.sol", "--save", "run")
    assert (found["solution"], found["proof"], found["replay"]["status"]) == ("none", "none", "failed")
    assert (found["objective"], found["dual_bound"], found["networks"], found["terms"]) == (None, None, {}, {})
    assert "`some` is violated by 2" in found["message"]
    assert not (folder / "run").exists()
    assert run(["import-solution", "xor.nnm", "xor.sol"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("xor.nnm: a network from a solution file, which fails the replay\n")
    assert "  replay    failed: " in out


def test_an_answer_whose_integers_are_right_is_mended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every column 0: integers of a network without weights, with values that belong to no network."""
    compile_and_solve("xor.nnm")
    names = json.loads((folder / "xor.names.json").read_text())["columns"]
    (folder / "xor.sol").write_text("".join(f"{name} 0\n" for name in names))
    found = imported(capsys, 0, "xor.nnm", "xor.sol")
    assert (found["solution"], found["replay"]["status"]) == ("feasible", "passed")
    assert found["message"].startswith("the numbers did not pass the replay; their integers were kept")
    assert any(note.startswith("the values break the compiled model by ") for note in found["notes"])
    assert set(found["networks"]["net"]["weights"]["o"][0]) == {0.0}
    assert found["objective"] >= 1.0


@pytest.mark.parametrize("text", [XOR, XOR_MAXIMISED, LINEAR], ids=["xor", "maximised", "linear"])
def test_the_answer_of_a_relaxation_is_never_believed(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fractional binaries promise a goal that no network has: what is reported is what the lifted network has."""
    write_model(folder, text, "model.nnm")
    compile_and_solve("model.nnm", relaxed=True)
    capsys.readouterr()
    code = run(["import-solution", "model.nnm", "model.sol", "--json"])
    found = standard_json(capsys.readouterr().out)
    if code == 3:
        assert (found["solution"], found["networks"]) == ("none", {})
        return
    assert code == 0
    assert (found["solution"], found["replay"]["status"]) == ("feasible", "passed")
    assert found["objective"] == pytest.approx(sum(t["contribution"] for t in found["terms"].values()))
    worst = {"minimize": found["objective"] >= 0.0066 - 1e-9, "maximize": found["objective"] <= 1.94 + 1e-9}
    assert worst[found["sense"]]
