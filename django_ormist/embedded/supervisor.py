"""The process beside an embedded server: starts it, watches, stops it when idle.

A script of its own, run in the folder with ``python -I -S``, so it imports nothing of
ours: a Python with Django in it would take ten times the memory for as long as the
server runs. The server is its child, and neither is a child of who started them.

    watch.py FOLDER SOCKET BINARY IDLE_SECONDS START_SECONDS

It says READY on stdout, or what went wrong, and from then on writes to the log only.
SIGTERM stops the server, and saves. Killed harder, it leaves the server as it is, and
the next process that joins brings another watch.
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

DOOR, WATCH, SERVER = "door.lock", "watch.lock", "server.lock"
SOCKET, ADDRESS, LOG = "server.sock", "address", "server.log"
READY = "ready"

LOG_BYTES = 1_000_000
LOOK_SECONDS = 5.0  # between two looks at the clients; less when idle is soon
ANSWER_SECONDS = 5.0  # for PING: a server may be in the middle of a long script


# ------------------------------------------------------------------------------ locks


def lock(path: str, mode: int) -> int | None:
    """A descriptor that holds the lock of *path*, or None where another holds it."""
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
    # Closing alone would not do, if a fork in another thread copied the descriptor.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextlib.contextmanager
def locked(path: str, mode: int, seconds: float = 0) -> Iterator[bool]:
    """Hold the lock of *path*; False if it could not be had within *seconds*."""
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
    """Whether another process holds the lock of *path* for itself."""
    with locked(path, fcntl.LOCK_SH) as was_free:
        return not was_free


# ---------------------------------------------------------------------------- address


def address(folder: str) -> str | None:
    """The path of the socket, as the one who started the server wrote it down.

    Not worked out anew: TMPDIR differs between processes. None if there is none, or
    it is in a directory that another user may have put there.
    """
    try:
        with open(os.path.join(folder, ADDRESS)) as written:
            path = os.path.join(folder, written.read())
    except FileNotFoundError:
        return None
    inside = os.path.dirname(path) == folder
    return path if inside or is_private(os.path.dirname(path)) else None


def is_private(directory: str) -> bool:
    """Whether it is a directory, no link to one, that this user alone can enter."""
    try:
        found = os.lstat(directory)
    except FileNotFoundError:
        return False
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return is_ours and stat.S_ISDIR(found.st_mode)


def write_address(path: str) -> None:
    with open(f"{ADDRESS}.new", "w") as new:
        new.write(path)
    os.replace(f"{ADDRESS}.new", ADDRESS)


# ------------------------------------------------------------------------- connection


class Line:
    """A connection that speaks as much of the protocol as a watch needs."""

    def __init__(self, path: str, timeout: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._replies = self._socket.makefile("rb")

    def ask(self, command: str) -> bytes:
        """The reply, an error too, without its length. EOFError at the end."""
        self._socket.sendall(f"{command}\r\n".encode())
        first = self._replies.readline()
        if not first:
            raise EOFError
        if first.startswith(b"$"):
            return self._replies.read(int(first[1:]) + 2)
        return first.strip()

    def ends_within(self, seconds: float) -> bool:
        """Wait, and tell whether the other side has hung up meanwhile."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


def answers(path: str) -> bool:
    """Whether a server that has loaded its data answers at *path*."""
    try:
        with contextlib.closing(Line(path, ANSWER_SECONDS)) as line:
            return line.ask("PING") == b"+PONG"
    except (OSError, EOFError):
        return False


# ------------------------------------------------------------------------------ watch


class Watch:
    """The watch over the server of the folder that is the working directory."""

    def __init__(self, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self.is_first = False  # nobody else watches
        self.line: Line | None = None  # the one it watches on
        self.server: subprocess.Popen[bytes] | None = None  # None: it is not our child

    def begin(self, new_socket: str, binary: str, start_seconds: float) -> str:
        """READY when a server answers, started here or not, else what went wrong."""
        deadline = time.monotonic() + start_seconds
        while True:
            if not self.is_first:  # the lock is held until this process ends
                self.is_first = lock(WATCH, fcntl.LOCK_EX) is not None
            if self.is_first and self.server is None:
                alone = lock(SERVER, fcntl.LOCK_EX)
                if alone is not None:
                    self.server = self.start(new_socket, binary, alone)
                    os.close(alone)  # the server has it now
            path = address("")
            if path is not None and answers(path):
                # Now, not once READY is said: whoever hears it may move the socket.
                self.line = Line(path)
                return READY
            if self.server is None and time.monotonic() >= deadline:
                return f"It runs, and did not answer for {start_seconds:g} seconds."
            if self.server is not None and self.server.poll() is not None:
                code = self.server.returncode
                return f"It ended with {code} as it started: {last_lines(LOG)}."
            time.sleep(0.005)

    def start(self, path: str, binary: str, alone: int) -> "subprocess.Popen[bytes]":
        """Start a server that listens at *path* and holds the lock *alone*."""
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
        with open(LOG, "ab") as log:
            return subprocess.Popen(  # noqa: S603 - no shell, and every word is ours
                [binary, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alone],
            )

    def keep(self, line: Line) -> None:
        """Watch until the server has ended (EOFError), and end it when it is time."""
        pause = min(LOOK_SECONDS, self.idle_seconds / 10)
        line.ask("CLIENT SETNAME ormist-watch")
        seen, since = connections(line), time.monotonic()
        while not line.ends_within(pause):
            path = address("")
            if path is None or not os.path.exists(path):
                # Removed, or the folder was: nobody else can come in.
                stop(line, "its socket is gone")
            elif (now := connections(line)) != seen or now[0] > 1:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= self.idle_seconds:
                self.stop_unless_joined(line, seen)
                since = time.monotonic()  # somebody has come, or it refused

    def stop_unless_joined(self, line: Line, seen: tuple[int, int]) -> None:
        # Who joins, under this lock, leaves one connection more than was seen.
        with locked(DOOR, fcntl.LOCK_EX) as is_alone:
            if is_alone and connections(line) == seen:
                stop(line, f"nobody has been here for {self.idle_seconds:g} seconds")

    def end(self) -> None:
        """Stop the server, on a line of its own: the other's may be half read."""
        if self.server is not None:
            say("Stopping the server: its watch was told to end.")
            self.server.terminate()  # which saves, and needs no socket
            return
        with contextlib.closing(Line(address("") or SOCKET)) as line:
            stop(line, "its watch was told to end")


def stop(line: Line, why: str) -> None:
    """Stop the server, which saves. EOFError when it has ended."""
    say(f"Stopping the server: {why}.")
    refusal = line.ask("SHUTDOWN")
    say(f"The server did not stop: {refusal.decode(errors='replace')}")


def connections(line: Line) -> tuple[int, int]:
    """How many clients are connected, and how many ever were; the watch is one."""
    rows = line.ask("INFO clients stats").decode(errors="replace").splitlines()
    facts = dict(row.split(":", 1) for row in rows if ":" in row)
    return int(facts["connected_clients"]), int(facts["total_connections_received"])


def last_lines(path: str) -> str:
    with open(path, errors="replace") as log:
        lines = [line.strip() for line in log]
    return " / ".join([line for line in lines if line][-3:])


def say(line: str) -> None:
    sys.stderr.write(f"{os.getpid()}:W {time.strftime('%d %b %Y %H:%M:%S')} {line}\n")
    sys.stderr.flush()


class Ended(Exception):
    """SIGTERM came."""


def end(signum: int, frame: object) -> NoReturn:
    raise Ended


def main(folder: str, path: str, binary: str, idle: str, start: str) -> None:
    if os.fork():
        os._exit(0)  # so that who started us has no child to wait for
    os.umask(0o077)
    watch = Watch(float(idle))
    try:
        outcome = watch.begin(path, binary, float(start))
    except OSError as error:
        outcome = f"It cannot start: {error}."
    detach(outcome)
    if watch.line is not None and watch.is_first:
        with contextlib.suppress(OSError, EOFError):  # the server has ended
            try:
                signal.signal(signal.SIGTERM, end)
                watch.keep(watch.line)
            except Ended:
                watch.end()
    if watch.server is not None:
        watch.server.wait()


def detach(outcome: str) -> None:
    """Tell who started us, and write to the log from here on."""
    with contextlib.suppress(BrokenPipeError):  # it may have been killed
        os.write(sys.stdout.fileno(), outcome.encode(errors="replace"))
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)


if __name__ == "__main__":
    main(*sys.argv[1:])
