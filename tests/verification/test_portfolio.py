"""The MILP of a property by two solvers side by side: the first answer counts, and no process is left behind."""

from __future__ import annotations

import os
import re
import signal
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.protocol import Progress
from nnmip.hir.core import Program
from nnmip.pipeline.model import Model
from nnmip.pipeline.model import ProgressHandler as Handler
from nnmip.solution.result import Result
from nnmip.verification.run import INTERRUPTED, Limits, verify
from nnmip.verification.verdict import Answer
from tests.benchmarks.verification.soundness import Case
from tests.workbench import nnmip as nnmip_command
from tests.workbench import solvers_below, wait_until_gone, write_model

BOTH = "highs,cbc"


@pytest.mark.parametrize(("name", "answer"), [("more4", Answer.VERIFIED), ("less4", Answer.VIOLATED)])
def test_the_first_answer_of_two_solvers_decides(name: str, answer: Answer, tmp_path: Path) -> None:
    model, before = Case.of(1).model(tmp_path), solvers_below(os.getpid())
    verdict = model.verify(name, solver=BOTH, stages=("milp",))
    assert (verdict.answer, verdict.by) == (answer, "milp")
    assert re.fullmatch(r"1 models; (highs|cbc) decided 1", verdict.steps[-1].said)
    assert solvers_below(os.getpid()) == before


def test_ctrl_c_keeps_the_best_bound_of_both(tmp_path: Path) -> None:
    random, sizes = np.random.default_rng(0), (20, 40, 40, 40, 2)
    layers = [random.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    np.savez(tmp_path / "net.npz", **{f"l{k}.weights": weights for k, weights in enumerate(layers)})  # type: ignore[arg-type]
    text = "verify hard:\n  forall x : real[20] in [-1, 1]\n  prove net(x)[0] <= 3\n"
    program = nnmip.loads(f'nnm 0.1\nnetwork net = npz("net.npz")\n{text}', directory=tmp_path).program
    seen: list[tuple[float, list[int]]] = []
    before = solvers_below(os.getpid())

    def solve(program: Program, limit: float | None, progress: Handler, stop: threading.Event) -> Result:
        def watch(event: Progress) -> None:
            progress(event)
            if event.dual_bound is not None and np.isfinite(event.dual_bound) and not seen:
                seen.append((event.dual_bound, [p for p in solvers_below(os.getpid()) if p not in before]))
                os.kill(os.getpid(), signal.SIGINT)

        return Model.of_program(program).solve(solver=BOTH, time_limit=limit, progress=watch, stop=stop)

    stop = threading.Event()
    verdict = verify(program, program.properties[0], solve, Limits(stages=("milp",)), stop)
    ((bound, processes),) = seen
    assert (verdict.answer, verdict.reason) == (Answer.UNKNOWN, INTERRUPTED)
    assert stop.is_set()
    assert verdict.margin is not None and bound - 1e-6 <= verdict.margin < 0.0
    assert processes
    wait_until_gone(processes)
    assert solvers_below(os.getpid()) == before


def test_the_command_takes_several_solvers(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{"h.weights": np.array([[2.0, -1.0]])})
    text = "verify p:\n  forall x : int[2] in 0..1\n  prove net(x) <= 2\n"
    write_model(tmp_path, f'nnm 0.1\nnetwork net = npz("net.npz")\n{text}', "p.nnm")
    done = nnmip_command(tmp_path, "verify", "p.nnm", "--solver", "cbc, highs")
    assert (done.returncode, done.stdout.startswith("p: verified")) == (0, True)
    done = nnmip_command(tmp_path, "verify", "p.nnm", "--solver", "cbc,cbc")
    assert done.returncode == 2
    assert "two ways are the same: cbc with auto" in done.stderr
