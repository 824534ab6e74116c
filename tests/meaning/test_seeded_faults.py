"""The safety net sees faults: one at a time is put into the encodings, and the comparison with enumeration must notice.

Row faults are given by the end of the rows' path: the rows are dropped, or their sign is turned round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnmip.bounds.interval import Interval, matmul
from nnmip.hir.core import Program
from nnmip.lowering.base import Groups, label_groups
from nnmip.lowering.decisions import IntegerEncoding, PiecesEncoding
from nnmip.lowering.lower import lower_program
from nnmip.lowering.piecewise import positive_part
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from tests.meaning.corners import CORNERS
from tests.meaning.harness import difference, load, solve_highs
from tests.meaning.oracle import enumerate_optimum

Known = tuple[str, Program, float | None]
ROWS = MilpBuilder.rows


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    """Every corner model with its true optimum."""
    found = []
    for number, (name, text) in enumerate(CORNERS.items()):
        program = load(text, tmp_path_factory.mktemp(f"m{number}"))
        found.append((name, program, enumerate_optimum(program).objective))
    return found


def first_disagreement(known: list[Known]) -> str | None:
    """The name of a model on which the MILP and the enumeration differ."""
    for name, program, truth in known:
        lowered = lower_program(program)
        if difference(lowered, solve_highs(lowered.milp), truth):
            return name
    return None


def test_without_a_fault_all_agree(known: list[Known]) -> None:
    assert first_disagreement(known) is None


# ---- rows ----------------------------------------------------------------------------------------------------------

DROPPED = (
    ".weights.one_pick",
    "used.both",
    "used.needs_out",
    "used.needs_in",
    "used.in.each0",
    "used.in.some",
    "used.out.some",
    ".product.upper",
    ".product.lower",
    ".product.rest_upper",
    ".product.rest_lower",
    ".product.off_upper",
    ".product.off_lower",
    ".weights.last",
    ".weights.kept",
    ".weights.nonzero.upper",
    ".weights.nonzero.lower",
    ".weights.nonzero.sign",
    ".weights.kept.target",
    ".weights.kept.source",
    ".weights.kept.both",
    "net.a.at_least",
    "net.a.off",
    "net.a.on",
    "hinge.at_least",
    "hinge.off",
    "zero_one.right",
    ".if",
    ".only_if",
    ".each",
    ".all",
    ".some",
    ".not_both",
    ".left",
    "xor.right",
    "if.off_upper",
    "if.off_lower",
    "if.on_upper",
    "if.on_lower",
    "norm_inf.at_least",
    "norm_inf.at_most",
    "norm_inf.one_largest",
    ".value.one",
    ".value.is",
)
TURNED = (
    ".product.rest_upper",
    ".product.rest_lower",
    ".product.corner_ll",
    ".product.corner_uu",
    ".product.corner_ul",
    ".product.corner_lu",
    "net.a.on",
    "net.a.between",
    "net.a.between.phase",
    "used.both",
    "zero_one.right",
    ".weights.one_pick",
)


def dropping(end: str) -> Callable[..., None]:
    def rows(self: MilpBuilder, path: str, expression: Affine, *args: Any, **options: Any) -> None:
        if not path.endswith(end):
            ROWS(self, path, expression, *args, **options)

    return rows


def turning(end: str) -> Callable[..., None]:
    def rows(self: MilpBuilder, path: str, expression: Affine, *args: Any, **options: Any) -> None:
        ROWS(self, path, -expression if path.endswith(end) else expression, *args, **options)

    return rows


@pytest.mark.parametrize("end", DROPPED)
def test_a_dropped_row_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(end))
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("end", TURNED)
def test_a_row_with_the_wrong_sign_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", turning(end))
    assert first_disagreement(known) is not None


# ---- constants -----------------------------------------------------------------------------------------------------


def shrunk(interval: Interval, below: float, above: float) -> Interval:
    return Interval(interval.lo * below, interval.hi * above)


@pytest.mark.parametrize(("below", "above"), [(0.8, 1.0), (1.0, 0.8)])
def test_a_big_m_too_small_is_noticed(
    below: float, above: float, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(low: Any, path: str, z: Affine, bounds: Interval, *args: Any) -> Any:
        return positive_part(low, path, z, shrunk(bounds, below, above), *args)

    monkeypatch.setattr("nnmip.lowering.layers.relu.positive_part", faulty)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize(("below", "above"), [(0.8, 1.0), (1.0, 0.8)])
def test_a_wrong_interval_is_noticed(
    below: float, above: float, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnmip.ops.layers.dense.matmul", lambda x, w: shrunk(matmul(x, w), below, above))
    assert first_disagreement(known) is not None


def test_bounds_without_the_zero_of_removed_units_are_noticed(
    known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnmip.bounds.table.removable", lambda network: frozenset())
    assert first_disagreement(known) is not None


def test_thresholds_of_the_wrong_label_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnmip.lowering.losses.zero_one.required", lambda node, labels: np.zeros(len(labels)))
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("loss", ["hinge", "zero_one"])
def test_repeated_rows_counted_once_are_noticed(loss: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*args: Any) -> Groups:
        groups = label_groups(*args)
        return replace(groups, share=np.full(len(groups.share), 1.0 / len(groups.share)))

    monkeypatch.setattr(f"nnmip.lowering.losses.{loss}.label_groups", faulty)
    assert first_disagreement(known) is not None


# ---- decisions of the lowering -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["lower", "expressions"])
def test_a_side_that_is_not_flipped_is_noticed(place: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"nnmip.lowering.{place}.scaled", lambda polarity, factor: polarity)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("encoding", [PiecesEncoding, IntegerEncoding])
def test_values_that_are_not_rounded_are_noticed(
    encoding: type, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "lift", lambda self, x: self.value.value(x))
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("function", ["_name", "_name_units"])
def test_an_order_of_units_that_are_named_is_noticed(
    function: str, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"nnmip.passes.symmetry.{function}", lambda *args: None)
    assert first_disagreement(known) is not None


def test_removed_units_that_still_count_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that does not reach the outgoing weights."""
    monkeypatch.setattr("nnmip.lowering.decisions._pruned_source", lambda network, name: None)
    assert first_disagreement(known) is not None
