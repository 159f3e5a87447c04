"""A value in a form comes back unchanged, or cannot be edited."""

from hypothesis import given
from hypothesis import strategies as st

from django_ormist.admin.formfields import (
    AttributesField,
    AttributesWidget,
    Changes,
    GivenTagsField,
    row_key,
)
from django_ormist.admin.value_text import (
    KINDS,
    READ_ONLY,
    from_text,
    normalize_newlines,
    to_text,
)
from tests.properties.test_codecs import is_same, storable, text


def sent(shown):
    """Return a text as a browser sends it."""
    return normalize_newlines(shown).replace("\n", "\r\n")


@given(storable)
def test_a_text_that_is_shown_is_read_as_its_value(value):
    shown = to_text(value)
    if shown.kind != READ_ONLY:
        assert is_same(from_text(shown.kind, shown.text, value), value)


def test_a_text_keeps_its_newline_characters():
    shown = to_text("one\r\ntwo")
    assert (shown.kind, shown.text) == ("text", "one\ntwo")
    assert from_text("text", "one\ntwo\nthree", "one\r\ntwo") == "one\r\ntwo\r\nthree"
    assert from_text("text", "one\ntwo\nthree", "one") == "one\ntwo\nthree"
    assert to_text("one\r\ntwo\nthree").kind == READ_ONLY


@given(st.dictionaries(text, storable, max_size=5))
def test_an_unchanged_form_changes_nothing(attrs):
    field = AttributesField()
    field.show(attrs, ())
    data = {}
    for number, (name, value) in enumerate(attrs.items()):
        shown = to_text(value)
        data[f"a-{number}-key"] = row_key(name)
        if not shown.is_readonly:
            data[f"a-{number}-kind"] = shown.kind
            data[f"a-{number}-value"] = sent(shown.text)
    rows = AttributesWidget().value_from_datadict(data, {}, "a")
    assert field.clean(rows) == Changes()


@given(st.sampled_from([kind for kind, _ in KINDS]), text)
def test_any_text_is_parsed_or_refused_with_a_hint(kind, typed):
    try:
        value = from_text(kind, typed)
    except ValueError as error:
        hint = error.args[0]
        assert hint, kind
    else:
        assert to_text(value).kind in (kind, READ_ONLY)


@given(st.lists(text, unique=True, max_size=6))
def test_unchanged_tags_stay(tags):
    field = GivenTagsField()
    field.show(tags)
    typed = sent(field.prepare_value(None))
    assert not field.has_changed(None, typed)
    assert sorted(field.clean(typed)) == sorted(tags)
