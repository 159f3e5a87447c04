"""Django's SessionMiddleware with recorded devices and an awaited save."""

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
from .devices import AGENT_LENGTH, Visit, client_address
from .store import SessionStore

logger = logging.getLogger("django_ormist.sessions")

UNAVAILABLE = 503


class SessionMiddleware(DjangosMiddleware):
    """A drop-in replacement for Django's.

    If a request loads or starts a session, its address, user agent and time are
    recorded on it, at most once per ACTIVITY_INTERVAL: in the save of the session, or
    in one more round trip. Under ASGI, the session is saved without a thread. With
    OUTAGE_STATUS 503, that is the response while the session's server is unavailable.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                f"{type(self).__module__}.SessionMiddleware needs sessions of "
                f"django_ormist, and SESSION_ENGINE is "
                f"{django_settings.SESSION_ENGINE!r}. Set it to "
                "'django_ormist.sessions', or use Django's SessionMiddleware."
            )

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        response = None
        with _log_outage(request):
            found: Any = self.get_response(request)
            response = self.process_response(request, found)
            _session_of(request).note_device()
        return _outage_response(request, response)

    async def __acall__(self, request: HttpRequest) -> Any:
        """See __call__()."""
        self.process_request(request)
        response = None
        with _log_outage(request):
            found: Any = self.get_response(request)
            response = await self._aprocess_response(request, await found)
            await _session_of(request).anote_device()
        return _outage_response(request, response)

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        current = settings.current()
        session: Any = request.session
        session.visit = Visit(
            client_address(request.META, current.trusted_proxies),
            request.META.get("HTTP_USER_AGENT", "")[:AGENT_LENGTH],
            now_ms(),
            round(current.activity_interval.total_seconds() * 1000),
        )

    async def _aprocess_response(self, request: HttpRequest, response: Any) -> Any:
        """Save the session, then run Django's process_response()."""
        session = getattr(request, "session", None)
        if session is None:
            return self.process_response(request, response)
        request.session = await _save_early(session, response)
        try:
            return self.process_response(request, response)
        finally:
            request.session = session


class _SavedSession:
    """A session that was saved: save() only raises the error of that save."""

    def __init__(self, session: SessionStore, error: UpdateError | None) -> None:
        self._session = session
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def save(self) -> None:
        if self._error is not None:
            raise self._error


async def _save_early(session: SessionStore, response: HttpResponseBase) -> Any:
    """Save the session as process_response() would, awaited. Return it as saved."""
    error = None
    must_save = session.modified or django_settings.SESSION_SAVE_EVERY_REQUEST
    accessed = session.accessed
    if must_save and not session.is_empty():
        await session.aget_expiry_age()  # loads the session
        session.accessed = accessed
        if response.status_code < 500:
            try:
                await session.asave()
            except UpdateError as gone:
                error = gone
    return _SavedSession(session, error)


def _session_of(request: HttpRequest) -> SessionStore:
    """Return the session of the request, or an empty one if a view removed it."""
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else SessionStore()


@contextmanager
def _log_outage(request: HttpRequest) -> Iterator[None]:
    """Log and suppress an error that _outage_response() turns into a 503."""
    try:
        yield
    except Exception:
        if not _is_unavailable(request):
            raise
        logger.exception(
            "The session server was unavailable during the request to %r.",
            request.path,
            extra={"status_code": UNAVAILABLE, "request": request},
        )


def _is_unavailable(request: HttpRequest) -> bool:
    """Return whether the session's server is unavailable and OUTAGE_STATUS is 503."""
    is_unavailable = getattr(getattr(request, "session", None), "is_unavailable", False)
    return is_unavailable and settings.current().outage_status == UNAVAILABLE


def _outage_response(request: HttpRequest, response: Any) -> Any:
    """Return the response. Replace an error caused by an outage by a 503.

    The cookie is kept, since the session exists when the server is back.
    """
    is_error = response is None or response.status_code >= 500
    if not (is_error and _is_unavailable(request)):
        return response
    unavailable = HttpResponse("Service Unavailable", content_type="text/plain")
    unavailable.status_code = UNAVAILABLE
    unavailable["Retry-After"] = "10"
    return unavailable
