"""Bytes per object: ours, and the same bytes and index entries written by hand.

No time is measured here. So the hand takes the bytes from the codecs of the package,
which also pack an expiration time.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.keys import (
    Space,
    all_key,
    expires_key,
    memo_key,
    object_key,
    term_key,
)
from django_ormist.terms import object_terms, term_suffix

from .bare import new_pk, now_us
from .figure import Figure
from .server import PREFIXES, Measured
from .subjects import Couple, Everything, Nothing, plain_attributes

MODELS: dict[str, type[ormist.Model]] = {
    "none indexed": Nothing,
    "two indexed": Couple,
    "all indexed": Everything,
}
LIFETIME = timedelta(days=30)
LARGEST = 1.05


def figures(server: Measured, total: int) -> Iterator[Figure]:
    """Yield bytes per object for each model, with and without expiration."""
    for name, model in MODELS.items():
        yield _beside(server, f"bytes an object, {name}", model, total, None)
        name = f"{name}, expiring"
        whole = _beside(server, f"bytes an object, {name}", model, total, LIFETIME)
        yield whole
        if model is Nothing:
            continue  # without a memo
        bare = _bytes_each(
            server, total, lambda m=model: _by_hand(server, m, total, LIFETIME, False)
        )
        memo = whole.other - bare
        yield Figure(f"bytes of its memo, {name}", "B", memo, "without it", bare)


def _beside(
    server: Measured,
    name: str,
    model: type[ormist.Model],
    total: int,
    expire: timedelta | None,
) -> Figure:
    """Compare ours with the same keys written by hand, memos included."""
    mine = _bytes_each(server, total, lambda: _ours(model, total, expire))
    by_hand = _bytes_each(server, total, lambda: _by_hand(server, model, total, expire))
    return Figure(name, "B", mine, "by hand", by_hand, mine / by_hand, LARGEST)


def limit(figure: Figure) -> Figure:
    """Return the largest size of an object with two indexed attributes."""
    return Figure(f"{figure.name}, at most", "B", figure.ours, target=640)


def _bytes_each(server: Measured, total: int, write: Callable[[], None]) -> float:
    """Return the memory per object that *write* of *total* objects adds."""
    server.clear()
    before = server.used_memory()
    write()
    after = server.used_memory()
    server.clear()
    return (after - before) / total


def _ours(model: type[ormist.Model], total: int, expire: timedelta | None) -> None:
    numbers = iter(range(total))
    while some := list(islice(numbers, 5000)):
        model.objects.bulk_create(
            [model(expire=expire, **plain_attributes(number)) for number in some]
        )
    # As for another observer: without the buffers of this process.
    ormist.connections["default"].close()


def _by_hand(
    server: Measured,
    model: type[ormist.Model],
    total: int,
    expire: timedelta | None,
    has_memo: bool = True,
) -> None:
    space, meta = Space(PREFIXES[1], model._meta.label), model._meta
    deadline_ms = None if expire is None else int((time.time() + 30 * 86400) * 1000)
    numbers = iter(range(total))
    with server.client() as client:
        while some := list(islice(numbers, 1000)):
            pipe, created = client.pipeline(transaction=False), now_us()
            for number in some:
                pk, attrs = new_pk(), plain_attributes(number)
                packed = pack(attrs, expire_at_ms=deadline_ms)
                suffixes = [
                    term_suffix(term) for term in object_terms(attrs, (), meta.indexes)
                ]
                pipe.set(object_key(space, pk), packed, pxat=deadline_ms)
                for key in (all_key(space), *(term_key(space, s) for s in suffixes)):
                    pipe.zadd(key, {pk: created + number})
                if deadline_ms is not None:
                    pipe.zadd(expires_key(space), {pk: deadline_ms})
                    if has_memo and suffixes:
                        memo = b"".join([b"%c%b" % (len(s), s) for s in suffixes])
                        pipe.hset(memo_key(space), pk, memo)
            pipe.execute()
