"""One solver process for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nnmip.backends.process import Session


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as shared:
        yield shared
