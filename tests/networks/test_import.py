"""Networks from ONNX models: they compute what the models compute, and what cannot be read is refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from nnmip.hir.evaluate import result
from nnmip.hir.known import KnownNetwork
from nnmip.onnx.read import read_onnx
from nnmip.sizes import UNASKED, Allowance
from nnmip.source import Origin, SourceFile, Span
from tests.networks.nets import NETS

ORIGIN = Origin(Span(SourceFile("model.nnm", ""), 0, 0), "f")


def read(model: object, output: str | None = None, allowance: Allowance = UNASKED) -> KnownNetwork:
    return read_onnx(model, output, "f", ORIGIN, allowance)


def run(model: onnx.ModelProto, rows: np.ndarray, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """What a model gives for rows, flat; ONNX Runtime has no double precision for some operators, onnx itself has."""
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        session = ReferenceEvaluator(model)
    if len(rows) == shape[0] > 1:
        return session.run(None, {"x": rows.astype(kind).reshape(shape)})[0].reshape(len(rows), -1)
    return np.stack([session.run(None, {"x": row.astype(kind).reshape(shape)})[0].reshape(-1) for row in rows])


def returning(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with one value as its output."""
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model


@pytest.mark.parametrize("name", NETS)
def test_it_computes_what_the_model_computes(name: str) -> None:
    """In single precision as the file to 1e-4, in double precision to 1e-9 of the largest output."""
    net = NETS[name]()
    known = read(net.model())
    value = net.nodes[-1][1].split()[0] if known.network.squashed_by else "y"
    shape = tuple(1 if isinstance(size, str) else size for size in net.shape)
    is_batch = len(shape) > 1 and known.network.input_shape == shape[1:]
    count = shape[0] if is_batch and shape[0] > 1 else 2 if shape[0] == 3 else 3
    x = np.random.default_rng(5).normal(size=(count, *known.network.input_shape)) * 2
    x = x.astype(np.float32).astype(np.float64)
    ours = result(known.network, known.assignment, x).reshape(count, -1)
    kind = np.float64 if net.type == TensorProto.DOUBLE else np.float32
    for each, given, tolerance in ((None, kind, 1e-4), (TensorProto.DOUBLE, np.float64, 1e-9)):
        theirs = run(returning(net.model(each), value), x, shape, given)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-6)
