"""The lowering of every layer, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nnmip.lowering.base import LayerLowering
from nnmip.lowering.layers import abs as abs_
from nnmip.lowering.layers import (
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

LAYER_LOWERINGS: Mapping[str, LayerLowering] = MappingProxyType(
    {
        "dense": dense.lower,
        "conv2d": conv2d.lower,
        "rescale": rescale.lower,
        "relu": relu.lower,
        "leaky_relu": leaky_relu.lower,
        "clip": clip.lower,
        "relu6": relu6.lower,
        "abs": abs_.lower,
        "hard_sigmoid": hard_sigmoid.lower,
        "hard_tanh": hard_tanh.lower,
        "piecewise": piecewise.lower,
        "sign": sign.lower,
        "step": step.lower,
        "gate": gate.lower,
        "maxpool2d": maxpool2d.lower,
        "avgpool2d": avgpool2d.lower,
        "globalavgpool": globalavgpool.lower,
        "flatten": flatten.lower,
        "reshape": reshape.lower,
        "select": select.lower,
        "pad": pad.lower,
        "concat": concat.lower,
        "add": add.lower,
    }
)
