"""Threads and tasks that share one pool."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from django_ormist.connections import connections
from django_ormist.exceptions import IntegrityError
from tests.models import Page, User

pytestmark = pytest.mark.servers(
    "valkey91", "valkey91-resp3", "valkey91-django-redis", "redis62"
)

THREADS = 8


def in_threads(job, number=THREADS):
    """Run ``job(number)`` in threads at one moment; return their results."""
    barrier = threading.Barrier(number, timeout=60)

    def started(each):
        barrier.wait()
        return job(each)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(started, range(number)))


def test_threads_share_one_pool(server, is_sound):
    def work(number):
        for turn in range(15):
            made = User.objects.create("t", f"of{number}", turn=turn)
            made.turn = -turn
            made.save()
            assert User.objects.get(made.id).turn == -turn
            assert User.objects.find(f"of{number}").count() == turn + 1

    in_threads(work)
    assert User.objects.find("t").count() == THREADS * 15
    assert is_sound()


def test_exactly_one_of_eight_threads_inserts_an_id(server, is_sound):
    barrier = threading.Barrier(THREADS, timeout=60)

    def insert(number):
        won = 0
        for turn in range(50):
            barrier.wait()
            with suppress(IntegrityError):
                User.objects.create(f"of{number}", id=f"round{turn}")
                won += 1
        return won

    assert sum(in_threads(insert)) == 50
    assert is_sound()


def test_threads_increment_without_losing_one(server, is_sound):
    page = Page.objects.create("t", site="s")

    def add(number):
        mine = Page.objects.get(page.id)
        for _ in range(20):
            mine.increment("views")
            mine.increment("size")

    in_threads(add)
    page.refresh_from_db()
    assert (page.views, page.size) == (THREADS * 20, THREADS * 20)
    assert is_sound()


@pytest.mark.servers("valkey91", "valkey91-resp3", "redis62")
def test_more_threads_than_connections_wait_for_one(server, is_sound):
    options = {"max_connections": 2, "protocol": server.variant.protocol}
    server.connect(OPTIONS=options)
    pages = in_threads(lambda number: Page.objects.create("t", n=number), 20)
    assert Page.objects.find("t").count() == len(pages) == 20
    assert is_sound()


def test_tasks_share_one_pool(server, is_sound):
    async def work(number):
        made = await User.objects.acreate("t", f"of{number}", turn=0)
        for turn in range(1, 6):
            made.turn = turn
            await made.asave()
            assert (await User.objects.aget(made.id)).turn == turn
            assert await User.objects.find(f"of{number}", turn=turn).acount() == 1

    async def all_of_them():
        await asyncio.gather(*(work(number) for number in range(60)))
        return await User.objects.find("t").acount()

    assert asyncio.run(all_of_them()) == 60
    assert is_sound()


def test_exactly_one_of_fifty_tasks_inserts_an_id(server, is_sound):
    async def insert(number):
        try:
            await User.objects.acreate(f"of{number}", id="one")
        except IntegrityError:
            return 0
        return 1

    async def all_of_them():
        return sum(await asyncio.gather(*(insert(number) for number in range(50))))

    assert asyncio.run(all_of_them()) == 1
    assert User.objects.count() == 1
    assert is_sound()


def test_tasks_increment_without_losing_one(server, is_sound):
    page = Page.objects.create("t", site="s")

    async def add():
        mine = await Page.objects.aget(page.id)
        await mine.aincrement("views")
        await mine.aincrement("size")

    async def all_of_them():
        await asyncio.gather(*(add() for _ in range(30)))

    asyncio.run(all_of_them())
    page.refresh_from_db()
    assert (page.views, page.size) == (30, 30)
    assert is_sound()


def test_cancelled_tasks_leave_complete_objects_and_a_clean_pool(server, is_sound):
    """A reply that was not read must not be taken for that of the next query."""

    async def work():
        for turn in range(100):
            started = asyncio.Event()

            async def create(number=turn, started=started):
                started.set()
                await User.objects.acreate("t", "even", number=number)

            task = asyncio.create_task(create())
            await started.wait()
            for _ in range(turn % 7):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = await User.objects.find("t", number=turn).alist()
            assert [each.number for each in found] in ([], [turn])
        await connections["default"].aclose()

    asyncio.run(work())
    assert User.objects.find("t").ids() == User.objects.find("even").ids()
    assert is_sound()
