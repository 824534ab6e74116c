"""The lowering of every word, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nnmip.hir.core import Apply, Node
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.losses import (
    absolute,
    eps_insensitive,
    hinge,
    logistic,
    margin,
    max_error,
    quantile,
    sat_margin,
    squared,
    zero_one,
)
from nnmip.lowering.words import abs as abs_
from nnmip.lowering.words import (
    argmax,
    argmin,
    clip,
    count,
    fair,
    l0,
    lipschitz,
    monotone,
    nonzero,
    norm_1,
    norm_2sq,
    norm_inf,
    used,
)
from nnmip.lowering.words import max as max_
from nnmip.lowering.words import min as min_
from nnmip.lowering.words import sum as sum_
from nnmip.milp.affine import Affine

WordLowering = Callable[[Lowering, Apply, Polarity, str], Affine]

WORD_LOWERINGS: Mapping[str, WordLowering] = MappingProxyType(
    {
        "abs": abs_.lower,
        "absolute": absolute.lower,
        "argmax": argmax.lower,
        "argmin": argmin.lower,
        "clip": clip.lower,
        "count": count.lower,
        "eps_insensitive": eps_insensitive.lower,
        "fair": fair.lower,
        "hinge": hinge.lower,
        "l0": l0.lower,
        "lipschitz": lipschitz.lower,
        "logistic": logistic.lower,
        "margin": margin.lower,
        "max_error": max_error.lower,
        "max": max_.lower,
        "min": min_.lower,
        "monotone": monotone.lower,
        "nonzero": nonzero.lower,
        "norm_1": norm_1.lower,
        "norm_2sq": norm_2sq.lower,
        "norm_inf": norm_inf.lower,
        "quantile": quantile.lower,
        "sat_margin": sat_margin.lower,
        "squared": squared.lower,
        "sum": sum_.lower,
        "used": used.lower,
        "zero_one": zero_one.lower,
    }
)


_RULES: Mapping[str, Callable[[Lowering, Apply], Node]] = MappingProxyType({"fair": fair.as_rules})


def rules_of(word: str) -> Callable[[Lowering, Apply], Node] | None:
    """What writes a Boolean word in other expressions, so that its parts become rows; None where nothing does."""
    return _RULES.get(word)
