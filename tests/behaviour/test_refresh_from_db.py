"""refresh_from_db() of all or some fields, and a later save."""

import pytest

import django_ormist as ormist
from tests.models import Page, Todo


def test_refresh_reads_everything_again(ask, alias):
    page = ask(Page.objects.create, "a", site="x", views=2)
    other = ask(Page.objects.get, page.id)
    other.site, other.tags, other.expire = "y", ["b"], 60
    ask(other.save)
    ask(other.increment, "views")
    page.site = "lost"
    ask(page.refresh_from_db)
    assert (page.site, page.tags, page.views) == ("y", ["b", "site:y"], 3)
    assert page.expire == other.expire
    ask(other.delete)
    with pytest.raises(Page.DoesNotExist, match=page.id):
        ask(page.refresh_from_db)


def changed_elsewhere(ask, page):
    """Save another copy of a page with other values of everything."""
    other = ask(Page.objects.get, page.id)
    other.site, other.size, other.new, other.tags, other.expire = "y", 2, 2, ["b"], 60
    del other.gone
    ask(other.save)
    ask(other.increment, "views")
    return other


def test_refresh_of_named_fields_reads_only_these(ask, alias):
    page = ask(Page.objects.create, "a", site="x", size=1, gone=1, views=2)
    other = changed_elsewhere(ask, page)
    page.site, page.mine, page.views, page.votes = "lost", 5, 50, 60
    ask(page.refresh_from_db, fields=["site", "views", "absent"])
    assert page.attrs == {"site": "y", "size": 1, "gone": 1, "mine": 5}
    assert (page.tags, page.expire) == (["a", "site:y"], None)
    assert (page.views, page.votes) == (3, 60)
    ask(page.refresh_from_db, fields=iter(("tags", "gone")))
    assert page.attrs == {"site": "y", "size": 1, "mine": 5}
    assert (page.tags, page.expire) == (["b", "site:y"], None)
    ask(page.refresh_from_db, None, {"expire"})
    assert (page.expire, page.size) == (other.expire, 1)
    with pytest.raises(TypeError, match="fields is a list of names"):
        ask(page.refresh_from_db, fields="site")


def test_a_save_after_a_partial_refresh_keeps_concurrent_changes(ask, is_sound):
    page = ask(Page.objects.create, "a", site="x", size=1, gone=1, views=2)
    other = changed_elsewhere(ask, page)
    page.mine = 5
    ask(page.refresh_from_db, fields=["site"])
    with pytest.raises(ormist.ConflictError):
        ask(page.save, strict=True)
    ask(page.save)
    found = ask(Page.objects.get, page.id)
    assert found.attrs == page.attrs == {"site": "y", "size": 2, "new": 2, "mine": 5}
    assert found.tags == page.tags == ["b", "site:y"]
    assert found.expire == page.expire == other.expire
    assert found.views == 3
    assert is_sound()


def test_refreshing_the_changed_fields_ends_the_conflict(ask, alias):
    page = ask(Page.objects.create, "a", site="x", size=1, gone=1)
    changed_elsewhere(ask, page)
    ask(page.refresh_from_db, fields=["tags", "expire", "site"])
    page.mine = 5
    with pytest.raises(ormist.ConflictError):
        ask(page.save, strict=True)
    ask(page.refresh_from_db, fields=["size", "gone", "new"])
    ask(page.save, strict=True)
    found = ask(Page.objects.get, page.id)
    assert found.attrs == page.attrs == {"site": "y", "size": 2, "new": 2, "mine": 5}


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_a_refreshed_value_is_not_a_change(ask, server, codec):
    server.connect(CODEC=codec)
    page = ask(Page.objects.create, n=1, m=1)
    other = ask(Page.objects.get, page.id)
    other.n, other.m = 2, 2
    ask(other.save)
    ask(page.refresh_from_db, fields=["n"])
    other.n = 3
    ask(other.save)
    page.k = 1
    ask(page.save)
    assert ask(Page.objects.get, page.id).attrs == {"n": 3, "m": 2, "k": 1}
    ask(page.refresh_from_db, fields=["n"])
    ask(page.delete)
    assert ask(Page.objects.count) == 0


def test_a_refreshed_object_is_incremented_updated_and_deleted(ask, is_sound):
    for method in ("increment", "update", "delete"):
        page = ask(Page.objects.create, "a", site="x", size=1, gone=1)
        changed_elsewhere(ask, page)
        ask(page.refresh_from_db, fields=["site"])
        if method == "increment":
            assert ask(page.increment, "size") == 3
        elif method == "update":
            page.site, page.size = "z", 9
            ask(page.save, update_fields=["site"])
            assert ask(Page.objects.get, page.id).size == 2
        else:
            ask(page.delete)
            assert not ask(Page.objects.find(pk=page.id).exists)
    assert is_sound()


def test_a_refresh_of_no_fields_does_not_query(ask, alias):
    page = Page(id="never stored", n=1)
    ask(page.refresh_from_db, fields=[])
    ask(page.refresh_from_db, fields=iter(()))
    assert page.attrs == {"n": 1}
    for fields in (["n"], ["id"], ["views"], ["tags"], None):
        with pytest.raises(Page.DoesNotExist, match="never stored"):
            ask(page.refresh_from_db, fields=fields)


def test_an_object_is_refreshed_from_a_collection(ask, alias):
    page = ask(Page.objects.create, "a", site="x", n=1)
    other = ask(Page.objects.get, page.id)
    other.n = 2
    ask(other.save)
    ask(page.refresh_from_db, from_queryset=Page.objects.find("a", site="x"))
    assert page.n == 2
    ask(page.refresh_from_db, from_queryset=Page.objects, fields=["n"])
    with pytest.raises(Page.DoesNotExist, match=page.id):
        ask(page.refresh_from_db, from_queryset=Page.objects.find("b"))
    with pytest.raises(TypeError, match="from a collection of Todo"):
        ask(page.refresh_from_db, from_queryset=Todo.objects.all())


def test_an_object_never_loaded_is_refreshed_in_part(ask, alias):
    page = ask(Page.objects.create, "a", site="x", size=1, views=2)
    unloaded = Page("mine", id=page.id, note="n")
    ask(unloaded.refresh_from_db, fields=["size"])
    assert (unloaded.attrs, unloaded.tags) == ({"size": 1, "note": "n"}, ["mine"])
    unloaded.size = 5
    ask(unloaded.save)
    found = ask(Page.objects.get, page.id)
    assert found.attrs == unloaded.attrs == {"site": "x", "size": 5, "note": "n"}
    assert found.tags == ["a", "mine", "site:x"]
    assert found.views == 2
