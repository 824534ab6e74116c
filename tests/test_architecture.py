"""The shape of the package: which part may import which, and that no module holds state."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping

import pytest

from tests.modules import HEAVY, imports, imports_of, inner, is_own, part, trees

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
        "bounds",
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
    found = {(i.target, i.when) for i in imports_of("nnmip.sema.fake", tree, "start")}
    assert {("mip.highs", "start"), ("rich", "types"), ("nnmip.milp.model", "call"), ("onnx", "start")} <= found
    with pytest.raises(AssertionError, match="relative import"):
        list(imports_of("nnmip.sema.fake", ast.parse("from . import model"), "start"))
