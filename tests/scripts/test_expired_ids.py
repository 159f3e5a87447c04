"""expired_ids.lua: the ids of expired objects that are not swept yet."""

from tests.scripts.store import FAR, ONE_VARIANT_A_SERVER

pytestmark = ONE_VARIANT_A_SERVER


def test_ids_are_returned_earliest_expiration_first(store):
    deadlines = {"two": 2, "one": 1, "never": FAR}
    store.client.zadd(store.key("expires"), deadlines)
    before = store.everything()
    assert store.expired_ids() == [b"one", b"two"]
    assert store.everything() == before


def test_an_empty_store_gives_an_empty_list(store):
    assert store.expired_ids() == []
