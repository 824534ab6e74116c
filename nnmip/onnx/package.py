"""The packages onnx and onnxruntime, which are extras: the one place that imports them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN = {1: ("f4", "float_data"), 6: ("i4", "int32_data"), 7: ("i8", "int64_data"), 11: ("f8", "double_data")}
"""The types of ONNX, by number, that are types of NumPy, with the list that a message has where it holds no bytes."""

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


MESSAGES = "onnx.onnx_ml_pb2"


def messages() -> Any:
    """The classes of the messages of ONNX files. ImportError as for `package`.

    They are all that most files need, and the package loads much more before it has them: the one module of the classes
    is loaded alone where that can be done. The package takes it as it is when it is imported later.
    """
    if not is_available():
        return package()
    if MESSAGES in sys.modules:
        return sys.modules[MESSAGES]
    home = find_spec("onnx")
    file = Path((home and home.origin) or "onnx").with_name(f"{MESSAGES.rpartition('.')[2]}.py")
    spec = spec_from_file_location(MESSAGES, file) if file.is_file() else None
    if spec is None or spec.loader is None:
        return package()
    module = module_from_spec(spec)
    sys.modules[MESSAGES] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[MESSAGES]
        raise
    return module


def numbers(tensor: Any) -> NDArray[Any]:
    """The numbers of a stored tensor. ValueError, or what the package raises, where they are no numbers of its type."""
    if tensor.data_type not in PLAIN or tensor.HasField("segment"):
        return np.asarray(package().numpy_helper.to_array(tensor))
    kind, listed = PLAIN[tensor.data_type]
    if tensor.HasField("raw_data"):
        found = np.frombuffer(tensor.raw_data, f"<{kind}").astype(kind, copy=False)
    else:
        found = np.array(getattr(tensor, listed), kind)
    return found.reshape(tuple(tensor.dims))


def evaluator(model: Any, instead: Sequence[Any] = ()) -> Any:
    """What onnx itself evaluates a model with, node by node; with other operators instead of its own."""
    from onnx.reference import ReferenceEvaluator

    make: Any = ReferenceEvaluator
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    return make(model, new_ops=[*instead, *([_batch_normalization()] if opset < TELLS_TRAINING else [])])


TELLS_TRAINING = 14
"""The operator set in which a batch normalisation says whether it is in training. Of older ones onnx takes all to be
that have a momentum, which has a default."""


def _batch_normalization() -> Any:
    """The operator with stored statistics."""
    from onnx.reference.op_run import OpRun

    base: Any = OpRun

    class BatchNormalization(base):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Any, *stored: Any, **attributes: Any) -> Any:
            scale, shift, mean, variance = (array.reshape(-1, *(1,) * (x.ndim - 2)) for array in stored)
            found = (x - mean) / np.sqrt(variance + (attributes.get("epsilon") or 0.0)) * scale + shift
            return (found.astype(x.dtype),)

    return BatchNormalization


def inlined(model: Any) -> Any:
    """The model with the functions that it defines written out where they are called."""
    from onnx.inliner import inline_local_functions

    return inline_local_functions(model)


def load_external(tensor: Any, folder: str) -> None:
    """Read the numbers of a tensor that are in a file of their own. ValueError for a file that does not fit."""
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_tensor

    try:
        load_external_data_for_tensor(tensor, folder)
    except ValidationError as error:
        raise ValueError(str(error)) from None


def runtime() -> Any | None:
    """The package onnxruntime, None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime
