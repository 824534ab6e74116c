"""The tables of the language: every layer and every word by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nnmip.ops.base import LayerOp, Word
from nnmip.ops.layers import abs as abs_
from nnmip.ops.layers import (
    add,
    avgpool2d,
    clip,
    concat,
    conv2d,
    dense,
    flatten,
    gate,
    globalavgpool,
    hard_sigmoid,
    hard_tanh,
    leaky_relu,
    maxpool2d,
    pad,
    piecewise,
    relu,
    relu6,
    rescale,
    reshape,
    select,
    sign,
    step,
)
from nnmip.ops.losses import (
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
from nnmip.ops.words import abs as abs_word
from nnmip.ops.words import (
    argmax,
    argmin,
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
from nnmip.ops.words import clip as clip_word
from nnmip.ops.words import max as max_
from nnmip.ops.words import min as min_
from nnmip.ops.words import sum as sum_

LAYERS: Mapping[str, LayerOp] = MappingProxyType(
    {
        module.OP.name: module.OP
        for module in (
            *(dense, conv2d, rescale),
            *(relu, leaky_relu, clip, relu6, abs_, hard_sigmoid, hard_tanh, piecewise, sign, step, gate),
            *(maxpool2d, avgpool2d, globalavgpool, flatten, reshape, select, pad, concat, add),
        )
    }
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        module.WORD.name: module.WORD
        for module in (
            *(absolute, eps_insensitive, hinge, logistic, margin, max_error, quantile, sat_margin, squared, zero_one),
            *(count, fair, l0, lipschitz, monotone, nonzero, norm_1, norm_2sq, norm_inf, sum_, used),
            *(abs_word, argmax, argmin, clip_word, max_, min_),
        )
    }
)

PHRASES = frozenset(
    (
        *("active", "atleast", "atmost", "dot", "exactly", "fan_in", "operations", "parameters"),
        *("exclusive", "lipschitz", "monotone", "tied"),
    )
)
"""Words that are written in terms of others, or not called as the table says; they cannot be declared either."""

# Words that the language will have; using one is answered with "not yet" instead of "unknown".
FUTURE_LAYERS = frozenset({"batchnorm"})
FUTURE_WORDS = frozenset({"domain"})
