"""nnmip: a solver-agnostic modelling language for neural networks as exact mathematical programs.

import nnmip
result = nnmip.load("iris.nnm").solve(time_limit=60)
result.networks["clf"].predict([[1.4, 0.2]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnmip.build.draft import Draft
    from nnmip.diagnostics import Diagnostic, DiagnosticError
    from nnmip.pipeline import Model, load, loads
    from nnmip.solution.imported import load_onnx
    from nnmip.solution.network import TrainedNetwork
    from nnmip.solution.result import Result
    from nnmip.solution.store import load_network
    from nnmip.syntax.parser import ParseResult
    from nnmip.syntax.public import format_text, parse, unparse

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "Diagnostic": "nnmip.diagnostics",
    "DiagnosticError": "nnmip.diagnostics",
    "Draft": "nnmip.build.draft",
    "Model": "nnmip.pipeline",
    "ParseResult": "nnmip.syntax.parser",
    "Result": "nnmip.solution.result",
    "TrainedNetwork": "nnmip.solution.network",
    "format_text": "nnmip.syntax.public",
    "load": "nnmip.pipeline",
    "load_network": "nnmip.solution.store",
    "load_onnx": "nnmip.solution.imported",
    "loads": "nnmip.pipeline",
    "parse": "nnmip.syntax.public",
    "unparse": "nnmip.syntax.public",
}


def __getattr__(name: str) -> Any:
    """Import public names when first used, so that `import nnmip` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module `nnmip` has no attribute `{name}`")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
