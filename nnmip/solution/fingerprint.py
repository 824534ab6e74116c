"""A short text that tells one model from another: source, data and the exact MILP."""

from __future__ import annotations

import hashlib

import numpy as np

from nnmip.hir.core import Program
from nnmip.milp.model import Milp


def fingerprint(program: Program, milp: Milp) -> str:
    """SHA-256 over source texts, parameters, tables, networks from files and the arrays of the MILP, in hexadecimal."""
    digest = hashlib.sha256(program.source.text.encode())
    for source in program.included:
        digest.update(hashlib.sha256(source.text.encode()).digest())
    for name, value in program.parameters:
        digest.update(f"{name}={value.tolist()!r}".encode())
    for data in program.datasets:
        for array in (data.features, data.labels, data.sample_weights):
            digest.update(repr(array.shape).encode() + array.tobytes())
    for known in program.known:
        for path, array in sorted(known.assignment.values.items()):
            digest.update(f"{path}{array.shape!r}".encode() + array.tobytes())
    for numbers in (milp.data, milp.row_lb, milp.row_ub, milp.col_lb, milp.col_ub, milp.cost):
        digest.update(numbers.tobytes())
    for structure in (milp.indptr, milp.indices, milp.integer):
        digest.update(np.ascontiguousarray(structure).tobytes())
    digest.update(repr(milp.offset).encode())
    return digest.hexdigest()
