from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.hostile.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the limits of the worker are those of Linux")
    found = Sandbox()
    yield found
    found.close()
