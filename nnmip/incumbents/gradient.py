"""Networks of one hidden layer by gradient descent from many random ones at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.incumbents.adam import Adam, length_at
from nnmip.records import dataclass
from nnmip.search.loss import Shortfalls

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESTARTS, STEPS = 16, 250
FASTEST, SLOWEST = 0.1, 0.002
"""The first and the last length of a step, as shares of the widest box."""

NAMES = ("weights", "bias", "heads", "offset")


@dataclass(frozen=True, slots=True, eq=False)
class Nets:
    """Networks f(x) = a(x W' + b) V + c, a(z) = max(z, slope z): weights [..., h, d], bias [..., h], heads [..., h, C],
    offset [..., C]. Two of them are boxes for a third."""

    weights: FloatArray
    bias: FloatArray
    heads: FloatArray
    offset: FloatArray

    def parts(self) -> tuple[FloatArray, ...]:
        return self.weights, self.bias, self.heads, self.offset

    def scores(self, rows: FloatArray, slope: float) -> FloatArray:
        """[..., n, C] for rows [n, d]."""
        z = rows @ np.swapaxes(self.weights, -1, -2) + self.bias[..., None, :]
        return np.asarray(np.maximum(z, slope * z) @ self.heads + self.offset[..., None, :])


def descended(
    rows: FloatArray,
    loss: Shortfalls,
    low: Nets,
    high: Nets,
    *,
    slope: float = 0.0,
    restarts: int = RESTARTS,
    steps: int = STEPS,
    seed: int = 0,
) -> list[Nets]:
    """Networks within a box of small loss, the best first; what the box leaves no room for stays as it is.

    Projected steps by Adam with ever smaller lengths, all restarts in the same products; of every restart the best
    network on its way is kept. Begins with hyperplanes through or near rows of the data.
    """
    chance = np.random.default_rng(seed)
    now = _first(rows, low, high, restarts, chance)
    ends = list(zip(low.parts(), high.parts(), strict=True))
    width = max(float((hi - lo).max(initial=0.0)) for lo, hi in ends)
    movers = [Adam(part) for part in now.parts()]
    best, best_value = now, np.full(restarts, np.inf)
    for step in range(1, steps + 1):
        value, slopes = _value_and_slopes(rows, loss, now, slope)
        is_better = value < best_value
        best_value = np.where(is_better, value, best_value)
        best = Nets(*(_chosen(is_better, new, old) for new, old in zip(now.parts(), best.parts(), strict=True)))
        length = width * length_at(step, steps, FASTEST, SLOWEST)
        now = Nets(
            *(
                np.clip(mover.moved(part, gradient, step, length), lo, hi)
                for mover, part, gradient, (lo, hi) in zip(movers, now.parts(), slopes, ends, strict=True)
            )
        )
    order = np.argsort(best_value, kind="stable")
    return [Nets(*(part[k] for part in best.parts())) for k in order]


def _chosen(mask: NDArray[np.bool_], new: FloatArray, old: FloatArray) -> FloatArray:
    return np.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def _first(rows: FloatArray, low: Nets, high: Nets, restarts: int, chance: np.random.Generator) -> Nets:
    """Random networks within the box, whose units bend at a row."""
    weights, _, heads, offset = (
        chance.uniform(lo, hi, (restarts, *lo.shape)) for lo, hi in zip(low.parts(), high.parts(), strict=True)
    )
    at = rows[chance.integers(len(rows), size=(restarts, weights.shape[1]))]
    bias = np.clip(-(weights * at).sum(axis=-1), low.bias, high.bias)
    return Nets(weights, bias, heads, np.clip(offset, -1.0, 1.0).clip(low.offset, high.offset))


def _value_and_slopes(
    rows: FloatArray, loss: Shortfalls, nets: Nets, slope: float
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """The loss of every network [k], and a subgradient of it for each of its parts."""
    z = rows @ np.swapaxes(nets.weights, 1, 2) + nets.bias[:, None, :]
    shown = np.maximum(z, slope * z)
    scores = shown @ nets.heads + nets.offset[:, None, :]
    short = loss.target - np.einsum("rc,krc->kr", loss.slope, scores[:, loss.row])
    order = np.argsort(loss.group, kind="stable")
    groups, first = np.unique(loss.group[order], return_index=True)
    most = np.maximum.reduceat(short[:, order], first, axis=1)
    is_most = (short == most[:, np.searchsorted(groups, loss.group)]) & (short > 0)
    back = np.zeros_like(scores)
    for c in range(loss.outputs):
        weighed = is_most * (loss.limit * loss.slope[:, c])
        for k in range(len(weighed)):
            back[k, :, c] = -np.bincount(loss.row, weights=weighed[k], minlength=len(rows))
    into = (back @ np.swapaxes(nets.heads, 1, 2)) * np.where(z > 0, 1.0, slope)
    slopes = (np.swapaxes(into, 1, 2) @ rows, into.sum(axis=1), np.swapaxes(shown, 1, 2) @ back, back.sum(axis=1))
    return np.maximum(most, 0.0) @ loss.weight[groups], slopes
