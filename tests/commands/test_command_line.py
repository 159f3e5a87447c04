"""The commands as programs: closed pipes, encodings, control characters."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple

import pytest

from tests.models import Plain, Todo

pytestmark = pytest.mark.servers("valkey91")

# Imports take longer than most commands do. So one process does them, as far as its
# checks, and a child of it runs each command. A command is a line of JSON: its words,
# where its output goes, or null for a pipe that is not read, and where its errors go.
MANAGE = """
import json, os, sys
import django
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import execute_from_command_line
location, prefix = sys.argv[1:]
settings.configure(
    USE_TZ=True,
    INSTALLED_APPS=["django_ormist", "django.contrib.sessions", "tests"],
    SESSION_ENGINE="django_ormist.sessions",
    ORMIST={"default": {"LOCATION": location, "KEY_PREFIX": prefix}},
)
django.setup()
run_checks()
for line in sys.stdin:
    words, output, errors = json.loads(line)
    child = os.fork()
    if not child:
        if output:
            writing = os.open(output, os.O_WRONLY | os.O_CREAT)
        else:
            reading, writing = os.pipe()
            os.close(reading)
        os.dup2(writing, 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
        sys.stdin = open(os.devnull)
        execute_from_command_line(["manage.py", *words])
        sys.exit()
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Ended(NamedTuple):
    """The end of a command."""

    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def start(server, tmp_path):
    """Returns what returns a runner of commands: ``start(env)("ormist_dump")``."""
    with ExitStack() as started:

        def run_in(is_read=True, **env):
            parent = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", MANAGE, server.location, server.key_prefix],
                    env={**os.environ, **env},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            numbers = count()

            def run(*words):
                paths = [tmp_path / f"{each}{next(numbers)}" for each in ("out", "err")]
                output = str(paths[0]) if is_read else None
                line = json.dumps([words, output, str(paths[1])])
                print(line, file=parent.stdin, flush=True)
                code = int(parent.stdout.readline())
                printed = paths[0].read_bytes() if is_read else b""
                return Ended(code, printed, paths[1].read_bytes())

            return run

        yield run_in


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


def test_a_command_with_a_closed_output_ends_quietly(start, stored):
    run = start(is_read=False)
    for words in COMMANDS:
        ended = run(*words)
        assert (ended.returncode, ended.stderr) == (141, b""), words


def test_text_that_the_encoding_cannot_express_is_escaped(start, server, stored):
    run = start(PYTHONIOENCODING="ascii")
    damaged = f"{server.key_prefix}:{{tests.Todo}}:t:日本"
    for words in COMMANDS:
        server.client.zadd(damaged, {"日本 gone": 5})
        ended = run(*words)
        assert b"Traceback" not in ended.stderr, words
        assert ended.returncode == (1 if "--verify" in words else 0), words
        assert ended.stdout.isascii()
        assert b"\x1b" not in ended.stdout
        if words == COMMANDS[2]:
            assert b"\\xe4" in ended.stdout


def test_a_wrong_option_ends_a_command_with_code_2(start, server):
    run = start()
    for words in (
        ("ormist_sweep", "--batch-size", "many"),
        ("ormist_sweep", "--nope"),
        ("ormist_load",),
        ("ormist_load", "-", "--existing", "nope"),
    ):
        ended = run(*words)
        assert (ended.returncode, ended.stdout) == (2, b""), words
        assert b"Traceback" not in ended.stderr
