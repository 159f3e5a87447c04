"""The pytest plugin: the test run's key space, ``ormist`` and ``assert_round_trips``.

pytest imports it before settings are configured, so no import here may read one.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from ..connections import redirection
from .isolation import SERVERS, isolated

_configs: list[pytest.Config] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --ormist-server and the ini options."""
    group = parser.getgroup("django_ormist")
    group.addoption(
        "--ormist-server",
        choices=SERVERS,
        help="Where to store the tests' objects: in fakeredis, on an embedded server, "
        "or on the servers of the settings under a separate prefix.",
    )
    parser.addini("ormist_server", "See --ormist-server.", default="fakeredis")
    parser.addini("ormist_autouse", "Isolate every test.", type="bool", default=False)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Begin the test run, before pytest-django starts the apps."""
    redirection.begin()
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the test run, if a conftest.py loads this plugin."""
    redirection.begin()
    _configs.append(config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's keys: a worker of pytest-xdist may not reach its exit."""
    _configs.remove(config)
    if not _configs:  # else pytest runs within pytest
        redirection.end()


@pytest.fixture
def ormist(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give the test an empty key space, separate for every alias of ORMIST.

    ``ormist.travel(seconds)`` moves the time, on fakeredis.
    """
    server = request.config.getoption("--ormist-server") or request.config.getini(
        "ormist_server"
    )
    with isolated(server) as test:
        yield test


@pytest.fixture(autouse=True)
def _ormist_for_all(request: pytest.FixtureRequest) -> None:
    if request.config.getini("ormist_autouse"):
        request.getfixturevalue("ormist")


@pytest.fixture
def assert_round_trips() -> Callable[..., Any]:
    """Return the function that fails unless a block makes that many round trips."""
    from .isolation import assert_round_trips

    return assert_round_trips
