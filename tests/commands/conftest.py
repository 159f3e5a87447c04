"""Fixtures of the tests of commands."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_ormist.keys import counters_key, expires_key, object_key


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


class Printed(str):
    """The output of a command; errors: its error output."""

    errors = ""


@pytest.fixture
def command(server):
    """Runs a command: ``command("ormist_flush", "tests.Todo", stdin="yes")``.

    Returns its output. A CommandError has the error output in ``errors``. stdin: the
    input at a terminal. terminal: print to one.
    """

    def called(name, *words, stdin=None, terminal=False, **options):
        out, err = (Terminal if terminal else StringIO)(), StringIO()
        if stdin is not None:
            options["stdin"] = Terminal(stdin)
        try:
            call_command(name, *words, stdout=out, stderr=err, **options)
        except CommandError as error:
            error.errors = err.getvalue()
            raise
        printed = Printed(out.getvalue())
        printed.errors = err.getvalue()
        return printed

    return called


@pytest.fixture
def let_expire(server):
    """Lets stored objects expire at once.

    Their bytes are removed, as by the server, and every index entry stays.
    """

    def expired(*instances):
        client, space = server.client, instances[0]._meta.space("default")
        for each in instances:
            assert client.zadd(expires_key(space), {each.id: 1}, xx=True, ch=True)
            client.delete(object_key(space, each.id), counters_key(space, each.id))

    return expired
