"""Operators that cannot be imported, with the reason and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NORM = (
    "it divides by the spread of the numbers that it reads, which is curved; batch normalisation, whose numbers are "
    "known after training, can be imported"
)
LOOP = "it runs over steps; a network of fixed size with dense or convolutional layers can be imported"
TREES = "trees are no networks; a `MLPRegressor`, `MLPClassifier` or linear model of the same table can be imported"
KERNELS = "its kernels are curved; a linear model or an MLP of the same table can be imported"
SORTED = "it sorts by numbers that are made from the input; the largest and the smallest entries can be had with `Max`"
FOREIGN = "ONNX has no such operator: the exporter could not translate it; use another activation, or another exporter"
JUMPS = "it jumps between whole numbers"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "LayerNormalization",
                "InstanceNormalization",
                "GroupNormalization",
                "RMSNormalization",
            ),
            NORM,
        ),
        **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan", "If"), LOOP),
        **dict.fromkeys(("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"), TREES),
        **dict.fromkeys(("SVMClassifier", "SVMRegressor"), KERNELS),
        **dict.fromkeys(("TopK", "NonMaxSuppression", "Unique"), SORTED),
        **dict.fromkeys(("Erfc", "Expm1"), FOREIGN),
        **dict.fromkeys(("Round", "Trunc"), JUMPS),
    }
)
"""By operator; others have no reason but that they are not there."""
