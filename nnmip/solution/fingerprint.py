"""A short text that tells one model from another: source, data and the exact MILP."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from nnmip.hir.core import Program
from nnmip.milp.model import Milp

try:
    from _blake2 import blake2b  # that of `hashlib`, which loads OpenSSL for its other ones: 3 MB
except ImportError:
    from hashlib import blake2b


SIZE = 32
"""How many bytes a fingerprint has."""


def fingerprint(program: Program, milp: Milp) -> str:
    """BLAKE2b over source texts, parameters, tables, networks from files and the arrays of the MILP, in hexadecimal."""
    digest = blake2b(program.source.text.encode(), digest_size=SIZE)
    for source in program.included:
        digest.update(blake2b(source.text.encode(), digest_size=SIZE).digest())
    for name, value in program.parameters:
        digest.update(f"{name}={value.tolist()!r}".encode())
    for data in program.datasets:
        for array in (data.features, data.labels, data.sample_weights):
            digest.update(repr(array.shape).encode() + array.tobytes())
    for known in program.known:
        for path, array in sorted(known.assignment.values.items()):
            digest.update(f"{path}{array.shape!r}".encode())
            digest.update(_bytes(array))
    for numbers in (milp.data, milp.row_lb, milp.row_ub, milp.col_lb, milp.col_ub, milp.cost):
        digest.update(_bytes(numbers))
    for structure in (milp.indptr, milp.indices, milp.integer):
        digest.update(_bytes(structure))
    digest.update(repr(milp.offset).encode())
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview:
    """The numbers of an array in a row; copied only where they are none."""
    return array.ravel().data
