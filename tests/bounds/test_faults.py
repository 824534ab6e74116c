"""Faults that are put into the bounds on purpose are found by the points of the soundness tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nnmip.bounds.crown as crown_module
from nnmip.bounds.crop import CroppedWeights
from nnmip.bounds.known import Contradiction, KnownWeights
from nnmip.bounds.relaxation import Lines, Relaxation
from nnmip.bounds.slopes import Choice
from nnmip.ops.registry import LAYERS
from tests.bounds.nets import boxes
from tests.bounds.test_crown import NETS, deep_images, misses

Fault = Callable[[pytest.MonkeyPatch], None]


def with_lines(change: Callable[[Lines], Lines]) -> Fault:
    back = Lines.back

    def fault(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Lines, "back", lambda self, *given: back(change(self), *given))

    return fault


def with_layer(op: str, change: Callable[[Any], Any]) -> Fault:
    """The rule of a layer, with something done to what it takes back."""
    right = LAYERS[op].relax
    assert right is not None

    def relax(*given: Any) -> Relaxation:
        found = right(*given)
        return replace(found, back=lambda rows: change(found.back(rows)))

    def fault(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crown_module, "LAYERS", {**LAYERS, op: replace(LAYERS[op], relax=relax)})

    return fault


def without_last_branch(found: Any) -> Any:
    (*kept, last), constant = found
    return (*kept, np.zeros_like(last)), constant


def without_constant(found: Any) -> Any:
    return found[0], None


def flipped(found: Any) -> Any:
    return tuple(part[..., ::-1] for part in found[0]), found[1]


def slopes_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    back = Choice.back

    def steeper(self: Choice, name: str, relaxation: Relaxation, rows: Any) -> Any:
        self.slopes = {key: 1.0 + value for key, value in self.slopes.items()}
        return back(self, name, relaxation, rows)

    monkeypatch.setattr(Choice, "back", steeper)


def without_border(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CroppedWeights, "mask", KnownWeights.mask)


FAULTS: dict[str, tuple[str, Fault]] = {
    "a slope that is too small above": ("relu", with_lines(lambda found: replace(found, high=0.8 * found.high))),
    "a missing intercept above": ("relu", with_lines(lambda found: replace(found, high_shift=found.low_shift))),
    "a missing intercept below": (
        "abs",
        with_lines(lambda found: replace(found, low_shift=0.0 * found.low_shift + 0.1)),
    ),
    "lines exchanged": (
        "hard_tanh",
        with_lines(lambda found: Lines(found.high, found.high_shift, found.low, found.low_shift)),
    ),
    "slopes that turn too far": ("relu", slopes_out_of_range),
    "a dropped branch of a sum": ("residual_net", with_layer("add", without_last_branch)),
    "a dropped branch of a join": ("joined_net", with_layer("concat", without_last_branch)),
    "a dropped bias of a dense layer": ("leaky_relu", with_layer("dense", without_constant)),
    "a dropped bias of a convolution": ("image_net", with_layer("conv2d", without_constant)),
    "a transpose that mirrors images": ("image_net", with_layer("conv2d", flipped)),
    "windows that give to the wrong places": ("joined_net", with_layer("maxpool2d", flipped)),
    "a dropped constant of a maximum": ("joined_net", with_layer("maxpool2d", without_constant)),
    "a border that is forgotten": ("image_net", with_layer("pad", without_constant)),
    "a border that is no padding in a block": ("deep_images", without_border),
    "a gate that is forgotten": ("gated_net", with_layer("gate", without_last_branch)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a point outside its bounds, or by bounds that contradict each other."""
    kind, fault = FAULTS[name]
    count = 5000 if kind in NETS else 1000
    for seed in range(6):
        rng = np.random.default_rng(seed)
        sketch = {**NETS, "deep_images": deep_images}[kind](rng)
        network, assignment = sketch.network()
        box = boxes(rng, 5, sketch.shapes["x"], 0.5)
        assert misses(network, assignment, box, crown_module.crown(network, assignment, box), rng, count) == 0
        with monkeypatch.context() as patch:
            fault(patch)
            try:
                bounds = crown_module.crown(network, assignment, box)
            except Contradiction:
                return
            if misses(network, assignment, box, bounds, rng, count):
                return
    pytest.fail("nothing was found")
