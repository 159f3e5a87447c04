"""A server starts with its first client, and does not end with any process."""

import os
import shutil
import signal

import pytest

from django_ormist.embedded import server_url, supervisor

from .conftest import SOON, WHILE, is_running, wait_until

# Prints "ready", waits for a line, connects, and prints the run id of the server.
JOINER = """
import sys, redis
from django_ormist.embedded import server_url
print("ready", flush=True)
sys.stdin.readline()
client = redis.Redis.from_url(server_url(sys.argv[1]))
client.set("from the child", "kept")
print(client.info("server")["run_id"], flush=True)
sys.stdin.readline()
"""

# A supervisor whose socket disappears between its start and its first check.
BEREFT = """
import os, sys
from django_ormist.embedded import folder, supervisor
os.chdir(sys.argv[1])
alone = supervisor.Supervisor(60)
print(alone.start_or_adopt(supervisor.SOCKET, folder.find_binary(), 60), flush=True)
os.unlink(supervisor.SOCKET)
try:
    alone.run(alone.client)
except EOFError:
    print("ended", alone.server.wait(), flush=True)
"""


def test_the_first_call_creates_the_folder_and_starts_the_server(home):
    url = home.url()
    assert url == f"unix://{home.path}/server.sock"
    with home.client(url) as client:
        assert client.ping()
        assert client.info("server")["tcp_port"] == 0
        assert client.info("persistence")["aof_enabled"] == 1


def test_the_second_call_uses_the_running_server(home):
    assert home.url() == home.url()
    assert home.run_id() == home.run_id()


def test_one_of_eight_processes_starts_the_server(home, child):
    children = [child(JOINER, str(home.path)) for _ in range(8)]
    assert {joiner.hear() for joiner in children} == {"ready"}
    for joiner in children:
        joiner.say("go")
    assert {joiner.hear() for joiner in children} == {home.run_id()}
    assert home.log().count("Ready to accept connections") == 1


def test_killing_the_process_group_of_the_starter_leaves_the_server(home, child):
    starter = child(JOINER, str(home.path))
    starter.say("go")
    assert starter.hear() == "ready"
    run_id = starter.hear()
    os.killpg(starter.process.pid, signal.SIGKILL)
    starter.process.wait()
    assert home.run_id() == run_id
    assert home.client().get("from the child") == b"kept"


@pytest.mark.slow
def test_a_server_whose_socket_goes_at_once_is_stopped(home, child):
    home.path.mkdir(mode=0o700)
    bereft = child(BEREFT, str(home.path))
    assert bereft.hear() == supervisor.READY
    assert bereft.hear() == "ended 0"


def test_killing_the_starter_during_the_start_does_no_harm(home, child):
    home.path.mkdir(mode=0o700)
    with supervisor.hold_lock(
        str(home.path / supervisor.SUPERVISOR_LOCK), supervisor.fcntl.LOCK_EX
    ):
        starter = child(JOINER, str(home.path))
        starter.say("go")
        wait_until(lambda: home.is_locked(supervisor.DOOR_LOCK))
        starter.end()
        wait_until(lambda: not home.is_locked(supervisor.DOOR_LOCK))
    assert home.run_id()
    assert home.log().count("Ready to accept connections") == 1


def test_the_server_is_not_a_child_of_its_starter(home, child):
    source = """
import os, sys
from django_ormist.embedded import server_url
server_url(sys.argv[1])
try:
    print(os.waitpid(-1, os.WNOHANG), flush=True)
except ChildProcessError:
    print("no child", flush=True)
"""
    assert child(source, str(home.path)).hear() == "no child"


def test_a_crashed_server_restarts_with_everything_acknowledged(home):
    run_id, pid, _ = home.server_facts()
    with home.client() as client:
        client.set("a", "1")
        assert client.execute_command("WAITAOF", 1, 0, 60_000)[0] == 1
        os.kill(pid, signal.SIGKILL)
    assert home.run_id() != run_id
    assert home.client().get("a") == b"1"


def test_a_stale_socket_is_replaced(home):
    _, pid, supervisor_pid = home.server_facts()
    os.kill(supervisor_pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    wait_until(home.has_stopped)
    assert (home.path / supervisor.SOCKET).is_socket()
    assert home.client().ping()


def test_a_killed_supervisor_is_replaced(home):
    run_id, pid, supervisor_pid = home.server_facts()
    os.kill(supervisor_pid, signal.SIGKILL)
    wait_until(lambda: not home.is_locked(supervisor.SUPERVISOR_LOCK))
    assert is_running(pid)
    with home.connect(idle_seconds=SOON) as client:
        assert client.info("server")["run_id"] == run_id
        assert home.is_locked(supervisor.SUPERVISOR_LOCK)
    wait_until(home.has_stopped)  # the new supervisor stops it


def test_sigterm_to_the_supervisor_saves_and_stops_the_server(home):
    home.client().set("a", "1")
    os.kill(home.server_facts()[2], signal.SIGTERM)
    wait_until(home.has_stopped)
    assert "bye bye" in home.log()
    assert home.client().get("a") == b"1"


def test_a_server_whose_socket_was_removed_is_started_again(home):
    run_id = home.run_id()
    home.end()
    home.url(idle_seconds=WHILE)  # it checks often
    with home.client() as client:  # who is connected does not keep it
        client.set("a", "1")
        (home.path / supervisor.SOCKET).unlink()
        assert home.client().get("a") == b"1"
    assert home.run_id() != run_id


def test_removing_the_folder_stops_its_server(home):
    home.url(idle_seconds=WHILE)
    _, pid, supervisor_pid = home.server_facts()
    shutil.rmtree(home.path)
    wait_until(lambda: not is_running(pid) and not is_running(supervisor_pid))
    assert not home.path.exists()


def test_a_recreated_folder_starts_empty(home):
    home.url(idle_seconds=WHILE)
    _, old_pid, old_supervisor_pid = home.server_facts()
    home.client().set("a", "1")
    shutil.rmtree(home.path)
    run_id = home.run_id()
    wait_until(lambda: not is_running(old_pid) and not is_running(old_supervisor_pid))
    assert home.run_id() == run_id
    assert home.client().get("a") is None


def test_threads_may_start_the_server_at_once(home):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        urls = list(pool.map(server_url, [home.path] * 64))
    assert set(urls) == {home.url()}
    assert home.log().count("Ready to accept connections") == 1


def test_a_connection_restarts_the_server(ask, home, settings):
    from django_ormist.connections import connections
    from django_ormist.operations.operation import Operation

    settings.ORMIST = {"default": {"LOCATION": f"embedded://{home.path}"}}
    write = Operation("SET", keys=(b"a",), args=(b"1",), is_write=True)
    assert ask(connections["default"].send, [write]) == [b"OK"]
    with home.client() as client:
        client.execute_command("WAITAOF", 1, 0, 60_000)
    os.kill(home.server_facts()[1], signal.SIGKILL)
    wait_until(lambda: not home.is_locked(supervisor.SERVER_LOCK))
    assert ask(connections["default"].send, [Operation("GET", keys=(b"a",))]) == [b"1"]


@pytest.mark.slow
def test_a_client_that_arrives_while_the_server_stops_gets_a_running_one(home):
    """A client that connects holds the lock that the supervisor needs to stop it."""
    for number in range(5):
        home.url(idle_seconds=SOON)
        wait_until(lambda: not (home.path / supervisor.SOCKET).exists())
        with home.client() as client:
            assert client.incr("answered") == number + 1
        home.end()
