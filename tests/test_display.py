"""How objects show in a terminal and in a notebook."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import nnmip
from nnmip import display
from tests.workbench import INFEASIBLE, LINEAR, XOR, write_model

VOID = frozenset({"br"})


class Balanced(HTMLParser):
    """Fails where tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def html_of(value: object) -> str:
    """The HTML of an object, whose tags match."""
    text: str = value._repr_html_()  # type: ignore[attr-defined]
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return text


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, XOR)
    write_model(tmp_path, LINEAR, "cars.nnm")
    return tmp_path


def test_models() -> None:
    model = nnmip.load("xor.nnm")
    assert repr(model) == "Model('xor.nnm')"
    assert repr(model.bind(most=5)) == "Model('xor.nnm', most=5)"
    bound = model.bind(points=([[0, 0], [1, 1]], ["even", "odd"]))
    assert repr(bound) == "Model('xor.nnm', points=...)"
    text = html_of(model)
    assert text.startswith("<p><b>Model(&#x27;xor.nnm&#x27;)</b></p><pre>nnm 0.1\n")
    assert "l0(net.weights) &lt;= most" in text and "Dataset" not in text
    assert model.times == {}
    model.check()
    assert "<b>Dataset points: 4 rows of x0, x1, label parity</b>" in html_of(model)
    broken = nnmip.loads(XOR.replace("hinge(net, points)", "hinge(net, <b>)"))
    broken.check()
    assert "error[NNM0101]" in html_of(broken) and "<b>)" not in html_of(broken)


def test_data() -> None:
    (data,) = nnmip.load("cars.nnm").program.datasets
    assert repr(data) == "<Dataset cars: 4 rows of weight, speed, label kind>"
    assert html_of(data) == (
        "<p><b>Dataset cars: 4 rows of weight, speed, label kind</b></p><table>"
        "<tr><th>line</th><th>weight</th><th>speed</th><th>kind</th></tr>"
        "<tr><td>2</td><td>1000</td><td>250</td><td>sport</td></tr>"
        "<tr><td>3</td><td>1200</td><td>240</td><td>sport</td></tr>"
        "<tr><td>4</td><td>2600</td><td>120</td><td>truck</td></tr>"
        "<tr><td>5</td><td>3000</td><td>100</td><td>truck</td></tr></table>"
    )
    text = 'nnm 0.1\ndata d { features "<i>" as a  target y  split test 0.5 }\nnetwork n(x: real[1] in [0, 9]) {\n'
    text += "  layer o = dense(x, units: 1, weights in {0, 1})\n  return o[0]\n}\nminimize absolute(n, d)\n"
    model = nnmip.loads(text).bind(d={"<i>": list(range(8)), "y": [0.5] * 8})
    (data,) = model.program.datasets
    assert repr(data) == "<Dataset d: 4 rows of a, target y, 4 rows for testing>"
    assert "<td>0.5</td>" in html_of(data)


def test_results_and_networks() -> None:
    result = nnmip.load("xor.nnm").solve(solver="highs")
    assert repr(result) == (
        "<Result xor.nnm: solution optimal, termination optimal, objective 0.0066, dual bound 0.0066, "
        f"gap {result.gap:.6g}, proof solver, replay passed, networks net>"
    )
    network = result.networks["net"]
    assert repr(network) == (
        "<TrainedNetwork net: x0, x1 -> h (dense, 2) -> a (relu, 2) -> o (dense, 1); 6 of 6 weights nonzero>"
    )
    text = html_of(result)
    assert "<tr><td>objective</td><td>0.0066</td></tr>" in text
    assert "<tr><td>loss</td><td>hinge(net, points)</td><td>1 x 0 = 0</td></tr>" in text
    assert html_of(network) in text
    assert re.search(r"<tr><td>h</td><td>\[\[-?1\. .*\]\]</td>", html_of(network), re.DOTALL)


def test_an_infeasible_result_names_its_conflict() -> None:
    write_model(Path(), INFEASIBLE, "infeasible.nnm")
    result = nnmip.load("infeasible.nnm").solve()
    assert repr(result).startswith("<Result infeasible.nnm: solution none, termination infeasible, proof ")
    text = html_of(result)
    assert "<th>cannot hold together</th>" in text
    assert "<td>many</td><td>infeasible.nnm:22</td><td>l0(net.weights) &gt;= 7</td>" in text


def test_trees_and_diagnostics() -> None:
    parsed = nnmip.parse("nnm 0.1\nparam a : int = 1 <\nminimize a\n")
    assert repr(parsed).startswith("ParseResult(")
    (found,) = parsed.diagnostics
    assert repr(found).startswith("<<text>:2:") and "NNM0101" in repr(found)
    assert "<pre>error[NNM0101]" in html_of(found) and "1 &lt;\n" in html_of(found)
    assert html_of(found) in html_of(parsed)
    assert repr(nnmip.parse("nnm 0.1\nminimize 1 < 2\n").file).startswith("File")


def test_what_is_shown_is_escaped_once() -> None:
    assert display.table([("<a>", 1)], ("&", "b")) == (
        "<table><tr><th>&amp;</th><th>b</th></tr><tr><td>&lt;a&gt;</td><td>1</td></tr></table>"
    )
    assert display.caption("<") == "<p><b>&lt;</b></p>" and display.block('"') == "<pre>&quot;</pre>"
    assert display.shortened("a  b\nc") == "a b c" and display.shortened("x" * 70) == "x" * 57 + "..."
