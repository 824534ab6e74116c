"""nnmip from Python: what the package exports, models, results, networks."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.protocol import Progress
from nnmip.pipeline import Model
from tests.workbench import (
    BROKEN,
    INFEASIBLE,
    LINEAR,
    XOR,
    XOR_MAXIMISED,
    environment,
    hard,
    write_model,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, XOR)
    return tmp_path


def test_public_names() -> None:
    assert nnmip.__all__ == [
        "Diagnostic",
        "DiagnosticError",
        "Draft",
        "Model",
        "ParseResult",
        "Result",
        "TrainedNetwork",
        "__version__",
        "format_text",
        "load",
        "load_network",
        "load_onnx",
        "loads",
        "parse",
        "unparse",
    ]
    assert all(getattr(nnmip, name) is not None for name in nnmip.__all__)
    assert nnmip.Model is Model
    with pytest.raises(AttributeError, match="module `nnmip` has no attribute `lod`"):
        _ = nnmip.lod


def test_importing_nnmip_imports_nothing_heavy() -> None:
    code = "import sys, nnmip; print(sorted({'numpy', 'lark', 'mip', 'highspy', 'click', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_from_text_to_predictions(folder: Path) -> None:
    """The lines that README.md shows."""
    model = nnmip.load("xor.nnm")
    assert repr(model) == "Model('xor.nnm')"
    result = model.solve(solver="highs", time_limit=60)
    assert result.solution == "optimal" and result.proof == "solver" and result.termination == "optimal"
    assert result.objective == pytest.approx(0.0066)
    assert result.dual_bound == pytest.approx(0.0066, abs=1e-7)
    assert result.gap is not None and result.gap <= 1e-4
    assert result.has_answer
    assert result.replay is not None and result.replay.status == "passed"
    assert not result.saved
    network = result.networks["net"]
    assert network.predict([[1, -1], [1, 1]]).tolist() == ["odd", "even"]
    assert network.scores([[1, -1], [1, 1]]).tolist() == pytest.approx([1, -1])
    assert network.scores([1, -1]).shape == (1,)
    assert {name: array.shape for name, array in network.weights.items()} == {"h": (2, 2), "o": (1, 2)}
    assert {name: array.shape for name, array in network.biases.items()} == {"h": (2,), "o": (1,)}
    text = model.compile("mps")
    assert text == nnmip.loads(XOR).compile("mps")
    assert text.startswith("NAME")


@pytest.mark.parametrize("X", [[[1, 2, 3]], [[1]], [1, 2, 3], np.zeros((2, 2, 2)), [[]]])
def test_rows_of_another_shape(X: object) -> None:
    network = nnmip.load("xor.nnm").solve(time_limit=0).networks["net"]
    with pytest.raises(ValueError, match="rows of 2 features are needed, got shape"):
        network.scores(X)
    with pytest.raises(ValueError, match="rows of 2 features are needed"):
        network.predict(X)


def test_loads_finds_data_in_a_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    model = nnmip.loads(XOR, directory=folder)
    assert model.check() == ()
    found = nnmip.loads(XOR).check()
    assert [d.code for d in found] == ["NNM0501"]


@pytest.mark.parametrize("most", [5, 5.0, "5", "4 + 1", np.int64(5)])
def test_parameters_as_numbers_or_texts(most: object) -> None:
    model = nnmip.loads(XOR, {"most": most})  # type: ignore[dict-item]
    assert dict(model.program.parameters)["most"] == 5


def test_check_and_errors() -> None:
    model = nnmip.loads(BROKEN)
    found = model.check()
    assert [d.code for d in found] == ["NNM0205", "NNM0201"]
    assert found == model.check(), "asking twice finds nothing twice"
    with pytest.raises(nnmip.DiagnosticError) as caught:
        nnmip.loads(BROKEN).solve()
    assert {d.code for d in caught.value.diagnostics} == {"NNM0201", "NNM0205"}
    assert "NNM0201: nothing is called `pionts`" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        nnmip.load("nothing.nnm")


def test_infeasible() -> None:
    result = nnmip.loads(INFEASIBLE).solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("infeasible", "none", "solver")
    assert (result.objective, result.dual_bound, result.gap, result.networks) == (None, None, None, {})


@pytest.mark.parametrize(
    "options",
    [
        {"time_limit": -1},
        {"time_limit": float("nan")},
        {"time_limit": float("inf")},
        {"gap": -0.1},
        {"gap": float("nan")},
        {"threads": 0},
        {"seed": -1},
    ],
)
def test_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be "):
        nnmip.load("xor.nnm").solve(**options)  # type: ignore[arg-type]


def test_an_unknown_solver() -> None:
    with pytest.raises(ValueError, match="cplex"):
        nnmip.load("xor.nnm").solve(solver="cplex")


def watched(model: nnmip.Model, **options: object) -> tuple[nnmip.Result, list[Progress]]:
    seen: list[Progress] = []
    return model.solve(progress=seen.append, **options), seen  # type: ignore[arg-type]


def check_monotone(result: nnmip.Result, seen: list[Progress]) -> None:
    """Incumbents only improve and bounds only tighten, in the user's sense, and neither passes the other."""
    sign = -1.0 if result.sense == "maximize" else 1.0
    incumbents = [sign * p.incumbent for p in seen if p.incumbent is not None]
    bounds = [sign * p.dual_bound for p in seen if p.dual_bound is not None]
    assert seen and bounds
    assert incumbents == sorted(incumbents, reverse=True)
    assert bounds == sorted(bounds)
    assert result.objective is not None and result.dual_bound is not None
    assert all(value >= sign * result.objective - 1e-9 for value in incumbents)
    assert all(value <= sign * result.dual_bound + 1e-6 for value in bounds)
    times = [p.seconds for p in seen]
    assert times == sorted(times)


@pytest.mark.parametrize("solver", ["highs", "gurobi"])
@pytest.mark.parametrize("text", [XOR, XOR_MAXIMISED], ids=["minimise", "maximise"])
def test_progress_is_in_the_users_sense(text: str, solver: str) -> None:
    result, seen = watched(nnmip.loads(text), solver=solver)
    assert result.solution == "optimal"
    check_monotone(result, seen)


def test_progress_of_a_maximised_long_solve(folder: Path) -> None:
    model = hard(folder)
    text = model.read_text().replace("minimize zero_one(net, points, margin: 0.5) +", "maximize 5 - zero_one(")
    text = text.replace("zero_one( 0.01", "zero_one(net, points, margin: 0.5) - 0.01")
    result, seen = watched(nnmip.loads(text, directory=folder), time_limit=4.0)
    assert (result.sense, result.termination) == ("maximize", "time_limit")
    check_monotone(result, seen)
    assert result.objective is not None and result.objective > 4.1


def test_an_exception_in_the_callback_ends_the_solve() -> None:
    def fail(progress: Progress) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        nnmip.load("xor.nnm").solve(progress=fail)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_stop_event_keeps_the_best_network(solver: str, folder: Path) -> None:
    stop = threading.Event()
    found: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.incumbent is not None:
            found.append(progress.incumbent)
            stop.set()

    result = nnmip.load(hard(folder)).solve(solver=solver, progress=watch, stop=stop)
    assert (result.termination, result.solution, result.proof) == ("interrupted", "feasible", "none")
    assert result.replay is not None and result.replay.status == "passed"
    assert result.objective is not None and found


def test_a_stop_event_that_is_set_already(folder: Path) -> None:
    stop = threading.Event()
    stop.set()
    result = nnmip.load(hard(folder)).solve(stop=stop)
    assert (result.termination, result.solution) == ("interrupted", "feasible")


def test_save_and_resume(folder: Path) -> None:
    model = nnmip.load("xor.nnm")
    first = model.solve(save="run")
    assert first.saved
    again = nnmip.load("xor.nnm").solve(resume="run", time_limit=0)
    assert again.objective == pytest.approx(first.objective)
    with pytest.raises(nnmip.DiagnosticError, match="NNM0613"):
        model.solve(resume="elsewhere")
    with pytest.raises(OSError, match="exists"):
        model.solve(save="points.csv")
    with pytest.raises(FileExistsError, match="the run of another model"):
        nnmip.loads(LINEAR).solve(save="run")
    with pytest.raises(ValueError, match="solver must be one of auto, highs, cbc, gurobi, not 'glpk'"):
        model.solve(solver="glpk")


def test_the_text_of_an_error_has_place_and_help(folder: Path) -> None:
    with pytest.raises(nnmip.DiagnosticError) as caught:
        _ = nnmip.loads("nnm 0.1\nparam few : int = 1\nminimize 2 * feww\n").program
    assert str(caught.value) == "<text>:3:14: NNM0201: nothing is called `feww` (did you mean `few`?)"


def test_predictions_of_no_rows_and_of_no_numbers(folder: Path) -> None:
    network = nnmip.load("xor.nnm").solve().networks["net"]
    assert network.predict(np.zeros((0, 2))).shape == (0,)
    with pytest.raises(ValueError, match="finite"):
        network.predict([[np.nan, 0.0]])


def test_write_and_import(folder: Path) -> None:
    model = nnmip.loads(LINEAR)
    written = model.write("cars.mps.gz")
    assert (written.model, written.names) == (Path("cars.mps.gz"), Path("cars.names.json"))
    with pytest.raises(ValueError, match="must end in"):
        model.write("cars.txt")
    with pytest.raises(FileNotFoundError):
        model.write("nowhere/cars.lp")
    x = model.lowered.complete(model.solve().replay.assignment)  # type: ignore[union-attr]
    from nnmip.formats.names import model_names
    from nnmip.formats.one_sided import one_sided

    names = model_names(one_sided(model.lowered.milp)).columns
    Path("cars.sol").write_text("".join(f"{n} {v!r}\n" for n, v in zip(names, x.tolist(), strict=True)))
    result = model.import_solution("cars.sol", names="cars.names.json", bound=0.0)
    assert (result.termination, result.solution, result.proof) == (None, "feasible", "none")
    assert result.objective == pytest.approx(0.01)
    assert result.dual_bound == 0.0
    with pytest.raises(nnmip.DiagnosticError, match="NNM0611"):
        model.import_solution("points.csv", names="cars.names.json")


def test_results_are_plain_json(folder: Path) -> None:
    import json

    result = nnmip.loads(LINEAR).solve()
    assert json.loads(json.dumps(result.to_json(), allow_nan=False)) == result.to_json()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time_limit": "60"}, "time_limit must be a number of seconds or None, not '60'"),
        ({"time_limit": True}, "time_limit must be a number of seconds or None, not True"),
        ({"gap": "small"}, "gap must be a number, not 'small'"),
        ({"threads": 1.5}, "threads must be a whole number, not 1.5"),
        ({"seed": None}, "seed must be a whole number, not None"),
        ({"progress": 3}, "progress must be a function of one argument, not 3"),
    ],
    ids=str,
)
def test_arguments_of_another_type_are_refused_before_anything_runs(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        nnmip.load("xor.nnm").solve(**arguments)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    result = nnmip.load("xor.nnm").solve(time_limit=np.float64(60), threads=np.int64(1), seed=np.int32(3))  # type: ignore[arg-type]
    assert result.solution == "optimal" and result.to_json()["seed"] == 3


def test_a_text_is_a_str() -> None:
    for function in (nnmip.loads, nnmip.parse, nnmip.format_text):
        with pytest.raises(TypeError, match=r"the text of a model is a str, not bytes; decode it first"):
            function(b"nnm 0.1")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="the text of a model is a str, not NoneType"):
            function(None)  # type: ignore[arg-type]


def test_unparse_takes_what_parse_gives() -> None:
    parsed = nnmip.parse("nnm 0.1\nparam a:int=1\n")
    assert nnmip.unparse(parsed) == nnmip.unparse(parsed.file) == "nnm 0.1\nparam a : int = 1\n"
    with pytest.raises(TypeError, match="str is not a syntax node that can be written"):
        nnmip.unparse("nnm 0.1")  # type: ignore[arg-type]


def test_a_file_that_cannot_be_written_is_named() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        nnmip.load("xor.nnm").write("none/xor.mps")
    assert "tmp" not in str(caught.value) and str(caught.value.filename).startswith("none/xor")


def test_what_a_progress_function_raises_comes_back() -> None:
    def fails(step: Progress) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        nnmip.load("xor.nnm").solve(progress=fails)

    def interrupts(step: Progress) -> None:
        raise KeyboardInterrupt

    result = nnmip.load("xor.nnm").solve(progress=interrupts)
    assert result.termination == "interrupted" and result.has_answer


BOUND = """nnm 0.1
param budget : int = 5
data d = csv("t.csv") {
  features a, b
  label y as {no: -1, yes: 1}
}
let twice = 2 * budget
satisfy
"""


@pytest.mark.parametrize(
    ("values", "message", "path", "help"),
    [
        ({"budgt": 3}, "no parameter is called `budgt`", "bind", "did you mean `budget`?"),
        ({"d": 3}, "table `d` cannot be `3`", "<text>", "bind columns, as `d="),
        ({"d": None}, "table `d` cannot be `None`", "<text>", "bind columns, as `d="),
        ({"budget": "x y"}, "`x y` is not a value for `budget`", "-D budget", "`budget` takes a whole number"),
        ({"budget": None}, "what is bound to parameter `budget` is not a number", "<text>", "it takes a whole number"),
    ],
)
def test_what_cannot_be_bound_is_told(values: dict[str, object], message: str, path: str, help: str) -> None:
    found = next(d for d in nnmip.loads(BOUND).bind(**values).check() if d.code != "NNM0501")
    assert found.message.startswith(message)
    assert found.span.file.path == path
    assert found.help.startswith(help)


@pytest.mark.parametrize("number", [3, 3.0, np.int64(3), np.float32(3), "3"])
def test_numbers_are_bound_as_they_are(number: object) -> None:
    model = nnmip.loads(
        BOUND.replace('data d = csv("t.csv") {\n  features a, b\n', "").split("  label")[0] + "satisfy\n"
    )
    assert dict(model.bind(budget=number).program.parameters)["budget"] == 3
    assert "budget=3" in repr(model.bind(budget=number))


@pytest.mark.parametrize("parameters", [3, [1], "a=1", {1: 2}])
def test_parameters_are_a_mapping_from_names(parameters: object) -> None:
    with pytest.raises(TypeError, match="parameters are a dictionary of names and values"):
        nnmip.loads(BOUND, parameters)
