"""How far from 0 the outputs of a network can be, by the interval rules of its layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.table import propagate
from nnmip.hir.core import Network


def output_reach(network: Network) -> NDArray[np.float64]:
    """The largest absolute value that interval arithmetic allows each output, shape [outputs].

    Inputs and weights range over the smallest intervals that contain their declared domains. Part of the meaning of
    `sat_margin`: it depends on the declarations alone, not on data, and not on bounds that a pass may tighten.
    """
    domain = network.input_domain
    box = Interval.box((1, *network.input_shape), domain.lo, domain.hi)
    last = propagate(network, box).outputs[network.result_layer]
    return last.magnitude.reshape(-1)[np.asarray(network.result_index).reshape(-1)]
