"""What the search over columns finds for a model is what every other way to solve it finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck

from nnmip.backends.process import Session
from nnmip.search.view import Refusal
from tests.meaning.harness import load
from tests.search.compare import compare, searched
from tests.search.traps import REFUSED, TRAPS

PERSISTENT_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.mark.parametrize("name", TRAPS)
def test_traps(name: str, tmp_path: Path, session: Session) -> None:
    found = compare(TRAPS[name], tmp_path, session)
    assert found.refusal is None
    assert found.problems == []


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    model, reason = REFUSED[name]
    with pytest.raises(Refusal, match=f"^{reason}$"):
        searched(load(model, tmp_path))
