"""What can be observed of round trips: log records, spans and listeners."""

import asyncio
import logging
import sys

import pytest
import redis

from django_ormist.connections import instrumentation as instrumentation_module
from django_ormist.connections.executor import run
from django_ormist.operations.operation import Operation
from tests.models import Page, Todo

pytestmark = pytest.mark.servers("valkey91", "fakeredis")

LOGGER = "django_ormist.operations"


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, LOGGER)
    return caplog


def test_each_round_trip_logs_its_operations_and_duration(server, ask, log):
    todo = ask(Todo.objects.create, "x", "y")
    ask(todo.save)
    record = log.records[-1]
    assert record.name == LOGGER
    assert (record.alias, record.operations) == ("default", ["update"])
    assert record.keys == 2
    assert 0 < record.duration_ms < 10_000
    assert record.getMessage().startswith("default: update; 2 keys, ")
    log.clear()
    ask(Page.objects.create)
    ask(list, Page.objects.all())
    assert len(log.records) >= 2


def test_values_and_ids_are_not_logged(server, log):
    Todo.objects.create("secret-tag", id="secret-id", text="secret-text")
    Todo.objects.find("secret-tag").list()
    assert log.records
    assert "secret" not in log.text


def test_without_listeners_nothing_is_recorded(server, monkeypatch):
    monkeypatch.setattr(
        instrumentation_module, "_measure", None
    )  # it must not be called
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    try:
        Todo.objects.create("x")
    finally:
        logging.getLogger(LOGGER).setLevel(logging.NOTSET)


def test_a_listener_sees_only_the_round_trips_of_its_context(server):
    mine, theirs = [], []

    async def work(seen, tag, number):
        with instrumentation_module.listening(seen.append):
            for _ in range(number):
                await Todo.objects.acreate(tag)

    async def both():
        await asyncio.gather(work(mine, "a", 2), work(theirs, "b", 3))

    asyncio.run(both())
    assert len([each for each in mine if not each.is_first_load]) == 2
    assert len([each for each in theirs if not each.is_first_load]) == 3


def test_a_failed_round_trip_is_reported_with_its_error(settings):
    settings.ORMIST = {"default": {"LOCATION": "redis://127.0.0.1:1/0"}}
    seen = []
    with (
        instrumentation_module.listening(seen.append),
        pytest.raises(redis.ConnectionError) as error,
    ):
        Todo.objects.count()
    assert [each.error for each in seen] == [error.value]


def test_repeated_names_are_abbreviated_with_a_count(server):
    seen = []

    def flow():
        yield [Operation("GET", (b"a",)), *[Operation("TTL", (b"a",))] * 3]

    with instrumentation_module.listening(seen.append):
        run(flow(), "default")
    assert seen[0].summary == "GET, TTL x3"
    assert seen[0].keys == 4


def test_the_keys_of_an_insertion_are_those_that_are_sent(server, ask):
    seen = []
    with instrumentation_module.listening(seen.append):
        ask(Todo.objects.bulk_create, [Todo(tags=["x", "y"]) for _ in range(3)])
    (insertion,) = seen[-1].operations
    assert seen[-1].keys == insertion.wire_args()[2] == len(insertion.all_keys())
    assert [key[-4:] for key in insertion.all_keys()][-2:] == [b":t:x", b":t:y"]


@pytest.fixture
def spans():
    """The spans of the test; the SDK is set up once per process."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


def test_a_provider_that_the_environment_names_is_loaded(monkeypatch):
    trace = pytest.importorskip("opentelemetry.trace")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    has_listeners = instrumentation_module.has_listeners
    instrumentation_module._names_provider.cache_clear()
    assert not has_listeners()
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "ours")
    instrumentation_module._names_provider.cache_clear()
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    assert has_listeners()
    monkeypatch.undo()
    instrumentation_module._names_provider.cache_clear()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_round_trip_is_a_child_of_the_current_span(server, is_async, spans):
    from opentelemetry import trace

    todo = Todo.objects.create("x")
    todo.save()  # the server knows the script from here on
    spans.clear()
    with trace.get_tracer("test").start_as_current_span("view"):
        asyncio.run(todo.asave()) if is_async else todo.save()
    span, view = spans.get_finished_spans()
    assert span.name == "ormist update"
    assert span.kind is trace.SpanKind.CLIENT
    assert span.parent.span_id == view.context.span_id
    assert span.start_time < span.end_time
    assert span.attributes["db.system.name"] == "redis"
    assert span.attributes["db.operation.name"] == "update"
    assert span.attributes["ormist.alias"] == "default"


def test_a_failed_round_trip_is_a_span_with_an_error(settings, spans):
    settings.ORMIST = {"default": {"LOCATION": "redis://u:secret@127.0.0.1:1/0"}}
    with pytest.raises(redis.ConnectionError):
        Todo.objects.count()
    (span,) = spans.get_finished_spans()
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["server.port"] == 1
    assert span.attributes["ormist.url"] == "redis://127.0.0.1:1/0"
    assert not span.status.is_ok
    assert span.events[0].name == "exception"


def test_a_span_of_a_unix_socket_has_a_path_and_no_port(settings, spans):
    settings.ORMIST = {"default": {"LOCATION": "unix:///nowhere/s.sock?db=2"}}
    with pytest.raises(redis.ConnectionError):
        Todo.objects.count()
    (span,) = spans.get_finished_spans()
    assert span.attributes["server.address"] == "/nowhere/s.sock"
    assert "server.port" not in span.attributes
    assert span.attributes["ormist.url"] == "unix:///nowhere/s.sock?db=2"


def test_spans_can_be_turned_off(server, spans, monkeypatch):
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask,django_ormist")
    Todo.objects.create("x")
    assert spans.get_finished_spans() == ()


def test_the_instrumentation_of_redis_py_does_not_see_our_commands(server, spans):
    """So the package makes spans itself, and they are not counted twice."""
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.redis")
    instrumentor = instrumentation.RedisInstrumentor()
    instrumentor.instrument()
    try:
        Todo.objects.create("x")
    finally:
        instrumentor.uninstrument()
    names = {span.name.partition(" ")[0] for span in spans.get_finished_spans()}
    assert names == {"ormist"}
