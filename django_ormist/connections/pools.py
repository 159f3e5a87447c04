"""The pools of sync connections: one a process for all that share every option."""

import os
import threading
from contextlib import suppress
from queue import Empty
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool
from redis.retry import Retry

from .endpoints import Endpoint


class Pools:
    """Makes each pool once, whatever number of threads asks first.

    lock: also held while a cache is asked for its pool. After a fork the child has a
    new one, since a thread that is not in the child may hold the old; the pools
    themselves notice a fork and connect anew.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._pools: dict[str, BlockingConnectionPool] = {}
        self._follows_forks = False

    def get(self, endpoint: Endpoint) -> Any:
        """The pool of *endpoint*: its lent one, or our own."""
        if endpoint.lent is not None:
            return endpoint.lent
        with self.lock:
            if not self._follows_forks and hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._renew_lock)
            self._follows_forks = True
            pool = self._pools.get(endpoint.key)
            if pool is None:
                pool = self._pools[endpoint.key] = BlockingConnectionPool(  # type: ignore[no-untyped-call]
                    max_connections=endpoint.max_connections,
                    timeout=endpoint.timeout,
                    connection_class=endpoint.connection_class,
                    retry=Retry(NoBackoff(), 0),
                    **endpoint.arguments,
                )
            return pool

    def forget(self) -> None:
        """Close what is idle of every pool of ours. The next use makes new ones."""
        with self.lock:
            forgotten, self._pools = self._pools, {}
        for pool in forgotten.values():
            close_idle(pool)

    def _renew_lock(self) -> None:
        self.lock = threading.RLock()


def close_idle(pool: BlockingConnectionPool) -> None:
    """Close the connections that nobody uses.

    pool.disconnect() would leave them in the queue meanwhile, where another thread
    may take one and lose its command.
    """
    idle: list[Any] = []
    with suppress(Empty):
        while True:
            idle.append(pool.pool.get_nowait())
    for connection in idle:
        if connection is not None:
            connection.disconnect()
    for connection in reversed(idle):  # last in, first out: the order it was in
        pool.pool.put_nowait(connection)


pools = Pools()
