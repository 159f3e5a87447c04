"""Which primary is believed, when sentinels disagree, and what the errors say."""

import pytest
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ResponseError,
    TimeoutError,
)

from django_ormist.conf import Alias
from django_ormist.connections import urls
from django_ormist.connections.sentinels import (
    AVOIDED_FOR,
    INTERVAL,
    LONGEST_HOLD,
    SHORTEST_INTERVAL,
    UNANSWERED_INTERVAL,
    SentinelMap,
)
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.operations.operation import Operation

OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
READ = Operation("GET", (b"k",))
WRITE = Operation("SET", (b"k",), (b"v",), is_write=True)
DOWN = ConnectionError("refused")


def names(address, epoch=0, flags="master", known_as=None):
    """The replies of a sentinel that names *address*."""
    host, port = (known_as or address)[0].encode(), b"%d" % (known_as or address)[1]
    facts = [b"ip", host, b"port", port, b"flags", flags.encode()]
    facts += [b"config-epoch", b"%d" % epoch]
    return [[address[0].encode(), b"%d" % address[1]], facts]


def failing_over(address, epoch=0):
    return names(address, epoch, "master,failover_in_progress")


class Sentinels:
    """Three sentinels and a map over them. *replies*: of each of them."""

    def __init__(self, *replies):
        location = "redis+sentinel://s0,s1,s2/main/0"
        endpoint = urls.endpoint(Alias("shop", location=location))
        self.map = SentinelMap("ORMIST['shop']", endpoint.sentinels)
        self.replies = list(replies)
        self.now = 100.0
        self.asked = []

    def refresh(self, is_urgent=True, *replies, later=INTERVAL):
        self.now += later
        self.replies = list(replies) or self.replies
        self.asked = []
        queries, answer = self.map.refresh(is_urgent, lambda: self.now), None
        try:
            while True:
                query = queries.send(answer)
                number = int(query.endpoint.arguments["host"][1:])
                self.asked.append(number)
                answer = self.answer(number, query)
        except StopIteration:
            return self.map.address

    def answer(self, number, query):
        if query.operations[0].command == "SENTINEL MASTERS":
            return [[[b"name", b"mymaster", b"ip", b"x"], [b"name", b"other"]]]
        return self.replies[number]


def test_the_first_answer_is_taken_on_first_use():
    sentinels = Sentinels(names(OLD), names(OLD), names(OLD))
    assert sentinels.map.address_of(READ) is None
    assert sentinels.map.is_due(sentinels.now)
    assert sentinels.refresh(is_urgent=False) == OLD
    assert sentinels.asked == [0]
    assert sentinels.map.address_of(READ) == OLD


def test_all_are_asked_once_a_second():
    sentinels = Sentinels(names(OLD), names(OLD), names(OLD))
    sentinels.refresh()
    assert not sentinels.map.is_due(sentinels.now + INTERVAL - 0.01)
    assert sentinels.map.is_due(sentinels.now + INTERVAL)
    sentinels.refresh(is_urgent=False)
    assert sentinels.asked == [0, 1, 2]


def test_a_new_address_with_the_next_epoch_is_taken_at_once():
    sentinels = Sentinels(names(OLD, 1), names(NEW, 2), names(OLD, 1))
    sentinels.refresh(True, *[names(OLD, 1)] * 3)
    version = sentinels.map.version
    assert sentinels.refresh(True, names(OLD, 1), names(NEW, 2), names(OLD, 1)) == NEW
    assert sentinels.asked == [0, 1]
    assert sentinels.map.version == version + 1


def test_a_sentinel_that_is_behind_is_not_believed():
    sentinels = Sentinels(*[names(NEW, 2)] * 3)
    sentinels.refresh()
    assert sentinels.refresh(False, *[names(OLD, 1)] * 3) == NEW
    assert sentinels.refresh(True, names(OLD, 1), names(NEW, 2), names(OLD, 1)) == NEW


def test_all_that_are_behind_are_believed_once_the_primary_has_failed():
    """As after a reset of the sentinels, which then count from 0."""
    sentinels = Sentinels(*[names(NEW, 2)] * 3)
    sentinels.refresh()
    assert sentinels.refresh(True, *[names(OLD, 0)] * 3) == OLD


def test_the_old_address_is_kept_if_no_sentinel_answers():
    sentinels = Sentinels(*[names(OLD)] * 3)
    sentinels.refresh()
    assert sentinels.refresh(True, DOWN, TimeoutError("late"), DOWN) == OLD
    assert sentinels.asked == [0, 1, 2]
    assert sentinels.refresh(True, [None, None], DOWN, DOWN) == OLD


def test_a_silent_sentinel_is_asked_last_and_only_if_it_must():
    sentinels = Sentinels(DOWN, names(OLD), names(OLD))
    sentinels.refresh()
    assert sentinels.refresh(False) == OLD
    assert sentinels.asked == [1, 2]
    sentinels.refresh(True)
    assert sentinels.asked == [1, 2]
    sentinels.refresh(True, names(OLD), DOWN, DOWN)
    assert sentinels.asked == [1, 2, 0]
    sentinels.refresh(False, later=AVOIDED_FOR)
    assert sentinels.asked == [0, 1, 2]


def test_if_all_are_silent_they_are_asked_in_turn_and_less_often():
    sentinels = Sentinels(*[names(OLD)] * 3)
    sentinels.refresh()
    sentinels.refresh(False, DOWN, DOWN, DOWN)
    assert sentinels.asked == [0, 1, 2]
    for number in (0, 1, 2, 0):
        assert not sentinels.map.is_due(sentinels.now + UNANSWERED_INTERVAL - 0.01)
        assert sentinels.refresh(False, later=UNANSWERED_INTERVAL) == OLD
        assert sentinels.asked == [number]
    sentinels.refresh(False, DOWN, names(NEW, 1), DOWN, later=UNANSWERED_INTERVAL)
    assert sentinels.map.address == NEW
    assert not sentinels.map.is_due(sentinels.now + INTERVAL - 0.01)
    assert sentinels.map.is_due(sentinels.now + INTERVAL)


def test_one_refresh_at_a_time():
    sentinels = Sentinels(*[names(OLD)] * 3)
    running = sentinels.map.refresh(True, lambda: sentinels.now)
    next(running)
    assert not sentinels.map.is_due(sentinels.now)
    sentinels.refresh(later=0.1)
    assert sentinels.asked == []
    running.close()  # as in a task that is cancelled
    sentinels.refresh(later=SHORTEST_INTERVAL)
    assert sentinels.asked == [0]
    sentinels.refresh(later=SHORTEST_INTERVAL / 2)
    assert sentinels.asked == []


def test_a_thread_that_was_interrupted_blocks_no_refresh_for_good():
    sentinels = Sentinels(*[names(OLD)] * 3)
    held = sentinels.map.refresh(True, lambda: sentinels.now)
    next(held)
    assert sentinels.refresh(later=60) == OLD


def test_a_fork_does_not_wait_for_a_refresh_of_its_parent(monkeypatch):
    sentinels = Sentinels(*[names(OLD)] * 3)
    held = sentinels.map.refresh(True, lambda: sentinels.now)
    next(held)
    monkeypatch.setattr("os.getpid", lambda: 0)
    assert sentinels.refresh(later=0.1) == OLD


def test_an_interruption_at_the_end_of_a_refresh_blocks_no_other():
    sentinels = Sentinels(*[names(OLD)] * 3)
    times = [sentinels.now]  # the second look at the clock is interrupted
    interrupted = sentinels.map.refresh(True, lambda: times.pop())
    next(interrupted)
    with pytest.raises(IndexError):
        interrupted.close()
    assert sentinels.refresh(later=0.1) == OLD


def test_doubt_makes_a_refresh_due():
    sentinels = Sentinels(*[names(OLD)] * 3)
    sentinels.refresh()
    sentinels.map.doubt()
    assert sentinels.map.is_due(sentinels.now)


# ---------------------------------------------------------------- planned failover


def test_writes_wait_while_a_failover_is_under_way_and_reads_do_not():
    sentinels = Sentinels(*[names(OLD)] * 3)
    sentinels.refresh()
    sentinels.refresh(False, names(OLD), names(OLD), failing_over(OLD))
    assert sentinels.map.address_of(WRITE) is None
    assert sentinels.map.address_of(READ) == OLD
    promoted = names(NEW, 1, "master,failover_in_progress", known_as=OLD)
    assert sentinels.refresh(True, names(OLD), names(OLD), promoted) == NEW
    assert sentinels.map.address_of(WRITE) == NEW


def test_writes_go_on_after_a_failover_that_was_given_up():
    sentinels = Sentinels(*[names(OLD)] * 3)
    sentinels.refresh()
    sentinels.refresh(False, failing_over(OLD), names(OLD), names(OLD))
    sentinels.refresh(True, *[names(OLD)] * 3)
    assert sentinels.map.address_of(WRITE) == OLD


def test_writes_do_not_wait_for_a_failover_that_hangs():
    sentinels = Sentinels(*[failing_over(OLD)] * 3)
    sentinels.refresh()
    assert sentinels.map.address_of(WRITE) is None
    sentinels.refresh(later=LONGEST_HOLD)
    assert sentinels.map.address_of(WRITE) == OLD


def test_writes_do_not_wait_for_sentinels_that_are_gone():
    sentinels = Sentinels(*[failing_over(OLD)] * 3)
    sentinels.refresh()
    sentinels.refresh(True, DOWN, DOWN, DOWN)
    assert sentinels.map.address_of(WRITE) == OLD


# ---------------------------------------------------------------- permissions, errors


def test_a_user_of_sentinels_may_lack_the_second_command():
    forbidden = [names(OLD)[0], NoPermissionError("no permission")]
    sentinels = Sentinels(*[forbidden] * 3)
    assert sentinels.refresh() == OLD
    moved = [names(NEW)[0], NoPermissionError("no permission")]
    assert sentinels.refresh(False, *[moved] * 3) == NEW


def test_an_unknown_service_names_those_that_are_known():
    sentinels = Sentinels(DOWN, [None, ResponseError("No such master")], DOWN)
    with pytest.raises(ImproperlyConfigured) as caught:
        sentinels.refresh()
    for words in ("ORMIST['shop']", "'main'", "'mymaster', 'other'", "Correct"):
        assert words in str(caught.value)


def test_a_server_that_is_no_sentinel_is_named():
    unknown = ResponseError("ERR unknown command 'SENTINEL'")
    sentinels = Sentinels(*[[unknown, unknown]] * 3)
    with pytest.raises(ImproperlyConfigured) as caught:
        sentinels.refresh()
    for words in ("ORMIST['shop']", "s0:26379", "another kind of server", "redis://"):
        assert words in str(caught.value)


def test_no_reachable_sentinel_is_said_with_the_alias_and_the_fix():
    sentinels = Sentinels(DOWN, TimeoutError("late"), DOWN)
    assert sentinels.refresh() is None
    text = str(sentinels.map.explain(None, None))
    for words in ("ORMIST['shop']", "'main'", "s1:26379 said: late", "in LOCATION"):
        assert words in text


def test_a_password_that_sentinels_want_is_said():
    wrong = AuthenticationError("Authentication required.")
    sentinels = Sentinels(wrong, wrong, wrong)
    with pytest.raises(AuthenticationError, match=r"OPTIONS\['sentinel_kwargs'\]"):
        sentinels.refresh()  # at once


def test_a_refused_password_is_no_reason_to_stop_while_a_sentinel_is_silent():
    wrong = NoPermissionError("NOPERM")
    sentinels = Sentinels(wrong, DOWN, wrong)
    assert sentinels.refresh() is None
    error = sentinels.map.explain(None, None)
    assert type(error) is ConnectionError
    assert "OPTIONS['sentinel_kwargs']" in str(error)
    assert sentinels.refresh(True, wrong, names(NEW), wrong) == NEW


def test_sentinels_that_refuse_later_leave_the_known_primary():
    wrong = AuthenticationError("Authentication required.")
    sentinels = Sentinels(*[names(NEW)] * 3)
    assert sentinels.refresh() == NEW
    assert sentinels.refresh(True, wrong, wrong, wrong) == NEW


def test_silent_sentinels_that_are_asked_with_tls_have_a_hint():
    for scheme, has_hint in (("redis", False), ("rediss", True), ("valkeys", True)):
        location = f"{scheme}+sentinel://s0/main"
        endpoint = urls.endpoint(Alias("shop", location=location))
        found = SentinelMap("ORMIST['shop']", endpoint.sentinels).explain(None, None)
        assert ("asked with TLS" in str(found)) is has_hint


def test_an_address_that_cannot_be_reached_is_said_with_the_fix():
    sentinels = Sentinels(*[names(("::1", 7))] * 3)
    error = sentinels.map.explain(sentinels.refresh(), DOWN)
    assert type(error) is ConnectionError
    for words in ("ORMIST['shop']", "[::1]:7", "'main'", "refused", "announce"):
        assert words in str(error)
    assert type(sentinels.map.explain(NEW, TimeoutError("late"))) is TimeoutError
