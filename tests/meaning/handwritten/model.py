"""How the hand-written models are written: one network on a few rows."""

from __future__ import annotations

from tests.meaning.generator import Model

SIGNS = "label label as {neg: -1, pos: +1}"
LINEAR = "layer o = dense(x, units: 1, weights in {w}, bias in {{-1, 0, 1}}); return o[0]"
HIDDEN = (
    "layer h = dense(x, units: 2, weights in {w}, bias in {{-1, 0, 1}}); layer a = relu(h{prune});"
    "layer o = dense(a, units: 1, weights in {v}); return o[0]"
)
PRUNE = ", prune: units"
SCORES = "layer o = dense(x, units: {k}, weights in {w}, bias in {b}); return o"
CLASSES = "label label as {a, b, c}"
ABC = "0,a\n1,b\n2,c\n1,c\n1,b\n"
TARGETS = "0,0\n1,2\n2,1\n1,0.5\n1,2\n"
XOR = "0,0,neg\n1,0,pos\n0,1,pos\n1,1,neg\n"

TWO = "0,1,neg\n1,0,pos\n2,1,pos\n1,2,neg\n"
KINDS = "0,red,neg\n1,blue,pos\n2,green,pos\n1,red,neg\n"


def model(layers: str, goal: str, *constraints: str, rows: str = "0,neg\n1,pos\n2,pos\n", truth: str = SIGNS) -> Model:
    """A model of one network `net` on the columns of `rows`; `;` ends a layer.

    `truth` declares the last columns, one or more separated by `;`, each under the second word of its declaration.
    """
    declared = truth.split("; ")
    names = [name for line in declared for name in line.split(" as ")[0].split(" ", 1)[1].split(", ")]
    columns = rows.splitlines()[0].count(",") + 1 - len(names)
    features = ", ".join(f"f{i}" for i in range(columns))
    lines = [
        "nnm 0.1",
        'data train = csv("rows.csv") {',
        f"  features {features}",
        *(f"  {line}" for line in declared),
        "}",
        f"network net(x: real[{columns}] in [-4, 4]) {{",
        *(f"  {line.strip()}" for line in layers.split(";")),
        "}",
        goal,
        *(f"constraint c{i}: {text}" for i, text in enumerate(constraints)),
    ]
    return Model("\n".join(lines) + "\n", {"rows.csv": f"{features.replace(' ', '')},{','.join(names)}\n{rows}"})


def one_hot(layers: str, goal: str, *constraints: str) -> Model:
    """A model whose second column has three kinds, so that the input has four entries."""
    plain = model(layers, goal, *constraints, rows=KINDS)
    text = plain.text.replace("features f0, f1", "features f0\n  features f1 as onehot").replace("real[2]", "real[4]")
    return Model(text, plain.tables)
