"""The modules of the package, read but not run, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from tests.workbench import ROOT

PACKAGE = ROOT / "nnmip"
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
    return tuple(found for module, tree in trees().items() for found in imports_of(module, tree, "start"))


def imports_of(module: str, node: ast.AST, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, alias.name, when, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0 and child.module, f"{module}:{child.lineno} has a relative import"
            names = [f"{child.module}.{alias.name}" for alias in child.names]
            yield from (Import(module, n if n in trees() else child.module, when, child.lineno) for n in names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imports_of(module, child, "types")
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_of(module, child, "call" if inside and when == "start" else when)


def part(module: str) -> str:
    """The part of the package that a module belongs to: `nnmip.sema.model` is `sema`."""
    return module.split(".")[1] if "." in module else module


def is_own(target: str) -> bool:
    return target.split(".")[0] == "nnmip"


def inner() -> list[Import]:
    """The imports from one part of the package to another."""
    return [i for i in imports() if is_own(i.target) and part(i.module) != part(i.target)]
