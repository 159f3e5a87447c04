"""ormist_reindex --move that is killed while others write objects that were moved."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from threading import Event

import pytest
from django.core.management import call_command

import django_ormist as ormist
from django_ormist.keys import Space, all_key
from django_ormist.models import registry
from tests.concurrency.workers import PROCESSES, configure
from tests.models import Basket

pytestmark = [pytest.mark.slow, pytest.mark.servers("valkey91", "valkey91-cluster")]

NUMBER, KILLS = 3000, 12


def move_baskets(alias):
    """Move the baskets, in a process that is killed."""
    configure(alias)
    call_command("ormist_reindex", "tests.Basket", "--move", verbosity=0)


def store(number=NUMBER):
    """Store baskets under the keys that they have without Meta.slot."""
    before = list(registry._models)
    names = ("index_attrs", "ordered", "unique", "counters")
    options = {name: getattr(Basket._meta, name) for name in names}
    meta = type("Meta", (), {"app_label": "tests", **options})
    try:
        model = type("Basket", (ormist.TaggedModel,), {"Meta": meta, "__module__": "x"})
        model.objects.bulk_create(
            model("t", id=f"b{n}", owner=n % 7, total=n, code=n, views=1)
            for n in range(number)
        )
    finally:
        registry._models[:] = before


def write(end, seed):
    """Change and delete baskets that were moved. Return what was done, by id."""
    turns, deleted, changed = random.Random(seed), set(), Counter()
    while not end.is_set() or len(deleted) < 10:
        each = Basket.objects.get_or_none(f"b{turns.randrange(NUMBER // 2) * 2 + seed}")
        if each is None:
            continue
        if turns.random() < 0.3:
            assert each.delete()[0] == 1
            deleted.add(each.id)
            continue
        assert each.increment("views") == 2 + changed[each.id]
        changed[each.id] += 1
        each.total = -changed[each.id]
        each.save(strict=True)
    return deleted, changed


def kill_some(alias, client, former, turns):
    """Start movers, and kill each when it has moved some. Return how many were killed.

    The moment depends on the number of objects that are left, not on a clock.
    """
    killed = 0
    while True:
        left = client.zcard(former)
        until = left - turns.randrange(1, 2 * NUMBER // KILLS)
        mover = PROCESSES.Process(target=move_baskets, args=(alias,), daemon=True)
        mover.start()
        while client.zcard(former) > max(until, 0) and mover.is_alive():
            pass
        wait([mover.sentinel], turns.uniform(0, 0.02))  # at any step of a page
        if mover.exitcode is None and until > 0:
            mover.kill()
            mover.join()
            killed += 1
            continue
        mover.join()
        assert mover.exitcode == 0
        return killed


def test_a_move_that_is_killed_loses_and_doubles_nothing(server, is_sound):
    store()
    alias = server.variant.settings(server.location, server.key_prefix)
    former = all_key(Space(server.key_prefix, "tests.Basket"))
    seed = random.randrange(2**32)
    end = Event()
    with ThreadPoolExecutor(2) as threads:
        writers = [threads.submit(write, end, number) for number in range(2)]
        try:
            killed = kill_some(
                alias["ORMIST"]["default"], server.client, former, random.Random(seed)
            )
        finally:
            end.set()
        done = [each.result() for each in writers]
    deleted = {pk for gone, _ in done for pk in gone}
    changed = {pk: n for _, changes in done for pk, n in changes.items()}
    assert killed >= 3, f"seed {seed}"
    stored = {each.id: each for each in Basket.objects.all()}
    assert stored.keys() == {f"b{n}" for n in range(NUMBER)} - deleted, f"seed {seed}"
    for pk, each in stored.items():
        assert each.views == 1 + changed.get(pk, 0), f"seed {seed}, {pk}"
        expected = -changed[pk] if pk in changed else int(pk[1:])
        assert each.total == expected, f"seed {seed}, {pk}"
    assert not server.keys("*{tests.Basket}*")
    assert not server.keys("*:moved:*")
    assert is_sound()
