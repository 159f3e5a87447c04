"""atomic(): several saves and deletions of one object have their usual effects."""

import pytest

import django_ormist as ormist
from django_ormist import signals
from tests.models import City, Page, User


@pytest.mark.parametrize(
    ("flag", "error"),
    [("force_update", User.NotUpdated), ("strict", ormist.ConflictError)],
)
def test_a_refused_save_is_still_refused_if_a_deletion_follows(
    ask, block, is_sound, flag, error
):
    gone = ask(User.objects.create, id="gone", n=1)
    kept = ask(User.objects.create, id="kept", n=1)
    ask(ask(User.objects.get, "gone").delete)

    def work(do):
        kept.n = 2
        do(kept.save)
        do(gone.save, **{flag: True})
        do(gone.delete)

    with pytest.raises(error):
        block(work)
    assert ask(User.objects.get, "kept").n == 1
    assert not gone._state.adding
    assert is_sound()


def test_a_missing_object_can_be_saved_and_deleted(ask, block, is_sound):
    gone = ask(User.objects.create, "tag", id="gone", n=1)
    ask(ask(User.objects.get, "gone").delete)

    def work(do):
        do(User.objects.create, id="new")
        do(gone.save)
        do(gone.delete)

    block(work)
    assert ask(User.objects.ids) == ["new"]
    assert gone._state.adding
    assert is_sound()


# ---------------------------------------------------------------- after a deletion


def test_a_deleted_object_can_be_saved_strictly(ask, block, is_sound):
    mine = ask(User.objects.create, id="x", n=1)

    def work(do):
        do(mine.delete)
        do(mine.save, strict=True)

    block(work)
    assert ask(User.objects.get, "x").n == 1
    ask(mine.save, strict=True)
    assert is_sound()


def test_a_save_after_a_deletion_replaces_what_another_copy_stored(
    ask, block, is_sound
):
    mine = ask(Page.objects.create, id="x", n=1, old=1, views=1, votes=1)
    copy = ask(Page.objects.get, "x")

    def work(do):
        do(mine.delete)
        copy.old, copy.votes = 2, 2
        do(copy.save)
        mine.n = 3
        do(mine.save)

    block(work)
    stored = ask(Page.objects.get, "x")
    assert stored.attrs == mine.attrs == {"n": 3, "old": 1}
    assert (stored.views, stored.votes) == (1, 1)
    assert is_sound()


def test_a_strict_save_after_a_deletion_conflicts_with_another_copy(
    ask, block, is_sound
):
    mine = ask(User.objects.create, id="x", n=1)

    def work(do):
        do(mine.delete)
        do(User.objects.create, id="x", n=2)
        do(mine.save, strict=True)

    with pytest.raises(ormist.ConflictError):
        block(work)
    assert ask(User.objects.get, "x").n == 1
    assert is_sound()


# ---------------------------------------------------------------- after a deadline


@pytest.mark.parametrize("is_there", [True, False])
def test_the_id_of_an_expired_object_is_free(ask, block, is_sound, is_there):
    late = City(id="x", code="1", population=1)
    if is_there:
        ask(late.save)

    def work(do):
        late.expire = -1
        do(late.save)
        do(City.objects.create, id="x", code="2")

    block(work)
    assert ask(City.objects.get, "x").attrs == {"code": "2"}
    assert late._state.adding
    assert is_sound()


def test_a_copy_of_an_expired_object_is_saved_as_it_is(ask, block, is_sound):
    late = ask(Page.objects.create, id="x", n=1, views=1, votes=1)
    copy = ask(Page.objects.get, "x")

    def work(do):
        late.n, late.votes, late.expire = 2, 2, -1
        do(late.save)
        copy.text = "new"
        do(copy.save)

    block(work)
    stored = ask(Page.objects.get, "x")
    assert stored.attrs == {"n": 1, "text": "new"}
    assert (stored.views, stored.votes, stored.expire) == (1, 1, None)
    assert is_sound()


def test_an_expired_object_is_saved_as_a_new_one(ask, block, is_sound):
    late = ask(User.objects.create, id="x", n=1)

    def work(do):
        late.expire = -1
        do(late.save)
        late.expire = None
        do(late.save, strict=True)

    block(work)
    assert ask(User.objects.get, "x").expire is None
    ask(late.save, strict=True)
    assert is_sound()


def test_a_forced_update_of_an_expired_object_refuses_the_transaction(
    ask, block, is_sound
):
    late = ask(User.objects.create, id="x", n=1)

    def work(do):
        late.expire = -1
        do(late.save)
        late.expire = None
        do(late.save, force_update=True)

    with pytest.raises(User.NotUpdated):
        block(work)
    assert ask(User.objects.get, "x").n == 1
    assert is_sound()


def test_a_copy_keeps_its_state_if_a_later_save_has_expired(ask, block, is_sound):
    mine = ask(User.objects.create, id="x", n=1)
    late = ask(User.objects.get, "x")

    def work(do):
        mine.n = 2
        do(mine.save)
        late.expire = -1
        do(late.save)

    block(work)
    assert ask(User.objects.get_or_none, "x") is None
    assert late._state.adding
    with pytest.raises(ormist.ConflictError):
        ask(mine.save, strict=True)
    assert is_sound()


def test_saves_that_have_expired_do_not_send_signals(ask, block, server):
    heard = []

    def hear(sender, instance, created, **kwargs):
        heard.append((instance.n, created))

    late = ask(User.objects.create, id="x", n=1)
    signals.post_save.connect(hear, sender=User)

    def work(do):
        late.n = 2
        do(late.save)
        late.expire = -1
        do(late.save)
        do(User(id="x", n=3).save)

    block(work)
    signals.post_save.disconnect(hear, sender=User)
    assert heard == [(2, False), (3, True)]


# ---------------------------------------------------------------- a new object


@pytest.mark.parametrize("is_overdue", [False, True])
def test_a_removed_object_is_saved_as_a_new_one(ask, block, is_sound, is_overdue):
    for pk in "abc":
        ask(City.objects.create, "t", id=pk, country="CH", name="x", population=1)
    mine = ask(City.objects.get, "a")

    def work(do):
        if is_overdue:
            mine.expire = -1
            do(mine.save)
        else:
            do(mine.delete)
        do(City.objects.create, "t", id="d", country="CH", population=1)
        do(City.objects.create, "t", "u", id="a", country="CH", population=1, code="1")

    block(work)
    new = ["b", "c", "d", "a"]
    assert ask(City.objects.ids) == new
    assert ask(City.objects.find("t").ids) == new
    assert ask(City.objects.find(country="CH").ids) == new
    assert ask(City.objects.order_by("population").ids) == new
    assert ask(City.objects.filter(name="x").ids) == ["b", "c"]
    assert ask(City.objects.find("u").ids) == ["a"]
    assert is_sound()


def test_a_new_object_does_not_inherit_counters_or_expiration(ask, block, is_sound):
    mine = ask(Page.objects.create, id="x", site="s", expire=600, views=1, votes=1)
    ask(Page.objects.create, id="y", site="s")

    def work(do):
        do(mine.delete)
        do(Page.objects.create, id="x", site="s", votes=2)

    block(work)
    assert ask(Page.objects.find(site="s").ids) == ["y", "x"]
    stored = ask(Page.objects.get, "x")
    assert (stored.views, stored.votes, stored.expire) == (0, 2, None)
    assert is_sound()


def test_an_object_that_is_not_removed_keeps_its_creation_order(ask, block, is_sound):
    for pk in "abc":
        ask(City.objects.create, id=pk, population=1)
    mine = ask(City.objects.get, "a")

    def work(do):
        for _ in range(2):
            mine.population += 1
            do(mine.save)

    block(work)
    assert ask(City.objects.ids) == ["a", "b", "c"]
    assert is_sound()
