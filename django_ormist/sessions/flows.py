"""Flows of one session: load, insert, save, renew, cycle, delete.

A store (``SessionStore``) holds the session of its request in ``_session_cache``.
Its ``_stored`` is the object in Redis, as last seen.
"""

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from ..codecs import Lifetime, pack, with_deadline
from ..connections import connections
from ..deadlines import is_past, now_ms, remaining_ms
from ..exceptions import ConflictError, IntegrityError
from ..flows import save as save_flows
from ..flows.attempt import INSERT, STRICT_UPDATE, UPDATE
from ..flows.record import Record
from ..operations import objects
from ..operations.expiry import sweep
from ..operations.objects import NOTHING
from ..operations.operation import Flow
from ..operations.repeatable import IdempotentWrite, RepeatableDelete
from ..operations.replies import Reply
from . import serialization, settings
from .model import Session, private_id
from .records import (
    attach,
    build_image,
    compute_deadline,
    fill,
    find_record,
    get_schema,
    get_space,
    merge_changes,
    unpack,
)

if TYPE_CHECKING:
    from .store import SessionStore

ended_by_password: ContextVar[frozenset[str]] = ContextVar(
    "ended_by_password", default=frozenset()
)
"""Ids of sessions that this thread or task ended by saving a password.

Its own request continues under a new key.
"""

# Django's own name for a session that it cannot read.
logger = logging.getLogger("django.security.SuspiciousSession")


def load(store: "SessionStore") -> Flow[Any]:
    """Flow that returns the stored session as a dict. One round trip.

    The store forgets its key if the session is missing or unreadable.
    """
    pk, using = private_id(store.session_key or ""), settings.using()
    space = Session._meta.space(using)
    packed = yield objects.load(space, pk)
    if packed is not None and not (yield from is_past(packed, space)):
        row = (pk.encode(), packed, None)
        try:
            record = Session._from_row(row, space, using)
            data = serialization.decode_session(record.attrs, store.serializer)
        except Exception as error:  # damaged bytes, or any error of a serializer
            if _is_from_outside(error, store, row, space, using):
                raise
            _report(pk, error)
        else:
            store._stored = record
            return data
    store._stored = None
    store._session_key = None
    return {}


def _is_from_outside(error: Exception, store: "SessionStore", *row: Any) -> bool:
    """Return whether a signal handler raised *error*, or memory ran out.

    Then the session can be read the second time. Its user stays signed in.
    """
    if isinstance(error, MemoryError):
        return True
    try:
        record = Session._from_row(*row)
        serialization.decode_session(record.attrs, store.serializer)
    except Exception:
        return False
    return True


def exists(session_key: str | None) -> Flow[bool]:
    """Flow that returns whether a session is stored under this key. One round trip."""
    if not session_key:
        return False
    is_stored: bool = yield objects.exists(get_space(), private_id(session_key))
    return is_stored


def create(store: "SessionStore", own_attrs: dict[str, Any] | None = None) -> Flow[Any]:
    """Flow that stores the session under a new key. One round trip.

    own_attrs: attributes of the stored object other than the session's keys.
    """
    while True:
        store._session_key = store._get_new_session_key()
        try:
            yield from insert(store, own_attrs)
        except CreateError:
            continue  # taken: one chance in 2^165
        store.modified = True
        return


def insert(store: "SessionStore", own_attrs: dict[str, Any] | None = None) -> Flow[Any]:
    """Flow that stores a new session under the store's key.

    Raises CreateError if the key is taken. One round trip.
    """
    store._get_session(no_load=True)
    record = Session(id=private_id(store.session_key or ""))
    record._state.is_id_random = True
    record.attrs.update(own_attrs or {}, created_ms=now_ms())
    fill(store, record)
    try:
        yield from save_flows.save(record, settings.using(), INSERT)
    except IntegrityError:
        raise CreateError from None
    attach(store, record)


def save(store: "SessionStore") -> Flow[None]:
    """Flow that stores the changes of the request.

    An unchanged session only renews its deadline. Raises UpdateError if the session
    is gone. One round trip, and one more for each concurrent write.
    """
    record = find_record(store)
    if record is None or store._is_cleared:
        yield from _replace(store)
        return
    before, deadline_ms = dict(record.attrs), record._state.expire_at_ms
    sent = fill(store, record)
    if sent == before and deadline_ms and remaining_ms(compute_deadline(store)) > 0:
        # Equal dicts may differ in bytes: 1 and True, or a list changed in place.
        codec = connections[settings.using()].codec
        if pack(sent, (), deadline_ms, codec) == record._state.packed:
            yield from _renew(store, record)
            return
    yield from _update(record)
    attach(store, record, sent)
    yield from _renew_if_changed(store, record, sent)


def cycle(store: "SessionStore") -> Flow[Any]:
    """Flow that moves the session to a new key.

    Concurrent changes under the old key are carried over. Raises SessionInterrupted,
    and stores no session under the new key, if the session of a signed-in user was
    ended in the meantime. Two round trips.
    """
    old, old_key, is_cleared = (
        find_record(store),
        store.session_key,
        store._is_cleared,
    )
    yield from create(store, serialization.own_attrs(old.attrs) if old else None)
    if old is None:
        if old_key is not None:
            yield from delete(store, old_key)
        return
    try:
        was_stored = yield from _end_old(store, old, is_cleared)
    except UpdateError:  # the new one was ended, and the old one is still stored
        yield from save_flows.delete_stored(
            old, settings.using(), NOTHING, IdempotentWrite
        )
        yield from _interrupt(store)
    is_own = old.id in ended_by_password.get()
    if not (was_stored or is_own) and serialization.USER in store._session_cache:
        yield from _interrupt(store)


def _end_old(store: "SessionStore", old: Session, is_cleared: bool) -> Flow[Any]:
    """Flow that deletes the old session, and returns whether it was stored.

    Concurrent changes are first copied to the new session, unless the store was
    cleared. Raises UpdateError if the new session is gone.
    """
    using, base = settings.using(), old._state.packed or b""
    while True:
        image = build_image(old, base)
        code, stored = yield objects.delete(
            get_schema(), old.id, image, RepeatableDelete
        )
        if code is not Reply.REFUSED:
            break
        if not is_cleared:
            yield from _carry_over(store, unpack(old, base), unpack(old, stored))
        base = stored
    if code is Reply.ORPHAN_INDEX:
        yield from save_flows.delete_stored(old, using, NOTHING, IdempotentWrite)
    return code is Reply.DONE


def _interrupt(store: "SessionStore") -> Flow[Any]:
    """Flow that deletes the session, empties the store, and raises SessionInterrupted.

    Django does not save an empty store, and deletes its cookie.
    """
    yield from delete(store, None)
    store.clear()
    store._session_key = store._stored = None
    raise SessionInterrupted(
        "The session was deleted before its key was changed. The user may have "
        "logged out in a concurrent request, for example."
    )


def delete(store: "SessionStore", session_key: str | None) -> Flow[Any]:
    """Flow that deletes a session, by default the store's own.

    One round trip for a loaded session, otherwise two.
    """
    session_key = store.session_key if session_key is None else session_key
    if session_key is None:
        return
    record = find_record(store)
    if record is None or record.id != private_id(session_key):
        record = Session(id=private_id(session_key))
    image = build_image(record, record._state.packed)
    yield from save_flows.delete_stored(
        record, settings.using(), image, IdempotentWrite
    )


def record_visit(store: "SessionStore") -> Flow[Any]:
    """Flow that stores the visit alone, unless one was recorded recently.

    The deadline is kept. A deleted session is not stored again.
    """
    stored = find_record(store)
    if stored is None or store.visit is None:
        return
    visit_attrs = store.visit.attrs_for(stored.attrs)
    if not visit_attrs:
        return
    # A fresh copy: lists of *stored* may have unsaved changes.
    row = stored.id.encode(), stored._state.packed or b"", None
    record = Session._from_row(row, get_space(), settings.using())
    record.attrs.update(visit_attrs)
    sent = dict(record.attrs)
    try:
        yield from _update(record)
    except UpdateError:
        store._stored = None
    else:
        attach(store, record, sent)


def clear_expired() -> Flow[int]:
    """Flow that removes every expired session, and returns their number."""
    total = 0
    while swept := (yield sweep(get_space())):
        total += swept
    return total


# ---------------------------------------------------------------- parts


def _update(record: Session) -> Flow[Any]:
    """Flow that saves a loaded record. Raises UpdateError if it is gone."""
    try:
        yield from save_flows.save(record, settings.using(), UPDATE)
    except Session.NotUpdated:
        raise UpdateError from None


def _replace(store: "SessionStore") -> Flow[Any]:
    """Flow that replaces the stored session, concurrent changes included.

    Raises UpdateError if it is gone.
    """
    while True:
        if find_record(store) is None:
            yield from load(store)
        record = find_record(store)
        if record is None:
            raise UpdateError
        store._stored = None
        fill(store, record)
        try:
            yield from save_flows.save(record, settings.using(), STRICT_UPDATE)
        except Session.NotUpdated:
            raise UpdateError from None
        except ConflictError:
            continue
        attach(store, record)
        return


def _renew(store: "SessionStore", record: Session) -> Flow[Any]:
    """Flow that renews the deadline alone, by the stored lifetime.

    Raises UpdateError if the session is gone.
    """
    using, schema = settings.using(), get_schema()
    while True:
        deadline, packed = compute_deadline(store), record._state.packed or b""
        code, fact = yield objects.extend(schema, record.id, packed, deadline)
        if code is Reply.DONE:
            if isinstance(deadline, Lifetime):
                deadline = deadline.deadline_ms(int(fact))
            contents = Record(record.attrs, [], deadline)
            record._mark_stored(contents, with_deadline(packed, deadline), using)
            return
        if code is Reply.EXPIRED:
            yield from save_flows.delete_stored(record, using, NOTHING, IdempotentWrite)
            return
        if fact is None:
            raise UpdateError
        sent = dict(record.attrs)
        try:
            yield from save_flows.refresh(record, using)
        except Session.DoesNotExist:
            raise UpdateError from None
        merge_changes(store, record, sent)


def _carry_over(store: "SessionStore", base: Record, theirs: Record) -> Flow[Any]:
    """Flow that applies the changes from *base* to *theirs* to the new session.

    Raises UpdateError if the new session is gone.
    """
    record = find_record(store)
    if record is None:  # expired at once
        return
    sent = dict(record.attrs)
    attrs = record._contents().rebase_on(base, theirs).attrs
    record.attrs.clear()
    record.attrs.update(attrs, created_ms=sent["created_ms"])
    yield from _update(record)
    merge_changes(store, record, sent)
    yield from _renew_if_changed(store, record, sent)


def _renew_if_changed(
    store: "SessionStore", record: Session, sent: dict[str, Any]
) -> Flow[Any]:
    """Flow that renews the deadline if a concurrent write changed the lifetime."""
    if (
        record._state.packed is not None
        and record.attrs["lifetime"] != sent["lifetime"]
    ):
        yield from _renew(store, record)


def _report(pk: str, error: Exception) -> None:
    logger.warning(
        "The session %s cannot be read, and is treated as missing. %s: %s",
        pk,
        type(error).__name__,
        error,
    )
