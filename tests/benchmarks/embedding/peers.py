"""The other tools of the comparison, and the question that each of them is asked: the most of one output over a box.

A tool runs as a process of its own, from PyPI in an environment of its own that is made where it is missing. It gets a
task, writes a model in MPS format and leaves the rest to a solver: this module says how. The tools are OMLT (its big-M
form), PySCIPOpt-ML (its big-M form, since its other one needs SOS, which HiGHS refuses) and gurobi-machinelearning,
which has no file that another solver reads, so that only its size can be told.
"""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

READ = """
import itertools, json, sys
import numpy as np
import onnx

task = json.load(open(sys.argv[1]))
shape, output = task["shape"], task["output"] or 0
low, high = np.array(task["low"]), np.array(task["high"])
"""
"""How the script of every tool begins: with the task that `tasks.Task.save` writes."""

OMLT = """
import pyomo.environ as pyo
from omlt import OmltBlock
from omlt.io.onnx import load_onnx_neural_network
from omlt.neuralnet import ReluBigMFormulation

keys = list(itertools.product(*map(range, shape))) if len(shape) > 1 else range(shape[0])
box = dict(zip(keys, zip(low.ravel().tolist(), high.ravel().tolist())))
net = load_onnx_neural_network(onnx.load(task["net"]), input_bounds=box)
model = pyo.ConcreteModel()
model.net = OmltBlock()
model.net.build_formulation(ReluBigMFormulation(net))
model.goal = pyo.Objective(expr=-list(model.net.outputs.values())[output])
model.write(sys.argv[2])
"""

SCIP = """
from pyscipopt import Model
from pyscipopt_ml.add_predictor import add_predictor_constr
from pyscipopt_ml.modelling.neuralnet import BaseNNConstr

# Its reader of ONNX files forgets which formulation it was asked for.
layer = BaseNNConstr.add_dense_layer
BaseNNConstr.add_dense_layer = lambda self, *given, **named: layer(self, *given, **named, formulation="bigm")
net = onnx.load(task["net"])
model = Model()
box = zip(low.ravel().tolist(), high.ravel().tolist())
x = np.array([model.addVar(f"x{k}", lb=a, ub=b) for k, (a, b) in enumerate(box)], dtype=object)
width = net.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
y = np.array([model.addVar(f"y{k}", lb=None, ub=None) for k in range(width)], dtype=object)
add_predictor_constr(model, net, x, y, unique_naming_prefix="net_")
model.setObjective(-y[output])
model.writeProblem(sys.argv[2], verbose=False)
"""

GUROBI = """
import gurobipy
from gurobi_ml import add_predictor_constr

net = onnx.load(task["net"])
model = gurobipy.Model()
model.Params.OutputFlag = 0
x = model.addMVar((1, low.size), lb=low.reshape(1, -1), ub=high.reshape(1, -1))
width = net.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
y = model.addMVar((1, width), lb=-gurobipy.GRB.INFINITY)
add_predictor_constr(model, net, x, y)
model.setObjective(-y[0, output])
model.update()
found = {"columns": model.NumVars, "rows": model.NumConstrs, "binaries": model.NumGenConstrs}
json.dump({**found, "left": model.presolve().NumBinVars}, open(sys.argv[2], "w"))
"""


def python_of(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of an environment with some packages, which is made on the first call."""
    python = (folder / "bin" / "python").absolute()
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


@dataclass(frozen=True)
class Peer:
    """A tool: its script, the packages that it needs, and the ending of what it writes."""

    model: str
    packages: tuple[str, ...]
    ending: str = "mps"

    @property
    def script(self) -> str:
        return READ + self.model

    def python(self, folder: Path) -> Path:
        return python_of(folder, self.packages)


PEERS = {
    "omlt": Peer(OMLT, ("omlt", "onnx", "pyomo")),
    "scip": Peer(SCIP, ("pyscipopt", "pyscipopt-ml", "onnx", "onnxruntime", "scikit-learn")),
    "gurobi": Peer(GUROBI, ("gurobi-machinelearning", "gurobipy", "onnx", "scikit-learn"), "json"),
}
