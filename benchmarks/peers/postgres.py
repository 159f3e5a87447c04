"""A PostgreSQL cluster in a temporary folder, from Debian's package postgresql."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.servers import free_port

PATIENCE = 30  # seconds to start


def binaries() -> Path | None:
    """Return the folder of the newest installed server, or None."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    by_release = sorted(found, key=lambda path: float(path.parts[-3]))
    return by_release[-1].parent if by_release else None


class Postgres:
    """A running server, on a unix socket. Root runs it as the user postgres."""

    def __init__(self) -> None:
        folder = binaries()
        assert folder is not None
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="ormist-")
        os.chmod(self.folder, 0o777)  # noqa: S103 - for the user postgres
        self.options: dict[str, Any] = {
            "cwd": self.folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        } | ({"user": "postgres"} if os.geteuid() == 0 else {})
        cluster = f"{self.folder}/cluster"
        words = (folder / "initdb", "-D", cluster, "-U", "bench", "-A", "trust")
        more = ("--locale=C", "--encoding=UTF8")
        subprocess.run([*words, *more], check=True, **self.options)
        settings = ("listen_addresses=", "shared_buffers=512MB")
        words = (folder / "postgres", "-D", cluster, "-k", self.folder)
        more = ("-p", str(self.port), *(w for s in settings for w in ("-c", s)))
        self.process = subprocess.Popen([*words, *more], **self.options)
        self._wait(folder)

    def _wait(self, folder: Path) -> None:
        asked = [folder / "pg_isready", "-h", self.folder, "-p", str(self.port), "-q"]
        for _ in range(PATIENCE * 10):
            if subprocess.run(asked, **self.options).returncode == 0:
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"PostgreSQL has not started in {PATIENCE} seconds.")

    @property
    def setting(self) -> dict[str, str]:
        """The setting for DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "HOST": self.folder,
            "PORT": str(self.port),
            "USER": "bench",
        }

    def stop(self) -> None:
        """End it, and remove its folder."""
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
