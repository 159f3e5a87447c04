"""What errors say of a LOCATION that names another kind of server."""

import pytest
import redis
from django.core.management import CommandError, call_command

import django_ormist as ormist
from django_ormist import checks
from django_ormist.exceptions import ImproperlyConfigured
from tests import clusters, sentinels, servers
from tests.sentinels import SERVICE

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class MisplacedNote(ormist.TaggedAttrsModel):
    pass


def expect(ask, words, method=MisplacedNote.objects.create, *args):
    """Check the text of the ImproperlyConfigured of a call."""
    with pytest.raises(ImproperlyConfigured) as caught:
        ask(method, *args)
    for each in ("ORMIST['default']", *words):
        assert each in str(caught.value)


@pytest.fixture
def sentinel_set():
    return sentinels.shared()


@pytest.mark.parametrize(("database", "protocol"), [(0, 2), (1, 3)])
def test_a_sentinel_in_the_place_of_a_server_is_named(
    ask, configure, sentinel_set, database, protocol
):
    port = sentinel_set.sentinels[0].port
    configure(
        LOCATION=f"redis://127.0.0.1:{port}/{database}", OPTIONS={"protocol": protocol}
    )
    url = f"'redis+sentinel://127.0.0.1:{port}/{SERVICE}/{database}'"
    expect(ask, ("is a sentinel, not a server", url))
    expect(ask, ("is a sentinel, not a server", url), MisplacedNote.objects.count)


def test_ormist_inspect_and_the_check_name_a_sentinel(configure, sentinel_set):
    port = sentinel_set.sentinels[0].port
    configure(LOCATION=f"redis://127.0.0.1:{port}/0")
    with pytest.raises(CommandError, match="is a sentinel, not a server"):
        call_command("ormist_inspect", MisplacedNote._meta.label)
    (found,) = checks.check_servers(None)
    assert found.id == "ormist.W008"
    assert f"redis+sentinel://127.0.0.1:{port}/SERVICE/0" in found.hint


def test_an_unknown_command_of_a_server_stays_an_error_of_the_server(
    ask, start_server, configure
):
    node = start_server("valkey91", "--rename-command", "EVALSHA", "")
    configure(LOCATION=node.tcp_url)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        ask(MisplacedNote.objects.create, "a")


def test_a_database_that_a_server_does_not_have_is_named(ask, configure, real):
    configure(LOCATION=f"redis://127.0.0.1:{real.port}/99")
    expect(ask, ("the database 99", "Write a lower number in LOCATION"))


def test_a_database_that_is_not_behind_sentinels_is_named(ask, configure, sentinel_set):
    configure(LOCATION=f"{sentinel_set.url}99")
    expect(ask, ("the database 99", "Write a lower number in LOCATION"))


def test_a_database_that_a_node_does_not_have_is_named(ask, configure):
    node = clusters.shared().nodes[0]
    configure(LOCATION=f"redis://127.0.0.1:{node.port}/3")
    expect(ask, ("the database 3", "A node of a Cluster usually has only 0"))


def test_a_write_to_a_replica_names_its_primary(ask, configure, sentinel_set):
    node = sentinel_set.replicas()[0]
    configure(LOCATION=f"redis://127.0.0.1:{node.port}/0")
    with pytest.raises(redis.ReadOnlyError) as caught:
        ask(MisplacedNote.objects.create, "a")
    assert "redis+sentinel://" in "".join(caught.value.__notes__)
    (found,) = checks.check_servers(None)
    assert found.id == "ormist.W008"
    assert "is a replica" in found.msg
