"""ormist_sweep empties a store of what has expired."""

import os
import signal
import subprocess
import sys
from threading import Timer

import pytest
from django.core.management import CommandError

from tests.models import Page, Todo, User


@pytest.fixture
def late(let_expire):
    """120 to-dos and a page that have expired, and a live user."""
    User.objects.create(name="Ann")
    made = Todo.objects.bulk_create([Todo("x", n=i, expire=3600) for i in range(120)])
    page = Page.objects.create("x", views=1, expire=3600)
    let_expire(page)
    let_expire(*made)
    return made


def test_sweep_removes_every_expired_object(command, late, server):
    assert "Swept 121 expired objects." in command("ormist_sweep")
    assert server.keys("*") == server.keys("*{tests.User}*")
    assert User.objects.count() == 1
    assert "Swept 0 expired objects." in command("ormist_sweep")


def test_sweep_of_one_model_keeps_the_others(command, late, server):
    assert command("ormist_sweep", "tests.page") == "Swept 1 expired object.\n"
    assert server.keys("*{tests.Todo}*")
    assert not server.keys("*{tests.Page}*")


def test_sweep_works_in_batches_until_everything_expired_is_removed(command, late):
    assert "121" in command("ormist_sweep", "--batch-size", "7")


@pytest.mark.parametrize("size", ["0", "501"])
def test_sweep_refuses_a_batch_that_would_hold_the_server(command, size):
    with pytest.raises(CommandError, match=f"1 to 500, not {size}"):
        command("ormist_sweep", "--batch-size", size)


def test_sweep_respects_the_verbosity(command, late):
    assert "tests.Todo (default): 120\n" in command("ormist_sweep", verbosity=2)
    assert command("ormist_sweep", verbosity=0) == ""


def test_sweep_shows_progress_only_on_a_terminal(command, late):
    printed = command("ormist_sweep", "--batch-size", "10", terminal=True)
    assert "\rtests.Page: 1 of 1 swept" in printed
    assert printed.endswith("Swept 121 expired objects.\n")
    assert "\r" not in command("ormist_sweep")


def test_sweep_names_an_unknown_model_and_an_unknown_alias(command):
    with pytest.raises(CommandError, match=r"no model 'tests\.Nope'.*tests\.Todo"):
        command("ormist_sweep", "tests.Nope")
    with pytest.raises(CommandError, match="nope"):
        command("ormist_sweep", "tests.Todo", "--using", "nope")


def test_an_interrupted_sweep_says_how_to_resume(command, late, monkeypatch, server):
    from django_ormist.management.commands import ormist_sweep

    real, calls = ormist_sweep.run, []

    def interrupted(flow, using):
        calls.append(using)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(flow, using)

    monkeypatch.setattr(ormist_sweep, "run", interrupted)
    with pytest.raises(CommandError, match="Run the same command again") as error:
        command("ormist_sweep", "tests.Todo")
    assert error.value.returncode == 130
    monkeypatch.undo()
    assert command("ormist_sweep", "tests.Todo").startswith("Swept 52 ")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_loop_sweeps_until_a_signal_stops_it(command, late, server, number):
    timer = Timer(1, os.kill, (os.getpid(), number))
    timer.start()
    before = signal.getsignal(number)
    assert command("ormist_sweep", loop=True, interval=0.05) == "Ended.\n"
    assert signal.getsignal(number) is before
    assert not server.keys("*{tests.Todo}*")


@pytest.mark.servers("valkey91")
def test_a_loop_survives_a_server_outage(command, server, start_server):
    own = start_server(server)
    server.connect(own.unix_url)
    own.kill()
    again = Timer(0.5, own.start)
    again.start()
    Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    said = command("ormist_sweep", "tests.Todo", loop=True, interval=0.1)
    again.join()
    assert said == "Ended.\n"
    assert "It is tried again later." in said.errors
    server.connect()


@pytest.mark.servers("valkey91")
def test_a_loop_in_a_process_of_its_own_ends_with_code_0(server):
    code = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_ormist", "tests"], ORMIST={{"default": {{
    "LOCATION": {server.location!r}, "KEY_PREFIX": {server.key_prefix!r}}}}})
django.setup()
from django.core.management import call_command
print("on", flush=True)
call_command("ormist_sweep", loop=True, interval=0.1, verbosity=2)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = iter(process.stdout.readline, "")
        assert next(lines) == "on\n"
        assert next(lines) == "Swept 0 expired objects.\n"
        process.terminate()
        assert list(lines)[-1] == "Ended.\n"
        assert process.wait(10) == 0


def test_a_loop_needs_an_interval(command):
    with pytest.raises(CommandError, match="more than 0"):
        command("ormist_sweep", loop=True, interval=0)
