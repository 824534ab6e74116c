"""A saved network as one of a model: its weights are known, and it has the name that the model gives it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nnmip.hir.core import Assignment, Layer
from nnmip.hir.known import KnownNetwork
from nnmip.sema.values import fail
from nnmip.sizes import Allowance
from nnmip.solution.network import TrainedNetwork
from nnmip.solution.store import RunFolder
from nnmip.source import Origin, SourceFile, Span


def read_known(path: Path, inner: str | None, name: str, origin: Origin, allowance: Allowance) -> KnownNetwork:
    """The network called `inner` (None where the folder has only one) of a folder that `--save` wrote, called `name`.

    Raises DiagnosticError NNM0613 for a folder that does not hold it, NNM0310 for one that is larger than is allowed.
    """
    found = {trained.name: trained for trained in RunFolder(path, allowance).load_networks()}
    if inner is None and len(found) > 1:
        help = f'name one of them: `saved("{path.name}", "{next(iter(found))}")`'
        raise _without(path, f"holds several networks: {', '.join(found)}", help)
    chosen = next(iter(found.values())) if inner is None else found.get(inner)
    if chosen is None:
        raise _without(path, f"has no network `{inner}`", f"it has {', '.join(found)}")
    return known_network(chosen, name, origin)


def known_network(trained: TrainedNetwork, name: str, origin: Origin) -> KnownNetwork:
    """A trained network with its numbers, under another name."""
    old = trained.network

    def path(text: str) -> str:
        return name + text.removeprefix(old.name)

    def layer(each: Layer) -> Layer:
        decisions = tuple(replace(d, path=path(d.path), origin=origin) for d in each.decisions)
        return replace(each, path=path(each.path), decisions=decisions, origin=origin)

    network = replace(old, name=name, layers=tuple(map(layer, old.layers)), origin=origin)
    values = {path(key): array for key, array in trained.assignment.values.items()}
    kept = {path(key): mask for key, mask in trained.assignment.kept.items()}
    return KnownNetwork(network, Assignment(values, kept), trained.features, trained.scaling, trained.coding)


def _without(path: Path, what: str, help: str) -> Exception:
    span = Span(SourceFile(str(path), ""), 0, 0)
    return fail("NNM0613", f"the saved run in `{path}` {what}", span, help=help)
