"""Options that no command can follow are refused with one clear error."""

import io
from threading import TIMEOUT_MAX, Event

import pytest
from django.core.management import CommandError

from django_ormist.management.commands import ormist_sweep
from tests.models import Todo

pytestmark = pytest.mark.servers("valkey91")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e10", "1000001", "0", "-1"])
def test_an_interval_that_no_wait_takes_is_refused(value, command):
    expected = "more than 0 and at most 1000000 seconds"
    with pytest.raises(CommandError, match=expected):
        command("ormist_sweep", "--loop", f"--interval={value}")


def test_the_longest_interval_is_one_that_a_wait_takes(command, server, monkeypatch):
    waited = []

    class Ended(Event):
        def wait(self, timeout):
            waited.append(timeout)
            self.set()

    monkeypatch.setattr(ormist_sweep, "Event", Ended)
    assert command("ormist_sweep", "--loop", "--interval", "1e6") == "Ended.\n"
    assert waited == [1e6]
    assert waited[0] < TIMEOUT_MAX


NUMBERS = ["nan", "inf", "-1", "0", str(10**30), "9" * 5000]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(
    "words",
    [
        ("ormist_sweep", "--batch-size"),
        ("ormist_inspect", "--schema", "--sample"),
        ("ormist_load", "-", "--from-line"),
    ],
)
def test_a_number_out_of_range_is_refused(words, value, command, server, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    *words, option = words
    with pytest.raises(CommandError, match=option):
        command(*words, f"{option}={value}")


@pytest.mark.parametrize("value", [value for value in NUMBERS if value != "0"])
def test_a_creation_time_out_of_range_is_refused(value, command, server):
    with pytest.raises(CommandError, match="is not a creation time"):
        command("ormist_reindex", "tests.Todo", f"--after={value}")


@pytest.mark.parametrize(
    "value", ["0", "1969-12-31", "9999-12-31", "253402300799999999"]
)
def test_a_creation_time_in_range_is_taken(value, command, server):
    assert "0 objects" in command("ormist_reindex", "tests.Todo", f"--after={value}")


@pytest.mark.parametrize("value", [0, -1, 10**30, float("nan"), float("inf")])
def test_a_sample_of_call_command_is_checked(value, command, server):
    Todo.objects.create("x")
    with pytest.raises(CommandError, match="1 to 1000000"):
        command("ormist_inspect", "tests.Todo", schema=True, sample=value)


@pytest.mark.parametrize("alias", ["typo", ""])
@pytest.mark.parametrize(
    "words",
    [
        ("ormist_dump",),
        ("ormist_flush", "--noinput"),
        ("ormist_flush", "tests.Todo", "--noinput"),
        ("ormist_inspect",),
        ("ormist_inspect", "--verify"),
        ("ormist_load", "-"),
        ("ormist_reindex",),
        ("ormist_reindex", "--move"),
        ("ormist_sweep",),
    ],
)
def test_an_unknown_alias_is_refused_by_every_command(words, alias, command, server):
    Todo.objects.create("x")
    with pytest.raises(CommandError, match=f"'{alias}' doesn't exist"):
        command(*words, f"--using={alias}")
    assert Todo.objects.count() == 1
