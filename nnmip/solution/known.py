"""A saved network as one of a model: its weights are known, and it has the name that the model gives it."""

from __future__ import annotations

from pathlib import Path

from nnmip.hir.known import KnownNetwork, renamed
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
    found = KnownNetwork(
        trained.network,
        trained.assignment,
        trained.features,
        trained.scaling,
        trained.coding,
        smoothed=trained.smoothed,
    )
    return renamed(found, name, origin)


def _without(path: Path, what: str, help: str) -> Exception:
    span = Span(SourceFile(str(path), ""), 0, 0)
    return fail("NNM0613", f"the saved run in `{path}` {what}", span, help=help)
