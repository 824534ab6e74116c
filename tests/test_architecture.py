"""The shape of the package: which part may import which, and that no part of a word or a code is missing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from nnmip.diagnostics.codes import TITLES
from nnmip.lowering.layers import LAYER_LOWERINGS
from nnmip.lowering.registry import WORD_LOWERINGS
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, PHRASES, WORDS
from nnmip.report.rules import FORMULAS
from nnmip.sema.builtins import BUILTINS, SIGNATURES
from nnmip.syntax.grammar import load_grammar

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nnmip"
MANUAL = ROOT / "grammar" / "reference.md"

# The straight line, from text to answer: what each part of the package may import, besides itself.
BASE = frozenset({"records", "arrays", "versions", "source", "display", "diagnostics", "sizes"})
MEANING = frozenset({"data", "hir", "ops"})
ARROWS: Mapping[str, frozenset[str]] = {
    "records": frozenset(),
    "arrays": frozenset(),
    "source": frozenset({"records"}),
    "display": frozenset(),
    "versions": frozenset({"nnmip"}),
    "diagnostics": frozenset({"records", "source"}),
    "sizes": frozenset({"records", "source", "diagnostics"}),
    "syntax": BASE,
    "data": BASE | {"syntax"},
    # What a word means is stated in `ops` over the nodes of `hir`, with its interval rule; `hir.evaluate` and
    # `bounds` apply these rules, so the three depend on each other, and on nothing that encodes.
    "hir": MEANING | BASE,
    "ops": MEANING | BASE | {"bounds"},
    "bounds": MEANING | BASE,
    "sema": MEANING | BASE | {"syntax"},
    # Of the backends, the small linear programs.
    "passes": MEANING | BASE | {"bounds", "backends"},
    # The packages onnx and onnxruntime, and networks from their files.
    "onnx": MEANING | BASE,
    "milp": frozenset({"records", "arrays", "source"}),
    # The MILP of columns is written over what the search knows of a model.
    "lowering": MEANING | BASE | {"bounds", "passes", "milp", "search"},
    "formats": BASE | {"milp"},
    "backends": BASE | {"milp"},
    # Finds the best network of a model by its columns; of the backends it knows the small linear programs.
    "search": MEANING | BASE | {"passes", "backends"},
    # Networks to start from; what is missing in one is found by a MILP, and what is there made better by its LPs.
    "incumbents": MEANING | BASE | {"syntax", "lowering", "milp", "formats", "backends", "search"},
    # Branch and bound over the encodings of the choices of output weights.
    "branching": MEANING | BASE | {"lowering", "milp", "backends", "search", "incumbents"},
    # Properties: bounds of ours, gradients to look for what breaks them, and a MILP that is solved elsewhere.
    "verification": MEANING | BASE | {"bounds", "incumbents", "sema", "backends", "solution"},
    # Rules over regions of networks that are trained: both of the above, in turn.
    "regions": MEANING | BASE | {"bounds", "incumbents", "sema", "backends", "solution", "verification"},
    # These tie the meaning and the encoding of a model together.
    "solution": MEANING
    | BASE
    | {
        "sema",
        "passes",
        "lowering",
        "milp",
        "formats",
        "backends",
        "search",
        "incumbents",
        "branching",
        "nnmip",
        "onnx",
    },
    "report": MEANING
    | BASE
    | {"syntax", "formats", "passes", "lowering", "milp", "backends", "solution", "verification"},
    "phases": MEANING | BASE | {"syntax", "sema", "passes", "lowering", "solution", "onnx"},
    "pipeline": MEANING
    | BASE
    | {
        "syntax",
        "sema",
        "passes",
        "phases",
        "lowering",
        "milp",
        "formats",
        "backends",
        "incumbents",
        "solution",
        "report",
        "verification",
        "regions",
    },
    # Queries of another language, over networks from files, decided as properties.
    "vnnlib": MEANING | BASE | {"onnx", "formats", "pipeline", "solution", "verification"},
    # The same question for many rows, in processes or on a cluster.
    "batches": MEANING | BASE | {"syntax", "formats", "pipeline", "verification"},
    # Another way in than text: it makes the same HIR by the same checks, and hands it to the pipeline.
    "build": MEANING | BASE | {"syntax", "sema", "pipeline"},
    "manual": BASE | {"syntax", "ops"},
    "starter": frozenset(),
    "cli": BASE
    | {
        "syntax",
        "manual",
        "starter",
        "formats",
        "backends",
        "solution",
        "report",
        "phases",
        "pipeline",
        "verification",
        "vnnlib",
        "batches",
        "nnmip",
    },
    "nnmip": frozenset({"build", "diagnostics", "syntax", "pipeline", "solution"}),
    "__main__": frozenset({"cli"}),
}
FRONT = ("syntax", "data", "sema", "hir", "ops")
BACK = frozenset({"milp", "lowering", "backends", "formats"})
BOTH_LEVELS = frozenset({"branching", "lowering", "incumbents", "solution", "pipeline", "report"})
"""Who may see a model as HIR and as MILP: the encodings, the way back, the order of phases, `nnmip show`."""

# Which part may import which package from outside (NumPy and the standard library are everywhere).
OUTSIDE: Mapping[str, frozenset[str]] = {
    "lark": frozenset({"syntax"}),
    "platformdirs": frozenset({"syntax"}),
    "mip": frozenset({"backends"}),
    "highspy": frozenset({"backends"}),
    "gurobipy": frozenset({"backends"}),
    "cffi": frozenset({"backends"}),
    "onnx": frozenset({"onnx"}),
    "onnxruntime": frozenset({"onnx"}),
    "matplotlib": frozenset({"report", "solution"}),
    "distributed": frozenset({"batches"}),
    "click": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
}
HEAVY = ("mip", "highspy", "gurobipy", "cffi", "onnx", "onnxruntime", "rich", "matplotlib")


@dataclass(frozen=True)
class Import:
    """`module` imports `target`. when: `start` (as soon as it is imported), `call` (inside a function) or `types`."""

    module: str
    target: str
    when: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


@cache
def trees() -> Mapping[str, ast.Module]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module, tree in trees().items() for found in _imports(module, tree, "start"))


def _imports(module: str, node: ast.AST, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, alias.name, when, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0 and child.module, f"{module}:{child.lineno} has a relative import"
            names = [f"{child.module}.{alias.name}" for alias in child.names]
            yield from (Import(module, n if n in trees() else child.module, when, child.lineno) for n in names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _imports(module, child, "types")
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, "call" if inside and when == "start" else when)


def part(module: str) -> str:
    """The part of the package that a module belongs to: `nnmip.sema.model` is `sema`."""
    return module.split(".")[1] if "." in module else module


def is_own(target: str) -> bool:
    return target.split(".")[0] == "nnmip"


def inner() -> list[Import]:
    """The imports from one part of the package to another."""
    return [i for i in imports() if is_own(i.target) and part(i.module) != part(i.target)]


# ---- arrows --------------------------------------------------------------------------------------------------------


def test_every_part_of_the_package_has_its_arrows() -> None:
    assert {part(module) for module in trees()} == set(ARROWS)


def test_imports_follow_the_arrows() -> None:
    wrong = [str(i) for i in inner() if part(i.target) not in ARROWS[part(i.module)]]
    assert not wrong


def test_the_arrows_keep_the_front_from_the_back() -> None:
    for name in FRONT:
        assert not ARROWS[name] & BACK
    for name in ("formats", "backends"):
        assert ARROWS[name] <= BASE | {"milp"}


def test_only_who_ties_them_together_sees_both_levels() -> None:
    seen: dict[str, set[str]] = {}
    for i in inner():
        seen.setdefault(part(i.module), {part(i.module)}).add(part(i.target))
    assert {name for name, targets in seen.items() if {"hir", "milp"} <= targets} <= BOTH_LEVELS


def test_what_the_replay_rests_on_shares_no_code_with_the_encodings() -> None:
    reached, waiting = set(), ["nnmip.hir.evaluate"]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting.extend({i.target for i in imports() if i.module == module and is_own(i.target)} - reached)
    assert "nnmip.ops.layers.dense" in reached
    assert not {part(module) for module in reached} & {"milp", "lowering", "passes", "backends", "formats", "solution"}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    at_start = [i for i in imports() if i.when == "start" and i.target in trees()]
    waits_for = {module: {i.target for i in at_start if i.module == module} for module in trees()}
    done: set[str] = set()
    while ready := {m for m, targets in waits_for.items() if m not in done and not targets - done}:
        done |= ready
    assert set(trees()) == done


def test_dataclasses_are_made_in_one_way() -> None:
    whole = "dataclasses.dataclass", "dataclasses.make_dataclass"
    made = {
        module
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in whole)
        or (isinstance(node, ast.ImportFrom) and node.module == "dataclasses" and "dataclass" in map(_name, node.names))
    }
    assert made == {"nnmip.records"}


def _name(alias: ast.alias) -> str:
    return alias.name


# ---- packages from outside -----------------------------------------------------------------------------------------


def test_packages_from_outside_are_imported_where_they_belong() -> None:
    outside = [i for i in imports() if not is_own(i.target)]
    for i in outside:
        name = i.target.split(".")[0]
        if name not in sys.stdlib_module_names | {"numpy"}:
            assert part(i.module) in OUTSIDE.get(name, frozenset()), str(i)


@pytest.mark.parametrize(
    ("package", "module"),
    [("onnx", "nnmip.onnx.package"), ("onnxruntime", "nnmip.onnx.package"), ("lark", "nnmip.syntax.compile_grammar")],
)
def test_a_package_is_imported_in_one_file(package: str, module: str) -> None:
    assert {i.module for i in imports() if i.target.split(".")[0] == package} == {module}


def test_heavy_packages_are_imported_inside_functions() -> None:
    assert not [str(i) for i in imports() if i.target.split(".")[0] in HEAVY and i.when == "start"]


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


# ---- the tables of the language ------------------------------------------------------------------------------------


def _stems(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / folder).glob("*.py")} - {"__init__"}


def test_every_layer_has_all_its_parts() -> None:
    names = set(LAYERS)
    assert all(op.name == name for name, op in LAYERS.items())
    assert names == set(LAYER_LOWERINGS) == set(FORMULAS)
    assert names == _stems("ops/layers") == _stems("lowering/layers")


def test_every_word_has_all_its_parts() -> None:
    names = set(WORDS)
    assert all(word.name == name for name, word in WORDS.items())
    assert names == set(WORD_LOWERINGS)
    assert names == _stems("ops/losses") | _stems("ops/words")
    assert _stems("ops/losses") == _stems("lowering/losses")
    assert _stems("ops/words") == _stems("lowering/words")


def test_what_is_written_in_terms_of_other_words_cannot_be_declared() -> None:
    tabled = {"used", "max", "min"}
    assert set(SIGNATURES) | tabled == set(BUILTINS)
    assert set(BUILTINS) - {"features", *tabled} == PHRASES


def test_what_is_there_is_not_announced_for_later() -> None:
    assert not set(LAYERS) & FUTURE_LAYERS
    assert not set(WORDS) & FUTURE_WORDS
    assert set(LAYERS) & set(WORDS) == {"abs", "clip"}


@pytest.mark.parametrize("name", [*LAYERS, *WORDS, *sorted(BUILTINS.keys() - {"atleast", "exactly"})])
def test_the_manual_has_the_page_of_every_word(name: str) -> None:
    """A heading with the name, the signature of the table, the encoding in a line, and an example that is run."""
    tables = (SIGNATURES, *({word: entry.signature for word, entry in table.items()} for table in (LAYERS, WORDS)))
    signatures = [table[name] for table in tables if name in table]
    assert signatures
    text = MANUAL.read_text(encoding="utf-8")
    heading = f"\n### `{name}`\n"
    assert heading in text
    page = text.split(heading)[1].split("\n## ")[0].split("\n### ")[0]
    assert all(f"`{signature}`" in page for signature in signatures)
    assert "\nEncoding: " in page
    examples = re.findall(r"^```nnm.*?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert any(re.search(rf"\b{name}\(", example) for example in examples)


# ---- diagnostic codes ----------------------------------------------------------------------------------------------


def _texts(tree: ast.Module) -> Iterator[str]:
    """Every string of a module that is not a docstring."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_codes_in_use_are_those_of_the_table() -> None:
    used = {
        code
        for module, tree in trees().items()
        if module != "nnmip.diagnostics.codes"
        for text in _texts(tree)
        for code in re.findall(r"NNM\d+", text)
    }
    assert used == set(TITLES)


def test_codes_are_in_order_and_titles_are_plain() -> None:
    assert list(TITLES) == sorted(TITLES)
    assert all(re.fullmatch(r"NNM0\d{3}", code) for code in TITLES)
    assert len(set(TITLES.values())) == len(TITLES)
    assert not [title for title in TITLES.values() if not re.fullmatch(r"[a-z].*[^.]", title)]


# ---- state ---------------------------------------------------------------------------------------------------------

CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*\Z|__all__\Z")
MUTABLE_CALLS = frozenset({"dict", "list", "set", "bytearray", "defaultdict", "Counter", "deque", "OrderedDict"})
MUTATORS = frozenset(
    (
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "remove",
        "discard",
        "clear",
        "sort",
    )
)


def _module_values(tree: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((ast.unparse(t), node.value, node.lineno) for t in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield ast.unparse(node.target), node.value, node.lineno


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1] in MUTABLE_CALLS
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def test_modules_hold_no_mutable_state() -> None:
    """A table at module level is a constant by name, and nothing changes it; no function rebinds a global."""
    for module, tree in trees().items():
        tables = {name: line for name, value, line in _module_values(tree) if _is_mutable(value)}
        variables = [f"{module}:{line} {name}" for name, line in tables.items() if not CONSTANT.match(name)]
        assert not variables
        for node in ast.walk(tree):
            place = f"{module}:{getattr(node, 'lineno', 0)}"
            assert not isinstance(node, ast.Global), place
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in tables:
                assert node.attr not in MUTATORS, place
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) in tables:
                assert isinstance(node.ctx, ast.Load), place


def test_the_walk_sees_what_it_must_see() -> None:
    """The rules above would be empty if the walk missed a kind of import."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\nimport mip.highs\nif TYPE_CHECKING:\n    import rich\n"
        "def f():\n    from nnmip.milp import model\ntry:\n    import onnx\nexcept ImportError:\n    pass\n"
    )
    found = {(i.target, i.when) for i in _imports("nnmip.sema.fake", tree, "start")}
    assert {("mip.highs", "start"), ("rich", "types"), ("nnmip.milp.model", "call"), ("onnx", "start")} <= found
    with pytest.raises(AssertionError, match="relative import"):
        list(_imports("nnmip.sema.fake", ast.parse("from . import model"), "start"))
