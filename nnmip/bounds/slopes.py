"""Free slopes of backward bounds, for every row of its own (alpha-CROWN: Xu et al., "Fast and complete", 2021).

Below a convex activation that is 0 at its kink, every line through the origin with a slope between those of its two
sides is valid. At the least corner x of a row's plane, the derivative of the row's bound by the slope of neuron j is
A_j z_j, where A_j >= 0 is the row's coefficient on the neuron and z the values at x of the lines that the row takes.
Each slope goes against its sign by a part of its range, less every time. Nothing here has to be exact: a bound is
proved by the walk that uses the slopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from nnmip.bounds.interval import FloatArray
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import Layer
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
        values = self._ahead(walk, slope, {free[-1].name})
        for layer in free:
            relaxation, rows = walk.relaxation(layer), self.met[layer.name]
            assert relaxation.lines is not None and relaxation.swing is not None
            least, most = relaxation.swing
            before = self._slopes(layer.name, relaxation)
            step = rate * (most - least) * np.sign(values[layer.inputs[0]]) * (rows > 0.0)
            turned = np.clip(before + step, least, most)
            self.slopes[layer.name] = np.where(relaxation.loose[0][:, None], turned, before)
        return True

    def attained(self, walk: Crown, slope: FloatArray, rows: Mapping[str, FloatArray]) -> FloatArray:
        """What rows by tensor are, after a walk from them to planes of this slope, at a point of the relaxation for
        each: on the line above where the walk took that, else on the graph."""
        values = self._ahead(walk, slope, set(rows), is_inside=True)
        parts = [(own * values[name]).reshape(*slope.shape[:2], -1).sum(axis=2) for name, own in rows.items()]
        return np.asarray(sum(parts))

    def _is_free(self, relaxation: Relaxation) -> bool:
        return relaxation.swing is not None and bool(relaxation.loose[0].any())

    def _slopes(self, name: str, relaxation: Relaxation) -> FloatArray:
        assert relaxation.lines is not None
        return self.slopes.get(name, relaxation.lines.low[:, None])

    def _ahead(
        self, walk: Crown, slope: FloatArray, wanted: Set[str], is_inside: bool = False
    ) -> dict[str, FloatArray]:
        """The values of tensors up to the wanted ones, at the least corner of the plane of each row: along the lines
        that the row takes, or only along those above, so that they are inside the relaxation."""
        network, known, box = walk.known.network, walk.known, walk.inputs
        values = {network.input_name: np.where(slope >= 0.0, box.lo[:, None], box.hi[:, None])}
        for layer in network.layers:
            if wanted <= values.keys():
                break
            other = known.stands_for(layer)
            if other is not None:
                values[layer.name] = values[other]
                continue
            relaxation, reads = walk.relaxation(layer), tuple(values[name] for name in layer.inputs)
            taken = None if relaxation.lines is None else self.met.get(layer.name)
            if relaxation.lines is None or taken is None:
                found = _graph(walk, layer, reads)
            elif is_inside:
                found = np.where(taken < 0.0, relaxation.lines.above(reads[0]), _graph(walk, layer, reads))
            else:
                found = relaxation.lines.ahead(reads[0], taken, self._slopes(layer.name, relaxation))
            mask = known.mask(layer)
            values[layer.name] = found if mask is None else found * mask
        return values


def _graph(walk: Crown, layer: Layer, reads: tuple[FloatArray, ...]) -> FloatArray:
    """What a layer makes of values [n, r, *shape]."""
    relaxation, batch = walk.relaxation(layer), reads[0].shape[:2]
    flat = tuple(x.reshape(batch[0] * batch[1], *x.shape[2:]) for x in reads)
    options = {**dict(layer.options), "tolerance": 0.0}
    found = (
        relaxation.ahead(*flat)
        if relaxation.ahead is not None
        else LAYERS[layer.op].forward(flat, walk.known.weights(layer), options)
    )
    return found.reshape(*batch, *layer.shape)
