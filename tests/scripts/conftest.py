"""The store that the scripts are run on."""

import pytest

from tests.conftest import ServerInTest
from tests.scripts.store import Store


@pytest.fixture
def store(server: ServerInTest) -> Store:
    """An empty store on the server under test."""
    return Store(server.client, server.key_prefix)
