"""Progress on a terminal: position, speed, remaining time."""

from io import StringIO

import pytest
from django.core.management.base import BaseCommand

from django_ormist.management import command
from django_ormist.management.command import Progress, Rate, format_duration
from tests.commands.conftest import Terminal


@pytest.fixture
def clock(monkeypatch):
    """Moves the clock of progress: ``clock(2)``."""
    now = [100.0]
    monkeypatch.setattr(command.time, "monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def test_progress_shows_rate_and_remaining_time(clock):
    pace = Rate(1000)
    assert pace.text("objects") == "0 of 1000 objects"
    clock(2)
    pace.count(100)
    assert pace.text("objects") == "100 of 1000 objects, 50 a second, 18 s left"


def test_progress_never_exceeds_its_total(clock):
    pace = Rate(10)
    clock(10)
    pace.count(100)
    assert pace.text("keys") == "100 of 100 keys, 10 a second, 0 s left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (99, "99 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_a_duration_is_shown_in_a_suitable_unit(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("stream", [StringIO, Terminal])
def test_progress_is_shown_only_on_a_terminal(stream, clock):
    out = stream()
    with Progress(BaseCommand(stdout=out), 1) as progress:
        clock(1)
        progress.show("half")
    assert ("half" in out.getvalue()) == (stream is Terminal)


def test_progress_does_not_mix_with_output_for_programs(clock):
    out, err = StringIO(), Terminal()
    with Progress(BaseCommand(stdout=out, stderr=err), 1, to_errors=True) as progress:
        clock(1)
        progress.show("half")
    assert "half" in err.getvalue()
    assert out.getvalue() == ""
