"""The supervisor of an embedded server: starts it, monitors it, stops it when idle.

This is a script, run in the folder with ``python -I -S``. It does not import Django or
this package, because that would need ten times the memory. The server is its child.
Neither is a child of the process that started them.

    supervisor.py FOLDER SOCKET BINARY IDLE_SECONDS START_SECONDS

It writes READY or an error to stdout, and from then on only to the log. SIGTERM makes
it save the data and stop the server. SIGKILL leaves the server running, and the next
process that joins starts another supervisor.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

DOOR_LOCK, SUPERVISOR_LOCK, SERVER_LOCK = "door.lock", "watch.lock", "server.lock"
SOCKET, ADDRESS, LOG = "server.sock", "address", "server.log"
READY = "ready"

LOG_BYTES = 1_000_000
CHECK_SECONDS = 5.0  # between two checks of the clients; less for a short idle time
ANSWER_SECONDS = 5.0  # for PING: a script may keep the server busy


# ------------------------------------------------------------------------------ locks


def lock(path: str, mode: int) -> int | None:
    """Return a descriptor that holds the lock of *path*, or None if it is taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Release a lock, and close its descriptor."""
    # Closing it would not be enough: a fork in another thread may have copied it.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextlib.contextmanager
def hold_lock(path: str, mode: int, seconds: float = 0) -> Iterator[bool]:
    """Hold the lock of *path*. Yields False if it is not free within *seconds*."""
    deadline = time.monotonic() + seconds
    while (descriptor := lock(path, mode)) is None:
        if time.monotonic() >= deadline:
            yield False
            return
        time.sleep(0.01)
    try:
        yield True
    finally:
        unlock(descriptor)


def is_locked(path: str) -> bool:
    """Return whether another process holds the lock of *path* exclusively."""
    with hold_lock(path, fcntl.LOCK_SH) as was_free:
        return not was_free


# ---------------------------------------------------------------------------- address


def read_address(folder: str) -> str | None:
    """Return the path of the socket, as stored by the process that started the server.

    It is not computed again, because TMPDIR may differ between processes. None if it is
    missing, or in a directory that another user may have created.
    """
    try:
        with open(os.path.join(folder, ADDRESS)) as file:
            path = os.path.join(folder, file.read())
    except FileNotFoundError:
        return None
    inside = os.path.dirname(path) == folder
    return path if inside or is_private(os.path.dirname(path)) else None


def is_private(directory: str) -> bool:
    """Return whether this is a directory, not a link, that only this user can enter."""
    try:
        info = os.lstat(directory)
    except FileNotFoundError:
        return False
    is_ours = info.st_uid == os.geteuid() and not info.st_mode & 0o077
    return is_ours and stat.S_ISDIR(info.st_mode)


def write_address(path: str) -> None:
    """Store the path of the socket in the folder."""
    with open(f"{ADDRESS}.new", "w") as new:
        new.write(path)
    os.replace(f"{ADDRESS}.new", ADDRESS)


# ------------------------------------------------------------------------- connection


class RespClient:
    """A connection that speaks the part of RESP that the supervisor needs."""

    def __init__(self, path: str, timeout: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._replies = self._socket.makefile("rb")

    def execute(self, command: str) -> bytes:
        """Return the reply, which may be an error. Raises EOFError if it is closed."""
        self._socket.sendall(f"{command}\r\n".encode())
        first = self._replies.readline()
        if not first:
            raise EOFError
        if first.startswith(b"$"):
            return self._replies.read(int(first[1:]) + 2)
        return first.strip()

    def is_closed_within(self, seconds: float) -> bool:
        """Wait, and return whether the server has closed the connection."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


def is_answering(path: str) -> bool:
    """Return whether a server answers at *path* and has loaded its data."""
    try:
        with contextlib.closing(RespClient(path, ANSWER_SECONDS)) as client:
            return client.execute("PING") == b"+PONG"
    except (OSError, EOFError):
        return False


# ------------------------------------------------------------------------- supervisor


class Supervisor:
    """The supervisor of the server in the working directory."""

    def __init__(self, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self.is_first = False  # whether it is the only supervisor
        self.client: RespClient | None = None
        self.server: subprocess.Popen[bytes] | None = None  # None: it is not our child

    def start_or_adopt(self, new_socket: str, binary: str, start_seconds: float) -> str:
        """Start a server, or adopt the one that runs. Return READY or an error."""
        deadline = time.monotonic() + start_seconds
        while True:
            if not self.is_first:  # the lock is held until this process ends
                self.is_first = lock(SUPERVISOR_LOCK, fcntl.LOCK_EX) is not None
            if self.is_first and self.server is None:
                descriptor = lock(SERVER_LOCK, fcntl.LOCK_EX)
                if descriptor is not None:
                    self.server = self.start(new_socket, binary, descriptor)
                    os.close(descriptor)  # the server has a copy
            path = read_address("")
            if path is not None and is_answering(path):
                # Before READY is written: its reader may move the socket.
                self.client = RespClient(path)
                return READY
            if self.server is None and time.monotonic() >= deadline:
                return f"It runs, but did not answer for {start_seconds:g} seconds."
            if self.server is not None and self.server.poll() is not None:
                code = self.server.returncode
                return f"It ended with {code} as it started: {read_last_lines(LOG)}."
            time.sleep(0.005)

    def start(
        self, path: str, binary: str, lock_descriptor: int
    ) -> "subprocess.Popen[bytes]":
        """Start a server that listens at *path* and keeps the lock."""
        write_address(path)
        options = {
            "port": "0",
            "unixsocket": path,
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        words = [word for name in options for word in (f"--{name}", options[name])]
        with contextlib.suppress(FileNotFoundError):
            if os.stat(LOG).st_size > LOG_BYTES:
                os.replace(LOG, f"{LOG}.1")
        with open(LOG, "ab") as file:
            return subprocess.Popen(  # noqa: S603 - no shell, and no foreign argument
                [binary, *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=[lock_descriptor],
            )

    def run(self, client: RespClient) -> None:
        """Monitor the server, and stop it when it is idle or its socket is missing.

        Raises EOFError when the server has ended.
        """
        pause = min(CHECK_SECONDS, self.idle_seconds / 10)
        client.execute("CLIENT SETNAME ormist-watch")
        seen, since = count_connections(client), time.monotonic()
        while not client.is_closed_within(pause):
            path = read_address("")
            if path is None or not os.path.exists(path):
                # It or the folder was removed: no client can connect any more.
                stop(client, "its socket is missing")
            elif (now := count_connections(client)) != seen or now[0] > 1:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= self.idle_seconds:
                self.stop_unless_joined(client, seen)
                since = time.monotonic()  # a client has connected, or it refused

    def stop_unless_joined(self, client: RespClient, seen: tuple[int, int]) -> None:
        """Stop the server unless a process has joined since *seen* was counted."""
        # A process that joins under this lock adds a connection to the count.
        with hold_lock(DOOR_LOCK, fcntl.LOCK_EX) as is_alone:
            if is_alone and count_connections(client) == seen:
                stop(client, f"it was idle for {self.idle_seconds:g} seconds")

    def terminate(self) -> None:
        """Stop the server, on a new connection: the other may have an unread reply."""
        if self.server is not None:
            log("Stopping the server: its supervisor was terminated.")
            self.server.terminate()  # it saves the data, and needs no socket
            return
        with contextlib.closing(RespClient(read_address("") or SOCKET)) as client:
            stop(client, "its supervisor was terminated")


def stop(client: RespClient, why: str) -> None:
    """Stop the server, which saves its data. Raises EOFError when it has ended."""
    log(f"Stopping the server: {why}.")
    refusal = client.execute("SHUTDOWN")
    log(f"The server did not stop: {refusal.decode(errors='replace')}")


def count_connections(client: RespClient) -> tuple[int, int]:
    """Return the number of clients, and of all connections so far, with our own."""
    rows = client.execute("INFO clients stats").decode(errors="replace").splitlines()
    facts = dict(row.split(":", 1) for row in rows if ":" in row)
    return int(facts["connected_clients"]), int(facts["total_connections_received"])


def read_last_lines(path: str) -> str:
    """Return the last three lines of a file."""
    with open(path, errors="replace") as file:
        lines = [line.strip() for line in file]
    return " / ".join([line for line in lines if line][-3:])


def log(message: str) -> None:
    """Write a line to the log, in the server's format."""
    now = time.strftime("%d %b %Y %H:%M:%S")
    sys.stderr.write(f"{os.getpid()}:W {now} {message}\n")
    sys.stderr.flush()


class Terminated(Exception):
    """The signal SIGTERM."""


def raise_terminated(signum: int, frame: object) -> NoReturn:
    """Raise Terminated, as the handler of SIGTERM."""
    raise Terminated


def main(folder: str, path: str, binary: str, idle: str, start: str) -> None:
    """Run the supervisor in a process of its own until the server has ended."""
    if os.fork():
        os._exit(0)  # so that the process that started us has no child to wait for
    os.umask(0o077)
    supervisor = Supervisor(float(idle))
    try:
        outcome = supervisor.start_or_adopt(path, binary, float(start))
    except OSError as error:
        outcome = f"It cannot start: {error}."
    detach(outcome)
    if supervisor.client is not None and supervisor.is_first:
        with contextlib.suppress(OSError, EOFError):  # the server has ended
            try:
                signal.signal(signal.SIGTERM, raise_terminated)
                supervisor.run(supervisor.client)
            except Terminated:
                supervisor.terminate()
    if supervisor.server is not None:
        supervisor.server.wait()


def detach(outcome: str) -> None:
    """Report the outcome to the process that started us, then write to the log only."""
    with contextlib.suppress(BrokenPipeError):  # that process may have been killed
        os.write(sys.stdout.fileno(), outcome.encode(errors="replace"))
    file = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    os.close(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
