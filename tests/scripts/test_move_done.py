"""move_done.lua: removes ids from the journal, if no later run has begun."""

import pytest

from django_ormist.operations import move
from tests.scripts.store import ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


@pytest.fixture(autouse=True)
def _begun(store):
    store.run(move.begin(store.space, "run"))


def test_ids_are_removed_and_the_token_stays(store):
    for pk in ("one", "two", "token"):
        store.move_in(pk, image())
    assert store.move_done("one", "token") == 1
    assert store.journal().keys() == {b"token", b"o:two"}
    assert store.move_done("two", "unknown") == 1
    assert store.journal() == {b"token": b"run"}


def test_an_empty_journal_is_removed_at_the_end(store):
    store.move_in("one", image())
    assert store.move_done(is_last=True) == 1
    assert len(store.journal()) == 2
    assert store.move_done("one", is_last=True) == 1
    assert store.journal() == {}


def test_not_after_a_later_run_has_begun(store):
    store.move_in("one", image())
    store.run(move.begin(store.space, "later"))
    assert store.move_done("one", is_last=True) == [9]
    assert store.journal().keys() == {b"token", b"o:one"}
