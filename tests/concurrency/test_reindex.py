"""ormist_reindex during reads and writes: every result is right.

ORMIST_REINDEX_OBJECTS: the number of objects; 3000 if it is not set.
"""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.core.management import call_command

import django_ormist as ormist
from tests.checker import raw_faults
from tests.commands.test_reindex import declared

pytestmark = pytest.mark.servers("valkey91")

NUMBER = int(os.environ.get("ORMIST_REINDEX_OBJECTS", "3000"))
NEW = {"index_attrs": ["kind", "city"], "ordered": ["size"], "unique": ["code"]}


def read(model, end):
    """Query an old index, and a pending one."""
    reads = 0
    while not end.is_set() or reads < 10:
        assert model.objects.find(kind="b").count() == NUMBER // 2
        page = model.objects.find(kind="a")[:20].list()
        assert [each.kind for each in page] == ["a"] * 20
        with pytest.raises(ormist.FieldError, match="being built"):
            model.objects.find(city="c1")
        reads += 1
    return reads


def write(model, end, seed):
    """Change values of the pending index, of the worker's own objects."""
    turns, written = random.Random(seed), 0
    while not end.is_set() or written < 10:
        each = model.objects.get(f"{turns.randrange(NUMBER // 2) * 2 + seed}")
        each.city = f"c{turns.randrange(5)}"
        each.size = turns.random()
        each.expire = turns.choice([None, 10_000])
        each.save()
        written += 1
    return written


@pytest.mark.slow
def test_every_result_during_a_reindex_is_right(server):
    with declared(index_attrs=["kind"]) as Thing:
        for start in range(0, NUMBER, 10_000):
            Thing.objects.bulk_create(
                Thing("t", id=f"{n}", kind="ab"[n % 2], city="c0", size=n, code=n)
                for n in range(start, min(start + 10_000, NUMBER))
            )
    end = Event()
    building = declared(**NEW, pending_indexes=["city", "size", "code"])
    with building as Thing, ThreadPoolExecutor(4) as workers:
        jobs = [workers.submit(read, Thing, end) for _ in range(2)]
        jobs += [workers.submit(write, Thing, end, seed) for seed in range(2)]
        try:
            call_command("ormist_reindex", "tests.Thing", verbosity=0)
        finally:
            end.set()
        done = [job.result() for job in jobs]
    assert min(done) >= 10
    with declared(**NEW) as Thing:
        cities = Counter(each.city for each in Thing.objects.all().iterator())
        for city, number in cities.items():
            assert Thing.objects.find(city=city).count() == number
        with pytest.raises(ormist.IntegrityError):
            Thing.objects.create(code=NUMBER - 1)
        if NUMBER <= 10_000:  # the checker holds all of it
            assert raw_faults(server.client, server.key_prefix) == []
