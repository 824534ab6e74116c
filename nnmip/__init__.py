"""nnmip: a solver-agnostic modelling language for neural networks as exact mathematical programs."""

__version__ = "0.1.0"
