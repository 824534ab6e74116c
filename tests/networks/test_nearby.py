"""How far networks with curves are from their files in a box: bounds, against samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import nnmip
from nnmip.bounds import distance
from nnmip.bounds.distance import TooLarge, distances
from nnmip.bounds.interval import Interval
from nnmip.bounds.nearby import Nearby, over_parts
from nnmip.hir.evaluate import result, smooth_result
from nnmip.hir.known import KnownNetwork
from nnmip.ops.differences import Difference, difference
from nnmip.ops.functions import FUNCTIONS
from nnmip.ops.smooth import approximation
from nnmip.verification.verdict import Answer
from tests.networks.nets import Net
from tests.networks.test_softmax import NETS, read

RNG = np.random.default_rng(5)


def mixed() -> Net:
    """Curves behind curves, with what is not linear between them, and a branch around them."""
    nodes = [("Gemm", "x w b", "h"), ("Tanh", "h", "t"), ("Gemm", "t v", "g"), ("Relu", "g", "r"), ("Abs", "g", "a")]
    nodes += [("Sub", "r a", "d"), ("Sigmoid", "d", "s"), ("Add", "s t", "u"), ("Gemm", "u q", "k")]
    nodes += [("ReduceMax", "k", "m", {"axes": [1]}), ("Softplus", "k", "p"), ("Add", "p m", "y")]
    stored = {name: RNG.normal(size=(6, 6)) for name in "vq"}
    return Net(("N", 3), nodes, {"w": RNG.normal(size=(3, 6)), "b": RNG.normal(size=6), **stored})


def through_windows() -> Net:
    nodes = [("Conv", "x w", "c"), ("Tanh", "c", "t"), ("AveragePool", "t", "a", {"kernel_shape": [2, 2]})]
    nodes += [("Conv", "a v", "d"), ("Erf", "d", "e"), ("Flatten", "e", "f"), ("Gemm", "f q", "y")]
    stored = {"w": RNG.normal(size=(3, 1, 2, 2)), "v": RNG.normal(size=(2, 3, 2, 2)), "q": RNG.normal(size=(8, 2))}
    return Net(("N", 1, 5, 5), nodes, stored)


def chain() -> Net:
    """Of one number: what is off in the first curve is stretched by the second."""
    nodes = [("Gemm", "x w", "h"), ("Tanh", "h", "t"), ("Gemm", "t v", "g"), ("Relu", "g", "r"), ("Softplus", "r", "y")]
    return Net(("N", 1), nodes, {"w": np.ones((1, 1)), "v": np.full((1, 1), 5.0)})


def of_units() -> Net:
    """Functions that fall somewhere, behind each other."""
    nodes = [("Gemm", "x w b", "h"), ("Sigmoid", "h", "i"), ("Mul", "h i", "s"), ("Gemm", "s v", "g")]
    stored = {"w": RNG.normal(size=(3, 6)), "b": RNG.normal(size=6), "v": RNG.normal(size=(6, 6))}
    return Net(("N", 3), [*nodes, ("Elu", "g", "y")], stored)


ALL: dict[str, Net] = {
    **NETS,
    "mixed": mixed(),
    "through windows": through_windows(),
    "chain": chain(),
    "units": of_units(),
}


def box_of(known: KnownNetwork, radius: float) -> Interval:
    centre = np.random.default_rng(2).normal(size=(1, *known.network.input_shape))
    return Interval(centre - radius, centre + radius)


def away(known: KnownNetwork, box: Interval, count: int = 1500) -> np.ndarray:
    """How far results are off at most, at random points, a third of them with entries at the ends."""
    rng = np.random.default_rng(0)
    part = rng.random((count, *known.network.input_shape))
    part[: count // 3] = np.clip(3.0 * part[: count // 3] - 1.0, 0.0, 1.0)
    x = box.lo + (box.hi - box.lo) * part
    return np.abs(result(known.network, known.assignment, x) - smooth_result(known, x)).max(axis=0)


def breaks(bound: Callable[[KnownNetwork, Interval], np.ndarray], name: str, radius: float) -> float:
    """By how much samples are further off than a bound, relative to what is met; negative where they are not."""
    known = read(ALL[name], 0.02)
    met = away(known, box_of(known, radius))
    return float((met / bound(known, box_of(known, radius))).max()) - 1.0


def whole(known: KnownNetwork, box: Interval) -> np.ndarray:
    return distances(known, box)[0]


@pytest.mark.parametrize("name", [name for name in ALL if name != "softmax of 1"])
def test_no_sample_is_further_off(name: str) -> None:
    known = read(ALL[name], 0.02)
    assert known.smoothed is not None
    for radius in (0.0, 0.03, 0.4, 3.0):
        box = box_of(known, radius)
        met, bound = away(known, box), whole(known, box)
        assert (met <= bound * (1.0 + 1e-12) + 1e-13).all()
        assert (bound <= known.smoothed.error).all()
        if radius == 0.0 and name != "mixed":
            assert bound.max() <= 1.25 * met.max()


MUCH = [("deep", 0.03, 6.0), ("log softmax", 0.4, 2.0), ("mixed", 0.03, 3.0), ("through windows", 0.03, 3.0)]


@pytest.mark.parametrize(("name", "radius", "times"), MUCH)
def test_a_box_says_much_more_than_all_inputs(name: str, radius: float, times: float) -> None:
    known = read(ALL[name], 0.02)
    assert whole(known, box_of(known, radius)).max() * times <= known.smoothed.error.max()  # type: ignore[union-attr]


def test_parts_say_more_than_the_whole() -> None:
    known = read(ALL["deep"], 0.02)
    box = box_of(known, 0.4)
    met, parts = away(known, box), over_parts(known, box)
    assert (met <= parts).all() and parts.max() <= 0.85 * whole(known, box).max()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_differences_and_slopes_hold_over_intervals(name: str) -> None:
    rng = np.random.default_rng(1)
    centre, half = rng.normal(size=300) * rng.choice([0.1, 1, 5, 50], 300), rng.choice([1e-3, 0.1, 1, 9], 300)
    z = Interval(centre - half, centre + half)
    inside = centre + half * np.linspace(-1.0, 1.0, 401)[:, None]
    for largest in (0.05, 0.002):
        made = approximation(name, largest)
        curve = difference(name, made.points, made.values)
        found, slopes = curve.over(z), curve.slopes(z)
        values, steep = curve.at(inside), np.diff(curve.function.exact(inside), axis=0) / np.diff(inside, axis=0)
        assert (found.lo <= values).all() and (values <= found.hi).all()
        assert (slopes.lo <= steep + 1e-9).all() and (steep <= slopes.hi + 1e-9).all()
        assert found.magnitude.max() <= made.error * (1.0 + 1e-6)
        assert (found.hi - values.max(axis=0)).max() <= 0.2 * made.error
        assert (values.min(axis=0) - found.lo).max() <= 0.2 * made.error


# ---- faults --------------------------------------------------------------------------------------------------------


def at_the_ends(self: Difference, z: Interval) -> Interval:
    ends = self.at(z.lo), self.at(z.hi)
    return Interval(np.minimum(*ends), np.maximum(*ends)).widened(np.full(z.lo.shape, 1e-9))


def least_steep(self: Difference, z: Interval) -> Interval:
    return Interval.point(np.minimum(self.function.steep(z.lo), self.function.steep(z.hi)))


def without_most(self: distance.Off) -> np.ndarray:
    return np.asarray(0.5 * np.abs(self.terms).sum(axis=1))


def forgotten(self: distance._Walk, off: distance.Off, steep: Interval, away: Interval) -> distance.Off:
    return distance.Off.within(away.magnitude)


FAULTS = {
    "differences at the ends only": (Difference, "over", at_the_ends, "softplus", 0.4),
    "one slope for an interval": (Difference, "slopes", least_steep, "chain", 3.0),
    "half of what is off": (distance.Off, "size", property(without_most), "through windows", 0.0),
    "what was off before a curve is forgotten": (distance._Walk, "_sloped", forgotten, "chain", 0.4),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, instead, net, radius = FAULTS[fault]
    assert breaks(whole, net, radius) <= 0.0
    monkeypatch.setattr(owner, name, instead)
    assert breaks(whole, net, radius) > 0.01


# ---- what is said --------------------------------------------------------------------------------------------------

TEXT = """nnm 0.1
network f = onnx("f.onnx", smooth: 0.05)
var x: real[3] in [0.9, 1]
let y = f(x)
minimize y[0]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx.save(NETS["deep"].model(onnx.TensorProto.DOUBLE), tmp_path / "f.onnx")
    return tmp_path


def test_the_answer_says_how_far_all_inputs_are_off(folder: Path) -> None:
    model = nnmip.loads(TEXT, directory=folder)
    solved = model.solve(time_limit=60.0)
    (known,) = model.program.known
    box = Interval(np.full((1, 3), 0.9), np.full((1, 3), 1.0))
    bound = over_parts(known, box).max()
    assert away(known, box).max() <= bound <= 0.3 * known.smoothed.error.max()  # type: ignore[union-attr]
    (near,) = (note for note in solved.notes if note.startswith("f(x): "))
    assert near.startswith(
        f"f(x): the outputs are within {bound:.3g} of the file's for all values of the variables, and"
    )


def test_a_property_allows_for_the_error_of_its_box(folder: Path) -> None:
    """The claim is true by more than that, and by less than what is known of all inputs."""
    known = read(NETS["deep"], 0.05)
    assert known.smoothed is not None
    box = Interval(np.full((1, 3), 0.9), np.full((1, 3), 1.0))
    x = box.lo + 0.1 * np.random.default_rng(0).random((3000, 3))
    limit = float(result(known.network, known.assignment, x)[:, 0].max()) + 0.5 * float(known.smoothed.error[0])
    for stated in ("forall x: real[3] in [0.9, 1]", "forall x: real[3] in [-5, 5]\n  assume 0.9 <= x <= 1"):
        text = f"{TEXT.partition('var')[0]}verify p:\n  {stated}\n  prove f(x)[0] <= {limit!r}\n"
        assert nnmip.loads(text, directory=folder).verify("p", time_limit=60.0).answer is Answer.VERIFIED


def test_what_is_too_large_keeps_the_error_of_all_inputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nnmip.loads(TEXT, directory=folder)
    (known,) = model.program.known
    (value,) = {term.value.base for stage in model.program.stages for term in stage.terms}  # type: ignore[attr-defined]
    assert Nearby(model.program).error(value).max() < known.smoothed.error.max()  # type: ignore[union-attr]
    monkeypatch.setattr(distance, "MOST", 10)
    with pytest.raises(TooLarge):
        distances(known, box_of(known, 0.1))
    assert Nearby(model.program).error(value) is known.smoothed.error  # type: ignore[union-attr]
