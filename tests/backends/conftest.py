"""One solver process for the tests of a file: starting one takes half a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nnmip.backends.process import Session


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as shared:
        yield shared


@pytest.fixture(params=["highs", "cbc", "gurobi"])
def solver(request: pytest.FixtureRequest) -> str:
    """Every backend. None may be missing where the tests run."""
    return str(request.param)
