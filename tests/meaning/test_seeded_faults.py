"""The safety net sees faults: one at a time is put into the encodings, and the comparison with enumeration must notice.

Row faults are given by the end of the rows' path: the rows are dropped, or their sign is turned round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnmip.bounds.interval import Interval, matmul
from nnmip.hir import alike
from nnmip.hir.core import Constant, Fold, IntArray, Layer, Network, Node
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.lowering.base import Polarity
from nnmip.lowering.decisions import IntegerEncoding, PiecesEncoding
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.logic import lower_fold
from nnmip.lowering.piecewise import largest, positive_part
from nnmip.lowering.scores import Ahead, Groups, ahead, merged_rows
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.ops.losses.sat_margin import wanted_signs
from nnmip.passes import symmetry
from nnmip.passes.exchange import Exchanges
from tests.meaning.faults import Known, dropping, first_disagreement, problems, turning, with_rows
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.handwritten.filters import FILTERS
from tests.meaning.harness import load


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    """Every corner model."""
    return [Known.of(name, load(text, tmp_path_factory.mktemp("m"))) for name, text in CORNERS.items()]


def test_without_a_fault_all_agree(known: list[Known]) -> None:
    assert not problems(known)


# ---- rows ----------------------------------------------------------------------------------------------------------

DROPPED = (
    ".weights.one_pick",
    "used.both",
    "used.needs_out",
    "used.needs_in",
    "used.in.each0",
    "used.in.some",
    "used.out.some",
    "used.out.each0",
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
    "hinge.on",
    "hinge.at_most",
    "margin.at_least",
    "margin.at_most",
    "absolute.at_least",
    "absolute.off",
    "absolute.on",
    "max_error.at_least",
    "max_error.at_most",
    "predicted.right",
    "zero_one.right",
    "quantile.at_least",
    "quantile.on",
    "quantile.off",
    "eps_insensitive.above.at_least",
    "eps_insensitive.above.on",
    "eps_insensitive.above.off",
    "eps_insensitive.below.at_least",
    "eps_insensitive.below.on",
    "eps_insensitive.below.off",
    "sat_margin.right",
    "sat_margin.wrong",
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
    "zero_one.wrong",
    "zero_one.some",
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
    "sat_margin.right",
    "sat_margin.one_label",
    "predicted.right",
    "predicted.one_answer",
    "zero_one.right",
    ".weights.one_pick",
)


@pytest.mark.parametrize("end", DROPPED)
def test_a_dropped_row_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(end))
    assert first_disagreement(with_rows(known, end)) is not None


@pytest.mark.parametrize("end", TURNED)
def test_a_row_with_the_wrong_sign_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", turning(end))
    assert first_disagreement(with_rows(known, end)) is not None


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
    monkeypatch.setattr("nnmip.lowering.losses.zero_one.thresholds", lambda node, found: np.zeros(found.value.shape))
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("loss", ["hinge", "zero_one", "absolute"])
def test_repeated_rows_counted_once_are_noticed(loss: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    of_loss = [entry for entry in known if f"{loss}(" in entry.program.source.text]

    def faulty(*args: Any) -> Groups:
        groups = merged_rows(*args)
        return replace(groups, share=np.full(len(groups.share), 1.0 / len(groups.share)))

    monkeypatch.setattr("nnmip.lowering.scores.merged_rows", faulty)
    assert first_disagreement(of_loss) is not None


def test_signs_of_another_output_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(labels: Any, outputs: int) -> Any:
        return wanted_signs(labels, outputs)[:, ::-1]

    monkeypatch.setattr("nnmip.lowering.losses.sat_margin.wanted_signs", faulty)
    assert first_disagreement([entry for entry in known if "sat_margin(" in entry.program.source.text]) is not None


@pytest.mark.parametrize("fault", ["weights", "reduce", "truth", "zero weights"])
def test_a_wrong_share_is_noticed(fault: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(passed: Any, truth: Any, weights: Any, reduce: str) -> Groups:
        match fault:
            case "weights":
                weights = np.ones_like(weights)
            case "reduce":
                reduce = "mean"
            case "truth":
                truth = np.zeros_like(truth) + truth[0]
            case "zero weights":
                weights = np.maximum(weights, 1e-12)
        return merged_rows(passed, truth, weights, reduce)

    monkeypatch.setattr("nnmip.lowering.scores.merged_rows", faulty)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("side", ["right", "wrong", "other"])
def test_a_tie_on_the_wrong_side_is_noticed(side: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*args: Any) -> Ahead:
        found = ahead(*args)
        ties = {"right": found.tie_is_wrong & False, "wrong": found.tie_is_wrong | True, "other": ~found.tie_is_wrong}
        return replace(found, tie_is_wrong=ties[side])

    of_classes = [entry for entry in known if "label label as {a, b" in entry.program.source.text]
    monkeypatch.setattr("nnmip.lowering.predictions.ahead", faulty)
    assert first_disagreement(of_classes) is not None


@pytest.mark.parametrize("steps", [-1.0, 1.0])
def test_a_wrong_step_below_the_threshold_is_noticed(
    steps: float, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnmip.lowering.losses.zero_one.NEAR", steps)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize(("below", "above"), [(1.0, 0.8), (0.8, 1.0)])
def test_a_largest_with_wrong_bounds_is_noticed(
    below: float, above: float, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(low: Any, path: str, candidates: Affine, bounds: Interval, *args: Any) -> Affine:
        return largest(low, path, candidates, shrunk(bounds, below, above), *args)

    for loss in ("hinge", "margin", "max_error"):
        monkeypatch.setattr(f"nnmip.lowering.losses.{loss}.largest", faulty)
    assert first_disagreement(known) is not None


# ---- decisions of the lowering -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["lower", "expressions"])
def test_a_side_that_is_not_flipped_is_noticed(place: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"nnmip.lowering.{place}.scaled", lambda polarity, factor: polarity)
    assert first_disagreement(known) is not None


def test_features_of_a_column_that_count_one_by_one_are_noticed(
    known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(low: Any, node: Fold, polarity: Polarity) -> Affine:
        if node.op == "or" and node.operand.shape == (3,):
            return lower_expression(low, node.operand, polarity).sum(axis=-1)
        return lower_fold(low, node, polarity)

    of_columns = [entry for entry in known if "as onehot" in entry.program.source.text]
    monkeypatch.setattr("nnmip.lowering.logic.lower_fold", faulty)
    assert first_disagreement(of_columns) is not None


@pytest.mark.parametrize("encoding", [PiecesEncoding, IntegerEncoding])
def test_values_that_are_not_rounded_are_noticed(
    encoding: type, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "lift", lambda self, x: self.value.value(x))
    assert first_disagreement(known) is not None


def test_an_order_of_units_that_are_named_is_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnmip.passes.symmetry._name", lambda *args: None)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("part", ["decisions", "tensors", "slices", "constants", "all"])
def test_units_that_are_told_apart_unnoticed_are_noticed(
    part: str, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exchange that does not move what it must, or is blind to what differs."""
    exact = Exchanges._numbers

    def numbers(self: Exchanges, node: Node, numbers_of: Any) -> IntArray:
        return exact(self, node, numbers_of) * (not isinstance(node, Constant))

    match part:
        case "constants":
            monkeypatch.setattr(Exchanges, "_numbers", numbers)
        case "all":
            monkeypatch.setattr(Exchanges, "leave", lambda self, node: np.ones(len(self.pairs), dtype=bool))
        case _:
            monkeypatch.setattr(
                symmetry, "Exchanges", lambda units, pairs: Exchanges(replace(units, **{part: {}}), pairs)
            )
    assert first_disagreement(known) is not None


def test_removed_units_that_still_count_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that does not reach the outgoing weights."""
    monkeypatch.setattr("nnmip.lowering.decisions._source_gate", lambda gates, wiring, decision: None)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("part", ["sources", "readers", "sums"])
def test_units_that_are_not_alike_are_noticed(part: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters of which it is forgotten what they read, who reads them, or that they are added to others."""
    forms, columns = alike._forms, alike._columns

    def forms_without_sources(network: Network) -> alike._Forms:
        found = forms(network)
        same = [{name: form * 0 for name, form in forms.items()} for forms in (found.tensors, found.weights)]
        return alike._Forms(*same)

    def columns_without_readers(wiring: Wiring, forms: alike._Forms, producer: Layer) -> Iterator[alike._Column]:
        for column in columns(wiring, forms, producer):
            yield replace(column, form=column.form * 0)

    def wiring_without_sums(network: Network) -> Wiring:
        wiring = wiring_of(network)
        return replace(wiring, passes_on=wiring.passes_on & False)

    name, faulty = {
        "sources": ("_forms", forms_without_sources),
        "readers": ("_columns", columns_without_readers),
        "sums": ("wiring_of", wiring_without_sums),
    }[part]
    monkeypatch.setattr(alike, name, faulty)
    of_filters = [entry for entry in known if entry.name in FILTERS]
    assert first_disagreement(of_filters) is not None
