"""Free slopes of backward bounds, for every row of its own (alpha-CROWN: Xu et al., "Fast and complete", 2021).

Below a convex activation that is 0 at its kink, every line through the origin with a slope between those of its two
sides is valid. At the least corner x of a row's plane, the derivative of the row's bound by the slope of neuron j is
A_j z_j, where A_j >= 0 is the row's coefficient on the neuron and z the values at x of the lines that the row takes.
Each slope goes against its sign by a part of its range, less every time. Nothing here has to be exact: a bound is
proved by the walk that uses the slopes.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from nnmip.bounds.interval import FloatArray
from nnmip.bounds.relaxation import Relaxation
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.bounds.crown import Crown


@dataclass(slots=True)
class Choice:
    """The slopes that some rows take, and what they met on the last walk.

    slopes: by layer, of the lines below [n, r, *shape], where they are not those of the relaxation. met: by layer that
    works entry by entry, the coefficients on its output.
    """

    slopes: dict[str, FloatArray] = field(default_factory=dict)
    met: dict[str, FloatArray] = field(default_factory=dict)

    def back(
        self, name: str, relaxation: Relaxation, rows: FloatArray
    ) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        """What a layer gives back for the rows, by the slopes chosen."""
        if relaxation.lines is None:
            return relaxation.back(rows)
        self.met[name] = rows
        return relaxation.lines.back(rows, self.slopes.get(name))

    def turn(self, walk: Crown, slope: FloatArray, rate: float) -> bool:
        """Turn the free slopes by `rate` of their range, after a walk to planes of this slope; False without any."""
        network = walk.known.network
        free = [layer for layer in network.layers if layer.name in self.met and self._is_free(walk.relaxation(layer))]
        if not free:
            return False
        box = walk.inputs
        corner = np.where(slope >= 0.0, box.lo[:, None], box.hi[:, None])
        values = self._ahead(walk, corner, free[-1].name)
        for layer in free:
            relaxation, rows = walk.relaxation(layer), self.met[layer.name]
            assert relaxation.lines is not None and relaxation.swing is not None
            least, most = relaxation.swing
            before = self._slopes(layer.name, relaxation)
            step = rate * (most - least) * np.sign(values[layer.inputs[0]]) * (rows > 0.0)
            turned = np.clip(before + step, least, most)
            self.slopes[layer.name] = np.where(relaxation.loose[0][:, None], turned, before)
        return True

    def _is_free(self, relaxation: Relaxation) -> bool:
        return relaxation.swing is not None and bool(relaxation.loose[0].any())

    def _slopes(self, name: str, relaxation: Relaxation) -> FloatArray:
        assert relaxation.lines is not None
        return self.slopes.get(name, relaxation.lines.low[:, None])

    def _ahead(self, walk: Crown, corner: FloatArray, last: str) -> dict[str, FloatArray]:
        """The values of all tensors up to a layer at one input for each row, along the lines that the row takes."""
        network, known, batch = walk.known.network, walk.known, corner.shape[:2]
        values = {network.input_name: corner}
        for layer in network.layers:
            other = known.stands_for(layer)
            if other is not None:
                values[layer.name] = values[other]
                continue
            relaxation, reads = walk.relaxation(layer), tuple(values[name] for name in layer.inputs)
            if relaxation.lines is not None and layer.name in self.met:
                chosen = self._slopes(layer.name, relaxation)
                found = relaxation.lines.ahead(reads[0], self.met[layer.name], chosen)
            else:
                flat = tuple(x.reshape(batch[0] * batch[1], *x.shape[2:]) for x in reads)
                options = {**dict(layer.options), "tolerance": 0.0}
                found = (
                    relaxation.ahead(*flat)
                    if relaxation.ahead is not None
                    else LAYERS[layer.op].forward(flat, known.weights(layer), options)
                ).reshape(*batch, *layer.shape)
            mask = known.mask(layer)
            values[layer.name] = found if mask is None else found * mask
            if layer.name == last:
                break
        return values
