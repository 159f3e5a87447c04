"""Sessions as of django-redis-sessions 0.6: signed text under ``prefix:key``."""

from django.contrib.sessions.backends.base import SessionBase

PREFIX = "old"


class SessionStore(SessionBase):
    """Stand-in for redis_sessions.session.SessionStore."""

    def __init__(self, session_key=None):
        super().__init__(session_key)
        from django_ormist.connections import connections

        self.server = connections["default"].client

    def create(self):
        self._session_key = self._get_new_session_key()
        stored = self.encode(self._get_session(no_load=True))
        key = self.get_real_stored_key(self.session_key)
        self.server.set(key, stored, ex=max(self.get_expiry_age(), 1))

    def exists(self, session_key):
        return False

    def get_real_stored_key(self, session_key):
        return f"{PREFIX}:{session_key}" if PREFIX else session_key
