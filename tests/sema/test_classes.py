"""Classes by their names, and columns of saved networks, against the numbers that they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip

TABLE = "a,b,kind\n0,0,red\n4,0,green\n0,2,blue\n4,2,green\n1,1,red\n"
HEAD = """nnm 0.1
data train = csv("rows.csv") {
  features a, b scale minmax
  label    kind as {red, green, blue}
}
network net(x: real[2] in [0, 1]) {
  layer o = dense(x, units: 3, weights in -1..1, bias in -1..1)
  return o
}
minimize zero_one(net, train)
"""
LAST = "forall s in train: s.a = 1 -> "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("named", "numbered"),
    [
        ('argmax(net(s)) = "blue"', "argmax(net(s)) = 2"),
        ('"green" != argmax(net(s))', "argmax(net(s)) != 1"),
        ('argmin(net(s)) in {"red", "blue"}', "argmin(net(s)) in {0, 2}"),
    ],
)
def test_a_class_is_its_number(folder: Path, named: str, numbered: str) -> None:
    made = [nnmip.loads(f"{HEAD}constraint c: {LAST}{rule}\n", directory=folder) for rule in (named, numbered)]
    assert made[0].compile("lp") == made[1].compile("lp")


def test_a_saved_network_has_its_own_classes_and_columns(folder: Path) -> None:
    """The table has its columns in another order here."""
    nnmip.loads(HEAD, directory=folder).solve(save=folder / "net")
    weights = nnmip.load_network(folder / "net").weights["o"]
    text = """nnm 0.1
network f = saved("net")
data train = csv("rows.csv") {
  features b, a
  label    kind as {red, green, blue}
}
constraint named: forall s in train where s.a = 4 and s.b = 0: argmax(f(s)) = "green"
verify up: forall x in domain(f) prove monotone(f, a, increasing)
verify down: forall x in domain(f) prove monotone(f, b, increasing)
verify known: forall x in domain(f) assume argmax(f(x)) = "red" prove argmax(f(x)) = 0
"""
    model = nnmip.loads(text, directory=folder)
    assert not [d.message for d in model.check()]
    for name, column in (("up", 0), ("down", 1)):
        assert (str(model.verify(name).answer) == "verified") == bool(np.all(weights[:, column] >= 0))
    assert str(model.verify("known").answer) == "verified"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('argmax(net(s)) = "gren"', 'NNM0201 `net` has no class `"gren"`'),
        ('net(s)[0] = "red"', "NNM0205 a text is not a value here"),
        ("argmax(net(s)) = red", "NNM0201 nothing is called `red`"),
    ],
)
def test_other_texts_are_refused(folder: Path, rule: str, said: str) -> None:
    found = nnmip.loads(f"{HEAD}constraint c: {LAST}{rule}\n", directory=folder).check()
    assert [f"{d.code} {d.message}" for d in found] == [said]
