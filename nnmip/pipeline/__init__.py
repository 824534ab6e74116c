"""A model and everything made from it: source, syntax tree, HIR, MILP, answer."""

from nnmip.pipeline.model import Model, load, loads

__all__ = ["Model", "load", "loads"]
