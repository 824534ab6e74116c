"""Sample weights: computed from columns, checked, and told apart from anything else."""

from __future__ import annotations

import pytest

from nnmip.data import RawTable, sample_weights
from nnmip.syntax import nodes
from tests.data_layer.helpers import refusal, table, weight

RAW = table("w,kind,v\n1,a,2\n2,b,4\n3,a,")


def scalar(expr: nodes.Expr) -> float:
    assert isinstance(expr, nodes.Number)
    return float(expr.value)


def weights(text: str, raw: RawTable = RAW) -> list[float]:
    return sample_weights(weight(text), raw, {"size": "w"}, scalar).tolist()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("w", [1, 2, 3]),
        ("size", [1, 2, 3]),
        ('"w"', [1, 2, 3]),
        ("2", [2, 2, 2]),
        ("w - 1", [0, 1, 2]),
        ("12 / (w * 2)", [6, 3, 2]),
        ("(if kind = a then 10 else w)", [10, 2, 10]),
        ('(if v = "" then 1 else v)', [2, 4, 1]),
        ("+w", [1, 2, 3]),
        ("10 - -w", [11, 12, 13]),
    ],
)
def test_weights(text: str, values: list[float]) -> None:
    assert weights(text) == values


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("v", "NNM0503", "empty cell in column `v` on line 4 of `t.csv`"),
        ("kind", "NNM0503", "`a` in column `kind` on line 2 of `t.csv` is not a number"),
        ('"weights"', "NNM0502", "`t.csv` has no column `weights`"),
        ("2 - w", "NNM0503", "the weight of the row on line 4 of `t.csv` is -1"),
        ("1 / (w - 2)", "NNM0503", "the weight of the row on line 2 of `t.csv` is -1"),
        ("1 / 0", "NNM0503", "the weight of the row on line 2 of `t.csv` is inf"),
        ("0 / 0", "NNM0503", "the weight of the row on line 2 of `t.csv` is nan"),
        ("0 * w", "NNM0503", "the weight of every row is 0"),
    ],
)
def test_weights_that_cannot_be_used(text: str, code: str, message: str) -> None:
    found = refusal(lambda: weights(text))
    assert (found.code, found.message) == (code, message)
