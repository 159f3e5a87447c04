"""The commands over sessions, which are ordinary objects."""

import pytest
from django.core.management import call_command

from django_ormist.sessions import Session, SessionStore
from tests.checker import raw_faults

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture
def sessions(server):
    """Two sessions, one of which belongs to a user."""
    made = []
    for user in (None, "7"):
        store = SessionStore()
        store["cart"] = [1, {"a": None}]
        if user:
            store["_auth_user_id"] = user
        store.save()
        made.append(store)
    return made


def test_a_store_of_sessions_is_sound(server, sessions):
    assert raw_faults(server.client, server.key_prefix) == []
    call_command("ormist_inspect", "django_ormist.Session", verify=True, verbosity=0)


def test_sessions_are_dumped_and_loaded(server, sessions, command, tmp_path):
    file = str(tmp_path / "dump")
    command("ormist_dump", "django_ormist.Session", "--output", file)
    Session.objects.all().delete()
    assert command("ormist_load", file, sessions=True) == "Stored 2 objects.\n"
    again = SessionStore(sessions[1].session_key)
    assert again["cart"] == [1, {"a": None}]
    assert Session.objects.find(user_id="7").count() == 1
