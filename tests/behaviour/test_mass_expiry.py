"""Very many objects that expire at once, with exact results at every moment.

ORMIST_SOAK_SECONDS, set to anything, makes it 100 000 objects in place of 20 000.
"""

import os
import time
from datetime import UTC, datetime

import pytest

from django_ormist.connections.executor import run
from django_ormist.operations.expiry import sweep
from tests.checker import raw_faults
from tests.models import Todo

pytestmark = pytest.mark.servers("valkey91")

NUMBER = 100_000 if "ORMIST_SOAK_SECONDS" in os.environ else 20_000
LIVE_EVERY = 10  # each tenth object does not expire
LONGEST_READ = 10.0  # seconds: twenty times the bound in the manual, so a hang
PREPARATION = int(NUMBER * 0.000_2 + 1)  # seconds, about four times the usual time


class Model:
    """The expected result at a moment: {query: the ids, oldest first}."""

    def __init__(self, objects, deadline_ms):
        self.deadline_ms = deadline_ms
        self.before, self.after = {}, {}
        for tags in QUESTIONS:
            ids = [each.id for each in objects if set(tags) <= set(each.tags)]
            live = {each.id for each in objects if each.expire is None}
            self.before[tags] = ids
            self.after[tags] = [pk for pk in ids if pk in live]


QUESTIONS = [(), ("all",), ("even",), ("rare",), ("all", "even"), ("even", "rare")]


def made(number, deadline):
    """Return an object of the crowd: every second even, every 97th rare."""
    tags = ["all"]
    if number % 2 == 0:
        tags.append("even")
    if number % 97 == 0:
        tags.append("rare")
    is_live = number % LIVE_EVERY == 0
    expire = None if is_live else deadline
    return Todo(*tags, id=f"{number:06}", expire=expire)


def now_ms(client):
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


class Client:
    """A client that queries in every way, and keeps the time of the slowest."""

    def __init__(self, client, model):
        self.client, self.model = client, model
        self.slowest = (0.0, "")

    def same(self, what, method, right):
        """Assert that *verb()* is *right(ids)* for the ids before or after the call."""
        early = now_ms(self.client)
        start = time.perf_counter()
        result = method()
        took = time.perf_counter() - start
        late = now_ms(self.client)
        self.slowest = max(self.slowest, (took, what))
        assert took < LONGEST_READ, what
        allowed = []
        if early < self.model.deadline_ms:
            allowed.append(right(self.model.before))
        if late >= self.model.deadline_ms:
            allowed.append(right(self.model.after))
        assert result in allowed, what

    def everything(self):
        """Run each query as count, list and pages, in both orders."""
        for tags in QUESTIONS:
            self.query(tags)

    def query(self, tags):
        collection = Todo.objects.find(*tags)
        self.same(f"{tags} count", collection.count, lambda ids: len(ids[tags]))
        self.same(f"{tags} ids", collection.ids, lambda ids: ids[tags])
        self.same(f"{tags} exists", collection.exists, lambda ids: bool(ids[tags]))
        size = len(self.model.after[tags])
        for start in (0, size // 2, size - 1, size + 5):
            self.page(tags, start, start + 10)

    def page(self, tags, start, stop):
        collection = Todo.objects.find(*tags)
        for is_back, part in (
            (False, collection[start:stop]),
            (True, collection.reverse()[start:stop]),
        ):
            step = -1 if is_back else 1
            name = f"{tags}[{start}:{stop}:{step}]"

            def right(ids, step=step):
                return ids[tags][::step][start:stop]

            self.same(f"{name} list", lambda p=part: [e.id for e in p], right)


def crowded(server, seconds=PREPARATION):
    """Store the crowd before it expires; return (objects, expiration time in ms)."""
    deadline = datetime.fromtimestamp(now_ms(server.client) // 1000 + seconds, UTC)
    crowd = [made(number, deadline) for number in range(NUMBER)]
    Todo.objects.bulk_create(crowd, batch_size=200)
    deadline_ms = int(deadline.timestamp() * 1000)
    if now_ms(server.client) < deadline_ms:
        return crowd, deadline_ms
    server.clean()
    return crowded(server, 2 * seconds)  # the machine is busy


@pytest.mark.slow
def test_many_objects_expire_at_the_same_moment(server):
    client, space = server.client, Todo._meta.space("default")
    crowd, deadline_ms = crowded(server)
    asking = Client(client, Model(crowd, deadline_ms))

    asking.query(("rare",))
    while now_ms(client) < deadline_ms:  # across the very moment
        asking.page(("all",), 20, 30)
        asking.same("count", Todo.objects.count, lambda ids: len(ids[()]))
        asking.page(("even", "rare"), 0, 10)
    asking.slowest = (0.0, "")
    asking.everything()
    took, what = asking.slowest
    print(f"slowest with {NUMBER} due: {took * 1000:.0f} ms, {what}")  # noqa: T201

    # Writes sweep some each: from here on some are swept, some are not.
    live = Todo.objects.get("000000")
    for turn in range(NUMBER // 2000):
        live.turn = turn
        live.save()
    asking.everything()

    slowest_sweep = 0.0
    while True:
        start = time.perf_counter()
        if not run(sweep(space, 500), "default"):
            break
        slowest_sweep = max(slowest_sweep, time.perf_counter() - start)
    print(f"slowest sweep of 500: {slowest_sweep * 1000:.0f} ms")  # noqa: T201
    asking.everything()
    assert not client.exists(space.base + b"idx", space.base + b"expires")
    assert raw_faults(client, server.key_prefix) == []
    Todo.objects.all().delete()
    assert server.keys() == []


def test_a_sweep_alone_empties_the_store(server):
    number = NUMBER // 10
    Todo.objects.bulk_create(
        Todo("all", f"n{i % 50}", expire=1 + number * 0.0004) for i in range(number)
    )
    last = Todo.objects.create("all", expire=1)
    end = max(
        each._state.expire_at_ms for each in [last, *Todo.objects.find("all")[:1]]
    )
    while Todo.objects.exists() or now_ms(server.client) < end:
        pass
    assert server.client.zcard(Todo._meta.space("default").base + b"all") > 0
    while run(sweep(Todo._meta.space("default"), 500), "default"):
        pass
    assert server.keys() == []
