"""The switch that rewrites expected output."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-transcripts",
        action="store_true",
        help="rewrite the expected output of tests/good, tests/bad and tests/slips instead of comparing it",
    )


@pytest.fixture
def is_update(request: pytest.FixtureRequest) -> bool:
    """Whether transcripts are rewritten instead of compared; read the difference before you commit it."""
    return bool(request.config.getoption("--update-transcripts"))
