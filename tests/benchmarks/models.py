"""The large models of the benchmarks: random arrays, and a training model that goes through the encoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nnmip
from nnmip.milp.model import Block, Milp
from nnmip.source import Origin, SourceFile, Span

ENTRIES_PER_ROW = 20
FEATURES, UNITS = 10, 8
ROWS_PER_MILLION = 3350
"""Rows of data that give about 10^6 nonzeros in `training_model`."""

ARRAYS = ("indptr", "indices", "data", "row_lb", "row_ub", "col_lb", "col_ub", "integer", "cost")


def array_bytes(milp: Milp) -> int:
    """The size of the arrays of a model."""
    return sum(getattr(milp, name).nbytes for name in ARRAYS)


def random_milp(nonzeros: int) -> Milp:
    """Inequalities of 20 entries at random columns, as many columns as rows, a third of them binary."""
    generator = np.random.default_rng(0)
    rows = columns = nonzeros // ENTRIES_PER_ROW
    step = columns // ENTRIES_PER_ROW
    first = np.arange(ENTRIES_PER_ROW) * step
    indices = (first + generator.integers(0, step, size=(rows, ENTRIES_PER_ROW))).ravel()
    integer = np.arange(columns) % 3 == 0
    origin = Origin(Span(SourceFile("random.nnm", ""), 0, 0), "random")
    return Milp(
        indptr=np.arange(rows + 1) * ENTRIES_PER_ROW,
        indices=indices,
        data=generator.normal(size=rows * ENTRIES_PER_ROW),
        row_lb=np.full(rows, -np.inf),
        row_ub=generator.normal(size=rows),
        col_lb=np.where(integer, 0.0, -generator.uniform(1, 2, size=columns)),
        col_ub=np.where(integer, 1.0, generator.uniform(1, 2, size=columns)),
        integer=integer,
        cost=generator.normal(size=columns),
        offset=0.0,
        columns=(Block("net.h.weights", (columns // 100, 100), 0, origin),),
        rows=(Block("net.h", (rows // 100, 100), 0, origin),),
    )


def training_model(nonzeros: int, folder: Path) -> nnmip.Model:
    """A 10-8-1 classifier with prunable units on random data; its MILP has short rows."""
    rows = round(nonzeros * ROWS_PER_MILLION / 10**6)
    generator = np.random.default_rng(0)
    names = [f"f{i}" for i in range(FEATURES)]
    cells = np.round(generator.uniform(-1, 1, (rows, FEATURES)), 3)
    labels = generator.choice(["a", "b"], rows)
    lines = [",".join([*map(repr, row), label]) for row, label in zip(cells.tolist(), labels, strict=True)]
    (folder / "table.csv").write_text("\n".join([",".join([*names, "y"]), *lines, ""]))
    text = f"""nnm 0.1
data table = csv("table.csv") {{
  features {", ".join(names)}
  label y as {{a: -1, b: +1}}
}}
network net(x: real[{FEATURES}] in [-1, 1]) {{
  layer h = dense(x, units: {UNITS}, weights in [-2, 2], bias in [-1, 1])
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in [-1, 1])
  return o[0]
}}
minimize hinge(net, table) + 0.01 * l0(net.weights)
"""
    return nnmip.loads(text, directory=folder)
