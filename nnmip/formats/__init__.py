"""Exact LP and MPS files, their readers, and the solution files that solvers write."""

from nnmip.formats.files import SUFFIXES, WrittenModel, read_model, split_suffix, write_model
from nnmip.formats.lp_reader import read_lp
from nnmip.formats.mps_reader import read_mps
from nnmip.formats.one_sided import one_sided
from nnmip.formats.solutions import SolutionFile, read_solution

__all__ = [
    "SUFFIXES",
    "SolutionFile",
    "WrittenModel",
    "one_sided",
    "read_lp",
    "read_model",
    "read_mps",
    "read_solution",
    "split_suffix",
    "write_model",
]
