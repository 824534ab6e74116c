"""Texts with as many tokens as are allowed unasked."""

from __future__ import annotations

from collections.abc import Callable

import nnmip
from nnmip.sizes import TOKEN, UNASKED

HEAD = "nnm 0.1\n"
INPUT = "(x: real[2] in [0, 1]) {"
LAYER = "layer h = dense(x, units: 2, weights in [-1, 1])"
NETWORK = f"network n{INPUT}\n  {LAYER}\n  return h[0]\n}}\n"
GOAL = "minimize sum(n.weights)\n"
CLASSES = "label y as {no: -1, yes: 1}"
DATA = f'data d = csv("t.csv") {{ features a, b {CLASSES} }}\n'
W = "n.h.weights[0, 0]"


def filled(head: str, piece: Callable[[int], str], tail: str = "") -> str:
    """`head`, pieces and `tail`, with as many pieces as the limit of tokens leaves room for."""

    def text(count: int) -> str:
        return head + "".join(map(piece, range(count))) + tail

    one, two = (nnmip.parse(text(count)).tokens for count in (1, 2))
    return text((UNASKED.most(TOKEN) - one) // (two - one))


def table(line: str, piece: Callable[[int], str], rest: str = "") -> str:
    """A model with one table, in which `line` goes on with pieces."""
    return filled(f'{HEAD}data d = csv("t.csv") {{\n  {line}', piece, f"\n  {rest}\n}}\nsatisfy\n")


def rule(start: str, piece: Callable[[int], str], end: str = "") -> str:
    """A model with one constraint, that goes on with pieces."""
    return filled(f"{HEAD}{NETWORK}{GOAL}constraint c: {start}", piece, f"{end}\n")


TEXTS: dict[str, Callable[[], str]] = {
    "goals": lambda: filled(HEAD, lambda k: "minimize 1\n"),
    "equal names": lambda: filled(HEAD, lambda k: "let a = 1\n"),
    "names that look alike": lambda: filled(HEAD, lambda k: f"let abcdefgh{k} = abcdefgi{k}\n"),
    "unknown words": lambda: filled(HEAD, lambda k: f"let a{k} = summ{k}(1)\n"),
    "unknown files": lambda: filled(HEAD, lambda k: f'include "a{k}.nnm"\n'),
    "networks": lambda: filled(HEAD, lambda k: NETWORK.replace(" n(", f" n{k}("), "satisfy\n"),
    "layers": lambda: filled(
        f"{HEAD}network n{INPUT}\n layer a0 = relu(x)\n", lambda k: f"layer a{k + 1} = relu(a{k})\n", "return a1}"
    ),
    "losses": lambda: filled(
        f"{HEAD}{NETWORK}{DATA}minimize hinge(n, d)\n", lambda k: f"constraint c{k}: hinge(n, d) <= {k}\n"
    ),
    "pairs": lambda: filled(f"{HEAD}{NETWORK}{DATA}minimize foo(0", lambda k: ", n, d", ")\n"),
    "constraints": lambda: filled(f"{HEAD}{NETWORK}{GOAL}", lambda k: f"constraint c{k}: {W} <= {k}\n"),
    "quantifiers": lambda: filled(f"{HEAD}{NETWORK}{GOAL}", lambda k: f"constraint c{k}: forall i in 0..1: {W} <= i\n"),
    "lets": lambda: filled(f"{HEAD}satisfy\n", lambda k: f"let c{k} = forall i in 0..9: true\n"),
    "a chain of decisions": lambda: rule("0", lambda k: f" <= {W}"),
    "counted": lambda: rule("atmost(1", lambda k: f", {W} >= 1", ")"),
    "intervals": lambda: filled(
        f"{HEAD}{NETWORK.partition('[-1')[0]}{{0}}",
        lambda k: f" | [{2 * k}, {2 * k + 1}]",
        f")\n return h[0]\n}}\n{GOAL}",
    ),
    "features that are none": lambda: table("features a", lambda k: f", z{k}", CLASSES),
    "equal features": lambda: table("features a", lambda k: ", a", CLASSES),
    "targets": lambda: table("features a target b", lambda k: f", z{k}"),
    "filters": lambda: table(f"features a {CLASSES}", lambda k: f"\nwhere a < {k}"),
}
