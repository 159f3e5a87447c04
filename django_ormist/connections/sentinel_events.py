"""Threads that listen to the events of sentinels, for ``OPTIONS["watch"]``.

A sentinel publishes each step of a failover. The first steps come before the replica is
promoted, so that writes are held in time: a planned failover then loses nothing that
was confirmed. Without these threads, the sentinels are queried once a second.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import RedisError, TimeoutError

from .endpoints import Endpoint

PATTERNS = ("+switch-master", "+try-failover", "*failover*")
"""The channels: their names are those of the events."""

SILENCE = 30.0
"""Seconds without an event after which a thread connects anew."""

PAUSE = 1.0
"""Seconds between two attempts to connect."""


class SentinelEvents:
    """One daemon thread for each sentinel of an alias. They do not outlive a fork.

    listener: the method to call after each event. The threads end with its object.
    """

    def __init__(
        self, sentinels: Sequence[Endpoint], listener: Callable[[], None]
    ) -> None:
        self._sentinels = sentinels
        self._listener: Callable[[], Any] = weakref.WeakMethod(listener)
        self._pid = 0

    def start(self) -> None:
        """Start the threads, if they do not run in this process."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            for sentinel in self._sentinels:
                threading.Thread(
                    target=_listen,
                    args=(sentinel, self._listener),
                    name=f"ormist {sentinel.safe_url}",
                    daemon=True,
                ).start()


def _listen(sentinel: Endpoint, listener: Callable[[], Any]) -> None:
    """Call the listener after each event, and after connecting, until it is gone."""
    arguments = {**sentinel.arguments, "protocol": 2, "socket_timeout": SILENCE}
    while listener() is not None:
        connection = sentinel.connection_class(**arguments)
        try:
            connection.connect()
            connection.send_command("PSUBSCRIBE", *PATTERNS)
            while (notify := listener()) is not None:
                notify()
                del notify  # not kept while waiting
                connection.read_response()
        except TimeoutError:
            pass  # of the silence
        except RedisError:
            time.sleep(PAUSE)
        finally:
            connection.disconnect()
