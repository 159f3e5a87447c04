"""Django's SessionMiddleware, which also records the device and awaits the store."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ..deadlines import now_ms
from ..exceptions import ImproperlyConfigured
from . import settings
from .devices import LONGEST_AGENT, Sighting, client_address
from .store import SessionStore

logger = logging.getLogger("django_ormist.sessions")

UNAVAILABLE = 503


class SessionMiddleware(DjangosMiddleware):
    """A drop-in for Django's.

    Where a request loads or begins a session, its address, user agent and time are
    recorded on it, at most once an ACTIVITY_INTERVAL: with what is saved anyway, or
    in one round trip more. Under ASGI the session is saved without a thread. With
    OUTAGE_STATUS 503, so is answered a request whose session's server is away.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                f"{type(self).__module__}.SessionMiddleware is for sessions of "
                f"django_ormist, and SESSION_ENGINE is "
                f"{django_settings.SESSION_ENGINE!r}. Make that "
                "'django_ormist.sessions', or use Django's SessionMiddleware."
            )

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        response = None
        with _outages_told(request):
            found: Any = self.get_response(request)
            response = self.process_response(request, found)
            _noting(request).note_device()
        return _answer(request, response)

    async def __acall__(self, request: HttpRequest) -> Any:
        """See __call__()."""
        self.process_request(request)
        response = None
        with _outages_told(request):
            found: Any = self.get_response(request)
            response = await self._aprocess_response(request, await found)
            await _noting(request).anote_device()
        return _answer(request, response)

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        wanted = settings.current()
        session: Any = request.session
        session.sighting = Sighting(
            client_address(request.META, wanted.trusted_proxies),
            request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT],
            now_ms(),
            round(wanted.activity_interval.total_seconds() * 1000),
        )

    async def _aprocess_response(self, request: HttpRequest, response: Any) -> Any:
        """Django's process_response(), over a session that was saved before it."""
        session = getattr(request, "session", None)
        if session is None:
            return self.process_response(request, response)
        request.session = await _saved(session, response)
        try:
            return self.process_response(request, response)
        finally:
            request.session = session


class _Saved:
    """A session of which save() only tells how the saving went."""

    def __init__(self, session: SessionStore, error: UpdateError | None) -> None:
        self._session = session
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def save(self) -> None:
        if self._error is not None:
            raise self._error


async def _saved(session: SessionStore, response: HttpResponseBase) -> Any:
    """The session after what process_response() would make it do, awaited."""
    error = None
    is_wanted = session.modified or django_settings.SESSION_SAVE_EVERY_REQUEST
    accessed = session.accessed
    if is_wanted and not session.is_empty():
        await session.aget_expiry_age()  # which loads it
        session.accessed = accessed
        if response.status_code < 500:
            try:
                await session.asave()
            except UpdateError as gone:
                error = gone
    return _Saved(session, error)


def _noting(request: HttpRequest) -> SessionStore:
    """The session to note the device on: a view may have taken it away."""
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else SessionStore()


@contextmanager
def _outages_told(request: HttpRequest) -> Iterator[None]:
    """Lets pass what _answer() has an answer to, and logs it: nobody else sees it."""
    try:
        yield
    except Exception:
        if not _is_unavailable(request):
            raise
        logger.exception(
            "The server of the sessions gave no answer to %r.",
            request.path,
            extra={"status_code": UNAVAILABLE, "request": request},
        )


def _is_unavailable(request: HttpRequest) -> bool:
    """Whether the session's server is away, and 503 is to say so."""
    is_unavailable = getattr(getattr(request, "session", None), "is_unavailable", False)
    return is_unavailable and settings.current().outage_status == UNAVAILABLE


def _answer(request: HttpRequest, response: Any) -> Any:
    """The response, or 503 in the place of an error that an outage made.

    The cookie stays as it is: the session is there when the server is back.
    """
    is_error = response is None or response.status_code >= 500
    if not (is_error and _is_unavailable(request)):
        return response
    away = HttpResponse("Service Unavailable", content_type="text/plain")
    away.status_code = UNAVAILABLE
    away["Retry-After"] = "10"
    return away
