"""CPU seconds of solvers on a trained network with and without ideal cuts: the most of one output over a box.

Run `python tests/benchmarks/embedding/formulations.py [--radius R ...] [--rounds N ...] [--outputs K]
[--solvers highs cbc] [--seconds S]`. The network is 64-100-100-100-10, trained for a moment on random images
(`bounds.py`). For every radius, output, solver and number of rounds prints the cuts that stay, the bounds of the
relaxation before and after them, the CPU seconds of cutting and of the solver, and its answer.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.build import Draft, grid
from nnmip.hir.core import Assignment
from nnmip.lowering.lower import Direct, Lowered, lower_program
from nnmip.solution.ideal import with_cuts
from nnmip.solution.network import TrainedNetwork, trained_network
from tests.benchmarks.embedding.bounds import trained
from tests.bounds.nets import Sketch


def as_network(sketch: Sketch) -> TrainedNetwork:
    """The dense layers of a sketch, with a ReLU behind each but the last."""
    _, given = sketch.network()
    arrays = [array.round(6) for array in given.values.values()]
    draft = Draft("net")
    net = draft.network("f", arrays[0].shape[1], (-1, 2))
    last, values = net.input, {}
    for k in range(0, len(arrays), 2):
        weights = (-9, 9) if k == 0 else grid(-9, 9, 0.5)
        last = net.dense(f"h{k}", last, units=len(arrays[k]), weights=weights, bias=(-9, 9))
        values |= {f"f.h{k}.weights": arrays[k], f"f.h{k}.bias": arrays[k + 1]}
        if k + 2 < len(arrays):
            last = net.relu(f"a{k}", last)
    net.returns(last)
    draft.satisfy()
    program = draft.program()
    return trained_network(program, program.networks[0], Assignment(values, {}))


def encoded(network: TrainedNetwork, center: np.ndarray, radius: float, output: int) -> Lowered:
    draft = Draft("most")
    f, x = draft.trained("f", network), draft.variable("x", len(center), (-radius, radius))
    draft.maximize(f(x + center)[output])
    return lower_program(draft.program())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--radius", nargs="+", type=float, default=[0.03])
    parser.add_argument("--rounds", nargs="+", type=int, default=[0, 1, 10])
    parser.add_argument("--outputs", type=int, default=2)
    parser.add_argument("--solvers", nargs="+", default=["highs", "cbc"])
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one solve")
    given = parser.parse_args()
    sketch, rows = trained(np.random.default_rng(0), 8, 100, 100, 100, 10)
    network = as_network(sketch)
    print(f"{'radius':>7} {'y':>2} {'solver':6} {'rounds':>6} {'cutting':>8} {'solving':>8}  answer, cuts")
    for radius in given.radius:
        for output in range(given.outputs):
            lowered = encoded(network, rows[output], radius, output)
            assert isinstance(lowered.way, Direct)
            for rounds in given.rounds:
                start = time.process_time()
                milp, done = with_cuts(lowered.milp, tuple(lowered.way.low.open_units), rounds)
                cutting = time.process_time() - start
                for solver in given.solvers:
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    with Session() as session:
                        answer = session.solve(milp, solver, SolveOptions(time_limit=given.seconds))
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    solving = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    text = f"{answer.termination.value} {answer.objective} {answer.dual_bound}"
                    cells = f"{radius:7g} {output:2} {solver:6} {rounds:6} {cutting:8.2f} {solving:8.2f}"
                    print(f"{cells}  {text}; {done}", flush=True)


if __name__ == "__main__":
    main()
