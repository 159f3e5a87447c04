"""Tags cannot forge attributes, and a text never means None."""

import pytest
from django.db.models import Q

import django_ormist as ormist
from tests.models import City, Page, Session, Todo, User

LONG = "x" * 100
VALUES = [2, "2", True, "a:b", "", LONG]


@pytest.fixture(params=VALUES, ids=lambda value: repr(value)[:6])
def value(request):
    return request.param


@pytest.fixture
def forged(ask, server, value):
    """A page whose tag reads like the attribute of another, and that other one."""
    forger = ask(Page.objects.create, f"site:{value}", id="forger", site="own")
    holder = ask(Page.objects.create, id="holder", site=value)
    return forger, holder


QUERIES = {
    "keyword": lambda value: Page.objects.find(site=value),
    "exact": lambda value: Page.objects.filter(site__exact=value),
    "in": lambda value: Page.objects.filter(site__in=[value, "else"]),
    "Q": lambda value: Page.objects.find(Q(site=value)),
    "with others": lambda value: Page.objects.find(site=value).filter(~Q(site="z")),
    "exclude": lambda value: Page.objects.exclude(~Q(site=value)),
}


@pytest.mark.parametrize("kind", QUERIES)
def test_a_lookup_by_attribute_ignores_tags(ask, forged, value, kind):
    collection = QUERIES[kind](value)
    assert ask(collection.ids) == ["holder"]
    assert ask(collection.count) == 1
    assert ask(collection.get).id == "holder"
    assert ask(collection[:5].ids) == ["holder"]
    assert ask(collection.all().reverse().list) == [forged[1]]


TAGGED = {
    "positional": lambda tag: Page.objects.find(tag),
    "tags": lambda tag: Page.objects.find(tags=[tag]),
    "tags__in": lambda tag: Page.objects.filter(tags__in=["else", tag]),
    "Q": lambda tag: Page.objects.find(Q(tag)),
}


@pytest.mark.parametrize("kind", TAGGED)
def test_a_lookup_by_tag_finds_the_attribute_that_reads_like_it(
    ask, forged, value, kind
):
    collection = TAGGED[kind](f"site:{value}")
    assert ask(collection.ids) == ["forger", "holder"]
    assert ask(collection.count) == 2
    assert ask(collection[:1].ids) == ["forger"]
    assert ask(Page.objects.exclude(f"site:{value}").count) == 0
    assert ask(Page.objects.exclude(site=value).ids) == ["forger"]


NAMED = {
    "keyword": lambda: User.objects.find(**{"site:a": "b"}),
    "exact": lambda: User.objects.filter(**{"site:a__exact": "b"}),
    "in": lambda: User.objects.filter(**{"site:a__in": ["b"]}),
    "Q": lambda: User.objects.find(Q(**{"site:a": "b"})),
    "exclude": lambda: User.objects.exclude(**{"site:a": "b"}),
    "facets": lambda: User.objects.facets("site:a", ["b"]),
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_with_a_colon_does_not_query_another_attribute(server, kind):
    User.objects.create(site="a:b")
    with pytest.raises(ormist.FieldError, match="':' in its name"):
        NAMED[kind]()


def test_one_query_may_use_tags_and_attributes(ask, forged, value):
    tag = f"site:{value}"
    assert ask(Page.objects.find(tag, site="own").ids) == ["forger"]
    assert ask(Page.objects.find(tag).exclude(site=value).ids) == ["forger"]
    assert ask(Page.objects.facets, "site", [value, "own"]) == {value: 1, "own": 1}
    assert ask(Page.objects.facets, "tags", [tag]) == {tag: 2}


def test_a_bulk_change_applies_only_to_the_attribute(ask, forged, value, is_sound):
    assert ask(Page.objects.find(site=value).update, n=1) == 1
    assert ask(Page.objects.get, "forger").attrs == {"site": "own"}
    assert ask(Page.objects.find(f"site:{value}").update, m=1) == 2
    assert is_sound()
    assert ask(Page.objects.find(site=value).delete)[0] == 1
    assert ask(Page.objects.ids) == ["forger"]
    assert is_sound()


def test_an_upsert_does_not_find_a_forged_tag(ask, server, is_sound):
    forger = ask(Page.objects.create, "site:7")
    made, is_new = ask(Page.objects.get_or_create, site=7)
    assert is_new
    assert made != forger
    assert ask(Page.objects.update_or_create, {"n": 1}, site=7) == (made, False)
    assert ask(Page.objects.get_or_create, {}, "site:8")[1]
    assert ask(Page.objects.get_or_create, tags=["site:8"])[1] is False
    assert is_sound()


@pytest.mark.parametrize("expire", [None, 1000])
def test_tag_and_attribute_change_independently(ask, server, expire, is_sound):
    page = ask(Page.objects.create, "site:1", "site:1", expire=expire, site=1)
    assert page.tags == ["site:1"]
    page.site = 2
    ask(page.save)
    assert ask(Page.objects.find("site:1").count) == 1
    assert ask(Page.objects.find(site=1).count) == 0
    page.site = 1
    page.tags = []
    ask(page.save)
    assert ask(Page.objects.find("site:1").count) == 1
    assert is_sound()
    ask(page.delete)
    assert server.keys() == []


def test_an_expired_object_leaves_no_keys(ask, server, is_sound):
    page = ask(Page.objects.create, "site:1", f"site:{LONG}", expire=1000, site="None")
    assert ask(Page.objects.find("site:1").set_expire, 2000) == 1
    space = Page._meta.space("default")
    server.client.zadd(space.base + b"expires", {page.id: 1})
    server.client.delete(page._key())
    assert ask(Page.objects.find("site:1").count) == 0
    ask(Page.objects.create, id="other")
    assert ask(Page.objects.find("site:1").ids) == []
    assert is_sound()


def test_concurrent_changes_of_tags_and_attributes_are_merged(ask, server, is_sound):
    page = ask(Page.objects.create, id="p", site="x")
    mine, theirs = ask(Page.objects.get, "p"), ask(Page.objects.get, "p")
    mine.tags = ["site:None", "site:x"]
    ask(mine.save)
    theirs.site = None
    ask(theirs.save)
    ask(page.refresh_from_db)
    assert page.tags == ["site:None"]  # the other one was that of the attribute
    assert ask(Page.objects.find(site=None).ids) == ["p"]
    assert ask(Page.objects.find(site="None").ids) == []
    assert is_sound()


def test_atomic_and_bulk_methods_store_the_same(ask, block, server, is_sound):
    def save(ask):
        ask(Page(f"site:{LONG}", id="b", site=None).save)

    block(save)
    ask(Page.objects.bulk_create, [Page("site:2", id="c", site="None")])
    assert ask(Page.objects.find(site=LONG).count) == 0
    assert ask(Page.objects.find(site=None).ids) == ["b"]
    assert ask(Page.objects.find(site="None").ids) == ["c"]
    assert is_sound()


def test_explain_distinguishes_tag_and_attribute(ask, server):
    assert "'site:1' or the tag 'site:1'" in ask(Page.objects.find("site:1").explain)
    assert "the tag" not in ask(Page.objects.find(site=1).explain)
    assert "the text 'site:None'" in ask(Page.objects.find(site="None").explain)
    assert "the tag" not in ask(Page.objects.find("other:1").explain)


def test_a_tag_without_an_indexed_attribute_costs_no_more(ask, server):
    ask(Todo.objects.create, "site:1", id="t")
    ask(User.objects.create, "bio:1", id="u")
    for model, tag in ((Todo, "site:1"), (User, "bio:1")):
        assert model.objects.find(tag).query.terms == (tag,)
        assert server.keys(f"*:t:{tag}") == [
            model._meta.space("default").base + f"t:{tag}".encode()
        ]
        (key,) = server.keys(f"*{model._meta.label}*:o:*")
        assert server.client.get(key).startswith((b"\x01", b'{"v": 1,'))


# ---------------------------------------------------------------- None


MODELS = [Session, User]


def by(model, **values):
    return {("user_id" if model is Session else "owner"): v for v in values.values()}


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def people(request, ask, server):
    """An object with None, one with the text, and one without the attribute."""
    model = request.param
    ask(model.objects.create, id="none", **by(model, v=None))
    ask(model.objects.create, id="text", **by(model, v="None"))
    ask(model.objects.create, id="absent")
    return model


def test_a_text_does_not_find_none(ask, people):
    name = next(iter(by(people, v=1)))
    find = people.objects.find
    assert ask(find(**{name: "None"}).ids) == ["text"]
    assert ask(find(**{name: None}).ids) == ["none"]
    assert ask(people.objects.get, **{name: None}).id == "none"
    assert ask(find(**{f"{name}__in": [None, 5]}).ids) == ["none"]
    assert ask(find(**{f"{name}__in": ["None", None]}).count) == 2
    assert ask(people.objects.exclude(**{name: None}).ids) == ["text", "absent"]
    assert ask(people.objects.exclude(**{name: "None"}).ids) == ["none", "absent"]
    assert ask(find(Q(**{name: None}) | Q(id="absent")).ids) == ["none", "absent"]
    assert ask(people.objects.facets, name, [None, "None"]) == {None: 1, "None": 1}


@pytest.mark.parametrize("text", ["None", "none", "null", "", "\x00", "nil"])
def test_none_has_no_text_in_tags(ask, server, text):
    ask(User.objects.create, id="none", owner=None)
    assert ask(User.objects.find(f"owner:{text}").ids) == []
    assert ask(User.objects.find(owner=text).ids) == []
    assert ask(User.objects.get, "none").tags == []
    assert ask(list, User.objects.values_list("tags", flat=True)) == [[]]


def test_an_object_goes_from_none_to_the_text_and_back(ask, people, is_sound):
    name = next(iter(by(people, v=1)))
    each = ask(people.objects.get, "none")
    for value, other in (("None", None), (None, "None"), (LONG, None), (None, LONG)):
        setattr(each, name, value)
        ask(each.save)
        assert "none" in ask(people.objects.find(**{name: value}).ids)
        assert "none" not in ask(people.objects.find(**{name: other}).ids)
        assert is_sound()


def test_get_or_create_finds_the_object_without_a_token(ask, server):
    first = ask(User.objects.create, reset=None)
    assert ask(User.objects.get_or_create, reset=None) == (first, False)
    assert ask(User.objects.get_or_create, reset="None")[1]


def test_unique_none_is_not_the_text(ask, server, is_sound):
    ask(City.objects.create, code=None, country="x", name=None)
    ask(City.objects.create, code="None", country="x", name="None")
    with pytest.raises(ormist.IntegrityError):
        ask(City.objects.create, code="None")
    assert ask(City.objects.find(name=None, country="x").count) == 1
    assert ask(City.objects.find(name="None").get).code == "None"
    assert is_sound()
