"""Running services for the tests of calls."""

from collections.abc import Iterator

import pytest

from pourparler_service.server import running
from tests.support.service_client import Service, connected


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service in memory, shared by the tests of a module: each takes negotiations of its own."""
    with running() as address, connected(address) as stubs:
        yield stubs
