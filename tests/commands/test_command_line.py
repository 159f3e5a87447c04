"""The commands as programs: closed pipes, encodings, control characters."""

import os
import subprocess
import sys

import pytest

from tests.models import Plain, Todo

pytestmark = pytest.mark.servers("valkey91")

MANAGE = """
import sys
from django.conf import settings
location, prefix = sys.argv[1:3]
settings.configure(
    USE_TZ=True,
    INSTALLED_APPS=["django_ormist", "django.contrib.sessions", "tests"],
    SESSION_ENGINE="django_ormist.sessions",
    ORMIST={"default": {"LOCATION": location, "KEY_PREFIX": prefix}},
)
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[3:]])
"""


@pytest.fixture
def manage(server):
    """Runs a command as a process: ``manage("ormist_dump", env={..})``."""

    def ended(*words, stdout=subprocess.PIPE, **env):
        place = (server.location, server.key_prefix)
        return subprocess.run(
            [sys.executable, "-c", MANAGE, *place, *words],
            env={**os.environ, **env},
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=120,
        )

    return ended


COMMANDS = [
    ("ormist_dump",),
    ("ormist_inspect",),
    ("ormist_inspect", "tests.Plain", "ä"),
    ("ormist_inspect", "--verify"),
    ("ormist_sweep",),
    ("ormist_reindex",),
    ("ormist_flush", "tests.Todo", "--noinput"),
    ("clearsessions",),
]


@pytest.fixture
def stored(server):
    Plain.objects.create(id="ä", text="å\x1b[2J")
    Plain.objects.bulk_create(Plain(text="x" * 500) for _ in range(600))
    Todo.objects.create("日本", id="日本")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_with_a_closed_output_ends_quietly(words, manage, stored):
    reading, writing = os.pipe()
    os.close(reading)
    ended = manage(*words, stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_text_that_the_encoding_cannot_express_is_escaped(
    words, manage, server, stored
):
    damaged = f"{server.key_prefix}:{{tests.Todo}}:t:日本"
    server.client.zadd(damaged, {"日本 gone": 5})
    ended = manage(*words, PYTHONIOENCODING="ascii")
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == (1 if "--verify" in words else 0)
    assert ended.stdout.isascii()
    assert b"\x1b" not in ended.stdout
    if words == COMMANDS[2]:
        assert b"\\xe4" in ended.stdout
