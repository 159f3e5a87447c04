"""Many requests that write one session at the same moment."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_ormist.sessions import Session, SessionStore, private_id
from tests.concurrency import session_jobs as jobs

pytestmark = pytest.mark.servers("valkey91")

ROUNDS = 1000
LOGINS = 100
REQUESTS = 20


def in_threads(number, job, *args):
    """Run ``job(barrier, number, *args)`` in threads; return their results."""
    barrier = threading.Barrier(number, timeout=60)
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda each: job(barrier, each, *args), range(number)))


@pytest.fixture(params=["threads", "processes"])
def at_once(request, together):
    """Runs a job in a number of threads, or processes."""
    return in_threads if request.param == "threads" else together


def stored(number, **data):
    """Return the keys of this number of new sessions with this content."""
    sessions = []
    for _ in range(number):
        session = SessionStore()
        session.update(data)
        session.create()
        sessions.append(session.session_key)
    return sessions


def test_two_requests_that_change_different_keys_both_survive(
    server, at_once, is_sound
):
    keys = stored(ROUNDS, shared="old", of0={"n": []}, of1={"n": []})
    at_once(2, jobs.change_different_keys, keys)
    for key in keys:
        assert SessionStore(key).load() == {
            "shared": "old",
            "of0": {"n": [0]},
            "of1": {"n": [1]},
            "new0": True,
            "new1": True,
        }
    assert is_sound()


def test_a_session_that_was_logged_out_never_comes_back(server, at_once, is_sound):
    keys = stored(ROUNDS, n=1, _auth_user_id="7")
    at_once(2, jobs.log_out_or_save, keys)
    assert Session.objects.count() == 0
    assert server.keys() == []
    assert is_sound()


def check_logins(old, new, others):
    """Check that each old key is gone, and that the new one holds every saved key."""
    for turn, (old_key, new_key) in enumerate(zip(old, new, strict=True)):
        assert SessionStore(old_key).load() == {}
        saved = {f"of{n}": n for n, done in enumerate(others, 1) if done[turn]}
        assert SessionStore(new_key).load() == {
            "shared": "old",
            "_auth_user_id": "1",
            **saved,
        }
    assert Session.objects.count() == len(old)
    assert Session.objects.find(user_id=1).count() == len(old)


@pytest.mark.slow
def test_a_login_under_twenty_parallel_requests_loses_nothing(
    server, together, is_sound
):
    old = stored(LOGINS, shared="old")
    new, *others = together(REQUESTS, jobs.log_in_or_save, old)
    check_logins(old, new, others)
    assert is_sound()


@pytest.mark.slow
def test_a_login_under_twenty_parallel_tasks_loses_nothing(server, is_sound):
    old = stored(LOGINS, shared="old")

    async def turn(key):
        start = asyncio.Event()
        tasks = [
            asyncio.create_task(jobs.alog_in_or_save(number, key, start))
            for number in range(REQUESTS)
        ]
        await asyncio.sleep(0)
        start.set()
        return await asyncio.gather(*tasks)

    async def all_of_them():
        return [await turn(key) for key in old]

    new, *others = zip(*asyncio.run(all_of_them()), strict=True)
    check_logins(old, new, others)
    assert any(done for some in others for done in some)
    assert is_sound()


def test_concurrent_saves_do_not_undo_a_logout(server, together, is_sound):
    keys = stored(50, n=1, _auth_user_id="7")
    together(4, jobs.log_out_or_save, keys)
    assert not Session.objects.find(user_id=7).exists()
    assert [pk for pk in map(private_id, keys) if Session.objects.get_or_none(pk)] == []
    assert is_sound()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_log_out_everywhere_ends_sessions_that_change_their_key(
    server, together, is_sound, is_async
):
    keys = [stored(1, _auth_user_id=str(user))[0] for user in range(300)]
    together(2, jobs.log_out_everywhere_or_cycle, keys, is_async)
    assert list(Session.objects.all()) == []
    assert server.keys() == []
    assert is_sound()
