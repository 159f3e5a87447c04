"""``SessionStore``: what Django asks of a session engine, in both colours."""

import logging
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, SessionBase

from ..connections.executor import arun, run
from ..crypto import get_random_string
from ..operations.operation import Flow
from . import flows, settings

if TYPE_CHECKING:
    from .devices import Sighting
    from .model import Session

_LENGTH = 32

logger = logging.getLogger("django_ormist.sessions")


class SessionStore(SessionBase):
    """A session kept by django_ormist.

    load and create take one round trip, save one and one more for each time that
    somebody else saved meanwhile. redis-py's errors pass through: a server that is
    away is an error, not a logout.
    """

    sighting: "Sighting | None" = None
    """What the middleware has seen of the device; stored when it is due."""

    is_unavailable = False
    """Whether the server did not answer, or with an error."""

    _record: "Session | None" = None
    _is_cleared = False
    _session_cache: dict[Any, Any]

    if TYPE_CHECKING:  # SessionBase has them, its stubs have not

        def _get_session(self, no_load: bool = False) -> dict[Any, Any]: ...

        async def _aget_session(self, no_load: bool = False) -> dict[Any, Any]: ...

    def load(self) -> dict[Any, Any]:
        """What is stored, {} if nothing is. One round trip."""
        data: dict[Any, Any] = run(self._watched(flows.load(self)), settings.using())
        return data

    async def aload(self) -> dict[Any, Any]:
        """See load()."""
        data: dict[Any, Any]
        data = await arun(self._watched(flows.load(self)), settings.using())
        return data

    def exists(self, session_key: str | None) -> bool:
        """Whether a session is stored under this public key. One round trip."""
        there: bool
        there = run(self._watched(flows.exists(session_key)), settings.using())
        return there

    async def aexists(self, session_key: str | None) -> bool:
        """See exists()."""
        there: bool
        there = await arun(self._watched(flows.exists(session_key)), settings.using())
        return there

    def create(self) -> None:
        """Store it under a new key. One round trip."""
        run(self._watched(flows.create(self)), settings.using())

    async def acreate(self) -> None:
        """See create()."""
        await arun(self._watched(flows.create(self)), settings.using())

    def save(self, must_create: bool = False) -> None:
        """Store what was changed, on top of what others changed meanwhile.

        must_create: CreateError if the key is taken. Otherwise UpdateError if the
        session is gone. An unchanged session only moves its deadline: a few bytes are
        sent. After clear() it takes the place of what is stored.
        """
        if self.session_key is None:
            return self.create()
        self._get_session(no_load=must_create)
        run(self._watched(self._saving(must_create)), settings.using())

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        if self.session_key is None:
            return await self.acreate()
        await self._aget_session(no_load=must_create)
        await arun(self._watched(self._saving(must_create)), settings.using())

    def delete(self, session_key: str | None = None) -> None:
        """Remove the session of this public key, its own by default."""
        run(self._watched(flows.delete(self, session_key)), settings.using())

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await arun(self._watched(flows.delete(self, session_key)), settings.using())

    def cycle_key(self) -> None:
        """Go on under a new key. What others save under the old one comes along.

        Raises SessionInterrupted, Django's 400, if the session had a user and was
        ended meanwhile.
        """
        self._get_session()
        run(self._watched(flows.cycle(self)), settings.using())

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await self._aget_session()
        await arun(self._watched(flows.cycle(self)), settings.using())

    def note_device(self) -> None:
        """Store the sighting, if it is due. The session's keys and deadline stay."""
        run(self._watched(flows.note(self)), settings.using())

    async def anote_device(self) -> None:
        """See note_device()."""
        await arun(self._watched(flows.note(self)), settings.using())

    # Django's own return None, and nobody asks them for more.
    @classmethod
    def clear_expired(cls) -> int:  # type: ignore[override]
        """Sweep what has expired; how many sessions."""
        return _swept(run(flows.clear_expired(), settings.using()))

    @classmethod
    async def aclear_expired(cls) -> int:  # type: ignore[override]
        """See clear_expired()."""
        return _swept(await arun(flows.clear_expired(), settings.using()))

    def clear(self) -> None:
        """Forget every key. The next save() leaves nothing of what is stored."""
        super().clear()
        self._is_cleared = True

    async def adelete_test_cookie(self) -> None:
        """As delete_test_cookie(). Django's own would not be saved."""
        await super().adelete_test_cookie()
        self.modified = True

    def _saving(self, must_create: bool) -> Flow:
        return flows.insert(self) if must_create else flows.save(self)

    def _get_new_session_key(self) -> str:
        """A key that is free by chance; the insert makes sure of it."""
        return get_random_string(VALID_KEY_CHARS, _LENGTH)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    def _watched(self, flow: Flow) -> Flow:
        """The same flow, which says if it was ended from outside before its end."""
        try:
            return (yield from flow)
        except GeneratorExit:
            self.is_unavailable = True
            raise


def _swept(number: int) -> int:
    logger.info("Swept %d expired sessions.", number)
    return number
