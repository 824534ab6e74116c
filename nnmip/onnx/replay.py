"""An ONNX file as it is run where it came from: by ONNX Runtime, or where that is missing by the package onnx."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import Any

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.onnx import package
from nnmip.onnx.graph import Port, cut_to, read_graph
from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.source import Span

TYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "int64": np.int64, "int32": np.int32}
"""The types of NumPy by the names that ONNX has for them."""


def session(model: Any) -> Any:
    """What runs a model. The package onnx, where ONNX Runtime is missing or has no kernel for one of its operators."""
    runtime = package.runtime()
    if runtime is None:
        return package.evaluator(model)
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file as it is, run once
    try:
        return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # of many kinds
        return package.evaluator(model)


@dataclass(slots=True, eq=False)
class OnnxFile:
    """A file with its one input; sessions are made when a value is asked for, and kept.

    source: its path or its bytes. value: the value in the file that the network returns.
    """

    source: Any
    port: Port
    value: str
    allowance: Allowance
    span: Span
    _sessions: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> Any:
        """The type of NumPy that the input is of."""
        return TYPES[self.port.kind]

    def run(self, x: FloatArray, value: str = "") -> FloatArray:
        """A value of the file, flat, for one input [...], which is rounded to the type of the file.

        Of a file for several rows at once it is the first.
        """
        name = value or self.value
        if name not in self._sessions:
            self._sessions[name] = session(cut_to(read_graph(self.source, self.allowance, self.span), name))
        sizes = tuple(size or 1 for size in self.port.shape or ())
        rows = max(1, prod(sizes) // max(1, x.size))
        with np.errstate(over="ignore"):
            feed = {self.port.name: np.tile(x.reshape(-1), rows).reshape(sizes).astype(self.type)}
        found = np.asarray(self._sessions[name].run(None, feed)[0], dtype=np.float64)
        return np.asarray(found.reshape(rows, -1)[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Sessions stay where they were made."""
        return OnnxFile, (self.source, self.port, self.value, self.allowance, self.span)
