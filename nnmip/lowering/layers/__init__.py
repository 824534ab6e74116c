"""The lowering of every layer, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nnmip.lowering.base import LayerLowering
from nnmip.lowering.layers import dense, relu

LAYER_LOWERINGS: Mapping[str, LayerLowering] = MappingProxyType({"dense": dense.lower, "relu": relu.lower})
