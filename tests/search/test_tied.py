"""Rules that tie units as rows over counts: the MILPs of columns have the optimum that the search has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.lowering import tied
from nnmip.lowering.columns import lower_columns
from nnmip.lowering.composite import lower_composite
from nnmip.search.joints import Joint
from nnmip.search.view import Refusal, view_of
from nnmip.sizes import UNASKED
from tests.search.compare import searched
from tests.search.test_columns import CLOSE, optimum, session
from tests.search.test_rules import HEAD, table, text

__all__ = ["session"]
EACH = 10


def first_stage(seed: int, folder: Path) -> nnmip.Model:
    """A random model with rules and its first goal alone."""
    rng = np.random.default_rng([seed, 77])
    (folder / "d.csv").write_text(table(rng))
    lines = text(rng).split("\n")
    return nnmip.loads(
        "\n".join(line.split(" then ")[0] if line.startswith("minimize") else line for line in lines), directory=folder
    )


def compared(seed: int, folder: Path, session: Session) -> list[bool]:
    """Whether each MILP of columns that the model has agrees with the search."""
    program = first_stage(seed, folder).program
    view, answers = view_of(program), []
    found = searched(program).checked
    truth = found.objective if found is not None else None
    for lower in lower_columns, lower_composite:
        try:
            lowered = lower(view, UNASKED)
        except Refusal:
            continue
        value = optimum(lowered, session, "cbc" if seed % 3 == 0 else "highs")
        same = (value is None) == (truth is None)
        answers.append(same and (truth is None or value == pytest.approx(truth, abs=CLOSE)))
        if found is not None:
            assert lowered.milp.violation(lowered.complete(found.assignment)) <= CLOSE
    return answers


@pytest.mark.parametrize("first", range(0, 80, EACH))
def test_random_rules(first: int, tmp_path: Path, session: Session) -> None:
    answers = [answer for seed in range(first, first + EACH) for answer in compared(seed, tmp_path, session)]
    assert all(answers)
    assert len(answers) >= EACH // 2


def off_by_one(self: Any, joint: Joint) -> Any:
    """Seeded fault: what a sum is where all units are 0."""
    return HONEST(self, joint) + 1.0


HONEST = tied.Tied._at_zero


def test_a_fault_is_seen(tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tied.Tied, "_at_zero", off_by_one)
    seen = False
    for seed in range(30):
        try:
            seen = seen or not all(compared(seed, tmp_path, session))
        except AssertionError:
            seen = True
    assert seen


BOTH_SIDES = """minimize hinge(net, d) + 0.01 * l0(net.weights)
constraint both: forall j in units(net.a): nonzero(net.h.weights[j, 0]) -> net.o.weights[0, j] <= 0
constraint some: exists j in units(net.a): nonzero(net.h.weights[j, 0])
"""


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_rule_on_what_comes_in_and_goes_out(
    solver: str, tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.csv").write_text("x0,x1,x2,y\n1,0,0,1\n0.25,0,1,0\n0.5,1,0,1\n-0.5,-1,1,0\n")
    ternary = "{-1, 0, 1}"
    head = HEAD.format(units=2, weights=ternary, bias="{0}", activation="relu(h)", out=ternary, shift="[-3, 3]")
    program = nnmip.loads(head + BOTH_SIDES, directory=tmp_path).program
    found = searched(program).checked
    assert found is not None
    value = optimum(lower_columns(view_of(program), UNASKED), session, solver)
    assert value == pytest.approx(found.objective, abs=CLOSE)
    # Seeded fault: conditions on the two sides of a unit are forgotten.
    monkeypatch.setattr(tied, "_fails", lambda whole, node, batch: np.zeros(batch.count))
    lowered = lower_columns(view_of(program), UNASKED)
    assert session.solve(lowered.milp, solver, SolveOptions()).objective < value - 0.01  # type: ignore[operator]
