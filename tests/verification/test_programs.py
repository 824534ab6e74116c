"""The stage of linear programs: certified bounds of rows, against points, lines and MILPs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import nnmip
from nnmip.verification.composite import Composite, Map
from nnmip.verification.programs import Programs
from nnmip.verification.region import Region, regions_of
from nnmip.verification.verdict import Answer

FloatArray = NDArray[np.float64]
ROWS = "net(x)[0] - x[1] <= {t} and net(x)[1] - 0.5 * net(x)[0] <= {t}"


def model_of(folder: Path, claim: str, seed: int = 0) -> nnmip.Model:
    random = np.random.default_rng(seed)
    sizes, net = (4, 16, 16, 2), {}
    for name, before, after in zip("abc", sizes, sizes[1:], strict=False):
        net[f"{name}.weights"] = random.normal(size=(after, before)) / np.sqrt(before)
        net[f"{name}.bias"] = 0.2 * random.normal(size=after)
    np.savez(folder / "net.npz", **net)
    text = f"verify p:\n  forall x : real[4] in [-1, 1]\n  assume x[0] + x[1] <= 1.5\n  prove {claim}\n"
    return nnmip.loads(f'nnm 0.1\nnetwork net = npz("net.npz")\n{text}', directory=folder)


def parts(model: nnmip.Model) -> tuple[Composite, Region, Map]:
    (wanted,) = model.program.properties
    composite = Composite(model.program, wanted.points)
    (region,) = regions_of(wanted, composite)
    rows = composite.map_of([row for task in region.tasks for row in task.rows]).joined(region.map)
    return composite, region, rows


@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_rows_are_below_all_points_and_above_those_of_lines(seed: int, tmp_path: Path) -> None:
    composite, region, rows = parts(model_of(tmp_path, ROWS.format(t=0.5), seed))
    made = Programs.of(composite, region, rows, lambda: False)
    assert made is not None
    assert made.is_whole
    places = list(range(len(rows.constant)))
    lines, again = composite.walk(rows, region.box).least(rows)[0], made.walk.least(rows)[0]
    found = made.least(places)
    assert (again >= lines - 1e-9).all()
    assert (found >= again - 1e-7).all()
    assert (found[:2] > lines[:2] + 1e-3).all()
    x = np.random.default_rng(seed).uniform(region.box.lo, region.box.hi, (20_000, 4))
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    assert (composite.values(rows, np.concatenate([x, corners])).min(axis=0) >= found).all()


def test_a_program_is_exact_where_the_relaxation_is(tmp_path: Path) -> None:
    """The least of the sum of abs(x - k) for k = 0 ... 11 is 36, at 5 ... 6, and nothing is lost below a convex sum."""
    first = {"a.weights": np.repeat([[1.0], [-1.0]], 12, axis=0), "a.bias": np.r_[-np.arange(12.0), np.arange(12.0)]}
    np.savez(tmp_path / "net.npz", **first, **{"b.weights": np.ones((1, 24)), "b.bias": np.zeros(1)})
    text = 'nnm 0.1\nnetwork net = npz("net.npz")\nverify p:\n  forall x : real[1] in [-1, 12]\n  prove net(x) >= 30\n'
    composite, region, rows = parts(nnmip.loads(text, directory=tmp_path))
    made = Programs.of(composite, region, rows, lambda: False)
    assert made is not None
    (found,), (least,) = made.least([0]), composite.values(rows, np.array([[5.5]]))[0]
    assert least == 6.0 and 6.0 - 1e-6 <= found <= 6.0


def test_the_clock_leaves_the_bounds_of_lines(tmp_path: Path) -> None:
    composite, region, rows = parts(model_of(tmp_path, ROWS.format(t=0.5)))
    made = Programs.of(composite, region, rows, lambda: True)
    assert made is not None
    assert not made.is_whole
    assert np.allclose(made.walk.least(rows), composite.walk(rows, region.box).least(rows), atol=1e-6)


def test_rows_over_two_points_have_no_program_of_their_own(tmp_path: Path) -> None:
    composite, region, rows = parts(model_of(tmp_path, "net(x)[0] - net(0.5 * x)[0] <= 1"))
    made = Programs.of(composite, region, rows, lambda: False)
    assert made is not None
    assert np.isneginf(made.least([0])).all()


@pytest.mark.parametrize("seed", range(2))
def test_programs_prove_only_what_a_milp_proves(seed: int, tmp_path: Path) -> None:
    decided = 0
    for t in (0.4, 0.8, 1.2, 1.6, 2.4):
        model = model_of(tmp_path, f"net(x)[0] - x[1] <= {t}", seed)
        mine = model.verify("p", stages=["programs"])
        assert mine.answer is not Answer.VIOLATED
        if mine.answer is Answer.VERIFIED:
            decided += 1
            assert (mine.by, mine.proof) == ("programs", "certified")
            assert model.verify("p", stages=["milp"], solver="cbc" if seed else "highs").answer is Answer.VERIFIED
    assert decided


def test_a_stage_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no stage `lp`; there are bounds, attack, exact, splitting, programs, milp"):
        model_of(tmp_path, "net(x)[0] <= 9").verify("p", stages=["lp"])
