"""The flows of one session: load, insert, save, renew, cycle, delete.

A store (``SessionStore``) holds the session as its request sees it, in
``_session_cache``, and in ``_record`` the stored object as it was last seen.
"""

import logging
import math
from contextvars import ContextVar
from datetime import datetime
from operator import is_
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from ..codecs import Deadline, Lifetime, pack, pack_value, with_deadline
from ..codecs.lifetimes import LAST_MS
from ..connections import connections
from ..deadlines import is_past, moment_ms, now_ms, remaining_ms
from ..exceptions import ConflictError, IntegrityError
from ..flows import save as save_flows
from ..flows.record import Record
from ..keys import Space
from ..operations import objects
from ..operations.expiry import sweep
from ..operations.objects import NOTHING, Image
from ..operations.operation import Flow
from ..operations.replies import Reply
from . import serialization, settings
from .model import Session, private_id

if TYPE_CHECKING:
    from .store import SessionStore

ended_by_password: ContextVar[frozenset[str]] = ContextVar(
    "ended_by_password", default=frozenset()
)
"""Ids of the sessions that this thread or task ended by saving a password: its own
request goes on under a new key."""

LAST_DAY = datetime(9999, 12, 31)

# Django's own name for a session that it cannot read.
logger = logging.getLogger("django.security.SuspiciousSession")


def load(store: "SessionStore") -> Flow:
    """Flow: what is stored under the store's key, as a dict. One round trip.

    A key that nothing is stored under, or nothing that can be read, is dropped.
    """
    pk, using = private_id(store.session_key or ""), settings.using()
    space = Session._meta.space(using)
    packed = yield objects.load(space, pk)
    if packed is not None and not (yield from is_past(packed)):
        try:
            record = Session._from_row((pk.encode(), packed, None), space, using)
            data = serialization.data(record.attrs, store.serializer)
        except Exception as error:  # damaged bytes, and whatever a serializer raises
            _report(pk, error)
        else:
            store._record = record
            return data
    store._record = None
    store._session_key = None
    return {}


def exists(session_key: str | None) -> Flow:
    """Flow: whether a session is stored under that key. One round trip."""
    if not session_key:
        return False
    return (yield objects.exists(_space(), private_id(session_key)))


def create(store: "SessionStore", own: dict[str, Any] | None = None) -> Flow:
    """Flow: store the session under a new key. One round trip.

    own: attributes of the stored object beside the session's keys.
    """
    while True:
        store._session_key = store._get_new_session_key()
        try:
            yield from insert(store, own)
        except CreateError:
            continue  # taken: one chance in 2^165
        store.modified = True
        return


def insert(store: "SessionStore", own: dict[str, Any] | None = None) -> Flow:
    """Flow: store the session under its key. CreateError if that is taken."""
    store._get_session(no_load=True)
    record = Session(id=private_id(store.session_key or ""))
    record.attrs.update(own or {}, created_ms=now_ms())
    _write_into(store, record)
    try:
        yield from save_flows.save(record, settings.using(), force_insert=True)
    except IntegrityError:
        raise CreateError from None
    _now_stands_for(store, record)


def save(store: "SessionStore") -> Flow:
    """Flow: store what the request changed. One round trip where nobody else wrote.

    What nothing was changed of only moves its deadline. UpdateError if it is gone.
    """
    record = _known(store)
    if record is None or store._is_cleared:
        yield from _replace(store)
        return
    before, deadline_ms = dict(record.attrs), record._expire_at_ms
    sent = _write_into(store, record)
    if sent == before and deadline_ms and remaining_ms(_deadline(store)) > 0:
        # Equal, but for 1 and True, and for lists that the request changed in place.
        codec = connections[settings.using()].codec
        if pack(sent, (), deadline_ms, codec) == record._packed:
            yield from _renew(store, record)
            return
    yield from _update(record)
    _now_stands_for(store, record, sent)
    yield from _redated(store, record, sent)


def cycle(store: "SessionStore") -> Flow:
    """Flow: the same session under a new key, and nothing under the old one.

    What others save under the old key until it is gone comes along. Raises
    SessionInterrupted if the session of a signed-in user was ended meanwhile, and
    leaves nothing under the new key. Two round trips.
    """
    old, old_key, is_cleared = _known(store), store.session_key, store._is_cleared
    yield from create(store, serialization.own(old.attrs) if old else None)
    if old is None:
        if old_key is not None:
            yield from delete(store, old_key)
        return
    try:
        was_stored = yield from _end_old(store, old, is_cleared)
    except UpdateError:  # the new one was ended, and the old one still stands
        yield from save_flows.delete_stored(old, settings.using(), NOTHING)
        yield from _interrupt(store)
    is_own = old.id in ended_by_password.get()
    if not (was_stored or is_own) and serialization.USER in store._session_cache:
        yield from _interrupt(store)


def _end_old(store: "SessionStore", old: Session, is_cleared: bool) -> Flow:
    """Flow that removes the session under the old key; whether it was stored.

    What others saved in it is first put on the session of the store, unless the
    store was cleared. Raises UpdateError if that session is gone.
    """
    using, base = settings.using(), old._packed or b""
    while True:
        image = _image(old, base)
        code, stored = yield objects.delete(_space(), old.id, image)
        if code is not Reply.REFUSED:
            break
        if not is_cleared:
            yield from _bring_along(store, _contents(old, base), _contents(old, stored))
        base = stored
    if code is Reply.ORPHAN_INDEX:
        yield from save_flows.delete_stored(old, using, NOTHING)
    return code is Reply.DONE


def _interrupt(store: "SessionStore") -> Flow:
    """Flow that removes the session, empties the store, and raises SessionInterrupted.

    An empty store is not saved, and its cookie is deleted.
    """
    yield from delete(store, None)
    store.clear()
    store._session_key = store._record = None
    raise SessionInterrupted(
        "The session was deleted before its key was changed. The user may have "
        "logged out in a concurrent request, for example."
    )


def delete(store: "SessionStore", session_key: str | None) -> Flow:
    """Flow: remove a session, whoever wrote it last. None is the store's own.

    One round trip for one that was loaded, else two.
    """
    session_key = store.session_key if session_key is None else session_key
    if session_key is None:
        return
    record = _known(store)
    if record is None or record.id != private_id(session_key):
        record = Session(id=private_id(session_key))
    image = _image(record, record._packed)
    yield from save_flows.delete_stored(record, settings.using(), image)


def note(store: "SessionStore") -> Flow:
    """Flow: store what the middleware saw of the device, if that is due, and no more.

    The deadline stays, and a session that is gone stays gone.
    """
    known = _known(store)
    if known is None or store.sighting is None:
        return
    facts = store.sighting.facts(known.attrs)
    if not facts:
        return
    # As it is stored: of *known*, lists may have been changed that nobody saved.
    row = known.id.encode(), known._packed or b"", None
    record = Session._from_row(row, _space(), settings.using())
    record.attrs.update(facts)
    sent = dict(record.attrs)
    try:
        yield from _update(record)
    except UpdateError:
        store._record = None
    else:
        _now_stands_for(store, record, sent)


def clear_expired() -> Flow:
    """Flow: sweep every session whose deadline is past; how many."""
    total = 0
    while swept := (yield from sweep(_space())):
        total += swept
    return total


# ---------------------------------------------------------------- parts


def _write_into(store: "SessionStore", record: Session) -> dict[str, Any]:
    """Make *record* hold what the store does; the attributes it then has."""
    before = dict(record.attrs)
    own = serialization.own(before)
    if store.sighting is not None:
        own.update(store.sighting.facts(before))
    attrs = serialization.attributes(store._session_cache, store.serializer, own)
    serialization.keep(attrs, before, store.serializer)
    record.attrs.clear()
    record.attrs.update(attrs)
    record.__dict__["_expire_at_ms"] = _deadline(store)
    return attrs


def _update(record: Session) -> Flow:
    """Flow: save a record that was loaded. UpdateError if it is gone."""
    try:
        yield from save_flows.save(record, settings.using(), force_update=True)
    except Session.NotUpdated:
        raise UpdateError from None


def _replace(store: "SessionStore") -> Flow:
    """Flow: put the session in the place of what is stored, whatever others wrote."""
    while True:
        if _known(store) is None:
            yield from load(store)
        record = _known(store)
        if record is None:
            raise UpdateError
        store._record = None
        _write_into(store, record)
        try:
            yield from save_flows.save(
                record, settings.using(), force_update=True, strict=True
            )
        except Session.NotUpdated:
            raise UpdateError from None
        except ConflictError:
            continue
        _now_stands_for(store, record)
        return


def _renew(store: "SessionStore", record: Session) -> Flow:
    """Flow: move the deadline alone, by the lifetime that is stored."""
    using, space = settings.using(), _space()
    while True:
        deadline, packed = _deadline(store), record._packed or b""
        code, fact = yield objects.renew(space, record.id, packed, deadline)
        if code is Reply.DONE:
            if isinstance(deadline, Lifetime):
                deadline = deadline.deadline_ms(int(fact))
            contents = Record(record.attrs, [], deadline)
            record._take(contents, with_deadline(packed, deadline), using)
            return
        if code is Reply.EXPIRED:
            yield from save_flows.delete_stored(record, using, NOTHING)
            return
        if fact is None:
            raise UpdateError
        sent = dict(record.attrs)
        try:
            yield from save_flows.refresh(record, using)
        except Session.DoesNotExist:
            raise UpdateError from None
        _take_over(store, record, sent)


def _bring_along(store: "SessionStore", base: Record, theirs: Record) -> Flow:
    """Flow: put on the session what others changed in the one that it came from."""
    record = _known(store)
    if record is None:  # its lifetime was over as it began
        return
    sent = dict(record.attrs)
    attrs = record._contents().rebased(base, theirs).attrs
    record.attrs.clear()
    record.attrs.update(attrs, created_ms=sent["created_ms"])
    yield from _update(record)
    _take_over(store, record, sent)
    yield from _redated(store, record, sent)


def _redated(store: "SessionStore", record: Session, sent: dict[str, Any]) -> Flow:
    """Flow: after a save that met another lifetime than it *sent*, end by that one."""
    if record._packed is not None and record.attrs["lifetime"] != sent["lifetime"]:
        yield from _renew(store, record)


def _now_stands_for(
    store: "SessionStore", record: Session, sent: dict[str, Any] | None = None
) -> None:
    """The store stands for *record*, which held *sent* before others' came to it."""
    store._record = record
    store._is_cleared = False
    if sent is not None:
        _take_over(store, record, sent)


def _take_over(store: "SessionStore", record: Session, sent: dict[str, Any]) -> None:
    """Show in the store what others changed of a record that held *sent*."""
    if len(sent) == len(record.attrs) and all(
        map(is_, sent.values(), record.attrs.values())
    ):
        return
    changed = {
        name: value
        for name, value in record.attrs.items()
        if value is not sent.get(name, store)
        and not (name in sent and _is_same(name, value, sent[name]))
    }
    gone = dict.fromkeys(name for name in sent if name not in record.attrs)
    store._session_cache.update(serialization.data(changed, store.serializer))
    for key in serialization.data(gone, store.serializer):
        store._session_cache.pop(key, None)


def _is_same(name: str, value: Any, other: Any) -> bool:
    return pack_value(name, value) == pack_value(name, other)


def _known(store: "SessionStore") -> Session | None:
    """The stored object that the store has seen under its key."""
    record, key = store._record, store.session_key
    if record is None or record._packed is None or key is None:
        return None
    return record if record.id == private_id(key) else None


def _contents(record: Session, packed: bytes) -> Record:
    return Record.of(packed, record._key(settings.using()))


def _image(record: Session, packed: bytes | None) -> Image:
    """What the store holds of a record with these bytes."""
    if packed is None:
        return NOTHING
    return _contents(record, packed).stored_image(packed, record._meta)


def _deadline(store: "SessionStore") -> Deadline:
    """Return when the session ends: by its own lifetime or by SESSION_COOKIE_AGE.

    What is farther than a store can keep becomes the last deadline.
    """
    own = store._session_cache.get(serialization.LIFETIME)
    if isinstance(own, str | datetime):
        moment = store.get_expiry_date(expiry=own)
        is_far = moment.replace(tzinfo=None) >= LAST_DAY  # datetime.max, anywhere
        return LAST_MS if is_far else moment_ms(moment)
    seconds = store.get_expiry_age(expiry=own)
    return Lifetime(math.ceil(min(seconds * 1000, LAST_MS)))


def _space() -> Space:
    return Session._meta.space(settings.using())


def _report(pk: str, error: Exception) -> None:
    logger.warning(
        "The session %s cannot be read, and is passed over. %s: %s",
        pk,
        type(error).__name__,
        error,
    )
