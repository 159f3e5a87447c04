"""extend.lua changes an expiration time, and keeps the rest of the object."""

import pytest

from django_ormist.codecs import pack
from django_ormist.connections.executor import run
from django_ormist.deadlines import now_ms
from django_ormist.exceptions import CorruptDataError
from django_ormist.operations import objects
from django_ormist.operations.replies import Reply
from tests.checker import raw_faults
from tests.models import Page, Token

LATER_MS = 7_200_000


@pytest.fixture(params=["msgpack", "json"])
def token(request, server):
    """A stored token of 1 MB that expires in an hour, in either codec."""
    server.connect(CODEC=request.param)
    return Token.objects.create("tag", first="one", big="é" * 500_000)


def renewed(instance, packed=None, by_ms=LATER_MS):
    """Return the reply of the operation that extends the lifetime by *by_ms*."""
    schema, packed = instance._meta.schema("default"), packed or instance._state.packed
    deadline_ms = now_ms() + by_ms
    return run(objects.extend(schema, instance.id, packed, deadline_ms), "default")


def test_the_expiration_time_changes_in_the_bytes_the_ttl_and_the_index(token, server):
    assert renewed(token) == (Reply.DONE, None)
    found = Token.objects.get(token.id)
    assert found.ttl() > 7100
    assert (found.attrs, found.tags) == (token.attrs, ["tag"])
    assert raw_faults(server.client, server.key_prefix) == []


def test_the_bytes_are_the_same_as_after_a_save(token, server):
    renewed(token)
    found = Token.objects.get(token.id)
    codec = "json" if found._state.packed[:1] == b"{" else "msgpack"
    assert found._state.packed == pack(
        found.attrs, ["tag"], found._state.expire_at_ms, codec
    )


def test_the_operation_carries_no_payload(token):
    operation = objects.extend(
        token._meta.schema("default"),
        token.id,
        token._state.packed,
        now_ms() + LATER_MS,
    )
    words = operation.keys + operation.args
    assert sum(len(word) for word in words if isinstance(word, bytes)) < 500


def test_a_missing_object_stays_missing(token, server):
    before = token._state.packed
    token.delete()
    assert renewed(token, packed=before) == (Reply.REFUSED, None)
    assert server.keys() == []


def test_an_object_with_another_beginning_is_left_alone(token, server):
    other = Token.objects.get(token.id)
    other.first = "two"
    other.save()
    assert renewed(token) == (Reply.REFUSED, 1)
    assert Token.objects.get(token.id).ttl() < 3601
    assert raw_faults(server.client, server.key_prefix) == []


def test_changes_after_the_compared_beginning_are_kept(token, server):
    other = Token.objects.get(token.id)
    other.last = "added"
    other.attrs["big"] = "x" * 500
    other.attrs["first"] = "one"
    before = other._state.packed
    other.save()
    code, _ = renewed(token, packed=before)
    found = Token.objects.get(token.id)
    assert (found.last, found.big) == ("added", "x" * 500)
    # msgpack counts the attributes in its head; JSON does not.
    assert (code is Reply.DONE) == (found.ttl() > 7100)
    assert raw_faults(server.client, server.key_prefix) == []


def test_an_object_without_expiration_stays_without(token, server):
    before = token._state.packed
    token.expire = None
    token.save()
    assert renewed(token, packed=before) == (Reply.REFUSED, 1)
    assert Token.objects.get(token.id).expire is None


def test_a_past_expiration_time_is_refused(token):
    assert renewed(token, by_ms=-1) == (Reply.EXPIRED, None)
    assert Token.objects.get(token.id).ttl() > 3500


def test_counters_get_the_same_expiration_time(server):
    page = Page("tag", views=3, expire=60)
    page.save()
    assert renewed(page) == (Reply.DONE, None)
    assert Page.objects.get(page.id).views == 3
    assert raw_faults(server.client, server.key_prefix) == []


@pytest.mark.parametrize("rest", ["o:", "expires", "c:"])
def test_mistyped_names_the_key_and_writes_nothing(server, rest):
    page = Page("tag", views=3, expire=60)
    page.save()
    key = page._meta.space("default").base + rest.encode()
    key += page.id.encode() if rest.endswith(":") else b""
    server.client.delete(key)
    server.client.lpush(key, "x")
    names = server.keys()
    before = [server.client.dump(each) for each in names]
    with pytest.raises(CorruptDataError, match=key.decode().replace("{", ".")):
        renewed(page)
    assert [server.client.dump(each) for each in names] == before
