"""A server stops by itself when nobody has been connected for a while."""

import math

import pytest

from django_ormist.embedded import supervisor
from django_ormist.exceptions import ImproperlyConfigured

from .conftest import SOON, wait_until

LOOKS = 40  # the supervisor checks ten times in its idle time


def looks(client):
    """Return how often the supervisor has checked, which it does with INFO."""
    return client.info("commandstats")["cmdstat_info"]["calls"]


def test_it_stops_and_comes_back_with_its_data(home):
    with home.client(home.url(idle_seconds=SOON)) as client:
        client.set("a", "1")
        run_id = client.info("server")["run_id"]
    wait_until(home.has_stopped)
    assert not (home.path / supervisor.SOCKET).exists()
    assert home.client().get("a") == b"1"
    assert home.run_id() != run_id


def test_one_connection_in_a_pool_keeps_it(home):
    with home.client(home.url(idle_seconds=SOON)) as client:
        client.ping()  # the connection goes back to the pool, and stays
        with client.monitor() as monitor:  # wakes up with each look, and asks nothing
            seen = 0
            while seen < LOOKS:
                seen += monitor.next_command()["command"].startswith("INFO")
        assert client.ping()
    wait_until(home.has_stopped)


def test_who_asks_for_it_again_and_again_keeps_it(home):
    with home.client(home.url(idle_seconds=SOON)) as client:
        run_id = client.info("server")["run_id"]
    wait_until(lambda: looks_of(home) >= LOOKS)
    assert home.run_id() == run_id


def looks_of(home):
    with home.client() as client:
        return looks(client)


def test_the_environment_says_how_long(home, monkeypatch):
    monkeypatch.setenv("ORMIST_EMBEDDED_IDLE_SECONDS", str(SOON))
    home.url()
    wait_until(home.has_stopped)


def test_it_may_never_stop(home):
    with home.client(home.url(idle_seconds=math.inf)) as client:
        assert client.ping()


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_time_that_is_none_is_refused(home, seconds):
    with pytest.raises(ImproperlyConfigured, match=r"idle_seconds is .*above 0"):
        home.url(idle_seconds=seconds)


def test_a_time_in_the_environment_that_is_none_is_refused(home, monkeypatch):
    monkeypatch.setenv("ORMIST_EMBEDDED_IDLE_SECONDS", "soon")
    with pytest.raises(ImproperlyConfigured, match=r"IDLE_SECONDS is 'soon'\. Give"):
        home.url()


# ---------------------------------------------------------------- the last moment


class FakeClient:
    """The supervisor's connection to a server with *ever* connections so far."""

    def __init__(self, ever):
        self.ever = ever
        self.is_stopped = False

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


def test_it_stops_if_nobody_has_come(in_folder):
    client = FakeClient(ever=7)
    with pytest.raises(EOFError):
        supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert client.is_stopped
    assert not supervisor.is_locked(supervisor.DOOR_LOCK)


def test_it_stays_if_somebody_came_and_went_at_the_last_moment(in_folder):
    client = FakeClient(ever=8)
    supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert not client.is_stopped


def test_it_stays_while_somebody_is_joining(in_folder):
    client = FakeClient(ever=7)
    with supervisor.hold_lock(supervisor.DOOR_LOCK, supervisor.fcntl.LOCK_SH):
        supervisor.Supervisor(SOON).stop_unless_joined(client, seen=(1, 7))
    assert not client.is_stopped
