"""A server stops by itself after a while without clients."""

import math

import pytest

from django_ormist.embedded import supervisor
from django_ormist.exceptions import ImproperlyConfigured

from .conftest import SOON, wait_until

LOOKS = 40  # the supervisor checks ten times in its idle time


def test_an_idle_server_stops_and_restarts_with_its_data(home):
    with home.connect(idle_seconds=SOON) as client:
        client.set("a", "1")
        run_id = client.info("server")["run_id"]
    wait_until(home.has_stopped)
    assert not (home.path / supervisor.SOCKET).exists()
    assert home.client().get("a") == b"1"
    assert home.run_id() != run_id


def test_a_pooled_connection_keeps_the_server_running(home):
    with home.connect(idle_seconds=SOON) as client:
        client.ping()  # the connection goes back to the pool, and stays
        with client.monitor() as monitor:  # wakes up with each check, without a query
            seen = 0
            while seen < LOOKS:
                seen += monitor.next_command()["command"].startswith("INFO")
        assert client.ping()
    wait_until(home.has_stopped)


def test_the_environment_sets_the_idle_time(home, monkeypatch):
    monkeypatch.setenv("ORMIST_EMBEDDED_IDLE_SECONDS", str(SOON))
    home.url()
    wait_until(home.has_stopped)


def test_the_idle_time_may_be_unlimited(home):
    with home.client(home.url(idle_seconds=math.inf)) as client:
        assert client.ping()


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_an_invalid_idle_time_is_refused(home, seconds):
    with pytest.raises(ImproperlyConfigured, match=r"idle_seconds is .*above 0"):
        home.url(idle_seconds=seconds)


def test_an_invalid_idle_time_in_the_environment_is_refused(home, monkeypatch):
    monkeypatch.setenv("ORMIST_EMBEDDED_IDLE_SECONDS", "soon")
    with pytest.raises(ImproperlyConfigured, match=r"IDLE_SECONDS is 'soon'\. Give"):
        home.url()


# ------------------------------------------------------------- without a server


class FakeClient:
    """The supervisor's connection to a server, and its clock.

    ever: the connections so far.
    uses: the seconds at which another process connects, and leaves at once.
    """

    def __init__(self, ever, uses=()):
        self.ever = ever
        self.uses = list(uses)
        self.seconds = 0.0
        self.is_stopped = False

    def monotonic(self):
        return self.seconds

    def is_closed_within(self, seconds):
        self.seconds += seconds
        while self.uses and self.uses[0] <= self.seconds:
            self.ever += 1
            del self.uses[0]
        return False

    def execute(self, command):
        if command == "SHUTDOWN":
            self.is_stopped = True
            raise EOFError
        facts = f"connected_clients:1\r\ntotal_connections_received:{self.ever}\r\n"
        return f"# Clients\r\n{facts}".encode()


@pytest.fixture
def in_folder(short_folder, monkeypatch):
    monkeypatch.chdir(short_folder)
    return short_folder


@pytest.mark.parametrize("uses", [[], [9, 18, 27], [0.5, 1, 10.5]])
def test_repeated_use_keeps_the_server_running(in_folder, monkeypatch, uses):
    (in_folder / supervisor.SOCKET).touch()
    supervisor.write_address(supervisor.SOCKET)
    client = FakeClient(ever=7, uses=uses)
    monkeypatch.setattr(supervisor, "time", client)
    monkeypatch.setattr(supervisor, "log", lambda message: None)
    with pytest.raises(EOFError):
        supervisor.Supervisor(idle_seconds=10.0).run(client)
    last = uses[-1] if uses else 0
    assert last + 10 <= client.seconds <= last + 11


def test_a_server_without_clients_stops(in_folder):
    client = FakeClient(ever=7)
    with pytest.raises(EOFError):
        supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert client.is_stopped
    assert not supervisor.is_locked(supervisor.DOOR_LOCK)


def test_a_client_at_the_last_moment_keeps_the_server_running(in_folder):
    client = FakeClient(ever=8)
    supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert not client.is_stopped


def test_a_connecting_client_keeps_the_server_running(in_folder):
    client = FakeClient(ever=7)
    with supervisor.hold_lock(supervisor.DOOR_LOCK, supervisor.fcntl.LOCK_SH):
        supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert not client.is_stopped
