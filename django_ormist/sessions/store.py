"""``SessionStore``: Django's contract for a session engine, sync and async."""

import logging
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase

from ..connections.executor import arun, run
from ..crypto import get_random_string
from ..operations.operation import Flow
from . import flows, settings

if TYPE_CHECKING:
    from .devices import Visit
    from .model import Session

_KEY_LENGTH = 32

logger = logging.getLogger("django_ormist.sessions")


class SessionStore(SessionBase):
    """A session stored by django_ormist.

    load() and create() take one round trip. save() takes one, and one more for each
    concurrent save. redis-py's errors pass through: an unavailable server is an error,
    not a logout.
    """

    visit: "Visit | None" = None
    """The request that the middleware records, or None."""

    is_unavailable = False
    """Whether the server did not reply, or replied with an error."""

    _stored: "Session | None" = None
    _is_cleared = False
    _session_cache: dict[Any, Any]

    if TYPE_CHECKING:  # missing from the stubs of SessionBase

        def _get_session(self, no_load: bool = False) -> dict[Any, Any]: ...

        async def _aget_session(self, no_load: bool = False) -> dict[Any, Any]: ...

    def load(self) -> dict[Any, Any]:
        """Return the stored session, or {} if it is missing. One round trip."""
        data: dict[Any, Any] = run(
            self._flag_outage(flows.load(self)), settings.using()
        )
        return data

    async def aload(self) -> dict[Any, Any]:
        """See load()."""
        data: dict[Any, Any]
        data = await arun(self._flag_outage(flows.load(self)), settings.using())
        return data

    def exists(self, session_key: str | None) -> bool:
        """Return whether a session is stored under this public key. One round trip."""
        there: bool
        there = run(self._flag_outage(flows.exists(session_key)), settings.using())
        return there

    async def aexists(self, session_key: str | None) -> bool:
        """See exists()."""
        there: bool
        there = await arun(
            self._flag_outage(flows.exists(session_key)), settings.using()
        )
        return there

    def create(self) -> None:
        """Store the session under a new key. One round trip."""
        run(self._flag_outage(flows.create(self)), settings.using())

    async def acreate(self) -> None:
        """See create()."""
        await arun(self._flag_outage(flows.create(self)), settings.using())

    def save(self, must_create: bool = False) -> None:
        """Store the changes, and merge them with concurrent changes.

        An unchanged session only renews its deadline, with a few bytes. After clear(),
        the session replaces the stored one. Raises CreateError if *must_create* is set
        and the key is taken. Raises UpdateError if the session is gone.
        """
        if self.session_key is None:
            return self.create()
        self._get_session(no_load=must_create)
        run(self._flag_outage(self._save_flow(must_create)), settings.using())

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        if self.session_key is None:
            return await self.acreate()
        await self._aget_session(no_load=must_create)
        await arun(self._flag_outage(self._save_flow(must_create)), settings.using())

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session of this public key, by default its own."""
        run(self._flag_outage(flows.delete(self, session_key)), settings.using())

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await arun(self._flag_outage(flows.delete(self, session_key)), settings.using())

    def cycle_key(self) -> None:
        """Move the session to a new key, with concurrent changes under the old one.

        Raises SessionInterrupted (Django responds with 400) if the session had a user
        and was ended in the meantime.
        """
        self._get_session()
        run(self._flag_outage(flows.cycle(self)), settings.using())

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await self._aget_session()
        await arun(self._flag_outage(flows.cycle(self)), settings.using())

    def note_device(self) -> None:
        """Store the visit, unless one was recorded recently.

        The session's keys and deadline are kept.
        """
        run(self._flag_outage(flows.record_visit(self)), settings.using())

    async def anote_device(self) -> None:
        """See note_device()."""
        await arun(self._flag_outage(flows.record_visit(self)), settings.using())

    # Django's own return None.
    @classmethod
    def clear_expired(cls) -> int:  # type: ignore[override]
        """Remove every expired session. Return their number."""
        return _log_swept(run(flows.clear_expired(), settings.using()))

    @classmethod
    async def aclear_expired(cls) -> int:  # type: ignore[override]
        """See clear_expired()."""
        return _log_swept(await arun(flows.clear_expired(), settings.using()))

    def clear(self) -> None:
        """Remove every key. The next save() replaces the stored session."""
        super().clear()
        self._is_cleared = True

    async def adelete_test_cookie(self) -> None:
        """See delete_test_cookie(). Django's async variant does not get saved."""
        await super().adelete_test_cookie()
        self.modified = True

    def _save_flow(self, must_create: bool) -> Flow[Any]:
        return flows.insert(self) if must_create else flows.save(self)

    def _get_new_session_key(self) -> str:
        """Return a random key. The insert checks that it is free."""
        return get_random_string(VALID_KEY_CHARS, _KEY_LENGTH)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    def _flag_outage(self, flow: Flow[Any]) -> Flow[Any]:
        """Flow that runs *flow*, and sets is_unavailable if it was closed early."""
        try:
            return (yield from flow)
        except GeneratorExit:
            self.is_unavailable = True
            raise


def _log_swept(number: int) -> int:
    logger.info("Swept %d expired sessions.", number)
    return number
