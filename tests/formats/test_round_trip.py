"""What we write, we read back bit for bit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmip.formats.files import SUFFIXES, read_model, write_model
from nnmip.formats.names import model_names
from nnmip.formats.one_sided import for_files
from nnmip.milp.model import Milp


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_models_come_back_bit_for_bit(
    suffix: str, milps: st.SearchStrategy[Milp], assert_equal: Callable[[Milp, Milp], None], data: st.DataObject
) -> None:
    milp = data.draw(milps)
    with tempfile.TemporaryDirectory() as folder:
        written = write_model(milp, Path(folder) / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
        back = read_model(written.model)
    back.verify()
    expected = for_files(milp)
    assert_equal(back, expected)
    names = model_names(expected)
    assert [block.path for block in back.columns] == names.columns
    assert [block.path for block in back.rows] == names.rows
    assert model_names(back) == names


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_a_model_of_several_chunks_comes_back(
    suffix: str, build: Callable[..., Milp], assert_equal: Callable[[Milp, Milp], None], tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    wide = {int(j): float(v) for j, v in enumerate(generator.normal(size=40_000))}
    narrow = [({k: float(generator.normal()), k + 1: 1.0}, -1.0, np.inf) for k in range(0, 40_000, 10)]
    columns = [(0.0, 1.0, bool(k % 3 == 0), float(generator.normal())) for k in range(40_001)]
    milp = build([narrow[0], (wide, -np.inf, 3.0), *narrow[1:]], columns, 0.1)
    written = write_model(milp, tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    assert_equal(read_model(written.model), milp)


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_numbers_that_need_seventeen_digits(
    suffix: str, build: Callable[..., Milp], assert_equal: Callable[[Milp, Milp], None], tmp_path: Path
) -> None:
    tricky = [
        0.1,
        1 / 3,
        np.pi * 1e-5,
        2**53 + 2.0,
        np.nextafter(1.0, 2),
        1e-9,
        9.999999999999999e14,
        0.30000000000000004,
    ]
    columns = [(-value, value, False, value * 1e280) for value in tricky]
    milp = build([({j: -value for j, value in enumerate(tricky)}, tricky[1], np.inf)], columns, tricky[-1])
    written = write_model(milp, tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    assert_equal(read_model(written.model), milp)
