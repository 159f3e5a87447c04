"""Worker processes of the module, and their jobs against the server under test."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.checker import raw_faults
from tests.concurrency.workers import Workers
from tests.conftest import ServerInTest


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with closing(Workers()) as members:
        yield members


@pytest.fixture
def together(workers: Workers, server: ServerInTest) -> Callable[..., list[Any]]:
    """Runs a job in processes, against ``server``: ``together(20, job, *args)``."""
    settings: Any = server.variant.settings(server.location, server.key_prefix)

    def run(size: int, job: Callable[..., Any], *args: Any) -> list[Any]:
        return workers.run(job, size, settings["ORMIST"]["default"], *args)

    return run


@pytest.fixture
def is_sound(server: ServerInTest) -> Callable[[], bool]:
    """Asserts that the raw checker does not find faults."""

    def check() -> bool:
        faults = raw_faults(server.client, server.key_prefix)
        assert not faults, "\n".join(faults[:20])
        return True

    return check
