"""Which ONNX files become networks, and whether these compute what the files compute.

    python tests/benchmarks/embedding/coverage.py [FOLDER] [--all]

Every `*.onnx` file below FOLDER, as `corpus.py` writes them, and the models that the tests build node by node. A file
is *imported*, *refused* with a diagnostic, or *failed* with anything else; what is imported is run in ONNX Runtime on
the file and, for float64, on a copy in double precision (in the evaluator of the package onnx where ONNX Runtime has
no kernel), at points that the import did not see. Prints a row for each file that is not imported, for all with
`--all`.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference.op_run import OpRun

import nnmip
from nnmip.diagnostics import DiagnosticError
from nnmip.onnx import read
from nnmip.onnx.check import TYPES
from nnmip.onnx.graph import cut_to
from nnmip.onnx.package import evaluator
from tests.networks.nets import NETS

SINGLE, DOUBLE = 1e-4, 1e-9
BATCHES = 6


def models(folder: Path | None) -> Iterator[tuple[str, str, onnx.ModelProto | Path]]:
    """(family, name, model or its file)."""
    for name, make in NETS.items():
        yield "helper", name, make().model()
    for path in sorted(folder.rglob("*.onnx")) if folder is not None else []:
        if "env" not in path.relative_to(folder).parts:
            yield path.parent.name, path.stem, path


def doubled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every number of single precision as the double that it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        _double(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if attribute.type == onnx.AttributeProto.TENSOR:
                _double(attribute.t)
            if attribute.name in ("value_float", "value_floats"):
                numbers = np.array(helper.get_attribute_value(attribute), dtype=np.float64)
                attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(numbers)))
    return copy


def _double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


class Erf(OpRun):
    """That of the package onnx rounds to single precision."""

    op_domain = ""

    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)


class Gelu(OpRun):
    op_domain = ""

    def _run(self, x: np.ndarray, approximate: str | None = None) -> tuple[np.ndarray]:
        assert approximate in (None, "none")
        return (np.vectorize(lambda z: 0.5 * z * (1 + math.erf(z / math.sqrt(2))), otypes=[x.dtype])(x),)


class HardSwish(OpRun):
    op_domain = ""

    def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
        return ((x * np.clip(x / 6 + 0.5, 0, 1)).astype(x.dtype),)


EXACT = [Erf, Gelu, HardSwish]


def given(model: onnx.ModelProto, name: str, feeds: np.ndarray) -> np.ndarray:
    """What a model gives for each feed of its input, flat: by ONNX Runtime, else by the evaluator of onnx.

    ONNX Runtime computes the operators of scikit-learn in single precision whatever they are given; `EXACT` ones are in
    double precision here alone.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    own = {each.__name__ for each in EXACT}
    has_single = any(node.domain or node.op_type in own for node in model.graph.node)
    try:
        if has_single and feeds.dtype == np.float64:
            raise TypeError
        session: Any = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception:
        session = evaluator(model, EXACT)
    found = [np.asarray(session.run(None, {name: x})[0]) for x in feeds]
    if feeds.dtype == np.float64 and found[0].dtype != np.float64:
        raise TypeError("single precision inside")
    return np.stack([array.reshape(-1).astype(np.float64) for array in found])


def differences(model: onnx.ModelProto | Path) -> tuple[float, float | None]:
    """How far the imported network is from the file in its own precision and in double, relative to the largest
    output; None where nothing runs the file in double."""
    with mock.patch.object(read, "check", wraps=read.check) as checked:
        nnmip.load_onnx(model)
    graph, port, rows, shape, computed, claim = checked.call_args.args
    network = computed.network
    x = np.random.default_rng(77).normal(size=(BATCHES * rows, *network.input_shape)) * 2
    x = x.astype(np.float32).astype(np.float64)
    ours = claim.apply(computed.result(x)).reshape(BATCHES, -1)
    cut, shape = cut_to(graph, claim.name), (shape if rows == 1 else (rows, *shape[1:]))
    feeds = x.reshape(BATCHES, *shape)
    theirs = given(cut, port.name, feeds.astype(TYPES[port.kind]))
    single = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    try:
        exact = given(
            doubled(cut), port.name, feeds if port.kind.startswith(("f", "d")) else feeds.astype(TYPES[port.kind])
        )
    except Exception:  # operators of neither have double precision
        return single, None
    return single, float(np.abs(ours - exact).max() / np.abs(exact).max())


def main(folder: Path | None, is_all: bool) -> int:
    counts: dict[str, Counter[str]] = {}
    for family, name, model in models(folder):
        text = ""
        try:
            single, double = differences(model)
            agrees = single <= SINGLE and (double is None or double <= DOUBLE)
            kinds = ["imported", "agrees" if agrees else "differs"]
            text = f"{single:.1e}  {'-' if double is None else f'{double:.1e}'}"
            kinds += ["no double run"] if double is None else []
        except DiagnosticError as error:
            kinds, text = ["refused"], f"{error.diagnostics[0].code} {error.diagnostics[0].message}"
        except Exception as error:
            kinds, text = ["failed"], f"{type(error).__name__}: {error}"
        counts.setdefault(family, Counter()).update(["files", *kinds])
        if is_all or "agrees" not in kinds:
            print(f"{family:10} {name:28} {kinds[-1]:14} {text[:150]}")
    heads = ("files", "imported", "agrees", "differs", "refused", "failed", "no double run")
    print("\n" + " " * 10 + "".join(f"{head:>15}" for head in heads))
    for family, found in {**counts, "all": sum(counts.values(), Counter())}.items():
        print(f"{family:10}" + "".join(f"{found[head]:>15}" for head in heads))
    return int(any(found["differs"] or found["failed"] for found in counts.values()))


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--all"]
    sys.exit(main(Path(arguments[0]) if arguments else None, "--all" in sys.argv))
