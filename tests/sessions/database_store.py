"""Django's db engine over a table of the tests, whose app is installed."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession


class Row(AbstractBaseSession):
    """Stand-in for django.contrib.sessions.models.Session."""

    class Meta:
        app_label = "tests"
        managed = False
        db_table = "old_session"

    @classmethod
    def get_session_store_class(cls):
        return SessionStore


class SessionStore(DatabaseStore):
    """Stand-in for django.contrib.sessions.backends.db.SessionStore."""

    @classmethod
    def get_model_class(cls):
        return Row
