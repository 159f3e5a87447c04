"""obj.tags is a list whose changes become changes of the explicit tags."""

import copy
import json
import pickle

import pytest

import django_ormist as ormist
from tests.models import Page, Plain, Session, Todo, User

MODELS = [Todo, Page, User]
"""Of tags alone; of one indexed attribute beside them; of all."""

CHANGES = {
    "append": (lambda tags: tags.append("x"), ["a", "b", "c", "x"]),
    "append again": (lambda tags: tags.append("b"), ["a", "b", "c"]),
    "extend": (
        lambda tags: tags.extend(iter(["x", "a", "y"])),
        ["a", "b", "c", "x", "y"],
    ),
    "insert": (lambda tags: tags.insert(1, "x"), ["a", "x", "b", "c"]),
    "remove": (lambda tags: tags.remove("b"), ["a", "c"]),
    "pop": (lambda tags: tags.pop(0), ["b", "c"]),
    "clear": (lambda tags: tags.clear(), []),
    "del": (lambda tags: tags.__delitem__(1), ["a", "c"]),
    "del slice": (lambda tags: tags.__delitem__(slice(0, 2)), ["c"]),
    "del all": (lambda tags: tags.__delitem__(slice(None)), []),
    "set": (lambda tags: tags.__setitem__(0, "x"), ["x", "b", "c"]),
    "set slice": (lambda tags: tags.__setitem__(slice(0, 2), ["x"]), ["x", "c"]),
    "set all": (lambda tags: tags.__setitem__(slice(None), ["x"]), ["x"]),
    "iadd": (lambda tags: tags.__iadd__(["x"]), ["a", "b", "c", "x"]),
    "imul": (lambda tags: tags.__imul__(3), ["a", "b", "c"]),
    "imul 0": (lambda tags: tags.__imul__(0), []),
}


@pytest.fixture(params=MODELS, ids=lambda model: model.__name__)
def model(request):
    return request.param


def text_of(instance):
    return [] if isinstance(instance, Todo) else ["site:1"]


@pytest.mark.parametrize("view", ["tags", "own_tags"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.servers("valkey91", "fakeredis")
def test_a_change_of_the_list_is_stored(ask, server, model, change, view):
    each = ask(model.objects.create, "a", "b", "c", id="o", site=1)
    do, expected = CHANGES[change]
    tags = getattr(each, view)
    do(tags)
    assert tags == getattr(each, view)
    assert each.own_tags == expected
    assert each.tags == expected + text_of(each)
    ask(each.save)
    found = ask(model.objects.get, "o")
    assert (found.own_tags, found.tags) == (each.own_tags, each.tags)
    for tag in ("a", "x"):
        assert ask(model.objects.find(tag).exists) is (tag in expected)


def test_sort_and_reverse_order_the_explicit_tags(ask, server):
    page = Page("b", "c", "a", site=1)
    page.tags.sort()
    assert page.tags == ["a", "b", "c", "site:1"]
    page.tags.sort(key=lambda tag: tag != "b")
    assert page.own_tags == ["b", "a", "c"]
    page.tags.reverse()
    assert page.tags == ["c", "a", "b", "site:1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.tags.remove("site:1"),
        lambda page: page.tags.pop(),
        lambda page: page.tags.__delitem__(-1),
        lambda page: page.tags.__delitem__(slice(1, 2)),
        lambda page: page.tags.__setitem__(1, "x"),
    ],
)
def test_the_tag_of_an_attribute_cannot_be_removed(change):
    page = Page("a", site=1)
    with pytest.raises(ValueError, match=r"'site:1' is an attribute's.*'site'"):
        change(page)
    assert (page.tags, page.attrs) == (["a", "site:1"], {"site": 1})


def test_removing_a_tag_that_reads_like_the_attribute_keeps_the_attribute():
    page = Page("site:1", "a", site=1)
    assert page.tags == ["site:1", "a"]
    page.tags.remove("site:1")
    assert (page.tags, page.own_tags) == (["a", "site:1"], ["a"])
    page.tags.append("site:1")
    assert page.own_tags == ["a"]
    page.own_tags.append("site:1")
    assert (page.tags, page.own_tags) == (["a", "site:1"], ["a", "site:1"])
    page.tags += ["b"]
    assert page.own_tags == ["a", "site:1", "b"]


def test_a_kept_list_changes_the_current_tags(ask, server):
    page = Page("a", site=1)
    one, other = page.tags, page.tags
    one.append("b")
    page.site = 2
    other.append("c")
    assert other == page.tags == ["a", "b", "c", "site:2"]
    ask(page.save)
    other.append("d")
    ask(page.save)
    ask(page.refresh_from_db)
    assert other == page.tags
    page.own_tags = ["z"]
    page.tags = one
    assert page.own_tags == ["a", "b", "site:1"]


def test_own_tags_are_assigned_unchanged(ask, server):
    page = ask(Page.objects.create, own_tags=["a", "site:1", "a"], site=1)
    assert page.own_tags == ["a", "site:1"]
    page.own_tags += ["b"]
    page.own_tags = [*page.own_tags, "c"]
    assert page.own_tags == ["a", "site:1", "b", "c"]
    for wrong, why in (("text", "list of texts"), ([5], "A tag is a str")):
        with pytest.raises(TypeError, match=why):
            page.own_tags = wrong
    with pytest.raises(TypeError, match="list of texts"):
        page.tags += "text"
    with pytest.raises(TypeError, match="takes no tags"):
        Plain().own_tags = ["a"]


def test_a_model_without_tags_shows_its_attributes(ask, server):
    session = Session(user_id=1)
    assert (session.tags, session.own_tags) == (["user_id:1"], [])
    with pytest.raises(TypeError, match="takes no tags"):
        session.tags.append("a")
    assert session.tags == ["user_id:1"]


@pytest.mark.parametrize("wrong", [5, None, b"x", ["x"]])
def test_a_tag_that_is_not_a_text_is_refused_before_the_write(ask, server, wrong):
    page = ask(Page.objects.create, "a", id="p", site=1)
    with pytest.raises(TypeError, match="A tag is a str"):
        page.tags.append(wrong)
    assert page.tags == ["a", "site:1"]
    page.own_tags.append(wrong)
    with pytest.raises(TypeError, match="A tag is a str"):
        ask(page.save)
    with pytest.raises(TypeError, match="A tag is a str"):
        ask(Page.objects.bulk_update, [page], ["tags"])
    assert ask(Page.objects.get, "p").own_tags == ["a"]


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it)), list],
)
def test_a_copy_of_the_list_is_a_plain_list(duplicate):
    page = Page("a", site=1)
    other = duplicate(page.tags)
    assert type(other) is list
    other.append("b")
    assert other == ["a", "site:1", "b"]
    assert page.tags == ["a", "site:1"]


def test_the_list_is_a_python_list(ask, server):
    page = Page("a", site=1)
    tags = page.tags
    assert isinstance(tags, list)
    assert tags == ["a", "site:1"]
    assert tags == ["a", "site:1"]
    assert json.dumps(tags) == '["a", "site:1"]'
    assert repr(tags) == "['a', 'site:1']"
    for plain in (
        tags[:],
        tags + ["b"],  # noqa: RUF005
        tags * 2,
        tags.copy(),
    ):
        assert type(plain) is list
    plain = ask(Plain.objects.create, id="p", kept=tags)
    assert type(ask(Plain.objects.get, "p").kept) is list
    assert plain.kept == tags


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_of_an_object_have_separate_lists(duplicate):
    page = Page("a", site=1)
    other = duplicate(page)
    other.tags.append("b")
    assert (page.own_tags, other.own_tags) == (["a"], ["a", "b"])


def test_changes_of_two_copies_are_merged(ask, server):
    ask(Page.objects.create, "a", "b", id="p", site=1)
    one, other = ask(Page.objects.get, "p"), ask(Page.objects.get, "p")
    one.tags.append("c")
    other.tags.remove("a")
    ask(one.save)
    ask(other.save)
    assert ask(Page.objects.get, "p").own_tags == ["b", "c"]
    one.tags.append("d")
    with pytest.raises(ormist.ConflictError):
        ask(one.save, strict=True)


def test_appended_tags_are_stored_by_atomic_and_bulk_methods(ask, block, server):
    page = ask(Page.objects.create, "a", id="p", site=1)

    def save(ask):
        page.tags.append("b")
        ask(page.save)
        page.tags.append("c")
        ask(page.save)

    block(save)
    assert ask(Page.objects.get, "p").own_tags == ["a", "b", "c"]
    page.tags.append("d")
    ask(Page.objects.bulk_update, [page], ["tags"])
    ask(Page.objects.bulk_save, [page])
    assert ask(Page.objects.get, "p").own_tags == ["a", "b", "c", "d"]
