"""The store of the tests of scripts."""

import pytest

from django_ormist.operations import objects
from django_ormist.operations.objects import NOTHING, Image
from django_ormist.sortkeys import sort_key
from tests.conftest import ServerInTest
from tests.scripts.store import FAR, Store


@pytest.fixture
def store(server: ServerInTest) -> Store:
    """An empty store on the server under test."""
    return Store(server.client, server.key_prefix)


@pytest.fixture
def sized(store: Store) -> Store:
    """Twelve objects with "a", every second with "b", and with sizes.

    Sizes are 0 to 3, each of three objects; the last one has no size.
    """
    for number in range(12):
        suffixes = (b"t:a",) if number % 2 else (b"t:a", b"t:b")
        sizes = {"size": sort_key(number // 3)} if number < 11 else {}
        new = Image(b"%d" % number, suffixes, FAR + number % 5, sizes)
        store.run(objects.save(store.schema, f"n{number:02}", NOTHING, new))
    return store
