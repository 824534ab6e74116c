"""The packages onnx and onnxruntime, which are extras: the one place that imports them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

INSTALL = "ONNX files need the package onnx; install it with  pip install 'nnmip[onnx]'"


def is_available() -> bool:
    """Whether the package onnx is installed."""
    return sys.modules.get("onnx", True) is not None and find_spec("onnx") is not None


def package() -> Any:
    """The package onnx. ImportError with the command that installs it where it is missing."""
    try:
        import onnx
    except ImportError:
        raise ImportError(INSTALL) from None
    return onnx


def evaluator(model: Any) -> Any:
    """What onnx itself evaluates a model with, node by node."""
    from onnx.reference import ReferenceEvaluator

    make: Any = ReferenceEvaluator
    return make(model)


def inlined(model: Any) -> Any:
    """The model with the functions that it defines written out where they are called."""
    from onnx.inliner import inline_local_functions

    return inline_local_functions(model)


def load_external(tensor: Any, folder: str) -> None:
    """Read the numbers of a tensor that are in a file of their own."""
    from onnx.external_data_helper import load_external_data_for_tensor

    load_external_data_for_tensor(tensor, folder)


def runtime() -> Any | None:
    """The package onnxruntime, None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime
