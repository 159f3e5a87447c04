"""The sync pools of this process: one for each set of equal options."""

import os
import threading

from redis.backoff import NoBackoff
from redis.retry import Retry

from .endpoints import Endpoint, with_driver
from .options import arguments_of
from .thread_pools import BytesPacker, ThreadPool


class Pools:
    """The pools by endpoint. Each is made once, even if threads race for it.

    lock: also held while a cache's pool is looked up. After a fork the child has a new
    lock, since a thread that does not exist in the child may hold the old one. The
    pools themselves detect a fork and connect anew.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._pools: dict[str, ThreadPool] = {}
        self._follows_forks = False

    def get(self, endpoint: Endpoint) -> ThreadPool:
        """Return our own pool of *endpoint*."""
        with self.lock:
            if not self._follows_forks and hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._renew_lock)
            self._follows_forks = True
            pool = self._pools.get(endpoint.key)
            if pool is None:
                pool = self._pools[endpoint.key] = _pool(endpoint)
            return pool

    def retire(self, endpoint: Endpoint) -> None:
        """Close the connections of a pool, those in use when given back. Drop it."""
        with self.lock:
            pool = self._pools.pop(endpoint.key, None)
        if pool is not None:
            pool.era += 1
            pool.close_idle()

    def drop(self) -> None:
        """Close idle connections and drop our pools. They are recreated on next use."""
        with self.lock:
            dropped, self._pools = self._pools, {}
        for pool in dropped.values():
            pool.close_idle()

    def _renew_lock(self) -> None:
        self.lock = threading.RLock()


def _pool(endpoint: Endpoint) -> ThreadPool:
    arguments = with_driver(endpoint.connection_class, endpoint.arguments)
    if "command_packer" in arguments_of(endpoint.connection_class):
        arguments.setdefault("command_packer", BytesPacker())
    return ThreadPool(
        max_connections=endpoint.max_connections,
        timeout=endpoint.timeout,
        checks_role=endpoint.is_primary,
        is_read_only=endpoint.is_read_only,
        connection_class=endpoint.connection_class,
        retry=Retry(NoBackoff(), 0),
        **arguments,
    )


pools = Pools()
