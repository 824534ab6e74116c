"""A network of another tool, to predict with, to embed, or to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from nnmip.onnx.read import ENDINGS, read_onnx
from nnmip.ops.smooth import LEAST, MOST
from nnmip.sizes import Allowance
from nnmip.solution.network import TrainedNetwork
from nnmip.source import Origin, SourceFile, Span


def load_onnx(
    source: Any,
    output: str | None = None,
    *,
    smooth: float | None = None,
    ending: Literal["scores", "values"] = "scores",
    name: str = "net",
    allow_size: int | str | None = None,
) -> TrainedNetwork:
    """The network of an ONNX model: a path, the bytes of a file, or an `onnx.ModelProto` (the extra `nnmip[onnx]`).

    It has the exact numbers of the file and reads its inputs in the order of the file. `output` names the output with
    the scores, the first that can hold some without it. A `Sigmoid`, `Tanh`, `Softmax` or the like inside of it
    becomes curves of lines that are at most `smooth` (0.001) from it: what is predicted is what the curves give, and
    `network.smoothed` says how far that is from the file at most. At the end one is taken off, or is curves, too, where
    `ending` is "values". `model.bind(f=network)` puts it into the place of a network file that a model
    names, `draft.trained("f", network)` into a program that is built in Python.

    Raises DiagnosticError: NNM0616 for what is no ONNX model, NNM0617 for what cannot be imported, NNM0618 where the
    network does not compute what ONNX Runtime computes, NNM0310 for one that is larger than `allow_size`; ValueError
    for a `smooth` that is out of range, or another `ending`.
    """
    if smooth is not None and not LEAST <= smooth <= MOST:
        raise ValueError(f"smooth must be from {LEAST:g} to {MOST:g}, not {smooth:g}")
    if ending not in ENDINGS:
        raise ValueError(f"ending must be one of {', '.join(ENDINGS)}, not {ending!r}")
    origin = Origin(Span(SourceFile(name, ""), 0, 0), name)
    given = Path(source) if isinstance(source, str) else source
    known = read_onnx(given, output, name, origin, Allowance.of(allow_size), smooth, ending)
    return TrainedNetwork(
        network=known.network,
        assignment=known.assignment,
        scaling=None,
        inputs=(),
        label=None,
        label_column=None,
        coding=(),
        smoothed=known.smoothed,
    )
