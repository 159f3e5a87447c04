"""Verify and repair during writes: without false alarms, without undoing writes."""

import json
import random
import time
from contextlib import contextmanager, suppress
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_ormist.connections import connections
from tests.checker import raw_faults
from tests.concurrency import writer
from tests.concurrency.test_kill import Writers, settle

pytestmark = pytest.mark.servers("valkey91")

SECONDS = 4


@pytest.fixture
def busy(server, start_server, tmp_path):
    """Runs eight writing processes: ``with busy() as client``, on a private server."""
    own = start_server(server)
    server.connect(own.unix_url)
    alias = {"LOCATION": own.unix_url, "KEY_PREFIX": server.key_prefix}

    @contextmanager
    def writing(methods=writer.VERBS):
        writers = Writers(alias, tmp_path, random.randrange(2**32), methods)
        try:
            yield own.client()
            writers._check()
        finally:
            writers.stop()

    return writing


def inspected(**options):
    out = StringIO()
    with suppress(CommandError):
        call_command("ormist_inspect", format="json", stdout=out, **options)
    return json.loads(out.getvalue())


@pytest.mark.slow
def test_verify_during_writes_raises_no_false_alarm(busy, server):
    with busy():
        end, rounds, objects = time.monotonic() + SECONDS, 0, 0
        # On a busy machine it takes longer until objects exist.
        while time.monotonic() < end or rounds <= 3 or objects <= 10:
            report = inspected(verify=True)
            assert report["faults"] == []
            rounds += 1
            objects = sum(each["objects"] for each in report["models"])


VANDALS = (
    lambda r, pk: ("DEL", f"o:{pk}"),
    lambda r, pk: ("ZREM", f"t:{r.choice(writer.TAGS[:3])}", pk),
    lambda r, pk: ("ZREM", "t:site:1", pk),
    lambda r, pk: ("ZREM", "expires", pk),
    lambda r, pk: ("HDEL", "idx", pk),
    lambda r, pk: ("PERSIST", f"o:{pk}"),
    lambda r, pk: ("ZADD", "t:red", 5, f"stranger{pk}"),
    lambda r, pk: ("ZADD", "all", 5 + r.randrange(9), f"stranger{pk}"),
    lambda r, pk: ("HSET", "c:stranger", "views", 1),
    lambda r, pk: ("ZREMRANGEBYRANK", "by:population", 0, 1),
    lambda r, pk: ("HDEL", "of:founded", pk),
)


@pytest.mark.slow
def test_repair_during_writes_repairs_only_damage(busy, server):
    turns, repaired = random.Random(5), 0
    with busy(writer.VERBS_BESIDE_DAMAGE) as client:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or repaired <= 20:
            for _ in range(20):
                model = turns.choice(writer.MODELS[:2])
                pk = f"id{turns.randrange(writer.IDS)}"
                method, rest, *words = turns.choice(VANDALS)(turns, pk)
                client.execute_command(
                    method, model._meta.space("default").base.decode() + rest, *words
                )
            report = inspected(repair=True)
            assert all(fault["repaired"] for fault in report["faults"])
            repaired += len(report["faults"])
    connections["default"].close()
    settle(client)
    inspected(repair=True)
    assert inspected(verify=True)["sound"]
    assert raw_faults(client, server.key_prefix) == []
