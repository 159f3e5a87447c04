"""The stored record of a session, and its exchange with the store.

A record is a ``Session``. ``fill()`` copies the session of the request to it before it
is saved. ``merge_changes()`` copies the changes of concurrent requests back.
"""

import math
from datetime import datetime
from operator import is_
from typing import TYPE_CHECKING, Any

from ..codecs import Deadline, Lifetime, pack_value
from ..codecs.lifetimes import LAST_MS
from ..deadlines import moment_ms
from ..flows.record import Record
from ..keys import Space
from ..operations.objects import NOTHING, Image
from ..schema import Schema
from . import serialization, settings
from .model import Session, private_id

if TYPE_CHECKING:
    from .store import SessionStore

LAST_DAY = datetime(9999, 12, 31)


def get_schema() -> Schema:
    """Return the schema of sessions on their alias."""
    return Session._meta.schema(settings.using())


def get_space() -> Space:
    """Return the key space of the sessions."""
    return Session._meta.space(settings.using())


def find_record(store: "SessionStore") -> Session | None:
    """Return the stored object that was last seen under the store's key, or None."""
    record, key = store._stored, store.session_key
    if record is None or record._state.packed is None or key is None:
        return None
    return record if record.id == private_id(key) else None


def unpack(record: Session, packed: bytes) -> Record:
    """Return the contents of a record with these bytes."""
    return Record.of(packed, record._key(settings.using()))


def build_image(record: Session, packed: bytes | None) -> Image:
    """Return the image of a record with these bytes, or NOTHING without any."""
    if packed is None:
        return NOTHING
    return unpack(record, packed).stored_image(packed, record._meta)


def compute_deadline(store: "SessionStore") -> Deadline:
    """Return the deadline of the session, by set_expiry() or SESSION_COOKIE_AGE.

    One that is too late to be stored becomes the last possible deadline.
    """
    own = store._session_cache.get(serialization.LIFETIME)
    if isinstance(own, str | datetime):
        moment = store.get_expiry_date(expiry=own)
        is_far = moment.replace(tzinfo=None) >= LAST_DAY  # datetime.max, anywhere
        return LAST_MS if is_far else moment_ms(moment)
    # Django reads the clock if it is not given the time of the modification.
    seconds = store.get_expiry_age(modification=None, expiry=own)
    return Lifetime(math.ceil(min(seconds * 1000, LAST_MS)))


def fill(store: "SessionStore", record: Session) -> dict[str, Any]:
    """Copy the session from *store* to *record*. Return the record's attributes."""
    before = record.attrs
    own = serialization.own_attrs(before)
    if store.visit is not None:
        own.update(store.visit.attrs_for(before))
    attrs = serialization.encode_session(store._session_cache, store.serializer, own)
    serialization.keep_equivalent(attrs, before, store.serializer)
    record.attrs.clear()
    record.attrs.update(attrs)
    record._state.expire_at_ms = compute_deadline(store)
    return attrs


def attach(
    store: "SessionStore", record: Session, sent: dict[str, Any] | None = None
) -> None:
    """Make *record* the stored object of *store*.

    sent: its attributes before concurrent changes were merged.
    """
    store._stored = record
    store._is_cleared = False
    if sent is not None:
        merge_changes(store, record, sent)


def merge_changes(store: "SessionStore", record: Session, sent: dict[str, Any]) -> None:
    """Copy concurrent changes, relative to *sent*, from *record* to *store*."""
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
    removed = dict.fromkeys(name for name in sent if name not in record.attrs)
    store._session_cache.update(serialization.decode_session(changed, store.serializer))
    for key in serialization.decode_session(removed, store.serializer):
        store._session_cache.pop(key, None)


def _is_same(name: str, value: Any, other: Any) -> bool:
    return pack_value(name, value) == pack_value(name, other)
