"""A signal handler that raises at any moment of a call: later calls are unharmed.

Ctrl-C, an alarm, Celery's soft time limit. ORMIST_INTERRUPTS=500 makes the test as long
as a release deserves.
"""

import ctypes
import gc
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import hiredis
import pytest
import redis

import django_ormist as ormist
from django_ormist.connections import connections, messages
from django_ormist.operations.operation import Operation

RUNS = int(os.environ.get("ORMIST_INTERRUPTS", "30"))
CALLS = 60
"""Calls that must succeed after each interruption."""

HANGS = 20
"""Seconds after which a child hangs."""

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="This system does not fork."),
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning"
    ),  # fork in a process with threads
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Interruption(BaseException):
    """The exception of the signal handler."""


def interrupt(*_):
    raise Interruption


# ---------------------------------------------------------------- at every step


def interrupted_at(step, call):
    """Run *call* and raise an Interruption before its line or call number *step*.

    Return whether it was reached. Only our code and redis-py's counts.
    """
    left = step

    def trace(frame, event, arg):
        nonlocal left
        if not frame.f_globals.get("__name__", "").startswith(COUNTED):
            return None
        if event in ("line", "call"):
            left -= 1
            if left == 0:
                raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Interruption:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


COUNTED = ("django_ormist.connections", "redis.", "queue", "weakref", "contextlib")


def send(connection, word):
    return connection.send([Operation("ECHO", (), (word,))])[0]


def ask_client(connection, word):
    return connection.client.echo(word)


def ask_pipeline(connection, word):
    return connection.client.pipeline(transaction=False).echo(word).execute()[0]


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize(
    ("call", "protocol"), [(send, 2), (send, 3), (ask_client, 2), (ask_pipeline, 2)]
)
def test_an_interruption_at_any_step_harms_no_later_call(
    configure, real, call, protocol, is_new
):
    """With a single connection, so that a lost one would be missed at once."""
    options = {"max_connections": 1, "timeout": 0.1, "protocol": protocol}
    connection = configure(
        LOCATION=real.tcp_url.removesuffix("0") + "1", OPTIONS=options
    )
    numbers = iter(range(10**9))

    def echo():
        word = b"%d" % next(numbers)
        assert call(connection, word) == word

    echo()
    stride = 1 if RUNS >= 500 else 11
    for step in range(random.randrange(1, stride + 1), 10**6, stride):
        if is_new:
            connection.close()
        if not interrupted_at(step, echo):
            break
        gc.collect(0)
        echo()
        echo()
    assert step > 50


@pytest.mark.parametrize("is_new", [False, True])
def test_an_interruption_harms_no_later_call_over_a_pool_of_django_redis(
    configure, real, is_new
):
    """Its slots and its lock are redis-py's; its connections are sound."""
    # An interruption may leave redis-py's lock locked, so no other test has this pool.
    own_url = real.unix_url.replace("db=0", "db=1")
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": own_url}
    cache["OPTIONS"] = {"CONNECTION_POOL_KWARGS": {"max_connections": 1000}}
    connection = configure(caches={"default": cache}, CACHE="default")
    numbers = iter(range(10**9))

    def echo():
        word = b"%d" % next(numbers)
        assert send(connection, word) == word

    echo()
    stride = 1 if RUNS >= 500 else 11
    for step in range(random.randrange(1, stride + 1), 10**6, stride):
        if is_new:
            connection.endpoint.shared_pool.disconnect()
        if not interrupted_at(step, echo):
            break
        echo()
        echo()
    assert step > 50
    connection.endpoint.shared_pool.disconnect()


# ---------------------------------------------------------------- by real signals


def in_child(work):
    """Return the exit of a forked child that ran *work*: a code, or -signal."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        random.seed()
        try:
            work()
            code = 0
        except BaseException as error:
            os.write(2, repr(error).encode() + b"\n")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def interrupted_once(call, within):
    """Let an alarm interrupt a loop of calls after at most this many seconds.

    Python ignores errors raised in a finaliser, so the loop has an end.
    """
    signal.signal(signal.SIGALRM, interrupt)
    until = time.monotonic() + within + 0.1
    try:
        signal.setitimer(signal.ITIMER_REAL, within, HANGS)
        while time.monotonic() < until:
            call()
    except (Interruption, InterruptedError):  # ormsgpack loses what its hook raises
        pass
    finally:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(3))
        signal.setitimer(signal.ITIMER_REAL, HANGS)


def test_saves_interrupted_by_an_alarm_harm_no_later_save(configure, real):
    configure(
        LOCATION=real.tcp_url,
        KEY_PREFIX="interrupts",
        OPTIONS={"max_connections": 1, "timeout": 0.5},
    )

    class Job(ormist.Model):
        pass

    def save():
        number = random.randrange(10**12)
        Job(id="job", number=number, wide=10**25, share=1.5).save()
        assert Job.objects.get("job").number == number

    def work():
        if random.random() < 0.5:
            connections.close_all()
        interrupted_once(save, random.uniform(0.0001, 0.004))
        for _ in range(CALLS):
            save()

    try:
        save()
        ends = Counter(in_child(work) for _ in range(RUNS))
    finally:
        Job.objects.all().delete()
    assert ends == {0: RUNS}


def test_an_exception_sent_to_a_thread_harms_no_later_call(configure, real):
    """By PyThreadState_SetAsyncExc, by which job runners end work in a thread."""
    connection = configure(
        LOCATION=real.unix_url, OPTIONS={"max_connections": 1, "timeout": 5}
    )
    working = threading.Event()

    def work():
        try:
            while True:
                working.set()
                send(connection, b"x")
        except Interruption:
            pass

    for _ in range(20):
        working.clear()
        thread = threading.Thread(target=work)
        thread.start()
        working.wait()
        while thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Interruption)
            )
            thread.join(0.01)
        assert send(connection, b"y") == b"y"


# ---------------------------------------------------------------- what is packed


def test_the_packer_gets_only_bytes(configure, real, monkeypatch):
    """hiredis crashes if a handler raises while it converts an int to text."""
    given = []

    class Spy:
        @staticmethod
        def pack_command(words):
            given.extend(words)
            return hiredis.pack_command(words)

    monkeypatch.setattr(messages, "hiredis", Spy)
    monkeypatch.setattr(redis.connection, "hiredis", Spy)
    connection = configure(
        LOCATION=real.tcp_url.removesuffix("0") + "1", OPTIONS={"protocol": 3}
    )
    connection.send([Operation("ECHO", (), (word,)) for word in ("ä", -(2**70), b"")])
    connection.client.set("ä", 5, ex=10)
    connection.client.incrbyfloat("ä", 1.5)
    assert connection.client.getdel("ä") == b"6.5"
    connection.close()
    assert given
    assert {type(word) for word in given} == {bytes}
