"""The rule of every ONNX operator that can be imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nnmip.onnx.operators import (
    activations,
    arithmetic,
    choices,
    endings,
    linear,
    moves,
    reductions,
    resampling,
    units,
    windows,
)
from nnmip.onnx.operators.at import Rule

LEARNING = "ai.onnx.ml"

OPERATORS: Mapping[tuple[str, str], Rule] = MappingProxyType(
    {
        **{
            ("", name): rule
            for module in (
                moves,
                arithmetic,
                activations,
                units,
                choices,
                linear,
                windows,
                resampling,
                reductions,
                endings,
            )
            for name, rule in module.RULES.items()
        },
        **{(LEARNING, name): rule for module in (moves, arithmetic, endings) for name, rule in module.LEARNING.items()},
    }
)
"""By domain and name."""

SUPPORTED = tuple(sorted(name for _, name in OPERATORS if name not in {*arithmetic.FOLDED, "ArgMax", "ArgMin"}))
"""Operators that can read what is made from the input, as messages list them."""
