"""What is too large is refused before it is built, with its place, its size and the option that allows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnmip
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.formats.solutions import read_solution
from nnmip.sizes import MEETING, TERM, TOKEN, WORK, Allowance, counted, in_bytes, read_size
from nnmip.solution.store import STRUCTURE, WEIGHTS, RunFolder
from nnmip.source import SourceFile, Span

NETWORK = """
network net(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 3, weights in [-1, 1])
  return h[0]
}
minimize sum(net.weights)
"""


def refused(text: str, allow_size: str | None = None) -> Diagnostic:
    (found,) = nnmip.loads(f"nnm 0.1\n{text}", allow_size=allow_size).check()
    assert found.code == "NNM0310"
    return found


# ---- sizes as texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("500 MB", 5 * 10**8), ("1.5kb", 1500), ("12", 12), ("2TB", 2 * 10**12)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert read_size(text) == size == Allowance.of(text).size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "4 XB", "1e9", "inf", "nan", "9" * 99])
def test_other_texts_are_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        read_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (500e6, "500 MB"), (1e9, "1 GB"), (10**30, "more than")],
)
def test_sizes_are_readable(size: float, text: str) -> None:
    assert in_bytes(size).startswith(text)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 row"), (2, "2 rows"), (1_200_000, "1.2 million rows"), (10**9, "1 billion rows")]
)
def test_counts_are_readable(count: int, text: str) -> None:
    assert counted(count, "row") == text


@given(st.integers(1, 10**15 - 1))
def test_the_size_that_a_message_proposes_is_enough(size: int) -> None:
    refusal = Allowance(0).refusal(size, "it", Span(SourceFile("x", ""), 0, 0))
    assert read_size(refusal.help.partition("--allow-size ")[2].strip("`")) >= size


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ("forall i in 1..1_000_000_000: net.h.weights[0, 0] <= 1", "goes over 1 billion choices"),
        ("forall i in 1..99999, j in 1..99999 where false: net.h.weights[0, 0] <= 1", "goes over 10 billion choices"),
        ("forall i in 1..9999: exists j in 1..9999: net.h.weights[0, 0] <= j", "goes over 9999 choices"),
        ("sum(i in 1..1_000_000: net.h.weights[0, 0]) <= 1", "goes over 1 million choices"),
        ("forall i in 0..9: forall j in 0..9: forall k in 1..i * 9000 + 1: net.h.weights[0, 0] <= k", ""),
    ],
)
def test_quantifiers(rule: str, label: str) -> None:
    found = refused(f"{NETWORK}constraint c: {rule}")
    assert found.span.line == 8
    assert found.label.startswith(label)


def test_quantifiers_of_one_model_are_counted_together() -> None:
    rules = "".join(f"constraint c{k}: forall i in 1..1000: net.h.weights[0, 0] <= 1\n" for k in range(3))
    found = nnmip.loads(f"nnm 0.1\n{NETWORK}{rules}", allow_size="100MB").check()
    assert [d.span.text[:6] for d in found] == ["forall"]
    assert found[0].span.line == 10


@pytest.mark.parametrize(
    "line",
    ["param a : real[100_000, 100_000]", "param a : real[9_000_000_000_000_000] = 1", "param a : int[12_600_000]"],
)
def test_tensors(line: str) -> None:
    assert refused(f"{line}\n{NETWORK}").span.line == 2


def test_encodings() -> None:
    text = """data d = csv("x.csv") { features x scale minmax label y }
network net(x: real[1] in [0, 1]) {
  layer h = dense(x, units: 9000, weights in [-1, 1])
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in -8..8)
  return o[0]
}
minimize hinge(net, d)
"""
    rows = {"x": np.arange(2000.0), "y": np.tile([-1, 1], 1000)}
    (found,) = nnmip.loads(f"nnm 0.1\n{text}").bind(d=rows).check()
    assert (found.code, found.span.line) == ("NNM0310", 6)
    assert found.label == "2000 rows, 1.84 million coefficients for each"


MANY = {
    "comparisons": (1, lambda k: f"constraint c{k}: w <= {k}\n"),
    "words": (4, lambda k: f"constraint c{k}: l0(net.weights) <= {k + 1}\n"),
    "networks": (4, lambda k: NETWORK.partition("minimize")[0].replace(" net(", f" n{k}(")),
}


@pytest.mark.parametrize("name", MANY)
def test_many_small_parts_of_an_encoding(name: str) -> None:
    share, line = MANY[name]
    text = f"nnm 0.1\n{NETWORK}let w = net.h.weights[0, 0]\n" + "".join(line(k) for k in range(60))
    (found,) = nnmip.loads(text, allow_size=60 * share * WORK).check()
    assert found.code == "NNM0310"
    assert found.message.startswith("the encoding of ")
    assert found.span.line > 8
    assert nnmip.loads(text, allow_size=(60 * share + 80) * WORK).check() == ()


def test_one_constraint_of_many_parts() -> None:
    for rule in ("0" + " <= net.h.weights[0, 0]" * 100, f"atmost(1{', net.h.weights[0, 0] >= 1' * 50})"):
        text = f"nnm 0.1\n{NETWORK}constraint c: {rule}\n"
        assert [d.code for d in nnmip.loads(text, allow_size=100 * WORK).check()] == ["NNM0310"]
        assert nnmip.loads(text, allow_size=120 * WORK).check() == ()


def test_intervals_of_a_domain() -> None:
    text = f"nnm 0.1\n{NETWORK}".replace("[-1, 1]", " | ".join(f"[{k}, {k}.5]" for k in range(50)))
    (found,) = nnmip.loads(text, allow_size=50 * WORK).check()
    assert (found.code, found.span.line) == ("NNM0310", 4)
    assert nnmip.loads(text, allow_size=60 * WORK).check() == ()


def test_terms_of_a_sum() -> None:
    lets = "".join(f"let a{k + 1} = a{k} + a{k}\n" for k in range(8))
    text = f"nnm 0.1\n{NETWORK}let a0 = net.h.weights[0, 0]\n{lets}constraint c: a8 <= 1\n"
    (found,) = nnmip.loads(text, allow_size=255 * TERM).check()
    assert (found.code, found.span.line) == ("NNM0310", 16)
    assert found.message.startswith("a sum of 256 terms is too large to build unasked: about 1.28 MB")
    assert nnmip.loads(text, allow_size=256 * TERM).check() == ()


def test_pairs_of_networks_and_tables() -> None:
    networks = "".join(NETWORK.partition("minimize")[0].replace(" net(", f" n{k}(") for k in range(9))
    tables = "".join(f'data d{k} = csv("x.csv") {{ features a, b label y as {{no: -1, yes: 1}} }}\n' for k in range(9))
    names = ", ".join(f"n{k}, d{k}" for k in range(9))
    text = f"nnm 0.1\n{networks}{tables}satisfy\nconstraint c: foo({names}) <= 1\n"
    found = nnmip.loads(text, allow_size=81 * MEETING - 1).check(data=False)
    assert [d.message[:34] for d in found] == ["the work on 81 pairs of a network a"[:34]]
    found = nnmip.loads(text, allow_size=81 * MEETING).check(data=False)
    assert "NNM0310" not in {d.code for d in found}


def test_texts_are_refused_before_they_are_parsed() -> None:
    for text in ("let a = 1\n" * 130_000, "(" * 500_001, "#\n" * 500_001):
        found = refused(text)
        assert found.message.startswith("the text of `<text>`")


def test_a_text_that_just_fits_is_read() -> None:
    text = "nnm 0.1\n" + "let a = 1\n" * 20
    assert nnmip.parse(text, allow_size=82 * TOKEN).diagnostics == ()
    assert nnmip.parse(text, allow_size=81 * TOKEN).is_too_large


def test_included_files_count_together(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"p{k}.nnm").write_text("nnm 0.1\n" + "".join(f"let a{k}_{i} = 1\n" for i in range(30)))
    (tmp_path / "m.nnm").write_text("nnm 0.1\n" + "".join(f'include "p{k}.nnm"\n' for k in range(3)) + NETWORK)
    assert nnmip.load(tmp_path / "m.nnm", allow_size=500 * TOKEN).check() == ()
    (found,) = nnmip.load(tmp_path / "m.nnm", allow_size=400 * TOKEN).check()
    assert (found.code, Path(found.span.file.path).name) == ("NNM0310", "p2.nnm")


def test_solution_files(tmp_path: Path) -> None:
    path = tmp_path / "x.sol"
    path.write_text("x 1\n" * 100)
    with pytest.raises(DiagnosticError) as caught:
        read_solution(path, Allowance(10_000))
    assert caught.value.diagnostics[0].code == "NNM0310"


def test_saved_networks(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / WEIGHTS, **{"net.h.weights": np.zeros(10**6)})
    (tmp_path / STRUCTURE).write_text("{}")
    with pytest.raises(DiagnosticError) as caught:
        RunFolder(tmp_path, Allowance(10**6)).load_networks()
    assert caught.value.diagnostics[0].code == "NNM0310"


# ---- what is allowed -----------------------------------------------------------------------------------------------


def test_a_size_can_be_allowed() -> None:
    rule = "forall i in 1..1000: net.h.weights[0, 0] <= i"
    assert refused(f"{NETWORK}constraint c: {rule}", "20MB").help.endswith("`--allow-size 40MB`")
    assert nnmip.loads(f"nnm 0.1\n{NETWORK}constraint c: {rule}", allow_size="40MB").check() == ()


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a size"):
        nnmip.loads("nnm 0.1\n", allow_size="much")
